//! How long ResNet-50 and EfficientNet-Lite0 take with random weights: median of many runs, by instructions and threads.
//!
//! `cargo bench -p kernels -- [RUNS]`

use std::borrow::Cow;
use std::time::Instant;

use kernels::{Graph, Isa, Network, Node, Value, Weights, Window};

struct Builder {
    nodes: Vec<Node<'static>>,
    channels: Vec<usize>,
    state: u32,
}

impl Builder {
    fn weights(&mut self, count: usize, scale: f32) -> Weights<'static> {
        let mut next = || {
            self.state = self
                .state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        Weights::Floats(Cow::Owned((0..count).map(|_| next() * scale).collect()))
    }

    fn push(&mut self, node: Node<'static>, channels: usize) -> Value {
        self.nodes.push(node);
        self.channels.push(channels);
        self.nodes.len()
    }

    fn conv(
        &mut self,
        input: Value,
        out: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
    ) -> Value {
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
        let weights = self.weights(out * fan, (3.0 / fan as f32).sqrt());
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

    fn clamp(&mut self, input: Value, high: f32) -> Value {
        self.push(
            Node::Clamp {
                input,
                low: 0.0,
                high,
            },
            self.channels[input],
        )
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.push(Node::Add { a, b }, self.channels[a])
    }

    fn finish(mut self, input: Value) -> Graph<'static> {
        let channels = self.channels[input];
        let pooled = self.push(Node::GlobalAvgPool { input }, channels);
        let weights = self.weights(1000 * channels, 0.02);
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

fn builder() -> Builder {
    Builder {
        nodes: Vec::new(),
        channels: vec![3],
        state: 1,
    }
}

fn resnet50() -> Graph<'static> {
    let mut b = builder();
    let stem = b.conv(0, 64, 7, 2, false);
    let stem = b.clamp(stem, f32::INFINITY);
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
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        for block in 0..blocks {
            let width = 64 << stage;
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let a = b.conv(x, width, 1, 1, false);
            let a = b.clamp(a, f32::INFINITY);
            let c = b.conv(a, width, 3, stride, false);
            let c = b.clamp(c, f32::INFINITY);
            let c = b.conv(c, width * 4, 1, 1, false);
            let shortcut = if block == 0 {
                b.conv(x, width * 4, 1, stride, false)
            } else {
                x
            };
            let sum = b.add(c, shortcut);
            x = b.clamp(sum, f32::INFINITY);
        }
    }
    b.finish(x)
}

fn efficientnet_lite0() -> Graph<'static> {
    let mut b = builder();
    let stem = b.conv(0, 32, 3, 2, false);
    let mut x = b.clamp(stem, 6.0);
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
            }
            y = b.conv(
                y,
                from * expand,
                kernel,
                if block == 0 { stride } else { 1 },
                true,
            );
            y = b.clamp(y, 6.0);
            y = b.conv(y, out, 1, 1, false);
            x = if block > 0 { b.add(y, x) } else { y };
        }
    }
    x = b.conv(x, 1280, 1, 1, false);
    x = b.clamp(x, 6.0);
    b.finish(x)
}

fn main() {
    let runs: usize = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(30);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (name, graph) in [
        ("ResNet-50", resnet50()),
        ("EfficientNet-Lite0", efficientnet_lite0()),
    ] {
        let len: usize = graph.input.iter().product();
        let image: Vec<f32> = (0..len).map(|i| (i % 255) as f32 / 128.0 - 1.0).collect();
        for isa in Isa::available() {
            let begun = Instant::now();
            let network = match Network::for_isa(&graph, isa) {
                Ok(network) => network,
                Err(error) => {
                    eprintln!("{name}, {isa}: {error}");
                    continue;
                }
            };
            let planned = begun.elapsed();
            let (weights, arena) = network.bytes();
            println!(
                "{name}, {isa}: planned in {:.1} ms, {:.1} MB of weights, {:.1} MB of arena",
                planned.as_secs_f64() * 1e3,
                weights as f64 / 1e6,
                arena as f64 / 1e6
            );
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
    }
}
