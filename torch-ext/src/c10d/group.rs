//! Process groups: the collectives on tensors.

use std::borrow::Borrow;
use std::ffi::c_int;
use std::time::Duration;

use tch::Tensor;

use super::store::{Store, millis, text};
use crate::error::{TorchError, check};
use crate::ffi::{self, raw, raws};

/// How [`ProcessGroup::all_reduce`] combines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceOp {
    /// The sum over all ranks.
    Sum,
    /// The smallest value of any rank.
    Min,
    /// The largest value of any rank.
    Max,
    /// The sum divided by the number of ranks.
    Mean,
}

/// The address on which Gloo listens for its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlooAddress {
    /// What the machine's host name resolves to, as PyTorch does.
    HostName,
    /// A host name or address of this machine, e.g. `127.0.0.1`.
    Host(String),
    /// A network interface, e.g. `eth0`.
    Interface(String),
}

/// The processes that call the same collectives in the same order.
///
/// Every method blocks until the collective is done (on CUDA: until it is queued on the current stream). A peer that
/// dies or stays away longer than the group's timeout makes it an error; the group is unusable afterward.
pub struct ProcessGroup {
    raw: *mut ffi::TxGroup,
    rank: usize,
    size: usize,
}

// SAFETY: c10d's groups may be used from any thread, one collective at a time; `&self` methods are not reentrant
// across threads, hence Send without Sync.
unsafe impl Send for ProcessGroup {}

impl ProcessGroup {
    /// Joins a group over Gloo, for CPU tensors.
    ///
    /// # Errors
    /// Peers do not appear within `timeout`, the address cannot be bound.
    pub fn gloo(
        store: &Store,
        rank: usize,
        size: usize,
        address: &GlooAddress,
        timeout: Duration,
    ) -> Result<Self, TorchError> {
        const OPERATION: &str = "gloo group";
        let (host, interface) = match address {
            GlooAddress::HostName => ("", ""),
            GlooAddress::Host(host) => (host.as_str(), ""),
            GlooAddress::Interface(interface) => ("", interface.as_str()),
        };
        let (host, interface) = (text(OPERATION, host)?, text(OPERATION, interface)?);
        let (c_rank, c_size) = ranks(OPERATION, rank, size)?;
        let mut group = std::ptr::null_mut();
        // SAFETY: a live store, NUL-terminated strings; on success `group` is a handle that we own.
        check(OPERATION, unsafe {
            ffi::tx_group_gloo(
                store.raw(),
                c_rank,
                c_size,
                host.as_ptr(),
                interface.as_ptr(),
                2,
                millis(timeout),
                &mut group,
            )
        })?;
        Ok(ProcessGroup {
            raw: group,
            rank,
            size,
        })
    }

    /// Joins a group over NCCL, for tensors of this process's current CUDA device
    /// ([`crate::device::set_current`] first, [`crate::cuda::open`] before everything).
    ///
    /// # Errors
    /// No libtorch_cuda, no GPU, peers that do not appear within `timeout`.
    pub fn nccl(
        store: &Store,
        rank: usize,
        size: usize,
        timeout: Duration,
    ) -> Result<Self, TorchError> {
        const OPERATION: &str = "nccl group";
        let (c_rank, c_size) = ranks(OPERATION, rank, size)?;
        let mut group = std::ptr::null_mut();
        // SAFETY: a live store; on success `group` is a handle that we own.
        check(OPERATION, unsafe {
            ffi::tx_group_nccl(store.raw(), c_rank, c_size, millis(timeout), &mut group)
        })?;
        Ok(ProcessGroup {
            raw: group,
            rank,
            size,
        })
    }

    /// This process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Combines a tensor of the same shape and dtype on every rank, in place.
    ///
    /// # Errors
    /// A peer is gone, late, or called something else.
    pub fn all_reduce(&self, tensor: &Tensor, op: ReduceOp) -> Result<(), TorchError> {
        let op = match op {
            ReduceOp::Sum => 0,
            ReduceOp::Min => 1,
            ReduceOp::Max => 2,
            ReduceOp::Mean => 3,
        };
        // SAFETY: a live group and tensor.
        check("all-reduce", unsafe {
            ffi::tx_all_reduce(self.raw, raw(tensor), op)
        })
    }

