//! Every node against sums written out in float64, for all instructions this processor has: odd sizes, strides,
//! dilation, groups, uneven borders, sums and clamps taken over, values used twice.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use kernels::{
    Error, Function, Graph, Isa, Network, Node, ValueId, WeightData, WeightSource, Window,
};

/// Numbers between -1 and 1 from a counter (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    fn weights(&mut self, count: usize) -> WeightData<'static> {
        WeightData::Floats(Cow::Owned(self.many(count)))
    }
}

fn floats(weights: &WeightData) -> Vec<f64> {
    match weights {
        WeightData::Floats(floats) => floats.iter().map(|f| f64::from(*f)).collect(),
        _ => unreachable!("not in these graphs"),
    }
}

/// All values of the graph in float64.
fn reference(graph: &Graph, image: &[f32]) -> Vec<Vec<f64>> {
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
                for channel in 0..channels {
                    for (y, px) in (0..height).flat_map(|y| (0..width).map(move |px| (y, px))) {
                        result.push(match node {
                            Node::Conv {
                                weights,
                                bias,
                                out,
                                groups,
                                ..
                            } => {
                                let area = window.kernel[0] * window.kernel[1];
                                let (ins, outs) = (from_channels / groups, out / groups);
                                let all = floats(weights);
                                let mut sum = bias.as_ref().map_or(0.0, |b| floats(b)[channel]);
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
fn check(what: &str, graph: &Graph) {
    let mut numbers = Numbers(7);
    let len: usize = graph.input.iter().product();
    let images = numbers.many(3 * len);
    let expected: Vec<f64> = images
        .chunks(len)
        .flat_map(|image| reference(graph, image).swap_remove(graph.output))
        .collect();
    let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for isa in Isa::available() {
        let network = Network::for_isa(graph, isa).unwrap_or_else(|e| panic!("{what}: {e}"));
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

fn window(kernel: usize, stride: usize, before: usize, after: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        before: [before; 2],
        after: [after; 2],
    }
}

fn conv(
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

#[test]
fn convolutions_of_many_shapes() {
    let mut n = Numbers(1);
    let cases = [
        // channels, out, groups, height, width, kernel, stride, before, after
        (3, 20, 1, 19, 33, 7, 2, 3, 3),
        (3, 16, 1, 9, 9, 3, 1, 1, 1),
        (5, 7, 1, 5, 5, 1, 1, 0, 0),
        (16, 64, 1, 7, 7, 3, 1, 1, 1),
        (40, 33, 1, 7, 7, 1, 1, 0, 0),
        (24, 48, 1, 14, 15, 3, 2, 1, 1),
        (32, 32, 1, 6, 29, 3, 2, 0, 1),
        (17, 18, 1, 1, 1, 1, 1, 0, 0),
        (20, 20, 1, 3, 4, 3, 1, 2, 2),
        (32, 32, 8, 9, 9, 3, 1, 1, 1),
        (48, 24, 3, 8, 8, 3, 2, 1, 1),
        (128, 128, 32, 7, 7, 3, 1, 1, 1),
        (64, 64, 2, 7, 5, 3, 1, 1, 1),
        (24, 24, 24, 11, 13, 3, 1, 1, 1),
        (33, 33, 33, 12, 12, 5, 2, 1, 2),
        (8, 16, 8, 6, 6, 3, 1, 1, 1),
        (3, 24, 1, 23, 27, 11, 4, 2, 2),
        (20, 12, 1, 13, 13, 3, 3, 1, 1),
        (16, 16, 16, 10, 10, 3, 3, 1, 1),
    ];
    for (channels, out, groups, height, width, kernel, stride, before, after) in cases {
        let node = conv(
            &mut n,
            0,
            channels,
            out,
            groups,
            window(kernel, stride, before, after),
        );
        check(
            &format!(
                "{channels} to {out} in {groups}, {height} x {width}, kernel {kernel} stride {stride}"
            ),
            &Graph {
                input: [channels, height, width],
                nodes: vec![node],
                output: 1,
            },
        );
    }
}

#[test]
fn windows_that_are_not_square() {
    let mut n = Numbers(2);
    let odd = Window {
        kernel: [3, 1],
        stride: [3, 2],
        dilation: [2, 1],
        before: [1, 0],
        after: [3, 0],
    };
    let wide = Window {
        kernel: [1, 5],
        stride: [1, 1],
        dilation: [1, 2],
        before: [0, 4],
        after: [0, 1],
    };
    for (channels, window) in [(18, odd), (2, odd), (18, wide), (2, wide)] {
        let nodes = vec![conv(&mut n, 0, channels, 34, 1, window)];
        check(
            &format!("{window:?}"),
            &Graph {
                input: [channels, 13, 17],
                nodes,
                output: 1,
            },
        );
    }
}

#[test]
fn a_residual_network_with_everything_in_it() {
    let mut n = Numbers(3);
    let relu = |input| Node::Clamp {
        input,
        low: 0.0,
        high: f32::INFINITY,
    };
    let nodes = vec![
        conv(&mut n, 0, 3, 20, 1, window(7, 2, 3, 3)), // 1: 20 x 15 x 15
        relu(1),                                       // 2
        Node::MaxPool {
            input: 2,
            window: window(3, 2, 1, 1),
        }, // 3: 8 x 8
        conv(&mut n, 3, 20, 12, 1, window(1, 1, 0, 0)), // 4
        Node::Clamp {
            input: 4,
            low: 0.0,
            high: 0.5,
        }, // 5
        conv(&mut n, 5, 12, 12, 12, window(3, 2, 0, 1)), // 6: depthwise, 4 x 4
        Node::Clamp {
            input: 6,
            low: -0.25,
            high: 1.0,
        }, // 7
        conv(&mut n, 7, 12, 40, 1, window(1, 1, 0, 0)), // 8: takes no sum, its other side comes later
        conv(&mut n, 3, 20, 40, 1, window(1, 2, 0, 0)), // 9: takes sum and ReLU
        Node::Add { a: 8, b: 9 },                       // 10
        relu(10),                                       // 11
        conv(&mut n, 11, 40, 40, 1, window(3, 1, 1, 1)), // 12
        Node::Add { a: 11, b: 12 },                     // 13: taken over; 13 is read twice
        relu(13),                                       // 14
        Node::Add { a: 13, b: 14 },                     // 15: stands alone, with the clamp after it
        Node::Clamp {
            input: 15,
            low: -1.0,
            high: 20.0,
        }, // 16
        Node::Add { a: 16, b: 16 },                     // 17
        Node::GlobalAvgPool { input: 17 },              // 18
        Node::Linear {
            input: 18,
            weights: n.weights(40 * 37),
            bias: Some(n.weights(37)),
            out: 37,
        }, // 19
        Node::Linear {
            input: 19,
            weights: n.weights(37 * 5),
            bias: None,
            out: 5,
        }, // 20
    ];
    let graph = Graph {
        input: [3, 30, 30],
        nodes,
        output: 20,
    };
    check("residual network", &graph);
    for output in [3, 11, 13, 17, 18] {
        check(
            &format!("up to value {output}"),
            &Graph {
                output,
                ..graph.clone()
            },
        );
    }
}

#[test]
fn everything_that_is_no_convolution() {
    let mut n = Numbers(12);
    let functions = [
        Function::Sigmoid,
        Function::Silu,
        Function::HardSigmoid {
            alpha: 0.2,
            beta: 0.5,
        },
        Function::HardSwish,
        Function::LeakyRelu { alpha: 0.1 },
        Function::Tanh,
    ];
    for channels in [5, 16, 37, 64] {
        let affine = Node::Affine {
            input: 0,
            scale: n.weights(channels),
            shift: n.weights(channels),
        };
        let pool = window(3, 2, 1, 1);
        let mut singles = vec![
            affine.clone(),
            Node::Mul { a: 0, b: 0 },
            Node::AvgPool {
                input: 0,
                window: pool,
                counts_border: true,
            },
            Node::AvgPool {
                input: 0,
                window: pool,
                counts_border: false,
            },
            Node::AvgPool {
                input: 0,
                window: window(2, 2, 0, 1),
                counts_border: true,
            },
            Node::Slice {
                input: 0,
                first: 2,
                count: channels - 3,
            },
            Node::Pad {
                input: 0,
                before: [1, 2],
                after: [3, 0],
            },
            Node::Lrn {
                input: 0,
                size: 5,
                alpha: 0.5,
                beta: 0.75,
                bias: 1.0,
            },
            Node::Lrn {
                input: 0,
                size: 4,
                alpha: 0.5,
                beta: 0.6,
                bias: 2.0,
            },
            Node::Concat {
                inputs: vec![0, 0, 0],
            },
        ];
        singles.extend(functions.map(|function| Node::Map { input: 0, function }));
        for node in singles {
            let what = format!("{channels} channels: {node:?}");
            check(
                &what,
                &Graph {
                    input: [channels, 9, 21],
                    nodes: vec![node],
                    output: 1,
                },
            );
        }
        // Squeeze and excitation, a batch norm with its function and clamp, joined and cut channels.
        let nodes = vec![
            conv(&mut n, 0, channels, 24, 1, window(3, 1, 1, 1)), // 1
            Node::GlobalAvgPool { input: 1 },                     // 2
            conv(&mut n, 2, 24, 24, 1, window(1, 1, 0, 0)),       // 3
            Node::Map {
                input: 3,
                function: Function::Sigmoid,
            }, // 4
            Node::Mul { a: 1, b: 4 },                             // 5
            Node::Affine {
                input: 5,
                scale: n.weights(24),
                shift: n.weights(24),
            }, // 6
            Node::Map {
                input: 6,
                function: Function::HardSwish,
            }, // 7
            Node::Clamp {
                input: 7,
                low: -0.1,
                high: 0.4,
            }, // 8
            Node::Concat {
                inputs: vec![8, 5, 8],
            }, // 9: 72
            Node::Shuffle {
                input: 9,
                groups: 4,
            }, // 10
            Node::Slice {
                input: 10,
                first: 7,
                count: 40,
            }, // 11
            conv(&mut n, 11, 40, 10, 1, window(3, 1, 1, 1)),      // 12
        ];
        check(
            "excited",
            &Graph {
                input: [channels, 9, 21],
                nodes,
                output: 12,
            },
        );
    }
}

#[test]
fn a_linear_layer_over_an_image() {
    let mut n = Numbers(4);
    let nodes = vec![
        conv(&mut n, 0, 3, 10, 1, window(3, 1, 1, 1)),
        Node::Linear {
            input: 1,
            weights: n.weights(10 * 5 * 4 * 3),
            bias: None,
            out: 3,
        },
    ];
    check(
        "linear over pixels",
        &Graph {
            input: [3, 5, 4],
            nodes,
            output: 2,
        },
    );
}

/// Weights as a file would give them, or fail to.
struct Elsewhere(Option<Vec<f32>>, usize);

impl WeightSource for Elsewhere {
    fn count(&self) -> usize {
        self.1
    }

    fn read(&self, to: &mut [f32]) -> std::io::Result<()> {
        let Some(values) = &self.0 else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        to.copy_from_slice(values);
        Ok(())
    }
}

#[test]
fn weights_may_be_elsewhere() {
    let mut n = Numbers(5);
    let values = n.many(4 * 3 * 9);
    let network = |weights| {
        Network::new(&Graph {
            input: [3, 6, 6],
            nodes: vec![Node::Conv {
                input: 0,
                weights,
                bias: None,
                out: 4,
                groups: 1,
                window: window(3, 1, 1, 1),
            }],
            output: 1,
        })
    };
    let image = n.many(3 * 36);
    let answer = |weights| {
        let network = network(weights).unwrap();
        let mut answer = vec![0.0; network.output_len()];
        network.run(&image, &mut answer, 1);
        answer
    };
    let source = Elsewhere(Some(values.clone()), values.len());
    assert_eq!(
        answer(WeightData::Source(&source)),
        answer(WeightData::Floats(Cow::Owned(values)))
    );
    let gone = network(WeightData::Source(&Elsewhere(None, 108)))
        .err()
        .expect("refused");
    assert!(
        gone.to_string()
            .contains("cannot read the weights of node 0"),
        "{gone}"
    );
}

#[test]
fn a_nan_is_not_hidden() {
    let mut n = Numbers(6);
    let nodes = vec![
        conv(&mut n, 0, 3, 16, 1, window(3, 1, 1, 1)),
        Node::Clamp {
            input: 1,
            low: 0.0,
            high: 6.0,
        },
        Node::MaxPool {
            input: 2,
            window: window(3, 2, 1, 1),
        },
        Node::Clamp {
            input: 3,
            low: 0.0,
            high: 6.0,
        },
        Node::GlobalAvgPool { input: 4 },
    ];
    let graph = Graph {
        input: [3, 8, 8],
        nodes,
        output: 5,
    };
    let mut image = n.many(3 * 64);
    image[77] = f32::NAN;
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa).unwrap();
        let mut answer = vec![0.0; 16];
        network.run(&image, &mut answer, 2);
        assert!(answer.iter().all(|a| a.is_nan()), "{isa}: {answer:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut n = Numbers(8);
    let refused = |input: [usize; 3], nodes: Vec<Node>, output| {
        Network::new(&Graph {
            input,
            nodes,
            output,
        })
        .err()
        .expect("refused")
        .to_string()
    };
    let node = conv(&mut n, 0, 3, 4, 1, window(3, 1, 1, 1));
    assert!(refused([4, 8, 8], vec![node.clone()], 1).contains("expected 144 weights, got 108"));
    assert!(refused([3, 8, 8], vec![node.clone()], 2).contains("value 2 is wanted"));
    assert!(
        refused([3, 8, 8], vec![Node::Add { a: 0, b: 1 }], 1).contains("before it is computed")
    );
    let big = conv(&mut n, 0, 3, 4, 1, window(9, 1, 0, 0));
    assert!(refused([3, 8, 8], vec![big], 1).contains("does not fit 8 x 8"));
    let lrn = Node::Lrn {
        input: 0,
        size: 99,
        alpha: 1.0,
        beta: 0.75,
        bias: 1.0,
    };
    let network = Network::new(&Graph {
        input: [3, 8, 8],
        nodes: vec![lrn],
        output: 1,
    });
    assert!(matches!(network, Err(Error::Unsupported { .. })));
    let huge = Graph {
        input: [1 << 20, 1 << 20, 1 << 20],
        nodes: vec![Node::Clamp {
            input: 0,
            low: 0.0,
            high: 1.0,
        }],
        output: 1,
    };
    assert!(matches!(Network::new(&huge), Err(Error::TooLarge(_))));
    // One channel to one, packed for full vectors, is 64 times what the file holds with 8 lanes, 256 times with 16.
    let wide = conv(&mut n, 0, 1, 1, 1, window(3000, 1, 0, 0));
    let graph = Graph {
        input: [1, 3000, 3000],
        nodes: vec![
            Node::Clamp {
                input: 0,
                low: 0.0,
                high: 1.0,
            },
            match wide {
                Node::Conv {
                    weights,
                    bias,
                    out,
                    groups,
                    window,
                    ..
                } => Node::Conv {
                    input: 1,
                    weights,
                    bias,
                    out,
                    groups,
                    window,
                },
                other => other,
            },
        ],
        output: 2,
    };
    assert!(matches!(Network::new(&graph), Err(Error::TooLarge(_))));
}

#[test]
fn sizes_that_overflow_are_refused() {
    let base = window(2, 1, 0, 0);
    let most = usize::MAX;
    let windows = [
        Window {
            dilation: [most; 2],
            ..base
        },
        Window {
            dilation: [1, most],
            ..base
        },
        Window {
            before: [most, 0],
            ..base
        },
        Window {
            after: [0, most],
            ..base
        },
        Window {
            before: [most / 2; 2],
            after: [most / 2 + 2; 2],
            ..base
        },
        Window {
            kernel: [0, 1],
            ..base
        },
        Window {
            stride: [0, 1],
            ..base
        },
    ];
    for window in windows {
        assert_eq!(window.output([8, 8]), None, "{window:?}");
        let mut n = Numbers(9);
        let weights = n.weights(3 * 4 * window.kernel[0] * window.kernel[1]);
        let node = Node::Conv {
            input: 0,
            weights,
            bias: None,
            out: 4,
            groups: 1,
            window,
        };
        let graph = Graph {
            input: [3, 8, 8],
            nodes: vec![node],
            output: 1,
        };
        assert!(
            matches!(Network::new(&graph), Err(Error::Node { .. })),
            "{window:?}"
        );
    }
    // A border that can be counted but not held.
    let wide = Window {
        before: [1 << 28, 0],
        ..base
    };
    let mut n = Numbers(9);
    let node = conv(&mut n, 0, 3, 4, 1, wide);
    let graph = Graph {
        input: [3, 8, 8],
        nodes: vec![node],
        output: 1,
    };
    assert!(matches!(Network::new(&graph), Err(Error::TooLarge(_))));
}

#[test]
fn an_image_that_overflows_spoils_no_later_one() {
    let mut n = Numbers(10);
    // The image is read into full blocks, because its first reader is no plain convolution.
    let nodes = vec![
        Node::Clamp {
            input: 0,
            low: -1e38,
            high: f32::INFINITY,
        },
        conv(&mut n, 1, 3, 20, 1, window(3, 1, 1, 1)),
        conv(&mut n, 2, 20, 20, 1, window(3, 1, 1, 1)),
        Node::GlobalAvgPool { input: 3 },
    ];
    let graph = Graph {
        input: [3, 9, 9],
        nodes,
        output: 4,
    };
    let image = n.many(3 * 81);
    let mut spoiled = image.clone();
    spoiled.iter_mut().for_each(|v| *v = 3e38);
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa).unwrap();
        let answer = |image: &[f32]| {
            let mut answer = vec![0.0; 20];
            network.run(image, &mut answer, 1);
            answer
        };
        let before = answer(&image);
        assert!(
            answer(&spoiled).iter().any(|v| !v.is_finite()),
            "{isa}: it does not overflow"
        );
        assert_eq!(before, answer(&image), "{isa}");
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn any_number_of_threads_is_a_number_of_threads() {
    let mut n = Numbers(11);
    let nodes = vec![conv(&mut n, 0, 3, 40, 1, window(3, 1, 1, 1))];
    let network = Network::new(&Graph {
        input: [3, 20, 20],
        nodes,
        output: 1,
    })
    .unwrap();
    let images = n.many(5 * network.input_len());
    let answer = |threads| {
        let mut answer = vec![0.0; 5 * network.output_len()];
        network.run(&images, &mut answer, threads);
        answer
    };
    let one = answer(1);
    for threads in [0, 2, 400, usize::MAX] {
        assert_eq!(one, answer(threads), "{threads} threads");
    }
    // From many threads at once, each on its own images.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(one, answer(2))));
        }
    });
}
