//! The graph both interpreters walk: nodes in evaluation order, each naming the tensors it owns.
//!
//! `train` turns a node into a libtorch call, `export` into an ONNX node; neither knows what a ResNet is.

/// One step of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Indices of the nodes it reads, all smaller than its own.
    pub inputs: Vec<usize>,
}

/// What a node computes. `[N, C, H, W]` maps unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The image batch.
    Input {
        /// 3 for RGB.
        channels: usize,
    },
    /// 2-D convolution without bias: a BatchNorm always follows.
    Conv(Conv),
    /// Batch normalization over `N, H, W`.
    BatchNorm(BatchNorm),
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// A fixed 3 x 3 low-pass filter per channel, [`BLUR`], step 1, one zero on every side; it owns no tensor. In front of a
    /// convolution with a step it makes the network less sensitive to shifts (Zhang 2019, arXiv 1904.11486).
    Blur {
        /// Channels.
        channels: usize,
    },
    /// Square max-pooling; padding counts as minus infinity.
    MaxPool {
        /// Window side.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Border on every side.
        padding: usize,
    },
    /// Mean over `H, W`: `[N, C, 1, 1]`.
    GlobalAvgPool,
    /// `[N, C, 1, 1]` to `[N, C]`.
    Flatten,
    /// Zeroes features with probability `p` while training; nothing at evaluation.
    Dropout {
        /// Share of features dropped.
        p: f64,
    },
    /// `x W^T + b`: `[N, in]` to `[N, out]`.
    Linear(Linear),
    /// Sum of two equal shapes.
    Add,
}

/// The binomial filter of [`Op::Blur`], rows after one another; its sum is 1.
pub const BLUR: [f32; 9] = [
    0.0625, 0.125, 0.0625, //
    0.125, 0.25, 0.125, //
    0.0625, 0.125, 0.0625,
];

/// A convolution; weight `{name}.weight` of `[out, in / groups, kernel, kernel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Module path, as `layer1.0.conv1`.
    pub name: String,
    /// Channels in.
    pub in_channels: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Window side.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Border.
    pub padding: Padding,
    /// Channel groups; `in_channels` for a depthwise convolution.
    pub groups: usize,
}

impl Conv {
    /// Shape of its weight: `[out, in / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [
            self.out_channels,
            self.in_channels / self.groups,
            self.kernel,
            self.kernel,
        ]
    }

    /// Pixels along one axis of its output, for `input` pixels.
    pub fn output_side(&self, input: usize) -> usize {
        let (before, after) = self.padding.resolve(input, self.kernel, self.stride);
        window_count(input + before + after, self.kernel, self.stride)
    }
}

/// The border of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As many pixels on every side.
    Explicit(usize),
    /// TensorFlow's SAME: output `ceil(input / stride)`, the odd pixel after (ONNX `SAME_UPPER`).
    SameUpper,
}

impl Padding {
    /// Pixels before and after along one axis of `input` pixels.
    pub fn resolve(self, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Explicit(p) => (p, p),
            Padding::SameUpper => {
                let output = input.div_ceil(stride);
                let total = ((output.saturating_sub(1)) * stride + kernel).saturating_sub(input);
                (total / 2, total - total / 2)
            }
        }
    }
}

/// Batch normalization; `{name}.weight`, `.bias`, `.running_mean`, `.running_var` of `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Module path, as `layer1.0.bn1`.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Share of the new batch in the running statistics (PyTorch's sense).
    pub momentum: f64,
    /// Last before a residual sum: may start at weight 0 (Goyal et al. 2017).
    pub last_in_residual: bool,
}

/// A fully connected layer; `{name}.weight` of `[out, in]`, `{name}.bias` of `[out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Module path, as `fc`.
    pub name: String,
    /// Features in.
    pub in_features: usize,
    /// Features out.
    pub out_features: usize,
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

/// What a tensor of the state dict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Convolution or linear weight.
    Weight,
    /// Linear bias.
    Bias,
    /// BatchNorm scale.
    NormWeight,
    /// BatchNorm shift.
    NormBias,
    /// BatchNorm running mean, a buffer.
    RunningMean,
    /// BatchNorm running variance, a buffer.
    RunningVar,
    /// BatchNorm step counter, an int64 scalar buffer that PyTorch keeps; shape `[]`.
    NumBatchesTracked,
}

impl TensorKind {
    /// Whether gradients flow into it.
    pub fn is_parameter(self) -> bool {
        matches!(
            self,
            Self::Weight | Self::Bias | Self::NormWeight | Self::NormBias
        )
    }
}

/// A named tensor of the state dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// torchvision's (or timm's) key.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: TensorKind,
}

