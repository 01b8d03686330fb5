//! Training steps of the trainer's engine against torchvision's networks and torch.optim: the same weights, the same
//! batches, the same loss curve, a `GradScaler`'s skipped steps included. `golden/make_curves.py` made the numbers.
//!
//! The arithmetic is proven in float64, where libtorch's kernels agree on every CPU to the last digits. Float32 is held to
//! the same curve by a bound that the generator derives from float32's rounding, not by what one CPU's kernels gave.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use train::collective::SingleProcess;
use train::data::TensorBatch;
use train::engine::{Skips, TrainEngine};
use train::mix::MixKey;
use train::model::TorchNetwork;
use train::precision::Scaler;
use train::recipe::{Override, Recipe, TrainPrecision, load};

const CLASSES: usize = 10;
const BATCH: i64 = 8;
const SIDE: usize = 64;
const BLOCK: usize = 8;

#[derive(Deserialize)]
struct Golden {
    rate: f64,
    momentum: f64,
    weight_decay: f64,
    resnet18: Curve,
    resnet50: Curve,
    overflow: Curve,
}

#[derive(Deserialize)]
struct Curve {
    /// In float64.
    losses: Vec<f64>,
    /// Root mean square of the relative distance that float32's rounding makes, step by step.
    rounding: Vec<f64>,
    /// What is put into a gradient after which step's backward.
    #[serde(default)]
    steps: BTreeMap<usize, String>,
    /// The scale after each step.
    #[serde(default)]
    scales: Vec<f64>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/curves.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// lowbias32 (Wellons 2018), as in the generator.
fn mix(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

fn numbers(name: &str) -> impl Iterator<Item = u32> + use<> {
    let fnv = |h: u32, byte| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let stream = mix(name.bytes().fold(0x811c_9dc5, fnv));
    (0..).map(move |index| mix(stream ^ index))
}

fn uniform(name: &str, count: usize, bound: f64) -> Vec<f32> {
    let unit = |bits: u32| (bits >> 8) as f32 / (1_u32 << 23) as f32 - 1.0;
    let values = numbers(name).take(count);
    values.map(|bits| unit(bits) * bound as f32).collect()
}

fn network(arch: &str, kind: Kind) -> TorchNetwork {
    let mut network = TorchNetwork::new(model_core::arch::by_name(arch, CLASSES).unwrap()).unwrap();
    for named in network.tensors() {
        let shape = named.tensor.size();
        // torchvision's zero_init_residual: the last BatchNorm of each block starts at 0.
        let last = if arch == "resnet50" {
            "bn3.weight"
        } else {
            "bn2.weight"
        };
        if named.name.starts_with("layer") && named.name.ends_with(last) {
            let _ = tch::no_grad(|| named.tensor.shallow_clone().zero_());
        }
        let bound = match shape.as_slice() {
            [out, _, height, width] => (6.0 / (out * height * width) as f64).sqrt(),
            _ if named.name == "fc.weight" => 1.0 / (shape[1] as f64).sqrt(),
            _ if named.name == "fc.bias" => {
                let weight = network.tensors().iter().find(|t| t.name == "fc.weight");
                1.0 / (weight.unwrap().tensor.size()[1] as f64).sqrt()
            }
            _ => continue,
        };
        let values = uniform(&named.name, named.tensor.numel(), bound);
        let values = Tensor::from_slice(&values).view(shape.as_slice());
        tch::no_grad(|| named.tensor.shallow_clone().copy_(&values));
    }
    network.set_kind(kind).unwrap();
    network
}

fn batch(step: usize) -> TensorBatch {
    let labels: Vec<i64> = numbers(&format!("labels {step}"))
        .take(BATCH as usize)
        .map(|bits| i64::from(bits % CLASSES as u32))
        .collect();
    let mut pixels = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let blocks = SIDE / BLOCK;
        let pattern: Vec<u32> = numbers(&format!("pattern {label}"))
            .take(3 * blocks * blocks)
            .collect();
        let noise = numbers(&format!("noise {step} {index}")).take(3 * SIDE * SIDE);
        for (at, noise) in noise.enumerate() {
            let (y, x, channel) = (at / 3 / SIDE, at / 3 % SIDE, at % 3);
            let block = (y / BLOCK * blocks + x / BLOCK) * 3 + channel;
            pixels.push(((pattern[block] >> 25) + (noise >> 25)) as u8);
        }
    }
    TensorBatch::from_interleaved(&pixels, SIDE as u32, SIDE as u32, &labels).unwrap()
}

fn recipe(golden: &Golden, arch: &str, way: Way) -> Recipe {
    let overrides = [
        Override::new("arch", arch),
        Override::new("batch_size", BATCH),
        Override::new("precision", way.precision),
        Override::new("channels_last", way.channels_last),
        Override::new("optimizer.learning_rate", golden.rate),
        Override::new("optimizer.momentum", golden.momentum),
        Override::new("optimizer.weight_decay", golden.weight_decay),
    ]
    .map(Result::unwrap);
    let mut recipe = load::resolve("resnet50-imagenet", &overrides).unwrap();
    // p / 128 - 1: exact on both sides.
    recipe.preprocessing.pixel_max = 256.0;
    recipe.preprocessing.mean = [0.5; 3];
    recipe.preprocessing.std = [0.5; 3];
    recipe
}

/// How the engine computes.
#[derive(Clone, Copy)]
struct Way {
    kind: Kind,
    channels_last: bool,
    precision: TrainPrecision,
}

const DOUBLE: Way = Way {
    kind: Kind::Double,
    channels_last: false,
    precision: TrainPrecision::Fp32,
};
const FLOAT: Way = Way {
    kind: Kind::Float,
    ..DOUBLE
};

impl Way {
    fn channels_last(self) -> Self {
        Way {
            channels_last: true,
            ..self
        }
    }
}

/// Our losses and loss scales over the first `steps` steps.
fn curve(golden: &Golden, arch: &str, way: Way, expected: &Curve, steps: usize) -> [Vec<f64>; 2] {
    torch_ext::backend::set_num_threads(1).unwrap();
    let recipe = recipe(golden, arch, way);
    let network = network(arch, way.kind);
    let mut engine = TrainEngine::new(&recipe, network, Device::Cpu, &mut SingleProcess).unwrap();
    if !expected.scales.is_empty() {
        engine.scaler = Scaler::new(true, 128.0, Device::Cpu).unwrap();
    }
    let (mut losses, mut scales) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let key = MixKey {
            seed: 0,
            epoch: 0,
            step: step as u64,
            micro: 0,
            rank: 0,
        };
        engine.begin(key).unwrap();
        let sums = engine.accumulate(&mut SingleProcess, &batch(step), key, true);
        losses.push(sums.unwrap().double_value(&[0]) / BATCH as f64);
        if let Some(value) = expected.steps.get(&step) {
            let conv1 = &engine.network.tensors()[0];
            assert_eq!(conv1.name, "conv1.weight");
            let mut gradient = conv1.tensor.grad().view([-1]).get(0);
            let _ = gradient.fill_(value.parse::<f64>().unwrap());
        }
        let update = engine.update(golden.rate).unwrap();
        assert_eq!(update.finite, Some(!expected.steps.contains_key(&step)));
        scales.push(engine.scaler.state().unwrap().0);
    }
    [losses, scales]
}

