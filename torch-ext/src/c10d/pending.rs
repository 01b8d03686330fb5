//! A sum over all ranks that is under way while this process goes on. The blocking collectives are in `group`.

use tch::Tensor;

use super::group::ProcessGroup;
use crate::error::{TorchError, check};
use crate::ffi::{self, raw};

/// Numbers being summed over the ranks; [`PendingSum::wait`] gives them back.
///
/// Begin on every rank in the same place among the group's other collectives. Dropped without waiting, the sum still
/// runs to its end in the background.
#[derive(Debug)]
pub struct PendingSum {
    raw: *mut ffi::TxWork,
    values: Tensor,
}

// SAFETY: c10d's work handles may be waited for from any thread; this one has a single owner.
unsafe impl Send for PendingSum {}

impl ProcessGroup {
    /// Begins to sum `values`, a contiguous tensor, over all ranks, and returns at once.
    ///
    /// # Errors
    /// A tensor that is not contiguous. A peer that is gone or late is [`PendingSum::wait`]'s error.
    pub fn begin_sum(&self, values: Tensor) -> Result<PendingSum, TorchError> {
        let mut work = std::ptr::null_mut();
        // SAFETY: a live group and tensor; on success `work` is a handle that we own. The shim keeps the tensor's memory.
        check("all-reduce", unsafe {
            ffi::tx_all_reduce_start(self.raw(), raw(&values), &mut work)
        })?;
        Ok(PendingSum { raw: work, values })
    }
}

impl PendingSum {
    /// Waits for the sums.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce`].
    pub fn wait(self) -> Result<Tensor, TorchError> {
        // SAFETY: a live handle.
        check("all-reduce", unsafe { ffi::tx_work_wait(self.raw) })?;
        Ok(self.values.shallow_clone())
    }
}

impl Drop for PendingSum {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterward; the backend holds its own reference to what is still under way.
        unsafe { ffi::tx_work_free(self.raw) }
    }
}
