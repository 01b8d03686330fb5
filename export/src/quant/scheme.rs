//! Numbers of a quantized network: scales and zero points of activations, int8 weights, int32 biases.

use anyhow::{Result, bail};

use super::calibrate::Statistics;
use super::observe::Range;
use super::{Activations, QuantConfig};
use crate::plan::{ExportPlan, LayerOp};

/// Affine mapping of a tensor: `real = scale * (stored - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// How far two neighboring stored values are apart.
    pub scale: f32,
    /// The stored value that stands for 0.
    pub zero_point: i32,
    /// Smallest and largest stored value.
    pub stored: (i32, i32),
}

impl Affine {
    /// uint8 over `range`, or int8 around zero.
    pub fn new(range: Range, activations: Activations) -> Self {
        let floor = f32::MIN_POSITIVE * 1e6;
        match activations {
            Activations::Asymmetric => {
                let scale = ((range.max - range.min) / 255.0).max(floor);
                let zero_point = (-range.min / scale).round().clamp(0.0, 255.0) as i32;
                Self {
                    scale,
                    zero_point,
                    stored: (0, 255),
                }
            }
            Activations::Symmetric => {
                let scale = (range.max.max(-range.min) / 127.0).max(floor);
                Self {
                    scale,
                    zero_point: 0,
                    stored: (-128, 127),
                }
            }
        }
    }

    /// The value after storing it: rounded to nearest even, clipped.
    pub fn round_trip(&self, value: f32) -> f32 {
        let stored = (value / self.scale).round_ties_even() as i32 + self.zero_point;
        (stored.clamp(self.stored.0, self.stored.1) - self.zero_point) as f32 * self.scale
    }
}

/// A convolution or linear layer with int8 weights, `weight = scales[out] * values`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeights {
    /// The weights in the order of the plan, output channel by output channel.
    pub values: Vec<i8>,
    /// One for each output channel.
    pub scales: Vec<f32>,
    /// One for each output channel, in units of `bias_scales`.
    pub bias: Vec<i32>,
    /// Input scale times weight scale, one per output channel.
    pub bias_scales: Vec<f32>,
}

/// A network ready to be written: the plan, and for every layer how its output and weights are stored.
pub struct QuantizedNetwork<'a> {
    /// The network that was quantized, with its numbers in float.
    pub plan: &'a ExportPlan,
    /// How the output of each layer is stored; `None` where it stays float.
    pub activations: Vec<Option<Affine>>,
    /// The int8 weights of each layer; `None` where it has no weights or stays float.
    pub weights: Vec<Option<QuantizedWeights>>,
    /// Activation functions that the clipping of the stored type already performs.
    pub absorbed: Vec<bool>,
}

