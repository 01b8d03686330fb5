//! ResNets as data and their lowering to an [`ArchGraph`], with torchvision's module names.
//!
//! He et al. 2015 with torchvision's v1.5 bottleneck (the stride sits in the 3 x 3 convolution); wide and ResNeXt
//! variants (Zagoruyko 2016, Xie 2017); the CIFAR form with a 3 x 3 stem and three stages, projection shortcuts; ResNet-D
//! (He et al. 2018, "Bag of Tricks"), with timm's module names.

use super::build::{Builder, ConvBn, Style};
use super::{ArchGraph, Op};

/// A residual network.
#[derive(Clone, Debug, PartialEq)]
pub struct ResNet {
    /// What stands before the stages.
    pub stem: Stem,
    /// What a stage repeats.
    pub block: Block,
    /// The stages in order; module names `layer1`, `layer2`, ...
    pub stages: Vec<Stage>,
    /// A low-pass filter before each convolution with a step and at least 16 channels in.
    pub blur: bool,
}

/// Fewer channels in than this are not blurred: the stem reads the image as it is (FFCV's `apply_blurpool`).
const BLUR_CHANNELS: usize = 16;

/// What stands before the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// 7 x 7 stride 2 convolution, 3 x 3 stride 2 max-pool.
    ImageNet {
        /// Channels after it.
        channels: usize,
    },
    /// 3 x 3 stride 1 convolution.
    Cifar {
        /// Channels after it.
        channels: usize,
    },
    /// Three 3 x 3 convolutions, the first with stride 2, and the max-pool: ResNet-D, whose projections pool before they
    /// project.
    Deep {
        /// Channels after the first two.
        inner: usize,
        /// Channels after it.
        channels: usize,
    },
}

/// What a stage repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Two 3 x 3 convolutions; output channels = stage width.
    Basic,
    /// 1 x 1, 3 x 3, 1 x 1; output channels = 4 x stage width.
    Bottleneck {
        /// Channel groups of the 3 x 3.
        groups: usize,
        /// Channels a group per 64 of stage width: 64 for ResNet, 128 for wide, 4 for ResNeXt 32x4d.
        width_per_group: usize,
    },
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Blocks.
    pub depth: usize,
    /// torchvision's `planes`.
    pub width: usize,
    /// Stride of its first block.
    pub stride: usize,
}

impl ResNet {
    /// The ImageNet form: widths 64, 128, 256, 512.
    pub(super) fn imagenet(block: Block, depths: [usize; 4]) -> Self {
        let stages = [64, 128, 256, 512]
            .into_iter()
            .zip(depths)
            .enumerate()
            .map(|(i, (width, depth))| Stage {
                depth,
                width,
                stride: if i == 0 { 1 } else { 2 },
            })
            .collect();
        Self {
            stem: Stem::ImageNet { channels: 64 },
            block,
            stages,
            blur: false,
        }
    }

    /// The same with BlurPool (Zhang 2019), where FFCV's recipes have it.
    pub(super) fn with_blur(self) -> Self {
        Self { blur: true, ..self }
    }

    /// ResNet-D (timm's `resnet50d`).
    pub(super) fn deep(block: Block, depths: [usize; 4]) -> Self {
        Self {
            stem: Stem::Deep {
                inner: 32,
                channels: 64,
            },
            ..Self::imagenet(block, depths)
        }
    }

