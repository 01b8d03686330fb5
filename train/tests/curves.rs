//! Fifty steps of the trainer's engine against torchvision's networks and torch.optim: the same weights, the same
//! batches, the same loss curve, a `GradScaler`'s skipped steps included. `golden/make_curves.py` made the numbers.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use train::data::Batch;
use train::engine::Engine;
use train::mix::Key;
use train::model::Network;
use train::precision::Scaler;
use train::recipe::{Override, Precision, Recipe, load};
use train::world::Alone;

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
    losses: Vec<f64>,
    /// How far PyTorch parts from itself, step by step.
    spread: Vec<f64>,
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

fn network(arch: &str) -> Network {
    let network = Network::new(model_core::arch::by_name(arch, CLASSES).unwrap()).unwrap();
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
    network
}

fn batch(step: usize) -> Batch {
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
    Batch::from_interleaved(&pixels, SIDE as u32, SIDE as u32, &labels).unwrap()
}

fn recipe(golden: &Golden, arch: &str, channels_last: bool) -> Recipe {
    let overrides = [
        Override::new("arch", arch),
        Override::new("batch_size", BATCH),
        Override::new("precision", Precision::Fp32),
        Override::new("channels_last", channels_last),
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

/// Our losses and loss scales, step by step.
fn curve(golden: &Golden, arch: &str, channels_last: bool, expected: &Curve) -> [Vec<f64>; 2] {
    torch_ext::backend::set_num_threads(1).unwrap();
    let recipe = recipe(golden, arch, channels_last);
    let mut engine = Engine::new(&recipe, network(arch), Device::Cpu, &mut Alone).unwrap();
    if !expected.scales.is_empty() {
        engine.scaler = Scaler::new(true, 128.0, Device::Cpu).unwrap();
    }
    let (mut losses, mut scales) = (Vec::new(), Vec::new());
    for step in 0..expected.losses.len() {
        let key = Key {
            seed: 0,
            epoch: 0,
            step: step as u64,
            micro: 0,
            rank: 0,
        };
        engine.begin(key).unwrap();
        let sums = engine.accumulate(&mut Alone, &batch(step), key, true);
        losses.push(sums.unwrap().double_value(&[0]) / BATCH as f64);
        if let Some(value) = expected.steps.get(&step) {
            let conv1 = &engine.network.tensors()[0];
            assert_eq!(conv1.name, "conv1.weight");
            let mut gradient = conv1.tensor.grad().view([-1]).get(0);
            let _ = gradient.fill_(value.parse::<f64>().unwrap());
        }
        let update = engine.update(golden.rate).unwrap();
        assert_eq!(update.finite, !expected.steps.contains_key(&step));
        scales.push(engine.scaler.state().unwrap().0);
    }
    [losses, scales]
}

/// Within 1e-4 where nothing has grown yet, and ever after within what PyTorch does to itself.
fn assert_follows(name: &str, losses: &[f64], expected: &Curve) {
    for (step, (got, want)) in losses.iter().zip(&expected.losses).enumerate() {
        let distance = (got - want).abs() / want.abs();
        let allowed = (2.0 * expected.spread[step]).max(1e-5);
        assert!(
            distance <= allowed,
            "{name} step {step}: loss {got}, PyTorch {want}: {distance:e} apart, allowed {allowed:e}"
        );
        assert!(
            step >= 10 || distance <= 1e-4,
            "{name} step {step}: {distance:e}"
        );
    }
    let (first, last) = (
        expected.losses[0],
        expected.losses[expected.losses.len() - 1],
    );
    assert!(
        last < 0.7 * first,
        "the curve must go somewhere: {first} {last}"
    );
}

#[test]
fn resnet18_follows_torchvision() {
    let golden = golden();
    for channels_last in [false, true] {
        let [losses, _] = curve(&golden, "resnet18", channels_last, &golden.resnet18);
        assert_follows("resnet18", &losses, &golden.resnet18);
    }
}

#[test]
fn resnet50_follows_torchvision() {
    let golden = golden();
    let [losses, _] = curve(&golden, "resnet50", false, &golden.resnet50);
    assert_follows("resnet50", &losses, &golden.resnet50);
}

#[test]
fn overflows_skip_the_steps_and_halve_the_scale_as_grad_scaler_does() {
    let golden = golden();
    let [losses, scales] = curve(&golden, "resnet18", false, &golden.overflow);
    assert_eq!(scales, golden.overflow.scales);
    assert_follows("resnet18 with overflows", &losses, &golden.overflow);
    // The skipped steps show: without them the curve is another one.
    assert_ne!(golden.overflow.losses, golden.resnet18.losses);
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
    assert_eq!(
        Vec::<i64>::try_from(&batch.labels).unwrap(),
        [2, 2, 0, 1, 0, 7, 2, 6]
    );
    let corner = batch.pixels.narrow(0, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1);
    let corner = corner.contiguous().view([-1]).to_kind(Kind::Int64);
    assert_eq!(Vec::<i64>::try_from(&corner).unwrap(), [115, 163, 190]);
}
