//! From a graph to steps. Afterwards the graph, and the file its weights lie in, are no longer needed.
//!
//! | module | idea |
//! |---|---|
//! | [`draft`] | steps before their values have places |
//! | [`fuse`] | which nodes become one step, and how each value is stored |
//! | [`place`] | where in one arena each value lies |
//! | [`bands`] | which steps take turns, band by band, so that what passes between them stays in the cache |
//! | [`build`] | steps with packed weights |
//! | [`integers`] | the numbers of integer layers |

mod bands;
mod build;
mod draft;
mod fuse;
mod integers;
mod place;

use crate::buffer::Buffer;
use crate::graph::{Graph, KernelError};
use crate::isa::Proof;
use crate::network::Config;
use crate::step::Step;

/// In what numbers a float32 network is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeType {
    /// float32, as the file has it.
    #[default]
    Float32,
    /// bfloat16 values and weights, float32 sums; float32 where the processor has no such instructions.
    Bf16,
}

/// A network ready to run.
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    pub arena_bytes: usize,
    pub output: Buffer,
    pub input_len: usize,
    pub packed_bytes: usize,
}

impl Plan {
    pub fn new(
        graph: &Graph,
        proof: Proof,
        precision: ComputeType,
        config: &Config,
    ) -> Result<Self, KernelError> {
        let shapes = graph.shapes()?;
        let fused = fuse::fuse(graph, &shapes, proof, precision);
        let placed = place::place(graph, &fused, proof, config)?;
        let steps = build::steps(graph, &fused, &placed, proof)?;
        let output = placed.buffers[fused.root(graph.output)];
        Ok(Self {
            arena_bytes: placed.arena_bytes,
            output: output.ok_or(KernelError::Output(graph.output))?,
            input_len: graph.input.iter().product(),
            packed_bytes: steps.iter().map(Step::bytes).sum(),
            steps,
        })
    }
}
