//! Convolutions that take turns, a band of rows at a time: the bits of whole values, and those of plain sums as far as
//! float32 goes. Quantized ones are compared in `graphs::same_bits`.

#![allow(clippy::unwrap_used)]

mod plain;

use kernels::{ComputeType, Config, Graph, Isa, Network, Node, ValueId};
use plain::{Numbers, check_with, conv, window};

/// A cache in which no value has room: whatever can be, is computed in bands of two rows or a few.
const HARDLY_ANY: [usize; 2] = [1, 20_000];

fn relu(input: ValueId) -> Node<'static> {
    Node::Clamp {
        input,
        low: 0.0,
        high: 6.0,
    }
}

/// As in a mobile network: wider, every channel by itself, narrower, and the sum with what came in.
fn mobile() -> Graph<'static> {
    let mut n = Numbers(1);
    let nodes = vec![
        conv(&mut n, 0, 3, 24, 1, window(3, 2, 1, 1)),
        relu(1),
        conv(&mut n, 2, 24, 70, 1, window(1, 1, 0, 0)),
        relu(3),
        conv(&mut n, 4, 70, 70, 70, window(5, 1, 2, 2)),
        relu(5),
        conv(&mut n, 6, 70, 24, 1, window(1, 1, 0, 0)),
        Node::Add { a: 7, b: 2 },
        conv(&mut n, 8, 24, 50, 1, window(3, 2, 0, 1)),
        conv(&mut n, 9, 50, 20, 1, window(3, 1, 2, 2)),
    ];
    Graph {
        input: [3, 83, 75],
        output: nodes.len(),
        nodes,
    }
}

#[test]
fn plain_sums_and_less_memory() {
    let graph = mobile();
    let arena = |config: &Config| Network::with_config(&graph, config).unwrap().bytes().1;
    for cache_bytes in HARDLY_ANY {
        let config = Config {
            less_memory: true,
            cache_bytes: Some(cache_bytes),
            ..Config::default()
        };
        check_with("in bands", &graph, &config);
        let whole = Config {
            cache_bytes: None,
            ..config
        };
        assert!(arena(&config) < arena(&whole), "nothing was cut into bands");
    }
}

/// Windows of all kinds, rows that are missing above and below, values with a second reader.
fn random(n: &mut Numbers) -> Option<Graph<'static>> {
    let mut below = |count: usize| (n.next().abs() * count as f32) as usize % count;
    let input = [1 + below(30), 4 + below(40), 8 + below(40)];
    let layers: Vec<[usize; 6]> = (0..2 + below(4))
        .map(|_| {
            [
                below(3),
                1 + below(60),
                below(4),
                1 + below(3),
                below(3),
                below(3),
            ]
        })
        .collect();
    let mut nodes = Vec::new();
    let mut channels = vec![input[0]];
    let mut last = 0;
    for [kind, out, kernel, stride, before, after] in layers {
        let from = channels[last];
        let (out, groups) = if kind == 0 { (from, from) } else { (out, 1) };
        let kernel = [1, 2, 3, 5][kernel];
        let window = window(
            kernel,
            stride,
            before.min(kernel - 1),
            after.min(kernel - 1),
        );
        nodes.push(conv(n, last, from, out, groups, window));
        channels.push(out);
        if kind == 2 && out == from && stride == 1 {
            nodes.push(Node::Add {
                a: nodes.len(),
                b: last,
            });
            channels.push(out);
        }
        last = nodes.len();
    }
    let graph = Graph {
        input,
        nodes,
        output: last,
    };
    graph.shapes().is_ok().then_some(graph)
}

#[test]
fn bands_have_the_bits_of_whole_values() {
    let mut n = Numbers(7);
    let mut cut = 0;
    for seed in 0..60 {
        let Some(graph) = random(&mut n) else {
            continue;
        };
        let image = n.many(graph.input.iter().product());
        for isa in Isa::available() {
            for precision in [ComputeType::Float32, ComputeType::Bf16] {
                let answer = |cache_bytes: Option<usize>, threads: usize| {
                    let config = Config {
                        isa: Some(isa),
                        precision,
                        cache_bytes,
                        ..Config::default()
                    };
                    let network = Network::with_config(&graph, &config).unwrap();
                    let mut got = vec![f32::NAN; network.output_len()];
                    // Twice, as the second run finds what the first one left.
                    network.run(&image, &mut got, threads);
                    network.run(&image, &mut got, threads);
                    (got, network.bytes().1)
                };
                let (expected, whole) = answer(Some(usize::MAX), 1);
                for cache_bytes in HARDLY_ANY {
                    for threads in [1, 2] {
                        let (got, arena) = answer(Some(cache_bytes), threads);
                        let what =
                            format!("{seed}, {isa}, {precision:?}, {cache_bytes}, {threads}");
                        assert_eq!(got, expected, "{what}, {:?}", graph.input);
                        cut += usize::from(arena < whole);
                    }
                }
            }
        }
    }
    assert!(cut > 0, "nothing was cut into bands");
}
