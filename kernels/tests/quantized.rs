//! Quantized graphs: integer convolutions to the last bit, everything else within one step of exact arithmetic, and the
//! same bits from every instruction set and number of threads.

#![allow(clippy::unwrap_used)]

mod graphs;

use kernels::{ByteValues, Graph, Isa, Network, Node, Quantization, WeightData};

use graphs::{
    Kind, Layer, Numbers, X, bytes, conv, quantization, random_chain, same_bits, stored_image,
    window,
};

fn integers(weights: &WeightData) -> (Vec<i64>, Vec<f32>) {
    let WeightData::Bytes(bytes) = weights else {
        unreachable!("only bytes here")
    };
    let ByteValues::Here(values) = &bytes.values else {
        unreachable!("all in memory")
    };
    let number = |b: u8| {
        if bytes.is_signed {
            i64::from(b as i8)
        } else {
            i64::from(b)
        }
    };
    let zero = i64::from(bytes.zero_points[0]);
    (
        values.iter().map(|b| number(*b) - zero).collect(),
        bytes.scales.to_vec(),
    )
}

/// What is left of real numbers that were stored.
fn store(real: &[f64], q: Quantization) -> Vec<f64> {
    let (low, high) = if q.is_signed { (-128, 127) } else { (0, 255) };
    let (zero, scale) = (i64::from(q.zero_point), f64::from(q.scale));
    let stored = real
        .iter()
        .map(|x| ((x / scale).round_ties_even() as i64 + zero).clamp(low, high));
    stored
        .map(|stored| (stored - zero) as f64 * scale)
        .collect()
}

/// The graph in float64.
fn reference(graph: &Graph, image: &[f32]) -> Vec<f64> {
    let shapes = graph.shapes().unwrap();
    let mut values: Vec<Vec<f64>> = vec![image.iter().map(|v| f64::from(*v)).collect()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let [channels, height, width] = shapes[index + 1];
        let mut real = Vec::new();
        match node {
            Node::Quantize {
                input,
                quantization,
            } => {
                let stored = store(&values[*input], *quantization);
                values.push(stored);
                continue;
            }
            Node::Dequantize { input } => real = values[*input].clone(),
            Node::Clamp { input, low, high } => {
                real.extend(
                    values[*input]
                        .iter()
                        .map(|v| v.clamp(f64::from(*low), f64::from(*high))),
                );
            }
            Node::Add { a, b } => {
                real.extend(values[*a].iter().zip(&values[*b]).map(|(a, b)| a + b));
            }
            Node::GlobalAvgPool { input } => {
                let area = shapes[*input][1] * shapes[*input][2];
                real.extend(
                    values[*input]
                        .chunks(area)
                        .map(|c| c.iter().sum::<f64>() / area as f64),
                );
            }
            Node::Concat { inputs } => inputs
                .iter()
                .for_each(|v| real.extend_from_slice(&values[*v])),
            Node::Linear {
                input,
                weights,
                bias,
                ..
            } => {
                let (w, scales) = integers(weights);
                let x = &values[*input];
                for (out, row) in w.chunks(x.len()).enumerate() {
                    let scale = f64::from(scales[out % scales.len()]);
                    real.push(
                        row.iter()
                            .zip(x)
                            .map(|(w, x)| *w as f64 * scale * x)
                            .sum::<f64>(),
                    );
                }
                assert!(bias.is_none());
            }
            Node::Conv { input, window, .. } | Node::MaxPool { input, window } => {
                let [from, h, w] = shapes[*input];
                let x = &values[*input];
                for channel in 0..channels {
                    for (y, px) in (0..height).flat_map(|y| (0..width).map(move |px| (y, px))) {
                        let mut taps = Vec::new();
                        for tap in 0..window.kernel[0] * window.kernel[1] {
                            let at = [tap / window.kernel[1], tap % window.kernel[1]];
                            let r = (y * window.stride[0] + at[0] * window.dilation[0])
                                .wrapping_sub(window.before[0]);
                            let c = (px * window.stride[1] + at[1] * window.dilation[1])
                                .wrapping_sub(window.before[1]);
                            if r < h && c < w {
                                taps.push((tap, r * w + c));
                            }
                        }
                        real.push(match node {
                            Node::Conv {
                                weights,
                                bias,
                                out,
                                groups,
                                ..
                            } => {
                                let (all, scales) = integers(weights);
                                let (ins, outs) = (from / groups, out / groups);
                                let area = window.kernel[0] * window.kernel[1];
                                let mut sum = 0.0;
                                for i in 0..ins {
                                    let plane = (channel / outs * ins + i) * h * w;
                                    for (tap, at) in &taps {
                                        sum += x[plane + at]
                                            * all[(channel * ins + i) * area + tap] as f64;
                                    }
                                }
                                let own = match bias {
                                    Some(WeightData::Integers { values, scales }) => {
                                        f64::from(values[channel])
                                            * f64::from(scales[channel % scales.len()])
                                    }
                                    _ => 0.0,
                                };
                                sum * f64::from(scales[channel % scales.len()]) + own
                            }
                            _ => taps
                                .iter()
                                .map(|(_, at)| x[channel * h * w + at])
                                .fold(f64::MIN, f64::max),
                        });
                    }
                }
            }
            other => unreachable!("{other:?} is in no graph here"),
        }
        values.push(real);
    }
    values.swap_remove(graph.output)
}

