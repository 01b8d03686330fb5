//! The only place where tensor names and nesting of other projects are turned into ours.
//!
//! Ours are torchvision's for ResNets and timm's for EfficientNet-Lite.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Found, StateDict, WeightSet, timm};
use crate::arch::{ArchGraph, Architecture, Op};

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
/// Names that the final classifier has in other projects: lukemelas, mmpretrain, heads with a dropout before the layer,
/// timm's other families.
const CLASSIFIERS: [&str; 14] = [
    "fc",
    "classifier",
    "_fc",
    "linear",
    "head.fc",
    "head",
    "fc.1",
    "classifier.1",
    "head.1",
    "fc.0",
    "classifier.0",
    "last_linear",
    "cls_head.fc",
    "output",
];
/// Prefixes of wrappers that all tensors may share: DataParallel, torch.compile, Lightning. [`wrapper`] finds others, once
/// the network is known.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];
/// Modules beside the network whose tensors are no part of it: losses, metrics, a second copy of the weights.
const BESIDE: [&str; 12] = [
    "criterion",
    "loss",
    "loss_fn",
    "loss_func",
    "loss_function",
    "train_loss",
    "val_loss",
    "metrics",
    "train_acc",
    "val_acc",
    "model_ema",
    "data_preprocessor",
];

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

/// Takes the tensors of one weight set, without bookkeeping and the usual wrappers.
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
        .find(|w| !chosen.is_empty() && chosen.iter().all(|(name, _)| name.starts_with(**w)))
    {
        for (name, _) in &mut chosen {
            name.drain(..wrapper.len());
        }
    }
    Ok(chosen)
}

/// Rows of the classifier's weight, whatever it is called and wherever it is wrapped.
pub(super) fn classifier_rows(architecture: &Architecture, weights: &StateDict) -> Option<usize> {
    let name = format!("{}.weight", classifier(&architecture.graph())?);
    let renamed = rename_all(architecture, weights.tensors.keys());
    let (theirs, _) = renamed
        .iter()
        .find(|(_, ours)| ours.as_deref() == Some(&name))?;
    weights.tensors.get(*theirs)?.shape.first().copied()
}

/// The module path of the last linear layer.
fn classifier(graph: &ArchGraph) -> Option<String> {
    graph.nodes.iter().rev().find_map(|node| match &node.op {
        Op::Linear(linear) => Some(linear.name.clone()),
        _ => None,
    })
}

/// Renames foreign tensors to the names of `architecture`; names that need no change stay, and so do those that fit nowhere.
/// What belongs to a loss or a metric beside the network is left out.
pub(super) fn rename(architecture: &Architecture, weights: StateDict) -> StateDict {
    let names: BTreeMap<String, Option<String>> = rename_all(architecture, weights.tensors.keys())
        .into_iter()
        .map(|(theirs, ours)| (theirs.clone(), ours))
        .collect();
    let specs = architecture.graph().tensors();
    let shapes: HashMap<&str, &[usize]> = specs
        .iter()
        .map(|spec| (spec.name.as_str(), &spec.shape[..]))
        .collect();
    let tensors = weights
        .tensors
        .into_iter()
        .filter_map(|(name, mut tensor)| {
            let ours = names.get(&name)?.clone()?;
            // timm's linear layers are convolutions here and there: the same numbers in the same order.
            if let Some(shape) = shapes.get(ours.as_str())
                && shape.len() != tensor.shape.len()
                && shape.first() == tensor.shape.first()
                && shape.iter().product::<usize>() == tensor.data.len()
            {
                tensor.shape = shape.to_vec();
            }
            Some((ours, tensor))
        })
        .collect();
    StateDict {
        tensors,
        metadata: weights.metadata,
    }
}

/// For each name the one it gets; none for what is left out.
fn rename_all<'a>(
    architecture: &Architecture,
    theirs: impl Iterator<Item = &'a String> + Clone,
) -> Vec<(&'a String, Option<String>)> {
    let graph = &architecture.graph();
    let specs = graph.tensors();
    let ours: HashSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let classifier = classifier(graph).unwrap_or_default();
    let first = specs.first().map_or("", |spec| spec.name.as_str());
    let prefix = wrapper(theirs.clone(), first, &ours);
    let order: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let blocks = block_prefixes(&order);
    let lukemelas = format!("{prefix}_conv_stem.weight");
    let is_lukemelas = theirs.clone().any(|name| *name == lukemelas);
    let timm = timm::from_timm(architecture);
    theirs
        .map(|full| {
            let name = full.strip_prefix(prefix.as_str());
            let beside = full.split('.').next().unwrap_or_default();
            if name.is_none() && BESIDE.contains(&beside) {
                return (full, None);
            }
            // mmpretrain's head lies beside the wrapped network.
            let name = name.unwrap_or(full);
            if ours.contains(name) {
                return (full, Some(name.to_owned()));
            }
            if BESIDE.contains(&name.split('.').next().unwrap_or_default()) {
                return (full, None);
            }
            let Some((module, leaf)) = name.rsplit_once('.') else {
                return (full, Some(name.to_owned()));
            };
            if is_lukemelas && let Some(module) = lukemelas_module(module, &blocks) {
                return (full, Some(format!("{module}.{leaf}")));
            }
            if let Some(ours) = timm.get(name) {
                return (full, Some(ours.clone()));
            }
            if CLASSIFIERS.contains(&module) {
                return (full, Some(format!("{classifier}.{leaf}")));
            }
            (full, Some(name.to_owned()))
        })
        .collect()
}

/// What all of the network's tensors begin with in the file (`module.`, `model.net.`): taken from where the first
/// convolution is found, and only where more names fit with it than without.
fn wrapper<'a>(
    theirs: impl Iterator<Item = &'a String> + Clone,
    first: &str,
    ours: &HashSet<&str>,
) -> String {
    let stems = [first, "_conv_stem.weight", "conv_stem.weight"];
    let mut best = (0, String::new());
    let mut prefixes: Vec<&str> = theirs
        .clone()
        .flat_map(|name| {
            stems
                .iter()
                .filter_map(move |stem| name.strip_suffix(*stem))
        })
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .collect();
    prefixes.sort_unstable_by_key(|prefix| (prefix.len(), *prefix));
    prefixes.dedup();
    // Shorter ones are wrappers, longer ones blocks that hold a convolution of the same name.
    for prefix in prefixes.into_iter().take(64) {
        let fitting = |name: &&String| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| {
                ours.contains(rest) || rest.starts_with('_') || rest.starts_with("blocks.")
            })
        };
        let count = theirs.clone().filter(fitting).count();
        if count > best.0 {
            best = (count, prefix.to_owned());
        }
    }
    best.1
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
        ("_se_reduce", _) => "se.conv_reduce",
        ("_se_expand", _) => "se.conv_expand",
        _ => return None,
    };
    Some(format!("{}.{part}", blocks.get(index)?))
}