    /// Overwrites the tensors with `root`'s, in place.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce`].
    pub fn broadcast<T: Borrow<Tensor>>(
        &self,
        tensors: &[T],
        root: usize,
    ) -> Result<(), TorchError> {
        let (root, _) = ranks("broadcast", root, self.size)?;
        let tensors = raws(tensors);
        // SAFETY: a live group, `tensors.len()` live tensors.
        check("broadcast", unsafe {
            ffi::tx_broadcast(self.raw, tensors.as_ptr(), tensors.len(), root)
        })
    }

    /// Every rank's tensor, stacked: `[size, ...shape]`.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce`].
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Tensor, TorchError> {
        let mut out = std::ptr::null_mut();
        // SAFETY: a live group and tensor; on success `out` is a new tensor that we own.
        unsafe {
            check(
                "all-gather",
                ffi::tx_all_gather(self.raw, raw(tensor), &mut out),
            )?;
            Ok(Tensor::from_ptr(out))
        }
    }

    /// Waits until every rank is here.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce`].
    pub fn barrier(&self) -> Result<(), TorchError> {
        // SAFETY: a live group.
        check("barrier", unsafe { ffi::tx_barrier(self.raw) })
    }

    /// Batch normalization of `input` `[N, C, ...]` by the statistics of all ranks' batches, running statistics
    /// updated in place; differentiable (`torch.nn.SyncBatchNorm` in training mode). Ranks may hold different `N`.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce`], or mismatched shapes.
    #[allow(clippy::too_many_arguments)]
    pub fn sync_batch_norm(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        running_mean: &Tensor,
        running_var: &Tensor,
        momentum: f64,
        eps: f64,
    ) -> Result<Tensor, TorchError> {
        let mut out = std::ptr::null_mut();
        // SAFETY: a live group and tensors; on success `out` is a new tensor that we own. The autograd node holds its
        // own reference to the group.
        unsafe {
            let code = ffi::tx_sync_batch_norm(
                self.raw,
                raw(input),
                raw(weight),
                raw(bias),
                raw(running_mean),
                raw(running_var),
                momentum,
                eps,
                &mut out,
            );
            check("synchronized batch norm", code)?;
            Ok(Tensor::from_ptr(out))
        }
    }

    /// c10d's sequence number: how many collectives this rank has started, the reducer's buckets included.
    ///
    /// # Errors
    /// Only what the backend reports.
    pub fn sequence_number(&self) -> Result<u64, TorchError> {
        let mut count = 0;
        // SAFETY: a live group and a local.
        check("group statistics", unsafe {
            ffi::tx_group_sequence_number(self.raw, &mut count)
        })?;
        Ok(count)
    }

    /// Ends the group in good order. Call it on every rank before the program ends (NCCL's watchdog needs it).
    ///
    /// # Errors
    /// Only what the backend reports.
    pub fn shutdown(&self) -> Result<(), TorchError> {
        // SAFETY: a live group.
        check("group shutdown", unsafe {
            ffi::tx_group_shutdown(self.raw)
        })
    }

    /// Gives up collectives under way, after an error.
    ///
    /// # Errors
    /// Only what the backend reports.
    pub fn abort(&self) -> Result<(), TorchError> {
        // SAFETY: a live group.
        check("group abort", unsafe { ffi::tx_group_abort(self.raw) })
    }

    pub(super) fn raw(&self) -> *mut ffi::TxGroup {
        self.raw
    }
}

impl std::fmt::Debug for ProcessGroup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProcessGroup")
            .field("rank", &self.rank)
            .field("size", &self.size)
            .finish()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterward; reducers and autograd nodes hold their own reference.
        unsafe { ffi::tx_group_free(self.raw) }
    }
}

fn ranks(operation: &'static str, rank: usize, size: usize) -> Result<(c_int, c_int), TorchError> {
    match (c_int::try_from(rank), c_int::try_from(size)) {
        (Ok(c_rank), Ok(c_size)) if rank < size => Ok((c_rank, c_size)),
        _ => Err(TorchError::new(
            operation,
            format!("rank {rank} is not one of {size} processes"),
        )),
    }
}
