//! What tract has been seen to compute as ONNX Runtime does: a table of graph features, made by the test `corpus` from a
//! corpus of small networks whose answers in ONNX Runtime are stored.
//!
//! A feature is an operator, or an operator with what matters of one attribute (`Conv auto_pad=SAME_UPPER`). `right`: a
//! network of the corpus that holds it got the same answers. `wrong`: every network that holds it and loads got others.
//! A feature that is not in the table has not been tried.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use model_core::onnx::{AttributeProto, ModelProto, NodeProto};

use crate::graph::index::GraphIndex;

const TABLE: &str = include_str!("trust.tsv");

/// How a network fares against the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// Features that tract computes wrongly.
    pub wrong: Vec<String>,
    /// Features that nobody has tried.
    pub unseen: Vec<String>,
}

/// Holds a network's features against the table.
pub(super) fn judge(model: &ModelProto) -> Trust {
    static VERDICTS: LazyLock<BTreeMap<&str, bool>> = LazyLock::new(|| {
        let line = |line: &'static str| {
            let (feature, verdict) = line.split_once('\t')?;
            Some((feature, verdict == "right"))
        };
        TABLE.lines().filter_map(line).collect()
    });
    let mut trust = Trust::default();
    for feature in features(model) {
        match VERDICTS.get(feature.as_str()) {
            Some(true) => {}
            Some(false) => trust.wrong.push(feature),
            None => trust.unseen.push(feature),
        }
    }
    trust
}

/// The features of a network as tract gets it, for the test that makes the table.
#[cfg(test)]
pub(super) fn features_of(prepared: &ModelProto) -> BTreeSet<String> {
    features(&super::plan::rewritten(prepared))
}

/// Operators of the network that tract does not have.
pub(super) fn lacking(model: &ModelProto) -> Vec<String> {
    let known = tract_onnx::onnx().op_register.0;
    let graph = model.graph.iter();
    let missing: BTreeSet<String> = graph
        .flat_map(|graph| &graph.node)
        .filter(|node| !known.contains_key(&node.op_type))
        .map(NodeProto::operator)
        .collect();
    missing.into_iter().collect()
}

fn features(model: &ModelProto) -> BTreeSet<String> {
    let opset = model.opset();
    let mut all = BTreeSet::new();
    let Some(graph) = &model.graph else {
        return all;
    };
    let index = GraphIndex::new(graph);
    // A constant computes nothing that could be wrong.
    let computing = graph.node.iter().filter(|node| node.op_type != "Constant");
    for node in computing {
        let op = node.operator();
        all.extend(corners(&index, node));
        for attribute in &node.attribute {
            if let Some(value) = what_matters(node, attribute) {
                all.insert(format!("{op} {}={value}", attribute.name));
            }
        }
        // The same words mean something else before opset 13.
        if opset < 13 && matches!(node.op_type.as_str(), "Softmax" | "LogSoftmax" | "Hardmax") {
            all.insert(format!("{op} before opset 13"));
        }
        all.insert(op);
    }
    all
}

/// Where corners are aligned, it matters whether the output's size is a whole multiple of the input's.
fn corners(index: &GraphIndex<'_>, node: &NodeProto) -> Option<String> {
    let mode = node.attribute("coordinate_transformation_mode")?;
    if node.op_type != "Resize" || mode.s.as_deref() != Some(&b"align_corners"[..]) {
        return None;
    }
    let by = match node.input.get(2).filter(|name| !name.is_empty()) {
        None => "sizes",
        Some(scales) => {
            let scales = index.tensor(scales).and_then(|tensor| tensor.to_f32().ok());
            let whole = |scale: &f32| scale.fract() == 0.0;
            match scales.is_some_and(|scales| scales.iter().all(whole)) {
                true => "whole scales",
                false => "other scales",
            }
        }
    };
    Some(format!("Resize align_corners by {by}"))
}

/// What of an attribute can decide whether an implementation is right; none for sizes and factors.
fn what_matters(node: &NodeProto, attribute: &AttributeProto) -> Option<String> {
    let ints = &attribute.ints;
    let all = |value: i64| ints.iter().all(|one| *one == value);
    let same = ints.windows(2).all(|pair| pair[0] == pair[1]);
    Some(match attribute.name.as_str() {
        "strides" | "dilations" => match (all(1), same) {
            (true, _) => "1".to_owned(),
            (_, true) => "more".to_owned(),
            _ => "uneven".to_owned(),
        },
        "pads" => {
            let (before, after) = ints.split_at(ints.len() / 2);
            match (all(0), before == after) {
                (true, _) => "0".to_owned(),
                (_, true) => "even".to_owned(),
                _ => "uneven".to_owned(),
            }
        }
        "group" => if attribute.i.unwrap_or(1) == 1 {
            "1"
        } else {
            "more"
        }
        .to_owned(),
        "output_padding" => if all(0) { "0" } else { "more" }.to_owned(),
        // How many axes, and which, says nothing new once one list of each length is right.
        "axes" | "perm" => format!("{} axes", ints.len()),
        "keepdims" | "ceil_mode" | "count_include_pad" | "transA" | "transB" | "training_mode"
        | "upper" | "exclusive" | "reverse" | "select_last_index" | "largest" | "sorted"
        | "fmod" | "storage_order" | "antialias" | "exclude_outside" | "allowzero"
        | "channels_last" => attribute.i?.to_string(),
        "to" | "dtype" => attribute.i?.to_string(),
        "axis" => if attribute.i? < 0 {
            "from the end"
        } else {
            "from the front"
        }
        .to_owned(),
        "block_size" => if attribute.i? == 0 { "0" } else { "blocks" }.to_owned(),
        "auto_pad"
        | "mode"
        | "coordinate_transformation_mode"
        | "nearest_mode"
        | "approximate"
        | "activation"
        | "keep_aspect_ratio_policy"
        | "reduction"
        | "padding_mode"
        | "direction"
        | "equation" => String::from_utf8_lossy(attribute.s.as_deref()?).into_owned(),
        "alpha" | "beta" if node.op_type == "Gemm" => if attribute.f == Some(1.0) {
            "1"
        } else {
            "other"
        }
        .to_owned(),
        _ => return None,
    })
}
