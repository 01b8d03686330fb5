//! `train evaluate`: a checkpoint on a folder of images. Recipe, labels and preprocessing are the checkpoint's own, so the
//! figure is the one that training printed; class folders are matched to labels by name.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use model_core::labels::{Label, imagenet1k};
use model_core::manifest::Manifest;
use model_core::{arch, atomic_file};

use crate::checkpoint::weights;
use crate::collective::SingleProcess;
use crate::confusion::ConfusionMatrix;
use crate::data::DataSource;
use crate::data::images::Images;
use crate::evaluate::{Evaluation, Evaluator};
use crate::failure::{MemoryRemedy, explain_memory};
use crate::input::Normalizer;
use crate::model::TorchNetwork;
use crate::precision::Arithmetic;
use crate::progress::Reporter;
use crate::recipe::{Recipe, TrainPrecision, load};

/// Flags of `train evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// Weights (.safetensors or .pth)
    #[arg(long, short, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Directory with val/ (or valid/, validation/, test/), or itself one folder per class
    #[arg(long, short, value_name = "DIR")]
    data: PathBuf,
    /// Architecture, for weights that do not say
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Images at a time
    #[arg(long, short, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Arithmetic; fp32 is what an exported model computes in
    #[arg(long, default_value = "fp32", value_name = "KIND")]
    precision: TrainPrecision,
    /// auto, cpu, cuda, cuda:N or mps
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Decoding threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Average each image's answer with its mirror image's [default: as the checkpoint's recipe says]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    flip: Option<bool>,
    /// Any other key of the checkpoint's recipe, as preprocessing.reading.exif=ignore; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Classes named as the worst, and pairs as the most confused
    #[arg(long, default_value_t = 5, value_name = "N")]
    show: usize,
    /// Write how often each class was taken for which, as CSV: a row per class, a column per answer
    #[arg(long, value_name = "FILE")]
    confusion: Option<PathBuf>,
    /// One line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `train evaluate`.
pub(super) fn evaluate(args: &EvaluateArgs) -> Result<ExitCode> {
    let manifest = weights::manifest_of(&args.checkpoint)?;
    let recipe = recipe(args, manifest.as_ref())?;
    let labels = labels(args, &recipe.arch, manifest)?;
    let source = Images::open_val(&recipe, &args.data, labels.as_deref())?;
    crate::say!("{}", source.describe());
    let labels = labels.unwrap_or_else(|| {
        crate::say!(
            "note: {} names no labels: its classes are taken for the folders in their sorted order",
            args.checkpoint.display()
        );
        model_core::labels::from_folder_names(source.classes())
    });
    let mut network = TorchNetwork::new(arch::by_name(&recipe.arch, labels.len())?)?;
    let loaded = weights::load(&mut network, &args.checkpoint)?;
    if !loaded.fresh.is_empty() {
        bail!(
            "{}: expected a network of {} classes, got tensors of other sizes for {}",
            args.checkpoint.display(),
            labels.len(),
            loaded.fresh.join(", ")
        );
    }
    let device = crate::device::prepare(&recipe)?.device;
    let arithmetic = Arithmetic::choose(&recipe, device)?;
    network.place(device, arithmetic.channels_last)?;
    let normalizer = Normalizer::new(&recipe.preprocessing, device)?;
    let flip = recipe.evaluation.flip;
    let evaluator = Evaluator::new(&normalizer, arithmetic, flip);
    let mut reporter = Reporter::new(false);
    let batches = source.val_images().div_ceil(u64::from(args.batch_size));
    reporter.begin("validation".into(), batches, 0);
    let mut confusion = ConfusionMatrix::new(labels.len());
    let result = evaluator.run_each(
        &network,
        &source,
        batches,
        &mut SingleProcess,
        &mut reporter,
        &|| false,
        &mut |logits, truth| confusion.add(logits, truth),
    );
    reporter.end();
    let explain = |error| {
        let images = evaluator.images_at_once().min(args.batch_size.into());
        let side = recipe.preprocessing.crop[0];
        explain_memory(error, images, side, MemoryRemedy::LessPerImage)
    };
    let result = result.map_err(explain)?;
    let result = result.context("validation was stopped")?;
    let unreadable = source.unreadable();
    for line in &unreadable {
        crate::say!("unreadable {line}");
    }
    if let Some(path) = &args.confusion {
        atomic_file::write(path, confusion.to_csv(&labels).as_bytes())?;
    }
    if args.json {
        crate::answer!(
            "{}",
            json(args, &result, unreadable.len(), &confusion, &labels)
        );
    } else {
        crate::answer!(
            "top-1 {:.3} %  top-5 {:.3} %  mean per class {:.3} %  loss {:.4}  ({} images, {} unreadable, {:.1} s, {}{})",
            result.top1_percent,
            result.top5_percent,
            confusion.mean_percent(),
            result.loss,
            result.images,
            unreadable.len(),
            result.secs,
            arithmetic.describe(),
            if flip {
                ", averaged with mirror images"
            } else {
                ""
            }
        );
        crate::answer!("{}", confusion.to_text(&labels, args.show).trim_end());
    }
    Ok(if unreadable.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// The checkpoint's own recipe, with what belongs to this machine and this call.
fn recipe(args: &EvaluateArgs, manifest: Option<&Manifest>) -> Result<Recipe> {
    let saved = manifest
        .and_then(|manifest| manifest.provenance.as_ref())
        .and_then(|provenance| provenance.recipe.as_deref());
    let mut recipe = match saved.map(|text| load::from_text(text, &[])) {
        Some(Ok(recipe)) => recipe,
        Some(Err(error)) => {
            let reason = crate::failure::describe(&error);
            crate::say!("note: the checkpoint's recipe is not used, its manifest is: {reason}");
            Recipe::default()
        }
        None => Recipe::default(),
    };
    match (&args.arch, manifest) {
        (Some(name), _) => recipe.arch = name.clone(),
        (None, Some(manifest)) => recipe.arch = manifest.arch.clone(),
        (None, None) => bail!(
            "{} does not name its architecture: add --arch NAME",
            args.checkpoint.display()
        ),
    }
    if let Some(manifest) = manifest {
        recipe.preprocessing = manifest.preprocessing.clone();
    }
    recipe = Recipe {
        data: Some(args.data.clone()),
        device: args.device.clone(),
        workers: args.workers,
        precision: args.precision,
        // What concerns training and its machine alone.
        synthetic: None,
        val_split: None,
        class_map: None,
        max_steps: None,
        init: None,
        ..recipe
    };
    recipe.evaluation.batch_size = Some(usize::from(args.batch_size));
    recipe.evaluation.skip = false;
    recipe.evaluation.patience = None;
    if let Some(flip) = args.flip {
        recipe.evaluation.flip = flip;
    }
    let overrides = args
        .set
        .iter()
        .map(|text| load::Override::parse(text))
        .collect::<Result<Vec<_>>>()?;
    load::from_text(&load::to_yaml(&recipe)?, &overrides)
}

/// The manifest's labels; for other people's weights of 1,000 classes ImageNet's; else none.
fn labels(
    args: &EvaluateArgs,
    arch_name: &str,
    manifest: Option<Manifest>,
) -> Result<Option<Vec<Label>>> {
    if let Some(manifest) = manifest {
        return Ok(Some(manifest.labels));
    }
    let weights = model_core::weights::read(&args.checkpoint)?;
    let architecture = arch::by_name(arch_name, 1000)?;
    Ok((weights.num_classes(&architecture) == Some(1000)).then(|| imagenet1k().to_vec()))
}

fn json(
    args: &EvaluateArgs,
    result: &Evaluation,
    bad_images: usize,
    confusion: &ConfusionMatrix,
    labels: &[Label],
) -> serde_json::Value {
    serde_json::json!({
        "checkpoint": args.checkpoint,
        "top1_percent": result.top1_percent,
        "top5_percent": result.top5_percent,
        "class_mean_percent": confusion.mean_percent(),
        "loss": result.loss,
        "images": result.images,
        "bad_images": bad_images,
        "secs": result.secs,
        "classes": confusion.classes(labels),
        "confused": confusion.pairs(labels, args.show),
    })
}
