//! A network as this crate takes it: nodes in order of computation, shapes known, weights borrowed from the file.
//!
//! Not here: where it came from (ONNX is the caller's), and how it is computed (`plan`).

mod error;
mod shape;
mod weights;
mod window;

pub use error::KernelError;
pub(crate) use error::{MAX_ARENA_BYTES, MAX_WEIGHT_BYTES};
pub(crate) use weights::Room;
pub use weights::{ByteValues, Bytes, WeightData, WeightSource};
pub use window::Window;

/// A value: 0 is the input image, `i + 1` what node `i` gives.
pub type ValueId = usize;

/// How a tensor is stored in a byte: `real = scale * (stored - zero_point)` (ONNX QuantizeLinear, per tensor).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Above zero.
    pub scale: f32,
    /// In the range of the stored type.
    pub zero_point: i32,
    /// int8, not uint8.
    pub is_signed: bool,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `min(max(alpha * x + beta, 0), 1)`
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// `x * min(max(x / 6 + 0.5, 0), 1)`
    HardSwish,
    /// `x` above zero, `alpha * x` below.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// `(exp(2x) - 1) / (exp(2x) + 1)`
    Tanh,
}

/// One computation.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    /// A convolution with `weights` `[out, channels / groups, kernel height, kernel width]`.
    Conv {
        /// What is convolved.
        input: ValueId,
        /// As above.
        weights: WeightData<'a>,
        /// `[out]`
        bias: Option<WeightData<'a>>,
        /// Output channels.
        out: usize,
        /// Groups of channels that do not see each other.
        groups: usize,
        /// Where the taps lie.
        window: Window,
    },
    /// `x . weights^T + bias` over all that one image has, channel by channel; `weights` `[out, in]`.
    Linear {
        /// `x`
        input: ValueId,
        /// As above.
        weights: WeightData<'a>,
        /// `[out]`
        bias: Option<WeightData<'a>>,
        /// Outputs.
        out: usize,
    },
    /// The sum of two values of one shape, or of an image and one number for each of its channels (`b`, `[C, 1, 1]`).
    Add {
        /// Any shape.
        a: ValueId,
        /// The shape of `a`, or `[C, 1, 1]`.
        b: ValueId,
    },
    /// The product of two values, shaped as for [`Node::Add`].
    Mul {
        /// Any shape.
        a: ValueId,
        /// The shape of `a`, or `[C, 1, 1]`.
        b: ValueId,
    },
    /// `x * scale + shift` with one scale and shift for each channel: a batch norm that no convolution took over.
    Affine {
        /// `x`
        input: ValueId,
        /// `[C]`
        scale: WeightData<'a>,
        /// `[C]`
        shift: WeightData<'a>,
    },
    /// Nothing below `low`, nothing above `high`: ReLU, ReLU6, Clip.
    Clamp {
        /// What is clamped.
        input: ValueId,
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// A function of every number.
    Map {
        /// What it is applied to.
        input: ValueId,
        /// Which.
        function: Function,
    },
    /// The largest in a window; the border does not count.
    MaxPool {
        /// What is pooled.
        input: ValueId,
        /// Without dilation; every window covers a pixel.
        window: Window,
    },
    /// The mean of a window.
    AvgPool {
        /// What is pooled.
        input: ValueId,
        /// Without dilation; every window covers a pixel.
        window: Window,
        /// The border counts as zeros; otherwise it does not count.
        counts_border: bool,
    },
    /// The mean of every channel, `[C, 1, 1]`.
    GlobalAvgPool {
        /// What is averaged.
        input: ValueId,
    },
    /// Channels of several values of one height and width, one after the other.
    Concat {
        /// At least one.
        inputs: Vec<ValueId>,
    },
    /// Channels `first..first + count`.
    Slice {
        /// What is cut.
        input: ValueId,
        /// The first channel kept.
        first: usize,
        /// How many.
        count: usize,
    },
    /// Channel `g * C / groups + i` becomes channel `i * groups + g` (ShuffleNet's channel shuffle).
    Shuffle {
        /// What is shuffled.
        input: ValueId,
        /// Divides the channels.
        groups: usize,
    },
    /// Zeros around an image.
    Pad {
        /// The image.
        input: ValueId,
        /// Rows above, columns on the left.
        before: [usize; 2],
        /// Rows below, columns on the right.
        after: [usize; 2],
    },
    /// `x / (bias + alpha / size * sum of squares over size neighboring channels) ^ beta` (ONNX LRN, AlexNet).
    Lrn {
        /// `x`
        input: ValueId,
        /// Channels in the sum.
        size: usize,
        /// Factor of the sum.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Added to the sum.
        bias: f32,
    },
    /// Stored as bytes from here on: `saturate(round_half_even(x / scale) + zero_point)`.
    Quantize {
        /// What is stored.
        input: ValueId,
        /// How.
        quantization: Quantization,
    },
    /// The real numbers of a quantized value.
    Dequantize {
        /// What [`Node::Quantize`] gave, perhaps pooled, cut or joined since.
        input: ValueId,
    },
}

/// A network for one image: NCHW with a batch of one.
#[derive(Clone, Debug)]
pub struct Graph<'a> {
    /// Channels, height, width.
    pub input: [usize; 3],
    /// Nodes; each reads only values before it.
    pub nodes: Vec<Node<'a>>,
    /// What is wanted.
    pub output: ValueId,
}
