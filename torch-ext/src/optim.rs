//! Optimizer steps over whole lists of tensors: one fused kernel instead of several per parameter.
//!
//! State is named tensors that the caller owns (and so can save); these functions only compute. Within one call all
//! tensors share device and dtype. Buffers must lie in memory as their parameter does: make them with `zeros_like`
//! *after* [`crate::memory_format::set_channels_last`]; a mismatch is an error, never a wrong update.

use std::borrow::Borrow;
use std::ffi::c_int;

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi::{self, Raw, raw_option, raws};

/// What a fused step reads on the parameters' device instead of being told: 1-element f32 tensors there.
#[derive(Clone, Copy, Default)]
pub struct OnDevice<'a> {
    /// The step divides the gradients by it.
    pub grad_scale: Option<&'a Tensor>,
    /// The step does nothing where it is 1.
    pub found_inf: Option<&'a Tensor>,
    /// The learning rate, in the place of `lr`: a step that is captured once and replayed takes the present one.
    pub rate: Option<&'a Tensor>,
}

impl OnDevice<'_> {
    fn raws(self) -> [Raw; 3] {
        [self.grad_scale, self.found_inf, self.rate].map(raw_option)
    }
}

fn same_length(
    operation: &'static str,
    expected: usize,
    got: &[(&str, usize)],
) -> Result<(), TorchError> {
    match got.iter().find(|(_, length)| *length != expected) {
        None => Ok(()),
        Some((name, length)) => Err(TorchError::new(
            operation,
            format!("expected {expected} {name}, one for each parameter, got {length}"),
        )),
    }
}

/// Hyper-parameters of [`fused_sgd`], as `torch.optim.SGD` names them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f64,
    /// The share of the momentum buffer that a step keeps, 0 to 1; with 0 there are no buffers.
    pub momentum: f64,
    /// The share of the gradient that is kept out of the momentum buffer, 0 to 1; with `nesterov` PyTorch wants 0.
    pub dampening: f64,
    /// What the parameter is multiplied by before it is added to its gradient (L2 regularization).
    pub weight_decay: f64,
    /// Whether the step looks ahead by one more step of momentum (Nesterov).
    pub nesterov: bool,
}

/// One SGD step in place (`torch._fused_sgd_`): `g += wd * p; m = momentum * m + (1 - dampening) * g; p -= lr * m`
/// (Nesterov: `p -= lr * (g + momentum * m)`).
///
/// On the `first_step` the buffers are overwritten with the gradient instead of decayed. `momentum_buffers` is empty
/// when `momentum` is 0.
///
/// # Errors
/// Lists of different lengths, a missing gradient, mismatched shapes or strides.
pub fn fused_sgd<P: Borrow<Tensor>, G: Borrow<Tensor>, M: Borrow<Tensor>>(
    params: &[P],
    grads: &[G],
    momentum_buffers: &[M],
    config: &Sgd,
    first_step: bool,
    on_device: OnDevice<'_>,
) -> Result<(), TorchError> {
    const OPERATION: &str = "fused sgd step";
    same_length(OPERATION, params.len(), &[("gradients", grads.len())])?;
    if config.momentum != 0.0 || !momentum_buffers.is_empty() {
        same_length(
            OPERATION,
            params.len(),
            &[("momentum buffers", momentum_buffers.len())],
        )?;
    }
    let (params, grads, buffers) = (raws(params), raws(grads), raws(momentum_buffers));
    let [grad_scale, found_inf, rate] = on_device.raws();
    // SAFETY: the lists hold `params.len()` (or for the buffers their own count of) live tensors, borrowed for the call.
    let code = unsafe {
        ffi::tx_fused_sgd(
            params.as_ptr(),
            grads.as_ptr(),
            buffers.as_ptr(),
            params.len(),
            buffers.len(),
            config.lr,
            config.momentum,
            config.dampening,
            config.weight_decay,
            c_int::from(config.nesterov),
            c_int::from(first_step),
            grad_scale,
            found_inf,
            rate,
        )
    };
    check(OPERATION, code)
}

/// Hyper-parameters of [`fused_adamw`] and [`lamb`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// The learning rate.
    pub lr: f64,
    /// The decay of the average of gradients for each step, 0 to 1.
    pub beta1: f64,
    /// The decay of the average of squared gradients for each step, 0 to 1.
    pub beta2: f64,
    /// What is added to the denominator, so that it is never 0.
    pub eps: f64,
    /// The decay of the parameter apart from its gradient: AdamW takes `lr * weight_decay` of it, LAMB adds its share to
    /// the direction.
    pub weight_decay: f64,
}

/// One AdamW step in place (`torch._fused_adamw_`, decoupled weight decay).
///
/// `steps` are 1-element f32 tensors, one for each parameter, counted up here.
///
/// # Errors
/// Lists of different lengths, a missing gradient, mismatched shapes or strides.
pub fn fused_adamw<P, G, M, V, S>(
    params: &[P],
    grads: &[G],
    exp_avgs: &[M],
    exp_avg_sqs: &[V],
    steps: &[S],
    config: &Adam,
    on_device: OnDevice<'_>,
) -> Result<(), TorchError>
where
    P: Borrow<Tensor>,
    G: Borrow<Tensor>,
    M: Borrow<Tensor>,
    V: Borrow<Tensor>,
    S: Borrow<Tensor>,
{
    const OPERATION: &str = "fused adamw step";
    let lengths = [
        ("gradients", grads.len()),
        ("first moments", exp_avgs.len()),
        ("second moments", exp_avg_sqs.len()),
        ("step counters", steps.len()),
    ];
    same_length(OPERATION, params.len(), &lengths)?;
    let (params, grads, first, second, steps) = (
        raws(params),
        raws(grads),
        raws(exp_avgs),
        raws(exp_avg_sqs),
        raws(steps),
    );
    let [grad_scale, found_inf, rate] = on_device.raws();
    // SAFETY: every list holds `params.len()` live tensors, borrowed for the call.
    let code = unsafe {
        ffi::tx_fused_adamw(
            params.as_ptr(),
            grads.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            steps.as_ptr(),
            params.len(),
            config.lr,
            config.beta1,
            config.beta2,
            config.weight_decay,
            config.eps,
            grad_scale,
            found_inf,
            rate,
        )
    };
    check(OPERATION, code)
}

