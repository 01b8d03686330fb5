//! Networks as data: a name gives a description, a description lowers to a [`Graph`] of named layers.
//!
//! `train` interprets the graph with libtorch, `export` writes it as ONNX, and both find weights under torchvision's
//! names (timm's for EfficientNet-Lite0). Nothing here computes.

mod efficientnet;
mod graph;
mod resnet;

pub use efficientnet::{EfficientNetLite, Origin};
pub use graph::{
    BLUR, BatchNorm, Conv, Graph, Linear, Node, Op, Padding, Shape, TensorKind, TensorSpec,
    window_count,
};
pub use resnet::{Block, ResNet, Stage, Stem};

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
    /// EfficientNet without squeeze-and-excitation.
    EfficientNetLite(EfficientNetLite),
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

type Entry = (&'static str, u32, fn() -> Family);

const BOTTLENECK: Block = Block::Bottleneck {
    groups: 1,
    width_per_group: 64,
};
const WIDE: Block = Block::Bottleneck {
    groups: 1,
    width_per_group: 128,
};
const RESNEXT: Block = Block::Bottleneck {
    groups: 32,
    width_per_group: 4,
};

/// Name, side of the square input it is usually trained at, description.
const ENTRIES: &[Entry] = &[
    ("resnet18", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [2, 2, 2, 2]))
    }),
    ("resnet34", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [3, 4, 6, 3]))
    }),
    ("resnet50", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 6, 3]))
    }),
    ("resnet101", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 23, 3]))
    }),
    ("resnet152", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 8, 36, 3]))
    }),
    ("wide_resnet50_2", 224, || {
        Family::ResNet(ResNet::imagenet(WIDE, [3, 4, 6, 3]))
    }),
    ("resnext50_32x4d", 224, || {
        Family::ResNet(ResNet::imagenet(RESNEXT, [3, 4, 6, 3]))
    }),
    ("cifar_resnet20", 32, || Family::ResNet(ResNet::cifar(3))),
    ("cifar_resnet32", 32, || Family::ResNet(ResNet::cifar(5))),
    ("cifar_resnet44", 32, || Family::ResNet(ResNet::cifar(7))),
    ("cifar_resnet56", 32, || Family::ResNet(ResNet::cifar(9))),
    ("resnet18_blurpool", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [2, 2, 2, 2]).with_blur())
    }),
    ("resnet50_blurpool", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 6, 3]).with_blur())
    }),
    ("tf_efficientnet_lite0", 224, || {
        Family::EfficientNetLite(EfficientNetLite::lite0(Origin::TensorFlow))
    }),
    ("efficientnet_lite0", 224, || {
        Family::EfficientNetLite(EfficientNetLite::lite0(Origin::Torch))
    }),
    ("resnet_tiny", 32, || Family::ResNet(tiny())),
    ("resnet_tiny_blurpool", 32, || {
        Family::ResNet(tiny().with_blur())
    }),
];

/// Depths 1-1-1-1 and a few channels: the whole chain in a test's time. Bottlenecks, so that nothing of ResNet50 is missing.
fn tiny() -> ResNet {
    let stages = [8, 16, 24, 32]
        .into_iter()
        .enumerate()
        .map(|(i, width)| Stage {
            depth: 1,
            width,
            stride: if i == 0 { 1 } else { 2 },
        })
        .collect();
    ResNet {
        stem: Stem::ImageNet { channels: 8 },
        block: BOTTLENECK,
        stages,
        blur: false,
    }
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
    match ENTRIES.iter().find(|entry| squash(entry.0) == wanted) {
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
    pub fn graph(&self) -> Graph {
        match &self.family {
            Family::ResNet(resnet) => resnet.graph(self.num_classes),
            Family::EfficientNetLite(net) => net.graph(self.num_classes),
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
