//! libtorch's own distributed engine (c10d): the one PyTorch's `DistributedDataParallel` runs on, without Python.
//!
//! [`Store`] is where the processes meet, [`ProcessGroup`] runs collectives over Gloo (CPU) or NCCL (CUDA),
//! [`Reducer`] averages gradients while backward still computes. This module speaks of ranks and tensors; launching
//! processes, noticing dead ones and sharding data belong to `train`.

mod group;
mod pending;
mod reducer;
mod store;

pub use group::{GlooAddress, ProcessGroup, ReduceOp};
pub use pending::PendingSum;
pub use reducer::{Overlap, Reducer, ReducerConfig};
pub use store::Store;
