//! Builds an [`ArchGraph`] node by node: the pieces that the families' descriptions are lowered with.
//!
//! Not here: what a family consists of.

use super::{ArchGraph, ArchNode, BatchNorm, Conv, Linear, Op, Padding};

/// What all convolutions of a family share.
pub(super) struct Style {
    /// The border for a kernel and a stride.
    pub(super) padding: fn(usize, usize) -> Padding,
    /// BatchNorm's epsilon.
    pub(super) eps: f64,
    /// BatchNorm's momentum, in PyTorch's sense.
    pub(super) momentum: f64,
}

impl Style {
    /// Symmetric borders, PyTorch's defaults for BatchNorm.
    pub(super) fn torch() -> Self {
        Self {
            padding: |kernel, _| Padding::Explicit(kernel / 2),
            eps: 1e-5,
            momentum: 0.1,
        }
    }
}

/// The nearest multiple of 8, but no less than nine tenths of `channels` (torchvision's and timm's `make_divisible`).
pub(super) fn multiple_of_8(channels: f64) -> usize {
    let nearest = (((channels + 4.0) / 8.0).floor() * 8.0).max(8.0);
    let rounded = if nearest < 0.9 * channels {
        nearest + 8.0
    } else {
        nearest
    };
    rounded as usize
}

/// A convolution over all channels, pixel by pixel, whose window is centered; without a bias. `channels` are those in and
/// out.
pub(super) fn convolution(
    name: String,
    [in_channels, out_channels]: [usize; 2],
    kernel: usize,
) -> Conv {
    Conv {
        name,
        in_channels,
        out_channels,
        kernel,
        stride: 1,
        padding: Padding::Explicit(kernel / 2),
        groups: 1,
        bias: false,
        matrix: false,
    }
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
        channels: [usize; 2],
        kernel: usize,
    ) -> Self {
        Self {
            conv: convolution(conv.into(), channels, kernel),
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

    /// The convolution has a bias although a norm follows.
    pub(super) fn with_bias(mut self) -> Self {
        self.conv.bias = true;
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
    nodes: Vec<ArchNode>,
    style: Style,
}

impl Builder {
    pub(super) fn new(channels: usize, style: Style) -> (Self, usize) {
        let input = ArchNode {
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
        self.nodes.push(ArchNode {
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
            momentum: self.style.momentum,
            last_in_residual: layer.last_in_residual,
        };
        let x = self.push(Op::Conv(conv), &[input]);
        self.push(Op::BatchNorm(norm), &[x])
    }

    /// A convolution alone, with a bias.
    pub(super) fn conv(
        &mut self,
        input: usize,
        name: &str,
        channels: [usize; 2],
        kernel: usize,
    ) -> usize {
        let conv = Conv {
            padding: (self.style.padding)(kernel, 1),
            bias: true,
            ..convolution(name.to_owned(), channels, kernel)
        };
        self.push(Op::Conv(conv), &[input])
    }

    /// A norm that follows no convolution.
    pub(super) fn batch_norm(&mut self, input: usize, name: String, channels: usize) -> usize {
        let norm = BatchNorm {
            name,
            channels,
            eps: self.style.eps,
            momentum: self.style.momentum,
            last_in_residual: false,
        };
        self.push(Op::BatchNorm(norm), &[input])
    }

    /// The mean of each channel, as one vector.
    pub(super) fn pooled(&mut self, input: usize) -> usize {
        let x = self.push(Op::GlobalAvgPool, &[input]);
        self.push(Op::Flatten, &[x])
    }

    /// A linear layer.
    pub(super) fn linear(
        &mut self,
        input: usize,
        name: &str,
        [in_features, out_features]: [usize; 2],
    ) -> usize {
        let linear = Linear {
            name: name.to_owned(),
            in_features,
            out_features,
        };
        self.push(Op::Linear(linear), &[input])
    }

    /// Squeeze-and-excitation (Hu et al. 2017): a gate a channel from the means of all channels, `names` being the modules
    /// of its two 1 x 1 convolutions.
    pub(super) fn squeeze(
        &mut self,
        input: usize,
        names: [String; 2],
        [channels, squeezed]: [usize; 2],
        [inner, gate]: [Op; 2],
    ) -> usize {
        let x = self.push(Op::GlobalAvgPool, &[input]);
        let x = self.conv(x, &names[0], [channels, squeezed], 1);
        let x = self.push(inner, &[x]);
        let x = self.conv(x, &names[1], [squeezed, channels], 1);
        let x = self.push(gate, &[x]);
        self.push(Op::Mul, &[input, x])
    }

    pub(super) fn finish(self) -> ArchGraph {
        ArchGraph { nodes: self.nodes }
    }
}
