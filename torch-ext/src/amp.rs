//! The two kernels of a loss scaler (`torch.amp.GradScaler`); its policy lives in the trainer.

use std::borrow::Borrow;

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi::{self, raw, raws};

/// Multiplies gradients by `inv_scale` in place; `found_inf` becomes 1 when any of them is infinite or NaN.
///
/// Both are 1-element f32 tensors on the gradients' device. `found_inf` is only ever raised: zero it for each step.
///
/// # Errors
/// Gradients on different devices, wrong dtypes.
pub fn unscale<G: Borrow<Tensor>>(
    grads: &[G],
    found_inf: &Tensor,
    inv_scale: &Tensor,
) -> Result<(), TorchError> {
    let grads = raws(grads);
    // SAFETY: the list holds `grads.len()` live tensors, the others are live.
    let code = unsafe {
        ffi::tx_non_finite_check_and_unscale(
            grads.as_ptr(),
            grads.len(),
            raw(found_inf),
            raw(inv_scale),
        )
    };
    check("gradient unscaling", code)
}

/// How [`update_scale`] moves the scale; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleUpdate {
    /// What the scale is multiplied by after enough finite steps, above 1.
    pub growth_factor: f64,
    /// What the scale is multiplied by after a step with infinite or NaN gradients, below 1.
    pub backoff_factor: f64,
    /// Finite steps in a row before the scale grows.
    pub growth_interval_steps: i64,
}

impl Default for ScaleUpdate {
    fn default() -> Self {
        ScaleUpdate {
            growth_factor: 2.0,
            backoff_factor: 0.5,
            growth_interval_steps: 2000,
        }
    }
}

/// Backs the scale off where `found_inf` is 1, grows it after enough finite steps (`torch._amp_update_scale_`).
///
/// `scale` and `found_inf` are 1-element f32, `growth_tracker` 1-element i32 tensors, changed in place.
///
/// # Errors
/// Wrong dtypes or sizes.
pub fn update_scale(
    scale: &Tensor,
    growth_tracker: &Tensor,
    found_inf: &Tensor,
    update: &ScaleUpdate,
) -> Result<(), TorchError> {
    // SAFETY: live tensors, borrowed for the call.
    let code = unsafe {
        ffi::tx_update_scale(
            raw(scale),
            raw(growth_tracker),
            raw(found_inf),
            update.growth_factor,
            update.backoff_factor,
            update.growth_interval_steps,
        )
    };
    check("loss scale update", code)
}
