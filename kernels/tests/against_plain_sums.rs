//! Every node against sums written out in float64, for all instructions this processor has: odd sizes, strides,
//! dilation, groups, uneven borders, sums and clamps taken over, values used twice.

#![allow(clippy::unwrap_used)]

mod plain;

use std::borrow::Cow;

use kernels::{Function, Graph, Network, Node, WeightData, WeightSource, Window};
use plain::{Numbers, check, conv, window};

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
