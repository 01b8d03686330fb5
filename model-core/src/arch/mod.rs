//! Networks as data: a name gives a description, a description lowers to an [`ArchGraph`] of named layers.
//!
//! `train` interprets the graph with libtorch, `export` writes it as ONNX, and both find weights under torchvision's
//! names (timm's for what torchvision does not have). Nothing here computes.

mod build;
mod convnext;
mod densenet;
mod efficientnet;
mod graph;
mod mobilenet;
mod op;
mod regnet;
mod resnet;
mod resnetv2;
mod table;
mod tensors;
mod vgg;
mod whitened_vgg;

pub use convnext::ConvNext;
pub use densenet::DenseNet;
pub use efficientnet::{EfficientNet, Names, Origin};
pub use graph::{ArchGraph, ArchNode, Shape, window_count};
pub use mobilenet::{MobileNetV2, MobileNetV3};
pub use op::{BLUR, BatchNorm, ChannelScale, Conv, LayerNorm, Linear, Op, Padding};
pub use regnet::RegNet;
pub use resnet::{Block, ResNet, Stage, Stem};
pub use resnetv2::ResNetV2;
pub use tensors::{TensorKind, TensorSpec};
pub use vgg::Vgg;
pub use whitened_vgg::WhitenedVgg;

use table::ENTRIES;

/// A network's description: a name, a family's numbers, a number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    name: &'static str,
    family: Family,
    num_classes: usize,
    input_size: u32,
}

/// The numbers of one family.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// Residual networks.
    ResNet(ResNet),
    /// Residual networks with norms before the convolutions.
    ResNetV2(ResNetV2),
    /// EfficientNets, Lite ones included.
    EfficientNet(EfficientNet),
    /// VGG.
    Vgg(Vgg),
    /// MobileNetV2.
    MobileNetV2(MobileNetV2),
    /// MobileNetV3.
    MobileNetV3(MobileNetV3),
    /// RegNetX and RegNetY.
    RegNet(RegNet),
    /// DenseNet-BC.
    DenseNet(DenseNet),
    /// ConvNeXt.
    ConvNext(ConvNext),
    /// A VGG for CIFAR behind a whitening convolution.
    WhitenedVgg(WhitenedVgg),
}

/// Why a name or number gives no network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArchError {
    /// No such architecture.
    #[error("unknown architecture '{got}': did you mean '{nearest}'? known: {}", names().join(", "))]
    Unknown {
        /// What was asked for.
        got: String,
        /// The closest known name.
        nearest: &'static str,
    },
    /// A classifier needs a class.
    #[error("expected at least 1 class, got {got}")]
    Classes {
        /// What was asked for.
        got: usize,
    },
}

/// Every name [`by_name`] accepts.
pub fn names() -> Vec<&'static str> {
    ENTRIES.iter().map(|entry| entry.0).collect()
}

/// The architecture called `name`, with `num_classes` outputs. Case, hyphens and underscores do not matter.
///
/// # Errors
/// [`ArchError::Unknown`] lists the known names, the nearest first; [`ArchError::Classes`] for no class at all.
pub fn by_name(name: &str, num_classes: usize) -> Result<Architecture, ArchError> {
    if num_classes == 0 {
        return Err(ArchError::Classes { got: 0 });
    }
    let wanted = squash(name);
    match find(name, &wanted) {
        Some(&(name, input_size, family)) => Ok(Architecture {
            name,
            family: family(),
            num_classes,
            input_size,
        }),
        None => {
            let nearest = ENTRIES
                .iter()
                .map(|entry| entry.0)
                .min_by_key(|known| edit_distance(&squash(known), &wanted))
                .unwrap_or("resnet50");
            Err(ArchError::Unknown {
                got: name.to_owned(),
                nearest,
            })
        }
    }
}

/// The entry of this name: first separator by separator (`regnet_x_1_6gf` is not `regnet_x_16gf`), then without them
/// where only one fits.
fn find(name: &str, squashed: &str) -> Option<&'static table::Entry> {
    let same = |a: char, b: char| match a {
        '-' | ' ' => b == '_',
        _ => a.eq_ignore_ascii_case(&b),
    };
    let exact = |entry: &&table::Entry| {
        entry.0.len() == name.len() && name.chars().zip(entry.0.chars()).all(|(a, b)| same(a, b))
    };
    let mut loose = ENTRIES.iter().filter(|entry| squash(entry.0) == squashed);
    ENTRIES.iter().find(exact).or_else(|| {
        let only = loose.next()?;
        loose.next().is_none().then_some(only)
    })
}

