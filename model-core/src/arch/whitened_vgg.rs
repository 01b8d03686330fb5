//! A small VGG for CIFAR's 32 x 32 images behind a convolution that whitens patches: the shape of Jordan's airbench94
//! (2024, arXiv 2404.00498): each stage pools before its first norm. Where Jordan has GELU this has SiLU, which did a
//! little better here. The layers' names are our own: no other project has this network.
//!
//! Not here: the values of the first convolution, which come from the training images (`train`'s `whitening`).

use super::build::{Builder, Style, convolution};
use super::{ArchGraph, Conv, Op, Padding};

/// Side of the patches that are whitened, in pixels.
const PATCH: usize = 2;

/// A VGG behind a whitening convolution. Images have 25 to 48 pixels a side: three pools and a last one of 3 x 3 leave one
/// pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitenedVgg {
    /// Channels of the three stages.
    pub widths: [usize; 3],
    /// Convolutions of a stage; a pool follows the first.
    pub depth: usize,
}

impl WhitenedVgg {
    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        // Weights move fast here, so that statistics have to follow fast.
        let style = Style {
            momentum: 0.4,
            ..Style::torch()
        };
        let (mut b, input) = Builder::new(3, style);
        // Each direction of the patches and its opposite, so that the activation loses neither.
        let mut channels = 2 * 3 * PATCH * PATCH;
        let whitening = Conv {
            padding: Padding::Explicit(0),
            bias: true,
            ..convolution("whiten".into(), [3, channels], PATCH)
        };
        let x = b.push(Op::Conv(whitening), &[input]);
        let mut x = b.push(Op::Silu, &[x]);
        for (stage, out) in self.widths.into_iter().enumerate() {
            for place in 0..self.depth {
                let [conv, norm] =
                    ["conv", "norm"].map(|kind| format!("stages.{stage}.{kind}{}", place + 1));
                x = b.push(Op::Conv(convolution(conv, [channels, out], 3)), &[x]);
                if place == 0 {
                    x = b.push(pool(2), &[x]);
                }
                x = b.batch_norm(x, norm, out);
                x = b.push(Op::Silu, &[x]);
                channels = out;
            }
        }
        x = b.push(pool(3), &[x]);
        x = b.push(Op::Flatten, &[x]);
        b.linear(x, "head", [channels, num_classes]);
        b.finish()
    }
}

fn pool(side: usize) -> Op {
    Op::MaxPool {
        kernel: side,
        stride: side,
        padding: 0,
    }
}
