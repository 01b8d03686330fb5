//! What the ONNX graph itself shows: its input, how its output ends, and that nothing lies outside the file.

use model_core::manifest::Output;
use model_core::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use model_core::preprocessing::{Layout, Preprocessing};

use crate::Error;

/// What the numbers of an input are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    /// Bytes, 0 to 255: the network normalizes by itself.
    U8,
}

/// The network's single image input, with a batch that an engine can count on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputShape {
    /// The input's name in the graph.
    pub name: String,
    /// The output's name in the graph.
    pub output: String,
    /// Shape of one image: `[3, H, W]` or `[H, W, 3]`.
    pub image: [usize; 3],
    /// What its numbers are stored in.
    pub element: Element,
    /// It takes a picture of any size, `[1, H, W, 3]` bytes, and resizes and crops by itself.
    pub any_size: bool,
    /// The batch the graph insists on, if it does.
    pub fixed_batch: Option<usize>,
}

impl InputShape {
    pub fn image_len(&self) -> usize {
        self.image.iter().product()
    }
}

/// Facts read from the graph without running it.
#[derive(Clone, Debug)]
pub(crate) struct GraphFacts {
    input: String,
    output: String,
    /// Four dimensions; none where the graph leaves them open.
    pub dims: [Option<usize>; 4],
    /// The last dimension of the output, where the graph tells it.
    pub classes: Option<usize>,
    /// What the input's numbers are stored in.
    pub element: Element,
    /// What the last node makes of the output.
    pub ends_in: Output,
    pub opset: i64,
}

impl GraphFacts {
    /// Reads the facts.
    ///
    /// # Errors
    /// [`Error::Model`] when this is no image classifier or its data lies in other files.
    pub fn read(model: &ModelProto, name: &str) -> Result<Self, Error> {
        let problem = |reason: String| Error::model(name, reason);
        let graph = model
            .graph
            .as_ref()
            .ok_or_else(|| problem("it has no graph".into()))?;
        if let Some(tensor) = external_tensor(graph) {
            return Err(problem(format!(
                "tensor '{tensor}' is stored in another file, which is not read; save the model as one file"
            )));
        }
        if graph.node.len() > MAX_NODES {
            return Err(problem(format!(
                "expected at most {MAX_NODES} nodes, got {}",
                graph.node.len()
            )));
        }
        if let Some((node, elements)) = bomb(graph) {
            return Err(problem(format!(
                "node '{node}' asks for a tensor of {elements} numbers; expected at most {MAX_ELEMENTS}"
            )));
        }
        let inputs: Vec<&ValueInfoProto> = graph
            .input
            .iter()
            .filter(|input| {
                !graph
                    .initializer
                    .iter()
                    .any(|tensor| tensor.name == input.name)
            })
            .collect();
        let [input] = inputs[..] else {
            let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(problem(format!(
                "expected one image input, got {}: {names:?}",
                inputs.len()
            )));
        };
        let dims = dimensions(input)
            .and_then(|dims| <[Option<usize>; 4]>::try_from(dims).ok())
            .ok_or_else(|| {
                let got = dimensions(input)
                    .map_or("no shape".to_owned(), |d| format!("{} dimensions", d.len()));
                problem(format!(
                    "expected an image input of 4 dimensions ([N, 3, H, W] or [N, H, W, 3]), \
                     got {got} at '{}'",
                    input.name
                ))
            })?;
        let element = match element_type(input) {
            Some(DataType::Float) => Element::F32,
            Some(DataType::Float16) => Element::F16,
            Some(DataType::Uint8) => Element::U8,
            other => {
                let got = other.map_or("an unknown type", DataType::name);
                return Err(problem(format!(
                    "expected a float32, float16 or uint8 input, got {got} at '{}'; export the model in float32",
                    input.name
                )));
            }
        };
        let output = &graph.output[0];
        let classes = dimensions(output).and_then(|dims| dims.last().copied().flatten());
        Ok(Self {
            input: input.name.clone(),
            output: output.name.clone(),
            dims,
            classes,
            element,
            ends_in: ending(graph, &output.name),
            opset: model.opset(),
        })
    }

    /// The axes order the shape shows, where it shows one.
    pub fn layout(&self) -> Option<Layout> {
        match self.dims {
            [_, Some(3), _, Some(3)] => None,
            [_, Some(3), _, _] => Some(Layout::Nchw),
            [_, _, _, Some(3)] => Some(Layout::Nhwc),
            _ => None,
        }
    }

    /// Height and width the graph insists on, for an axes order.
    pub fn size(&self, layout: Layout) -> [Option<usize>; 2] {
        match layout {
            Layout::Nchw => [self.dims[2], self.dims[3]],
            Layout::Nhwc => [self.dims[1], self.dims[2]],
        }
    }

