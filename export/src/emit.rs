//! A folded [`ExportPlan`] as an ONNX model: standard operators, deterministic bytes.
//!
//! Not here: metadata, files, proof.

use anyhow::{Result, bail};
use model_core::arch::{Conv, Padding, window_count};
use model_core::onnx::{
    AttributeProto, DataType, Dim, GraphProto, ModelProto, OperatorSetIdProto, ValueInfoProto,
};

use crate::builder::GraphBuilder;
use crate::plan::{ExportPlan, Layer, LayerOp};

/// Opsets in which every operator we write exists in this form.
pub const OPSETS: std::ops::RangeInclusive<i64> = 11..=22;
/// The opset written unless another is asked for.
pub const DEFAULT_OPSET: i64 = 17;

/// Name of the image input.
pub const INPUT: &str = "input";

/// What the spatial size of the input may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputSize {
    /// `[batch, 3, height, width]`: SAME padding becomes explicit numbers.
    Fixed {
        /// In pixels.
        height: usize,
        /// In pixels.
        width: usize,
    },
    /// `[batch, 3, height, width]` with symbols.
    Dynamic,
}

/// How a model is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmitConfig {
    /// The version of the operators, one of [`OPSETS`].
    pub opset: i64,
    /// The size of the input.
    pub size: InputSize,
    /// Weights stored as float16, computed in float32 after a `Cast`.
    pub half_weights: bool,
    /// The output is `softmax(logits / temperature)` instead of the logits.
    pub softmax: Option<f32>,
}

/// The IR version that belongs to an opset: the oldest runtime that knows the opset reads it.
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=11 => 6,
        12..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        _ => 10,
    }
}

/// Attributes of a convolution whose input has `[height, width]` pixels, if that is known.
pub fn conv_attributes(conv: &Conv, size: Option<[usize; 2]>) -> Vec<AttributeProto> {
    let (k, s) = (conv.kernel as i64, conv.stride as i64);
    let mut attributes = vec![
        AttributeProto::ints("dilations", &[1, 1]),
        AttributeProto::int("group", conv.groups as i64),
        AttributeProto::ints("kernel_shape", &[k, k]),
    ];
    match (conv.padding, size) {
        (Padding::SameUpper, None) => {
            attributes.insert(0, AttributeProto::string("auto_pad", "SAME_UPPER"))
        }
        (padding, size) => {
            let [height, width] = size.unwrap_or([0, 0]);
            let (top, bottom) = padding.resolve(height, conv.kernel, conv.stride);
            let (left, right) = padding.resolve(width, conv.kernel, conv.stride);
            let pads = [top, left, bottom, right].map(|pad| pad as i64);
            attributes.push(AttributeProto::ints("pads", &pads));
        }
    }
    attributes.push(AttributeProto::ints("strides", &[s, s]));
    attributes
}

/// Spatial size of every layer's output, `None` everywhere for a dynamic size.
pub fn sizes(plan: &ExportPlan, size: InputSize) -> Vec<Option<[usize; 2]>> {
    let InputSize::Fixed { height, width } = size else {
        return vec![None; plan.layers.len()];
    };
    let mut sizes: Vec<[usize; 2]> = Vec::with_capacity(plan.layers.len());
    for layer in &plan.layers {
        let input = layer
            .inputs
            .first()
            .map_or([height, width], |input| sizes[*input]);
        let output = match &layer.op {
            LayerOp::Conv(conv) => input.map(|side| conv.geometry.output_side(side)),
            LayerOp::MaxPool {
                kernel,
                stride,
                padding,
            } => input.map(|side| window_count(side + 2 * padding, *kernel, *stride)),
            LayerOp::AvgPool { kernel, ceil } => input.map(|side| match ceil {
                true => side.div_ceil(*kernel),
                false => side / kernel,
            }),
            LayerOp::GlobalAvgPool | LayerOp::Flatten | LayerOp::Linear(_) => [1, 1],
            LayerOp::Input
            | LayerOp::BatchNorm { .. }
            | LayerOp::LayerNorm { .. }
            | LayerOp::Relu
            | LayerOp::Relu6
            | LayerOp::Silu
            | LayerOp::HardSwish
            | LayerOp::HardSigmoid
            | LayerOp::Sigmoid
            | LayerOp::Gelu
            | LayerOp::Add
            | LayerOp::Mul
            | LayerOp::Concat => input,
        };
        sizes.push(output);
    }
    sizes.into_iter().map(Some).collect()
}

