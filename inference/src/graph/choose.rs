//! Which output of a graph is the answer: the float `[N, classes]` one, not features, sorted scores or a label's text.

use std::collections::HashSet;

use model_core::Label;
use model_core::onnx::{DataType, GraphProto, NodeProto, ValueInfoProto};

use super::ending::{Ending, ending};
use super::index::GraphIndex;
use super::{dimensions, element_type};

/// The value that holds the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChosenOutput {
    /// The value's name: an output of the graph, or what a `ZipMap` made a dictionary of.
    pub name: String,
    /// Class names that the graph itself holds (`ZipMap`).
    pub labels: Option<Vec<Label>>,
    /// Which outputs there are and which one was taken, where there was a choice.
    pub note: Option<String>,
}

/// Why no output can be taken for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoOutput {
    pub reason: String,
    /// The outputs there are.
    pub names: Vec<String>,
}

struct Candidate<'a> {
    /// Name of the graph's output.
    output: &'a str,
    /// The value behind it.
    value: &'a str,
    labels: Option<Vec<Label>>,
    /// `[classes]`, where the file tells it.
    classes: Option<usize>,
}

/// Chooses; `wanted` is the caller's choice, `labels` the number of class names known so far.
pub(crate) fn choose(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    wanted: Option<&str>,
    labels: Option<usize>,
) -> Result<ChosenOutput, NoOutput> {
    let names = || -> Vec<String> { graph.output.iter().map(|o| o.name.clone()).collect() };
    if let Some(wanted) = wanted {
        let Some(output) = graph.output.iter().find(|output| output.name == wanted) else {
            return Err(NoOutput {
                reason: format!(
                    "the network has no output '{wanted}', only {}",
                    quoted(&names())
                ),
                names: names(),
            });
        };
        let (value, labels) = behind(index, output);
        return Ok(ChosenOutput {
            name: value.to_owned(),
            labels,
            note: None,
        });
    }
    let mut candidates: Vec<Candidate<'_>> = graph
        .output
        .iter()
        .filter_map(|output| candidate(index, output, graph.output.len() == 1))
        .collect();
    if candidates.is_empty() {
        return Err(NoOutput {
            reason: format!(
                "none of the network's outputs {} is a list of scores in floating point",
                quoted(&names())
            ),
            names: names(),
        });
    }
    if graph.output.len() > 1 {
        let inner = read_by_others(graph, index, &candidates);
        let outer = |candidate: &Candidate<'_>| !inner.contains(candidate.value);
        if candidates.iter().any(outer) {
            candidates.retain(outer);
        }
        candidates.sort_by_key(|candidate| rank(graph, index, candidate, labels));
    }
    let best = candidates.swap_remove(0);
    let note = (graph.output.len() > 1).then(|| {
        format!(
            "the network has the outputs {}; its answer is taken from '{}'",
            quoted(&names()),
            best.output
        )
    });
    Ok(ChosenOutput {
        name: best.value.to_owned(),
        labels: best.labels,
        note,
    })
}

/// Names as they stand in a sentence: `'features', 'logits'`.
pub(super) fn quoted(names: &[impl AsRef<str>]) -> String {
    let quoted = names.iter().map(|name| format!("'{}'", name.as_ref()));
    quoted.collect::<Vec<_>>().join(", ")
}

fn candidate<'a>(
    index: &GraphIndex<'a>,
    output: &'a ValueInfoProto,
    only: bool,
) -> Option<Candidate<'a>> {
    let (value, labels) = behind(index, output);
    if value == output.name {
        let typed = output.r#type.is_none() || output.r#type.as_ref()?.tensor_type.is_some();
        let float = matches!(
            element_type(output),
            None | Some(
                DataType::Float | DataType::Float16 | DataType::Double | DataType::Bfloat16
            )
        );
        if !typed || !float {
            return None;
        }
    }
    let makes_no_scores = [
        "TopK",
        "ArgMax",
        "ArgMin",
        "NonMaxSuppression",
        "NonZero",
        "Shape",
    ];
    if index
        .producer(value)
        .is_some_and(|node| makes_no_scores.contains(&node.op_type.as_str()))
    {
        return None;
    }
    let dims = dimensions(output).filter(|_| value == output.name);
    // A map of features has more than one dimension beside the batch.
    let inner = |dims: &[Option<usize>]| -> Vec<Option<usize>> {
        let inner = dims.iter().skip(usize::from(dims.len() > 1));
        inner.copied().filter(|dim| *dim != Some(1)).collect()
    };
    let sides = dims.as_deref().map(inner);
    if !only && sides.as_ref().is_some_and(|sides| sides.len() > 1) {
        return None;
    }
    Some(Candidate {
        output: &output.name,
        value,
        labels,
        classes: sides.and_then(|sides| sides.first().copied().flatten()),
    })
}

/// The tensor behind an output: a `ZipMap` gives dictionaries made of it, and names the classes.
fn behind<'a>(index: &GraphIndex<'a>, output: &'a ValueInfoProto) -> (&'a str, Option<Vec<Label>>) {
    let Some(node) = index
        .producer(&output.name)
        .filter(|n| n.op_type == "ZipMap")
    else {
        return (&output.name, None);
    };
    match node.input.first() {
        Some(value) => (value, zip_map_labels(node)),
        None => (&output.name, None),
    }
}

fn zip_map_labels(node: &NodeProto) -> Option<Vec<Label>> {
    let strings = node.attribute("classlabels_strings").map(|a| &a.strings);
    let labels: Vec<Label> = match strings {
        Some(names) => names
            .iter()
            .map(|name| Label::named(String::from_utf8_lossy(name)))
            .collect(),
        None => node
            .ints("classlabels_int64s")
            .iter()
            .map(|number| Label::named(number.to_string()))
            .collect(),
    };
    (!labels.is_empty()).then_some(labels)
}

/// The candidates' values that another candidate is computed from: features before the scores, logits before the
/// probabilities.
fn read_by_others<'a>(
    graph: &'a GraphProto,
    index: &GraphIndex<'a>,
    candidates: &[Candidate<'a>],
) -> HashSet<&'a str> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut queue: Vec<&NodeProto> = candidates
        .iter()
        .filter_map(|candidate| index.producer(candidate.value))
        .collect();
    let mut done = HashSet::new();
    while let Some(node) = queue.pop() {
        if !done.insert(std::ptr::from_ref(node)) || done.len() > graph.node.len() {
            continue;
        }
        for input in &node.input {
            if seen.insert(input) {
                queue.extend(index.producer(input));
            }
        }
    }
    seen
}

/// Smaller is better; outputs of one rank keep the file's order.
fn rank(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    candidate: &Candidate<'_>,
    labels: Option<usize>,
) -> (bool, bool, bool) {
    let other_count = match (labels, candidate.classes) {
        (Some(labels), Some(classes)) => labels != classes,
        _ => false,
    };
    let no_head = matches!(ending(graph, index, candidate.value), Ending::Other(_));
    let auxiliary = candidate.output.to_lowercase().contains("aux");
    (other_count, no_head, auxiliary)
}
