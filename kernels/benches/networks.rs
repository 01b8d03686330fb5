//! How long ResNet-50 and EfficientNet-Lite0 take with random weights in float32, bfloat16 and int8: median of many
//! runs, by instructions and threads.
//!
//! `cargo bench -p kernels -- [RUNS] [WORD...]`: only lines that hold every word, for example `int8 AMX`. With
//! LESS_MEMORY in the environment, no convolution is computed in Winograd's tiles.

use std::borrow::Cow;
use std::time::Instant;

use kernels::{
    ByteValues, Bytes, ComputeType, Config, Graph, Isa, Network, Node, Quantization, ValueId,
    WeightData, Window,
};

/// In what numbers a network is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    Float32,
    Bf16,
    Int8,
}

struct Builder {
    nodes: Vec<Node<'static>>,
    channels: Vec<usize>,
    state: u32,
    is_int8: bool,
}

impl Builder {
    /// Stored as bytes and read again, where the network is quantized.
    fn store(&mut self, input: ValueId) -> ValueId {
        if !self.is_int8 {
            return input;
        }
        let quantization = Quantization {
            scale: 0.02,
            zero_point: 0,
            is_signed: false,
        };
        let channels = self.channels[input];
        let stored = self.push(
            Node::Quantize {
                input,
                quantization,
            },
            channels,
        );
        self.push(Node::Dequantize { input: stored }, channels)
    }

    /// Weights of a convolution or linear layer, of about `scale`.
    fn layer_weights(&mut self, count: usize, out: usize, scale: f32) -> WeightData<'static> {
        let weights = self.weights(count, scale);
        match weights {
            WeightData::Floats(floats) if self.is_int8 => {
                let bytes: Vec<u8> = floats
                    .iter()
                    .map(|w| (w / scale * 127.0) as i8 as u8)
                    .collect();
                WeightData::Bytes(Bytes {
                    values: ByteValues::Here(bytes.into()),
                    is_signed: true,
                    scales: vec![scale / 127.0; out].into(),
                    zero_points: vec![0].into(),
                })
            }
            other => other,
        }
    }

    fn weights(&mut self, count: usize, scale: f32) -> WeightData<'static> {
        let mut next = || {
            self.state = self
                .state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        WeightData::Floats(Cow::Owned((0..count).map(|_| next() * scale).collect()))
    }

    fn push(&mut self, node: Node<'static>, channels: usize) -> ValueId {
        self.nodes.push(node);
        self.channels.push(channels);
        self.nodes.len()
    }

    fn conv(
        &mut self,
        input: ValueId,
        out: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
    ) -> ValueId {
        let from = self.channels[input];
        let groups = if depthwise { from } else { 1 };
        let fan = from / groups * kernel * kernel;
        let window = Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            before: [kernel / 2; 2],
            after: [kernel / 2; 2],
        };
        let weights = self.layer_weights(out * fan, out, (3.0 / fan as f32).sqrt());
        let bias = Some(self.weights(out, 0.1));
        self.push(
            Node::Conv {
                input,
                weights,
                bias,
                out,
                groups,
                window,
            },
            out,
        )
    }

    fn clamp(&mut self, input: ValueId, high: f32) -> ValueId {
        self.push(
            Node::Clamp {
                input,
                low: 0.0,
                high,
            },
            self.channels[input],
        )
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.push(Node::Add { a, b }, self.channels[a])
    }

    fn finish(mut self, input: ValueId) -> Graph<'static> {
        let channels = self.channels[input];
        let pooled = self.push(Node::GlobalAvgPool { input }, channels);
        let pooled = self.store(pooled);
        let weights = self.layer_weights(1000 * channels, 1000, 0.02);
        let output = self.push(
            Node::Linear {
                input: pooled,
                weights,
                bias: None,
                out: 1000,
            },
            1000,
        );
        Graph {
            input: [3, 224, 224],
            nodes: self.nodes,
            output,
        }
    }
}

fn builder(numbers: Numbers) -> Builder {
    Builder {
        nodes: Vec::new(),
        channels: vec![3],
        state: 1,
        is_int8: numbers == Numbers::Int8,
    }
}

fn resnet50(numbers: Numbers) -> Graph<'static> {
    let mut b = builder(numbers);
    let image = b.store(0);
    let stem = b.conv(image, 64, 7, 2, false);
    let stem = b.clamp(stem, f32::INFINITY);
    let stem = b.store(stem);
    let window = Window {
        kernel: [3; 2],
        stride: [2; 2],
        dilation: [1; 2],
        before: [1; 2],
        after: [1; 2],
    };
    let mut x = b.push(
        Node::MaxPool {
            input: stem,
            window,
        },
        64,
    );
    x = b.store(x);
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        for block in 0..blocks {
            let width = 64 << stage;
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let a = b.conv(x, width, 1, 1, false);
            let a = b.clamp(a, f32::INFINITY);
            let a = b.store(a);
            let c = b.conv(a, width, 3, stride, false);
            let c = b.clamp(c, f32::INFINITY);
            let c = b.store(c);
            let c = b.conv(c, width * 4, 1, 1, false);
            let c = b.store(c);
            let shortcut = if block == 0 {
                let shortcut = b.conv(x, width * 4, 1, stride, false);
                b.store(shortcut)
            } else {
                x
            };
            let sum = b.add(c, shortcut);
            x = b.clamp(sum, f32::INFINITY);
            x = b.store(x);
        }
    }
    b.finish(x)
}

fn efficientnet_lite0(numbers: Numbers) -> Graph<'static> {
    let mut b = builder(numbers);
    let image = b.store(0);
    let stem = b.conv(image, 32, 3, 2, false);
    let stem = b.clamp(stem, 6.0);
    let mut x = b.store(stem);
    let stages = [
        (1, 16, 1, 3, 1),
        (6, 24, 2, 3, 2),
        (6, 40, 2, 5, 2),
        (6, 80, 3, 3, 2),
        (6, 112, 3, 5, 1),
        (6, 192, 4, 5, 2),
        (6, 320, 1, 3, 1),
    ];
    for (expand, out, blocks, kernel, stride) in stages {
        for block in 0..blocks {
            let from = b.channels[x];
            let mut y = x;
            if expand > 1 {
                y = b.conv(y, from * expand, 1, 1, false);
                y = b.clamp(y, 6.0);
                y = b.store(y);
            }
            y = b.conv(
                y,
                from * expand,
                kernel,
                if block == 0 { stride } else { 1 },
                true,
            );
            y = b.clamp(y, 6.0);
            y = b.store(y);
            y = b.conv(y, out, 1, 1, false);
            y = b.store(y);
            x = if block > 0 {
                let sum = b.add(y, x);
                b.store(sum)
            } else {
                y
            };
        }
    }
    x = b.conv(x, 1280, 1, 1, false);
    x = b.clamp(x, 6.0);
    x = b.store(x);
    b.finish(x)
}

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
