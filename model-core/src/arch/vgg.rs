//! VGG as data (Simonyan & Zisserman 2014), with torchvision's module names. Three linear layers over a 7 x 7 map: images
//! have 224 x 224 pixels, as torchvision's adaptive pooling is nothing there.

use super::build::{Builder, ConvBn, Style};
use super::{ArchGraph, Op};

/// A VGG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vgg {
    /// Convolutions before each of the five pools.
    pub depths: [usize; 5],
    /// A BatchNorm follows every convolution.
    pub batch_norm: bool,
}

impl Vgg {
    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let (mut b, mut x) = Builder::new(3, Style::torch());
        let mut channels = 3;
        let mut place = 0;
        for (depth, out) in self.depths.into_iter().zip([64, 128, 256, 512, 512]) {
            for _ in 0..depth {
                let conv = format!("features.{place}");
                if self.batch_norm {
                    let norm = format!("features.{}", place + 1);
                    x = b.conv_bn(x, ConvBn::new(conv, norm, [channels, out], 3).with_bias());
                    place += 3;
                } else {
                    x = b.conv(x, &conv, [channels, out], 3);
                    place += 2;
                }
                x = b.push(Op::Relu, &[x]);
                channels = out;
            }
            let pool = Op::MaxPool {
                kernel: 2,
                stride: 2,
                padding: 0,
            };
            x = b.push(pool, &[x]);
            place += 1;
        }
        x = b.push(Op::Flatten, &[x]);
        let mut features = 512 * 7 * 7;
        for (name, out) in [("classifier.0", 4096), ("classifier.3", 4096)] {
            x = b.linear(x, name, [features, out]);
            x = b.push(Op::Relu, &[x]);
            x = b.push(Op::Dropout { p: 0.5 }, &[x]);
            features = out;
        }
        b.linear(x, "classifier.6", [features, num_classes]);
        b.finish()
    }
}
