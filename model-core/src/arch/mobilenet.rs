//! MobileNetV2 and V3 as data (Sandler et al. 2018; Howard et al. 2019), with torchvision's module names.

use super::build::{Builder, ConvBn, Style, multiple_of_8};
use super::{ArchGraph, Op, Padding};

/// MobileNetV2 at width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobileNetV2;

/// Table 2 of the paper: expansion, channels, blocks, stride of the first.
const V2: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

impl MobileNetV2 {
    /// The graph with `num_classes` logits.
    pub fn graph(self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let stem = ConvBn::new("features.0.0", "features.0.1", [3, 32], 3).stride(2);
        let mut x = b.conv_bn(input, stem);
        x = b.push(Op::Relu6, &[x]);
        let mut channels = 32;
        let mut place = 1;
        for (expansion, out, depth, stride) in V2 {
            for block in 0..depth {
                let path = format!("features.{place}.conv");
                let stride = if block == 0 { stride } else { 1 };
                let residual = stride == 1 && channels == out;
                let wide = channels * expansion;
                let from = x;
                let mut layer = 0;
                if expansion != 1 {
                    let widen = ConvBn::new(
                        format!("{path}.0.0"),
                        format!("{path}.0.1"),
                        [channels, wide],
                        1,
                    );
                    x = b.conv_bn(x, widen);
                    x = b.push(Op::Relu6, &[x]);
                    layer = 1;
                }
                let depthwise = ConvBn::new(
                    format!("{path}.{layer}.0"),
                    format!("{path}.{layer}.1"),
                    [wide, wide],
                    3,
                );
                x = b.conv_bn(x, depthwise.stride(stride).groups(wide));
                x = b.push(Op::Relu6, &[x]);
                let names = [layer + 1, layer + 2].map(|layer| format!("{path}.{layer}"));
                let [conv, norm] = names;
                x = b.conv_bn(
                    x,
                    ConvBn::new(conv, norm, [wide, out], 1).last_in_residual(residual),
                );
                if residual {
                    x = b.push(Op::Add, &[x, from]);
                }
                channels = out;
                place += 1;
            }
        }
        let last = ConvBn::new(
            format!("features.{place}.0"),
            format!("features.{place}.1"),
            [channels, 1280],
            1,
        );
        x = b.conv_bn(x, last);
        x = b.push(Op::Relu6, &[x]);
        x = b.pooled(x);
        x = b.push(Op::Dropout { p: 0.2 }, &[x]);
        b.linear(x, "classifier.1", [1280, num_classes]);
        b.finish()
    }
}

/// MobileNetV3 at width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MobileNetV3 {
    /// Table 1 of the paper.
    Large,
    /// Table 2 of the paper.
    Small,
}

/// One block: window, expanded channels, channels out, squeeze-and-excitation, h-swish (else ReLU), stride.
type Block = (usize, usize, usize, bool, bool, usize);

const LARGE: [Block; 15] = [
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];

const SMALL: [Block; 11] = [
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2),
    (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2),
    (5, 240, 40, true, true, 1),
    (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1),
    (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2),
    (5, 576, 96, true, true, 1),
    (5, 576, 96, true, true, 1),
];

impl MobileNetV3 {
    /// The graph with `num_classes` logits.
    pub fn graph(self, num_classes: usize) -> ArchGraph {
        let (blocks, hidden): (&[Block], _) = match self {
            Self::Large => (&LARGE, 1280),
            Self::Small => (&SMALL, 1024),
        };
        let style = Style {
            padding: |kernel, _| Padding::Explicit(kernel / 2),
            eps: 1e-3,
            momentum: 0.01,
        };
        let (mut b, input) = Builder::new(3, style);
        let stem = ConvBn::new("features.0.0", "features.0.1", [3, 16], 3).stride(2);
        let mut x = b.conv_bn(input, stem);
        x = b.push(Op::HardSwish, &[x]);
        let mut channels = 16;
        for (place, &(kernel, wide, out, squeeze, swish, stride)) in blocks.iter().enumerate() {
            let activation = || if swish { Op::HardSwish } else { Op::Relu };
            let residual = stride == 1 && channels == out;
            let from = x;
            let mut layer = 0;
            let names = |layer: usize| {
                let path = format!("features.{}.block.{layer}", place + 1);
                [format!("{path}.0"), format!("{path}.1")]
            };
            if wide != channels {
                let [conv, norm] = names(layer);
                x = b.conv_bn(x, ConvBn::new(conv, norm, [channels, wide], 1));
                x = b.push(activation(), &[x]);
                layer += 1;
            }
            let [conv, norm] = names(layer);
            let depthwise = ConvBn::new(conv, norm, [wide, wide], kernel);
            x = b.conv_bn(x, depthwise.stride(stride).groups(wide));
            x = b.push(activation(), &[x]);
            layer += 1;
            if squeeze {
                let path = format!("features.{}.block.{layer}", place + 1);
                let fc = ["fc1", "fc2"].map(|fc| format!("{path}.{fc}"));
                let narrow = multiple_of_8((wide / 4) as f64);
                x = b.squeeze(x, fc, [wide, narrow], [Op::Relu, Op::HardSigmoid]);
                layer += 1;
            }
            let [conv, norm] = names(layer);
            x = b.conv_bn(
                x,
                ConvBn::new(conv, norm, [wide, out], 1).last_in_residual(residual),
            );
            if residual {
                x = b.push(Op::Add, &[x, from]);
            }
            channels = out;
        }
        let place = blocks.len() + 1;
        let wide = 6 * channels;
        let last = ConvBn::new(
            format!("features.{place}.0"),
            format!("features.{place}.1"),
            [channels, wide],
            1,
        );
        x = b.conv_bn(x, last);
        x = b.push(Op::HardSwish, &[x]);
        x = b.pooled(x);
        x = b.linear(x, "classifier.0", [wide, hidden]);
        x = b.push(Op::HardSwish, &[x]);
        x = b.push(Op::Dropout { p: 0.2 }, &[x]);
        b.linear(x, "classifier.3", [hidden, num_classes]);
        b.finish()
    }
}
