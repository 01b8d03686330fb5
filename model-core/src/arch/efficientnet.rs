//! EfficientNet-Lite0 as data: inverted residuals, ReLU6, no squeeze-and-excitation.
//!
//! There are two of them with the same tensor names and shapes: `tf_efficientnet_lite0`, the published one, with
//! TensorFlow's SAME borders and epsilon 1e-3, and timm's `efficientnet_lite0`, trained anew with symmetric borders and
//! epsilon 1e-5. Weights of one give nonsense in the other. Module names are timm's (Tan & Le 2019; the Lite variants
//! were published with TensorFlow's EfficientNet code in 2020).

use super::graph::{Builder, ConvBn, Graph, Linear, Op, Padding, Style};

/// An EfficientNet of the Lite family.
#[derive(Clone, Debug, PartialEq)]
pub struct EfficientNetLite {
    /// Channels after the 3 x 3 stride 2 stem.
    pub stem_channels: usize,
    /// The stages in order; module names `blocks.0`, `blocks.1`, ...
    pub stages: Vec<Stage>,
    /// Channels before the pooling.
    pub head_channels: usize,
    /// Dropout before the classifier.
    pub dropout: f64,
    /// Whose borders and epsilon.
    pub origin: Origin,
}

/// Where a network's conventions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// SAME borders (the odd pixel after), BatchNorm's epsilon 1e-3.
    TensorFlow,
    /// Symmetric borders, epsilon 1e-5.
    Torch,
}

/// One stage of inverted residuals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
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

impl EfficientNetLite {
    /// Lite0: 224 x 224, width and depth 1.
    pub(super) fn lite0(origin: Origin) -> Self {
        let stage = |depth, kernel, stride, expansion, channels| Stage {
            depth,
            kernel,
            stride,
            expansion,
            channels,
        };
        Self {
            stem_channels: 32,
            stages: vec![
                stage(1, 3, 1, 1, 16),
                stage(2, 3, 2, 6, 24),
                stage(2, 5, 2, 6, 40),
                stage(3, 3, 2, 6, 80),
                stage(3, 5, 1, 6, 112),
                stage(4, 5, 2, 6, 192),
                stage(1, 3, 1, 6, 320),
            ],
            head_channels: 1280,
            dropout: 0.2,
            origin,
        }
    }

    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> Graph {
        let style = match self.origin {
            Origin::TensorFlow => Style {
                // At stride 1 SAME is the symmetric border, whatever the size.
                padding: |kernel, stride| match stride {
                    1 => Padding::Explicit(kernel / 2),
                    _ => Padding::SameUpper,
                },
                eps: 1e-3,
            },
            Origin::Torch => Style {
                padding: |kernel, _| Padding::Explicit(kernel / 2),
                eps: 1e-5,
            },
        };
        let (mut b, input) = Builder::new(3, style);
        let mut channels = self.stem_channels;
        let stem = ConvBn::new("conv_stem", "bn1", [3, channels], 3).stride(2);
        let mut x = b.conv_bn(input, stem);
        x = b.push(Op::Relu6, &[x]);
        for (index, stage) in self.stages.iter().enumerate() {
            for depth in 0..stage.depth {
                let path = format!("blocks.{index}.{depth}");
                let stride = if depth == 0 { stage.stride } else { 1 };
                x = inverted_residual(&mut b, x, &path, channels, *stage, stride);
                channels = stage.channels;
            }
        }
        let head = ConvBn::new("conv_head", "bn2", [channels, self.head_channels], 1);
        x = b.conv_bn(x, head);
        x = b.push(Op::Relu6, &[x]);
        x = b.push(Op::GlobalAvgPool, &[x]);
        x = b.push(Op::Flatten, &[x]);
        x = b.push(Op::Dropout { p: self.dropout }, &[x]);
        let classifier = Linear {
            name: "classifier".into(),
            in_features: self.head_channels,
            out_features: num_classes,
        };
        b.push(Op::Linear(classifier), &[x]);
        b.finish()
    }
}

fn inverted_residual(
    b: &mut Builder,
    input: usize,
    path: &str,
    channels: usize,
    stage: Stage,
    stride: usize,
) -> usize {
    let out = stage.channels;
    let residual = stride == 1 && channels == out;
    let wide = channels * stage.expansion;
    let layer = |conv: &str, norm: &str, channels, kernel| {
        ConvBn::new(
            format!("{path}.{conv}"),
            format!("{path}.{norm}"),
            channels,
            kernel,
        )
    };
    let depthwise = |norm: &str| {
        layer("conv_dw", norm, [wide, wide], stage.kernel)
            .stride(stride)
            .groups(wide)
    };
    let mut x = input;
    // timm numbers the norms of a block in order, and calls the last 1 x 1 `conv_pwl` where a first one exists.
    let last = if stage.expansion == 1 {
        x = b.conv_bn(x, depthwise("bn1"));
        ("conv_pw", "bn2")
    } else {
        x = b.conv_bn(x, layer("conv_pw", "bn1", [channels, wide], 1));
        x = b.push(Op::Relu6, &[x]);
        x = b.conv_bn(x, depthwise("bn2"));
        ("conv_pwl", "bn3")
    };
    x = b.push(Op::Relu6, &[x]);
    let narrow = layer(last.0, last.1, [wide, out], 1).last_in_residual(residual);
    x = b.conv_bn(x, narrow);
    if residual {
        b.push(Op::Add, &[x, input])
    } else {
        x
    }
}
