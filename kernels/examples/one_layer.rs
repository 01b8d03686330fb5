//! A 3 x 3 convolution of ResNet-50 (256 channels, 14 x 14 pixels) on every instruction set of this processor:
//! `cargo run -p kernels --release --example one_layer -- [THREADS]`.

use std::borrow::Cow;
use std::time::Instant;

use kernels::{Graph, Isa, Network, Node, WeightData, Window};

const CHANNELS: usize = 256;
const SIDE: usize = 14;
const RUNS: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let conv = Node::Conv {
        input: 0,
        weights: WeightData::Floats(Cow::Owned(vec![1e-3; CHANNELS * CHANNELS * 9])),
        bias: None,
        out: CHANNELS,
        groups: 1,
        window: Window {
            kernel: [3, 3],
            before: [1; 2],
            after: [1; 2],
            ..Window::point()
        },
    };
    // The clamp becomes part of the convolution before it.
    let relu = Node::Clamp {
        input: 1,
        low: 0.0,
        high: f32::INFINITY,
    };
    let graph = Graph {
        input: [CHANNELS, SIDE, SIDE],
        nodes: vec![conv, relu],
        output: 2,
    };
    let sums = (CHANNELS * CHANNELS * 9 * SIDE * SIDE) as f64;
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa)?;
        let input = vec![1.0; network.input_len()];
        let mut output = vec![0.0; network.output_len()];
        network.run(&input, &mut output, threads);
        let start = Instant::now();
        for _ in 0..RUNS {
            network.run(&input, &mut output, threads);
        }
        let seconds = start.elapsed().as_secs_f64() / RUNS as f64;
        let billions = sums / seconds / 1e9;
        let (name, millis) = (isa.to_string(), seconds * 1e3);
        println!("{name:14} {millis:7.3} ms  {billions:6.1} billion products a second");
    }
    Ok(())
}