/// Runs the graph every way there is: all the same bits, all but a few numbers exact, those within `step`.
fn check(what: &str, graph: &Graph, step: f32) {
    let mut n = Numbers::new(5);
    let len: usize = graph.input.iter().product();
    let images = n.many(2 * len);
    let expected: Vec<f64> = images
        .chunks(len)
        .flat_map(|image| reference(graph, image))
        .collect();
    let mut first: Option<Vec<f32>> = None;
    for isa in Isa::available() {
        let network = Network::for_isa(graph, isa).unwrap_or_else(|e| panic!("{what}: {e}"));
        for threads in [1, 2] {
            for _ in 0..2 {
                let mut got = vec![f32::NAN; expected.len()];
                network.run(&images, &mut got, threads);
                let first = first.get_or_insert_with(|| got.clone());
                assert_eq!(first, &got, "{what}, {isa}, {threads} threads: other bits");
            }
        }
    }
    let got = first.unwrap();
    let mut steps = 0;
    for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        assert!(
            difference <= f64::from(step) * 1.001,
            "{what}, {index}: {got} for {expected}"
        );
        steps += usize::from(difference > f64::from(step) * 0.01);
    }
    assert!(
        steps * 100 <= expected.len(),
        "{what}: {steps} of {} are a step off",
        expected.len()
    );
}

#[test]
fn convolutions_are_exact_everywhere() {
    let mut n = Numbers::new(1);
    let cases = [
        // channels, out, groups, height, width, kernel, stride, before, after
        (3, 20, 1, 19, 33, 7, 2, 3, 3),
        (3, 16, 1, 9, 9, 3, 1, 1, 1),
        (4, 40, 1, 12, 40, 3, 2, 0, 1),
        (5, 7, 1, 5, 5, 1, 1, 0, 0),
        (16, 64, 1, 7, 7, 3, 1, 1, 1),
        (80, 33, 1, 7, 7, 1, 1, 0, 0),
        (64, 96, 1, 14, 15, 3, 2, 1, 1),
        (130, 32, 1, 6, 29, 3, 2, 0, 1),
        (17, 18, 1, 1, 1, 1, 1, 0, 0),
        (20, 20, 1, 3, 4, 3, 1, 2, 2),
        (32, 32, 8, 9, 9, 3, 1, 1, 1),
        (48, 24, 3, 8, 8, 3, 2, 1, 1),
        (128, 128, 32, 7, 7, 3, 1, 1, 1),
        (24, 24, 24, 11, 13, 3, 1, 1, 1),
        (24, 24, 24, 11, 14, 3, 2, 1, 1),
        (33, 33, 33, 12, 12, 5, 2, 1, 2),
        (70, 70, 70, 12, 11, 5, 1, 2, 2),
        (12, 12, 12, 9, 9, 7, 1, 3, 3),
        (16, 16, 16, 10, 10, 3, 3, 1, 1),
        (8, 16, 8, 6, 6, 3, 1, 1, 1),
    ];
    for (from, out, groups, height, width, kernel, stride, before, after) in cases {
        for kind in [Kind::Symmetric, Kind::Asymmetric] {
            for y in [
                quantization(0.01, 120, false),
                quantization(0.012, -5, true),
            ] {
                let layer = Layer {
                    from,
                    out,
                    groups,
                    window: window(kernel, stride, before, after),
                    kind,
                };
                let mut nodes = stored_image();
                nodes.push(conv(&mut n, 2, layer, X.scale));
                nodes.push(Node::Clamp {
                    input: 3,
                    low: -0.5,
                    high: 0.9,
                });
                nodes.push(Node::Quantize {
                    input: 4,
                    quantization: y,
                });
                nodes.push(Node::Dequantize { input: 5 });
                let graph = Graph {
                    input: [from, height, width],
                    nodes,
                    output: 6,
                };
                check(&format!("{layer:?}, {height} x {width}"), &graph, y.scale);
            }
        }
    }
}

