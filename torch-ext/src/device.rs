//! The current accelerator (a CUDA device): selection, synchronization, memory. Only counting works without one; the
//! rest answers with an error that says so. None of it has run on a GPU yet except where the README says so.

use std::borrow::Borrow;
use std::ffi::c_int;

use tch::Tensor;

use crate::error::{TorchError, check};
use crate::ffi::{self, raws};

/// How many accelerators this process sees; 0 without CUDA.
///
/// # Errors
/// A driver that fails to answer.
pub fn count() -> Result<usize, TorchError> {
    let mut out = 0;
    // SAFETY: a pointer to a local.
    check("device count", unsafe { ffi::tx_device_count(&mut out) })?;
    Ok(usize::try_from(out).unwrap_or(0))
}

/// Makes device `index` the calling thread's current one.
///
/// # Errors
/// No accelerator, or no such index.
pub fn set_current(index: usize) -> Result<(), TorchError> {
    // SAFETY: a plain integer.
    check("device selection", unsafe {
        ffi::tx_set_device(index_of("device selection", index)?)
    })
}

/// Waits for everything queued on device `index`.
///
/// # Errors
/// No accelerator, or an error of earlier asynchronous work, which surfaces here.
pub fn synchronize(index: usize) -> Result<(), TorchError> {
    // SAFETY: a plain integer.
    check("device synchronization", unsafe {
        ffi::tx_synchronize(index_of("device synchronization", index)?)
    })
}

/// What the caching allocator holds on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// What live tensors take now, in bytes.
    pub allocated_bytes: u64,
    /// The most that live tensors took at once, in bytes.
    pub peak_allocated_bytes: u64,
    /// What the allocator has taken from the device now, in bytes: live tensors and its cache.
    pub reserved_bytes: u64,
    /// The most that it had taken at once, in bytes.
    pub peak_reserved_bytes: u64,
    /// Allocations that only succeeded after the cache was flushed: a sign of fragmentation.
    pub allocation_retries: u64,
    /// How often an allocation failed because no memory was left.
    pub out_of_memory_events: u64,
}

/// The allocator's statistics (`torch.cuda.memory_stats`).
///
/// # Errors
/// No accelerator, or no such index.
pub fn memory_stats(index: usize) -> Result<MemoryStats, TorchError> {
    let mut out = [0_i64; 6];
    // SAFETY: `out` has the six places the shim writes.
    check("memory statistics", unsafe {
        ffi::tx_memory_stats(index_of("memory statistics", index)?, out.as_mut_ptr())
    })?;
    let [
        allocated,
        peak_allocated,
        reserved,
        peak_reserved,
        retries,
        ooms,
    ] = out.map(|value| u64::try_from(value).unwrap_or(0));
    Ok(MemoryStats {
        allocated_bytes: allocated,
        peak_allocated_bytes: peak_allocated,
        reserved_bytes: reserved,
        peak_reserved_bytes: peak_reserved,
        allocation_retries: retries,
        out_of_memory_events: ooms,
    })
}

/// Gives what the caching allocator holds and no tensor uses back to the accelerator (`torch.cuda.empty_cache`);
/// nothing to do without one. After memory ran out: what is asked for next finds whole blocks.
///
/// # Errors
/// An error of earlier asynchronous work, which surfaces here.
pub fn empty_cache() -> Result<(), TorchError> {
    // SAFETY: no arguments.
    check("emptying the device's cache", unsafe {
        ffi::tx_empty_cache()
    })
}

/// Tensors on the host, contiguous: those of a GPU are copied through page-locked memory in one go, with one wait for all
/// of them.
///
/// # Errors
/// Out of memory, or an error of earlier asynchronous work, which surfaces here.
pub fn to_host<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Vec<Tensor>, TorchError> {
    let tensors = raws(tensors);
    let mut out = vec![std::ptr::null_mut(); tensors.len()];
    // SAFETY: `out` has room for `tensors.len()` pointers; on success each is a new tensor that we own.
    unsafe {
        check(
            "copy to the host",
            ffi::tx_to_host(tensors.as_ptr(), tensors.len(), out.as_mut_ptr()),
        )?;
        Ok(out
            .into_iter()
            .map(|tensor| Tensor::from_ptr(tensor))
            .collect())
    }
}

fn index_of(operation: &'static str, index: usize) -> Result<c_int, TorchError> {
    // c10::DeviceIndex is a signed byte.
    i8::try_from(index).map(c_int::from).map_err(|_| {
        TorchError::new(
            operation,
            format!("device index {index} is out of range (0 to 127)"),
        )
    })
}
