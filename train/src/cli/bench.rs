//! `train bench`: what the training step costs, data aside. It runs the trainer's own step (`engine`) on one batch of
//! made-up images that stays on the device.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use tch::{Device, Kind, Tensor};

use crate::collective::SingleProcess;
use crate::data::TensorBatch;
use crate::device::{describe, memory, prepare};
use crate::engine::TrainEngine;
use crate::failure;
use crate::mix;
use crate::model::TorchNetwork;
use crate::recipe::{OptimizerKind, Override, Recipe, TrainPrecision, catalog, load};

/// What else `train bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    /// Measure reading, decoding and augmentation of a data set: images a second by stage and by threads
    Data(super::bench_data::BenchDataArgs),
}

/// Flags of `train bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: Option<BenchWhat>,
    /// Architecture
    #[arg(long, short, default_value = "resnet50", value_name = "NAME")]
    arch: String,
    /// Classes
    #[arg(long, default_value_t = 1000, value_name = "N")]
    classes: usize,
    /// Images a step
    #[arg(long, short, default_value_t = 32, value_name = "N")]
    batch_size: usize,
    /// Side of the images in pixels
    #[arg(long, default_value_t = 224, value_name = "PIXELS")]
    image_size: i64,
    /// Arithmetic of the forward pass
    #[arg(long, default_value = "auto", value_name = "KIND")]
    precision: TrainPrecision,
    /// [N, H, W, C] in memory [default: as training chooses]
    #[arg(long, value_name = "BOOL")]
    channels_last: Option<bool>,
    /// sgd, adamw or lamb
    #[arg(long, default_value = "sgd", value_name = "KIND")]
    optimizer: OptimizerKind,
    /// auto, cpu, cuda, cuda:N or mps
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// libtorch threads on a CPU
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Steps measured
    #[arg(long, default_value_t = 20, value_name = "N")]
    steps: usize,
    /// Steps before
    #[arg(long, default_value_t = 3, value_name = "N")]
    warmup: usize,
    /// Any key of a recipe, as ema={decay: 0.999}; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print `ready`, then take one step for each line of standard input and answer with its milliseconds. Another
    /// program can then alternate with its own step
    #[arg(long, conflicts_with_all = ["json", "steps", "warmup"])]
    on_request: bool,
}

/// Runs `train bench`.
pub(super) fn bench(args: &BenchArgs) -> Result<ExitCode> {
    if let Some(BenchWhat::Data(args)) = &args.what {
        return super::bench_data::bench_data(args);
    }
    let recipe = recipe(args)?;
    let device = prepare(&recipe)?.device;
    let mut network = TorchNetwork::new(model_core::arch::by_name(&recipe.arch, args.classes)?)?;
    crate::init::initialize(&mut network, recipe.seed, recipe.zero_init_residual)?;
    let engine = TrainEngine::new(&recipe, network, device, &mut SingleProcess)?;
    let mut stepper = Stepper {
        batch: batch(args, device)?,
        rate: recipe.optimizer.learning_rate,
        engine,
        device,
        step: 0,
    };
    if args.on_request {
        return answer(&mut stepper);
    }
    for _ in 0..args.warmup {
        stepper.millis()?;
    }
    let mut millis = (0..args.steps.max(1))
        .map(|_| stepper.millis())
        .collect::<Result<Vec<f64>>>()?;
    millis.sort_by(f64::total_cmp);
    let median = quantile(&millis, 0.5);
    let images_per_sec = 1000.0 * args.batch_size as f64 / median;
    let peak_bytes = memory(device).map(|memory| memory.peak_bytes);
    if args.json {
        let value = serde_json::json!({
            "arch": recipe.arch,
            "device": describe(device),
            "arithmetic": stepper.engine.arithmetic.describe(),
            "optimizer": stepper.engine.optimizer.describe(),
            "batch_size": args.batch_size,
            "image_size": args.image_size,
            "steps": args.steps,
            "step_millis_median": median,
            "step_millis_p95": quantile(&millis, 0.95),
            "step_millis_min": millis[0],
            "images_per_sec": images_per_sec,
            "peak_memory_bytes": peak_bytes,
        });
        crate::answer!("{value}");
    } else {
        crate::answer!(
            "{}: {} images of {} pixels a step, {}, {}",
            recipe.arch,
            args.batch_size,
            args.image_size,
            stepper.engine.arithmetic.describe(),
            describe(device)
        );
        crate::answer!(
            "step {median:.1} ms (median of {}; p95 {:.1}, least {:.1})  {images_per_sec:.1} img/s  peak memory {}",
            args.steps,
            quantile(&millis, 0.95),
            millis[0],
            peak_bytes.map_or("unknown".into(), |bytes| format!("{} MiB", bytes >> 20))
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn recipe(args: &BenchArgs) -> Result<Recipe> {
    let mut overrides = vec![
        Override::new("arch", &args.arch)?,
        Override::new("batch_size", args.batch_size)?,
        Override::new("precision", args.precision)?,
        Override::new("channels_last", args.channels_last)?,
        Override::new("optimizer.kind", args.optimizer)?,
        Override::new("device", &args.device)?,
        Override::new("threads", args.threads)?,
    ];
    for text in &args.set {
        overrides.push(Override::parse(text)?);
    }
    load::resolve(catalog::DEFAULT, &overrides)
}

/// Bytes and labels of no meaning, on the device.
fn batch(args: &BenchArgs, device: Device) -> Result<TensorBatch> {
    let (count, side) = (args.batch_size as i64, args.image_size);
    tch::manual_seed(0);
    let pixels = Tensor::f_randint(256, [count, side, side, 3], (Kind::Uint8, Device::Cpu))?;
    let labels = Tensor::f_randint(args.classes as i64, [count], (Kind::Int64, Device::Cpu))?;
    Ok(TensorBatch {
        pixels: pixels.f_permute([0, 3, 1, 2])?.f_to_device(device)?,
        labels: labels.f_to_device(device)?,
    })
}

struct Stepper {
    engine: TrainEngine,
    batch: TensorBatch,
    rate: f64,
    device: Device,
    step: u64,
}

impl Stepper {
    /// Takes a step; how long it took, the device's work included.
    fn millis(&mut self) -> Result<f64> {
        let key = mix::MixKey {
            seed: 0,
            epoch: 0,
            step: self.step,
            micro: 0,
            rank: 0,
        };
        self.step += 1;
        let start = Instant::now();
        let images = self.batch.labels.size1()? as usize;
        let explain = |error| {
            let side = self.batch.pixels.size().last().copied().unwrap_or(0) as u32;
            let remedy = failure::MemoryRemedy::SmallerBatch((images / 2).max(1));
            failure::explain_memory(error, images, side, remedy)
        };
        let captured = self.engine.graph_step(&self.batch, key, self.rate);
        if captured.map_err(explain)?.is_none() {
            self.engine.begin(key)?;
            let sums = self
                .engine
                .accumulate(&mut SingleProcess, &self.batch, key, true)
                .map_err(explain);
            let _ = sums?;
            self.engine.update(self.rate).map_err(explain)?;
        }
        if let Device::Cuda(index) = self.device {
            tch::Cuda::synchronize(index as i64);
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

fn answer(stepper: &mut Stepper) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        line.context("standard input")?;
        writeln!(out, "{:.3}", stepper.millis()?)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Of sorted values, the nearest rank.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((last as f64 * share).round() as usize).min(last)]
}
