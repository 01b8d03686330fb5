//! Convolutional networks on a CPU: one image, as fast as the processor's vector units and caches allow, in float32,
//! bfloat16 or integers.
//!
//! A [`Graph`] (nodes, shapes, weights) becomes a [`Network`]: weights packed in the order in which the kernels read
//! them, every value in one arena with the border of zeros that the next convolution reads, sums, clamps and
//! quantizations taken over by the convolution before them.
//!
//! Channels lie in blocks of one vector, so a tile of pixels times one or two blocks of output channels stays in
//! registers while all taps go by. Results do not depend on the number of threads, and those of quantized networks not on
//! the processor either.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use kernels::{Graph, Network, Node, WeightData, Window};
//!
//! let blur = Node::Conv {
//!     input: 0,
//!     weights: WeightData::Floats(Cow::Owned(vec![1.0 / 9.0; 9])),
//!     bias: None,
//!     out: 1,
//!     groups: 1,
//!     window: Window { kernel: [3, 3], ..Window::point() },
//! };
//! let network = Network::new(&Graph { input: [1, 5, 5], nodes: vec![blur], output: 1 })?;
//! let mut blurred = vec![0.0; network.output_len()];
//! network.run(&[1.0; 25], &mut blurred, 1);
//! assert!(blurred.iter().all(|value| (value - 1.0).abs() < 1e-6));
//! # Ok::<(), kernels::KernelError>(())
//! ```
//!
//! Not here: file formats, labels, images; networks with other operations (the caller has another engine for them).

mod buffer;
mod elem;
mod graph;
mod isa;
mod kernel;
mod memory;
mod network;
mod plan;
mod step;
mod team;

pub use graph::{
    ByteValues, Bytes, Function, Graph, KernelError, Node, Quantization, ValueId, WeightData,
    WeightSource, Window,
};
pub use isa::Isa;
pub use network::{Config, Layers, Network};
pub use plan::ComputeType;