/// Lower case without separators, so that `ResNet-50` is `resnet50`.
fn squash(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

impl Architecture {
    /// The canonical name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Outputs.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The numbers of its family.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Side of the square input it is usually trained at, in pixels.
    pub fn default_input_size(&self) -> u32 {
        self.input_size
    }

    /// Its layers in evaluation order.
    pub fn graph(&self) -> ArchGraph {
        match &self.family {
            Family::ResNet(resnet) => resnet.graph(self.num_classes),
            Family::ResNetV2(net) => net.graph(self.num_classes),
            Family::EfficientNet(net) => net.graph(self.num_classes),
            Family::Vgg(net) => net.graph(self.num_classes),
            Family::MobileNetV2(net) => net.graph(self.num_classes),
            Family::MobileNetV3(net) => net.graph(self.num_classes),
            Family::RegNet(net) => net.graph(self.num_classes),
            Family::DenseNet(net) => net.graph(self.num_classes),
            Family::ConvNext(net) => net.graph(self.num_classes),
            Family::WhitenedVgg(net) => net.graph(self.num_classes),
        }
    }
}

/// Levenshtein distance in bytes: how far a misspelt name is from a known one.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_the_nearest() {
        let error = by_name("resnet-51", 10).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("unknown architecture 'resnet-51': did you mean 'resnet50'?")
        );
        assert_eq!(by_name("ResNet-50", 10).unwrap().name(), "resnet50");
        let name = |text| by_name(text, 10).unwrap().name();
        assert_eq!(name("RegNet-X-16GF"), "regnet_x_16gf");
        assert_eq!(name("regnet_x_1_6gf"), "regnet_x_1_6gf");
        assert_eq!(name("convnexttiny"), "convnext_tiny");
        assert!(by_name("regnetx16gf", 10).is_err(), "either of two");
        assert_eq!(by_name("resnet50", 0), Err(ArchError::Classes { got: 0 }));
    }

    #[test]
    fn every_graph_is_in_evaluation_order_and_ends_in_its_classes() {
        for name in names() {
            let arch = by_name(name, 7).unwrap();
            let graph = arch.graph();
            for (index, node) in graph.nodes.iter().enumerate() {
                assert!(
                    node.inputs.iter().all(|&input| input < index),
                    "{name} node {index}"
                );
            }
            let side = arch.default_input_size() as usize;
            let shapes = graph.shapes([side, side]);
            assert_eq!(
                shapes.last(),
                Some(&Shape::Vector { features: 7 }),
                "{name}"
            );
            for node in graph.nodes.iter().filter(|node| node.op == Op::Add) {
                assert_eq!(shapes[node.inputs[0]], shapes[node.inputs[1]], "{name}");
            }
            assert_eq!(graph.num_classes(), 7);
        }
    }

    #[test]
    fn resnet50_is_the_published_one() {
        let graph = by_name("resnet50", 1000).unwrap().graph();
        assert_eq!(graph.parameter_count(), 25_557_032);
        let tensors = graph.tensors();
        assert_eq!(
            tensors.iter().filter(|t| t.kind.is_parameter()).count(),
            161
        );
        // 4.089 G multiply-accumulates at 224 x 224 (torchvision's model table: 4.09 GFLOPS)
        assert_eq!(graph.macs([224, 224]), 4_089_184_256);
        assert_eq!(
            graph.shapes([224, 224])[graph.nodes.len() - 4],
            Shape::Map {
                channels: 2048,
                height: 7,
                width: 7
            }
        );
    }

    /// FFCV's `apply_blurpool` wraps every convolution with a stride and at least 16 channels in: the 3 x 3 and the
    /// shortcut of the stages 2 to 4, not the stem. The state dict keeps torchvision's names.
    #[test]
    fn blur_stands_before_strided_convolutions() {
        let plain = by_name("resnet50", 1000).unwrap().graph();
        let blurred = by_name("resnet50_blurpool", 1000).unwrap().graph();
        assert_eq!(plain.tensors(), blurred.tensors());
        let before: Vec<&str> = blurred
            .nodes
            .iter()
            .filter(|node| {
                matches!(
                    blurred.nodes[*node.inputs.first().unwrap_or(&0)].op,
                    Op::Blur { .. }
                )
            })
            .filter_map(|node| match &node.op {
                Op::Conv(conv) => Some(conv.name.as_str()),
                _ => None,
            })
            .collect();
        let expected: Vec<String> = [2, 3, 4]
            .iter()
            .flat_map(|layer| {
                ["conv2", "downsample.0"].map(|name| format!("layer{layer}.0.{name}"))
            })
            .collect();
        assert_eq!(before, expected);
        assert_eq!(BLUR.iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_after() {
        assert_eq!(Padding::SameUpper.resolve(224, 3, 2), (0, 1));
        assert_eq!(Padding::SameUpper.resolve(225, 3, 2), (1, 1));
        assert_eq!(Padding::SameUpper.resolve(56, 5, 2), (1, 2));
        assert_eq!(Padding::SameUpper.resolve(1, 5, 2), (2, 2));
    }

    #[test]
    fn distances_are_levenshtein() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
