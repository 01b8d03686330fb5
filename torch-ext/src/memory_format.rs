//! channels_last: NHWC in memory under an NCHW shape, what tensor cores and oneDNN like best.

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi::{self, raw};

/// Rewrites a weight `[O, I, kH, kW]` in place as channels_last, 1x1 kernels included; other ranks are left alone.
///
/// Before the optimizer's buffers are made and before a reducer is built.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_channels_last(weight: &Tensor) -> Result<(), TorchError> {
    // SAFETY: a live tensor.
    check("channels_last", unsafe {
        ffi::tx_set_channels_last(raw(weight))
    })
}

/// An activation `[N, C, H, W]` as channels_last: a copy, or the same tensor where it already is.
///
/// # Errors
/// A tensor that has not four dimensions.
pub fn channels_last(activation: &Tensor) -> Result<Tensor, TorchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: a live tensor; on success `out` is a new tensor that we own.
    unsafe {
        check(
            "memory format",
            ffi::tx_channels_last(raw(activation), &mut out),
        )?;
        Ok(Tensor::from_ptr(out))
    }
}
