//! The three commands, step by step.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model_core::atomic_file;
use model_core::manifest::{MANIFEST_KEY, Manifest, Output};
use model_core::onnx::{self, ModelProto};
use model_core::weights::{self, WeightSet};

use crate::cli::{ExportArgs, InspectArgs, ProofArgs, VerifyArgs};
use crate::emit::{self, EmitOptions, InputSize};
use crate::images::ImageList;
use crate::plan::ExportPlan;
use crate::proof::{self, Expected, FilePrecision, PROOF_KEY, ProofReport, StoredAnswers};
use crate::source::{self, ExportSource};
use crate::{inspect, install, metadata, newest, preprocess_graph, quant};

/// `export-onnx`, with or without `--checkpoint` and `--output`.
///
/// # Errors
/// Anything that keeps the model from being written and proved; then no file has changed.
pub fn run_export(args: &ExportArgs) -> Result<()> {
    let checkpoint = match &args.checkpoint {
        Some(checkpoint) => checkpoint.clone(),
        None => newest::best_checkpoint()?,
    };
    let checkpoint = checkpoint.as_path();
    let target = args
        .output
        .clone()
        .unwrap_or_else(|| newest::model_of(checkpoint));
    let target = target.as_path();
    let place = match args.install {
        true => Some(install::Place::check()?),
        false => None,
    };
    atomic_file::check_writable(target)?;
    let started = Instant::now();
    let mut source = source::load(checkpoint, args)?;
    if args.softmax {
        source.manifest.output = Output::Probabilities;
    }
    let unfolded = ExportPlan::lower(&source.architecture.graph(), &source.weights)?;
    let folded = unfolded.fold()?;
    println!("checkpoint  {}", describe_source(checkpoint, &source));
    for note in &source.notes {
        println!("note        {note}");
    }
    let read = started.elapsed();

    let (mut model, precision) = build_model(args, &source, &folded)?;
    let size = input_size(&source.manifest);
    let built = started.elapsed();
    let answers = proof::reference_answers(&unfolded, size);
    let stored = StoredAnswers {
        ema: args.ema,
        ..StoredAnswers::new(precision, size, &answers)
    };
    metadata::set_metadata(&mut model, &source.manifest, false)?;
    model.set_metadata(PROOF_KEY, serde_json::to_string(&stored)?);

    let mut engines = args.proof.clone();
    if args.preprocess_in_graph {
        // The network itself is proved in tract; ONNX Runtime then runs the whole graph.
        engines.engines = vec!["tract".into()];
    }
    let half = args
        .quantize
        .int8
        .then(|| ("float16 weights", folded.with_half_weights()));
    let networks = Networks {
        unfolded: Some(&unfolded),
        variants: half.as_slice(),
    };
    let mut report = prove(
        &onnx::to_bytes(&model),
        checkpoint,
        &source.manifest,
        &networks,
        answers,
        &engines,
    )?;
    if args.preprocess_in_graph {
        model = embed_preprocessing(args, &source, &folded, &mut report)?;
        model.set_metadata(PROOF_KEY, serde_json::to_string(&stored)?);
    }
    println!(
        "proof       the file's answers against the checkpoint's own (float64, BatchNorm unfolded)"
    );
    proof::lines(&report, precision)
        .iter()
        .for_each(|line| println!("            {line}"));
    proof::judge(&report, precision)
        .with_context(|| format!("{} was not written", target.display()))?;

    let proved = started.elapsed();

    let reference = "the checkpoint evaluated in float64, BatchNorm unfolded";
    source.manifest.certificate = Some(proof::certificate(&report, precision, reference));
    metadata::set_metadata(&mut model, &source.manifest, args.preprocess_in_graph)?;
    let bytes = onnx::to_bytes(&model);
    let side_files = match args.side_files {
        true => metadata::side_files(&source.manifest)?,
        false => Vec::new(),
    };
    if !args.overwrite_side_files {
        check_side_files(target, &side_files)?;
    }
    atomic_file::write(target, &bytes)?;
    if args.side_files {
        for (name, text) in side_files {
            atomic_file::write(&target.with_file_name(name), text.as_bytes())?;
        }
    }
    println!(
        "written     {} ({:.1} MB, opset {}, IR {}), sha256 {}",
        target.display(),
        bytes.len() as f64 / 1e6,
        model.opset(),
        model.ir_version.unwrap_or(0),
        source::sha256_file(target)?
    );
    if let Some(place) = place {
        place
            .install(&bytes)?
            .lines()
            .for_each(|line| println!("{line}"));
    }
    println!(
        "time        read {:.2} s, build {:.2} s, proof {:.2} s, write {:.2} s",
        read.as_secs_f64(),
        (built - read).as_secs_f64(),
        (proved - built).as_secs_f64(),
        (started.elapsed() - proved).as_secs_f64()
    );
    Ok(())
}

