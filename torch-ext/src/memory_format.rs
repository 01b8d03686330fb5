//! channels_last: NHWC in memory under an NCHW shape, what tensor cores and oneDNN like best.

use std::ffi::c_int;

use tch::Tensor;

use crate::error::{Error, check};
use crate::ffi::{self, raw};

/// Rewrites a weight `[O, I, kH, kW]` in place as channels_last, 1x1 kernels included; other ranks are left alone.
///
/// Before the optimizer's buffers are made and before a reducer is built.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_channels_last(weight: &Tensor) -> Result<(), Error> {
    // SAFETY: a live tensor.
    check("channels_last", unsafe {
        ffi::tx_set_memory_format(raw(weight), 1)
    })
}

/// The way back: rewrites a tensor in place in the default order.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_contiguous(weight: &Tensor) -> Result<(), Error> {
    // SAFETY: a live tensor.
    check("contiguous", unsafe {
        ffi::tx_set_memory_format(raw(weight), 0)
    })
}

/// An activation `[N, C, H, W]` as channels_last: a copy, or the same tensor where it already is.
///
/// # Errors
/// A tensor that has not four dimensions.
pub fn channels_last(activation: &Tensor) -> Result<Tensor, Error> {
    contiguous(activation, true)
}

fn contiguous(tensor: &Tensor, channels_last: bool) -> Result<Tensor, Error> {
    let mut out = std::ptr::null_mut();
    // SAFETY: a live tensor; on success `out` is a new tensor that we own.
    unsafe {
        check(
            "memory format",
            ffi::tx_contiguous(raw(tensor), c_int::from(channels_last), &mut out),
        )?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Whether the memory order is channels_last (true also where it cannot be told apart, as for 1x1 images).
///
/// # Errors
/// Only what libtorch itself reports.
pub fn is_channels_last(tensor: &Tensor) -> Result<bool, Error> {
    let mut out = 0;
    // SAFETY: a live tensor and a local.
    check("memory format", unsafe {
        ffi::tx_is_channels_last(raw(tensor), &mut out)
    })?;
    Ok(out != 0)
}