    /// The CIFAR form of depth `6n + 2`: widths 16, 32, 64, `n` blocks each.
    pub(super) fn cifar(n: usize) -> Self {
        let stage = |width, stride| Stage {
            depth: n,
            width,
            stride,
        };
        Self {
            stem: Stem::Cifar { channels: 16 },
            block: Block::Basic,
            stages: vec![stage(16, 1), stage(32, 2), stage(64, 2)],
            blur: false,
        }
    }

    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let pool = || Op::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        let stem = |channels, kernel| ConvBn::new("conv1", "bn1", [3, channels], kernel);
        let (mut x, mut channels) = match self.stem {
            Stem::ImageNet { channels } => {
                let x = b.conv_bn(input, stem(channels, 7).stride(2));
                let x = b.push(Op::Relu, &[x]);
                (b.push(pool(), &[x]), channels)
            }
            Stem::Deep { inner, channels } => {
                let first = ConvBn::new("conv1.0", "conv1.1", [3, inner], 3).stride(2);
                let mut x = b.conv_bn(input, first);
                x = b.push(Op::Relu, &[x]);
                x = b.conv_bn(x, ConvBn::new("conv1.3", "conv1.4", [inner, inner], 3));
                x = b.push(Op::Relu, &[x]);
                x = b.conv_bn(x, ConvBn::new("conv1.6", "bn1", [inner, channels], 3));
                x = b.push(Op::Relu, &[x]);
                (b.push(pool(), &[x]), channels)
            }
            Stem::Cifar { channels } => {
                let x = b.conv_bn(input, stem(channels, 3));
                (b.push(Op::Relu, &[x]), channels)
            }
        };
        for (index, stage) in self.stages.iter().enumerate() {
            for depth in 0..stage.depth {
                let path = format!("layer{}.{depth}", index + 1);
                let stride = if depth == 0 { stage.stride } else { 1 };
                (x, channels) = self.residual(&mut b, x, &path, channels, stage.width, stride);
            }
        }
        x = b.pooled(x);
        b.linear(x, "fc", [channels, num_classes]);
        b.finish()
    }

    /// What a convolution of `channels` in and this step reads: the input, or its low-pass.
    fn blurred(&self, b: &mut Builder, input: usize, channels: usize, stride: usize) -> usize {
        if !self.blur || stride == 1 || channels < BLUR_CHANNELS {
            return input;
        }
        b.push(Op::Blur { channels }, &[input])
    }

    /// One residual block; gives its output node and channels.
    fn residual(
        &self,
        b: &mut Builder,
        input: usize,
        path: &str,
        channels: usize,
        planes: usize,
        stride: usize,
    ) -> (usize, usize) {
        let layer = |i: usize, channels, kernel| {
            ConvBn::new(
                format!("{path}.conv{i}"),
                format!("{path}.bn{i}"),
                channels,
                kernel,
            )
        };
        let (main, out) = match self.block {
            Block::Basic => {
                let x = self.blurred(b, input, channels, stride);
                let x = b.conv_bn(x, layer(1, [channels, planes], 3).stride(stride));
                let x = b.push(Op::Relu, &[x]);
                let last = layer(2, [planes, planes], 3).last_in_residual(true);
                (b.conv_bn(x, last), planes)
            }
            Block::Bottleneck {
                groups,
                width_per_group,
            } => {
                let width = planes * width_per_group / 64 * groups;
                let out = planes * 4;
                let x = b.conv_bn(input, layer(1, [channels, width], 1));
                let x = b.push(Op::Relu, &[x]);
                let x = self.blurred(b, x, width, stride);
                let middle = layer(2, [width, width], 3).stride(stride).groups(groups);
                let x = b.conv_bn(x, middle);
                let x = b.push(Op::Relu, &[x]);
                let last = layer(3, [width, out], 1).last_in_residual(true);
                (b.conv_bn(x, last), out)
            }
        };
        let shortcut = if stride != 1 || channels != out {
            let pools = matches!(self.stem, Stem::Deep { .. });
            // timm keeps the pool's place in the module where there is nothing to pool.
            let first = usize::from(pools);
            let [conv, norm] = [first, first + 1].map(|i| format!("{path}.downsample.{i}"));
            let projection = ConvBn::new(conv, norm, [channels, out], 1);
            match (pools, stride) {
                (true, 1) => b.conv_bn(input, projection),
                (true, _) => {
                    let pool = Op::AvgPool {
                        kernel: stride,
                        ceil: true,
                    };
                    let x = b.push(pool, &[input]);
                    b.conv_bn(x, projection)
                }
                (false, _) => {
                    let x = self.blurred(b, input, channels, stride);
                    b.conv_bn(x, projection.stride(stride))
                }
            }
        } else {
            input
        };
        let sum = b.push(Op::Add, &[main, shortcut]);
        (b.push(Op::Relu, &[sum]), out)
    }
}
