//! What the ONNX graph itself shows: its input, which output is the answer and how it ends, and that it asks for nothing
//! absurd.
//!
//! | module | idea |
//! |---|---|
//! | [`index`] | names of a graph, looked up in constant time |
//! | [`choose`] | which output is the answer |
//! | [`ending`] | what the last steps make of it, by structure |
//! | [`output`] | what its numbers are, by structure and by the values of two runs |
//! | [`prepare`], [`expand`] | the graph as our own engines take it |

pub(crate) mod choose;
pub(crate) mod ending;
mod expand;
pub(crate) mod index;
pub(crate) mod output;
pub(crate) mod prepare;

use std::collections::HashSet;

use model_core::Label;
use model_core::onnx::{DataType, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use model_core::preprocessing::{ChannelOrder, Layout, Preprocessing};

use crate::InferenceError;
use crate::engine::LUMA;
use crate::error::ModelProblem;
use choose::NoOutput;
use ending::Ending;
use index::GraphIndex;

/// What the numbers of an input are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    F64,
    /// Bytes, 0 to 255: the network normalizes by itself.
    U8,
}

/// The network's single image input, with a batch that an engine can count on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputShape {
    /// The input's name in the graph.
    pub name: String,
    /// The output's name in the graph.
    pub output: String,
    /// Shape of one image: `[3, H, W]` or `[H, W, 3]`, with 1 in the place of 3 for gray ones.
    pub image: [usize; 3],
    /// For a network of one channel, the shares of the three prepared channels in it.
    pub gray: Option<[f32; 3]>,
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
    /// The value that holds the answer.
    pub output: String,
    /// Four dimensions; none where the graph leaves them open.
    pub dims: [Option<usize>; 4],
    /// Numbers of one image's output, where the graph tells it.
    pub classes: Option<usize>,
    /// Class names inside the graph.
    pub labels: Option<Vec<Label>>,
    /// What the input's numbers are stored in.
    pub element: Element,
    /// What the last steps make of the output.
    pub ending: Ending,
    pub opset: i64,
    /// What was assumed on the way.
    pub notes: Vec<String>,
}

/// The caller's part in reading a graph.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// The output that holds the answer.
    pub output: Option<&'a str>,
    /// Number of class names given by hand.
    pub labels: Option<usize>,
}

impl GraphFacts {
    /// Reads the facts.
    ///
    /// # Errors
    /// [`InferenceError::Model`] when this is no image classifier or asks for more than any classifier needs.
    pub fn read(
        model: &ModelProto,
        name: &str,
        wanted: Wanted<'_>,
    ) -> Result<Self, InferenceError> {
        let problem = |reason: String| InferenceError::model(name, reason);
        let graph = model
            .graph
            .as_ref()
            .ok_or_else(|| problem("it has no graph".into()))?;
        let index = GraphIndex::new(graph);
        if let Some(tensor) = graph.node.iter().find_map(external_in_node) {
            return Err(problem(format!(
                "tensor '{tensor}' inside a node is stored in another file; expected only initializers there"
            )));
        }
        if graph.node.len() > MAX_NODES {
            return Err(problem(format!(
                "expected at most {MAX_NODES} nodes, got {}",
                graph.node.len()
            )));
        }
        if let Some((node, elements)) = bomb(graph, &index) {
            return Err(problem(format!(
                "node '{node}' asks for a tensor of {elements} numbers; expected at most {MAX_ELEMENTS}"
            )));
        }
        let initializers: HashSet<&str> = graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        let inputs: Vec<&ValueInfoProto> = graph
            .input
            .iter()
            .filter(|input| !initializers.contains(input.name.as_str()))
            .collect();
        let [input] = inputs[..] else {
            let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(problem(format!(
                "expected one image input, got {}: {}",
                inputs.len(),
                choose::quoted(&names)
            )));
        };
        let mut notes = Vec::new();
        let dims = match dimensions(input) {
            None => {
                notes.push(format!(
                    "the file does not say the shape of the input '{}': taken as [N, 3, H, W]",
                    input.name
                ));
                [None, Some(3), None, None]
            }
            Some(dims) => <[Option<usize>; 4]>::try_from(dims).map_err(|dims| {
                problem(format!(
                    "expected an image input of 4 dimensions ([N, 3, H, W] or [N, H, W, 3]), \
                     got {} dimensions at '{}'",
                    dims.len(),
                    input.name
                ))
            })?,
        };
        let element = match element_type(input) {
            Some(DataType::Float) => Element::F32,
            Some(DataType::Double) => Element::F64,
            Some(DataType::Float16) => Element::F16,
            Some(DataType::Uint8) => Element::U8,
            other => {
                let got = other.map_or("an unknown type", DataType::name);
                return Err(problem(format!(
                    "expected a float32, float16, float64 or uint8 input, got {got} at '{}'",
                    input.name
                )));
            }
        };
        let chosen = choose::choose(graph, &index, wanted.output, wanted.labels).map_err(
            |NoOutput { reason, names }| {
                InferenceError::model_problem(name, ModelProblem::Output(names), reason)
            },
        )?;
        notes.extend(chosen.note);
        let described = graph
            .output
            .iter()
            .find(|output| output.name == chosen.name);
        let classes = described.and_then(dimensions).and_then(|dims| {
            // [N, classes], [N, classes, 1, 1], or [classes].
            let own = dims.iter().skip(usize::from(dims.len() > 1));
            own.copied()
                .try_fold(1usize, |product, dim| product.checked_mul(dim?))
        });
        Ok(Self {
            input: input.name.clone(),
            ending: ending::ending(graph, &index, &chosen.name),
            output: chosen.name,
            dims,
            classes,
            labels: chosen.labels,
            element,
            opset: model.opset(),
            notes,
        })
    }

