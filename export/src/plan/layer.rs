//! The layers of a network, each with its numbers.

use model_core::arch::{Conv, Linear};

/// One operation of a network, and what it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The module's name (`layer1.0.conv1`), or the operation and its place (`relu_3`).
    pub name: String,
    /// What it computes.
    pub op: LayerOp,
    /// The places of the layers whose outputs are read, in [`super::ExportPlan::layers`].
    pub inputs: Vec<usize>,
}

/// What a layer computes; a map is `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerOp {
    /// The image, `[3, height, width]`, preprocessed.
    Input,
    /// A convolution.
    Conv(ConvLayer),
    /// `y = x * scale[c] + shift[c]`, not yet folded.
    BatchNorm {
        /// A factor for each channel.
        scale: Vec<f64>,
        /// A summand for each channel.
        shift: Vec<f64>,
    },
    /// Over the channels of each pixel: less their mean, divided by their standard deviation.
    LayerNorm {
        /// A factor for each channel, afterward.
        weight: Vec<f64>,
        /// A summand for each channel, afterward.
        bias: Vec<f64>,
        /// What is added to the variance, so that it is never 0.
        eps: f64,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * min(max(x / 6 + 1 / 2, 0), 1)`.
    HardSwish,
    /// `min(max(x / 6 + 1 / 2, 0), 1)`.
    HardSigmoid,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x * P(X < x)` of a normal variable, in the exact form, by the error function.
    Gelu,
    /// The largest number of each window.
    MaxPool {
        /// The side of a window, in pixels.
        kernel: usize,
        /// From one window to the next, in pixels.
        stride: usize,
        /// Pixels on every side of the map that are no window's largest.
        padding: usize,
    },
    /// The mean of each window; windows lie beside one another.
    AvgPool {
        /// The side of a window, in pixels.
        kernel: usize,
        /// Whether pixels that fill no whole window at the right and the bottom have one of their own.
        ceil: bool,
    },
    /// The mean of each channel: `[channels, 1, 1]`.
    GlobalAvgPool,
    /// A map as one row of numbers: `[features, 1, 1]`.
    Flatten,
    /// A matrix product.
    Linear(LinearLayer),
    /// The sum of two maps of one shape.
    Add,
    /// A map times one number a channel.
    Mul,
    /// Maps one after the other along the channels.
    Concat,
}

impl LayerOp {
    /// The numbers that come from the checkpoint; none for a layer without any.
    pub(super) fn numbers_mut(&mut self) -> Option<[&mut Vec<f64>; 2]> {
        match self {
            Self::Conv(conv) => Some([&mut conv.weight, &mut conv.bias]),
            Self::Linear(linear) => Some([&mut linear.weight, &mut linear.bias]),
            Self::BatchNorm { scale, shift } => Some([scale, shift]),
            Self::LayerNorm { weight, bias, .. } => Some([weight, bias]),
            Self::Input
            | Self::Relu
            | Self::Relu6
            | Self::Silu
            | Self::HardSwish
            | Self::HardSigmoid
            | Self::Sigmoid
            | Self::Gelu
            | Self::MaxPool { .. }
            | Self::AvgPool { .. }
            | Self::GlobalAvgPool
            | Self::Flatten
            | Self::Add
            | Self::Mul
            | Self::Concat => None,
        }
    }
}

/// A convolution with its numbers; folding a BatchNorm gives it a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvLayer {
    /// Its channels, kernel, stride, padding and groups.
    pub geometry: Conv,
    /// `[out, in / groups, kernel, kernel]`, row by row.
    pub weight: Vec<f64>,
    /// A number for each output channel; all are 0 where the checkpoint has none.
    pub bias: Vec<f64>,
}

/// A linear layer with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLayer {
    /// How many numbers it reads and gives.
    pub geometry: Linear,
    /// `[out, in]`, row by row.
    pub weight: Vec<f64>,
    /// A number for each output.
    pub bias: Vec<f64>,
}
