//! Gradients of parameters.

use std::borrow::Borrow;

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi::{self, raws};

/// Drops every `.grad` (PyTorch's `zero_grad(set_to_none=True)`): frees the memory, and the next backward writes
/// instead of adding. Safe under a reducer, whose gradients are views that tch's `zero_grad` cannot detach.
///
/// # Errors
/// A tensor that is not a leaf.
pub fn reset_grads<P: Borrow<Tensor>>(params: &[P]) -> Result<(), TorchError> {
    let params = raws(params);
    // SAFETY: the list holds `params.len()` live tensors.
    check("gradient reset", unsafe {
        ffi::tx_reset_grads(params.as_ptr(), params.len())
    })
}

/// The `.grad` of each parameter, in order.
///
/// # Errors
/// A parameter without a gradient, by its index: it took no part in the loss.
pub fn grads<P: Borrow<Tensor>>(params: &[P]) -> Result<Vec<Tensor>, TorchError> {
    params
        .iter()
        .enumerate()
        .map(|(index, param)| {
            let grad = param.borrow().grad();
            if grad.defined() {
                Ok(grad)
            } else {
                let shape = param.borrow().size();
                Err(TorchError::new(
                    "gradients",
                    format!("parameter {index} of shape {shape:?} has no gradient"),
                ))
            }
        })
        .collect()
}

/// Backward from `outputs` whose gradients are `gradients`, adding to the leaves' `.grad` (`torch.autograd.backward`).
///
/// # Errors
/// Lists of different lengths, other shapes, or outputs that no gradient reaches.
pub fn backward<O: Borrow<Tensor>, G: Borrow<Tensor>>(
    outputs: &[O],
    gradients: &[G],
) -> Result<(), TorchError> {
    if outputs.len() != gradients.len() {
        let reason = format!(
            "expected a gradient for each of {} outputs, got {}",
            outputs.len(),
            gradients.len()
        );
        return Err(TorchError::new("backward", reason));
    }
    let (outputs, gradients) = (raws(outputs), raws(gradients));
    // SAFETY: both lists hold `outputs.len()` live tensors.
    check("backward", unsafe {
        ffi::tx_backward(outputs.as_ptr(), gradients.as_ptr(), outputs.len())
    })
}
