//! What tract 0.23 computes wrongly, written so that it computes it rightly. `docs/upstream/` has the reports.
//!
//! - A value that is dequantized, goes through a softmax and is quantized again becomes a table of 256 values, as if a
//!   softmax looked at one value at a time: [`isolate_dequantized`] writes the dequantization as a difference and a
//!   product wherever such a table is not certain to be right.
//! - A convolution with SAME borders and a strided 1 x 1 convolution after it become one convolution whose border no
//!   longer fits: [`resolve_same`] turns SAME into numbers before tract optimizes.
//! - A ConstantOfShape that does not say its value holds float64 zeros instead of float32: [`say_zero`].
//! - A Slice with steps is moved in front of the operator before it, and lost at some reshapes: [`choose_by_index`]
//!   writes it as a choice of indices, where there is no plan otherwise.

use std::collections::HashMap;

use model_core::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{ShapeFact, TypedModelPatch, TypedOp};
use tract_onnx::tract_core::ops::array::{Gather, StridedSlice};
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, PaddingSpec, PoolSpec, SumPool};

use super::plan::Refusal;
use crate::graph::index::GraphIndex;

/// Functions of one value at a time.
const ELEMENTWISE: [&str; 16] = [
    "Relu",
    "Clip",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Erf",
    "Gelu",
    "Softplus",
    "Neg",
    "Abs",
    "Exp",
    "Sqrt",
];

/// Operators that tract never makes part of a table.
const NO_TABLE: [&str; 15] = [
    "Conv",
    "ConvTranspose",
    "MatMul",
    "Gemm",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Concat",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "ReduceMean",
    "Resize",
    "QuantizeLinear",
];

/// Writes `DequantizeLinear` of values (not of constants) as `(x - zero point) * scale` where what follows is neither a
/// function of one value nor an operator that ends the table.
pub(super) fn isolate_dequantized(graph: &mut GraphProto) {
    let index = GraphIndex::new(graph);
    let elements = quantized_types(graph, &index);
    let mut isolated = vec![false; graph.node.len()];
    for (place, node) in graph.node.iter().enumerate() {
        let [value, ..] = &node.input[..] else {
            continue;
        };
        if node.op_type == "DequantizeLinear" && !index.is_constant(value) {
            isolated[place] = !table_is_right(graph, &index, &elements, node);
        }
    }
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (node, isolated) in std::mem::take(&mut graph.node).into_iter().zip(isolated) {
        match isolated.then(|| difference_times_scale(&node)).flatten() {
            Some(mut written) => nodes.append(&mut written),
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
}

/// `AttributeProto.AttributeType`.
const TENSOR: i32 = 4;

/// Writes the zero that a `ConstantOfShape` without a value means.
pub(super) fn say_zero(graph: &mut GraphProto) {
    for node in &mut graph.node {
        if node.op_type == "ConstantOfShape" && node.attribute("value").is_none() {
            node.attribute.push(AttributeProto {
                name: "value".to_owned(),
                r#type: Some(TENSOR),
                t: Some(TensorProto::floats("", &[1], &[0.0])),
                ..AttributeProto::default()
            });
        }
    }
}

/// Element types of the zero points that quantized values carry, by the value's name.
fn quantized_types<'a>(
    graph: &'a GraphProto,
    index: &GraphIndex<'a>,
) -> HashMap<&'a str, Option<DataType>> {
    graph
        .node
        .iter()
        .filter(|node| node.op_type == "QuantizeLinear")
        .filter_map(|node| {
            let zero = node.input.get(2).and_then(|name| index.tensor(name));
            Some((
                node.output.first()?.as_str(),
                zero.and_then(|t| t.element()),
            ))
        })
        .collect()
}

/// Follows the only reader of each value from a dequantization to the next quantization.
fn table_is_right(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    elements: &HashMap<&str, Option<DataType>>,
    dequantize: &NodeProto,
) -> bool {
    let from = dequantize
        .input
        .first()
        .and_then(|name| elements.get(name.as_str()));
    let mut node = dequantize;
    for _ in 0..=graph.node.len() {
        let Some(output) = node.output.first() else {
            return true;
        };
        let [reader] = index.readers(output) else {
            // Several readers, or none: tract looks no further.
            return true;
        };
        node = &graph.node[*reader];
        let op = node.op_type.as_str();
        if op == "QuantizeLinear" {
            // The table is made for the type that comes out, and read with the one that goes in.
            let to = node
                .output
                .first()
                .and_then(|name| elements.get(name.as_str()));
            return from.is_some() && from == to;
        }
        if NO_TABLE.contains(&op) {
            return true;
        }
        if !ELEMENTWISE.contains(&op) {
            return false;
        }
    }
    false
}

fn difference_times_scale(node: &NodeProto) -> Option<Vec<NodeProto>> {
    let ([value, scale, rest @ ..], [output]) = (&node.input[..], &node.output[..]) else {
        return None;
    };
    let name = |part: &str| format!("{output}/{part}");
    let to_float = || vec![AttributeProto::int("to", DataType::Float as i64)];
    let cast = |from: &str, to: &str| NodeProto::new("Cast", to, &[from], &[to], to_float());
    let float = name("float");
    let mut nodes = vec![cast(value, &float)];
    let mut centered = float;
    if let Some(zero) = rest.first().filter(|zero| !zero.is_empty()) {
        let zero_float = name("zero");
        nodes.push(cast(zero, &zero_float));
        let difference = name("centered");
        nodes.push(NodeProto::new(
            "Sub",
            &difference,
            &[&centered, &zero_float],
            &[&difference],
            vec![],
        ));
        centered = difference;
    }
    nodes.push(NodeProto::new(
        "Mul",
        &node.name,
        &[&centered, scale],
        &[output],
        vec![],
    ));
    Some(nodes)
}

