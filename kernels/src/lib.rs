//! Convolutional networks on a CPU: one image, f32, as fast as the processor's vector units and caches allow.
//!
//! A [`Graph`] (nodes, shapes, weights) becomes a [`Network`]: weights packed in the order in which the kernels read
//! them, every value in one arena with the border of zeros that the next convolution reads, sums and ReLUs taken over
//! by the convolution before them. Memory and threads of a run stay for the next one.
//!
//! Channels lie in blocks of one vector (`[C / 16][H][W][16]` with AVX-512), so a tile of pixels times one or two
//! blocks of output channels stays in registers while all taps go by. Results do not depend on the number of threads.
//!
//! ```
//! use std::borrow::Cow;
//!
//! use kernels::{Graph, Network, Node, Weights, Window};
//!
//! let blur = Node::Conv {
//!     input: 0,
//!     weights: Weights::Floats(Cow::Owned(vec![1.0 / 9.0; 9])),
//!     bias: None,
//!     out: 1,
//!     groups: 1,
//!     window: Window { kernel: [3, 3], ..Window::point() },
//! };
//! let network = Network::new(&Graph { input: [1, 5, 5], nodes: vec![blur], output: 1 })?;
//! let mut blurred = vec![0.0; network.output_len()];
//! network.run(&[1.0; 25], &mut blurred, 1);
//! assert!(blurred.iter().all(|value| (value - 1.0).abs() < 1e-6));
//! # Ok::<(), kernels::Error>(())
//! ```
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
