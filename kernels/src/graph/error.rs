//! Why a graph cannot be planned.

use std::io;

use super::ValueId;

/// The most bytes an arena may hold: 1 GiB.
pub(crate) const MAX_ARENA_BYTES: usize = 1 << 30;

/// The most bytes the packed weights may take: 2 GiB, which is as much as an ONNX file can hold.
pub(crate) const MAX_WEIGHT_BYTES: usize = 1 << 31;

/// Why a graph cannot be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A node is not valid.
    #[error("node {node}: {reason}")]
    Node {
        /// Its place in the graph, from 0.
        node: usize,
        /// What is wrong.
        reason: String,
    },
    /// The output is not computed.
    #[error("value {0} is wanted but not computed")]
    Output(ValueId),
    /// Valid, but there is no kernel for it.
    #[error("no kernel for node {node}: {reason}")]
    Unsupported {
        /// Its place in the graph, from 0.
        node: usize,
        /// What is missing.
        reason: String,
    },
    /// This processor has not the instructions that were asked for.
    #[error("this processor has no {0}")]
    Instructions(String),
    /// Weights could not be read.
    #[error("cannot read the weights of node {node}")]
    Weights {
        /// Its place in the graph, from 0.
        node: usize,
        /// What reading met.
        source: io::Error,
    },
    /// More memory than a network should need.
    #[error(
        "needs {0} bytes at once; expected at most {MAX_ARENA_BYTES} of values and {MAX_WEIGHT_BYTES} of weights"
    )]
    TooLarge(usize),
}
