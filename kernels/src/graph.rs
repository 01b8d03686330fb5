//! A network as this crate takes it: nodes in order of computation, shapes known, weights borrowed from the file.
//!
//! Not here: where it came from (ONNX is the caller's), and how it is computed (`plan`).

use std::borrow::Cow;
use std::{fmt, io};

/// A value: 0 is the input image, `i + 1` what node `i` gives.
pub type Value = usize;

/// Constant numbers in row-major order.
#[derive(Clone)]
pub enum Weights<'a> {
    /// In memory.
    Floats(Cow<'a, [f32]>),
    /// Elsewhere, and read when a plan packs them: a large network's weights are then held once, not twice.
    Source(&'a dyn Source),
}

/// Numbers that are not in memory yet.
pub trait Source: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Reads them all; `to` has [`Source::count`] values.
    ///
    /// # Errors
    /// Whatever reading them meets.
    fn read(&self, to: &mut [f32]) -> io::Result<()>;
}

impl Weights<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.len(),
            Self::Source(source) => source.count(),
        }
    }

    /// All of them.
    pub(crate) fn read(&self) -> io::Result<Cow<'_, [f32]>> {
        match self {
            Self::Floats(floats) => Ok(Cow::Borrowed(floats)),
            Self::Source(source) => {
                let mut floats = vec![0.0; source.count()];
                source.read(&mut floats)?;
                Ok(Cow::Owned(floats))
            }
        }
    }
}

impl fmt::Debug for Weights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weights", self.count())
    }
}

/// Where a window lies: of a convolution or of a pooling. Vertical before horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Distance of neighboring taps.
    pub dilation: [usize; 2],
    /// Border before the first row and column.
    pub before: [usize; 2],
    /// Border after the last row and column.
    pub after: [usize; 2],
}

impl Window {
    /// A window of one pixel.
    pub fn point() -> Self {
        Self {
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            before: [0; 2],
            after: [0; 2],
        }
    }

    /// Height and width of what it gives on an image of `size`; none where it does not fit (PyTorch's `Conv2d`).
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let reach = self.dilation[axis].checked_mul(self.kernel[axis].checked_sub(1)?)?;
            let all = size[axis]
                .checked_add(self.before[axis])?
                .checked_add(self.after[axis])?;
            let room = all.checked_sub(reach)?.checked_sub(1)?;
            room.checked_div(self.stride[axis])?.checked_add(1)
        };
        Some([along(0)?, along(1)?])
    }
}

/// One computation.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    /// A convolution with `weights` `[out, channels / groups, kernel height, kernel width]`.
    Conv {
        input: Value,
        weights: Weights<'a>,
        /// `[out]`
        bias: Option<Weights<'a>>,
        out: usize,
        groups: usize,
        window: Window,
    },
    /// `x . weights^T + bias` over all that one image has, channel by channel; `weights` `[out, in]`.
    Linear {
        input: Value,
        weights: Weights<'a>,
        /// `[out]`
        bias: Option<Weights<'a>>,
        out: usize,
    },
    /// The sum of two values of one shape.
    Add { a: Value, b: Value },
    /// Nothing below `low`, nothing above `high`: ReLU, ReLU6, Clip.
    Clamp { input: Value, low: f32, high: f32 },
    /// The largest in a window; the border does not count.
    MaxPool { input: Value, window: Window },
    /// The mean of every channel, `[C, 1, 1]`.
    GlobalAvgPool { input: Value },
}

/// A network for one image: NCHW with a batch of one.
#[derive(Clone, Debug)]
pub struct Graph<'a> {
    /// Channels, height, width.
    pub input: [usize; 3],
    /// Nodes; each reads only values before it.
    pub nodes: Vec<Node<'a>>,
    /// What is wanted.
    pub output: Value,
}

