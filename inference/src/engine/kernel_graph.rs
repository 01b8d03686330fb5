//! From ONNX nodes to the graph that our own kernels run. Whatever is not a plain convolutional classifier is an error
//! that says which node is in the way; another engine then takes the network.
//!
//! Operators as in the ONNX specification, opsets 7 to 22, for one image: the batch is the engine's.

use std::borrow::Cow;
use std::collections::HashMap;

use kernels::{Graph, Node, Source, Value, Weights, Window};
use model_core::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

use crate::graph::{Element, InputShape};
use crate::onnx_file::{Blob, OnnxFile};

/// A network as the kernels take it.
pub(super) struct Translated<'a> {
    pub graph: Graph<'a>,
    /// The network ends in a softmax over its classes.
    pub softmax: bool,
}

/// A constant of the graph, still in the file where it is large.
pub(super) struct Constant<'a> {
    tensor: &'a TensorProto,
    count: usize,
    place: Option<(&'a OnnxFile, &'a Blob)>,
}

impl Source for Constant<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn read(&self, to: &mut [f32]) -> std::io::Result<()> {
        let values = match self.place {
            None => self.tensor.to_f32(),
            Some((file, blob)) => {
                let mut raw = vec![0; blob.len as usize];
                file.read_at(blob.offset, &mut raw)?;
                let tensor = TensorProto {
                    dims: self.tensor.dims.clone(),
                    // The graph may call float16 numbers float32 by now.
                    data_type: Some(blob.element as i32),
                    name: self.tensor.name.clone(),
                    raw_data: Some(raw),
                    ..Default::default()
                };
                tensor.to_f32()
            }
        };
        to.copy_from_slice(&values.map_err(std::io::Error::other)?);
        Ok(())
    }
}

impl Constant<'_> {
    fn values(&self) -> Result<Vec<f32>, String> {
        let mut values = vec![0.0; self.count];
        self.read(&mut values).map_err(|error| error.to_string())?;
        Ok(values)
    }
}

/// The constants of a graph by name: initializers, and what `Constant`, `Identity` and `Cast` to float32 make of them.
pub(super) fn constants<'a>(
    graph: &'a GraphProto,
    blobs: &'a [Blob],
    file: &'a OnnxFile,
) -> HashMap<&'a str, Constant<'a>> {
    let places: HashMap<usize, &Blob> = blobs.iter().map(|blob| (blob.initializer, blob)).collect();
    let constant = |tensor: &'a TensorProto, place| {
        let count = tensor.element_count().ok()?;
        Some(Constant {
            tensor,
            count,
            place,
        })
    };
    let mut all = HashMap::new();
    for (index, tensor) in graph.initializer.iter().enumerate() {
        let place = places.get(&index).map(|blob| (file, *blob));
        if let Some(found) = constant(tensor, place) {
            all.insert(tensor.name.as_str(), found);
        }
    }
    for node in &graph.node {
        let Some(output) = node.output.first() else {
            continue;
        };
        let made = match node.op_type.as_str() {
            "Constant" => attribute(node, "value").and_then(|a| constant(a.t.as_ref()?, None)),
            "Identity" | "Cast" => {
                let to_float =
                    attribute(node, "to").is_none_or(|a| a.i == Some(DataType::Float as i64));
                let source = node.input.first().and_then(|name| all.get(name.as_str()));
                source
                    .filter(|_| to_float)
                    .map(|source: &Constant| Constant {
                        tensor: source.tensor,
                        count: source.count,
                        place: source.place,
                    })
            }
            _ => None,
        };
        if let Some(made) = made {
            all.insert(output, made);
        }
    }
    all
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute
        .iter()
        .find(|attribute| attribute.name == name)
}

fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).and_then(|a| a.i).unwrap_or(default)
}

fn float(node: &NodeProto, name: &str, default: f32) -> f32 {
    attribute(node, name).and_then(|a| a.f).unwrap_or(default)
}

/// Translates.
///
/// # Errors
/// What the kernels do not compute, in words.
pub(super) fn translate<'a>(
    proto: &'a GraphProto,
    constants: &'a HashMap<&'a str, Constant<'a>>,
    input: &InputShape,
) -> Result<Translated<'a>, String> {
    if input.element != Element::F32 || input.any_size || input.image[0] != 3 {
        return Err("the input is not [N, 3, H, W] of float32".to_owned());
    }
    let mut builder = Builder {
        constants,
        nodes: Vec::new(),
        shapes: vec![input.image],
        values: HashMap::from([(input.name.as_str(), 0)]),
        readers: HashMap::new(),
        softmax: false,
    };
    for name in proto.node.iter().flat_map(|node| &node.input) {
        *builder.readers.entry(name).or_default() += 1;
    }
    for node in &proto.node {
        let output = node.output.first().map_or("", String::as_str);
        if constants.contains_key(output) {
            continue;
        }
        let value = builder
            .node(node)
            .map_err(|reason| format!("{} '{}': {reason}", node.op_type, node.name))?;
        builder.values.insert(output, value);
        // What follows is not wanted: the softmax of somebody who asks for the features before it.
        if output == input.output {
            break;
        }
    }
    let output = builder.value(&input.output)?;
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

