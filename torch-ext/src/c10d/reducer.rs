//! The bucketed gradient all-reduce that overlaps with backward.

use std::borrow::Borrow;
use std::ffi::c_int;

use tch::Tensor;

use super::group::ProcessGroup;
use crate::error::{TorchError, check};
use crate::ffi::{self, raw, raws};

/// How gradients are grouped; the defaults are `DistributedDataParallel`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReducerConfig {
    /// A bucket is full once its gradients take so many bytes.
    pub bucket_bytes: i64,
    /// The first bucket is small so that communication starts early.
    pub first_bucket_bytes: i64,
    /// Search the graph for parameters without a gradient at every step. Without it such a parameter is an error.
    pub find_unused_parameters: bool,
    /// Gradients are views into the buckets: one copy less. They must then be dropped with
    /// [`crate::grad::reset_grads`], not with tch's `zero_grad`.
    pub gradient_as_bucket_view: bool,
    /// The CUDA device of the parameters, for statistics.
    pub cuda_device: Option<usize>,
}

impl Default for ReducerConfig {
    fn default() -> Self {
        ReducerConfig {
            bucket_bytes: 25 << 20,
            first_bucket_bytes: 1 << 20,
            find_unused_parameters: false,
            gradient_as_bucket_view: true,
            cuda_device: None,
        }
    }
}

/// Times of a training step in milliseconds, averaged over the steps that c10d samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overlap {
    /// The forward pass.
    pub forward_ms: f64,
    /// The backward pass.
    pub backward_ms: f64,
    /// From the first bucket's exchange to the end of the last.
    pub communication_ms: f64,
    /// The part of communication that ran while backward computed.
    pub overlap_ms: f64,
    /// How many buckets the gradients lie in.
    pub buckets: usize,
}

/// Averages the gradients of a fixed list of parameters over a group.
///
/// Each synchronized step: [`Reducer::before_forward`], forward, [`Reducer::before_backward`], backward, and the
/// `.grad`s are the mean over ranks. Micro-batches that only accumulate call neither (`no_sync`).
pub struct Reducer {
    raw: *mut ffi::TxReducer,
}

// SAFETY: used from one thread at a time; the hooks it registers run in libtorch's own backward threads.
unsafe impl Send for Reducer {}

impl Reducer {
    /// Registers hooks on `params`, whose order, shapes and dtypes must be the same on every rank (checked here).
    ///
    /// Convert dtype, device and memory format before; broadcast the values yourself
    /// ([`ProcessGroup::broadcast`]).
    ///
    /// # Errors
    /// Parameters differ between ranks, a peer is gone.
    pub fn new<P: Borrow<Tensor>>(
        group: &ProcessGroup,
        params: &[P],
        config: &ReducerConfig,
    ) -> Result<Self, TorchError> {
        const OPERATION: &str = "gradient reducer";
        if params.is_empty() {
            return Err(TorchError::new(OPERATION, "no parameters to reduce"));
        }
        let params = raws(params);
        let device = config
            .cuda_device
            .and_then(|index| c_int::try_from(index).ok())
            .unwrap_or(-1);
        let mut reducer = std::ptr::null_mut();
        // SAFETY: a live group and `params.len()` live tensors, of which the reducer keeps its own references.
        check(OPERATION, unsafe {
            ffi::tx_reducer_new(
                group.raw(),
                params.as_ptr(),
                params.len(),
                config.bucket_bytes,
                config.first_bucket_bytes,
                c_int::from(config.find_unused_parameters),
                c_int::from(config.gradient_as_bucket_view),
                device,
                &mut reducer,
            )
        })?;
        Ok(Reducer { raw: reducer })
    }

    /// Before the forward pass of a synchronized step.
    ///
    /// # Errors
    /// The previous step left a parameter without a gradient: it took no part in the loss.
    pub fn before_forward(&mut self) -> Result<(), TorchError> {
        // SAFETY: a live handle.
        check("gradient reduction", unsafe {
            ffi::tx_reducer_before_forward(self.raw)
        })
    }

    /// Between forward and backward of a synchronized step. The next backward reduces.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn before_backward(&mut self, loss: &Tensor) -> Result<(), TorchError> {
        // SAFETY: a live handle and tensor.
        check("gradient reduction", unsafe {
            ffi::tx_reducer_before_backward(self.raw, raw(loss))
        })
    }

    /// After backward: whether every gradient was reduced. Otherwise only the next step would say so.
    ///
    /// # Errors
    /// A parameter got no gradient.
    pub fn check_finished(&mut self) -> Result<(), TorchError> {
        // SAFETY: a live handle.
        check("gradient reduction", unsafe {
            ffi::tx_reducer_check_finished(self.raw)
        })
    }

    /// How much of the communication was hidden behind backward.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn overlap(&self) -> Result<Overlap, TorchError> {
        let mut out = [0_i64; 5];
        // SAFETY: a live handle; `out` has the five places the shim writes.
        check("reducer statistics", unsafe {
            ffi::tx_reducer_stats(self.raw, out.as_mut_ptr())
        })?;
        let ms = |nanoseconds: i64| nanoseconds as f64 / 1e6;
        Ok(Overlap {
            forward_ms: ms(out[0]),
            backward_ms: ms(out[1]),
            communication_ms: ms(out[2]),
            overlap_ms: ms(out[3]),
            buckets: usize::try_from(out[4]).unwrap_or(0),
        })
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterward.
        unsafe { ffi::tx_reducer_free(self.raw) }
    }
}
