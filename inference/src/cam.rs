//! Class activation maps (Zhou et al. 2016): where a network ends in global average pooling and one linear layer, a
//! class's score is the mean over places of the class's weights times the features there, so that product is a map of
//! what the score is made of. It takes one run of the part before the pooling.
//!
//! Not here: what to do for networks that end otherwise (`explain`).

use std::sync::{Arc, OnceLock};

use model_core::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};
use model_core::text::system_words;

use crate::EngineError;
use crate::engine::{Engine, KernelEngine, NetworkSource, Precision, TractEngine, in_color};
use crate::graph::index::GraphIndex;
use crate::graph::{Element, InputShape};
use crate::onnx_file::{OnnxFile, Skeleton};

/// The file behind a classifier, for questions that the engine's plan cannot answer.
pub(crate) struct Network {
    pub file: OnnxFile,
    pub skeleton: Skeleton,
    /// The graph as our own engines take it.
    pub prepared: ModelProto,
    pub input: InputShape,
    /// The part before the last pooling, once somebody has asked for it, or why there is none.
    pub features: OnceLock<Result<Features, String>>,
}

/// The part of a network before its last pooling, and the linear layer after it.
pub(crate) struct Features {
    engine: Arc<dyn Engine>,
    /// `[classes, channels]`, row by row.
    weights: Vec<f32>,
    channels: usize,
    /// Height and width of the features.
    pub size: [usize; 2],
}

impl Features {
    /// Finds the end of the network and loads the part before it.
    ///
    /// # Errors
    /// Why there is no such part: how the network ends, or what tract says.
    pub fn load(network: &Network, threads: usize, classes: usize) -> Result<Self, String> {
        let (skeleton, proto) = (&network.skeleton, &network.prepared);
        let graph = proto.graph.as_ref().ok_or("it has no graph")?;
        let index = GraphIndex::new(graph);
        let end = End::find(graph, &index, &network.input.output)?;
        let weights = end.weights(graph, &index, skeleton, &network.file, classes)?;
        let channels = weights.len() / classes;
        let (file, input) = (&network.file, &network.input);
        let part = InputShape {
            output: end.features.to_owned(),
            element: match input.element {
                Element::U8 => Element::U8,
                _ => Element::F32,
            },
            ..input.clone()
        };
        let source = NetworkSource {
            model: "the model",
            file,
            skeleton,
            proto,
            prepared: proto,
            input: &part,
            threads,
            precision: Precision::Float32,
            less_memory: true,
        };
        let ours = KernelEngine::config(source.precision, source.less_memory)
            .and_then(|config| KernelEngine::load(&source, &config));
        let (engine, shape): (Arc<dyn Engine>, Vec<usize>) = match ours {
            Ok(engine) => {
                let shape = engine.output_shape().to_vec();
                (in_color(Arc::new(engine), input), shape)
            }
            Err(_) => {
                let source = NetworkSource { input, ..source };
                let engine = TractEngine::load_part(&source, Some(end.features))
                    .map_err(|error| error.to_string())?;
                let shape = engine.output_shape().to_vec();
                (in_color(Arc::new(engine), input), shape)
            }
        };
        let [c, height, width] = shape[..] else {
            return Err(format!(
                "expected features [channels, height, width] before the last pooling, got {shape:?}"
            ));
        };
        if c != channels {
            return Err(format!(
                "the last layer takes {channels} numbers, the features have {c}"
            ));
        }
        Ok(Self {
            engine,
            weights,
            channels,
            size: [height, width],
        })
    }

    /// The map of a class for one preprocessed image: [`Features::size`] numbers, row by row, whose mean is the class's
    /// score without its bias.
    pub fn map(&self, input: &[f32], class: usize) -> Result<Vec<f32>, EngineError> {
        let features = self.engine.run(input, 1)?;
        let places = self.size[0] * self.size[1];
        let row = &self.weights[class * self.channels..][..self.channels];
        let mut map = vec![0f32; places];
        for (weight, plane) in row.iter().zip(features.chunks_exact(places)) {
            for (value, feature) in map.iter_mut().zip(plane) {
                *value += weight * feature;
            }
        }
        Ok(map)
    }
}

/// How a network ends.
struct End<'a> {
    /// The tensor before the pooling.
    features: &'a str,
    /// The linear layer's weights.
    weights: &'a str,
    /// Whether they are `[classes, channels]`.
    by_class: bool,
}

impl<'a> End<'a> {
    /// Walks back from the output: (softmax), linear layer, (flatten), pooling; past quantization.
    fn find(
        graph: &'a GraphProto,
        index: &GraphIndex<'a>,
        output: &'a str,
    ) -> Result<Self, String> {
        let steps = graph.node.len();
        let linear = skip(index, steps, output, &["Softmax", "Sigmoid", "Add"])?;
        let by_class = match linear.op_type.as_str() {
            "Gemm" if linear.int("transA", 0) == 0 => linear.int("transB", 0) != 0,
            "MatMul" => false,
            other => return Err(format!("expected a linear layer at the end, got {other}")),
        };
        let [features, weights, ..] = &linear.input[..] else {
            return Err("the last layer has no weights".to_owned());
        };
        let pool = skip(index, steps, features, &[])?;
        let spatial = |axes: &[i64]| matches!(axes, [2, 3] | [-2, -1]);
        let pools = match pool.op_type.as_str() {
            "GlobalAveragePool" => true,
            "ReduceMean" => {
                let axes = match pool.input.get(1) {
                    Some(name) => index.integers(name).unwrap_or_default(),
                    None => pool.ints("axes").to_vec(),
                };
                spatial(&axes)
            }
            _ => false,
        };
        match pool.input.first() {
            Some(features) if pools => Ok(Self {
                features,
                weights,
                by_class,
            }),
            _ => Err(format!(
                "expected global average pooling before the last layer, got {}",
                pool.op_type
            )),
        }
    }