struct Builder<'a, 'i> {
    constants: &'a HashMap<&'a str, Constant<'a>>,
    nodes: Vec<Node<'a>>,
    /// `[C, H, W]` of every value.
    shapes: Vec<[usize; 3]>,
    values: HashMap<&'i str, Value>,
    readers: HashMap<&'i str, usize>,
    softmax: bool,
}

impl<'a, 'i> Builder<'a, 'i> {
    fn value(&self, name: &str) -> Result<Value, String> {
        let known = self.values.get(name).copied();
        known.ok_or_else(|| format!("'{name}' is not computed from the image"))
    }

    fn constant(&self, node: &NodeProto, index: usize) -> Option<&'a Constant<'a>> {
        let name = node.input.get(index).filter(|name| !name.is_empty())?;
        self.constants.get(name.as_str())
    }

    fn needed(&self, node: &NodeProto, index: usize) -> Result<&'a Constant<'a>, String> {
        let missing = || format!("input {index} is not a constant");
        self.constant(node, index).ok_or_else(missing)
    }

    fn push(&mut self, node: Node<'a>) -> Result<Value, String> {
        self.shapes.push(
            node.shape(&self.shapes)
                .map_err(|error| error.to_string())?,
        );
        self.nodes.push(node);
        Ok(self.nodes.len())
    }

    /// The value that a node gives.
    fn node(&mut self, node: &'i NodeProto) -> Result<Value, String> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(format!("an operator of '{}'", node.domain));
        }
        if self.softmax {
            return Err("something follows the softmax".to_owned());
        }
        let first = node.input.first().map_or("", String::as_str);
        if node.op_type == "Add" {
            return self.add(node);
        }
        let input = self.value(first)?;
        match node.op_type.as_str() {
            "Conv" => self.conv(node, input),
            "Gemm" => self.gemm(node, input),
            "MatMul" => self.linear(input, self.needed(node, 1)?, None, false),
            "BatchNormalization" => self.batch_norm(node, first, input),
            "Relu" => self.push(Node::Clamp {
                input,
                low: 0.0,
                high: f32::INFINITY,
            }),
            "Clip" => self.clip(node, input),
            "MaxPool" => {
                if integer(node, "ceil_mode", 0) != 0 || node.output.len() > 1 {
                    return Err("ceil_mode or indices".to_owned());
                }
                let window = self.window(node, input, None)?;
                self.push(Node::MaxPool { input, window })
            }
            "GlobalAveragePool" => self.push(Node::GlobalAvgPool { input }),
            "AveragePool" | "ReduceMean" => self.mean(node, input),
            "Identity" | "Dropout" => Ok(input),
            "Flatten" if integer(node, "axis", 1) == 1 => Ok(input),
            "Reshape" | "Squeeze" if self.shapes[input][1..] == [1, 1] => {
                let keeps = node.op_type == "Squeeze"
                    || self.keeps_channels(node, self.shapes[input][0])?;
                if keeps {
                    Ok(input)
                } else {
                    Err("the channels are split".to_owned())
                }
            }
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

    /// Whether a reshape leaves all channels in one dimension beside the batch.
    fn keeps_channels(&self, node: &NodeProto, channels: usize) -> Result<bool, String> {
        let shape = self.needed(node, 1)?.values()?;
        let ones = shape.iter().skip(2).all(|dim| *dim == 1.0);
        let second = shape
            .get(1)
            .is_some_and(|dim| *dim == -1.0 || *dim == channels as f32);
        Ok(ones && second)
    }

    fn conv(&mut self, node: &NodeProto, input: Value) -> Result<Value, String> {
        let weights = self.needed(node, 1)?;
        let [out, _, height, width] = sizes(weights.tensor)?[..] else {
            return Err(format!("weights of shape {:?}", weights.tensor.dims));
        };
        let window = self.window(node, input, Some([height, width]))?;
        let bias = self.bias(node, 2, out)?;
        let groups = usize::try_from(integer(node, "group", 1)).map_err(|_| "a negative group")?;
        self.push(Node::Conv {
            input,
            weights: Weights::Source(weights),
            bias,
            out,
            groups,
            window,
        })
    }

    fn bias(
        &self,
        node: &NodeProto,
        index: usize,
        out: usize,
    ) -> Result<Option<Weights<'a>>, String> {
        if node.input.get(index).is_none_or(String::is_empty) {
            return Ok(None);
        }
        let bias = self.needed(node, index)?;
        // A bias may be a row, or one number for all.
        let values = match (bias.count, bias.values()?) {
            (1, values) => vec![values[0]; out],
            (_, values) => values,
        };
        Ok(Some(Weights::Floats(Cow::Owned(values))))
    }

