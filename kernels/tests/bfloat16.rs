//! bfloat16: close to float32 where the processor has it, float32 itself where it has not, the same for any number of
//! threads; the answer is not rounded, whatever computes it.

#![allow(clippy::unwrap_used)]

mod graphs;

use std::borrow::Cow;

use kernels::{ComputeType, Config, Graph, Isa, Network, Node, WeightData, Window};

use graphs::{Numbers, window};

#[test]
fn bfloat16_is_close_to_float32() {
    let mut n = Numbers::new(3);
    let real = |n: &mut Numbers, count: usize, scale: f32| {
        WeightData::Floats(Cow::Owned(
            n.many(count).iter().map(|v| v * scale).collect(),
        ))
    };
    let mut layer = |input, from: usize, out: usize, groups: usize, window: Window| {
        let fan = from / groups * window.kernel[0] * window.kernel[1];
        Node::Conv {
            input,
            weights: real(&mut n, out * fan, (3.0 / fan as f32).sqrt()),
            bias: Some(real(&mut n, out, 0.1)),
            out,
            groups,
            window,
        }
    };
    let relu = |input| Node::Clamp {
        input,
        low: 0.0,
        high: f32::INFINITY,
    };
    let nodes = vec![
        layer(0, 3, 40, 1, window(7, 2, 3, 3)),
        relu(1),
        layer(2, 40, 40, 40, window(3, 1, 1, 1)),
        layer(3, 40, 70, 1, window(1, 1, 0, 0)),
        Node::MaxPool {
            input: 4,
            window: window(3, 2, 1, 1),
        },
        layer(5, 70, 70, 1, window(3, 1, 1, 1)),
        Node::Add { a: 6, b: 5 },
        relu(7),
        layer(8, 70, 48, 2, window(3, 2, 1, 1)),
        Node::GlobalAvgPool { input: 9 },
        Node::Linear {
            input: 10,
            weights: real(&mut Numbers::new(5), 48 * 19, 0.25),
            bias: None,
            out: 19,
        },
    ];
    let mut graph = Graph {
        input: [3, 45, 61],
        nodes,
        output: 0,
    };
    // What comes behind the answer is computed, too, and reads it.
    for output in 1..=graph.nodes.len() {
        graph.output = output;
        check(&graph);
    }
}

fn check(graph: &Graph) {
    let mut numbers = Numbers::new(4);
    let image = numbers.many(3 * 45 * 61);
    let answer = |isa, precision, threads| {
        let network = Network::with_config(
            graph,
            &Config {
                isa: Some(isa),
                precision,
                ..Config::default()
            },
        )
        .unwrap();
        let mut answer = vec![0.0; network.output_len()];
        (0..2).for_each(|_| network.run(&image, &mut answer, threads));
        answer
    };
    for isa in Isa::available() {
        let exact = answer(isa, ComputeType::Float32, 1);
        let half = answer(isa, ComputeType::Bf16, 1);
        assert_eq!(
            half,
            answer(isa, ComputeType::Bf16, 2),
            "{isa}: the number of threads changes bits"
        );
        assert_eq!(isa.has_bf16(), half != exact, "{isa}");
        let scale = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (half, exact) in half.iter().zip(&exact) {
            assert!(
                (half - exact).abs() <= 0.02 * scale,
                "{isa}: {half} for {exact}"
            );
        }
        // The largest of several bfloat16 numbers is one itself.
        let chooses = matches!(graph.nodes[graph.output - 1], Node::MaxPool { .. });
        let is_rounded = half.iter().all(|value| value.to_bits() & 0xFFFF == 0);
        assert_eq!(
            is_rounded,
            isa.has_bf16() && chooses,
            "{isa}: value {}",
            graph.output
        );
    }
}

/// The root of the mean square of `a - b`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

/// Winograd's tiles round inputs and weights that were added up before. For independent numbers the variance of an
/// output's error is that of 9 + 2 * 27.6 roundings where direct sums have 18, a deviation 1.9 times as large: transformed
/// inputs have 4 times the variance, transformed weights 0.77 on average, and 9 products make an output. The answers
/// differ from the direct ones, so this test sees whether a layer is computed in tiles.
#[test]
fn tiles_of_bfloat16_are_nearly_as_close_as_direct_sums() {
    let mut n = Numbers::new(11);
    for (channels, out, height, width) in [
        (64, 64, 56, 56),
        (33, 40, 13, 15),
        (70, 33, 10, 21),
        (128, 48, 28, 28),
        (256, 256, 14, 14),
    ] {
        let count = out * channels * 9;
        let weights = WeightData::Floats(Cow::Owned(n.many(count)));
        let graph = Graph {
            input: [channels, height, width],
            nodes: vec![Node::Conv {
                input: 0,
                weights,
                bias: None,
                out,
                groups: 1,
                window: window(3, 1, 1, 1),
            }],
            output: 1,
        };
        let image = n.many(channels * height * width);
        let answer = |isa, precision, less_memory| {
            let config = Config {
                isa: Some(isa),
                precision,
                less_memory,
                ..Config::default()
            };
            let network = Network::with_config(&graph, &config).unwrap();
            let mut answer = vec![0.0; network.output_len()];
            network.run(&image, &mut answer, 2);
            answer
        };
        for isa in Isa::available().into_iter().filter(|isa| isa.has_bf16()) {
            let exact = answer(isa, ComputeType::Float32, true);
            let direct = answer(isa, ComputeType::Bf16, true);
            let tiled = answer(isa, ComputeType::Bf16, false);
            assert_eq!(isa == Isa::Amx, tiled == direct, "{isa}");
            let (of_direct, of_tiled) = (distance(&direct, &exact), distance(&tiled, &exact));
            println!("{isa} {channels} to {out}: {of_direct} directly, {of_tiled} in tiles");
            assert!(
                of_tiled <= 2.2 * of_direct,
                "{isa}: {of_tiled}, {of_direct} directly"
            );
        }
    }
}
