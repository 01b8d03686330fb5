//! Convolutional networks on a CPU: one image, f32, as fast as the processor's vector units and caches allow.
//!
//! A [`Graph`] (nodes, shapes, weights) becomes a [`Network`]: weights packed in the order in which the kernels read
//! them, every value in one arena with the border of zeros that the next convolution reads, sums and ReLUs taken over
//! by the convolution before them. A run allocates nothing.
//!
//! Channels lie in blocks of one vector (`[C / 16][H][W][16]` with AVX-512), so a tile of pixels times one or two
//! blocks of output channels stays in registers while all taps go by. Results do not depend on the number of threads.
//!
//! Not here: file formats, labels, images; networks with other operations (the caller has another engine for them).

mod buffer;
mod conv;
mod depthwise;
mod graph;
mod isa;
mod memory;
mod network;
mod plan;
mod rows;
mod simd;
mod team;
mod tile;

pub use graph::{Error, Graph, Node, Source, Value, Weights, Window};
pub use isa::Isa;
pub use network::Network;