/// Writes one layer that is not a convolution or linear layer with float weights; `size` is that of its first input,
/// where it is known.
pub fn simple_layer(
    builder: &mut GraphBuilder,
    layer: &Layer,
    inputs: &[&str],
    size: Option<[usize; 2]>,
) -> Result<String> {
    let name = layer.name.as_str();
    Ok(match &layer.op {
        LayerOp::BatchNorm { scale, shift } => {
            builder.scale_and_shift(name, inputs[0], scale, shift)
        }
        LayerOp::LayerNorm { weight, bias, eps } => {
            builder.layer_norm(name, inputs[0], weight, bias, *eps)
        }
        LayerOp::Silu => {
            let gate = builder.node("Sigmoid", &format!("{name}.gate"), inputs, Vec::new());
            builder.node("Mul", name, &[inputs[0], &gate], Vec::new())
        }
        LayerOp::HardSwish => {
            let gate = builder.hard_sigmoid(&format!("{name}.gate"), inputs[0]);
            builder.node("Mul", name, &[inputs[0], &gate], Vec::new())
        }
        LayerOp::HardSigmoid => builder.hard_sigmoid(name, inputs[0]),
        LayerOp::Sigmoid => builder.node("Sigmoid", name, inputs, Vec::new()),
        LayerOp::Gelu => builder.gelu(name, inputs[0]),
        LayerOp::Relu => builder.node("Relu", name, inputs, Vec::new()),
        LayerOp::Relu6 => builder.relu6(name, inputs[0]),
        LayerOp::MaxPool {
            kernel,
            stride,
            padding,
        } => {
            let (k, s, p) = (*kernel as i64, *stride as i64, *padding as i64);
            let attributes = vec![
                AttributeProto::ints("kernel_shape", &[k, k]),
                AttributeProto::ints("pads", &[p, p, p, p]),
                AttributeProto::ints("strides", &[s, s]),
            ];
            builder.node("MaxPool", name, inputs, attributes)
        }
        LayerOp::AvgPool { kernel, ceil } => {
            let k = *kernel as i64;
            let mut attributes = vec![
                AttributeProto::ints("kernel_shape", &[k, k]),
                AttributeProto::ints("strides", &[k, k]),
            ];
            // Where the windows fit, engines need not agree about the smaller ones at the edge.
            let fits = size.is_some_and(|size| size.iter().all(|side| side % kernel == 0));
            if *ceil && !fits {
                attributes.insert(0, AttributeProto::int("ceil_mode", 1));
            }
            builder.node("AveragePool", name, inputs, attributes)
        }
        LayerOp::GlobalAvgPool => builder.node("GlobalAveragePool", name, inputs, Vec::new()),
        LayerOp::Flatten => builder.node(
            "Flatten",
            name,
            inputs,
            vec![AttributeProto::int("axis", 1)],
        ),
        LayerOp::Add => builder.node("Add", name, inputs, Vec::new()),
        LayerOp::Mul => builder.node("Mul", name, inputs, Vec::new()),
        LayerOp::Concat => {
            builder.node("Concat", name, inputs, vec![AttributeProto::int("axis", 1)])
        }
        LayerOp::Input => bail!("the input is no node"),
        LayerOp::Conv(_) | LayerOp::Linear(_) => bail!("layer {name} has weights"),
    })
}

