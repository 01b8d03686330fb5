//! Graphs computed by sums written out in float64, and the comparison with every instruction set of this processor.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "every test program uses a part of it")]

mod splitmix;
mod window;

use std::borrow::Cow;

use kernels::{Config, Function, Graph, Isa, Network, Node, ValueId, WeightData, Window};
pub use window::window;

/// Numbers between -1 and 1 from a counter.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f32 {
        (splitmix::next(&mut self.0) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    pub fn weights(&mut self, count: usize) -> WeightData<'static> {
        WeightData::Floats(Cow::Owned(self.many(count)))
    }
}

pub fn floats(weights: &WeightData) -> Vec<f64> {
    match weights {
        WeightData::Floats(floats) => floats.iter().map(|f| f64::from(*f)).collect(),
        _ => unreachable!("not in these graphs"),
    }
}

/// All values of the graph in float64.
pub fn reference(graph: &Graph, image: &[f32]) -> Vec<Vec<f64>> {
    let shapes = graph.shapes().unwrap();
    let mut values: Vec<Vec<f64>> = vec![image.iter().map(|v| f64::from(*v)).collect()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let [channels, height, width] = shapes[index + 1];
        let mut result = Vec::with_capacity(channels * height * width);
        match node {
            Node::Add { a, b } => {
                result.extend(values[*a].iter().zip(&values[*b]).map(|(a, b)| a + b))
            }
            Node::Clamp { input, low, high } => {
                result.extend(
                    values[*input]
                        .iter()
                        .map(|v| v.max(f64::from(*low)).min(f64::from(*high))),
                );
            }
            Node::GlobalAvgPool { input } => {
                let area = shapes[*input][1] * shapes[*input][2];
                result.extend(
                    values[*input]
                        .chunks(area)
                        .map(|c| c.iter().sum::<f64>() / area as f64),
                );
            }
            Node::Linear {
                input,
                weights,
                bias,
                out,
            } => {
                let (weights, x) = (floats(weights), &values[*input]);
                let bias = bias.as_ref().map_or(vec![0.0; *out], floats);
                result.extend(
                    weights
                        .chunks(x.len())
                        .zip(bias)
                        .map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b),
                );
            }
            Node::Mul { a, b } => {
                let area = height * width;
                let point = values[*b].len() == channels;
                let other = |i: usize| values[*b][if point { i / area } else { i }];
                result.extend(values[*a].iter().enumerate().map(|(i, a)| a * other(i)));
            }
            Node::Affine {
                input,
                scale,
                shift,
            } => {
                let (scale, shift, area) = (floats(scale), floats(shift), height * width);
                let each = values[*input].iter().enumerate();
                result.extend(each.map(|(i, x)| x * scale[i / area] + shift[i / area]));
            }
            Node::Map { input, function } => {
                let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                result.extend(values[*input].iter().map(|x| match *function {
                    Function::Sigmoid => sigmoid(*x),
                    Function::Silu => x * sigmoid(*x),
                    Function::HardSigmoid { alpha, beta } => {
                        (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0)
                    }
                    Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
                    Function::LeakyRelu { alpha } => x.max(0.0) + f64::from(alpha) * x.min(0.0),
                    Function::Tanh => x.tanh(),
                }));
            }
            Node::Concat { inputs } => {
                inputs
                    .iter()
                    .for_each(|value| result.extend_from_slice(&values[*value]));
            }
            Node::Slice {
                input,
                first,
                count,
            } => {
                let area = height * width;
                result.extend_from_slice(&values[*input][first * area..(first + count) * area]);
            }
            Node::Shuffle { input, groups } => {
                let (area, each) = (height * width, channels / groups);
                for to in 0..channels {
                    let from = to % groups * each + to / groups;
                    result.extend_from_slice(&values[*input][from * area..][..area]);
                }
            }
            Node::Pad { input, before, .. } => {
                let [_, h, w] = shapes[*input];
                for i in 0..channels * height * width {
                    let (channel, y, x) = (i / (height * width), i / width % height, i % width);
                    let inside = y.checked_sub(before[0]).zip(x.checked_sub(before[1]));
                    let inside = inside.filter(|(y, x)| *y < h && *x < w);
                    result.push(
                        inside.map_or(0.0, |(y, x)| values[*input][(channel * h + y) * w + x]),
                    );
                }
            }
            Node::Lrn {
                input,
                size,
                alpha,
                beta,
                bias,
            } => {
                let (x, area) = (&values[*input], height * width);
                for i in 0..x.len() {
                    let (channel, pixel) = (i / area, i % area);
                    let first = channel.saturating_sub((size - 1) / 2);
                    let last = (channel + size / 2).min(channels - 1);
                    let sum: f64 = (first..=last).map(|c| x[c * area + pixel].powi(2)).sum();
                    let base = f64::from(*bias) + f64::from(*alpha) / *size as f64 * sum;
                    result.push(x[i] / base.powf(f64::from(*beta)));
                }
            }
            Node::Quantize { .. } | Node::Dequantize { .. } => unreachable!("not in these graphs"),
            Node::Conv { input, window, .. }
            | Node::MaxPool { input, window }
            | Node::AvgPool { input, window, .. } => {
                let [from_channels, from_height, from_width] = shapes[*input];
                let x = &values[*input];
                // The values under a window, as (tap, value), border left out.
                let under = |channel: usize, y: usize, px: usize| {
                    let mut found = Vec::new();
                    for tap in 0..window.kernel[0] * window.kernel[1] {
                        let at = [tap / window.kernel[1], tap % window.kernel[1]];
                        let row = (y * window.stride[0] + at[0] * window.dilation[0])
                            .checked_sub(window.before[0]);
                        let column = (px * window.stride[1] + at[1] * window.dilation[1])
                            .checked_sub(window.before[1]);
                        if let (Some(r), Some(c)) = (row, column)
                            && r < from_height
                            && c < from_width
                        {
                            found.push((tap, x[(channel * from_height + r) * from_width + c]));
                        }
                    }
                    found
                };
                let (all, biases) = match node {
                    Node::Conv { weights, bias, .. } => {
                        (floats(weights), bias.as_ref().map(floats))
                    }
                    _ => (Vec::new(), None),
                };
                for channel in 0..channels {
                    for (y, px) in (0..height).flat_map(|y| (0..width).map(move |px| (y, px))) {
                        result.push(match node {
                            Node::Conv { out, groups, .. } => {
                                let area = window.kernel[0] * window.kernel[1];
                                let (ins, outs) = (from_channels / groups, out / groups);
                                let mut sum = biases.as_ref().map_or(0.0, |b| b[channel]);
                                for i in 0..ins {
                                    for (tap, value) in under(channel / outs * ins + i, y, px) {
                                        sum += value * all[(channel * ins + i) * area + tap];
                                    }
                                }
                                sum
                            }
                            Node::AvgPool { counts_border, .. } => {
                                let found = under(channel, y, px);
                                let along = |axis: usize, at: usize, size: usize| {
                                    let first = at * window.stride[axis];
                                    let end = size + window.before[axis] + window.after[axis];
                                    (first + window.kernel[axis]).min(end) - first
                                };
                                let count = if *counts_border {
                                    along(0, y, from_height) * along(1, px, from_width)
                                } else {
                                    found.len()
                                };
                                found.iter().map(|(_, v)| v).sum::<f64>() / count as f64
                            }
                            _ => under(channel, y, px)
                                .into_iter()
                                .map(|(_, v)| v)
                                .fold(f64::NEG_INFINITY, f64::max),
                        });
                    }
                }
            }
        }
        values.push(result);
    }
    values
}

