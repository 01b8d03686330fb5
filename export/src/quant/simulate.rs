//! The quantized network in float arithmetic, beside the float one: what every layer loses.

use rayon::prelude::*;

use super::scheme::QuantizedNetwork;
use crate::eval::PlanEvaluator;
use crate::plan::{ExportPlan, LayerOp};

/// The plan with its weights as stored; activations are rounded by [`logits`] on the way.
pub fn rounded_plan(network: &QuantizedNetwork<'_>) -> ExportPlan {
    let mut plan = network.plan.clone();
    for (layer, stored) in plan.layers.iter_mut().zip(&network.weights) {
        let Some(stored) = stored else { continue };
        let (weight, bias) = match &mut layer.op {
            LayerOp::Conv(conv) => (&mut conv.weight, &mut conv.bias),
            LayerOp::Linear(linear) => (&mut linear.weight, &mut linear.bias),
            _ => continue,
        };
        let window = weight.len() / bias.len();
        for (at, value) in weight.iter_mut().enumerate() {
            *value = f64::from(stored.values[at]) * f64::from(stored.scales[at / window]);
        }
        for (at, value) in bias.iter_mut().enumerate() {
            *value = f64::from(stored.bias[at]) * f64::from(stored.bias_scales[at]);
        }
    }
    plan
}

/// Runs the rounded plan; `watch` sees every layer's output after it was stored.
fn run(
    evaluator: &PlanEvaluator<'_, f32>,
    network: &QuantizedNetwork<'_>,
    input: &[f32],
    [height, width]: [usize; 2],
    mut watch: impl FnMut(usize, &[f32]),
) -> Vec<f32> {
    evaluator.run(input, height, width, |index, map| {
        if let Some(affine) = &network.activations[index] {
            map.data
                .iter_mut()
                .for_each(|value| *value = affine.round_trip(*value));
        }
        watch(index, &map.data);
    })
}

/// The logits of the quantized network.
pub fn logits(
    network: &QuantizedNetwork<'_>,
    inputs: &[Vec<f32>],
    size: [usize; 2],
) -> Vec<Vec<f32>> {
    let plan = rounded_plan(network);
    let evaluator = PlanEvaluator::<f32>::new(&plan);
    inputs
        .par_iter()
        .map(|input| run(&evaluator, network, input, size, |_, _| {}))
        .collect()
}

#[derive(Clone, Copy, Default)]
struct Error {
    signal: f64,
    noise: f64,
}

impl Error {
    fn add(&mut self, exact: &[f32], rounded: &[f32]) {
        for (a, b) in exact.iter().zip(rounded) {
            self.signal += f64::from(*a) * f64::from(*a);
            self.noise += f64::from(a - b) * f64::from(a - b);
        }
    }

    /// Signal to noise in decibel.
    fn decibel(self) -> f64 {
        if self.noise == 0.0 {
            f64::INFINITY
        } else {
            10.0 * (self.signal / self.noise).log10()
        }
    }
}

/// A line for every layer whose output or weights are stored in int8: signal-to-noise ratio of its weights, and of
/// its output with everything before it quantized too.
pub fn error_table(
    plan: &ExportPlan,
    network: &QuantizedNetwork<'_>,
    inputs: &[Vec<f32>],
    size: [usize; 2],
) -> Vec<String> {
    let rounded = rounded_plan(network);
    let (exact, coarse) = (
        PlanEvaluator::<f32>::new(plan),
        PlanEvaluator::<f32>::new(&rounded),
    );
    let layers = plan.layers.len();
    let per_image: Vec<Vec<Error>> = inputs
        .par_iter()
        .map(|input| {
            let mut outputs = vec![Vec::new(); layers];
            exact.run(input, size[0], size[1], |index, map| {
                outputs[index].clone_from(&map.data)
            });
            let mut errors = vec![Error::default(); layers];
            run(&coarse, network, input, size, |index, data| {
                errors[index].add(&outputs[index], data);
                outputs[index] = Vec::new();
            });
            errors
        })
        .collect();
    let mut lines = vec![format!(
        "{:<28}{:>16}{:>16}{:>14}",
        "layer", "weights SNR dB", "output SNR dB", "range"
    )];
    for (index, layer) in plan.layers.iter().enumerate() {
        let mut total = Error::default();
        for errors in &per_image {
            total.signal += errors[index].signal;
            total.noise += errors[index].noise;
        }
        let weights = match (
            &layer.op,
            &rounded.layers[index].op,
            &network.weights[index],
        ) {
            (LayerOp::Conv(a), LayerOp::Conv(b), Some(_)) => {
                Some(weight_error(&a.weight, &b.weight))
            }
            (LayerOp::Linear(a), LayerOp::Linear(b), Some(_)) => {
                Some(weight_error(&a.weight, &b.weight))
            }
            _ => None,
        };
        let stored = network.activations[index];
        if weights.is_none() && stored.is_none() && index + 1 < layers {
            continue;
        }
        let range = stored.map_or("float".to_string(), |affine| {
            let at = |stored: i32| (stored - affine.zero_point) as f32 * affine.scale;
            format!("{:.2}..{:.2}", at(affine.stored.0), at(affine.stored.1))
        });
        let weights = weights.map_or("-".to_string(), |error| format!("{:.1}", error.decibel()));
        lines.push(format!(
            "{:<28}{weights:>16}{:>16.1}{range:>14}",
            layer.name,
            total.decibel()
        ));
    }
    lines
}

fn weight_error(exact: &[f64], rounded: &[f64]) -> Error {
    let mut error = Error::default();
    for (a, b) in exact.iter().zip(rounded) {
        error.signal += a * a;
        error.noise += (a - b) * (a - b);
    }
    error
}
