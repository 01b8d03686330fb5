//! The graph as our own engines take it: only what the answer needs, in float32, in operators of the ONNX standard.
//!
//! Every step keeps the function the graph computes. Initializers keep their places, because the file's large tensors
//! are found by them. Not here: what only tract needs (`engine::tract`), and ONNX Runtime, which gets the file itself.

use std::collections::HashSet;

use model_core::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

use super::expand;
use super::index::GraphIndex;

/// The graph of `model` as our engines take it, with one output called `output`.
pub(crate) fn prepare(model: &ModelProto, output: &str) -> ModelProto {
    let mut model = model.clone();
    let opset = model.opset();
    if let Some(graph) = &mut model.graph {
        prune(graph, output);
        expand::expand(graph, opset);
        to_float32(graph);
    }
    model
}

/// The graph of `model` with one output called `output`, and otherwise as it is.
pub(crate) fn only_for(model: &ModelProto, output: &str) -> ModelProto {
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        prune(graph, output);
    }
    model
}

/// The value between preprocessing and network in the files of `export-onnx --preprocess-in-graph`.
const PREPROCESSED: &str = "preprocess.normalize.output";

/// The same network with the float images as its input, where the file has its preprocessing in the graph and we know
/// where it ends: the name of that input, and the graph.
pub(crate) fn without_preprocessing(model: &ModelProto) -> Option<(String, ModelProto)> {
    let mut model = model.clone();
    let graph = model.graph.as_mut()?;
    let makes = |node: &NodeProto| node.output.iter().any(|output| output == PREPROCESSED);
    let place = graph.node.iter().position(makes)?;
    graph.node.remove(place);
    graph.input = vec![ValueInfoProto {
        name: PREPROCESSED.to_owned(),
        ..ValueInfoProto::default()
    }];
    Some((PREPROCESSED.to_owned(), model))
}

/// Leaves out every node that the output does not need, and all shapes that the file claims for values inside.
fn prune(graph: &mut GraphProto, output: &str) {
    let index = GraphIndex::new(graph);
    let mut needed: HashSet<usize> = HashSet::new();
    let mut queue = vec![output];
    while let Some(name) = queue.pop() {
        let Some(place) = index.producer_place(name) else {
            continue;
        };
        if needed.insert(place) {
            let node = &graph.node[place];
            queue.extend(node.input.iter().map(String::as_str));
            // A body reads values of the graph around it.
            for body in node
                .attribute
                .iter()
                .flat_map(|a| a.g.iter().chain(&a.graphs))
            {
                queue.extend(body.node.iter().flat_map(|n| &n.input).map(String::as_str));
            }
        }
    }
    let mut place = 0;
    let kept: Vec<bool> = (0..graph.node.len()).map(|p| needed.contains(&p)).collect();
    graph.node.retain(|_| {
        place += 1;
        kept[place - 1]
    });
    let described = graph.output.iter().position(|o| o.name == output);
    graph.output = vec![match described {
        Some(place) => graph.output.swap_remove(place),
        None => ValueInfoProto {
            name: output.to_owned(),
            ..ValueInfoProto::default()
        },
    }];
    graph.value_info.clear();
    graph.quantization_annotation.clear();
}

/// Makes every float32: float16, bfloat16 and float64 weights, constants, casts and inputs. The numbers of large tensors
/// stay in the file as they are; whoever reads them converts.
fn to_float32(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen);
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        let Some(tensor) = value.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()) else {
            continue;
        };
        if tensor.elem_type.is_some_and(other_float) {
            tensor.elem_type = Some(DataType::Float as i32);
        }
    }
    for node in &mut graph.node {
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().for_each(widen);
            attribute.tensors.iter_mut().for_each(widen);
            attribute.g.iter_mut().for_each(to_float32);
            attribute.graphs.iter_mut().for_each(to_float32);
            if matches!(attribute.name.as_str(), "to" | "dtype" | "output_dtype")
                && attribute
                    .i
                    .is_some_and(|i| i32::try_from(i).is_ok_and(other_float))
            {
                attribute.i = Some(DataType::Float as i64);
            }
        }
    }
}

fn other_float(element: i32) -> bool {
    matches!(
        DataType::from_i32(element),
        Some(DataType::Float16 | DataType::Bfloat16 | DataType::Double)
    )
}

fn widen(tensor: &mut TensorProto) {
    if !tensor.data_type.is_some_and(other_float) {
        return;
    }
    let held = tensor.raw_data.is_some()
        || !tensor.int32_data.is_empty()
        || !tensor.double_data.is_empty()
        || tensor.element_count().is_ok_and(|count| count == 0);
    if held && let Ok(values) = tensor.to_f32() {
        let dims = std::mem::take(&mut tensor.dims);
        *tensor = TensorProto::floats(&tensor.name, &[], &values);
        tensor.dims = dims;
    } else if !held {
        tensor.data_type = Some(DataType::Float as i32);
    }
}
