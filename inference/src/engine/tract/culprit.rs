//! Which node of a graph tract stumbles over, found by loading ever shorter beginnings of the graph.
//!
//! tract's own words name its inner steps, not the node in the file. Nothing here reads them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use image_data::sandbox::catch;
use model_core::onnx::{GraphProto, ModelProto, NodeProto};

use super::plan::{self, Refusal};
use crate::engine::{FailingNode, NetworkSource};

/// How long the search may take; without an answer by then the message names no node.
const TIME: Duration = Duration::from_secs(5);

/// The first node with which a [`plan::rewritten`] graph does not load, though it loads without it.
pub(super) fn find(source: &NetworkSource<'_>, rewritten: &ModelProto) -> Option<FailingNode> {
    let graph = rewritten.graph.as_ref()?;
    let nodes = &graph.node;
    if let Some(node) = reader_of_unknown_numbers(graph) {
        return Some(failing(node));
    }
    let started = Instant::now();
    let (mut loads, mut fails) = (0, nodes.len());
    while fails - loads > 1 {
        let middle = loads.midpoint(fails);
        match loads_up_to(source, rewritten, middle) {
            true => loads = middle,
            false => fails = middle,
        }
        if started.elapsed() > TIME {
            return None;
        }
    }
    // Without a beginning that fails, the whole has to.
    if fails == nodes.len() && loads_up_to(source, rewritten, fails) {
        return None;
    }
    nodes.get(fails.checked_sub(1)?).map(failing)
}

fn failing(node: &NodeProto) -> FailingNode {
    FailingNode {
        operator: node.operator(),
        name: match node.name.is_empty() {
            true => node.output.first().cloned().unwrap_or_default(),
            false => node.name.clone(),
        },
    }
}

/// The first reader of numbers of a type that we do not know, of 4 bits say, and so tract does not: with them in the graph
/// no beginning loads, be it another node's.
fn reader_of_unknown_numbers(graph: &GraphProto) -> Option<&NodeProto> {
    let tensors = graph.initializer.iter();
    let unknown: HashSet<&str> = tensors
        .filter(|tensor| tensor.element().is_none())
        .map(|tensor| tensor.name.as_str())
        .collect();
    let reads = |node: &&NodeProto| {
        node.input
            .iter()
            .any(|name| unknown.contains(name.as_str()))
    };
    graph.node.iter().find(reads)
}

/// Whether tract loads the first `count` nodes.
fn loads_up_to(source: &NetworkSource<'_>, rewritten: &ModelProto, count: usize) -> bool {
    let mut beginning = rewritten.clone();
    let Some(graph) = &mut beginning.graph else {
        return false;
    };
    graph.node.truncate(count);
    graph.output.clear();
    let nodes = graph.node.clone();
    let outputs = unread(&nodes);
    if outputs.is_empty() {
        return true;
    }
    matches!(
        catch(|| plan::optimized(source, beginning, &outputs)),
        // What we refuse ourselves is no fault of tract's.
        Ok(Ok(_) | Err(Refusal::Ours(_)))
    )
}

/// The values that none of the nodes reads.
fn unread(nodes: &[NodeProto]) -> Vec<&str> {
    let read: HashSet<&str> = nodes
        .iter()
        .flat_map(|node| &node.input)
        .map(String::as_str)
        .collect();
    let made = nodes.iter().flat_map(|node| &node.output);
    made.map(String::as_str)
        .filter(|name| !name.is_empty() && !read.contains(name))
        .collect()
}
