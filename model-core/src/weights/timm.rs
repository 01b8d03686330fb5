//! Networks as timm builds them: which of its architectures computes the same, and what it calls our tensors.
//!
//! The one table of timm's names, read in both directions: a checkpoint of timm's is renamed by it, and so is what is
//! written for timm. Names that timm shares with torchvision (ResNet, DenseNet) are in it as they are.

use std::collections::HashMap;

use super::{StateDict, Tensor};
use crate::arch::{Architecture, Family, Names};

/// What `timm.create_model` needs to build a network of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct TimmModel {
    /// timm's name of the architecture.
    pub architecture: String,
    /// Arguments beside the number of classes (`bn_eps`), by name.
    pub arguments: Vec<(&'static str, f64)>,
    /// The module path of the first convolution.
    pub first_conv: String,
    /// The module path of the last linear layer.
    pub classifier: String,
}

/// Blocks a stage, as timm numbers them.
const MOBILENET_V2: [usize; 7] = [1, 2, 3, 4, 3, 3, 1];
const MOBILENET_V3_LARGE: [usize; 6] = [1, 2, 3, 4, 2, 3];
const MOBILENET_V3_SMALL: [usize; 5] = [1, 2, 3, 2, 3];

/// timm's network that computes as `architecture`; none where timm has no such network.
///
/// torchvision's MobileNetV3 has another epsilon than timm's, and its RegNets round their widths otherwise: both are
/// arguments there.
pub fn timm_model(architecture: &Architecture) -> Option<TimmModel> {
    let name = architecture.name();
    let mut arguments = Vec::new();
    let theirs = match architecture.family() {
        // Networks of other depths and widths, and FFCV's blur, which stands elsewhere than timm's.
        Family::ResNet(_)
            if name.starts_with("cifar_")
                || name.starts_with("resnet_tiny")
                || name.ends_with("_blurpool") =>
        {
            return None;
        }
        Family::MobileNetV2(_) => "mobilenetv2_100".to_owned(),
        Family::MobileNetV3(_) => {
            arguments.push(("bn_eps", 1e-3));
            format!("mobilenetv3_{}_100", name.strip_prefix("mobilenet_v3_")?)
        }
        Family::RegNet(_) => {
            arguments.push(("group_min_ratio", 0.9));
            // `regnet_x_1_6gf` is `regnetx_016`: hundreds of millions of operations.
            let (kind, size) = name.strip_prefix("regnet_")?.split_once('_')?;
            let hundreds = match (size.strip_suffix("mf"), size.strip_suffix("gf")) {
                (Some(millions), _) => millions.parse::<usize>().ok()? / 100,
                (_, Some(billions)) => match billions.split_once('_') {
                    Some((whole, tenth)) => {
                        10 * whole.parse::<usize>().ok()? + tenth.parse::<usize>().ok()?
                    }
                    None => 10 * billions.parse::<usize>().ok()?,
                },
                _ => return None,
            };
            format!("regnet{kind}_{hundreds:03}")
        }
        _ => name.to_owned(),
    };
    let names = timm_names(architecture)?;
    let module = |name: &String| name.rsplit_once('.').map(|(module, _)| module.to_owned());
    Some(TimmModel {
        architecture: theirs,
        arguments,
        first_conv: module(names.first()?)?,
        classifier: module(names.last()?)?,
    })
}

/// The weights as timm's state dict has them, under its names and in its shapes; none where timm has no such network.
pub fn to_timm(architecture: &Architecture, weights: &StateDict) -> Option<StateDict> {
    timm_model(architecture)?;
    let names = timm_names(architecture)?;
    let specs = architecture.graph().tensors();
    let tensors = specs.iter().zip(names).filter_map(|(spec, name)| {
        let tensor = weights.tensors.get(&spec.name)?;
        let shape = timm_shape(architecture, &spec.name, &tensor.shape);
        Some((
            name,
            Tensor {
                shape,
                data: tensor.data.clone(),
            },
        ))
    });
    Some(StateDict {
        tensors: tensors.collect(),
        metadata: weights.metadata.clone(),
    })
}

/// timm's names of tensors to ours, where they differ; empty for networks whose weights from timm are of another network.
pub(super) fn from_timm(architecture: &Architecture) -> HashMap<String, String> {
    // The same tensors, but another epsilon.
    if matches!(architecture.family(), Family::MobileNetV3(_)) {
        return HashMap::new();
    }
    let ours = architecture
        .graph()
        .tensors()
        .into_iter()
        .map(|spec| spec.name);
    let theirs = timm_names(architecture).unwrap_or_default();
    let pairs = theirs.into_iter().zip(ours);
    pairs.filter(|(theirs, ours)| theirs != ours).collect()
}

