//! A batch computed in parts: its gradients are the whole batch's, a part that fails leaves nothing behind, and
//! validation has the same results.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use anyhow::Result;
use common::{recipe, room, turn};
use tch::{Device, Kind, Tensor};
use train::collective::{Collective, Further, SingleProcess};
use train::data::TensorBatch;
use train::engine::TrainEngine;
use train::evaluate::Evaluator;
use train::failure::is_out_of_memory;
use train::mix::MixKey;
use train::model::TorchNetwork;
use train::recipe::{LossKind, Recipe};

const CLASSES: i64 = 7;
const KEY: MixKey = MixKey {
    seed: 3,
    epoch: 0,
    step: 1,
    micro: 0,
    rank: 0,
};

fn engine(recipe: &Recipe, kind: Kind) -> TrainEngine {
    torch_ext::backend::set_num_threads(1).unwrap();
    let architecture = model_core::arch::by_name(&recipe.arch, CLASSES as usize).unwrap();
    let mut network = TorchNetwork::new(architecture).unwrap();
    train::init::initialize(&mut network, 1, false).unwrap();
    network.set_kind(kind).unwrap();
    TrainEngine::new(recipe, network, Device::Cpu, &mut SingleProcess).unwrap()
}

fn batch(count: i64) -> TensorBatch {
    let bytes: Vec<u8> = (0..count * 32 * 32 * 3)
        .map(|i| (i * i % 251) as u8)
        .collect();
    let labels: Vec<i64> = (0..count).map(|i| (i * i + 1) % CLASSES).collect();
    TensorBatch::from_interleaved(&bytes, 32, 32, &labels).unwrap()
}

fn gradients(engine: &TrainEngine) -> Vec<Tensor> {
    torch_ext::grad::grads(&engine.optimizer.parameters()).unwrap()
}

/// The largest difference, relative to the largest number.
fn apart(got: &[Tensor], expected: &[Tensor]) -> f64 {
    let most = |tensor: Tensor| tensor.abs().max().double_value(&[]);
    let scale = expected.iter().map(|t| most(t.shallow_clone()));
    let scale = scale.fold(0.0, f64::max);
    assert!(scale > 0.0 && got.len() == expected.len());
    let differences = got.iter().zip(expected).map(|(a, b)| most(a - b));
    differences.fold(0.0, f64::max) / scale
}

/// Without BatchNorm's statistics the parts know nothing of each other: what is left is the order of the sums.
#[test]
fn the_gradients_of_parts_add_up_to_the_whole_batchs() {
    let _turn = turn();
    let norms = "freeze=[bn1, layer1.0.bn, layer2.0.bn, layer3.0.bn, layer4.0.bn, layer1.0.downsample.1, \
                 layer2.0.downsample.1, layer3.0.downsample.1, layer4.0.downsample.1]";
    let no_norm = ["arch=convnext_tiny"];
    let frozen = [norms];
    for (network, keys) in [
        (&frozen[..], &[][..]),
        (&frozen, &["augment.mixup_alpha=0.5"]),
        (&frozen, &["augment.cutmix_alpha=1.0"]),
        (&frozen, &["loss.kind=binary_cross_entropy"]),
        (&frozen, &["loss.class_weights=balanced"]),
        (
            &frozen,
            &["loss.class_weights=balanced", "augment.mixup_alpha=0.5"],
        ),
        (&frozen, &["gradient_checkpointing=true"]),
        (&no_norm, &["augment.mixup_alpha=0.5"]),
    ] {
        let keys: Vec<&str> = network.iter().chain(keys).copied().collect();
        let recipe = recipe(&keys);
        let is_weighted = recipe.loss.class_weights.is_some();
        // libtorch weighs classes in the kind of the logits, and our weights are of 32 bits, as are the binary loss's
        // targets.
        let is_float = is_weighted || recipe.loss.kind == LossKind::BinaryCrossEntropy;
        let (kind, allowed) = match is_float {
            true => (Kind::Float, 1e-5),
            false => (Kind::Double, 1e-11),
        };
        let mut engine = engine(&recipe, kind);
        if is_weighted {
            let weights: Vec<f32> = (0..CLASSES).map(|class| 0.2 + class as f32).collect();
            engine.weigh_classes(&weights).unwrap();
        }
        let mut of = |parts| {
            engine.begin(KEY).unwrap();
            let sums = engine
                .accumulate_in(parts, &mut SingleProcess, &batch(11), KEY, true)
                .unwrap();
            (gradients(&engine), sums)
        };
        let (whole, sums) = of(1);
        for parts in [2, 3, 5] {
            let (added, their_sums) = of(parts);
            let far = apart(&added, &whole);
            assert!(far < allowed, "{keys:?} in {parts} parts: {far:e}");
            let far = apart(&[their_sums], &[sums.shallow_clone()]);
            assert!(far < allowed, "{keys:?} in {parts} parts: sums {far:e}");
        }
    }
}

