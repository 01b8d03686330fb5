//! What the last steps of a network make of its output, by structure: a softmax, a sigmoid, a plain linear layer.
//!
//! Structure alone is not believed: [`super::output`] holds it against what two runs show.

use model_core::onnx::{GraphProto, NodeProto};

use super::index::GraphIndex;

/// How the walk back from an output ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Through a softmax, written as one operator or as `exp / sum(exp)`.
    Softmax,
    /// Through the logarithm of a softmax.
    LogSoftmax,
    /// Through a sigmoid, for every class on its own.
    Sigmoid,
    /// At a linear layer or a convolution, with nothing behind it that changes the order of scores.
    Linear,
    /// At an operator of this name that is none of these.
    Other(String),
}

/// Walks back from `output`, past nodes that do not change what the values are.
pub(crate) fn ending(graph: &GraphProto, index: &GraphIndex<'_>, output: &str) -> Ending {
    let mut name = output;
    // Clip and Relu change logits, but leave values from 0 to 1 as they are.
    let mut clamped = None;
    let linear = |clamped: Option<&str>| match clamped {
        Some("Clip") => Ending::Other("Clip".to_owned()),
        _ => Ending::Linear,
    };
    // A damaged graph may be a circle; no walk is longer than the graph.
    for _ in 0..=graph.node.len() {
        let Some(node) = index.producer(name) else {
            return Ending::Other("the input itself".to_owned());
        };
        let Some(first) = node.input.first() else {
            return Ending::Other(node.op_type.clone());
        };
        match node.op_type.as_str() {
            "Softmax" | "QLinearSoftmax" => return Ending::Softmax,
            "LogSoftmax" => return Ending::LogSoftmax,
            "Sigmoid" | "QLinearSigmoid" | "HardSigmoid" => return Ending::Sigmoid,
            "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Dropout" | "Cast"
            | "CastLike" | "Transpose" | "QuantizeLinear" | "DequantizeLinear" | "Slice"
            | "Gather" | "Split" | "GlobalAveragePool" | "AveragePool" | "ReduceMean" => {
                name = first;
            }
            "Clip" | "Relu" => {
                clamped.get_or_insert(node.op_type.as_str());
                name = first;
            }
            "Gemm" | "MatMul" | "Conv" | "QLinearConv" | "QLinearMatMul" | "QGemm"
            | "MatMulInteger" | "ConvInteger" | "FusedMatMul" | "Einsum" | "BatchNormalization" => {
                return linear(clamped);
            }
            "FusedGemm" | "FusedConv" => {
                return match node.attribute("activation").and_then(|a| a.s.as_deref()) {
                    Some(b"Sigmoid" | b"HardSigmoid") => Ending::Sigmoid,
                    _ => linear(clamped),
                };
            }
            "Log" => {
                return match ending_of_value(graph, index, first) {
                    Ending::Softmax => Ending::LogSoftmax,
                    _ => Ending::Other("Log".to_owned()),
                };
            }
            "Exp" => {
                return match ending_of_value(graph, index, first) {
                    Ending::LogSoftmax => Ending::Softmax,
                    _ => Ending::Other("Exp".to_owned()),
                };
            }
            "Div" | "Mul" if is_normalized_exp(index, node) => return Ending::Softmax,
            "Div" | "Reciprocal" if is_sigmoid(index, node) => return Ending::Sigmoid,
            "Sub" if is_log_softmax(index, node) => return Ending::LogSoftmax,
            "Add" | "Sub" | "Mul" | "Div" => match other_than_constant(index, node) {
                Some(value) => name = value,
                None => return Ending::Other(node.op_type.clone()),
            },
            "Concat" => return all_the_same(graph, index, node),
            other => return Ending::Other(other.to_owned()),
        }
    }
    Ending::Other("a circle".to_owned())
}

