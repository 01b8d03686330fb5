//! What the nodes of a graph compute, and the numbers of each operation.

use super::graph::window_count;

/// What a node computes. `[N, C, H, W]` maps unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The image batch.
    Input {
        /// 3 for RGB.
        channels: usize,
    },
    /// 2-D convolution.
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
    /// `x * sigmoid(x)` (Elfwing et al. 2017).
    Silu,
    /// `x * relu6(x + 3) / 6` (Howard et al. 2019).
    HardSwish,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x * (1 + erf(x / sqrt(2))) / 2`, the exact form (Hendrycks & Gimpel 2016).
    Gelu,
    /// Square max-pooling; padding counts as minus infinity.
    MaxPool {
        /// Window side.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Border on every side.
        padding: usize,
    },
    /// Mean over square windows without a border, one beside the other.
    AvgPool {
        /// Window side and step.
        kernel: usize,
        /// A last window that reaches beyond the image counts, over the pixels inside only (PyTorch's
        /// `AvgPool2d(ceil_mode=True, count_include_pad=False)`); otherwise it is left out.
        ceil: bool,
    },
    /// Mean over `H, W`: `[N, C, 1, 1]`.
    GlobalAvgPool,
    /// `[N, C, H, W]` to `[N, C * H * W]`.
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
    /// Product of a map and one number a channel, `[N, C, 1, 1]`: squeeze-and-excitation (Hu et al. 2017).
    Mul,
    /// Maps one after the other along the channels.
    Concat,
    /// Normalization over the channels of each pixel (`LayerNorm` in channels-last layout).
    LayerNorm(LayerNorm),
    /// A learned factor a channel (`layer_scale`, Touvron et al. 2021).
    ChannelScale(ChannelScale),
}

/// The binomial filter of [`Op::Blur`], rows after one another; its sum is 1.
pub const BLUR: [f32; 9] = [
    0.0625, 0.125, 0.0625, //
    0.125, 0.25, 0.125, //
    0.0625, 0.125, 0.0625,
];

/// A convolution; weight `{name}.weight` of `[out, in / groups, kernel, kernel]`, `{name}.bias` of `[out]` where it has one.
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
    /// Whether it has a bias of its own. Before a BatchNorm it usually has none.
    pub bias: bool,
    /// Its weight is stored as a matrix `[out, in]`: a 1 x 1 convolution that its source writes as a linear layer.
    pub matrix: bool,
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

    /// Shape of its weight in a checkpoint.
    pub fn stored_shape(&self) -> Vec<usize> {
        match self.matrix {
            true => vec![self.out_channels, self.in_channels],
            false => self.weight_shape().to_vec(),
        }
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

/// Normalization over channels; `{name}.weight` and `{name}.bias` of `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// Module path, as `features.1.0.block.2`.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f64,
}

/// One factor a channel; a tensor of `[channels, 1, 1]` that has no module of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelScale {
    /// The tensor's whole name, as `features.1.0.layer_scale`.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Its value before training.
    pub initial: f64,
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
