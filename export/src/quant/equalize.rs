//! Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721): where a convolution feeds exactly one other,
//! through nothing or a ReLU, a channel can be scaled down in the first and up in the second without changing the
//! function. It balances the weight ranges of both. ReLU6 does not commute with scaling and is left alone.

use crate::plan::{ConvLayer, ExportPlan, LayerOp};

/// Rounds over all pairs; the ranges settle within a few.
const ROUNDS: usize = 4;
/// Largest change of one channel in one round.
const MAX_SCALE: f64 = 1e3;

/// The same function with balanced channels.
pub fn equalize(plan: &ExportPlan) -> ExportPlan {
    let mut plan = plan.clone();
    let pairs = pairs(&plan);
    for _ in 0..ROUNDS {
        for (first, second) in &pairs {
            balance(&mut plan, *first, *second);
        }
    }
    plan
}

/// Convolutions whose only reader, through at most a ReLU, is another convolution.
fn pairs(plan: &ExportPlan) -> Vec<(usize, usize)> {
    let readers = plan.readers();
    let only = |index: usize| match readers[index].as_slice() {
        [reader] => Some(*reader),
        _ => None,
    };
    let is_conv = |index: usize| matches!(plan.layers[index].op, LayerOp::Conv(_));
    let pair = |first: usize| {
        let mut next = only(first)?;
        if plan.layers[next].op == LayerOp::Relu {
            next = only(next)?;
        }
        is_conv(next).then_some((first, next))
    };
    (0..plan.layers.len())
        .filter(|index| is_conv(*index))
        .filter_map(pair)
        .collect()
}

/// Largest |weight| that reads input channel `channel`.
fn input_range(conv: &ConvLayer, channel: usize) -> f64 {
    input_weights(conv, channel)
        .map(|at| conv.weight[at].abs())
        .fold(0.0, f64::max)
}

/// Places in the weight that read input channel `channel`.
fn input_weights(conv: &ConvLayer, channel: usize) -> impl Iterator<Item = usize> + use<> {
    let [out_channels, group_in, height, width] = conv.geometry.weight_shape();
    let group_out = out_channels / conv.geometry.groups;
    let area = height * width;
    let (group, place) = (channel / group_in, channel % group_in);
    (group * group_out..(group + 1) * group_out)
        .flat_map(move |out| (0..area).map(move |at| (out * group_in + place) * area + at))
}

fn balance(plan: &mut ExportPlan, first: usize, second: usize) {
    let (LayerOp::Conv(a), LayerOp::Conv(b)) = (&plan.layers[first].op, &plan.layers[second].op)
    else {
        return;
    };
    let channels = a.bias.len();
    let window = a.weight.len() / channels;
    let scales: Vec<f64> = (0..channels)
        .map(|channel| {
            let own = a.weight[channel * window..(channel + 1) * window]
                .iter()
                .map(|w| w.abs())
                .fold(0.0, f64::max);
            let next = input_range(b, channel);
            if own > 0.0 && next > 0.0 {
                (own / next).sqrt().clamp(1.0 / MAX_SCALE, MAX_SCALE)
            } else {
                1.0
            }
        })
        .collect();
    if let LayerOp::Conv(a) = &mut plan.layers[first].op {
        for (channel, weights) in a.weight.chunks_exact_mut(window).enumerate() {
            weights
                .iter_mut()
                .for_each(|weight| *weight /= scales[channel]);
            a.bias[channel] /= scales[channel];
        }
    }
    if let LayerOp::Conv(b) = &mut plan.layers[second].op {
        for (channel, scale) in scales.iter().enumerate() {
            for at in input_weights(b, channel) {
                b.weight[at] *= scale;
            }
        }
    }
}
