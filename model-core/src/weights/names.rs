//! The only place where tensor names and nesting of other projects are turned into ours.
//!
//! Ours are torchvision's for ResNets and timm's for EfficientNet-Lite.

use std::collections::BTreeMap;

use super::{Found, WeightSet, Weights};
use crate::arch::Graph;

/// Keys under which trainers nest their weights, most usual first; the empty one is no nesting.
const MODEL_GROUPS: [&str; 7] = [
    "",
    "state_dict",
    "model",
    "model_state_dict",
    "model_state",
    "net",
    "params",
];
/// The same for moving averages: timm, torchvision and others.
const EMA_GROUPS: [&str; 6] = [
    "state_dict_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
    "params_ema",
    "ema.state_dict",
];
/// Prefixes of wrappers: DataParallel, torch.compile, Lightning, averaged models.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "backbone."];
/// Names that the final classifier has in other projects; ours are the first two.
const CLASSIFIERS: [&str; 5] = ["fc", "classifier", "_fc", "linear", "head.fc"];

/// Splits the flat name of a safetensors tensor into its group and name.
pub(super) fn split_group(name: &str) -> (String, String) {
    for group in ["ema", "model_ema", "state_dict_ema"] {
        if let Some(rest) = name
            .strip_prefix(group)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            return (group.into(), rest.into());
        }
    }
    (String::new(), name.into())
}

/// Takes the tensors of one weight set, without wrapper prefixes and bookkeeping.
pub(super) fn choose<T>(found: Found<T>, set: WeightSet) -> Result<Vec<(String, T)>, String> {
    let (wanted, what): (&[&str], _) = match set {
        WeightSet::Model => (&MODEL_GROUPS, "weights"),
        WeightSet::Ema => (&EMA_GROUPS, "moving average of the weights"),
    };
    let has = |group: &&&str| {
        found
            .iter()
            .any(|(g, name, _)| g == **group && name.ends_with(".weight"))
    };
    let Some(group) = wanted.iter().find(has).copied() else {
        let mut groups: Vec<&str> = found.iter().map(|(group, _, _)| group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        let groups: Vec<_> = groups
            .iter()
            .map(|g| if g.is_empty() { "(top)" } else { g })
            .collect();
        let hint = if groups.is_empty() {
            "no tensors at all".into()
        } else {
            format!("tensors under {}", groups.join(", "))
        };
        return Err(format!(
            "the checkpoint holds no {what} we recognize; it has {hint}"
        ));
    };
    let mut chosen: Vec<(String, T)> = found
        .into_iter()
        .filter(|(g, name, _)| g == group && name != "n_averaged")
        .map(|(_, name, tensor)| (name, tensor))
        .collect();
    while let Some(wrapper) = WRAPPERS
        .iter()
        .find(|w| chosen.iter().all(|(name, _)| name.starts_with(**w)))
    {
        for (name, _) in &mut chosen {
            name.drain(..wrapper.len());
        }
    }
    Ok(chosen)
}

/// Rows of the classifier's weight, whatever it is called.
pub(super) fn classifier_rows(weights: &Weights) -> Option<usize> {
    CLASSIFIERS
        .iter()
        .find_map(|name| weights.tensors.get(&format!("{name}.weight")))
        .and_then(|tensor| tensor.shape.first().copied())
}

/// Renames foreign tensors to the names of `graph`; names that need no change stay.
pub(super) fn rename(graph: &Graph, weights: Weights) -> Weights {
    let ours: Vec<String> = graph.tensors().into_iter().map(|spec| spec.name).collect();
    let classifier = if ours.iter().any(|name| name == "fc.weight") {
        "fc"
    } else {
        "classifier"
    };
    let blocks = block_prefixes(&ours);
    let lukemelas = weights.tensors.contains_key("_conv_stem.weight");
    let renamed = |name: String| {
        if ours.binary_search(&name).is_ok() || ours.contains(&name) {
            return name;
        }
        let Some((module, leaf)) = name.rsplit_once('.') else {
            return name;
        };
        if lukemelas && let Some(module) = lukemelas_module(module, &blocks) {
            return format!("{module}.{leaf}");
        }
        if CLASSIFIERS.contains(&module) {
            return format!("{classifier}.{leaf}");
        }
        name
    };
    let tensors: BTreeMap<_, _> = weights
        .tensors
        .into_iter()
        .map(|(name, tensor)| (renamed(name), tensor))
        .collect();
    Weights {
        tensors,
        metadata: weights.metadata,
    }
}

/// `blocks.0.0`, `blocks.1.0`, ... in the order of the network.
fn block_prefixes(names: &[String]) -> Vec<String> {
    let mut prefixes: Vec<String> = Vec::new();
    for name in names {
        let parts: Vec<&str> = name.split('.').collect();
        if let ["blocks", stage, block, ..] = parts.as_slice() {
            let prefix = format!("blocks.{stage}.{block}");
            if prefixes.last() != Some(&prefix) {
                prefixes.push(prefix);
            }
        }
    }
    prefixes
}

/// EfficientNet modules as lukemelas/EfficientNet-PyTorch names them, to timm's.
fn lukemelas_module(module: &str, blocks: &[String]) -> Option<String> {
    let top = match module {
        "_conv_stem" => "conv_stem",
        "_bn0" => "bn1",
        "_conv_head" => "conv_head",
        "_bn1" => "bn2",
        "_fc" => "classifier",
        _ => "",
    };
    if !top.is_empty() {
        return Some(top.into());
    }
    let (index, part) = module.strip_prefix("_blocks.")?.split_once('.')?;
    let index: usize = index.parse().ok()?;
    // The first block has no expansion, so timm numbers its layers one earlier.
    let part = match (part, index) {
        ("_depthwise_conv", _) => "conv_dw",
        ("_bn1", 0) => "bn1",
        ("_project_conv", 0) => "conv_pw",
        ("_bn2", 0) => "bn2",
        ("_expand_conv", _) => "conv_pw",
        ("_bn0", _) => "bn1",
        ("_bn1", _) => "bn2",
        ("_project_conv", _) => "conv_pwl",
        ("_bn2", _) => "bn3",
        _ => return None,
    };
    Some(format!("{}.{part}", blocks.get(index)?))
}
