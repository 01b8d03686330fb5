//! Single layers of ResNet-50 and EfficientNet-Lite0, and the whole networks, on one thread with the best instructions of
//! this processor: `cargo bench -p kernels --bench layers -- [FILTER]`. `networks.rs` goes through instructions and threads.

mod builder;

use std::fmt;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kernels::{ComputeType, Config, Graph, Isa, Network};

use builder::{Numbers, builder, efficientnet_lite0, resnet50};

fn main() {
    divan::main();
}

/// A convolution.
#[derive(Clone, Copy)]
struct Layer {
    channels: usize,
    out: usize,
    /// Of the picture.
    side: usize,
    kernel: usize,
    stride: usize,
    depthwise: bool,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            out,
            side,
            kernel,
            stride,
            depthwise,
        } = self;
        let kind = if *depthwise { "depthwise" } else { "dense" };
        write!(f, "{kind} {kernel}x{kernel} by {stride}, ")?;
        write!(f, "{channels} to {out}, {side}x{side}")
    }
}

const fn dense(channels: usize, out: usize, side: usize, kernel: usize, stride: usize) -> Layer {
    Layer {
        channels,
        out,
        side,
        kernel,
        stride,
        depthwise: false,
    }
}

const fn depthwise(channels: usize, side: usize, kernel: usize, stride: usize) -> Layer {
    Layer {
        channels,
        out: channels,
        side,
        kernel,
        stride,
        depthwise: true,
    }
}

/// The stem, the two sizes of each block, a step down; then what mobile networks are made of.
const LAYERS: [Layer; 8] = [
    dense(3, 64, 224, 7, 2),
    dense(64, 64, 56, 3, 1),
    dense(256, 64, 56, 1, 1),
    dense(128, 128, 56, 3, 2),
    dense(512, 2048, 7, 1, 1),
    dense(40, 240, 28, 1, 1),
    depthwise(144, 56, 3, 1),
    depthwise(672, 14, 5, 2),
];

/// The instructions for these numbers, where this processor has some.
fn instructions(numbers: Numbers) -> Option<Isa> {
    let mut known = Isa::available().into_iter();
    known.find(|isa| numbers != Numbers::Bf16 || isa.has_bf16())
}

/// None of them where this processor does not compute bfloat16.
fn in_bfloat16<T>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let is_known = instructions(Numbers::Bf16).is_some();
    all.into_iter().filter(|_| is_known).collect()
}

/// One image through the network.
fn measure(bencher: Bencher, graph: &Graph, numbers: Numbers) {
    let precision = match numbers {
        Numbers::Bf16 => ComputeType::Bf16,
        Numbers::Float32 | Numbers::Int8 => ComputeType::Float32,
    };
    let config = Config {
        isa: instructions(numbers),
        precision,
        ..Config::default()
    };
    let network = Network::with_config(graph, &config).expect("a network that is computed");
    let image: Vec<f32> = (0..network.input_len())
        .map(|i| (i % 255) as f32 / 128.0 - 1.0)
        .collect();
    let mut answer = vec![0.0; network.output_len()];
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        network.run(black_box(&image), &mut answer, 1);
        black_box(&answer);
    });
}

fn measure_layer(bencher: Bencher, layer: Layer, numbers: Numbers) {
    let mut b = builder(numbers, layer.channels);
    let input = b.store(0);
    let sums = b.conv(
        input,
        layer.out,
        layer.kernel,
        layer.stride,
        layer.depthwise,
    );
    let clamped = b.clamp(sums, 6.0);
    let output = b.store(clamped);
    measure(bencher, &b.layer(output, layer.side), numbers);
}

#[divan::bench_group]
mod layers {
    use super::*;

    #[divan::bench(args = LAYERS)]
    fn float32(bencher: Bencher, layer: Layer) {
        measure_layer(bencher, layer, Numbers::Float32);
    }

    #[divan::bench(args = in_bfloat16(LAYERS))]
    fn bfloat16(bencher: Bencher, layer: Layer) {
        measure_layer(bencher, layer, Numbers::Bf16);
    }

    #[divan::bench(args = LAYERS)]
    fn int8(bencher: Bencher, layer: Layer) {
        measure_layer(bencher, layer, Numbers::Int8);
    }
}

/// A whole network.
#[derive(Clone, Copy, Debug)]
enum Whole {
    ResNet50,
    EfficientNetLite0,
}

const WHOLE: [Whole; 2] = [Whole::ResNet50, Whole::EfficientNetLite0];

fn measure_whole(bencher: Bencher, whole: Whole, numbers: Numbers) {
    let graph = match whole {
        Whole::ResNet50 => resnet50(numbers),
        Whole::EfficientNetLite0 => efficientnet_lite0(numbers),
    };
    measure(bencher, &graph, numbers);
}

#[divan::bench_group]
mod networks {
    use super::*;

    #[divan::bench(args = WHOLE)]
    fn float32(bencher: Bencher, whole: Whole) {
        measure_whole(bencher, whole, Numbers::Float32);
    }

    #[divan::bench(args = in_bfloat16(WHOLE))]
    fn bfloat16(bencher: Bencher, whole: Whole) {
        measure_whole(bencher, whole, Numbers::Bf16);
    }

    #[divan::bench(args = WHOLE)]
    fn int8(bencher: Bencher, whole: Whole) {
        measure_whole(bencher, whole, Numbers::Int8);
    }
}