/// timm keeps some linear layers as convolutions, and factors of channels without the map's axes.
fn timm_shape(architecture: &Architecture, name: &str, shape: &[usize]) -> Vec<usize> {
    match (architecture.family(), name, shape) {
        (Family::Vgg(_), "classifier.0.weight", [out, inputs]) => vec![*out, inputs / 49, 7, 7],
        (Family::Vgg(_), "classifier.3.weight", [out, inputs])
        | (Family::ResNetV2(_), "head.fc.weight", [out, inputs])
        | (Family::MobileNetV3(_), "classifier.0.weight", [out, inputs]) => {
            vec![*out, *inputs, 1, 1]
        }
        (Family::ConvNext(_), _, [channels, 1, 1]) => vec![*channels],
        _ => shape.to_vec(),
    }
}

/// timm's name of each tensor, in the order of our graph.
fn timm_names(architecture: &Architecture) -> Option<Vec<String>> {
    let specs = architecture.graph().tensors();
    let ours: Vec<String> = specs.into_iter().map(|spec| spec.name).collect();
    let renamed =
        |rename: fn(&str) -> Option<String>| ours.iter().map(|name| rename(name)).collect();
    match architecture.family() {
        Family::ResNet(_) | Family::ResNetV2(_) | Family::DenseNet(_) => Some(ours),
        Family::EfficientNet(net) if net.names == Names::Timm => Some(ours),
        Family::EfficientNet(_) => mobile(&ours, &[]),
        Family::MobileNetV2(_) => mobile(&ours, &MOBILENET_V2),
        Family::MobileNetV3(_) if architecture.name().ends_with("large") => {
            mobile(&ours, &MOBILENET_V3_LARGE)
        }
        Family::MobileNetV3(_) => mobile(&ours, &MOBILENET_V3_SMALL),
        Family::RegNet(_) => renamed(regnet),
        Family::Vgg(_) => renamed(vgg),
        Family::ConvNext(_) => renamed(convnext),
        // timm has no such network.
        Family::WhitenedVgg(_) => None,
    }
}

/// Inverted residuals: both projects list the layers of a block in the order they compute in. `stages` counts the blocks
/// of each stage where our names count blocks alone.
fn mobile(ours: &[String], stages: &[usize]) -> Option<Vec<String>> {
    let mut modules: Vec<&str> = ours
        .iter()
        .filter_map(|name| Some(name.rsplit_once('.')?.0))
        .collect();
    modules.dedup();
    let mut blocks: Vec<(String, Vec<&str>)> = Vec::new();
    let mut outer: Vec<&str> = Vec::new();
    for module in modules {
        let parts: Vec<&str> = module.split('.').collect();
        let path = match parts[..] {
            ["features", stage, block, "block", ..] if stages.is_empty() => {
                format!(
                    "blocks.{}.{block}",
                    stage.parse::<usize>().ok()?.checked_sub(1)?
                )
            }
            ["features", place, "conv" | "block", ..] => {
                let mut block = place.parse::<usize>().ok()?.checked_sub(1)?;
                let in_stage = |count: &usize| {
                    let beyond = block >= *count;
                    block -= if beyond { *count } else { 0 };
                    !beyond
                };
                let stage = stages.iter().position(in_stage)?;
                format!("blocks.{stage}.{block}")
            }
            _ => {
                outer.push(module);
                continue;
            }
        };
        match blocks.last_mut() {
            Some((last, of_block)) if *last == path => of_block.push(module),
            _ => blocks.push((path, vec![module])),
        }
    }
    let last = format!("blocks.{}.0", stages.len());
    let last_layers = [format!("{last}.conv"), format!("{last}.bn1")];
    let top: Vec<&str> = match outer.len() {
        5 => vec!["conv_stem", "bn1", "conv_head", "bn2", "classifier"],
        // MobileNetV3: the last convolution belongs to the blocks, and a linear layer follows the pooling.
        6 => {
            let [conv, norm] = &last_layers;
            vec!["conv_stem", "bn1", conv, norm, "conv_head", "classifier"]
        }
        _ => return None,
    };
    let mut map: HashMap<&str, String> = outer
        .into_iter()
        .zip(top.into_iter().map(str::to_owned))
        .collect();
    for (path, layers) in blocks {
        let squeezes = layers.iter().any(|layer| layer.ends_with("fc1"));
        let names: &[&str] = match (layers.len(), squeezes) {
            (4, _) => &["conv_dw", "bn1", "conv_pw", "bn2"],
            (6, true) => &[
                "conv_dw",
                "bn1",
                "se.conv_reduce",
                "se.conv_expand",
                "conv_pw",
                "bn2",
            ],
            (6, false) => &["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"],
            (8, _) => &[
                "conv_pw",
                "bn1",
                "conv_dw",
                "bn2",
                "se.conv_reduce",
                "se.conv_expand",
                "conv_pwl",
                "bn3",
            ],
            _ => return None,
        };
        map.extend(
            layers
                .into_iter()
                .zip(names.iter().map(|name| format!("{path}.{name}"))),
        );
    }
    let rename = |name: &String| {
        let (module, leaf) = name.rsplit_once('.')?;
        Some(format!("{}.{leaf}", map.get(module)?))
    };
    ours.iter().map(rename).collect()
}

