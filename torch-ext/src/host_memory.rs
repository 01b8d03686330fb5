//! Memory of the host, kept from one training step for the next.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi;

/// From now on freed memory stays with the process, and `reserve_bytes` of address space are set aside in huge pages
/// where the system has them (they take no memory before they are used). `Ok(false)` where the C library is not glibc.
///
/// Without it every large tensor of every step is fresh memory from the system, which zeroes it page by page: a tenth
/// to a fifth of a convolutional network's step on a CPU. For the whole process, from the first call on.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn keep(reserve_bytes: usize) -> Result<bool, TorchError> {
    let mut done = 0;
    // SAFETY: a plain integer and a local.
    check("host memory", unsafe {
        ffi::tx_keep_host_memory(reserve_bytes, &mut done)
    })?;
    Ok(done != 0)
}

/// Whether [`tensor_of`] takes page-locked memory.
static IS_PINNED: AtomicBool = AtomicBool::new(false);

/// From now on [`tensor_of`] takes page-locked memory, from where a copy to a GPU runs beside the host's work. libtorch keeps
/// such memory and gives a block out again only when the copies that read it are done. Needs a GPU.
pub fn pin() {
    IS_PINNED.store(true, Ordering::Relaxed);
}

/// A u8 tensor `[bytes.len()]` on the host with a copy of `bytes`.
///
/// # Errors
/// Out of memory.
pub fn tensor_of(bytes: &[u8]) -> Result<Tensor, TorchError> {
    // SAFETY: `bytes.len()` readable bytes.
    unsafe { copy_of(bytes.as_ptr(), bytes.len(), false) }
}

/// An i64 tensor `[values.len()]` on the host with a copy of `values`, in the same kind of memory.
///
/// # Errors
/// Out of memory.
pub fn tensor_of_i64(values: &[i64]) -> Result<Tensor, TorchError> {
    // SAFETY: the slice is `size_of_val` readable bytes, a whole number of i64.
    unsafe { copy_of(values.as_ptr().cast(), size_of_val(values), true) }
}

/// # Safety
/// `count` readable bytes at `bytes`.
unsafe fn copy_of(bytes: *const u8, count: usize, as_i64: bool) -> Result<Tensor, TorchError> {
    let mut out = std::ptr::null_mut();
    let pinned = IS_PINNED.load(Ordering::Relaxed);
    // SAFETY: by the contract above; on success `out` is a new tensor that we own.
    unsafe {
        check(
            "host tensor",
            ffi::tx_host_tensor(
                bytes,
                count,
                c_int::from(as_i64),
                c_int::from(pinned),
                &mut out,
            ),
        )?;
        Ok(Tensor::from_ptr(out))
    }
}
