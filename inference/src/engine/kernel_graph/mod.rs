//! From ONNX nodes to the graph that our own kernels run. Whatever is not a plain convolutional classifier is an error
//! that says which node is in the way; another engine then takes the network.
//!
//! Operators as in the ONNX specification, opsets 7 to 22, for one image: the batch is the engine's.
//!
//! | module | idea |
//! |---|---|
//! | [`constants`] | numbers that do not depend on the image |
//! | [`layers`] | convolutions, products, norms, sums |
//! | [`window`] | windows and poolings |
//! | [`channels`] | channels joined, cut, shuffled; reshapes |
//! | [`quantized`] | values stored as bytes |

mod attributes;
mod channels;
mod constants;
mod layers;
mod quantized;
mod window;

use std::collections::HashMap;

use kernels::{Function, Graph, Node, Quantization, ValueId};
use model_core::onnx::{GraphProto, NodeProto};

use crate::graph::{Element, InputShape};
use attributes::{float, integer};
use constants::{Constant, Constants, is_cast_to_float};

pub(super) use constants::constants;

/// A network as the kernels take it.
pub(super) struct Translated<'a> {
    pub graph: Graph<'a>,
    /// The network ends in a softmax over its classes.
    pub softmax: bool,
}

/// Translates.
///
/// # Errors
/// What the kernels do not compute, in words.
pub(super) fn translate<'a>(
    proto: &'a GraphProto,
    constants: &'a Constants<'a>,
    input: &InputShape,
) -> Result<Translated<'a>, String> {
    let is_real = matches!(input.element, Element::F32 | Element::F16);
    if !is_real || input.any_size || input.image[0] != 3 {
        return Err("the input is not [N, 3, H, W] of float32 or float16".to_owned());
    }
    let mut builder = Builder {
        constants,
        nodes: Vec::new(),
        shapes: vec![input.image],
        tensors: HashMap::from([(input.name.as_str(), Tensor::Plain(0))]),
        readers: HashMap::new(),
        stored: HashMap::new(),
        softmax: false,
    };
    for name in proto.node.iter().flat_map(|node| &node.input) {
        *builder.readers.entry(name).or_default() += 1;
    }
    for node in &proto.node {
        let is_constant = |name: &String| constants.named.contains_key(name.as_str());
        if node.output.iter().all(is_constant) {
            continue;
        }
        let tensors = builder
            .node(node)
            .map_err(|reason| format!("{} '{}': {reason}", node.op_type, node.name))?;
        for (name, tensor) in node.output.iter().zip(tensors) {
            builder.tensors.insert(name, tensor);
        }
        // What follows is not wanted: the softmax of somebody who asks for the features before it.
        if node.output.contains(&input.output) {
            break;
        }
    }
    let output = builder.value(&input.output)?;
    if builder.stored.contains_key(&output) {
        return Err("the output is stored as bytes".to_owned());
    }
    let graph = Graph {
        input: input.image,
        nodes: builder.nodes,
        output,
    };
    Ok(Translated {
        graph,
        softmax: builder.softmax,
    })
}

/// What a name of the ONNX graph stands for.
#[derive(Clone, Copy)]
enum Tensor {
    Plain(ValueId),
    /// `[N, groups, C / groups, H, W]`: the first third of a channel shuffle.
    Split {
        value: ValueId,
        groups: usize,
    },
    /// `[N, C / groups, groups, H, W]`: the second.
    Shuffled {
        value: ValueId,
        groups: usize,
    },
}

impl Tensor {
    fn value(self) -> ValueId {
        match self {
            Self::Plain(value) | Self::Split { value, .. } | Self::Shuffled { value, .. } => value,
        }
    }
}

struct Builder<'a, 'i> {
    constants: &'a Constants<'a>,
    nodes: Vec<Node<'a>>,
    /// `[C, H, W]` of every value.
    shapes: Vec<[usize; 3]>,
    tensors: HashMap<&'i str, Tensor>,
    readers: HashMap<&'i str, usize>,
    /// Values that are stored as bytes, and how.
    stored: HashMap<ValueId, Quantization>,
    softmax: bool,
}

impl<'a, 'i> Builder<'a, 'i> {
    fn tensor(&self, name: &str) -> Result<Tensor, String> {
        let known = self.tensors.get(name).copied();
        known.ok_or_else(|| format!("'{name}' is not computed from the image"))
    }

    fn value(&self, name: &str) -> Result<ValueId, String> {
        match self.tensor(name)? {
            Tensor::Plain(value) => Ok(value),
            Tensor::Split { .. } | Tensor::Shuffled { .. } => {
                Err(format!("'{name}' has its channels split"))
            }
        }
    }

    fn constant(&self, node: &NodeProto, index: usize) -> Option<&'a Constant<'a>> {
        let name = node.input.get(index).filter(|name| !name.is_empty())?;
        self.constants.named.get(name.as_str())
    }

    fn needed(&self, node: &NodeProto, index: usize) -> Result<&'a Constant<'a>, String> {
        let missing = || format!("input {index} is not a constant");
        self.constant(node, index).ok_or_else(missing)
    }

