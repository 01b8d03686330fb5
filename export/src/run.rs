//! An export, step by step.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use model_core::atomic_file;
use model_core::manifest::{Manifest, Output};
use model_core::onnx::{self, ModelProto};

use crate::cli::{ExportArgs, InspectArgs, ProofArgs};
use crate::emit::{self, EmitConfig, InputSize};
use crate::hub::{self, NewFile};
use crate::images::ImageList;
use crate::plan::ExportPlan;
use crate::proof::{self, Expected, FilePrecision, PROOF_KEY, ProofReport, StoredAnswers};
use crate::source::{self, ExportSource};
use crate::{inspect, install, metadata, newest, preprocess_graph, quant, sbom};

/// What every file is held against.
const REFERENCE: &str = "the checkpoint evaluated in float64, BatchNorm unfolded";

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
    hub::check(args, &source)?;
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

    source.manifest.certificate = Some(proof::certificate(&report, precision, REFERENCE));
    source.manifest.sbom = args.sbom.then(|| sbom::cyclonedx(&source.manifest));
    metadata::set_metadata(&mut model, &source.manifest, args.preprocess_in_graph)?;
    let bytes = onnx::to_bytes(&model);
    let mut files = match args.side_files {
        true => hub::beside(target, metadata::side_files(&source.manifest)?),
        false => Vec::new(),
    };
    // Proves a file of another form, and gives it its own certificate.
    let prove_form = |model: &mut ModelProto, precision: FilePrecision| -> Result<()> {
        let mut manifest = source.manifest.clone();
        let stored = StoredAnswers {
            precision,
            ..stored.clone()
        };
        model.set_metadata(PROOF_KEY, serde_json::to_string(&stored)?);
        let bytes = onnx::to_bytes(model);
        let answers = stored.logits()?;
        let report = prove(&bytes, checkpoint, &manifest, &networks, answers, &engines)?;
        proof::judge(&report, precision)?;
        manifest.certificate = Some(proof::certificate(&report, precision, REFERENCE));
        metadata::set_metadata(model, &manifest, false)
    };
    let shipped = hub::Shipped {
        args,
        source: &source,
        folded: &folded,
        model: &model,
        bytes: &bytes,
        precision,
        report: &report,
        prove: &prove_form,
    };
    let (hub_files, notes) = hub::files(&shipped)?;
    files.extend(hub_files);
    if !args.overwrite_side_files {
        check_others(&files)?;
    }
    atomic_file::write(target, &bytes)?;
    for file in &files {
        file.write()?;
    }
    println!(
        "written     {} ({:.1} MB, opset {}, IR {}), sha256 {}",
        target.display(),
        bytes.len() as f64 / 1e6,
        model.opset(),
        model.ir_version.unwrap_or(0),
        source::sha256_file(target)?
    );
    for line in hub::lines(args, &files).into_iter().chain(notes) {
        println!("{line}");
    }
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

/// Files that say something else may belong to another model: none is replaced unasked.
fn check_others(files: &[NewFile]) -> Result<()> {
    let others: Vec<String> = files
        .iter()
        .filter(|file| file.would_change())
        .map(NewFile::shown)
        .collect();
    anyhow::ensure!(
        others.is_empty(),
        "{} {} there already and would change; nothing was written (--overwrite-side-files replaces them)",
        others.join(", "),
        if others.len() == 1 { "is" } else { "are" },
    );
    Ok(())
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

pub(crate) fn input_size(manifest: &Manifest) -> [usize; 2] {
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
    let config = EmitConfig {
        opset: args.opset,
        size,
        half_weights: args.fp16,
        softmax,
    };
    if args.quantize.int8 {
        let model = quant::quantized_model(folded, &source.manifest, &args.quantize, &config)?;
        return Ok((model, FilePrecision::Int8));
    }
    let precision = if args.fp16 {
        FilePrecision::Float16Weights
    } else {
        FilePrecision::Float32
    };
    Ok((emit::float_model(folded, &config)?, precision))
}

/// The model with its preprocessing inside, proved against the outside path; its row joins the report.
fn embed_preprocessing(
    args: &ExportArgs,
    source: &ExportSource,
    folded: &ExportPlan,
    report: &mut ProofReport,
) -> Result<ModelProto> {
    let [height, width] = input_size(&source.manifest);
    let config = EmitConfig {
        opset: args.opset.max(preprocess_graph::OPSET),
        size: InputSize::Fixed { height, width },
        half_weights: false,
        softmax: args.softmax.then_some(source.manifest.temperature),
    };
    let model = preprocess_graph::model(folded, &source.manifest.preprocessing, &config)?;
    let images = match &args.proof.verify_data {
        Some(dir) => ImageList::open(dir, &source.manifest, args.proof.verify_images)?.decode()?,
        None => preprocess_graph::test_images(),
    };
    let library = args.proof.onnxruntime_lib.as_deref();
    let proof =
        preprocess_graph::prove(&model, folded, &source.manifest, &config, library, &images)?;
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
pub(crate) struct Networks<'a> {
    pub unfolded: Option<&'a ExportPlan>,
    pub variants: &'a [(&'static str, ExportPlan)],
}

/// Runs the engines on everything there is to compare.
pub(crate) fn prove(
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
