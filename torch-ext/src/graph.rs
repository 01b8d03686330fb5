//! CUDA graphs: what a thread asks of the GPU is taken down once, and launched again with one call
//! (`torch.cuda.CUDAGraph`). It has not run on a GPU.
//!
//! A replay does what was taken down with the very memory of then: inputs are copied into the tensors that the capture
//! read, outputs lie in those that it wrote, and a number that the host knew then is the number of then. Random numbers
//! are an exception: libtorch registers the device's own generator with each capture, so that a replay draws from its
//! present seed.

use std::ffi::c_int;
use std::marker::PhantomData;

use crate::error::{TorchError, check};
use crate::{device, ffi};

const CAPTURE: &str = "capture of a CUDA graph";

/// A graph of one CUDA device, empty until [`CudaGraph::capture`].
#[derive(Debug)]
pub struct CudaGraph {
    handle: *mut ffi::TxGraph,
    device: usize,
    // Streams are current for a thread.
    not_send: PhantomData<*const ()>,
}

impl CudaGraph {
    /// An empty graph.
    ///
    /// # Errors
    /// No libtorch_cuda is loaded ([`crate::cuda::open`]), or no such device.
    pub fn new(device: usize) -> Result<Self, TorchError> {
        let index = i8::try_from(device).map(c_int::from).map_err(|_| {
            TorchError::new(
                CAPTURE,
                format!("device index {device} is out of range (0 to 127)"),
            )
        })?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a plain integer and a local; on success `handle` is a new graph that we own.
        check(CAPTURE, unsafe { ffi::tx_graph_new(index, &mut handle) })?;
        Ok(Self {
            handle,
            device,
            not_send: PhantomData,
        })
    }

    /// Takes down what `body` asks of the device; nothing of it is done yet. Whatever `body` allocates stays in memory of
    /// the graph's own. Once only.
    ///
    /// `body` must not wait for the device: reading a number of a tensor is an error. What it does for the first time in
    /// the process (choosing algorithms, opening libraries) may be one, too, so let it run as usual before.
    ///
    /// # Errors
    /// Those of `body`; something that cannot be captured; a second capture. The graph and this process's use of CUDA are
    /// in an unknown state then.
    pub fn capture<T, E: From<TorchError>>(
        &mut self,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // The graph's memory is its own, so what the usual way keeps for its next step is given back first.
        device::synchronize(self.device)?;
        device::empty_cache()?;
        // SAFETY: the handle lives as long as `self`.
        check(CAPTURE, unsafe { ffi::tx_graph_begin(self.handle) })?;
        let capturing = Capturing(self.handle);
        let value = body()?;
        std::mem::forget(capturing);
        // SAFETY: as above; a capture is under way.
        check(CAPTURE, unsafe { ffi::tx_graph_end(self.handle, 1) })?;
        Ok(value)
    }

    /// Queues what was captured, on the thread's current stream.
    ///
    /// # Errors
    /// Nothing was captured, or an error of earlier asynchronous work, which surfaces here.
    pub fn replay(&self) -> Result<(), TorchError> {
        // SAFETY: the handle lives as long as `self`.
        check("replay of a CUDA graph", unsafe {
            ffi::tx_graph_replay(self.handle)
        })
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tx_graph_new` and is freed once.
        unsafe { ffi::tx_graph_free(self.handle) };
    }
}

/// Ends a capture whose body failed or panicked: the thread's stream is the one of before again.
struct Capturing(*mut ffi::TxGraph);

impl Drop for Capturing {
    fn drop(&mut self) {
        // SAFETY: `CudaGraph::capture` holds the graph while this lives. Nobody is left to tell of a second failure.
        unsafe { ffi::tx_graph_end(self.0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_cuda_the_error_says_what_is_missing() {
        if device::count().is_ok_and(|count| count > 0) {
            return;
        }
        let error = CudaGraph::new(0).unwrap_err().to_string();
        // With the CUDA set of libraries and no GPU, libtorch's own words come.
        let is_told = error.contains("libtorch_cuda is not loaded") || error.contains("CUDA");
        assert!(
            error.starts_with("capture of a CUDA graph: ") && is_told,
            "{error}"
        );
        let error = CudaGraph::new(128).unwrap_err().to_string();
        assert!(error.ends_with("128 is out of range (0 to 127)"), "{error}");
    }
}