    fn push(&mut self, node: Node<'a>) -> Result<ValueId, String> {
        let shape = node
            .shape(&self.shapes)
            .map_err(|error| error.to_string())?;
        // Channels of stored bytes stay stored wherever they are moved.
        let moved = match &node {
            Node::MaxPool { input, .. }
            | Node::Slice { input, .. }
            | Node::Shuffle { input, .. } => self.stored.get(input).copied(),
            _ => None,
        };
        self.shapes.push(shape);
        self.nodes.push(node);
        let value = self.nodes.len();
        if let Some(quantization) = moved {
            self.stored.insert(value, quantization);
        }
        Ok(value)
    }

    fn map(&mut self, input: ValueId, function: Function) -> Result<ValueId, String> {
        self.push(Node::Map { input, function })
    }

    /// The values that a node gives, one for each output that is known.
    fn node(&mut self, node: &'i NodeProto) -> Result<Vec<Tensor>, String> {
        let is_standard = matches!(node.domain.as_str(), "" | "ai.onnx");
        let is_quantized = node.domain == "com.microsoft"
            && matches!(
                node.op_type.as_str(),
                "QLinearAdd"
                    | "QLinearGlobalAveragePool"
                    | "QGemm"
                    | "QuantizeLinear"
                    | "DequantizeLinear"
            );
        if !is_standard && !is_quantized {
            return Err(format!("an operator of '{}'", node.domain));
        }
        if self.softmax {
            return Err("something follows the softmax".to_owned());
        }
        let one = |value: ValueId| vec![Tensor::Plain(value)];
        match node.op_type.as_str() {
            "Add" | "Sub" | "Mul" | "Div" => return self.arithmetic(node).map(one),
            "QLinearConv" => return self.qlinear_conv(node).map(one),
            "QLinearMatMul" | "QGemm" => return self.qlinear_product(node).map(one),
            "QLinearAdd" => return self.qlinear_add(node).map(one),
            "QLinearGlobalAveragePool" => return self.qlinear_mean(node).map(one),
            "Concat" => return self.concat(node).map(one),
            _ => {}
        }
        let first = node.input.first().map_or("", String::as_str);
        let tensor = self.tensor(first)?;
        match node.op_type.as_str() {
            "Reshape" => return Ok(vec![self.reshape(node, tensor)?]),
            "Transpose" => return Ok(vec![self.transpose(node, tensor)?]),
            _ => {}
        }
        let input = self.value(first)?;
        if node.op_type == "Split" {
            return Ok(self
                .split(node, input)?
                .into_iter()
                .map(Tensor::Plain)
                .collect());
        }
        self.with_one_input(node, first, input).map(one)
    }

    /// The value of a node that reads one value, `from`.
    fn with_one_input(
        &mut self,
        node: &NodeProto,
        from: &str,
        input: ValueId,
    ) -> Result<ValueId, String> {
        match node.op_type.as_str() {
            "Conv" => self.conv(node, input),
            "Gemm" => self.gemm(node, input),
            "MatMul" => self.linear(input, self.needed(node, 1)?, None, false),
            "BatchNormalization" => self.batch_norm(node, from, input),
            "Relu" => self.push(Node::Clamp {
                input,
                low: 0.0,
                high: f32::INFINITY,
            }),
            "Clip" => self.clip(node, input),
            "Sigmoid" => self.map(input, Function::Sigmoid),
            "Tanh" => self.map(input, Function::Tanh),
            "HardSwish" => self.map(input, Function::HardSwish),
            "HardSigmoid" => {
                let (alpha, beta) = (float(node, "alpha", 0.2), float(node, "beta", 0.5));
                self.map(input, Function::HardSigmoid { alpha, beta })
            }
            "LeakyRelu" => {
                let alpha = float(node, "alpha", 0.01);
                self.map(input, Function::LeakyRelu { alpha })
            }
            "LRN" => self.push(Node::Lrn {
                input,
                size: usize::try_from(integer(node, "size", 0)).map_err(|_| "a negative size")?,
                alpha: float(node, "alpha", 1e-4),
                beta: float(node, "beta", 0.75),
                bias: float(node, "bias", 1.0),
            }),
            "MaxPool" => self.max_pool(node, input),
            "GlobalAveragePool" => self.push(Node::GlobalAvgPool { input }),
            "AveragePool" => self.average_pool(node, input),
            "ReduceMean" => self.reduce_mean(node, input),
            "Slice" => self.slice(node, input),
            "Pad" => self.pad(node, input),
            "QuantizeLinear" => self.quantize(node, input),
            "DequantizeLinear" => self.dequantize(node, input),
            "Identity" | "Dropout" => Ok(input),
            "Cast" if is_cast_to_float(node) => Ok(input),
            "Flatten" if integer(node, "axis", 1) == 1 => Ok(input),
            "Squeeze" if self.shapes[input][1..] == [1, 1] => Ok(input),
            "Softmax"
                if matches!(integer(node, "axis", -1), 1 | -1)
                    && self.shapes[input][1..] == [1, 1] =>
            {
                self.softmax = true;
                Ok(input)
            }
            _ => Err("no kernel".to_owned()),
        }
    }
}