/// `trunk_output.block1.block1-0.f.a.0.weight` is `s1.b1.conv1.conv.weight`.
fn regnet(name: &str) -> Option<String> {
    const LAYERS: [(&str, &str); 6] = [
        ("f.a.", "conv1."),
        ("f.b.", "conv2."),
        ("f.c.", "conv3."),
        ("proj.", "downsample."),
        ("f.se.fc1.", "se.fc1."),
        ("f.se.fc2.", "se.fc2."),
    ];
    let conv_bn = |layer: &str| match layer.split_once('.') {
        Some(("0", leaf)) => Some(format!("conv.{leaf}")),
        Some(("1", leaf)) => Some(format!("bn.{leaf}")),
        _ => None,
    };
    if let Some(layer) = name.strip_prefix("stem.") {
        return Some(format!("stem.{}", conv_bn(layer)?));
    }
    if let Some(leaf) = name.strip_prefix("fc.") {
        return Some(format!("head.fc.{leaf}"));
    }
    let (stage, rest) = name
        .strip_prefix("trunk_output.block")?
        .split_once(".block")?;
    let (place, rest) = rest.split_once('.')?;
    let block = place.rsplit_once('-')?.1.parse::<usize>().ok()? + 1;
    let (theirs, layer) = LAYERS
        .iter()
        .find_map(|(ours, theirs)| Some((theirs, rest.strip_prefix(ours)?)))?;
    let layer = if theirs.starts_with("se.") {
        layer.to_owned()
    } else {
        conv_bn(layer)?
    };
    Some(format!("s{stage}.b{block}.{theirs}{layer}"))
}

/// The two wide layers are convolutions in timm.
fn vgg(name: &str) -> Option<String> {
    const LAYERS: [(&str, &str); 3] = [
        ("classifier.0.", "pre_logits.fc1."),
        ("classifier.3.", "pre_logits.fc2."),
        ("classifier.6.", "head.fc."),
    ];
    let found = LAYERS
        .iter()
        .find_map(|(ours, theirs)| Some(format!("{theirs}{}", name.strip_prefix(ours)?)));
    Some(found.unwrap_or_else(|| name.to_owned()))
}

/// `features.1.0.block.3.weight` is `stages.0.blocks.0.mlp.fc1.weight`.
fn convnext(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    Some(match parts[..] {
        ["features", "0", layer, leaf] => format!("stem.{layer}.{leaf}"),
        ["classifier", "0", leaf] => format!("head.norm.{leaf}"),
        ["classifier", "2", leaf] => format!("head.fc.{leaf}"),
        ["features", place, block, "layer_scale"] => {
            format!(
                "stages.{}.blocks.{block}.gamma",
                place.parse::<usize>().ok()? / 2
            )
        }
        ["features", place, block, "block", layer, leaf] => {
            let layer = match layer {
                "0" => "conv_dw",
                "2" => "norm",
                "3" => "mlp.fc1",
                "5" => "mlp.fc2",
                _ => return None,
            };
            format!(
                "stages.{}.blocks.{block}.{layer}.{leaf}",
                place.parse::<usize>().ok()? / 2
            )
        }
        ["features", place, layer, leaf] => {
            format!(
                "stages.{}.downsample.{layer}.{leaf}",
                place.parse::<usize>().ok()? / 2
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