/// One LAMB step in place (You et al. 2019, algorithm 2, bias-corrected): an AdamW-like direction whose length is
/// scaled for each tensor by `|p| / |update|` when `trust_ratio` is set (leave it off for biases and norms).
///
/// `step` counts from 1. Nothing is read back to the host.
///
/// # Errors
/// Lists of different lengths, a missing gradient, mismatched shapes, step 0.
pub fn lamb<P, G, M, V>(
    params: &[P],
    grads: &[G],
    exp_avgs: &[M],
    exp_avg_sqs: &[V],
    step: i64,
    config: &Adam,
    trust_ratio: bool,
) -> Result<(), TorchError>
where
    P: Borrow<Tensor>,
    G: Borrow<Tensor>,
    M: Borrow<Tensor>,
    V: Borrow<Tensor>,
{
    const OPERATION: &str = "lamb step";
    let lengths = [
        ("gradients", grads.len()),
        ("first moments", exp_avgs.len()),
        ("second moments", exp_avg_sqs.len()),
    ];
    same_length(OPERATION, params.len(), &lengths)?;
    let (params, grads, first, second) =
        (raws(params), raws(grads), raws(exp_avgs), raws(exp_avg_sqs));
    // SAFETY: every list holds `params.len()` live tensors, borrowed for the call.
    let code = unsafe {
        ffi::tx_foreach_lamb(
            params.as_ptr(),
            grads.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            params.len(),
            step,
            config.lr,
            config.beta1,
            config.beta2,
            config.eps,
            config.weight_decay,
            c_int::from(trust_ratio),
        )
    };
    check(OPERATION, code)
}

/// Clips gradients in place to a global 2-norm of at most `max_norm` (`torch.nn.utils.clip_grad_norm_`).
///
/// Returns the norm before clipping as a 0-d f32 tensor on the device; reading it is the caller's only host
/// synchronization. Unscale scaled gradients first ([`crate::amp::unscale`]).
///
/// # Errors
/// An empty list, or gradients on different devices.
pub fn clip_grad_norm<G: Borrow<Tensor>>(grads: &[G], max_norm: f64) -> Result<Tensor, TorchError> {
    let grads = raws(grads);
    let mut total = std::ptr::null_mut();
    // SAFETY: `grads` are live tensors; on success `total` is a new tensor that we own.
    unsafe {
        check(
            "gradient clipping",
            ffi::tx_clip_grad_norm(grads.as_ptr(), grads.len(), max_norm, &mut total),
        )?;
        Ok(Tensor::from_ptr(total))
    }
}

/// Runs a shim function on two lists of one length; nothing to do for empty ones.
fn pairwise<A: Borrow<Tensor>, B: Borrow<Tensor>>(
    operation: &'static str,
    this: &[A],
    other: &[B],
    run: impl FnOnce(*const Raw, *const Raw, usize) -> c_int,
) -> Result<(), TorchError> {
    same_length(operation, this.len(), &[("others", other.len())])?;
    if this.is_empty() {
        return Ok(());
    }
    let (this, other) = (raws(this), raws(other));
    check(operation, run(this.as_ptr(), other.as_ptr(), this.len()))
}

/// `this[i] += weight * (end[i] - this[i])` in place, e.g. an exponential moving average with `weight = 1 - decay`.
///
/// # Errors
/// Lists of different lengths, mismatched shapes.
pub fn foreach_lerp<T: Borrow<Tensor>, E: Borrow<Tensor>>(
    this: &[T],
    end: &[E],
    weight: f64,
) -> Result<(), TorchError> {
    pairwise("foreach lerp", this, end, |a, b, count| {
        // SAFETY: both lists hold `count` live tensors.
        unsafe { ffi::tx_foreach_lerp(a, b, count, weight) }
    })
}

/// Overwrites each tensor of `this` with the one of `source` in its place: a few calls for all of them, not one a
/// tensor.
///
/// # Errors
/// Lists of different lengths, mismatched shapes.
pub fn foreach_copy<T: Borrow<Tensor>, S: Borrow<Tensor>>(
    this: &[T],
    source: &[S],
) -> Result<(), TorchError> {
    pairwise("foreach copy", this, source, |a, b, count| {
        // SAFETY: both lists hold `count` live tensors.
        unsafe { ffi::tx_foreach_copy(a, b, count) }
    })
}

/// Whether every number of every tensor is finite: one question to the device for all of them.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn all_finite<T: Borrow<Tensor>>(tensors: &[T]) -> Result<bool, TorchError> {
    if tensors.is_empty() {
        return Ok(true);
    }
    let tensors = raws(tensors);
    let mut out = 0;
    // SAFETY: the list holds `tensors.len()` live tensors, `out` is a local.
    check("finite check", unsafe {
        ffi::tx_all_finite(tensors.as_ptr(), tensors.len(), &mut out)
    })?;
    Ok(out != 0)
}