/// Files beside the target that say something else may belong to another model: none is replaced unasked.
fn check_side_files(target: &Path, side_files: &[(&'static str, String)]) -> Result<()> {
    let other = |(name, text): &&(&'static str, String)| {
        let path = target.with_file_name(name);
        path.exists() && std::fs::read(&path).map_or(true, |bytes| bytes != text.as_bytes())
    };
    let others: Vec<&str> = side_files
        .iter()
        .filter(other)
        .map(|(name, _)| *name)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    bail!(
        "{} {} beside {} already and would change; nothing was written (--overwrite-side-files replaces them)",
        others.join(", "),
        if others.len() == 1 { "is" } else { "are" },
        target.display()
    )
}

fn describe_source(checkpoint: &Path, source: &ExportSource) -> String {
    format!(
        "{}: {}, {} classes, {:.2} M parameters",
        checkpoint.display(),
        source.architecture.name(),
        source.architecture.num_classes(),
        source.architecture.graph().parameter_count() as f64 / 1e6
    )
}

fn input_size(manifest: &Manifest) -> [usize; 2] {
    manifest.preprocessing.crop.map(|side| side as usize)
}

/// The model in the form the arguments ask for, without metadata.
fn build_model(
    args: &ExportArgs,
    source: &ExportSource,
    folded: &ExportPlan,
) -> Result<(ModelProto, FilePrecision)> {
    let [height, width] = input_size(&source.manifest);
    let size = if args.dynamic_size {
        InputSize::Dynamic
    } else {
        InputSize::Fixed { height, width }
    };
    let softmax = args.softmax.then_some(source.manifest.temperature);
    let options = EmitOptions {
        opset: args.opset,
        size,
        half_weights: args.fp16,
        softmax,
    };
    if args.quantize.int8 {
        let model = quant::quantized_model(folded, &source.manifest, &args.quantize, &options)?;
        return Ok((model, FilePrecision::Int8));
    }
    let precision = if args.fp16 {
        FilePrecision::Float16Weights
    } else {
        FilePrecision::Float32
    };
    Ok((emit::float_model(folded, &options)?, precision))
}

/// The model with its preprocessing inside, proved against the outside path; its row joins the report.
fn embed_preprocessing(
    args: &ExportArgs,
    source: &ExportSource,
    folded: &ExportPlan,
    report: &mut ProofReport,
) -> Result<ModelProto> {
    let [height, width] = input_size(&source.manifest);
    let options = EmitOptions {
        opset: args.opset.max(preprocess_graph::OPSET),
        size: InputSize::Fixed { height, width },
        half_weights: false,
        softmax: args.softmax.then_some(source.manifest.temperature),
    };
    let model = preprocess_graph::model(folded, &source.manifest.preprocessing, &options)?;
    let images = match &args.proof.verify_data {
        Some(dir) => ImageList::open(dir, &source.manifest, args.proof.verify_images)?.decode()?,
        None => preprocess_graph::test_images(),
    };
    let library = args.proof.onnxruntime_lib.as_deref();
    let proof =
        preprocess_graph::prove(&model, folded, &source.manifest, &options, library, &images)?;
    report.notes.push(format!(
        "preprocessing in the graph differs from outside by at most {:.3} pixel levels of 255 (bound {}), logits by {:.2e}, \
         best class the same on {:.1} % of {}",
        proof.max_levels,
        preprocess_graph::BOUND_LEVELS,
        proof.row.max_difference,
        proof.row.agreement_percent,
        proof.row.inputs
    ));
    Ok(model)
}

/// What the photos are compared with beside the engines.
struct Networks<'a> {
    unfolded: Option<&'a ExportPlan>,
    variants: &'a [(&'static str, ExportPlan)],
}