/// [`ending`] of a value inside the graph, one operator deep: `Log(Softmax(..))`.
fn ending_of_value(graph: &GraphProto, index: &GraphIndex<'_>, name: &str) -> Ending {
    let mut name = name;
    for _ in 0..=graph.node.len() {
        match index.producer(name) {
            Some(node) => match (node.op_type.as_str(), node.input.first()) {
                ("Softmax", _) => return Ending::Softmax,
                ("LogSoftmax", _) => return Ending::LogSoftmax,
                ("Identity" | "Reshape" | "Flatten" | "Clip" | "Add" | "Cast", Some(first)) => {
                    name = first;
                }
                (other, _) => return Ending::Other(other.to_owned()),
            },
            None => break,
        }
    }
    Ending::Other(String::new())
}

/// Heads side by side end as all of them do.
fn all_the_same(graph: &GraphProto, index: &GraphIndex<'_>, node: &NodeProto) -> Ending {
    let one = |name: &String| match index.producer(name).map(|node| node.op_type.as_str()) {
        Some("Sigmoid" | "HardSigmoid") => Ending::Sigmoid,
        Some("Gemm" | "MatMul" | "Conv" | "Add") => Ending::Linear,
        _ => ending_of_value(graph, index, name),
    };
    let mut parts = node.input.iter().map(one);
    match parts.next() {
        // Several softmaxes side by side are several answers, not one.
        Some(first @ (Ending::Sigmoid | Ending::Linear)) if parts.all(|part| part == first) => {
            first
        }
        _ => Ending::Other("Concat".to_owned()),
    }
}

/// The input of a sum or product whose other side is a constant.
fn other_than_constant<'a>(index: &GraphIndex<'_>, node: &'a NodeProto) -> Option<&'a str> {
    let [a, b] = &node.input[..] else { return None };
    match (index.is_constant(a), index.is_constant(b)) {
        (false, true) => Some(a),
        (true, false) => Some(b),
        _ => None,
    }
}

fn made_by<'a>(index: &GraphIndex<'a>, name: &str, op: &str) -> Option<&'a NodeProto> {
    index.producer(name).filter(|node| node.op_type == op)
}

/// `exp(x) / sum(exp(x))`, also as a product with the reciprocal.
fn is_normalized_exp(index: &GraphIndex<'_>, node: &NodeProto) -> bool {
    let [a, b] = &node.input[..] else {
        return false;
    };
    let sums = |sum: &str, exp: &str| {
        let mut sum = sum;
        for _ in 0..4 {
            match index.producer(sum) {
                Some(node) if node.op_type == "ReduceSum" => {
                    return node.input.first().is_some_and(|input| input == exp);
                }
                // Against a division by zero, or to the shape again.
                Some(node)
                    if matches!(
                        node.op_type.as_str(),
                        "Add" | "Max" | "Unsqueeze" | "Expand" | "Reciprocal"
                    ) =>
                {
                    match node.input.first() {
                        Some(first) => sum = first,
                        None => return false,
                    }
                }
                _ => return false,
            }
        }
        false
    };
    made_by(index, a, "Exp").is_some() && sums(b, a)
        || node.op_type == "Mul" && made_by(index, b, "Exp").is_some() && sums(a, b)
}

/// `1 / (1 + exp(-x))`.
fn is_sigmoid(index: &GraphIndex<'_>, node: &NodeProto) -> bool {
    let denominator = match (node.op_type.as_str(), &node.input[..]) {
        ("Reciprocal", [value]) => value,
        ("Div", [one, value]) if index.number(one) == Some(1.0) => value,
        _ => return false,
    };
    made_by(index, denominator, "Add").is_some_and(|sum| {
        sum.input.iter().any(|name| index.number(name) == Some(1.0))
            && sum
                .input
                .iter()
                .any(|name| made_by(index, name, "Exp").is_some())
    })
}

/// `x - log(sum(exp(x)))`.
fn is_log_softmax(index: &GraphIndex<'_>, node: &NodeProto) -> bool {
    let [_, b] = &node.input[..] else {
        return false;
    };
    made_by(index, b, "ReduceLogSumExp").is_some()
        || made_by(index, b, "Log").is_some_and(|log| {
            log.input
                .first()
                .is_some_and(|sum| made_by(index, sum, "ReduceSum").is_some())
        })
}
