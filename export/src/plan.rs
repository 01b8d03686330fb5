//! A network with its numbers: what the evaluator runs, the quantizer measures and the ONNX writer writes.
//!
//! [`ExportPlan::lower`] joins a `model-core` graph with a checkpoint; [`ExportPlan::fold`] absorbs every BatchNorm into the
//! convolution before it, in f64. Not here: files, ONNX, arithmetic on images.

mod layer;

use anyhow::{Context, Result, bail};
use model_core::arch::{ArchGraph, BLUR, Conv, Op, Padding};
use model_core::weights::StateDict;

pub use layer::{ConvLayer, Layer, LayerOp, LinearLayer};

/// A network in evaluation order; layer 0 is the input, the last one gives the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPlan {
    /// The layers; none reads one that comes after it.
    pub layers: Vec<Layer>,
    /// How many logits the last layer gives.
    pub num_classes: usize,
}

/// A low-pass filter as the depthwise convolution that every engine knows.
fn blur(channels: usize) -> ConvLayer {
    ConvLayer {
        geometry: Conv {
            name: String::new(),
            in_channels: channels,
            out_channels: channels,
            kernel: 3,
            stride: 1,
            padding: Padding::Explicit(1),
            groups: channels,
            bias: false,
            matrix: false,
        },
        weight: BLUR.map(f64::from).repeat(channels),
        bias: vec![0.0; channels],
    }
}