/// The logits of `plan` for the float tensor `input`: all nodes appended to `builder`, the last output returned.
///
/// # Errors
/// A plan that has not been folded.
pub fn network(
    builder: &mut GraphBuilder,
    plan: &ExportPlan,
    input: &str,
    size: InputSize,
) -> Result<String> {
    let sizes = sizes(plan, size);
    let mut outputs: Vec<String> = Vec::with_capacity(plan.layers.len());
    for layer in &plan.layers {
        let inputs: Vec<&str> = layer
            .inputs
            .iter()
            .map(|input| outputs[*input].as_str())
            .collect();
        let name = layer.name.as_str();
        let output = match &layer.op {
            LayerOp::Input => input.to_string(),
            LayerOp::Conv(conv) => {
                let dims = conv.geometry.weight_shape();
                let weight = builder.weight(&format!("{name}.weight"), &dims, &conv.weight);
                let bias = builder.weight(&format!("{name}.bias"), &[conv.bias.len()], &conv.bias);
                let attributes = conv_attributes(&conv.geometry, sizes[layer.inputs[0]]);
                builder.node("Conv", name, &[inputs[0], &weight, &bias], attributes)
            }
            LayerOp::Linear(linear) => {
                let dims = [linear.geometry.out_features, linear.geometry.in_features];
                let weight = builder.weight(&format!("{name}.weight"), &dims, &linear.weight);
                let bias =
                    builder.weight(&format!("{name}.bias"), &[linear.bias.len()], &linear.bias);
                builder.node(
                    "Gemm",
                    name,
                    &[inputs[0], &weight, &bias],
                    gemm_attributes(),
                )
            }
            _ => simple_layer(builder, layer, &inputs, sizes[layer.inputs[0]])?,
        };
        outputs.push(output);
    }
    outputs
        .pop()
        .ok_or_else(|| anyhow::anyhow!("an empty network"))
}

/// `y = x W^T + b`.
pub fn gemm_attributes() -> Vec<AttributeProto> {
    vec![
        AttributeProto::float("alpha", 1.0),
        AttributeProto::float("beta", 1.0),
        AttributeProto::int("transB", 1),
    ]
}

/// The float model: `[batch, 3, H, W]` in, `[batch, classes]` out.
///
/// # Errors
/// An opset outside [`OPSETS`], or a plan that has not been folded.
pub fn float_model(plan: &ExportPlan, config: &EmitConfig) -> Result<ModelProto> {
    let mut builder = GraphBuilder::new(config);
    let logits = network(&mut builder, plan, INPUT, config.size)?;
    let input = image_input(config.size);
    finish(builder, input, &logits, plan.num_classes, config)
}

/// The normalized image input.
pub fn image_input(size: InputSize) -> ValueInfoProto {
    let [height, width] = match size {
        InputSize::Fixed { height, width } => [Dim::Size(height), Dim::Size(width)],
        InputSize::Dynamic => [Dim::Symbol("height"), Dim::Symbol("width")],
    };
    ValueInfoProto::tensor(
        INPUT,
        DataType::Float,
        &[Dim::Symbol("batch"), Dim::Size(3), height, width],
    )
}

/// Closes the graph: renames the last output, wraps it as a model.
///
/// # Errors
/// An opset outside [`OPSETS`].
pub fn finish(
    mut builder: GraphBuilder,
    input: ValueInfoProto,
    logits: &str,
    num_classes: usize,
    config: &EmitConfig,
) -> Result<ModelProto> {
    if !OPSETS.contains(&config.opset) {
        bail!(
            "opset {} is not supported: expected {} to {}",
            config.opset,
            OPSETS.start(),
            OPSETS.end()
        );
    }
    let (last, name) = match config.softmax {
        Some(temperature) => (builder.softmax(logits, temperature), "probabilities"),
        None => (logits.to_string(), "logits"),
    };
    for node in &mut builder.nodes {
        node.output
            .iter_mut()
            .filter(|output| **output == last)
            .for_each(|output| *output = name.to_string());
    }
    let output = ValueInfoProto::tensor(
        name,
        DataType::Float,
        &[Dim::Symbol("batch"), Dim::Size(num_classes)],
    );
    let graph = GraphProto {
        node: builder.nodes,
        name: "classifier".into(),
        initializer: builder.initializers,
        input: vec![input],
        output: vec![output],
        ..Default::default()
    };
    Ok(ModelProto {
        ir_version: Some(ir_version(config.opset)),
        producer_name: "export-onnx".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: Some(config.opset),
        }],
        ..Default::default()
    })
}
