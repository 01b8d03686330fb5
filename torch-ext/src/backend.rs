//! Process-wide numeric switches: determinism, reduced precision inside f32 kernels, threads.

use std::ffi::c_int;

use crate::error::{TorchError, check, take_string};
use crate::ffi;

/// The version of libtorch that this program was built for, once the loaded library is known to be it.
///
/// # Errors
/// The loaded libtorch is of another version.
pub fn libtorch_version() -> Result<String, TorchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: `out` is a local; on success it is a string that we own.
    unsafe {
        check("libtorch", ffi::tx_check_version(&mut out))?;
        Ok(take_string(out))
    }
}

/// Only deterministic kernels (`torch.use_deterministic_algorithms`, cuDNN and oneDNN included); cuDNN's benchmark
/// mode goes off with it. With `warn_only` an operator without a deterministic kernel warns instead of failing.
///
/// Sets `CUBLAS_WORKSPACE_CONFIG=:4096:8` for this process where the environment does not have it: cuBLAS wants it before
/// its first use, so call this before anything runs on a GPU.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_deterministic(enabled: bool, warn_only: bool) -> Result<(), TorchError> {
    // SAFETY: plain integers.
    check("deterministic switch", unsafe {
        ffi::tx_set_deterministic(c_int::from(enabled), c_int::from(warn_only))
    })
}

/// cuDNN times its algorithms for each new shape and keeps the fastest.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_cudnn_benchmark(enabled: bool) -> Result<(), TorchError> {
    // SAFETY: a plain integer.
    check("cudnn benchmark switch", unsafe {
        ffi::tx_set_cudnn_benchmark(c_int::from(enabled))
    })
}

/// How f32 matrix products and convolutions may round inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float32Precision {
    /// Full f32 everywhere.
    Ieee,
    /// TF32 (10-bit mantissa) on CUDA since Ampere; full f32 on the CPU.
    Tf32,
    /// TF32 on CUDA, and oneDNN may compute in bf16 on the CPU.
    Bf16OnCpu,
}

/// Sets the precision of f32 matmul and convolution on CUDA and oneDNN.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_float32_precision(precision: Float32Precision) -> Result<(), TorchError> {
    let level = match precision {
        Float32Precision::Ieee => 0,
        Float32Precision::Tf32 => 1,
        Float32Precision::Bf16OnCpu => 2,
    };
    // SAFETY: a plain integer.
    check("float32 precision", unsafe {
        ffi::tx_set_float32_precision(level)
    })
}

/// Treats denormals as zero on the CPU (they cost a hundred times more); `Ok(false)` where the processor cannot.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn set_flush_denormal(enabled: bool) -> Result<bool, TorchError> {
    let mut supported = 0;
    // SAFETY: a plain integer and a local.
    check("denormal switch", unsafe {
        ffi::tx_set_flush_denormal(c_int::from(enabled), &mut supported)
    })?;
    Ok(supported != 0)
}

/// Threads inside one operator on the CPU.
///
/// # Errors
/// Zero threads.
pub fn set_num_threads(threads: usize) -> Result<(), TorchError> {
    let threads = c_int::try_from(threads).map_err(|_| {
        TorchError::new(
            "thread count",
            format!("{threads} threads are out of range"),
        )
    })?;
    // SAFETY: a plain integer.
    check("thread count", unsafe { ffi::tx_set_num_threads(threads) })
}

/// Threads inside one operator on the CPU, as now set.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn num_threads() -> Result<usize, TorchError> {
    let mut out = 0;
    // SAFETY: a local.
    check("thread count", unsafe { ffi::tx_num_threads(&mut out) })?;
    Ok(usize::try_from(out).unwrap_or(1))
}