impl Node<'_> {
    /// The values read.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        match *self {
            Self::Add { a, b } => vec![a, b],
            Self::Conv { input, .. }
            | Self::Linear { input, .. }
            | Self::Clamp { input, .. }
            | Self::MaxPool { input, .. }
            | Self::GlobalAvgPool { input } => vec![input],
        }
    }

    /// `[C, H, W]` of what the node gives, when `shapes` are those of all values before it.
    ///
    /// # Errors
    /// It reads what is not there yet, or its weights do not fit its input.
    pub fn shape(&self, shapes: &[[usize; 3]]) -> Result<[usize; 3], Error> {
        let node = shapes.len().saturating_sub(1);
        let problem = |reason: String| Error::Node { node, reason };
        if let Some(value) = self
            .inputs()
            .into_iter()
            .find(|value| *value >= shapes.len())
        {
            return Err(problem(format!(
                "reads value {value} before it is computed"
            )));
        }
        let fits = |what: &str, got: usize, expected: Option<usize>| {
            let wanted =
                expected.ok_or_else(|| problem(format!("more {what} than can be counted")))?;
            if wanted == got {
                Ok(())
            } else {
                Err(problem(format!("expected {wanted} {what}, got {got}")))
            }
        };
        let windowed = |window: &Window, [_, h, w]: [usize; 3]| {
            window
                .output([h, w])
                .ok_or_else(|| problem(format!("{window:?} does not fit {h} x {w} pixels")))
        };
        Ok(match self {
            Self::Conv {
                input,
                weights,
                bias,
                out,
                groups,
                window,
            } => {
                let from = shapes[*input];
                if *groups == 0
                    || *out == 0
                    || !from[0].is_multiple_of(*groups)
                    || !out.is_multiple_of(*groups)
                {
                    return Err(problem(format!(
                        "{groups} groups of {} channels to {out}",
                        from[0]
                    )));
                }
                let [kh, kw] = window.kernel;
                let sides = [from[0] / groups, kh, kw];
                let count = sides
                    .iter()
                    .try_fold(*out, |product, n| product.checked_mul(*n));
                fits("weights", weights.count(), count)?;
                if let Some(bias) = bias {
                    fits("biases", bias.count(), Some(*out))?;
                }
                let [h, w] = windowed(window, from)?;
                [*out, h, w]
            }
            Self::Linear {
                input,
                weights,
                bias,
                out,
            } => {
                let size: usize = shapes[*input].iter().product();
                if *out == 0 {
                    return Err(problem("a linear layer of no outputs".into()));
                }
                fits("weights", weights.count(), out.checked_mul(size))?;
                if let Some(bias) = bias {
                    fits("biases", bias.count(), Some(*out))?;
                }
                [*out, 1, 1]
            }
            Self::Add { a, b } if shapes[*a] != shapes[*b] => {
                return Err(problem(format!(
                    "a sum of {:?} and {:?}",
                    shapes[*a], shapes[*b]
                )));
            }
            Self::Add { a: input, .. } | Self::Clamp { input, .. } => shapes[*input],
            Self::MaxPool { input, window } => {
                let from = shapes[*input];
                let inside =
                    |side: [usize; 2]| side[0] < window.kernel[0] && side[1] < window.kernel[1];
                if !inside(window.before) || !inside(window.after) || window.dilation != [1; 2] {
                    return Err(problem(format!("a pooling of {window:?}")));
                }
                let [h, w] = windowed(window, from)?;
                [from[0], h, w]
            }
            Self::GlobalAvgPool { input } => [shapes[*input][0], 1, 1],
        })
    }
}

impl Graph<'_> {
    /// `[C, H, W]` of every value.
    ///
    /// # Errors
    /// A node that reads what is not there yet, or whose weights do not fit its input.
    pub fn shapes(&self) -> Result<Vec<[usize; 3]>, Error> {
        if self.input.contains(&0) {
            let reason = format!("an input of {:?}", self.input);
            return Err(Error::Node { node: 0, reason });
        }
        let mut shapes = vec![self.input];
        for node in &self.nodes {
            shapes.push(node.shape(&shapes)?);
        }
        if self.output >= shapes.len() {
            return Err(Error::Output(self.output));
        }
        Ok(shapes)
    }
}

/// Why a graph cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    Output(Value),
    /// Valid, but there is no kernel for it.
    #[error("no kernel for node {node}: {reason}")]
    Unsupported {
        /// Its place in the graph, from 0.
        node: usize,
        /// What is missing.
        reason: String,
    },
    /// Weights could not be read.
    #[error("cannot read the weights of node {node}: {source}")]
    Weights {
        /// Its place in the graph, from 0.
        node: usize,
        /// What reading met.
        source: io::Error,
    },
    /// More memory than a network should need.
    #[error(
        "needs {0} numbers at once; expected at most {values} of values and {weights} of weights",
        values = crate::plan::MAX_ARENA,
        weights = crate::plan::MAX_WEIGHTS
    )]
    TooLarge(usize),
}