    /// The axes order the shape shows, where it shows one.
    pub fn layout(&self) -> Option<Layout> {
        match self.dims {
            [_, Some(3), _, Some(3)] => None,
            [_, Some(3), _, _] => Some(Layout::Nchw),
            [_, _, _, Some(3)] => Some(Layout::Nhwc),
            [_, Some(1), _, _] => Some(Layout::Nchw),
            [_, _, _, Some(1)] => Some(Layout::Nhwc),
            _ => None,
        }
    }

    /// Whether the network takes one channel.
    pub fn is_gray(&self) -> bool {
        match self.dims {
            [_, Some(3), _, _] | [_, _, _, Some(3)] => false,
            [_, first, _, last] => first == Some(1) || last == Some(1),
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
        let channels = if self.is_gray() { 1 } else { 3 };
        let [red, green, blue] = LUMA;
        let shares = match preprocessing.channels {
            ChannelOrder::Rgb => [red, green, blue],
            ChannelOrder::Bgr => [blue, green, red],
        };
        InputShape {
            name: self.input.clone(),
            output: self.output.clone(),
            image: match preprocessing.layout {
                Layout::Nchw => [channels, height, width],
                Layout::Nhwc => [height, width, channels],
            },
            gray: self.is_gray().then_some(shares),
            element: self.element,
            any_size: self.any_size(),
            fixed_batch: self.dims[0],
        }
    }

    /// Changes the facts to those of the same network without its preprocessing, whose input is called `input`.
    pub fn take_images(&mut self, input: &str) {
        input.clone_into(&mut self.input);
        self.element = Element::F32;
        self.dims = [None, Some(3), None, None];
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

/// Engines take more than linear time over the nodes to load a network. Swin-T has 6,261 as the older exporter writes
/// it, the largest of timm's classifiers some 20,000; a file of this many nodes has megabytes of them.
const MAX_NODES: usize = 50_000;

/// Numbers in the largest tensor that a constant may ask for.
const MAX_ELEMENTS: u128 = 1 << 28;

/// A node that makes a huge tensor from a small constant, and how huge: engines would allocate it while loading.
fn bomb<'a>(graph: &'a GraphProto, index: &GraphIndex<'_>) -> Option<(&'a str, u128)> {
    graph.node.iter().find_map(|node| {
        let shape_at = match node.op_type.as_str() {
            "ConstantOfShape" => 0,
            "Expand" | "Tile" | "Reshape" => 1,
            _ => return None,
        };
        let name = node.input.get(shape_at)?;
        let shape = index.integers(name)?;
        let elements = shape.iter().fold(1u128, |product, dim| {
            product.saturating_mul(u128::from(dim.unsigned_abs()).max(1))
        });
        (elements > MAX_ELEMENTS).then_some((node.name.as_str(), elements))
    })
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
            .find_map(|graph| {
                let outside = graph.initializer.iter().find(|tensor| tensor.is_external());
                match outside {
                    Some(tensor) => Some(tensor.name.as_str()),
                    None => graph.node.iter().find_map(external_in_node),
                }
            })
    })
}
