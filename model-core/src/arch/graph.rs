//! The graph both interpreters walk: nodes in evaluation order, each naming the tensors it owns.
//!
//! `train` turns a node into a libtorch call, `export` into an ONNX node; neither knows what a ResNet is.

use super::op::{BLUR, Op};
use super::tensors::TensorSpec;

/// One step of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchNode {
    /// What is computed.
    pub op: Op,
    /// Indices of the nodes it reads, all smaller than its own.
    pub inputs: Vec<usize>,
}

/// The shape of a node's output for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[C, H, W]`
    Map {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// `[features]`
    Vector {
        /// Numbers.
        features: usize,
    },
}

impl Shape {
    /// Numbers of one image.
    pub fn numel(self) -> usize {
        match self {
            Shape::Map {
                channels,
                height,
                width,
            } => channels * height * width,
            Shape::Vector { features } => features,
        }
    }

    /// Channels of a map, features of a vector.
    pub fn channels(self) -> usize {
        match self {
            Shape::Map { channels, .. } => channels,
            Shape::Vector { features } => features,
        }
    }
}

/// A network: node 0 is the input, the last node gives the logits `[N, classes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchGraph {
    /// Nodes in evaluation order.
    pub nodes: Vec<ArchNode>,
}

impl ArchGraph {
    /// Every tensor, in the order of the nodes: that of PyTorch's `state_dict()`, except that a
    /// [`ChannelScale`](super::ChannelScale) stands there before the block it scales.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        self.nodes
            .iter()
            .flat_map(|node| node.op.tensors())
            .collect()
    }

    /// Trained numbers, buffers left out.
    pub fn parameter_count(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| node.op.parameter_count())
            .sum()
    }

    /// Classes: the features of the last node.
    pub fn num_classes(&self) -> usize {
        match self.nodes.last().map(|node| &node.op) {
            Some(Op::Linear(linear)) => linear.out_features,
            _ => 0,
        }
    }

    /// Output shape of every node for one image of `[height, width]` pixels.
    pub fn shapes(&self, [height, width]: [usize; 2]) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let input = node.inputs.first().map(|&i| shapes[i]);
            let map = |channels, side: &dyn Fn(usize) -> usize| match input {
                Some(Shape::Map { height, width, .. }) => Shape::Map {
                    channels,
                    height: side(height),
                    width: side(width),
                },
                Some(Shape::Vector { .. }) | None => Shape::Vector { features: channels },
            };
            let channels = input.map_or(0, Shape::channels);
            let shape = match &node.op {
                Op::Input { channels } => Shape::Map {
                    channels: *channels,
                    height,
                    width,
                },
                Op::Conv(conv) => map(conv.out_channels, &|side| conv.output_side(side)),
                Op::MaxPool {
                    kernel,
                    stride,
                    padding,
                } => map(channels, &|side| {
                    window_count(side + 2 * padding, *kernel, *stride)
                }),
                Op::AvgPool { kernel, ceil: true } => map(channels, &|side| side.div_ceil(*kernel)),
                Op::AvgPool {
                    kernel,
                    ceil: false,
                } => map(channels, &|side| side / kernel),
                Op::GlobalAvgPool => Shape::Map {
                    channels,
                    height: 1,
                    width: 1,
                },
                Op::Flatten => Shape::Vector {
                    features: input.map_or(0, Shape::numel),
                },
                Op::Linear(linear) => Shape::Vector {
                    features: linear.out_features,
                },
                Op::Concat => {
                    let all = node.inputs.iter().map(|&i| shapes[i].channels()).sum();
                    map(all, &|side| side)
                }
                Op::BatchNorm(_)
                | Op::LayerNorm(_)
                | Op::ChannelScale(_)
                | Op::Relu
                | Op::Relu6
                | Op::Blur { .. }
                | Op::Silu
                | Op::HardSwish
                | Op::HardSigmoid
                | Op::Sigmoid
                | Op::Gelu
                | Op::Dropout { .. }
                | Op::Add
                | Op::Mul => input.unwrap_or(Shape::Vector { features: 0 }),
            };
            shapes.push(shape);
        }
        shapes
    }

    /// Multiply-accumulates of convolutions and linear layers for one image of `[height, width]` pixels.
    pub fn macs(&self, input: [usize; 2]) -> u64 {
        self.nodes
            .iter()
            .zip(self.shapes(input))
            .map(|(node, shape)| match &node.op {
                Op::Conv(c) => {
                    shape.numel() as u64 * (c.in_channels / c.groups * c.kernel * c.kernel) as u64
                }
                Op::Linear(l) => (l.in_features * l.out_features) as u64,
                Op::Blur { .. } => (shape.numel() * BLUR.len()) as u64,
                Op::Input { .. }
                | Op::BatchNorm(_)
                | Op::LayerNorm(_)
                | Op::ChannelScale(_)
                | Op::Relu
                | Op::Relu6
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
                | Op::Add
                | Op::Mul
                | Op::Concat => 0,
            })
            .sum()
    }

    /// For every node, the index of the last node that reads it (its own where none does): when an
    /// interpreter may let it go.
    pub fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.nodes.len()).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                last[input] = index;
            }
        }
        last
    }
}

/// How many windows of `kernel` pixels fit into `padded` pixels at steps of `stride`.
pub fn window_count(padded: usize, kernel: usize, stride: usize) -> usize {
    padded.saturating_sub(kernel) / stride + 1
}
