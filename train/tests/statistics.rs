//! BatchNorm's statistics for averaged weights: measured over training images, part by part, and nothing else changes.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use common::{recipe, turn};
use tch::{Device, Kind, Tensor};
use train::collective::SingleProcess;
use train::data::{BatchIter, TensorBatch};
use train::engine::TrainEngine;
use train::mix::MixKey;
use train::model::TorchNetwork;
use train::recipe::Recipe;

const KEY: MixKey = MixKey {
    seed: 3,
    epoch: 0,
    step: 0,
    micro: 0,
    rank: 0,
};

fn engine(recipe: &Recipe) -> TrainEngine {
    torch_ext::backend::set_num_threads(1).unwrap();
    let architecture = model_core::arch::by_name(&recipe.arch, 7).unwrap();
    let mut network = TorchNetwork::new(architecture).unwrap();
    train::init::initialize(&mut network, 1, false).unwrap();
    TrainEngine::new(recipe, network, Device::Cpu, &mut SingleProcess).unwrap()
}

fn batch(step: i64) -> TensorBatch {
    let pixels = 6 * 32 * 32 * 3;
    let bytes: Vec<u8> = (0..pixels)
        .map(|i| ((i + 31 * step) * i % (120 + 60 * step)) as u8)
        .collect();
    let labels: Vec<i64> = (0..6).map(|i| (i + step) % 7).collect();
    TensorBatch::from_interleaved(&bytes, 32, 32, &labels).unwrap()
}

fn batches(count: i64) -> BatchIter<'static> {
    Box::new((0..count).map(|step| Ok(batch(step))))
}

fn tensor(engine: &TrainEngine, name: &str) -> Tensor {
    let mut tensors = engine.network.tensors().iter();
    tensors.find(|t| t.name == name).unwrap().tensor.copy()
}

/// Mean and variance of each channel that the first BatchNorm sees, `[2, C]`, averaged over the parts.
fn wanted(engine: &TrainEngine, count: i64, parts: i64) -> Tensor {
    let mut all = Vec::new();
    for step in 0..count {
        for part in batch(step).pixels.chunk(parts, 0) {
            let inputs = engine.normalizer.apply(&part).unwrap();
            let weight = tensor(engine, "conv1.weight");
            let seen = inputs.conv2d::<Tensor>(&weight, None, [2, 2], [3, 3], [1, 1], 1);
            let seen = seen.permute([1, 0, 2, 3]).flatten(1, -1);
            let mean = seen.mean_dim(1, false, Kind::Float);
            let variance = seen.var_dim(1, true, false);
            all.push(Tensor::stack(&[mean, variance], 0));
        }
    }
    Tensor::stack(&all, 0).mean_dim(0, false, Kind::Float)
}

#[test]
fn statistics_are_the_mean_over_all_parts_and_nothing_else_moves() {
    let _turn = turn();
    let recipe = recipe(&["dropout=0.2"]);
    // 15 images ask for the third batch of six, and no fourth.
    for parts in [1, 2] {
        let mut engine = engine(&recipe);
        let before: Vec<Tensor> = engine
            .network
            .trainable()
            .iter()
            .map(Tensor::copy)
            .collect();
        let counted = engine.network.batches_tracked();
        let collective = &mut SingleProcess;
        let done = engine.measure_statistics(batches(5), 15, parts, KEY, collective, &|| false);
        assert!(done.unwrap());
        let got = Tensor::stack(
            &[
                tensor(&engine, "bn1.running_mean"),
                tensor(&engine, "bn1.running_var"),
            ],
            0,
        );
        let wanted = wanted(&engine, 3, parts as i64);
        let off = (&got - &wanted).abs().max().double_value(&[]);
        assert!(off < 1e-4 * wanted.abs().max().double_value(&[]), "{off}");
        assert!(
            before
                .iter()
                .zip(engine.network.trainable())
                .all(|(a, b)| *a == b)
        );
        assert_eq!(engine.network.batches_tracked(), counted);
        // Training goes on with what its layers say.
        engine.begin(KEY).unwrap();
        let batch = batch(4);
        let _ = engine.accumulate(collective, &batch, KEY, true).unwrap();
        let moved = tensor(&engine, "bn1.running_mean");
        let kept = got.get(0) * 0.9;
        let one = Tensor::from(0.1) * one_batch(&engine, 4).get(0);
        let off = (moved - kept - one).abs().max().double_value(&[]);
        assert!(off < 1e-4 * wanted.abs().max().double_value(&[]), "{off}");
    }
}

/// As [`wanted`], for one batch as a whole.
fn one_batch(engine: &TrainEngine, step: i64) -> Tensor {
    wanted(engine, step + 1, 1) * (step + 1) as f64 - wanted(engine, step, 1) * step as f64
}

#[test]
fn a_signal_is_answered_within_a_batch() {
    let _turn = turn();
    let mut engine = engine(&recipe(&[]));
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    let done = engine.measure_statistics(batches(5), 30, 1, KEY, &mut SingleProcess, &stop);
    assert!(!done.unwrap());
    assert_eq!(asked.get(), 2);
}
