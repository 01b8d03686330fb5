//! Mixed precision: operators that gain from it run in a low dtype, the others stay in f32.
//!
//! The state belongs to the calling thread. Only the forward pass and the loss go inside; backward runs outside and
//! repeats each operator's dtype. Parameters and their gradients stay f32.

use std::ffi::c_int;
use std::marker::PhantomData;

use tch::{Device, Kind};

use crate::error::{TorchError, check};
use crate::ffi;

/// Autocast is on for the device's type while this lives; dropping it (a panic included) restores what was before.
///
/// Guards nest and must be dropped in the reverse order, which scopes do by themselves.
#[must_use = "autocast ends when the guard is dropped"]
pub struct Autocast {
    device_type: c_int,
    previous: (c_int, c_int),
    // The state is thread-local: the guard must be dropped where it was made.
    not_send: PhantomData<*const ()>,
}

impl Autocast {
    /// Starts autocasting to `kind` ([`Kind::BFloat16`] or [`Kind::Half`]) on the type of `device`.
    ///
    /// # Errors
    /// Another dtype, or a device type that autocast does not know.
    pub fn enter(device: Device, kind: Kind) -> Result<Self, TorchError> {
        let dtype = match kind {
            Kind::Half => 5,
            Kind::BFloat16 => 15,
            other => {
                return Err(TorchError::new(
                    "autocast",
                    format!("expected bf16 or f16, got {other:?}"),
                ));
            }
        };
        Self::set(device, 1, Some(dtype))
    }

    /// Switches autocast off inside an outer guard, e.g. for a loss that must be computed in f32.
    ///
    /// # Errors
    /// A device type that autocast does not know.
    pub fn disable(device: Device) -> Result<Self, TorchError> {
        Self::set(device, 0, None)
    }

    fn set(device: Device, enabled: c_int, dtype: Option<c_int>) -> Result<Self, TorchError> {
        let device_type = device_type(device)?;
        let mut previous = (0, 0);
        // SAFETY: plain integers, and pointers to locals that live through the calls.
        unsafe {
            check(
                "autocast",
                ffi::tx_autocast_get(device_type, &mut previous.0, &mut previous.1),
            )?;
            check(
                "autocast",
                ffi::tx_autocast_set(device_type, enabled, dtype.unwrap_or(previous.1)),
            )?;
            check("autocast", ffi::tx_autocast_enter_nesting())?;
        }
        Ok(Autocast {
            device_type,
            previous,
            not_send: PhantomData,
        })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: plain integers. Neither call fails for a device type that `enter` accepted.
        unsafe {
            ffi::tx_autocast_leave_nesting();
            ffi::tx_autocast_set(self.device_type, self.previous.0, self.previous.1);
        }
    }
}

/// Runs `body` under autocast when `kind` is `Some`, plainly when `None`.
///
/// # Errors
/// As [`Autocast::enter`].
pub fn autocast<T>(
    device: Device,
    kind: Option<Kind>,
    body: impl FnOnce() -> T,
) -> Result<T, TorchError> {
    let _guard = kind.map(|kind| Autocast::enter(device, kind)).transpose()?;
    Ok(body())
}

/// Whether autocast is on for the device's type on this thread.
///
/// # Errors
/// A device type that autocast does not know.
pub fn is_enabled(device: Device) -> Result<bool, TorchError> {
    let (mut enabled, mut dtype) = (0, 0);
    // SAFETY: pointers to locals that live through the call.
    unsafe {
        check(
            "autocast",
            ffi::tx_autocast_get(device_type(device)?, &mut enabled, &mut dtype),
        )?
    };
    Ok(enabled != 0)
}

/// c10's `DeviceType` numbers.
fn device_type(device: Device) -> Result<c_int, TorchError> {
    match device {
        Device::Cpu => Ok(0),
        Device::Cuda(_) => Ok(1),
        other => Err(TorchError::new(
            "autocast",
            format!("expected a CPU or CUDA device, got {other:?}"),
        )),
    }
}
