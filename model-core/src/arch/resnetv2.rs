//! ResNetV2 as data (He et al. 2016, "Identity Mappings in Deep Residual Networks"), with timm's module names: norm and
//! activation stand before each convolution, and nothing after the sum.

use super::build::{Builder, Style, convolution};
use super::{ArchGraph, Conv, Op};

/// ResNetV2 with bottlenecks and BatchNorm (timm's `resnetv2_50`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetV2 {
    /// Blocks of the four stages.
    pub depths: [usize; 4],
}

impl ResNetV2 {
    /// The graph with `num_classes` logits.
    pub fn graph(self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let mut channels = 64;
        let stem = conv("stem.conv".into(), [3, channels], 7, 2);
        let mut x = b.push(stem, &[input]);
        let pool = Op::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        x = b.push(pool, &[x]);
        for (stage, depth) in self.depths.into_iter().enumerate() {
            let out = 256 << stage;
            for block in 0..depth {
                let path = format!("stages.{stage}.blocks.{block}");
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                x = bottleneck(&mut b, x, &path, [channels, out], stride);
                channels = out;
            }
        }
        x = b.batch_norm(x, "norm".into(), channels);
        x = b.push(Op::Relu, &[x]);
        x = b.pooled(x);
        b.linear(x, "head.fc", [channels, num_classes]);
        b.finish()
    }
}

/// One residual block: where the channels change, the shortcut is a convolution of the activated input.
fn bottleneck(
    b: &mut Builder,
    input: usize,
    path: &str,
    [channels, out]: [usize; 2],
    stride: usize,
) -> usize {
    let narrow = out / 4;
    let mut x = b.batch_norm(input, format!("{path}.norm1"), channels);
    x = b.push(Op::Relu, &[x]);
    let shortcut = if channels == out {
        input
    } else {
        let name = format!("{path}.downsample.conv");
        b.push(conv(name, [channels, out], 1, stride), &[x])
    };
    x = b.push(
        conv(format!("{path}.conv1"), [channels, narrow], 1, 1),
        &[x],
    );
    x = b.batch_norm(x, format!("{path}.norm2"), narrow);
    x = b.push(Op::Relu, &[x]);
    x = b.push(
        conv(format!("{path}.conv2"), [narrow, narrow], 3, stride),
        &[x],
    );
    x = b.batch_norm(x, format!("{path}.norm3"), narrow);
    x = b.push(Op::Relu, &[x]);
    x = b.push(conv(format!("{path}.conv3"), [narrow, out], 1, 1), &[x]);
    b.push(Op::Add, &[x, shortcut])
}

/// A convolution with neither bias nor norm behind it.
fn conv(name: String, channels: [usize; 2], kernel: usize, stride: usize) -> Op {
    Op::Conv(Conv {
        stride,
        ..convolution(name, channels, kernel)
    })
}
