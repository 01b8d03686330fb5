//! The subcommands that look: at a checkpoint's accuracy, an architecture, the recipes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use model_core::arch::{self, Op, Shape};

use crate::checkpoint::weights;
use crate::data::Source;
use crate::data::images::Images;
use crate::evaluate::Evaluator;
use crate::input::Normalizer;
use crate::model::{Network, describe};
use crate::precision::Arithmetic;
use crate::progress::Reporter;
use crate::recipe::{Evaluation, Precision, Recipe, catalog, load};
use crate::world::Alone;

/// Flags of `train evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Weights (.safetensors or .pth)
    #[arg(long, short, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Directory with val/ (or test/), or itself one folder per class
    #[arg(long, short, value_name = "DIR")]
    data: PathBuf,
    /// Architecture, for weights that do not say
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Images at a time
    #[arg(long, short, default_value_t = 64, value_name = "N")]
    batch_size: usize,
    /// Arithmetic; fp32 is what an exported model computes in
    #[arg(long, default_value = "fp32", value_name = "KIND")]
    precision: Precision,
    /// auto, cpu, cuda, cuda:N or mps
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Decoding threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Average each image's answer with its mirror image's
    #[arg(long)]
    flip: bool,
    /// One line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `train evaluate`.
pub fn evaluate(args: &EvaluateArgs) -> Result<ExitCode> {
    let manifest = weights::manifest_of(&args.checkpoint)?;
    let arch_name = match (&args.arch, &manifest) {
        (Some(name), _) => name.clone(),
        (None, Some(manifest)) => manifest.arch.clone(),
        (None, None) => anyhow::bail!(
            "{} does not name its architecture: add --arch NAME",
            args.checkpoint.display()
        ),
    };
    let mut recipe = Recipe {
        arch: arch_name,
        data: Some(args.data.clone()),
        device: args.device.clone(),
        workers: args.workers,
        precision: args.precision,
        batch_size: args.batch_size,
        evaluation: Evaluation {
            flip: args.flip,
            ..Evaluation::default()
        },
        ..Recipe::default()
    };
    if let Some(manifest) = &manifest {
        recipe.preprocessing = manifest.preprocessing.clone();
    }
    recipe.validate()?;
    let source = Images::open_val(&recipe, &args.data)?;
    let architecture = arch::by_name(&recipe.arch, source.classes().len())?;
    let mut network = Network::new(architecture)?;
    let loaded = weights::load(&mut network, &args.checkpoint)?;
    if !loaded.fresh.is_empty() {
        anyhow::bail!(
            "{} has another number of classes than {} ({})",
            args.checkpoint.display(),
            args.data.display(),
            source.classes().len()
        );
    }
    let device = crate::device::prepare(&recipe, &recipe.device)?;
    let arithmetic = Arithmetic::choose(&recipe, device)?;
    network.place(device, arithmetic.channels_last)?;
    let normalizer = Normalizer::new(&recipe.preprocessing, device)?;
    let evaluator = Evaluator {
        normalizer: &normalizer,
        arithmetic,
        flip: args.flip,
    };
    let mut reporter = Reporter::new(None, false)?;
    let batches = source.val_images().div_ceil(args.batch_size as u64);
    reporter.begin("validation".into(), batches, 0);
    let result = evaluator.run(&network, &source, &mut Alone, &mut reporter);
    reporter.end();
    let result = result?;
    let unreadable = source.unreadable();
    for line in &unreadable {
        eprintln!("unreadable {line}");
    }
    let bad_images = unreadable.len();
    if args.json {
        let value = serde_json::json!({
            "checkpoint": args.checkpoint,
            "top1_percent": result.top1_percent,
            "top5_percent": result.top5_percent,
            "loss": result.loss,
            "images": result.images,
            "bad_images": bad_images,
            "secs": result.secs,
        });
        println!("{value}");
    } else {
        println!(
            "top-1 {:.3} %  top-5 {:.3} %  loss {:.4}  ({} images, {} unreadable, {:.1} s, {})",
            result.top1_percent,
            result.top5_percent,
            result.loss,
            result.images,
            bad_images,
            result.secs,
            arithmetic.describe()
        );
    }
    Ok(if bad_images > 0 {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// Flags of `train summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// Architecture
    #[arg(default_value = "resnet50", value_name = "ARCH")]
    arch: String,
    /// Architecture, as the other commands take it
    #[arg(
        long = "arch",
        value_name = "NAME",
        hide = true,
        conflicts_with = "arch"
    )]
    named: Option<String>,
    /// Classes
    #[arg(long, default_value_t = 1000, value_name = "N")]
    classes: usize,
    /// Side of the input in pixels [default: the architecture's]
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
    /// List the architectures and nothing else
    #[arg(long)]
    list: bool,
}

/// Runs `train summary`.
pub fn summary(args: &SummaryArgs) -> Result<ExitCode> {
    if args.list {
        for name in arch::names() {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.named.as_ref().unwrap_or(&args.arch);
    let architecture = arch::by_name(name, args.classes)?;
    let side = args
        .image_size
        .unwrap_or(architecture.default_input_size() as usize);
    let graph = architecture.graph();
    println!("{:<36} {:>20} {:>12}", "layer", "output", "parameters");
    for (node, shape) in graph.nodes.iter().zip(graph.shapes([side, side])) {
        let parameters = match &node.op {
            Op::Conv(c) => c.out_channels * c.in_channels / c.groups * c.kernel * c.kernel,
            Op::BatchNorm(norm) => 2 * norm.channels,
            Op::Linear(l) => (l.in_features + 1) * l.out_features,
            _ => 0,
        };
        let shape = match shape {
            Shape::Map {
                channels,
                height,
                width,
            } => format!("[{channels}, {height}, {width}]"),
            Shape::Vector { features } => format!("[{features}]"),
        };
        let parameters = if parameters == 0 {
            String::new()
        } else {
            parameters.to_string()
        };
        println!("{:<36} {shape:>20} {parameters:>12}", describe(&node.op));
    }
    let count = graph.parameter_count();
    println!(
        "\n{}: {count} parameters ({:.1} MiB as fp32), {:.3} G multiply-accumulates at {side} x {side}",
        architecture.name(),
        count as f64 * 4.0 / f64::from(1 << 20),
        graph.macs([side, side]) as f64 / 1e9
    );
    Ok(ExitCode::SUCCESS)
}

/// Flags of `train recipes`.
#[derive(Debug, Args)]
pub struct RecipesArgs {
    /// Print this recipe, every key included
    #[arg(long, value_name = "NAME|FILE")]
    show: Option<String>,
}

/// Runs `train recipes`.
pub fn recipes(args: &RecipesArgs) -> Result<ExitCode> {
    if let Some(name) = &args.show {
        print!("{}", load::to_yaml(&load::resolve(name, &[])?)?);
        return Ok(ExitCode::SUCCESS);
    }
    for name in catalog::names() {
        let recipe = load::resolve(name, &[]).with_context(|| format!("recipe {name}"))?;
        println!("{name}");
        println!("    {}", recipe.description);
        println!("    source: {}", recipe.source);
        println!("    published: {}", recipe.published);
        println!("    here: {}\n", recipe.tested);
    }
    Ok(ExitCode::SUCCESS)
}