    /// The weights as `[classes, channels]`.
    fn weights(
        &self,
        graph: &GraphProto,
        index: &GraphIndex<'_>,
        skeleton: &Skeleton,
        file: &OnnxFile,
        classes: usize,
    ) -> Result<Vec<f32>, String> {
        const NOT_PLAIN: &str = "the last layer's weights are not plain numbers in the file";
        let read = |name: &str| -> Result<TensorProto, String> {
            let place = index.initializer_place(name).ok_or(NOT_PLAIN)?;
            let mut tensor = graph.initializer[place].clone();
            if let Some(blob) = skeleton.blobs.iter().find(|blob| blob.initializer == place) {
                let mut raw = vec![0; blob.len as usize];
                file.read_at(blob.offset, &mut raw)
                    .map_err(|error| format!("cannot read the weights: {}", system_words(error)))?;
                tensor.raw_data = Some(raw);
                tensor.data_type = Some(blob.element as i32);
            }
            Ok(tensor)
        };
        let numbers = |tensor: &TensorProto| tensor.to_f32().map_err(|error| error.to_string());
        // float16 weights are cast on load, integers dequantized.
        let (tensor, values) = match index.producer(self.weights) {
            None => {
                let tensor = read(self.weights)?;
                let values = numbers(&tensor)?;
                (tensor, values)
            }
            Some(node) => {
                let input = |at: usize| node.input.get(at).filter(|name| !name.is_empty());
                let tensor = read(input(0).ok_or(NOT_PLAIN)?)?;
                let mut values = numbers(&tensor)?;
                match node.op_type.as_str() {
                    "Cast" => {}
                    "DequantizeLinear" => {
                        let scale = numbers(&read(input(1).ok_or(NOT_PLAIN)?)?)?;
                        let zero = match input(2) {
                            Some(name) => numbers(&read(name)?)?,
                            None => vec![0.0],
                        };
                        let axis = node.int("axis", 1);
                        dequantize(&mut values, &tensor.dims, axis, &scale, &zero)
                            .ok_or(NOT_PLAIN)?;
                    }
                    _ => return Err(NOT_PLAIN.to_owned()),
                }
                (tensor, values)
            }
        };
        let expected = if self.by_class { 0 } else { 1 };
        if tensor.dims.len() != 2 || tensor.dims[expected] != classes as i64 {
            return Err(format!(
                "expected weights for {classes} classes, got {:?}",
                tensor.dims
            ));
        }
        if self.by_class {
            return Ok(values);
        }
        let channels = values.len() / classes;
        Ok((0..classes)
            .flat_map(|class| (0..channels).map(move |channel| (class, channel)))
            .map(|(class, channel)| values[channel * classes + class])
            .collect())
    }
}

/// ONNX DequantizeLinear of a matrix, with one scale and zero point or with one of each along `axis`; none where they do
/// not fit.
fn dequantize(
    values: &mut [f32],
    dims: &[i64],
    axis: i64,
    scale: &[f32],
    zero: &[f32],
) -> Option<()> {
    let columns = usize::try_from(*dims.get(1)?).ok()?;
    let axis = if axis < 0 { axis + 2 } else { axis };
    let along = usize::try_from(*dims.get(usize::try_from(axis).ok()?)?).ok()?;
    let fits = |values: &[f32]| values.len() == 1 || values.len() == along;
    if dims.len() != 2 || !fits(scale) || !fits(zero) {
        return None;
    }
    for (place, value) in values.iter_mut().enumerate() {
        let at = if axis == 0 {
            place / columns
        } else {
            place % columns
        };
        let of = |values: &[f32]| values[at.min(values.len() - 1)];
        *value = (*value - of(zero)) * of(scale);
    }
    Some(())
}

/// The node that makes `name`, past nodes that do not mix places or classes.
fn skip<'a>(
    index: &GraphIndex<'a>,
    steps: usize,
    name: &'a str,
    also: &[&str],
) -> Result<&'a NodeProto, String> {
    let mut name = name;
    // A damaged graph may be a circle; no walk is longer than the graph.
    for _ in 0..=steps {
        let node = index
            .producer(name)
            .ok_or_else(|| format!("nothing in the graph makes '{name}'"))?;
        let through = [
            "Identity",
            "Dropout",
            "Flatten",
            "Reshape",
            "Squeeze",
            "Unsqueeze",
            "Cast",
            "QuantizeLinear",
            "DequantizeLinear",
        ];
        let op = node.op_type.as_str();
        match node.input.first() {
            Some(input) if through.contains(&op) || also.contains(&op) => name = input,
            _ => return Ok(node),
        }
    }
    Err("the graph is a circle".to_owned())
}