    /// Kernel, stride, dilation and border of a convolution or a pooling.
    fn window(
        &self,
        node: &NodeProto,
        input: Value,
        kernel: Option<[usize; 2]>,
    ) -> Result<Window, String> {
        let pair = |name: &str, default: usize| match attribute(node, name).map(|a| &a.ints[..]) {
            None => Ok([default; 2]),
            Some([a, b]) => match (usize::try_from(*a), usize::try_from(*b)) {
                (Ok(a), Ok(b)) if a.max(b) <= MAX_STEP => Ok([a, b]),
                _ => Err(format!("{name} {a}, {b}")),
            },
            Some(other) => Err(format!("{name} {other:?}")),
        };
        let stated = pair("kernel_shape", 0)?;
        let kernel = kernel.unwrap_or(stated);
        if stated != [0; 2] && stated != kernel
            || kernel.contains(&0)
            || kernel.iter().any(|k| *k > MAX_STEP)
        {
            return Err(format!(
                "kernel_shape {stated:?} over weights of {kernel:?}"
            ));
        }
        let (stride, dilation) = (pair("strides", 1)?, pair("dilations", 1)?);
        let pads = match attribute(node, "pads").map(|a| &a.ints[..]) {
            None => [0; 4],
            Some(ints) => {
                let sizes: Option<Vec<usize>> = ints
                    .iter()
                    .map(|p| usize::try_from(*p).ok().filter(|p| *p <= MAX_STEP))
                    .collect();
                let four = sizes.and_then(|sizes| <[usize; 4]>::try_from(sizes).ok());
                four.ok_or_else(|| format!("pads {ints:?}"))?
            }
        };
        let mut window = Window {
            kernel,
            stride,
            dilation,
            before: [pads[0], pads[1]],
            after: [pads[2], pads[3]],
        };
        let auto = attribute(node, "auto_pad")
            .and_then(|a| a.s.as_deref())
            .unwrap_or(b"NOTSET");
        match auto {
            b"NOTSET" => {}
            b"VALID" => (window.before, window.after) = ([0; 2], [0; 2]),
            b"SAME_UPPER" | b"SAME_LOWER" => {
                for axis in 0..2 {
                    let size = self.shapes[input][axis + 1];
                    let steps = size.div_ceil(stride[axis].max(1)) - 1;
                    let reach = steps * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
                    let all = reach.saturating_sub(size);
                    let less = all / 2;
                    let upper = auto == b"SAME_UPPER";
                    window.before[axis] = if upper { less } else { all - less };
                    window.after[axis] = all - window.before[axis];
                }
            }
            other => return Err(format!("auto_pad {}", String::from_utf8_lossy(other))),
        }
        Ok(window)
    }

    fn gemm(&mut self, node: &NodeProto, input: Value) -> Result<Value, String> {
        let plain = float(node, "alpha", 1.0) == 1.0
            && float(node, "beta", 1.0) == 1.0
            && integer(node, "transA", 0) == 0;
        if !plain {
            return Err("alpha, beta or transA".to_owned());
        }
        let weights = self.needed(node, 1)?;
        let transposed = integer(node, "transB", 0) != 0;
        let out = sizes(weights.tensor)?
            .get(usize::from(!transposed))
            .copied()
            .unwrap_or(0);
        let bias = self.bias(node, 2, out)?;
        self.linear(input, weights, bias, transposed)
    }

    /// A product with `[out, in]` weights where `transposed`, `[in, out]` otherwise.
    fn linear(
        &mut self,
        input: Value,
        weights: &'a Constant<'a>,
        bias: Option<Weights<'a>>,
        transposed: bool,
    ) -> Result<Value, String> {
        let [rows, columns] = sizes(weights.tensor)?[..] else {
            return Err(format!("weights of shape {:?}", weights.tensor.dims));
        };
        let (out, matrix) = if transposed {
            (rows, Weights::Source(weights))
        } else {
            let values = weights.values()?;
            let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
            let turned = turned.map(|(r, c)| values[r * columns + c]).collect();
            (columns, Weights::Floats(Cow::Owned(turned)))
        };
        self.push(Node::Linear {
            input,
            weights: matrix,
            bias,
            out,
        })
    }

