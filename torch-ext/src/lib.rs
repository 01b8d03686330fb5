//! What tch lacks, over one small C++ shim (`shim/`): autocast by device and dtype, fused and foreach optimizer
//! kernels, the loss scaler's kernels, memory format, device memory statistics, CUDA opened at run time, CUDA
//! graphs, numeric switches, and libtorch's distributed engine ([`c10d`]).
//!
//! ```no_run
//! // Opened at run time: one program serves machines with and without a GPU.
//! match torch_ext::cuda::open() {
//!     Ok(library) => println!("{}: {} GPUs", library.display(), torch_ext::device::count()?),
//!     Err(error) => println!("on the CPU, for {error}"),
//! }
//! # Ok::<(), torch_ext::TorchError>(())
//! ```
//!
//! Every C++ exception becomes a [`TorchError`]; tensors stay `tch::Tensor`s. This crate knows nothing of networks,
//! recipes or files: it is a thin face over libtorch, and policy lives in `train`.

mod ffi;

pub mod amp;
pub mod autocast;
pub mod backend;
pub mod c10d;
pub mod cpu;
pub mod cuda;
pub mod device;
pub mod error;
pub mod grad;
pub mod graph;
pub mod host_memory;
pub mod host_reads;
pub mod memory_format;
pub mod optim;
pub mod random;

pub use error::TorchError;
