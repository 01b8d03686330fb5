//! Steps that are captured once and replayed, on a CPU: a recorder stands in for CUDA's graphs. It does nothing at the
//! capture, and counts what a graph could not do within one: reading numbers on the host.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Result, ensure};
use common::{recipe, turn};
use tch::{Device, Tensor};
use train::checkpoint::state::{self, Parts, Progress};
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

fn tensors(engine: &TrainEngine) -> Vec<Tensor> {
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
        let (mut usual, (mut replayed, seen)) = (engine(&recipe), with_graphs(&recipe));
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
        for (a, b) in tensors(&usual).iter().zip(&tensors(&replayed)) {
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

/// The same, its steps captured by a stand-in.
fn with_graphs(recipe: &Recipe) -> (TrainEngine, Rc<RefCell<Seen>>) {
    let mut engine = engine(recipe);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let recorder = StandIn {
        seen: Rc::clone(&seen),
        holds: false,
    };
    engine.capture_with(Box::new(recorder)).unwrap();
    (engine, seen)
}

/// Puts a NaN into the gradients of the steps that follow, or takes it out again.
fn spoil(engine: &TrainEngine, value: f64) {
    let mut tensors = engine.network.tensors().iter();
    let bias = tensors.find(|named| named.name == "fc.bias").unwrap();
    let _ = tch::no_grad(|| bias.tensor.get(0).fill_(value));
}

/// A gradient that is not finite in a replayed step: the step is left out and counted, and the next one is taken.
#[test]
fn a_replayed_step_with_a_nan_is_left_out_and_counted() {
    let _turn = turn();
    let recipe = recipe(&[]);
    let (mut usual, (mut replayed, seen)) = (engine(&recipe), with_graphs(&recipe));
    for number in 0..u64::from(USUAL_STEPS) + 4 {
        let is_spoiled = number == u64::from(USUAL_STEPS) + 2;
        for engine in [&mut usual, &mut replayed] {
            let mut tensors = engine.network.tensors().iter();
            let bias = tensors.find(|named| named.name == "fc.bias").unwrap();
            let sound = bias.tensor.get(0).double_value(&[]);
            if is_spoiled {
                spoil(engine, f64::NAN);
            }
            let _ = step(engine, number, 8);
            if is_spoiled {
                spoil(engine, sound);
            }
        }
        for engine in [&mut usual, &mut replayed] {
            let skipped = engine.take_skips().unwrap().unwrap().in_all;
            assert_eq!(skipped, u64::from(is_spoiled), "step {number}");
        }
    }
    for (a, b) in tensors(&usual).iter().zip(&tensors(&replayed)) {
        assert_eq!(a, b);
    }
    assert_eq!(seen.borrow().reads.len(), 4);
}

/// A run that is saved after captured steps goes on to the same bits, in a new process that captures anew.
#[test]
fn captured_steps_are_saved_and_resumed_exactly() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("last.state.safetensors");
    for keys in [
        &["ema={decay: 0.9}"][..],
        &["optimizer.kind=adamw", "optimizer.nesterov=false"],
    ] {
        let recipe = recipe(keys);
        let (mut whole, _) = with_graphs(&recipe);
        let half = u64::from(USUAL_STEPS) + 3;
        for number in 0..half {
            let _ = step(&mut whole, number, 8);
        }
        let progress = Progress {
            optimizer_steps: whole.optimizer.steps(),
            batches_tracked: whole.network.batches_tracked(),
            scaler: whole.scaler.state().unwrap(),
            statistics_of: 1,
            ..Progress::default()
        };
        state::write(&parts(&mut whole), &[], &progress, &path).unwrap();

        let (mut resumed, seen) = with_graphs(&recipe);
        let (progress, file) = state::read_progress(&path).unwrap();
        state::restore(&mut parts(&mut resumed), &progress, &file, (0, 1)).unwrap();
        for number in half..2 * half {
            let (a, b) = (step(&mut whole, number, 8), step(&mut resumed, number, 8));
            assert_eq!(a, b, "{keys:?}: sums of step {number}");
        }
        for (a, b) in tensors(&whole).iter().zip(&tensors(&resumed)) {
            assert_eq!(a, b, "{keys:?}");
        }
        let seen = seen.borrow();
        assert_eq!((seen.captures, seen.reads.len()), (1, 3), "{keys:?}");
    }
}

fn parts(engine: &mut TrainEngine) -> Parts<'_> {
    Parts {
        network: &mut engine.network,
        optimizer: &mut engine.optimizer,
        ema: engine.ema.as_ref(),
    }
}

/// Memory that does not hold the captured step: said with the way out, and nothing was taken for done.
#[test]
fn a_capture_that_fails_says_how_to_go_without() {
    struct Full;
    impl Recorder for Full {
        fn capture(&mut self, _: Body<'_>) -> Result<()> {
            anyhow::bail!("CUDA out of memory")
        }
        fn replay(&mut self, _: Body<'_>) -> Result<()> {
            unreachable!("nothing was captured")
        }
        fn forget(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let _turn = turn();
    let mut engine = engine(&recipe(&[]));
    engine.capture_with(Box::new(Full)).unwrap();
    for number in 0..u64::from(USUAL_STEPS) {
        let _ = step(&mut engine, number, 8);
    }
    let before = tensors(&engine);
    let key = MixKey {
        seed: 3,
        epoch: 0,
        step: u64::from(USUAL_STEPS),
        micro: 0,
        rank: 0,
    };
    let failed = engine.graph_step(&batch(9, 8), key, 0.01);
    let error = format!("{:#}", failed.unwrap_err());
    assert!(error.contains("--set cuda_graphs=false"), "{error}");
    for (a, b) in before.iter().zip(&tensors(&engine)) {
        assert_eq!(a, b);
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