/// A network: node 0 is the input, the last node gives the logits `[N, classes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Nodes in evaluation order.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Every tensor, in the order of PyTorch's `state_dict()`.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        let mut push = |name: &str, leaf: &str, shape: Vec<usize>, kind| {
            tensors.push(TensorSpec {
                name: format!("{name}.{leaf}"),
                shape,
                kind,
            });
        };
        for node in &self.nodes {
            match &node.op {
                Op::Conv(conv) => {
                    let shape = conv.weight_shape().to_vec();
                    push(&conv.name, "weight", shape, TensorKind::Weight);
                }
                Op::BatchNorm(norm) => {
                    let channels = || vec![norm.channels];
                    push(&norm.name, "weight", channels(), TensorKind::NormWeight);
                    push(&norm.name, "bias", channels(), TensorKind::NormBias);
                    push(
                        &norm.name,
                        "running_mean",
                        channels(),
                        TensorKind::RunningMean,
                    );
                    push(
                        &norm.name,
                        "running_var",
                        channels(),
                        TensorKind::RunningVar,
                    );
                    push(
                        &norm.name,
                        "num_batches_tracked",
                        vec![],
                        TensorKind::NumBatchesTracked,
                    );
                }
                Op::Linear(linear) => {
                    let shape = vec![linear.out_features, linear.in_features];
                    push(&linear.name, "weight", shape, TensorKind::Weight);
                    push(
                        &linear.name,
                        "bias",
                        vec![linear.out_features],
                        TensorKind::Bias,
                    );
                }
                Op::Input { .. }
                | Op::Relu
                | Op::Relu6
                | Op::Blur { .. }
                | Op::MaxPool { .. }
                | Op::GlobalAvgPool
                | Op::Flatten
                | Op::Dropout { .. }
                | Op::Add => {}
            }
        }
        tensors
    }

    /// Trained numbers, buffers left out.
    pub fn parameter_count(&self) -> usize {
        self.tensors()
            .iter()
            .filter(|t| t.kind.is_parameter())
            .map(|t| t.shape.iter().product::<usize>())
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
            let shape = match (&node.op, input) {
                (Op::Input { channels }, _) => Shape::Map {
                    channels: *channels,
                    height,
                    width,
                },
                (Op::Conv(conv), Some(Shape::Map { height, width, .. })) => Shape::Map {
                    channels: conv.out_channels,
                    height: conv.output_side(height),
                    width: conv.output_side(width),
                },
                (
                    Op::MaxPool {
                        kernel,
                        stride,
                        padding,
                    },
                    Some(Shape::Map {
                        channels,
                        height,
                        width,
                    }),
                ) => {
                    let side = |input| window_count(input + 2 * padding, *kernel, *stride);
                    Shape::Map {
                        channels,
                        height: side(height),
                        width: side(width),
                    }
                }
                (Op::GlobalAvgPool, Some(input)) => Shape::Map {
                    channels: input.channels(),
                    height: 1,
                    width: 1,
                },
                (Op::Flatten, Some(input)) => Shape::Vector {
                    features: input.numel(),
                },
                (Op::Linear(linear), _) => Shape::Vector {
                    features: linear.out_features,
                },
                (
                    Op::BatchNorm(_)
                    | Op::Relu
                    | Op::Relu6
                    | Op::Blur { .. }
                    | Op::Dropout { .. }
                    | Op::Add,
                    Some(input),
                ) => input,
                (_, _) => Shape::Vector { features: 0 },
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
                | Op::Relu
                | Op::Relu6
                | Op::MaxPool { .. }
                | Op::GlobalAvgPool
                | Op::Flatten
                | Op::Dropout { .. }
                | Op::Add => 0,
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

/// What all convolutions of a family share.
pub(super) struct Style {
    /// The border for a kernel and a stride.
    pub(super) padding: fn(usize, usize) -> Padding,
    /// BatchNorm's epsilon.
    pub(super) eps: f64,
}

/// A convolution with the BatchNorm behind it; stride and groups are 1 unless set.
pub(super) struct ConvBn {
    conv: Conv,
    norm: String,
    last_in_residual: bool,
}

impl ConvBn {
    /// Module paths of both, channels in and out, and the window.
    pub(super) fn new(
        conv: impl Into<String>,
        norm: impl Into<String>,
        [in_channels, out_channels]: [usize; 2],
        kernel: usize,
    ) -> Self {
        Self {
            conv: Conv {
                name: conv.into(),
                in_channels,
                out_channels,
                kernel,
                stride: 1,
                padding: Padding::Explicit(0),
                groups: 1,
            },
            norm: norm.into(),
            last_in_residual: false,
        }
    }

    pub(super) fn stride(mut self, stride: usize) -> Self {
        self.conv.stride = stride;
        self
    }

    pub(super) fn groups(mut self, groups: usize) -> Self {
        self.conv.groups = groups;
        self
    }

    /// Its norm is the last before a residual sum.
    pub(super) fn last_in_residual(mut self, last: bool) -> Self {
        self.last_in_residual = last;
        self
    }
}

/// Builds a graph node by node; the families' lowering code uses it.
pub(super) struct Builder {
    nodes: Vec<Node>,
    style: Style,
}

impl Builder {
    pub(super) fn new(channels: usize, style: Style) -> (Self, usize) {
        let input = Node {
            op: Op::Input { channels },
            inputs: vec![],
        };
        (
            Self {
                nodes: vec![input],
                style,
            },
            0,
        )
    }

    pub(super) fn push(&mut self, op: Op, inputs: &[usize]) -> usize {
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
        });
        self.nodes.len() - 1
    }

    /// Convolution and BatchNorm.
    pub(super) fn conv_bn(&mut self, input: usize, layer: ConvBn) -> usize {
        let mut conv = layer.conv;
        conv.padding = (self.style.padding)(conv.kernel, conv.stride);
        let norm = BatchNorm {
            name: layer.norm,
            channels: conv.out_channels,
            eps: self.style.eps,
            momentum: 0.1,
            last_in_residual: layer.last_in_residual,
        };
        let x = self.push(Op::Conv(conv), &[input]);
        self.push(Op::BatchNorm(norm), &[x])
    }

    pub(super) fn finish(self) -> Graph {
        Graph { nodes: self.nodes }
    }
}
