//! Checkpoints: `file` reads and writes safetensors atomically, `weights` is the network for others to use, `state` is
//! everything an exact resume needs, `pytorch` takes up what a PyTorch script saved.

pub mod file;
pub mod pytorch;
pub mod state;
pub mod weights;
