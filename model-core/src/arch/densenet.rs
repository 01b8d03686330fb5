//! DenseNet-BC as data (Huang et al. 2017), with torchvision's module names.

use super::build::{Builder, ConvBn, Style, convolution};
use super::{ArchGraph, Op};

/// A DenseNet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenseNet {
    /// Channels each layer adds.
    pub growth: usize,
    /// Layers of each block.
    pub depths: [usize; 4],
    /// Channels after the stem.
    pub stem_channels: usize,
}

impl DenseNet {
    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let stem = ConvBn::new(
            "features.conv0",
            "features.norm0",
            [3, self.stem_channels],
            7,
        );
        let mut x = b.conv_bn(input, stem.stride(2));
        x = b.push(Op::Relu, &[x]);
        let pool = Op::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        x = b.push(pool, &[x]);
        let mut channels = self.stem_channels;
        for (block, depth) in self.depths.into_iter().enumerate() {
            for layer in 0..depth {
                let path = format!("features.denseblock{}.denselayer{}", block + 1, layer + 1);
                let wide = 4 * self.growth;
                let mut y = b.batch_norm(x, format!("{path}.norm1"), channels);
                y = b.push(Op::Relu, &[y]);
                let narrow = ConvBn::new(
                    format!("{path}.conv1"),
                    format!("{path}.norm2"),
                    [channels, wide],
                    1,
                );
                y = b.conv_bn(y, narrow);
                y = b.push(Op::Relu, &[y]);
                y = b.push(plain(format!("{path}.conv2"), [wide, self.growth], 3), &[y]);
                x = b.push(Op::Concat, &[x, y]);
                channels += self.growth;
            }
            if block + 1 < self.depths.len() {
                let path = format!("features.transition{}", block + 1);
                x = b.batch_norm(x, format!("{path}.norm"), channels);
                x = b.push(Op::Relu, &[x]);
                x = b.push(
                    plain(format!("{path}.conv"), [channels, channels / 2], 1),
                    &[x],
                );
                let pool = Op::AvgPool {
                    kernel: 2,
                    ceil: false,
                };
                x = b.push(pool, &[x]);
                channels /= 2;
            }
        }
        x = b.batch_norm(x, "features.norm5".into(), channels);
        x = b.push(Op::Relu, &[x]);
        x = b.pooled(x);
        b.linear(x, "classifier", [channels, num_classes]);
        b.finish()
    }
}

/// A convolution with neither bias nor norm.
fn plain(name: String, channels: [usize; 2], kernel: usize) -> Op {
    Op::Conv(convolution(name, channels, kernel))
}
