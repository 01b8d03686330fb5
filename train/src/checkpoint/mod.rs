//! Checkpoints: `file` reads and writes safetensors atomically, `weights` is the network for others to use, `state` is
//! everything an exact resume needs.

pub mod file;
pub mod state;
pub mod weights;
