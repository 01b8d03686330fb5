//! EfficientNet as data: inverted residuals with SiLU and squeeze-and-excitation (Tan & Le 2019), and the Lite variants with
//! ReLU6 and without it (published with TensorFlow's EfficientNet code in 2020).
//!
//! The same network exists with two conventions. TensorFlow's, under timm's names `tf_efficientnet_*`, has SAME borders and
//! epsilon 1e-3. PyTorch's has symmetric borders and epsilon 1e-5: `efficientnet_lite*` under timm's names,
//! `efficientnet_b*` under torchvision's. Where names and shapes are the same, weights of one give nonsense in the other.

use super::build::{Builder, ConvBn, Style, multiple_of_8};
use super::{ArchGraph, Op, Padding};

/// An EfficientNet.
#[derive(Clone, Debug, PartialEq)]
pub struct EfficientNet {
    /// Channels after the 3 x 3 stride 2 stem.
    pub stem_channels: usize,
    /// The stages in order.
    pub stages: Vec<MbConvStage>,
    /// Channels before the pooling.
    pub head_channels: usize,
    /// Dropout before the classifier.
    pub dropout: f64,
    /// Whose borders and epsilon.
    pub origin: Origin,
    /// ReLU6 and no squeeze-and-excitation.
    pub lite: bool,
    /// Whose module names.
    pub names: Names,
}

/// Where a network's conventions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// SAME borders (the odd pixel after), BatchNorm's epsilon 1e-3.
    TensorFlow,
    /// Symmetric borders, epsilon 1e-5.
    Torch,
}

/// Whose module names a network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `conv_stem`, `blocks.0.0.conv_dw`, `classifier`.
    Timm,
    /// `features.0.0`, `features.1.0.block.0.0`, `classifier.1`.
    Torchvision,
}

/// One stage of inverted residuals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MbConvStage {
    /// Blocks.
    pub depth: usize,
    /// Window of the depthwise convolution.
    pub kernel: usize,
    /// Stride of the first block.
    pub stride: usize,
    /// Channels inside a block per channel entering it; 1 leaves the widening convolution out.
    pub expansion: usize,
    /// Channels leaving the stage.
    pub channels: usize,
}

