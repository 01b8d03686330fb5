//! Counts how often the host reads a number of a tensor. On a GPU each read waits for the device, and none is allowed
//! while a graph is captured ([`crate::graph`]); a CPU reads in the same places, so that a test without a GPU sees them.

use crate::error::{TorchError, check};
use crate::ffi;

/// Runs `body`; how many numbers of tensors this thread has read meanwhile (`Tensor.item`, `bool(tensor)` and the like).
///
/// # Errors
/// Only what libtorch itself reports.
pub fn count<T>(body: impl FnOnce() -> T) -> Result<(T, usize), TorchError> {
    let mut handle = 0;
    // SAFETY: a pointer to a local.
    check("counting reads", unsafe {
        ffi::tx_host_reads_begin(&mut handle)
    })?;
    let counting = Counting(handle);
    let value = body();
    let reads = counting.end()?;
    Ok((value, reads))
}

/// Takes the callback away again, after a panic too.
struct Counting(u64);

impl Counting {
    fn end(self) -> Result<usize, TorchError> {
        let mut reads = 0;
        // SAFETY: the handle is that of a callback of this thread; a pointer to a local.
        let code = unsafe { ffi::tx_host_reads_end(self.0, &mut reads) };
        std::mem::forget(self);
        check("counting reads", code)?;
        Ok(usize::try_from(reads).unwrap_or_default())
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let mut reads = 0;
        // SAFETY: as in `end`, which has not run.
        unsafe { ffi::tx_host_reads_end(self.0, &mut reads) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn reads_are_counted_and_arithmetic_is_not() {
        let values = Tensor::from_slice(&[1.0_f32, 2.0]);
        let (sum, reads) = count(|| (&values * 2.0).sum(tch::Kind::Float)).unwrap();
        assert_eq!(reads, 0);
        let (value, reads) = count(|| sum.double_value(&[]) + values.double_value(&[1])).unwrap();
        assert_eq!((value, reads), (8.0, 2));
    }
}
