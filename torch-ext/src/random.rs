//! The state of a device's random numbers: what was drawn once can be drawn again.

use std::ffi::c_int;

use tch::{Device, Tensor};

use crate::error::{TorchError, check};
use crate::ffi::{self, raw};

/// The state of `device`'s generator, a u8 tensor on the CPU (`torch.get_rng_state`, `torch.cuda.get_rng_state`).
///
/// # Errors
/// Neither a CPU nor a CUDA device, or only what libtorch itself reports.
pub fn state(device: Device) -> Result<Tensor, TorchError> {
    let (device_type, index) = place(device)?;
    let mut out = std::ptr::null_mut();
    // SAFETY: plain integers and a local; on success `out` is a new tensor that we own.
    unsafe {
        check(
            "random state",
            ffi::tx_random_state(device_type, index, &mut out),
        )?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Puts a state of [`state`] back.
///
/// # Errors
/// As [`state`], or a tensor that is no state.
pub fn set_state(device: Device, state: &Tensor) -> Result<(), TorchError> {
    let (device_type, index) = place(device)?;
    // SAFETY: plain integers and a live tensor.
    check("random state", unsafe {
        ffi::tx_set_random_state(device_type, index, raw(state))
    })
}

/// `c10::DeviceType` and index.
fn place(device: Device) -> Result<(c_int, c_int), TorchError> {
    match device {
        Device::Cpu => Ok((0, -1)),
        Device::Cuda(index) => Ok((1, c_int::try_from(index).unwrap_or(c_int::MAX))),
        other => Err(TorchError::new(
            "random state",
            format!("expected a CPU or CUDA device, got {other:?}"),
        )),
    }
}