/// Fails as libtorch does when memory runs out, after the gradients of a backward pass have come.
struct FailsAfterBackward;

impl Collective for FailsAfterBackward {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn attach(&mut self, _: &[Tensor], _: &[Tensor]) -> Result<()> {
        Ok(())
    }

    fn backward(&mut self, loss: &Tensor, is_last: bool, further: Further<'_>) -> Result<()> {
        SingleProcess.backward(loss, is_last, further)?;
        let _ = Tensor::f_zeros([1_i64 << 58], (Kind::Float, Device::Cpu))?;
        Ok(())
    }

    fn sum(&mut self, _: &mut [f64]) -> Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_left_of_a_batch_that_failed() {
    let _turn = turn();
    let recipe = recipe(&["dropout=0.3", "stochastic_depth=0.2"]);
    let bits = |engine: &TrainEngine| {
        let mut all = gradients(engine);
        all.extend(train::engine::buffers(&engine.network));
        (all, engine.network.batches_tracked())
    };
    let in_two = |engine: &mut TrainEngine| {
        engine.begin(KEY).unwrap();
        let done = engine.accumulate_in(2, &mut SingleProcess, &batch(8), KEY, true);
        let _ = done.unwrap();
        bits(engine)
    };
    let mut untried = engine(&recipe, Kind::Float);
    let expected = in_two(&mut untried);

    let mut tried = engine(&recipe, Kind::Float);
    tried.remember().unwrap();
    for _ in 0..2 {
        // In backward, after all of forward; then in the middle of forward.
        tried.begin(KEY).unwrap();
        let error = tried
            .accumulate(&mut FailsAfterBackward, &batch(8), KEY, true)
            .unwrap_err();
        assert!(is_out_of_memory(&error), "{error:?}");
        tried.go_back().unwrap();
        tried
            .network
            .limit_memory(Some(room("resnet_tiny", CLASSES as usize)));
        tried.begin(KEY).unwrap();
        let error = tried
            .accumulate(&mut SingleProcess, &batch(8), KEY, true)
            .unwrap_err();
        assert!(is_out_of_memory(&error), "{error:?}");
        tried.go_back().unwrap();
        tried.network.limit_memory(None);
    }
    let got = in_two(&mut tried);
    assert_eq!(got.1, expected.1);
    for (a, b) in got.0.iter().zip(&expected.0) {
        assert_eq!(a, b);
    }
}

#[test]
fn validation_is_computed_in_parts_with_the_same_logits() {
    let _turn = turn();
    let recipe = recipe(&[]);
    let mut engine = engine(&recipe, Kind::Float);
    let pixels = batch(10).pixels;
    let evaluator = Evaluator::new(&engine.normalizer, engine.arithmetic, true);
    let whole = evaluator.logits(&engine.network, &pixels).unwrap();
    assert_eq!(evaluator.images_at_once(), usize::MAX);
    engine
        .network
        .limit_memory(Some(room("resnet_tiny", CLASSES as usize)));
    let evaluator = Evaluator::new(&engine.normalizer, engine.arithmetic, true);
    let parts = evaluator.logits(&engine.network, &pixels).unwrap();
    assert_eq!(evaluator.images_at_once(), 3);
    assert!(apart(&[parts], &[whole]) < 1e-5);
    // Where it may not, it does not.
    let evaluator =
        Evaluator::new(&engine.normalizer, engine.arithmetic, true).at_once(usize::MAX, false);
    let error = evaluator.logits(&engine.network, &pixels).unwrap_err();
    assert!(is_out_of_memory(&error));
}
