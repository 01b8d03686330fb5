//! 3 x 3 convolutions in Winograd's tiles against sums written out in float64: sizes that tiles do not divide, uneven
//! borders, odd numbers of channels, residual sums, bands, groups of tiles over the ends of rows.

#![allow(clippy::unwrap_used)]

mod plain;

use std::borrow::Cow;

use kernels::{Config, Graph, Isa, Network, Node, WeightData};
use plain::{Numbers, check, check_with, conv, reference, window};

const DIRECT: Config = Config {
    isa: None,
    precision: kernels::ComputeType::Float32,
    less_memory: true,
    cache_bytes: None,
};

/// Whether the network really has other weights than that of direct sums.
fn uses_tiles(graph: &Graph) -> bool {
    let bytes = |config: &Config| Network::with_config(graph, config).unwrap().bytes().0;
    bytes(&Config::default()) > bytes(&DIRECT)
}

#[test]
fn sizes_and_borders() {
    let mut n = Numbers(1);
    // Tiles of 2 x 2 outputs, then, from 36 tiles on, of 4 x 4.
    let cases = [
        // channels, out, height, width, before, after
        (32, 32, 14, 14, 1, 1),
        (33, 40, 13, 15, 1, 1),
        (64, 70, 17, 9, 0, 2),
        (48, 32, 9, 25, 2, 2),
        (32, 32, 8, 59, 0, 0),
        (32, 33, 24, 24, 1, 1),
        (40, 32, 22, 29, 1, 1),
        (32, 32, 23, 25, 0, 2),
    ];
    for (channels, out, height, width, before, after) in cases {
        let node = conv(&mut n, 0, channels, out, 1, window(3, 1, before, after));
        let graph = Graph {
            input: [channels, height, width],
            nodes: vec![node],
            output: 1,
        };
        let what = format!("{channels} to {out}, {height} x {width}, border {before}, {after}");
        assert!(uses_tiles(&graph), "{what}: computed directly");
        check(&what, &graph);
        check_with(&format!("{what}, directly"), &graph, &DIRECT);
    }
}

/// Values are stored with the larger border of their readers, whether those read them in tiles or directly.
#[test]
fn sums_and_clamps_and_other_readers() {
    let mut n = Numbers(2);
    let relu = |input| Node::Clamp {
        input,
        low: 0.0,
        high: f32::INFINITY,
    };
    let nodes = vec![
        conv(&mut n, 0, 3, 32, 1, window(3, 1, 1, 1)), // 1: directly, 19 x 21
        relu(1),                                       // 2
        conv(&mut n, 2, 32, 48, 1, window(3, 1, 1, 1)), // 3: in tiles
        Node::Clamp {
            input: 3,
            low: -1.0,
            high: 2.0,
        }, // 4
        conv(&mut n, 4, 48, 32, 1, window(3, 1, 1, 1)), // 5: takes the sum
        Node::Add { a: 2, b: 5 },                      // 6
        relu(6),                                       // 7
        conv(&mut n, 7, 32, 32, 32, window(5, 1, 2, 2)), // 8: depthwise over the same value as 9
        conv(&mut n, 7, 32, 32, 1, window(3, 1, 1, 1)), // 9
        Node::Add { a: 8, b: 9 },                      // 10
    ];
    check(
        "a network with tiles",
        &Graph {
            input: [3, 19, 21],
            nodes,
            output: 10,
        },
    );
}

/// More rows than one band has.
#[test]
fn many_bands() {
    let mut n = Numbers(3);
    let graph = Graph {
        input: [64, 44, 44],
        nodes: vec![
            conv(&mut n, 0, 64, 32, 1, window(3, 1, 1, 1)),
            conv(&mut n, 1, 32, 33, 1, window(3, 1, 1, 1)),
        ],
        output: 2,
    };
    check("44 x 44", &graph);
    let layers = Network::new(&graph).unwrap().layers();
    assert_eq!((layers.all, layers.integer), (2, 0));
}

/// Few tiles would wait for their weights, few channels for the transforms.
#[test]
fn small_layers_are_computed_directly() {
    let mut n = Numbers(4);
    for (channels, out, side) in [(32, 32, 7), (16, 32, 28), (32, 24, 28)] {
        let node = conv(&mut n, 0, channels, out, 1, window(3, 1, 1, 1));
        let graph = Graph {
            input: [channels, side, side],
            nodes: vec![node],
            output: 1,
        };
        assert!(!uses_tiles(&graph), "{channels} to {out}, {side}");
    }
}

/// Rounding does not pile up: after 17 layers the answer is within 1e-5 of the largest number.
#[test]
fn a_deep_network_stays_exact() {
    let mut n = Numbers(5);
    let layer = |n: &mut Numbers, input| {
        let mut node = conv(n, input, 32, 32, 1, window(3, 1, 1, 1));
        if let Node::Conv { weights, .. } = &mut node {
            // Uniform within the bounds that keep the spread of values (He et al. 2015, arXiv 1502.01852).
            let bound = (6.0f32 / (32.0 * 9.0)).sqrt();
            let values = n.many(32 * 32 * 9).iter().map(|w| w * bound).collect();
            *weights = WeightData::Floats(Cow::Owned(values));
        }
        node
    };
    let relu = |input| Node::Clamp {
        input,
        low: 0.0,
        high: f32::INFINITY,
    };
    let mut nodes = vec![layer(&mut n, 0), relu(1)];
    for _ in 0..8 {
        let block = nodes.len();
        nodes.push(layer(&mut n, block));
        nodes.push(relu(block + 1));
        nodes.push(layer(&mut n, block + 2));
        nodes.push(Node::Add {
            a: block,
            b: block + 3,
        });
        nodes.push(relu(block + 4));
    }
    let graph = Graph {
        input: [32, 24, 24],
        output: nodes.len(),
        nodes,
    };
    assert!(uses_tiles(&graph));
    let image = n.many(graph.input.iter().product());
    let expected = reference(&graph, &image).swap_remove(graph.output);
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa).unwrap();
        let mut got = vec![0.0; expected.len()];
        network.run(&image, &mut got, 2);
        let pairs = got.iter().zip(&expected);
        let worst = pairs.fold(0.0f64, |m, (g, e)| m.max((f64::from(*g) - e).abs()));
        println!("{isa}: {:.1e} of the largest number", worst / largest);
        assert!(worst <= 1e-5 * largest, "{isa}: {worst} of {largest}");
    }
}