/// Writes SAME borders as numbers: every shape is known once the graph is typed.
pub(super) fn resolve_same(model: &mut TypedModel) -> Result<(), Refusal> {
    for place in 0..model.nodes.len() {
        let node = &model.nodes[place];
        let Some(input) = node.inputs.first() else {
            continue;
        };
        let shape = &model.outlet_fact(*input)?.shape;
        let resolved: Option<Box<dyn TypedOp>> = if let Some(op) = node.op_as::<Conv>() {
            numbers(&op.pool_spec, shape)?.map(|spec| {
                let mut op = op.clone();
                op.pool_spec = spec;
                Box::new(op) as Box<dyn TypedOp>
            })
        } else if let Some(op) = node.op_as::<MaxPool>() {
            numbers(&op.pool_spec, shape)?.map(|spec| {
                let mut op = op.clone();
                op.pool_spec = spec;
                Box::new(op) as Box<dyn TypedOp>
            })
        } else if let Some(op) = node.op_as::<SumPool>() {
            numbers(&op.pool_spec, shape)?.map(|spec| {
                let mut op = op.clone();
                op.pool_spec = spec;
                Box::new(op) as Box<dyn TypedOp>
            })
        } else if let Some(op) = node.op_as::<Deconv>()
            && matches!(
                op.pool_spec.padding,
                PaddingSpec::SameUpper | PaddingSpec::SameLower
            )
        {
            return Err(Refusal::ours("ConvTranspose with auto_pad SAME"));
        } else {
            None
        };
        if let Some(op) = resolved {
            model.nodes[place].op = op;
        }
    }
    Ok(())
}

/// Writes steps through axes as lists of the places they meet: every shape is known once the graph is typed. Says
/// whether there were any.
pub(super) fn choose_by_index(model: &mut TypedModel) -> TractResult<bool> {
    let mut any = false;
    for place in 0..model.nodes.len() {
        let Some(lists) = places_met(model, &model.nodes[place])? else {
            continue;
        };
        let node = &model.nodes[place];
        let mut patch = TypedModelPatch::default();
        let mut wire = patch.tap_model(model, node.inputs[0])?;
        for (axis, list) in lists {
            let name = format!("{}.axis-{axis}", node.name);
            let list = patch.add_const(format!("{name}.indices"), tensor1(&list))?;
            let choice = Gather {
                axis,
                output_type: None,
            };
            wire = patch.wire_node(name, choice, &[wire, list])?[0];
        }
        patch.shunt_outside(model, node.id.into(), wire)?;
        patch.apply(model)?;
        any = true;
    }
    Ok(any)
}

/// An axis, and the places along it.
type Choice = (usize, Vec<i64>);

/// Axes and indices of a Slice with a step of more than one; none of other nodes, and where they are not constant.
fn places_met(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Vec<Choice>>> {
    let Some(op) = node.op_as::<StridedSlice>() else {
        return Ok(None);
    };
    let masked = op.begin_mask != 0 || op.end_mask != 0 || op.shrink_axis_mask != 0;
    let (Some(axes), Some(steps), false) =
        (op.optional_axes_input, op.optional_steps_input, masked)
    else {
        return Ok(None);
    };
    let mut given = Vec::with_capacity(4);
    for input in [1, 2, axes, steps] {
        let fact = model.outlet_fact(node.inputs[input])?;
        let Some(values) = &fact.konst else {
            return Ok(None);
        };
        let values = values.cast_to::<i64>()?;
        given.push(
            values
                .to_plain_array_view::<i64>()?
                .iter()
                .copied()
                .collect::<Vec<_>>(),
        );
    }
    let shape = &model.outlet_fact(node.inputs[0])?.shape;
    let rank = shape.rank() as i64;
    let mut lists = Vec::new();
    for (index, (&axis, &step)) in given[2].iter().zip(&given[3]).enumerate() {
        let axis = (axis + if axis < 0 { rank } else { 0 }) as usize;
        let (Some(&begin), Some(&end), Some(dim), 1..) = (
            given[0].get(index),
            given[1].get(index),
            shape.get(axis),
            step,
        ) else {
            return Ok(None);
        };
        let Ok(len) = dim.to_i64() else {
            return Ok(None);
        };
        let inside = |at: i64| (at + if at < 0 { len } else { 0 }).clamp(0, len);
        let met = (inside(begin)..inside(end)).step_by(step as usize);
        lists.push((axis, met.collect()));
    }
    Ok(given[3].iter().any(|step| *step > 1).then_some(lists))
}

fn numbers(spec: &PoolSpec, input: &ShapeFact) -> Result<Option<PoolSpec>, Refusal> {
    if !matches!(
        spec.padding,
        PaddingSpec::SameUpper | PaddingSpec::SameLower
    ) {
        return Ok(None);
    }
    let dims = input
        .as_concrete()
        .ok_or_else(|| Refusal::ours("SAME borders over an image of unknown size"))?;
    let shape = spec.data_format.shape(dims.to_vec())?;
    let sides = spec.computed_padding(shape.hw_dims());
    let before = sides.iter().map(|side| side.pad_before).collect();
    let after = sides.iter().map(|side| side.pad_after).collect();
    let mut resolved = spec.clone();
    resolved.padding = PaddingSpec::Explicit(before, after);
    Ok(Some(resolved))
}