/// Runs the engines on everything there is to compare.
fn prove(
    bytes: &[u8],
    checkpoint: &Path,
    manifest: &Manifest,
    networks: &Networks<'_>,
    answers: Vec<Vec<f32>>,
    args: &ProofArgs,
) -> Result<ProofReport> {
    let [height, width] = input_size(manifest);
    let (candidates, notes) = proof::open_engines(bytes, args)?;
    let inputs = (0..answers.len())
        .map(|index| proof::synthetic_input(index, height, width))
        .collect::<Vec<_>>();
    let mut expected = vec![Expected {
        what: format!("{} synthetic", inputs.len()),
        inputs,
        logits: answers,
    }];
    let from_trainer = proof::trainer_answers(checkpoint, [height, width], manifest.labels.len())?;
    let given = args
        .reference_logits
        .as_deref()
        .map(|path| proof::reference_logits(path, [height, width], manifest.labels.len()))
        .transpose()?;
    let framework = from_trainer.is_some() || given.is_some();
    expected.extend(from_trainer);
    expected.extend(given);
    let mut report = ProofReport {
        rows: proof::compare(&candidates, &expected, manifest)?,
        notes,
        framework,
        ..Default::default()
    };
    if let Some(dir) = &args.verify_data {
        let images = ImageList::open(dir, manifest, args.verify_images)?;
        let (rows, accuracy) = proof::compare_on_images(
            &candidates,
            networks.unfolded,
            networks.variants,
            &images,
            manifest,
        )?;
        report.rows.extend(rows);
        report.accuracy = accuracy;
    }
    Ok(report)
}

/// `export-onnx verify model.onnx`
///
/// # Errors
/// A model without a proof of ours, or one that no longer answers as it did.
pub fn run_verify(args: &VerifyArgs) -> Result<()> {
    let model = onnx::read(&args.model)?;
    let (Some(manifest), Some(stored)) = (model.metadata(MANIFEST_KEY), model.metadata(PROOF_KEY))
    else {
        bail!(
            "{} carries no proof; only models written by export-onnx do (see `export-onnx inspect`)",
            args.model.display()
        );
    };
    let manifest =
        Manifest::from_json(manifest).context("the manifest inside the model is damaged")?;
    let mut inputs = model.graph.iter().flat_map(|graph| &graph.input);
    if inputs.any(|input| input.name == preprocess_graph::IMAGE) {
        bail!(
            "{} takes pixels, which only the export itself proves; export it again to repeat the proof",
            args.model.display()
        );
    }
    let stored: StoredAnswers =
        serde_json::from_str(stored).context("the proof inside the model is damaged")?;
    if [stored.height, stored.width] != input_size(&manifest) {
        bail!(
            "the proof inside {} is for another input size",
            args.model.display()
        );
    }
    let bytes = std::fs::read(&args.model)
        .with_context(|| format!("cannot read {}", args.model.display()))?;
    let mut answers = stored.logits()?;
    let mut unfolded = None;
    if let Some(checkpoint) = &args.checkpoint {
        let plan = reload(
            checkpoint,
            &manifest,
            if stored.ema {
                WeightSet::Ema
            } else {
                WeightSet::Model
            },
        )?;
        answers = proof::reference_answers(&plan, input_size(&manifest));
        unfolded = Some(plan);
    }
    let beside = args.checkpoint.as_deref().unwrap_or(&args.model);
    let networks = Networks {
        unfolded: unfolded.as_ref(),
        variants: &[],
    };
    let report = prove(&bytes, beside, &manifest, &networks, answers, &args.proof)?;
    println!("model       {} ({})", args.model.display(), manifest.name);
    let reference = if unfolded.is_some() {
        "the checkpoint, evaluated now"
    } else {
        "the answers stored in the file"
    };
    println!("proof       the file's answers against {reference}");
    proof::lines(&report, stored.precision)
        .iter()
        .for_each(|line| println!("            {line}"));
    proof::judge(&report, stored.precision)?;
    println!("verified    the model answers as its checkpoint");
    Ok(())
}

/// The unfolded network of the checkpoint a model says it was made from.
fn reload(checkpoint: &Path, manifest: &Manifest, set: WeightSet) -> Result<ExportPlan> {
    let recorded = manifest
        .provenance
        .as_ref()
        .and_then(|provenance| provenance.source_sha256.clone());
    let found = source::sha256_file(checkpoint)?;
    if let Some(recorded) = recorded
        && recorded != found
    {
        bail!(
            "{} is not the checkpoint of this model: sha256 {found}, expected {recorded}",
            checkpoint.display()
        );
    }
    let architecture = model_core::arch::by_name(&manifest.arch, manifest.labels.len())?;
    let weights = weights::load_state(&architecture, weights::read_set(checkpoint, set)?)?;
    ExportPlan::lower(&architecture.graph(), &weights)
}

/// `export-onnx inspect model.onnx`
///
/// # Errors
/// A file that is no ONNX model.
pub fn run_inspect(args: &InspectArgs) -> Result<()> {
    let summary = inspect::summarize(&args.model)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        inspect::lines(&summary, args.nodes)
            .iter()
            .for_each(|line| println!("{line}"));
    }
    Ok(())
}
