//! Quantized networks out of numbers: what `quantized.rs` and the fuzz target `kernels` are made of.

// Each of the two uses its own part.
#![allow(dead_code, clippy::unwrap_used)]

#[path = "../plain/splitmix.rs"]
mod splitmix;
#[path = "../plain/window.rs"]
mod window;

use std::borrow::Cow;

use kernels::{
    ByteValues, Bytes, Config, Graph, Isa, Network, Node, Quantization, ValueId, WeightData, Window,
};
pub use window::window;

/// Numbers from a counter, and choices that may be given.
pub struct Numbers {
    counter: u64,
    choices: Vec<u8>,
}

impl Numbers {
    /// Everything from the counter.
    pub fn new(seed: u64) -> Self {
        Self {
            counter: seed,
            choices: Vec::new(),
        }
    }

    /// What is chosen, as sizes and kinds of layers, goes by `choices` as far as they reach.
    pub fn choosing(choices: &[u8]) -> Self {
        Self {
            counter: choices.len() as u64,
            choices: choices.iter().rev().copied().collect(),
        }
    }

    pub fn bits(&mut self) -> u64 {
        splitmix::next(&mut self.counter)
    }

    /// Between -1 and 1.
    pub fn next(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    pub fn below(&mut self, count: usize) -> usize {
        let choice = self.choices.pop().map(u64::from);
        (choice.unwrap_or_else(|| self.bits()) % count as u64) as usize
    }
}

/// How weights are stored.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// int8, one scale a channel, no zero points.
    Symmetric,
    /// uint8, one scale, a zero point far from the middle.
    Asymmetric,
}

pub fn quantization(scale: f32, zero_point: i32, is_signed: bool) -> Quantization {
    Quantization {
        scale,
        zero_point,
        is_signed,
    }
}

pub fn bytes(
    n: &mut Numbers,
    count: usize,
    out: usize,
    kind: Kind,
    scale: f32,
) -> WeightData<'static> {
    let values: Vec<u8> = (0..count).map(|_| n.bits() as u8).collect();
    WeightData::Bytes(match kind {
        Kind::Symmetric => Bytes {
            values: ByteValues::Here(values.into()),
            is_signed: true,
            scales: (0..out).map(|_| scale * (1.5 + n.next())).collect(),
            zero_points: Cow::Owned(vec![0]),
        },
        Kind::Asymmetric => Bytes {
            values: ByteValues::Here(values.into()),
            is_signed: false,
            scales: Cow::Owned(vec![scale]),
            zero_points: Cow::Owned(vec![17]),
        },
    })
}

#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub from: usize,
    pub out: usize,
    pub groups: usize,
    pub window: Window,
    pub kind: Kind,
}

/// A convolution whose result has about the size of its input.
pub fn conv(n: &mut Numbers, input: ValueId, layer: Layer, x_scale: f32) -> Node<'static> {
    let Layer {
        from,
        out,
        groups,
        window,
        kind,
    } = layer;
    let fan = from / groups * window.kernel[0] * window.kernel[1];
    let scale = 0.02 / (fan as f32).sqrt();
    let weights = bytes(n, out * fan, out, kind, scale);
    let scales: Vec<f32> = match &weights {
        WeightData::Bytes(bytes) if bytes.scales.len() == out => {
            bytes.scales.iter().map(|s| s * x_scale).collect()
        }
        _ => vec![scale * x_scale],
    };
    let bias = WeightData::Integers {
        values: (0..out).map(|_| (n.next() * 2000.0) as i32).collect(),
        scales: Cow::Owned(scales),
    };
    Node::Conv {
        input,
        weights,
        bias: Some(bias),
        out,
        groups,
        window,
    }
}

pub const X: Quantization = Quantization {
    scale: 2.0 / 255.0,
    zero_point: 127,
    is_signed: false,
};

/// The image stored and read again, values 1 and 2.
pub fn stored_image() -> Vec<Node<'static>> {
    vec![
        Node::Quantize {
            input: 0,
            quantization: X,
        },
        Node::Dequantize { input: 1 },
    ]
}

/// Only that all ways give the same: every instruction set, and values passed on whole or a band of rows at a time.
pub fn same_bits(what: &str, graph: &Graph) {
    let mut n = Numbers::new(6);
    let image = n.many(graph.input.iter().product());
    let mut first: Option<Vec<f32>> = None;
    for isa in Isa::available() {
        for cache_bytes in [None, Some(1)] {
            let config = Config {
                isa: Some(isa),
                cache_bytes,
                ..Config::default()
            };
            let network = Network::with_config(graph, &config).unwrap();
            let mut got = vec![f32::NAN; network.output_len()];
            network.run(&image, &mut got, 2);
            let first = first.get_or_insert_with(|| got.clone());
            assert_eq!(first, &got, "{what}, {isa}, a cache of {cache_bytes:?}");
        }
    }
}

/// A random chain of quantized layers; none where a window does not fit its image.
pub fn random_chain(n: &mut Numbers) -> Option<Graph<'static>> {
    let channels = 1 + n.below(90);
    let (height, width) = (3 + n.below(18), 3 + n.below(34));
    let mut nodes = stored_image();
    let (mut value, mut from, mut scale) = (2, channels, X.scale);
    for _ in 0..1 + n.below(4) {
        let kernel = [1, 2, 3, 5][n.below(4)];
        let is_depthwise = n.below(3) == 0;
        let out = if is_depthwise { from } else { 1 + n.below(150) };
        let layer = Layer {
            from,
            out,
            groups: if is_depthwise { from } else { 1 },
            window: window(
                kernel,
                1 + n.below(2),
                kernel / 2,
                (kernel - 1) / 2 + n.below(2),
            ),
            kind: if n.below(4) == 0 {
                Kind::Asymmetric
            } else {
                Kind::Symmetric
            },
        };
        nodes.push(conv(n, value, layer, scale));
        let y = quantization(0.004 + 0.02 * (n.next() + 1.0), n.below(256) as i32, false);
        nodes.push(Node::Quantize {
            input: nodes.len(),
            quantization: y,
        });
        nodes.push(Node::Dequantize { input: nodes.len() });
        (value, from, scale) = (nodes.len(), out, y.scale);
    }
    let graph = Graph {
        input: [channels, height, width],
        nodes,
        output: value,
    };
    graph.shapes().is_ok().then_some(graph)
}