/// Runs the graph every way there is and compares.
pub fn check(what: &str, graph: &Graph) {
    check_with(what, graph, &Config::default());
}

/// Runs the graph with a configuration, for every instruction set and several numbers of threads, and compares.
pub fn check_with(what: &str, graph: &Graph, config: &Config) {
    let mut numbers = Numbers(7);
    let len: usize = graph.input.iter().product();
    let images = numbers.many(3 * len);
    let expected: Vec<f64> = images
        .chunks(len)
        .flat_map(|image| reference(graph, image).swap_remove(graph.output))
        .collect();
    let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for isa in Isa::available() {
        let config = Config {
            isa: Some(isa),
            ..*config
        };
        let network =
            Network::with_config(graph, &config).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut first: Option<Vec<f32>> = None;
        for threads in [1, 2, 3] {
            // Twice: the second run finds the arena used.
            for _ in 0..2 {
                let mut got = vec![f32::NAN; expected.len()];
                network.run(&images, &mut got, threads);
                for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let difference = (f64::from(*got) - expected).abs();
                    assert!(
                        difference <= 2e-5 * scale,
                        "{what}, {isa}, {threads} threads, {index}: {got} for {expected}"
                    );
                }
                let first = first.get_or_insert_with(|| got.clone());
                assert_eq!(
                    first, &got,
                    "{what}, {isa}: the number of threads changes bits"
                );
            }
        }
    }
}

pub fn conv(
    numbers: &mut Numbers,
    input: ValueId,
    from: usize,
    out: usize,
    groups: usize,
    window: Window,
) -> Node<'static> {
    let count = out * (from / groups) * window.kernel[0] * window.kernel[1];
    Node::Conv {
        input,
        weights: numbers.weights(count),
        bias: Some(numbers.weights(out)),
        out,
        groups,
        window,
    }
}