/// Chooses all numbers from the calibration.
///
/// # Errors
/// A network whose classifier is not the last layer.
pub fn quantize<'a>(
    plan: &'a ExportPlan,
    statistics: &Statistics,
    settings: &QuantConfig,
) -> Result<QuantizedNetwork<'a>> {
    let readers = plan.readers();
    let last = plan.layers.len() - 1;
    if !matches!(plan.layers[last].op, LayerOp::Linear(_)) {
        bail!("int8 expects a network that ends in its classifier");
    }
    if let Some(layer) = plan.layers.iter().find(|layer| !is_tried(&layer.op)) {
        bail!(
            "int8 is for networks of convolutions, ReLU, ReLU6, SiLU, pooling, sums and linear layers; layer {} is none of these",
            layer.name
        );
    }
    let first_conv = plan
        .layers
        .iter()
        .position(|layer| matches!(layer.op, LayerOp::Conv(_)));
    let in_float = |index: usize| {
        (settings.keep_first && Some(index) == first_conv) || (settings.keep_last && index == last)
    };

    let mut network = QuantizedNetwork {
        plan,
        activations: vec![None; plan.layers.len()],
        weights: vec![None; plan.layers.len()],
        absorbed: vec![false; plan.layers.len()],
    };
    for (index, layer) in plan.layers.iter().enumerate() {
        let feeds_activation = matches!(readers[index].as_slice(), [reader]
            if matches!(plan.layers[*reader].op, LayerOp::Relu | LayerOp::Relu6));
        let only_float_readers =
            !readers[index].is_empty() && readers[index].iter().all(|reader| in_float(*reader));
        // Pooled features reach a float classifier through Flatten.
        let feeds_float_classifier =
            settings.keep_last && matches!(layer.op, LayerOp::GlobalAvgPool);
        network.activations[index] = match &layer.op {
            _ if index == last || only_float_readers || feeds_float_classifier => None,
            LayerOp::Conv(_) | LayerOp::Add if feeds_activation => None,
            LayerOp::MaxPool { .. } | LayerOp::Flatten => network.activations[layer.inputs[0]],
            _ => {
                let range = statistics.histograms[index].choose(settings.method, 255);
                Some(Affine::new(range, settings.activations))
            }
        };
        // An unsigned type with zero point 0 clips below at 0 as ReLU does, and above where the range was cut; a
        // ReLU6 whose range ends before 6 is cut there too.
        if matches!(layer.op, LayerOp::Relu | LayerOp::Relu6)
            && let Some(affine) = network.activations[index]
        {
            let producer_stays_float = in_float(layer.inputs[0]);
            network.absorbed[index] = settings.activations == Activations::Asymmetric
                && affine.zero_point == 0
                && !producer_stays_float;
        }
    }
    for (index, layer) in plan.layers.iter().enumerate() {
        let (weight, bias) = match &layer.op {
            LayerOp::Conv(conv) => (&conv.weight, &conv.bias),
            LayerOp::Linear(linear) => (&linear.weight, &linear.bias),
            _ => continue,
        };
        let Some(input) = network.activations[layer.inputs[0]].filter(|_| !in_float(index)) else {
            continue;
        };
        let means = settings
            .bias_correction
            .then(|| statistics.channel_means[layer.inputs[0]].as_slice());
        network.weights[index] = Some(quantize_weights(
            &layer.op,
            weight,
            bias,
            input,
            means,
            settings.seven_bit,
        ));
    }
    Ok(network)
}

/// Whether networks with such a layer have been held against their float form in int8.
fn is_tried(op: &LayerOp) -> bool {
    match op {
        LayerOp::Input
        | LayerOp::Conv(_)
        | LayerOp::Relu
        | LayerOp::Relu6
        | LayerOp::Silu
        | LayerOp::MaxPool { .. }
        | LayerOp::AvgPool { .. }
        | LayerOp::GlobalAvgPool
        | LayerOp::Flatten
        | LayerOp::Linear(_)
        | LayerOp::Add => true,
        LayerOp::BatchNorm { .. }
        | LayerOp::LayerNorm { .. }
        | LayerOp::HardSwish
        | LayerOp::HardSigmoid
        | LayerOp::Sigmoid
        | LayerOp::Gelu
        | LayerOp::Mul
        | LayerOp::Concat => false,
    }
}

