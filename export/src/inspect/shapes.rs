//! The shape that each node of a graph gives and what it multiplies, as far as they can be followed from the input.

use std::collections::HashMap;

use model_core::onnx::{GraphProto, NodeProto, TensorProto};

use super::{NodeLine, value};

/// Output shape and multiply-accumulates of every node for one image, batch left out of neither.
pub(super) fn follow_shapes(
    graph: &GraphProto,
    initializers: &HashMap<&str, &TensorProto>,
) -> Vec<NodeLine> {
    let mut shapes: HashMap<String, Vec<usize>> = HashMap::new();
    for (name, tensor) in initializers {
        shapes.insert(
            (*name).to_string(),
            tensor.dims.iter().map(|dim| *dim as usize).collect(),
        );
    }
    for info in graph
        .input
        .iter()
        .filter(|info| !initializers.contains_key(info.name.as_str()))
    {
        let dims = value(info).shape;
        // The batch, and nothing else, may be open: it is 1 here.
        let sizes: Option<Vec<usize>> = dims
            .iter()
            .enumerate()
            .map(|(axis, dim)| {
                dim.parse()
                    .ok()
                    .filter(|size| *size > 0)
                    .or((axis == 0).then_some(1))
            })
            .collect();
        if let Some(sizes) = sizes {
            shapes.insert(info.name.clone(), sizes);
        }
    }
    graph
        .node
        .iter()
        .map(|node| {
            let inputs: Vec<Option<&Vec<usize>>> =
                node.input.iter().map(|name| shapes.get(name)).collect();
            let (shape, macs) = node_shape(node, &inputs);
            if let (Some(shape), Some(output)) = (&shape, node.output.first()) {
                shapes.insert(output.clone(), shape.clone());
            }
            NodeLine {
                op: node.op_type.clone(),
                name: node.name.clone(),
                shape,
                macs: macs.unwrap_or(0),
            }
        })
        .collect()
}

fn node_shape(
    node: &NodeProto,
    inputs: &[Option<&Vec<usize>>],
) -> (Option<Vec<usize>>, Option<u64>) {
    let input = |place: usize| inputs.get(place).copied().flatten();
    match node.op_type.as_str() {
        "Conv" | "ConvInteger" | "QLinearConv" => {
            let weight = input(if node.op_type == "QLinearConv" { 3 } else { 1 });
            let (Some(x), Some(w)) = (input(0), weight) else {
                return (None, None);
            };
            let Some(shape) = window_shape(node, x, w.get(2..).unwrap_or_default(), w[0]) else {
                return (None, None);
            };
            let macs =
                shape.iter().product::<usize>() as u64 * w[1..].iter().product::<usize>() as u64;
            (Some(shape), Some(macs))
        }
        "MaxPool" | "AveragePool" => {
            let kernel: Vec<usize> = node
                .ints("kernel_shape")
                .iter()
                .map(|side| *side as usize)
                .collect();
            let shape = input(0).and_then(|x| window_shape(node, x, &kernel, *x.get(1)?));
            (shape, None)
        }
        "GlobalAveragePool" => (
            input(0)
                .filter(|x| x.len() == 4)
                .map(|x| vec![x[0], x[1], 1, 1]),
            None,
        ),
        "Flatten" => (input(0).map(|x| vec![x[0], x[1..].iter().product()]), None),
        "Gemm" | "MatMul" => {
            let (Some(x), Some(w)) = (input(0), input(1)) else {
                return (None, None);
            };
            if w.len() != 2 {
                return (None, None);
            }
            let (rows, columns) = if node.int("transB", 0) == 1 {
                (w[1], w[0])
            } else {
                (w[0], w[1])
            };
            let mut shape = x.clone();
            if let Some(last) = shape.last_mut() {
                *last = columns;
            }
            let macs = shape.iter().product::<usize>() as u64 * rows as u64;
            (Some(shape), Some(macs))
        }
        "Add" | "Mul" | "Sub" | "Div" => {
            let longest = [input(0), input(1)]
                .into_iter()
                .flatten()
                .max_by_key(|shape| shape.iter().product::<usize>());
            (longest.cloned(), None)
        }
        "Relu" | "Clip" | "BatchNormalization" | "QuantizeLinear" | "DequantizeLinear"
        | "Sigmoid" | "HardSwish" | "HardSigmoid" | "Softmax" | "Identity" | "Dropout" | "Cast"
        | "LeakyRelu" | "Tanh" => (input(0).cloned(), None),
        _ => (None, None),
    }
}

/// Shape after a sliding window of `kernel`, by the node's strides, pads and dilations.
fn window_shape(
    node: &NodeProto,
    x: &[usize],
    kernel: &[usize],
    channels: usize,
) -> Option<Vec<usize>> {
    let spatial = x.get(2..)?;
    if spatial.len() != kernel.len() {
        return None;
    }
    let same = node
        .attribute("auto_pad")
        .and_then(|a| a.s.as_deref())
        .is_some_and(|pad| pad.starts_with(b"SAME"));
    let at = |name: &str, axis: usize, default: usize| {
        node.ints(name)
            .get(axis)
            .map_or(default, |value| *value as usize)
    };
    let mut shape = vec![x[0], channels];
    for (axis, (size, kernel)) in spatial.iter().zip(kernel).enumerate() {
        let stride = at("strides", axis, 1).max(1);
        let reach = at("dilations", axis, 1) * (kernel - 1) + 1;
        let padded = size + at("pads", axis, 0) + at("pads", axis + spatial.len(), 0);
        let output = if same {
            size.div_ceil(stride)
        } else if node.int("ceil_mode", 0) == 1 {
            padded.checked_sub(reach)?.div_ceil(stride) + 1
        } else {
            padded.checked_sub(reach)? / stride + 1
        };
        shape.push(output);
    }
    Some(shape)
}
