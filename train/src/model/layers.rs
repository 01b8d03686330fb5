//! Where the tensors of each node of a graph are.

use model_core::arch::{ArchGraph, Op};

/// Where a node's tensors are, as indices into `tensors`.
#[derive(Debug)]
pub(super) enum Layer {
    None,
    Conv {
        weight: usize,
        bias: Option<usize>,
    },
    /// A [`Op::ChannelScale`]'s factors.
    Scale {
        factors: usize,
    },
    Norm {
        weight: usize,
        bias: usize,
        mean: usize,
        var: usize,
    },
    /// A linear layer, or a normalization over channels.
    Linear {
        weight: usize,
        bias: usize,
    },
    /// Elementwise on a tensor nobody else reads.
    InPlace,
}

/// The layers of a graph, one for each node.
pub(super) fn layers(graph: &ArchGraph) -> Vec<Layer> {
    let mut readers = vec![0_usize; graph.nodes.len()];
    for node in &graph.nodes {
        for &input in &node.inputs {
            readers[input] += 1;
        }
    }
    let mut next = 0;
    let mut take = || {
        next += 1;
        next - 1
    };
    let mut layers = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        // BatchNorm keeps its input for the backward pass, not its output: the output may be overwritten.
        let overwrites = node.inputs.first().is_some_and(|&input| {
            readers[input] == 1 && matches!(graph.nodes[input].op, Op::BatchNorm(_) | Op::Add)
        });
        layers.push(match &node.op {
            Op::Conv(conv) => Layer::Conv {
                weight: take(),
                bias: conv.bias.then(&mut take),
            },
            Op::ChannelScale(_) => Layer::Scale { factors: take() },
            Op::BatchNorm(_) => Layer::Norm {
                weight: take(),
                bias: take(),
                mean: take(),
                var: take(),
            },
            Op::Linear(_) | Op::LayerNorm(_) => Layer::Linear {
                weight: take(),
                bias: take(),
            },
            Op::Relu | Op::Relu6 | Op::Add if overwrites => Layer::InPlace,
            Op::Input { .. }
            | Op::Relu
            | Op::Relu6
            | Op::Blur { .. }
            | Op::Add
            | Op::Silu
            | Op::HardSwish
            | Op::HardSigmoid
            | Op::Sigmoid
            | Op::Gelu
            | Op::MaxPool { .. }
            | Op::AvgPool { .. }
            | Op::GlobalAvgPool
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::Mul
            | Op::Concat => Layer::None,
        });
    }
    layers
}