fn distances(losses: &[f64], expected: &Curve) -> Vec<f64> {
    let pairs = losses.iter().zip(&expected.losses);
    pairs
        .map(|(got, want)| (got - want).abs() / want.abs())
        .collect()
}

/// The same arithmetic: what is left is float64's rounding, 1e-16 and its growth over the steps.
fn assert_equal(name: &str, losses: &[f64], expected: &Curve) {
    for (step, distance) in distances(losses, expected).into_iter().enumerate() {
        assert!(
            distance <= 1e-9,
            "{name} step {step}: {distance:e} apart in float64"
        );
    }
}

/// What float32's rounding may make of a loss at `step`, relative: thirty times the root mean square that the generator found
/// (by Chebyshev's inequality more is rarer than one in 900, whatever the distribution), and the rounding of the loss
/// itself, a mean of eight positive numbers: nine roundings of at most 2^-24.
fn allowed(expected: &Curve, step: usize) -> f64 {
    30.0 * expected.rounding[step] + 9.0 * 2_f64.powi(-24)
}

fn assert_within_rounding(name: &str, losses: &[f64], expected: &Curve) {
    let distances = distances(losses, expected);
    let most = distances.iter().zip(&expected.rounding).map(|(d, r)| d / r);
    eprintln!(
        "{name}: at most {:.2} times the expected rounding, {:.1e} at the last step",
        most.fold(0.0, f64::max),
        distances[distances.len() - 1]
    );
    for (step, distance) in distances.into_iter().enumerate() {
        let allowed = allowed(expected, step);
        assert!(
            distance <= allowed,
            "{name} step {step}: {distance:e} from float64's loss, allowed {allowed:e}"
        );
    }
}

#[test]
fn the_arithmetic_is_torchvisions_and_torch_optims() {
    let golden = golden();
    for (arch, expected, way, steps) in [
        ("resnet18", &golden.resnet18, DOUBLE, 12),
        ("resnet18", &golden.resnet18, DOUBLE.channels_last(), 3),
        ("resnet50", &golden.resnet50, DOUBLE, 6),
        ("resnet18", &golden.overflow, DOUBLE, 10),
    ] {
        let [losses, scales] = curve(&golden, arch, way, expected, steps);
        assert_equal(arch, &losses, expected);
        if !expected.scales.is_empty() {
            assert_eq!(scales, expected.scales[..steps]);
        }
    }
}