    /// A sum of two values, or the bias of the product before it.
    fn add(&mut self, node: &NodeProto) -> Result<Value, String> {
        let [a, b] = &node.input[..] else {
            return Err(format!("{} inputs", node.input.len()));
        };
        let (sum, constant) = match (
            self.constants.get(a.as_str()),
            self.constants.get(b.as_str()),
        ) {
            (None, None) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                return self.push(Node::Add { a, b });
            }
            (Some(constant), None) => (b, constant),
            (None, Some(constant)) => (a, constant),
            (Some(_), Some(_)) => return Err("a sum of constants".to_owned()),
        };
        let value = self.value(sum)?;
        if self.readers.get(sum.as_str()) != Some(&1) || value != self.nodes.len() {
            return Err("a constant is added".to_owned());
        }
        match self.nodes.last_mut() {
            Some(Node::Linear {
                bias: bias @ None,
                out,
                ..
            }) if constant.count == *out => {
                *bias = Some(Weights::Floats(Cow::Owned(constant.values()?)));
                Ok(value)
            }
            _ => Err("a constant is added".to_owned()),
        }
    }

    /// A batch norm joins the convolution before it: `y = (x - mean) / sqrt(var + epsilon) * scale + shift`
    /// (torch.nn.BatchNorm2d in evaluation).
    fn batch_norm(&mut self, node: &NodeProto, from: &str, input: Value) -> Result<Value, String> {
        let part = |index: usize| self.needed(node, index)?.values();
        let (scale, shift, mean, var) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = f64::from(float(node, "epsilon", 1e-5));
        let alone = self.readers.get(from) == Some(&1) && input == self.nodes.len();
        let Some(Node::Conv {
            weights, bias, out, ..
        }) = self.nodes.last_mut().filter(|_| alone)
        else {
            return Err("it does not follow a convolution that nobody else reads".to_owned());
        };
        let channels = *out;
        if [&scale, &shift, &mean, &var]
            .iter()
            .any(|v| v.len() != channels)
        {
            return Err(format!("expected {channels} values of each kind"));
        }
        let read = |weights: &Weights| match weights {
            Weights::Floats(floats) => Ok(floats.to_vec()),
            Weights::Source(source) => {
                let mut floats = vec![0.0; source.count()];
                source
                    .read(&mut floats)
                    .map(|()| floats)
                    .map_err(|error| error.to_string())
            }
        };
        let mut folded = read(weights)?;
        let old = bias.as_ref().map_or(Ok(vec![0.0; channels]), read)?;
        let each = folded.len() / channels;
        let mut shifted = Vec::with_capacity(channels);
        for (channel, row) in folded.chunks_exact_mut(each.max(1)).enumerate() {
            let factor = f64::from(scale[channel]) / (f64::from(var[channel]) + epsilon).sqrt();
            row.iter_mut()
                .for_each(|w| *w = (f64::from(*w) * factor) as f32);
            let centered = f64::from(old[channel]) - f64::from(mean[channel]);
            shifted.push((centered * factor + f64::from(shift[channel])) as f32);
        }
        *weights = Weights::Floats(Cow::Owned(folded));
        *bias = Some(Weights::Floats(Cow::Owned(shifted)));
        Ok(input)
    }

    fn clip(&mut self, node: &NodeProto, input: Value) -> Result<Value, String> {
        let bound = |index: usize, name: &str, default: f32| {
            if node.input.get(index).is_none_or(String::is_empty) {
                return Ok(float(node, name, default));
            }
            let values = self.needed(node, index)?.values()?;
            values
                .first()
                .copied()
                .ok_or_else(|| "an empty bound".to_owned())
        };
        let low = bound(1, "min", f32::NEG_INFINITY)?;
        let high = bound(2, "max", f32::INFINITY)?;
        self.push(Node::Clamp { input, low, high })
    }

    /// The mean over all pixels, however it is written.
    fn mean(&mut self, node: &NodeProto, input: Value) -> Result<Value, String> {
        let all = if node.op_type == "AveragePool" {
            let window = self.window(node, input, None)?;
            window.kernel[..] == self.shapes[input][1..]
                && window.before == [0; 2]
                && window.after == [0; 2]
        } else {
            let axes = match attribute(node, "axes") {
                Some(axes) => axes.ints.iter().map(|axis| *axis as f32).collect(),
                None => self.needed(node, 1)?.values()?,
            };
            matches!(
                axes[..],
                [2.0, 3.0] | [-2.0, -1.0] | [3.0, 2.0] | [-1.0, -2.0]
            )
        };
        if !all {
            return Err("a mean over less than all pixels".to_owned());
        }
        self.push(Node::GlobalAvgPool { input })
    }
}

/// The largest stride, dilation, kernel side or border; far above any network's.
const MAX_STEP: usize = 4096;

fn sizes(tensor: &TensorProto) -> Result<Vec<usize>, String> {
    let sizes: Result<Vec<usize>, _> = tensor
        .dims
        .iter()
        .map(|dim| usize::try_from(*dim))
        .collect();
    sizes.map_err(|_| format!("shape {:?}", tensor.dims))
}