#[test]
fn a_residual_network_with_everything_in_it() {
    // Ratios of scales have odd denominators, so that no exact result lies half way between two numbers.
    let q = |scale: f32, zero: i32| quantization(scale, zero, false);
    for is_stored_before_the_sum in [true, false] {
        for conv_is_second in [true, false] {
            let mut n = Numbers::new(2);
            let mut nodes = stored_image();
            let layer = |from, out, kernel, stride, groups| Layer {
                from,
                out,
                groups,
                window: window(kernel, stride, kernel / 2, kernel / 2),
                kind: Kind::Symmetric,
            };
            let mut push = |node| {
                nodes.push(node);
                nodes.len()
            };
            let stem = push(conv(&mut n, 2, layer(3, 40, 3, 2, 1), X.scale));
            let stem = push(Node::Clamp {
                input: stem,
                low: 0.0,
                high: f32::INFINITY,
            });
            let stem = push(Node::Quantize {
                input: stem,
                quantization: q(0.006, 0),
            });
            let stem = push(Node::Dequantize { input: stem });
            let pooled = push(Node::MaxPool {
                input: stem,
                window: window(3, 2, 1, 1),
            });
            let pooled = push(Node::Quantize {
                input: pooled,
                quantization: q(0.006, 0),
            });
            let pooled = push(Node::Dequantize { input: pooled });
            let mut inside = push(conv(&mut n, pooled, layer(40, 40, 3, 1, 1), 0.006));
            if is_stored_before_the_sum {
                inside = push(Node::Quantize {
                    input: inside,
                    quantization: q(0.012, 131),
                });
                inside = push(Node::Dequantize { input: inside });
            }
            let (a, b) = if conv_is_second {
                (pooled, inside)
            } else {
                (inside, pooled)
            };
            let sum = push(Node::Add { a, b });
            let sum = push(Node::Clamp {
                input: sum,
                low: 0.0,
                high: f32::INFINITY,
            });
            let sum = push(Node::Quantize {
                input: sum,
                quantization: q(0.011, 0),
            });
            let sum = push(Node::Dequantize { input: sum });
            let deep = push(conv(&mut n, sum, layer(40, 40, 3, 1, 40), 0.011));
            let deep = push(Node::Quantize {
                input: deep,
                quantization: q(0.013, 100),
            });
            let deep = push(Node::Dequantize { input: deep });
            let twice = push(Node::Add { a: deep, b: sum });
            let twice = push(Node::Quantize {
                input: twice,
                quantization: quantization(0.021, 3, true),
            });
            let twice = push(Node::Dequantize { input: twice });
            let joined = push(Node::Concat {
                inputs: vec![twice, sum],
            });
            let joined = push(Node::Quantize {
                input: joined,
                quantization: q(0.021, 90),
            });
            let joined = push(Node::Dequantize { input: joined });
            let mean = push(Node::GlobalAvgPool { input: joined });
            let mean = push(Node::Quantize {
                input: mean,
                quantization: q(0.0083, 60),
            });
            let mean = push(Node::Dequantize { input: mean });
            let weights = bytes(&mut n, 11 * 80, 11, Kind::Symmetric, 0.002);
            let logits = push(Node::Linear {
                input: mean,
                weights,
                bias: None,
                out: 11,
            });
            let what = format!(
                "stored before the sum: {is_stored_before_the_sum}, second: {conv_is_second}"
            );
            for (output, step) in [
                (sum, 0.011),
                (twice, 0.021),
                (joined, 0.021),
                (mean, 0.0083),
            ] {
                let graph = Graph {
                    input: [3, 30, 30],
                    nodes: nodes.clone(),
                    output,
                };
                // A step of an earlier value may be one or two of a later one.
                check(&format!("{what}, up to {output}"), &graph, 2.0 * step);
            }
            let graph = Graph {
                input: [3, 30, 30],
                nodes,
                output: logits,
            };
            same_bits(&what, &graph);
        }
    }
}

/// Random chains of quantized layers; `KERNELS_FUZZ` is how many.
#[test]
fn random_graphs_give_the_same_bits_on_all_paths() {
    let count = std::env::var("KERNELS_FUZZ")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(60);
    for seed in 0..count {
        if let Some(graph) = random_chain(&mut Numbers::new(1000 + seed)) {
            same_bits(&format!("seed {seed}"), &graph);
        }
    }
}