impl ExportPlan {
    /// Joins `graph` with `weights`, which have passed [`StateDict::check`]; dropout disappears.
    ///
    /// # Errors
    /// A tensor that is not there.
    pub fn lower(graph: &ArchGraph, weights: &StateDict) -> Result<Self> {
        let named = |name: &str| -> Result<Vec<f64>> {
            let tensor = weights
                .tensors
                .get(name)
                .with_context(|| format!("tensor '{name}' is missing"))?;
            Ok(tensor.data.iter().map(|value| f64::from(*value)).collect())
        };
        let tensor = |module: &str, leaf: &str| named(&format!("{module}.{leaf}"));
        let mut layers: Vec<Layer> = Vec::with_capacity(graph.nodes.len());
        let mut place = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let inputs: Vec<usize> = node.inputs.iter().map(|input| place[*input]).collect();
            let index = layers.len();
            let (name, op) = match &node.op {
                Op::Dropout { .. } => {
                    place.push(inputs[0]);
                    continue;
                }
                Op::Input { .. } => ("input".to_string(), LayerOp::Input),
                Op::Conv(conv) => {
                    let layer = ConvLayer {
                        geometry: conv.clone(),
                        weight: tensor(&conv.name, "weight")?,
                        bias: match conv.bias {
                            true => tensor(&conv.name, "bias")?,
                            false => vec![0.0; conv.out_channels],
                        },
                    };
                    (conv.name.clone(), LayerOp::Conv(layer))
                }
                Op::Blur { channels } => (format!("blur_{index}"), LayerOp::Conv(blur(*channels))),
                Op::BatchNorm(norm) => {
                    let (gamma, beta) =
                        (tensor(&norm.name, "weight")?, tensor(&norm.name, "bias")?);
                    let (mean, variance) = (
                        tensor(&norm.name, "running_mean")?,
                        tensor(&norm.name, "running_var")?,
                    );
                    let scale: Vec<f64> = gamma
                        .iter()
                        .zip(&variance)
                        .map(|(gamma, variance)| gamma / (variance + norm.eps).sqrt())
                        .collect();
                    let shift = beta
                        .iter()
                        .zip(&mean)
                        .zip(&scale)
                        .map(|((beta, mean), scale)| beta - mean * scale);
                    (
                        norm.name.clone(),
                        LayerOp::BatchNorm {
                            shift: shift.collect(),
                            scale,
                        },
                    )
                }
                Op::Linear(linear) => {
                    let layer = LinearLayer {
                        geometry: linear.clone(),
                        weight: tensor(&linear.name, "weight")?,
                        bias: tensor(&linear.name, "bias")?,
                    };
                    (linear.name.clone(), LayerOp::Linear(layer))
                }
                Op::LayerNorm(norm) => {
                    let op = LayerOp::LayerNorm {
                        weight: tensor(&norm.name, "weight")?,
                        bias: tensor(&norm.name, "bias")?,
                        eps: norm.eps,
                    };
                    (norm.name.clone(), op)
                }
                // A norm that shifts nothing: it folds into the convolution before it as well.
                Op::ChannelScale(factors) => {
                    let op = LayerOp::BatchNorm {
                        scale: named(&factors.name)?,
                        shift: vec![0.0; factors.channels],
                    };
                    (factors.name.clone(), op)
                }
                Op::Relu => (format!("relu_{index}"), LayerOp::Relu),
                Op::Relu6 => (format!("relu6_{index}"), LayerOp::Relu6),
                Op::Silu => (format!("silu_{index}"), LayerOp::Silu),
                Op::HardSwish => (format!("hardswish_{index}"), LayerOp::HardSwish),
                Op::HardSigmoid => (format!("hardsigmoid_{index}"), LayerOp::HardSigmoid),
                Op::Sigmoid => (format!("sigmoid_{index}"), LayerOp::Sigmoid),
                Op::Gelu => (format!("gelu_{index}"), LayerOp::Gelu),
                Op::MaxPool {
                    kernel,
                    stride,
                    padding,
                } => {
                    let op = LayerOp::MaxPool {
                        kernel: *kernel,
                        stride: *stride,
                        padding: *padding,
                    };
                    (format!("maxpool_{index}"), op)
                }
                Op::AvgPool { kernel, ceil } => {
                    let op = LayerOp::AvgPool {
                        kernel: *kernel,
                        ceil: *ceil,
                    };
                    (format!("avgpool_{index}"), op)
                }
                Op::GlobalAvgPool => (format!("avgpool_{index}"), LayerOp::GlobalAvgPool),
                Op::Flatten => (format!("flatten_{index}"), LayerOp::Flatten),
                Op::Add => (format!("add_{index}"), LayerOp::Add),
                Op::Mul => (format!("mul_{index}"), LayerOp::Mul),
                Op::Concat => (format!("concat_{index}"), LayerOp::Concat),
            };
            place.push(index);
            layers.push(Layer { name, op, inputs });
        }
        Ok(Self {
            layers,
            num_classes: graph.num_classes(),
        })
    }

    /// The same function with every BatchNorm absorbed that follows a convolution nobody else reads, directly or behind
    /// a maximum: `w' = w * scale`, `b' = b * scale + shift`, in f64. Others stay: DenseNet normalizes before it convolves.
    ///
    /// # Errors
    /// Numbers that f32 does not hold.
    pub fn fold(&self) -> Result<Self> {
        let readers = self.readers();
        let mut layers: Vec<Layer> = Vec::with_capacity(self.layers.len());
        let mut place = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let inputs: Vec<usize> = layer.inputs.iter().map(|input| place[*input]).collect();
            if let LayerOp::BatchNorm { scale, shift } = &layer.op
                && let Some(source) = self.absorber(&readers, layer.inputs[0], scale)
                && let LayerOp::Conv(conv) = &mut layers[place[source]].op
            {
                let per_channel = conv.weight.len() / conv.bias.len();
                for (channel, weights) in conv.weight.chunks_exact_mut(per_channel).enumerate() {
                    weights
                        .iter_mut()
                        .for_each(|weight| *weight *= scale[channel]);
                    conv.bias[channel] = conv.bias[channel] * scale[channel] + shift[channel];
                }
                place.push(inputs[0]);
                continue;
            }
            place.push(layers.len());
            layers.push(Layer {
                name: layer.name.clone(),
                op: layer.op.clone(),
                inputs,
            });
        }
        let mut plan = Self {
            layers,
            num_classes: self.num_classes,
        };
        plan.round_to_f32()?;
        Ok(plan)
    }

    /// The convolution that can absorb a norm of what `layer` gives: that layer itself, or the one whose maximum it is,
    /// as factors above zero leave the largest number the largest. None where others read what would change.
    fn absorber(&self, readers: &[Vec<usize>], layer: usize, scale: &[f64]) -> Option<usize> {
        let is_read_once = |layer: usize| readers[layer].len() == 1;
        match self.layers[layer].op {
            LayerOp::Conv(_) => is_read_once(layer).then_some(layer),
            LayerOp::MaxPool { .. } if scale.iter().all(|factor| *factor > 0.0) => {
                let source = self.layers[layer].inputs[0];
                let is_conv = matches!(self.layers[source].op, LayerOp::Conv(_));
                (is_conv && is_read_once(layer) && is_read_once(source)).then_some(source)
            }
            _ => None,
        }
    }

    /// Rounds every folded number to the f32 that the file will hold.
    fn round_to_f32(&mut self) -> Result<()> {
        for layer in &mut self.layers {
            let Some([weight, bias]) = layer.op.numbers_mut() else {
                continue;
            };
            for value in weight.iter_mut().chain(bias.iter_mut()) {
                *value = f64::from(*value as f32);
                if !value.is_finite() {
                    bail!(
                        "layer {}: folding its BatchNorm gives a number beyond f32; the checkpoint is damaged",
                        layer.name
                    );
                }
            }
        }
        Ok(())
    }

    /// The same network with every weight rounded to float16, as `--fp16` stores it.
    pub fn with_half_weights(&self) -> Self {
        let mut plan = self.clone();
        for layer in &mut plan.layers {
            let (weight, bias) = match &mut layer.op {
                LayerOp::Conv(conv) => (&mut conv.weight, &mut conv.bias),
                LayerOp::Linear(linear) => (&mut linear.weight, &mut linear.bias),
                _ => continue,
            };
            for value in weight.iter_mut().chain(bias.iter_mut()) {
                *value = half::f16::from_f32(*value as f32).to_f64();
            }
        }
        plan
    }

    /// For every layer, the layers that read it.
    pub fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.layers.len()];
        for (index, layer) in self.layers.iter().enumerate() {
            for input in &layer.inputs {
                readers[*input].push(index);
            }
        }
        readers
    }
}