#[test]
fn resnet18_in_float32_stays_within_rounding() {
    let golden = golden();
    let expected = &golden.resnet18;
    for way in [FLOAT, FLOAT.channels_last()] {
        let [losses, _] = curve(&golden, "resnet18", way, expected, expected.losses.len());
        assert_within_rounding("resnet18", &losses, expected);
    }
    let last = expected.losses[expected.losses.len() - 1];
    assert!(
        (last / expected.losses[0] - 1.0).abs() > 0.05,
        "the curve must go somewhere: {last}"
    );
}

#[test]
fn resnet50_in_float32_stays_within_rounding() {
    let golden = golden();
    let expected = &golden.resnet50;
    let [losses, _] = curve(&golden, "resnet50", FLOAT, expected, expected.losses.len());
    assert_within_rounding("resnet50", &losses, expected);
}

#[test]
fn overflows_skip_the_steps_and_halve_the_scale_as_grad_scaler_does() {
    let golden = golden();
    let expected = &golden.overflow;
    let [losses, scales] = curve(&golden, "resnet18", FLOAT, expected, expected.losses.len());
    assert_eq!(scales, expected.scales);
    assert_within_rounding("resnet18 with overflows", &losses, expected);
    // The skipped steps show: without them the curve is another one.
    assert_ne!(expected.losses, golden.resnet18.losses);
}

/// Where the host looks late, as on a GPU, the device leaves bad steps out by itself: the same weights to the last bit, the
/// same scales, and the sums and counts of the steps that were taken.
#[test]
fn looking_late_changes_nothing() {
    torch_ext::backend::set_num_threads(1).unwrap();
    let golden = golden();
    let steps = 9;
    let run = |late: bool| {
        let recipe = recipe(&golden, "resnet18", FLOAT);
        let network = network("resnet18", Kind::Float);
        let mut engine =
            TrainEngine::new(&recipe, network, Device::Cpu, &mut SingleProcess).unwrap();
        engine.scaler = Scaler::new(true, 128.0, Device::Cpu).unwrap();
        if late {
            engine.look_late().unwrap();
        }
        let mut total = Tensor::zeros([4], (Kind::Double, Device::Cpu));
        for step in 0..steps {
            let key = MixKey {
                seed: 0,
                epoch: 0,
                step: step as u64,
                micro: 0,
                rank: 0,
            };
            engine.begin(key).unwrap();
            let sums = engine
                .accumulate(&mut SingleProcess, &batch(step), key, true)
                .unwrap();
            // Inside a run of two, and the last: both counts show.
            if [3, 4, 8].contains(&step) {
                let mut gradient = engine.network.tensors()[0].tensor.grad().view([-1]).get(0);
                let _ = gradient.fill_(f64::INFINITY);
            }
            engine.update(golden.rate).unwrap();
            total += engine.where_finite(&sums).unwrap();
        }
        let skips = engine.take_skips().unwrap();
        let weights: Vec<Tensor> = engine
            .network
            .tensors()
            .iter()
            .map(|t| t.tensor.copy())
            .collect();
        (
            weights,
            total,
            engine.scaler.state().unwrap(),
            engine.optimizer.steps(),
            skips,
        )
    };
    let (at_once, late) = (run(false), run(true));
    for (a, b) in at_once.0.iter().zip(&late.0) {
        assert_eq!(a, b);
    }
    assert_eq!(
        (&at_once.1, at_once.2, at_once.3),
        (&late.1, late.2, late.3)
    );
    assert_eq!(at_once.1.double_value(&[3]), 6.0 * BATCH as f64);
    assert_eq!(at_once.4, None);
    let expected = Skips {
        in_all: 3,
        in_row: 1,
    };
    assert_eq!(late.4, Some(expected));
}

#[test]
fn a_less_exact_format_does_not_pass_for_float32() {
    let golden = golden();
    let way = Way {
        precision: TrainPrecision::Bf16,
        ..FLOAT
    };
    let expected = &golden.resnet18;
    let [losses, _] = curve(&golden, "resnet18", way, expected, 5);
    let distances = distances(&losses, expected);
    let beyond = |(step, distance): (usize, f64)| distance > 10.0 * allowed(expected, step);
    assert!(
        distances.iter().copied().enumerate().all(beyond),
        "{distances:?}"
    );
}

#[test]
fn weights_and_batches_are_the_generators() {
    assert_eq!(
        [0, 1, 2, 0xdead_beef].map(mix),
        [0, 1_753_845_952, 3_507_691_905, 3_861_431_939]
    );
    let expected = [-0.328_943_5, 0.333_188_47, -0.326_228_5, -0.257_747_47];
    assert_eq!(uniform("conv1.weight", 4, 0.5), expected);
    let batch = batch(3);
    let labels = Vec::<i64>::try_from(&batch.labels).unwrap();
    assert_eq!(labels, [2, 2, 0, 1, 0, 7, 2, 6]);
    let corner = batch.pixels.narrow(0, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1);
    let corner = corner.contiguous().view([-1]).to_kind(Kind::Int64);
    assert_eq!(Vec::<i64>::try_from(&corner).unwrap(), [115, 163, 190]);
}