    /// The input an engine is told to expect.
    pub fn input(&self, preprocessing: &Preprocessing) -> InputShape {
        let [height, width] = preprocessing.crop.map(|side| side as usize);
        InputShape {
            name: self.input.clone(),
            output: self.output.clone(),
            image: match preprocessing.layout {
                Layout::Nchw => [3, height, width],
                Layout::Nhwc => [height, width, 3],
            },
            element: self.element,
            any_size: self.any_size(),
            fixed_batch: self.dims[0],
        }
    }

    /// Whether the network takes bytes of any size: resize and crop are part of it.
    pub fn any_size(&self) -> bool {
        self.element == Element::U8 && matches!(self.dims, [_, None, None, Some(3)])
    }

    /// The input's shape as text: `[N, 3, 224, 224]`.
    pub fn shape_text(&self) -> String {
        let dims: Vec<String> = self
            .dims
            .iter()
            .zip(["N", "?", "?", "?"])
            .map(|(dim, open)| dim.map_or(open.to_owned(), |d| d.to_string()))
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

fn dimensions(value: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let shape = value
        .r#type
        .as_ref()?
        .tensor_type
        .as_ref()?
        .shape
        .as_ref()?;
    let size = |value: i64| usize::try_from(value).ok().filter(|size| *size > 0);
    Some(
        shape
            .dim
            .iter()
            .map(|dim| dim.dim_value.and_then(size))
            .collect(),
    )
}

fn element_type(value: &ValueInfoProto) -> Option<DataType> {
    DataType::from_i32(value.r#type.as_ref()?.tensor_type.as_ref()?.elem_type?)
}

/// The node that makes a tensor.
pub(crate) fn producer<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a NodeProto> {
    graph
        .node
        .iter()
        .find(|node| node.output.iter().any(|output| output == name))
}

/// Whether the output has been through a softmax, looking past nodes that do not change values.
fn ending(graph: &GraphProto, output: &str) -> Output {
    let mut name = output;
    // A damaged graph may be a circle; no walk is longer than the graph.
    for _ in 0..graph.node.len() {
        let Some(node) = producer(graph, name) else {
            break;
        };
        match node.op_type.as_str() {
            "Softmax" => return Output::Probabilities,
            "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Dropout" | "Cast" => {
                match node.input.first() {
                    Some(input) => name = input,
                    None => break,
                }
            }
            _ => break,
        }
    }
    Output::Logits
}

/// Engines take more than linear time over the nodes to load a network. ResNet-152 has some 500, the largest
/// EfficientNet some 1,000.
const MAX_NODES: usize = 4096;

/// Numbers in the largest tensor that a constant may ask for.
const MAX_ELEMENTS: u128 = 1 << 28;

/// A node that makes a huge tensor from a small constant, and how huge: engines would allocate it while loading.
fn bomb(graph: &GraphProto) -> Option<(&str, u128)> {
    graph.node.iter().find_map(|node| {
        let shape_at = match node.op_type.as_str() {
            "ConstantOfShape" => 0,
            "Expand" | "Tile" | "Reshape" => 1,
            _ => return None,
        };
        let name = node.input.get(shape_at)?;
        let shape = constant(graph, name)?;
        let elements = shape.iter().fold(1u128, |product, dim| {
            product.saturating_mul(u128::from(dim.unsigned_abs()).max(1))
        });
        (elements > MAX_ELEMENTS).then_some((node.name.as_str(), elements))
    })
}

/// The value of an int64 tensor that the file holds under this name.
pub(crate) fn constant(graph: &GraphProto, name: &str) -> Option<Vec<i64>> {
    let tensor = graph
        .initializer
        .iter()
        .find(|tensor| tensor.name == name)
        .or_else(|| {
            let node = producer(graph, name).filter(|node| node.op_type == "Constant")?;
            node.attribute("value")?.t.as_ref()
        })?;
    if tensor.element() != Some(DataType::Int64) {
        return None;
    }
    match &tensor.raw_data {
        Some(raw) => Some(
            raw.as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes))
                .collect(),
        ),
        None => Some(tensor.int64_data.clone()),
    }
}

/// The name of a tensor whose data is in another file, wherever in the graph it hides.
fn external_tensor(graph: &GraphProto) -> Option<&str> {
    let outside = |tensor: &'_ TensorProto| tensor.is_external();
    if let Some(tensor) = graph.initializer.iter().find(|tensor| outside(tensor)) {
        return Some(&tensor.name);
    }
    graph.node.iter().find_map(external_in_node)
}

fn external_in_node(node: &NodeProto) -> Option<&str> {
    node.attribute.iter().find_map(|attribute| {
        let tensors = attribute.t.iter().chain(&attribute.tensors);
        if let Some(tensor) = tensors.into_iter().find(|tensor| tensor.is_external()) {
            return Some(if tensor.name.is_empty() {
                node.name.as_str()
            } else {
                tensor.name.as_str()
            });
        }
        attribute
            .g
            .iter()
            .chain(&attribute.graphs)
            .find_map(external_tensor)
    })
}
