//! CUDA opened at run time, so that one binary starts on a laptop and uses the GPU of a server.
//!
//! Call [`open`] as the first thing in `main`: libtorch caches its CUDA hooks at the first question about CUDA, and a
//! library opened later is never seen (`tch::Cuda::is_available()` stays false for good).

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::error::{TorchError, check, take_string};
use crate::ffi;

static OPENED: OnceLock<Result<PathBuf, TorchError>> = OnceLock::new();

/// Opens `libtorch_cuda.so` beside the loaded `libtorch_cpu.so`, once; later calls return the first answer.
///
/// # Errors
/// The loader's reason, e.g. which CUDA library is missing. The program goes on with the CPU.
pub fn open() -> Result<PathBuf, TorchError> {
    OPENED
        .get_or_init(|| {
            let mut path = std::ptr::null_mut();
            // SAFETY: `path` is a local; on success it is a string that we own.
            unsafe {
                check("opening libtorch_cuda", ffi::tx_cuda_open(&mut path))?;
                Ok(PathBuf::from(take_string(path)))
            }
        })
        .clone()
}

/// What [`open`] answered, or `None` when it has not been called.
pub fn opened() -> Option<Result<PathBuf, TorchError>> {
    OPENED.get().cloned()
}

/// The folder libtorch was loaded from.
///
/// # Errors
/// The loader does not know (a static libtorch).
pub fn libtorch_dir() -> Result<PathBuf, TorchError> {
    let mut path = std::ptr::null_mut();
    // SAFETY: `path` is a local; on success it is a string that we own.
    unsafe {
        check("libtorch folder", ffi::tx_libtorch_dir(&mut path))?;
        Ok(PathBuf::from(take_string(path)))
    }
}

/// A GPU as the NVIDIA driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverDevice {
    /// Its name, e.g. `Tesla T4`.
    pub name: String,
    /// All of its memory, in bytes, whether free or not.
    pub memory_bytes: u64,
    /// Compute capability, e.g. `(7, 5)` for a T4.
    pub capability: (i32, i32),
}

/// The NVIDIA driver's own answer, independent of libtorch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// The newest CUDA the driver supports, e.g. `(13, 0)`.
    pub cuda_version: (i32, i32),
    /// The GPUs in the driver's order, at most 64.
    pub devices: Vec<DriverDevice>,
}

/// Asks `libcuda.so.1`, which comes with the driver and not with libtorch.
///
/// # Errors
/// No driver, or the driver's error code.
pub fn driver() -> Result<Driver, TorchError> {
    const CAPACITY: usize = 64;
    let (mut version, mut count) = (0, 0);
    let mut devices: Vec<ffi::TxCudaDevice> = (0..CAPACITY)
        .map(|_| ffi::TxCudaDevice {
            name: [0; 256],
            memory_bytes: 0,
            capability_major: 0,
            capability_minor: 0,
        })
        .collect();
    // SAFETY: `devices` has CAPACITY places, the shim writes at most so many.
    check("cuda driver", unsafe {
        ffi::tx_cuda_driver(
            &mut version,
            &mut count,
            devices.as_mut_ptr(),
            CAPACITY as i32,
        )
    })?;
    let devices = devices
        .iter()
        .take(usize::try_from(count).unwrap_or(0))
        .map(|device| DriverDevice {
            // SAFETY: the buffer starts zeroed and the driver NUL-terminates within its 256 bytes.
            name: unsafe { CStr::from_ptr(device.name.as_ptr()) }
                .to_string_lossy()
                .into_owned(),
            memory_bytes: device.memory_bytes,
            capability: (device.capability_major, device.capability_minor),
        })
        .collect();
    Ok(Driver {
        cuda_version: (version / 1000, version % 1000 / 10),
        devices,
    })
}
