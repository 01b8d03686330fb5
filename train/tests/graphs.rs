//! Steps that are captured once and replayed, on a CPU: a recorder stands in for CUDA's graphs. It does nothing at the
//! capture, and counts what a graph could not do within one: reading numbers on the host.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Result, ensure};
use common::{recipe, turn};
use tch::{Device, Tensor};
use train::collective::SingleProcess;
use train::data::TensorBatch;
use train::engine::TrainEngine;
use train::engine::graph::{Body, Recorder, USUAL_STEPS};
use train::mix::MixKey;
use train::model::TorchNetwork;
use train::recipe::Recipe;

const CLASSES: i64 = 7;

#[derive(Default)]
struct Seen {
    captures: u32,
    /// Numbers read on the host in each replay.
    reads: Vec<usize>,
}

/// In CUDA's place.
struct StandIn {
    seen: Rc<RefCell<Seen>>,
    holds: bool,
}

impl Recorder for StandIn {
    fn capture(&mut self, _: Body<'_>) -> Result<()> {
        self.seen.borrow_mut().captures += 1;
        self.holds = true;
        Ok(())
    }

    fn replay(&mut self, body: Body<'_>) -> Result<()> {
        ensure!(self.holds, "a replay of nothing");
        let (done, reads) = torch_ext::host_reads::count(body)?;
        self.seen.borrow_mut().reads.push(reads);
        done
    }

    fn forget(&mut self) -> Result<()> {
        self.holds = false;
        Ok(())
    }
}

fn engine(recipe: &Recipe) -> TrainEngine {
    torch_ext::backend::set_num_threads(1).unwrap();
    let architecture = model_core::arch::by_name(&recipe.arch, CLASSES as usize).unwrap();
    let mut network = TorchNetwork::new(architecture).unwrap();
    train::init::initialize(&mut network, 1, false).unwrap();
    let mut engine = TrainEngine::new(recipe, network, Device::Cpu, &mut SingleProcess).unwrap();
    engine.look_late().unwrap();
    engine
}

fn batch(step: u64, count: i64) -> TensorBatch {
    let bytes: Vec<u8> = (0..count * 32 * 32 * 3)
        .map(|i| ((i + step as i64) * i % 251) as u8)
        .collect();
    let labels: Vec<i64> = (0..count)
        .map(|i| (i * i + 1 + step as i64) % CLASSES)
        .collect();
    TensorBatch::from_interleaved(&bytes, 32, 32, &labels).unwrap()
}

/// A step as the trainer takes it; its sums.
fn step(engine: &mut TrainEngine, step: u64, count: i64) -> Tensor {
    let key = MixKey {
        seed: 3,
        epoch: 0,
        step,
        micro: 0,
        rank: 0,
    };
    // Rates that f32 holds: a rate on the device has 32 bits.
    let rate = f64::from(0.05_f32 / (1.0 + step as f32));
    let batch = batch(step, count);
    if let Some((sums, _)) = engine.graph_step(&batch, key, rate).unwrap() {
        return sums.copy();
    }
    engine.begin(key).unwrap();
    let sums = engine.accumulate(&mut SingleProcess, &batch, key, true);
    engine.update(rate).unwrap();
    sums.unwrap()
}

fn state(engine: &TrainEngine) -> Vec<Tensor> {
    let mut all: Vec<Tensor> = engine
        .network
        .tensors()
        .iter()
        .map(|t| t.tensor.copy())
        .collect();
    let further = engine.optimizer.state().into_iter();
    all.extend(further.map(|(_, tensor)| tensor.copy()));
    let averages = engine.ema.iter().flat_map(|ema| ema.state());
    all.extend(averages.map(|(_, tensor)| tensor.copy()));
    all
}

/// Replayed steps take the present batch, rate, seed and share of mixing, and count as steps do: to the bit.
#[test]
fn replayed_steps_are_the_steps_taken_as_usual() {
    let _turn = turn();
    for keys in [
        &["optimizer.clip_norm=1.0"][..],
        &[
            "optimizer.kind=adamw",
            "optimizer.nesterov=false",
            "ema={decay: 0.9}",
        ],
        &["augment.mixup_alpha=0.4", "augment.cutmix_alpha=1.0"],
        &["dropout=0.2", "stochastic_depth=0.2"],
        &["loss.kind=binary_cross_entropy"],
    ] {
        let recipe = recipe(keys);
        let (mut usual, mut replayed) = (engine(&recipe), engine(&recipe));
        let seen = Rc::new(RefCell::new(Seen::default()));
        let recorder = StandIn {
            seen: Rc::clone(&seen),
            holds: false,
        };
        replayed.capture_with(Box::new(recorder)).unwrap();
        let steps = u64::from(USUAL_STEPS) + 5;
        for number in 0..steps {
            // A short batch in between is taken as usual.
            let count = if number + 2 == steps { 5 } else { 8 };
            let (a, b) = (
                step(&mut usual, number, count),
                step(&mut replayed, number, count),
            );
            assert_eq!(a, b, "{keys:?}: sums of step {number}");
        }
        for (a, b) in state(&usual).iter().zip(&state(&replayed)) {
            assert_eq!(a, b, "{keys:?}");
        }
        let counts =
            |engine: &TrainEngine| (engine.optimizer.steps(), engine.network.batches_tracked());
        assert_eq!(counts(&usual), counts(&replayed), "{keys:?}");
        let seen = seen.borrow();
        assert_eq!((seen.captures, seen.reads.len()), (1, 4), "{keys:?}");
        // The fused kernels of a CPU read the rate of each group, and AdamW's the count of each parameter; those of a
        // GPU do not.
        let groups = usual.optimizer.describe().matches("tensors:").count();
        let is_adamw = keys.contains(&"optimizer.kind=adamw");
        let counters = if is_adamw {
            usual.optimizer.parameters().len()
        } else {
            0
        };
        assert!(
            seen.reads.iter().all(|&reads| reads <= groups + counters),
            "{keys:?}: {:?} reads, {groups} groups",
            seen.reads
        );
    }
}

#[test]
fn a_cpu_has_no_graphs_and_says_so() {
    let recipe = recipe(&["cuda_graphs=true"]);
    let architecture = model_core::arch::by_name(&recipe.arch, CLASSES as usize).unwrap();
    let network = TorchNetwork::new(architecture).unwrap();
    let engine = TrainEngine::new(&recipe, network, Device::Cpu, &mut SingleProcess);
    let error = engine.err().unwrap().to_string();
    assert!(
        error.starts_with(
            "cuda_graphs: expected false on a device other than cuda, got true on CPU"
        ),
        "{error}"
    );
}
