//! Networks and layers with random weights, for the benchmarks.

#![allow(dead_code, reason = "every benchmark uses a part of it")]

#[path = "../../tests/plain/window.rs"]
mod window;

use std::borrow::Cow;

use kernels::{ByteValues, Bytes, Graph, Node, Quantization, ValueId, WeightData};

use window::window;

/// In what numbers a network is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    Float32,
    Bf16,
    Int8,
}

/// A network that grows node by node, with weights from a counter.
pub struct Builder {
    nodes: Vec<Node<'static>>,
    channels: Vec<usize>,
    state: u32,
    is_int8: bool,
}

impl Builder {
    /// Stored as bytes and read again, where the network is quantized.
    pub fn store(&mut self, input: ValueId) -> ValueId {
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

    pub fn conv(
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
        let window = window(kernel, stride, kernel / 2, kernel / 2);
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

    pub fn clamp(&mut self, input: ValueId, high: f32) -> ValueId {
        self.push(
            Node::Clamp {
                input,
                low: 0.0,
                high,
            },
            self.channels[input],
        )
    }

    pub fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.push(Node::Add { a, b }, self.channels[a])
    }

    /// The network that gives this value, of an image with this side.
    pub fn layer(self, output: ValueId, side: usize) -> Graph<'static> {
        Graph {
            input: [self.channels[0], side, side],
            nodes: self.nodes,
            output,
        }
    }

    pub fn finish(mut self, input: ValueId) -> Graph<'static> {
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

/// A network that has only its input yet, of so many channels.
pub fn builder(numbers: Numbers, channels: usize) -> Builder {
    Builder {
        nodes: Vec::new(),
        channels: vec![channels],
        state: 1,
        is_int8: numbers == Numbers::Int8,
    }
}

pub fn resnet50(numbers: Numbers) -> Graph<'static> {
    let mut b = builder(numbers, 3);
    let image = b.store(0);
    let stem = b.conv(image, 64, 7, 2, false);
    let stem = b.clamp(stem, f32::INFINITY);
    let stem = b.store(stem);
    let pool = Node::MaxPool {
        input: stem,
        window: window(3, 2, 1, 1),
    };
    let mut x = b.push(pool, 64);
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

pub fn efficientnet_lite0(numbers: Numbers) -> Graph<'static> {
    let mut b = builder(numbers, 3);
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