/// Table 1 of the paper: B0's stages.
const STAGES: [MbConvStage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

const fn stage(
    depth: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> MbConvStage {
    MbConvStage {
        depth,
        kernel,
        stride,
        expansion,
        channels,
    }
}

/// Width, depth and dropout of B0 to B4, and of Lite0 to Lite4.
const SCALES: [(f64, f64, f64); 5] = [
    (1.0, 1.0, 0.2),
    (1.0, 1.1, 0.2),
    (1.1, 1.2, 0.3),
    (1.2, 1.4, 0.3),
    (1.4, 1.8, 0.4),
];

impl EfficientNet {
    /// B0 to B4.
    pub(super) fn b(number: usize, origin: Origin) -> Self {
        let (width, depth, dropout) = SCALES[number];
        let scaled = |stage: MbConvStage| MbConvStage {
            depth: (stage.depth as f64 * depth).ceil() as usize,
            channels: multiple_of_8(stage.channels as f64 * width),
            ..stage
        };
        Self {
            stem_channels: multiple_of_8(32.0 * width),
            stages: STAGES.into_iter().map(scaled).collect(),
            head_channels: multiple_of_8(1280.0 * width),
            dropout,
            origin,
            lite: false,
            names: match origin {
                Origin::TensorFlow => Names::Timm,
                Origin::Torch => Names::Torchvision,
            },
        }
    }

    /// Lite0 to Lite4: stem, head and the depth of the first and last stage stay as they are.
    pub(super) fn lite(number: usize, origin: Origin) -> Self {
        let (width, depth, dropout) = SCALES[number];
        let last = STAGES.len() - 1;
        let scaled = |(place, stage): (usize, MbConvStage)| MbConvStage {
            depth: match place {
                0 => stage.depth,
                _ if place == last => stage.depth,
                _ => (stage.depth as f64 * depth).ceil() as usize,
            },
            channels: multiple_of_8(stage.channels as f64 * width),
            ..stage
        };
        Self {
            stem_channels: 32,
            stages: STAGES.into_iter().enumerate().map(scaled).collect(),
            head_channels: 1280,
            dropout: dropout.min(0.3),
            origin,
            lite: true,
            names: Names::Timm,
        }
    }

    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let style = match self.origin {
            Origin::TensorFlow => Style {
                // At stride 1 SAME is the symmetric border, whatever the size.
                padding: |kernel, stride| match stride {
                    1 => Padding::Explicit(kernel / 2),
                    _ => Padding::SameUpper,
                },
                eps: 1e-3,
                ..Style::torch()
            },
            Origin::Torch => Style::torch(),
        };
        let (mut b, input) = Builder::new(3, style);
        let mut channels = self.stem_channels;
        let outer = |timm: [&str; 2], place: usize| match self.names {
            Names::Timm => timm.map(str::to_owned),
            Names::Torchvision => [0, 1].map(|part| format!("features.{place}.{part}")),
        };
        let [conv, norm] = outer(["conv_stem", "bn1"], 0);
        let mut x = b.conv_bn(input, ConvBn::new(conv, norm, [3, channels], 3).stride(2));
        x = b.push(self.activation(), &[x]);
        for (index, stage) in self.stages.iter().enumerate() {
            for depth in 0..stage.depth {
                let stride = if depth == 0 { stage.stride } else { 1 };
                let path = match self.names {
                    Names::Timm => format!("blocks.{index}.{depth}"),
                    Names::Torchvision => format!("features.{}.{depth}.block", index + 1),
                };
                x = self.inverted_residual(&mut b, x, &path, channels, *stage, stride);
                channels = stage.channels;
            }
        }
        let [conv, norm] = outer(["conv_head", "bn2"], self.stages.len() + 1);
        x = b.conv_bn(
            x,
            ConvBn::new(conv, norm, [channels, self.head_channels], 1),
        );
        x = b.push(self.activation(), &[x]);
        x = b.pooled(x);
        x = b.push(Op::Dropout { p: self.dropout }, &[x]);
        let name = match self.names {
            Names::Timm => "classifier",
            Names::Torchvision => "classifier.1",
        };
        b.linear(x, name, [self.head_channels, num_classes]);
        b.finish()
    }

    fn activation(&self) -> Op {
        if self.lite { Op::Relu6 } else { Op::Silu }
    }

    fn inverted_residual(
        &self,
        b: &mut Builder,
        input: usize,
        path: &str,
        channels: usize,
        stage: MbConvStage,
        stride: usize,
    ) -> usize {
        let out = stage.channels;
        let residual = stride == 1 && channels == out;
        let wide = channels * stage.expansion;
        let widens = stage.expansion != 1;
        // timm numbers the norms of a block in order, and calls the last 1 x 1 `conv_pwl` where a first one exists;
        // torchvision numbers the layers.
        let timm = match widens {
            true => [["conv_pw", "bn1"], ["conv_dw", "bn2"], ["conv_pwl", "bn3"]],
            false => [["", ""], ["conv_dw", "bn1"], ["conv_pw", "bn2"]],
        };
        let squeezes = usize::from(!self.lite);
        let first = usize::from(widens);
        let places = [0, first, first + squeezes + 1];
        let names = |step: usize| match self.names {
            Names::Timm => timm[step].map(|name| format!("{path}.{name}")),
            Names::Torchvision => [0, 1].map(|part| format!("{path}.{}.{part}", places[step])),
        };
        let mut x = input;
        if widens {
            let [conv, norm] = names(0);
            x = b.conv_bn(x, ConvBn::new(conv, norm, [channels, wide], 1));
            x = b.push(self.activation(), &[x]);
        }
        let [conv, norm] = names(1);
        let depthwise = ConvBn::new(conv, norm, [wide, wide], stage.kernel);
        x = b.conv_bn(x, depthwise.stride(stride).groups(wide));
        x = b.push(self.activation(), &[x]);
        if !self.lite {
            let gates = match self.names {
                Names::Timm => {
                    ["conv_reduce", "conv_expand"].map(|name| format!("{path}.se.{name}"))
                }
                Names::Torchvision => {
                    ["fc1", "fc2"].map(|name| format!("{path}.{}.{name}", first + 1))
                }
            };
            // A quarter of the channels that enter the block.
            let narrow = (channels / 4).max(1);
            x = b.squeeze(x, gates, [wide, narrow], [Op::Silu, Op::Sigmoid]);
        }
        let [conv, norm] = names(2);
        x = b.conv_bn(
            x,
            ConvBn::new(conv, norm, [wide, out], 1).last_in_residual(residual),
        );
        if residual {
            b.push(Op::Add, &[x, input])
        } else {
            x
        }
    }
}