/// Rounds weights per output channel; with `means` of the input channels, moves the mean that rounding shifts back
/// into the bias (Nagel et al. 2019, section 4.2).
fn quantize_weights(
    op: &LayerOp,
    weight: &[f64],
    bias: &[f64],
    input: Affine,
    means: Option<&[f64]>,
    seven_bit: bool,
) -> QuantizedWeights {
    let limit = if seven_bit { 64.0 } else { 127.0 };
    let window = weight.len() / bias.len();
    let (group_in, group_out, area) = match op {
        LayerOp::Conv(conv) => (
            conv.geometry.in_channels / conv.geometry.groups,
            conv.geometry.out_channels / conv.geometry.groups,
            conv.geometry.kernel * conv.geometry.kernel,
        ),
        _ => (window, bias.len(), 1),
    };
    let mut quantized = QuantizedWeights {
        values: Vec::with_capacity(weight.len()),
        scales: Vec::with_capacity(bias.len()),
        bias: Vec::with_capacity(bias.len()),
        bias_scales: Vec::with_capacity(bias.len()),
    };
    for (channel, (weights, bias)) in weight.chunks_exact(window).zip(bias).enumerate() {
        let largest = weights
            .iter()
            .fold(0.0f64, |largest, weight| largest.max(weight.abs()));
        let input_scale = f64::from(input.scale);
        // The bias must fit 32 bits as well; a channel of (nearly) zero weights gets a coarser scale for it.
        let least = bias.abs() / (f64::from(1 << 30) * input_scale);
        let scale = (largest / limit).max(least).max(1e-12) as f32;
        let mut bias = *bias;
        for (at, weight) in weights.iter().enumerate() {
            let value = (weight / f64::from(scale))
                .round_ties_even()
                .clamp(-limit, limit);
            quantized.values.push(value as i8);
            if let Some(means) = means {
                let source = channel / group_out * group_in + at / area;
                bias +=
                    (weight - value * f64::from(scale)) * means.get(source).copied().unwrap_or(0.0);
            }
        }
        let bias_scale = input.scale * scale;
        let stored = (bias / f64::from(bias_scale)).round_ties_even();
        quantized
            .bias
            .push(stored.clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32);
        quantized.bias_scales.push(bias_scale);
        quantized.scales.push(scale);
    }
    quantized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affine_numbers_are_onnx_numbers() {
        // QuantizeLinear: saturate(round_half_even(x / scale) + zero_point)
        let affine = Affine::new(
            Range {
                min: -1.0,
                max: 1.55,
            },
            Activations::Asymmetric,
        );
        assert_eq!((affine.zero_point, affine.stored), (100, (0, 255)));
        assert!((affine.scale - 0.01).abs() < 1e-7);
        assert_eq!(affine.round_trip(0.0), 0.0);
        assert!((affine.round_trip(9.0) - 1.55).abs() < 1e-6);
        assert!((affine.round_trip(-9.0) + 1.0).abs() < 1e-6);
        let symmetric = Affine::new(
            Range {
                min: -1.27,
                max: 0.5,
            },
            Activations::Symmetric,
        );
        assert_eq!((symmetric.zero_point, symmetric.stored), (0, (-128, 127)));
    }

    /// x86 without VNNI adds two products of u8 and i8 in 16 bits with saturation (`VPMADDUBSW`): 64 is the largest
    /// weight for which no pair can reach the limit, so every CPU gives the same sums.
    #[test]
    fn seven_bits_cannot_saturate_a_pair() {
        assert!(2 * 255 * 64 <= i32::from(i16::MAX));
        assert!(2 * 255 * 65 > i32::from(i16::MAX));
        let linear = LayerOp::Relu; // any layer without groups
        let input = Affine::new(
            Range {
                min: 0.0,
                max: 2.55,
            },
            Activations::Asymmetric,
        );
        let weights = quantize_weights(
            &linear,
            &[1.0, -3.0, 0.5, 0.25],
            &[0.1, -0.1],
            input,
            None,
            true,
        );
        assert_eq!(weights.values, [21, -64, 64, 32]);
        let weights = quantize_weights(
            &linear,
            &[1.0, -3.0, 0.5, 0.25],
            &[0.1, -0.1],
            input,
            None,
            false,
        );
        assert_eq!(weights.values, [42, -127, 127, 64]);
        assert_eq!(
            weights.bias[0],
            (0.1 / (f64::from(input.scale) * 3.0 / 127.0)).round() as i32
        );
    }

    #[test]
    fn a_channel_of_zeros_keeps_its_bias() {
        let input = Affine::new(Range { min: 0.0, max: 1.0 }, Activations::Asymmetric);
        let weights = quantize_weights(&LayerOp::Relu, &[0.0, 0.0], &[5.0], input, None, false);
        let bias = f64::from(weights.bias[0]) * f64::from(weights.bias_scales[0]);
        assert!((bias - 5.0).abs() < 1e-6, "{bias}");
    }
}
