//! How long ResNet-50 and EfficientNet-Lite0 take with random weights in float32, bfloat16 and int8: median of many
//! runs, by instructions and threads. `layers.rs` measures single layers.
//!
//! `cargo bench -p kernels --bench networks -- [RUNS] [WORD...]`: only lines that hold every word, for example `int8 AMX`.
//! With LESS_MEMORY in the environment, no convolution is computed in Winograd's tiles.

mod builder;

use std::time::Instant;

use kernels::{ComputeType, Config, Graph, Isa, Network};

use builder::{Numbers, efficientnet_lite0, resnet50};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let runs = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(30);
    let words: Vec<&String> = arguments
        .iter()
        .filter(|a| a.parse::<usize>().is_err())
        .collect();
    for numbers in [Numbers::Float32, Numbers::Bf16, Numbers::Int8] {
        for (name, graph) in [
            ("ResNet-50", resnet50(numbers)),
            ("EfficientNet-Lite0", efficientnet_lite0(numbers)),
        ] {
            for isa in Isa::available() {
                let line = format!("{name} {numbers:?}, {isa}");
                let is_known = numbers != Numbers::Bf16 || isa.has_bf16();
                if is_known
                    && words
                        .iter()
                        .all(|word| line.to_lowercase().contains(&word.to_lowercase()))
                {
                    measure(&line, &graph, numbers, isa, runs);
                }
            }
        }
    }
}

fn measure(line: &str, graph: &Graph, numbers: Numbers, isa: Isa, runs: usize) {
    let len: usize = graph.input.iter().product();
    let image: Vec<f32> = (0..len).map(|i| (i % 255) as f32 / 128.0 - 1.0).collect();
    let precision = match numbers {
        Numbers::Bf16 => ComputeType::Bf16,
        Numbers::Float32 | Numbers::Int8 => ComputeType::Float32,
    };
    let begun = Instant::now();
    let network = match Network::with_config(
        graph,
        &Config {
            isa: Some(isa),
            precision,
            less_memory: std::env::var_os("LESS_MEMORY").is_some(),
            ..Config::default()
        },
    ) {
        Ok(network) => network,
        Err(error) => {
            eprintln!("{line}: {error}");
            return;
        }
    };
    let planned = begun.elapsed();
    let (weights, arena) = network.bytes();
    println!(
        "{line}: planned in {:.1} ms, {:.1} MB of weights, {:.1} MB of arena",
        planned.as_secs_f64() * 1e3,
        weights as f64 / 1e6,
        arena as f64 / 1e6
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, cores] {
        let mut answer = vec![0.0; network.output_len()];
        let mut millis: Vec<f64> = (0..runs)
            .map(|_| {
                let begun = Instant::now();
                network.run(&image, &mut answer, threads);
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        millis.sort_by(f64::total_cmp);
        println!(
            "  {threads} threads: median {:.2} ms, best {:.2} ms",
            millis[runs / 2],
            millis[0]
        );
    }
}
