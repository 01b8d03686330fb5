//! ConvNeXt as data (Liu et al. 2022), with torchvision's module names. Stochastic depth is left out: training drops no
//! blocks, evaluation is the same.

use super::build::{Builder, Style, convolution};
use super::{ArchGraph, ChannelScale, Conv, LayerNorm, Op, Padding};

/// A ConvNeXt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvNext {
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Channels of each stage.
    pub widths: [usize; 4],
}

impl ConvNext {
    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let mut channels = self.widths[0];
        let stem = Conv {
            stride: 4,
            ..conv("features.0.0".into(), [3, channels], 4)
        };
        let mut x = b.push(Op::Conv(stem), &[input]);
        x = b.push(norm("features.0.1".into(), channels), &[x]);
        for (stage, (depth, out)) in self.depths.into_iter().zip(self.widths).enumerate() {
            if stage > 0 {
                let path = format!("features.{}", 2 * stage);
                x = b.push(norm(format!("{path}.0"), channels), &[x]);
                let halve = Conv {
                    stride: 2,
                    ..conv(format!("{path}.1"), [channels, out], 2)
                };
                x = b.push(Op::Conv(halve), &[x]);
                channels = out;
            }
            for block in 0..depth {
                let path = format!("features.{}.{block}", 2 * stage + 1);
                x = residual(&mut b, x, &path, channels);
            }
        }
        x = b.push(Op::GlobalAvgPool, &[x]);
        x = b.push(norm("classifier.0".into(), channels), &[x]);
        x = b.push(Op::Flatten, &[x]);
        b.linear(x, "classifier.2", [channels, num_classes]);
        b.finish()
    }
}

fn residual(b: &mut Builder, input: usize, path: &str, channels: usize) -> usize {
    let depthwise = Conv {
        padding: Padding::Explicit(3),
        groups: channels,
        ..conv(format!("{path}.block.0"), [channels, channels], 7)
    };
    let mut x = b.push(Op::Conv(depthwise), &[input]);
    x = b.push(norm(format!("{path}.block.2"), channels), &[x]);
    // Linear layers over the channels of each pixel.
    let linear = |name: &str, channels| Conv {
        matrix: true,
        ..conv(format!("{path}.block.{name}"), channels, 1)
    };
    x = b.push(Op::Conv(linear("3", [channels, 4 * channels])), &[x]);
    x = b.push(Op::Gelu, &[x]);
    x = b.push(Op::Conv(linear("5", [4 * channels, channels])), &[x]);
    let scale = ChannelScale {
        name: format!("{path}.layer_scale"),
        channels,
        initial: 1e-6,
    };
    x = b.push(Op::ChannelScale(scale), &[x]);
    b.push(Op::Add, &[x, input])
}

/// A convolution with a bias and without a border.
fn conv(name: String, channels: [usize; 2], kernel: usize) -> Conv {
    Conv {
        padding: Padding::Explicit(0),
        bias: true,
        ..convolution(name, channels, kernel)
    }
}

fn norm(name: String, channels: usize) -> Op {
    Op::LayerNorm(LayerNorm {
        name,
        channels,
        eps: 1e-6,
    })
}
