//! `infer-cli calibrate DIR`: fits the temperature on images with known classes and writes it into the model.

use std::path::PathBuf;

use anyhow::Result;
use inference::metadata::with_manifest;
use inference::{Answers, Cancel, Classifier, ModelSource};
use model_core::{Manifest, atomic_file};
use serde::Serialize;

use super::print;
use crate::args::CalibrateArgs;
use crate::metrics::{self, Judged};
use crate::output::SCHEMA;
use crate::samples::{LabeledSamples, judge};
use crate::{Exit, UsageError, model, report};

/// Fewer images than this give a temperature that another set would contradict.
const FEW_IMAGES: usize = 500;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    model: &'a str,
    images: usize,
    failed: usize,
    temperature_before: f32,
    temperature_after: f32,
    ece_percent_before: f64,
    ece_percent_after: f64,
    negative_log_likelihood_before: f64,
    negative_log_likelihood_after: f64,
    written: Option<PathBuf>,
}

/// Calibrates.
///
/// # Errors
/// When the folder or model cannot be used, when no temperature fits, or when the model cannot be written.
pub fn run(args: &CalibrateArgs, cancel: &Cancel) -> Result<Exit> {
    let classifier = model::open(&args.model, &args.verbosity)?;
    let target = target(args, &classifier)?;
    let samples = LabeledSamples::open(&args.dir, classifier.labels())?;
    if classifier.answers() != Answers::SingleLabel {
        anyhow::bail!(UsageError(format!(
            "{}: a temperature is fitted where exactly one class is right; this model's classes have scores of their own",
            classifier.model().name
        )));
    }
    let (mut logits, mut truths) = (Vec::new(), Vec::new());
    let judgment = judge(
        &classifier,
        &samples,
        &args.decode,
        args.model.batch,
        &args.verbosity,
        cancel,
        |truth, outcome| {
            truths.push(truth);
            logits.push(classifier.model().manifest.logits(&outcome.output));
        },
    )?;
    if logits.is_empty() {
        report::error("none of the images could be read");
        return Ok(Exit::SomeFailed);
    }
    let Some(temperature) = metrics::fit_temperature(&logits, &truths) else {
        let (low, high) = metrics::TEMPERATURE_RANGE;
        let count = logits.len();
        anyhow::bail!(
            "no temperature from {low} to {high} fits these {count} images (all right, or no better than chance); \
             take more, and such that the model was not trained on"
        );
    };
    if logits.len() < FEW_IMAGES && !args.verbosity.quiet {
        let count = logits.len();
        report::note(&format!(
            "{count} images are few: below {FEW_IMAGES} another set may give another temperature"
        ));
    }
    let info = classifier.model().clone();
    // It has its file open, which not every system lets be replaced.
    drop(classifier);
    let manifest = Manifest {
        temperature,
        ..info.manifest.clone()
    };
    if let Some(path) = &target {
        let bytes = with_manifest(&model::bytes(&info.source)?, &manifest)?;
        atomic_file::write(path, &bytes)?;
    }
    let measure = |temperature: f32| {
        let judged: Vec<Judged> = logits
            .iter()
            .zip(&truths)
            .map(|(z, truth)| Judged::new(*truth, &model_core::scores::softmax(z, temperature)))
            .collect();
        metrics::report(&judged, &info.manifest.labels)
    };
    let (Some(before), Some(after)) = (measure(info.manifest.temperature), measure(temperature))
    else {
        return Ok(Exit::SomeFailed);
    };
    let document = Document {
        schema: SCHEMA,
        model: &info.name,
        images: logits.len(),
        failed: judgment.failed,
        temperature_before: info.manifest.temperature,
        temperature_after: temperature,
        ece_percent_before: before.ece_percent,
        ece_percent_after: after.ece_percent,
        negative_log_likelihood_before: before.negative_log_likelihood,
        negative_log_likelihood_after: after.negative_log_likelihood,
        written: target,
    };
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&document)?))?;
    } else {
        print(&text(&document))?;
    }
    Ok(if judgment.failed == 0 {
        Exit::Success
    } else {
        Exit::SomeFailed
    })
}

fn text(document: &Document<'_>) -> String {
    let written = match &document.written {
        Some(path) => format!("written to   {}", path.display()),
        None => "nothing written (--dry-run)".to_owned(),
    };
    format!(
        "images       {}\ntemperature  {:.4} -> {:.4}\ncalibration  {:.2} % -> {:.2} % expected error\n\
         likelihood   {:.4} -> {:.4} nats an image\n{written}\n",
        document.images,
        document.temperature_before,
        document.temperature_after,
        document.ece_percent_before,
        document.ece_percent_after,
        document.negative_log_likelihood_before,
        document.negative_log_likelihood_after,
    )
}

/// Where the calibrated model goes; asked before the long run, not after it.
fn target(args: &CalibrateArgs, classifier: &Classifier) -> Result<Option<PathBuf>> {
    match (&args.output, &classifier.model().source) {
        _ if args.dry_run => Ok(None),
        (Some(path), _) | (None, ModelSource::File(path)) => Ok(Some(path.clone())),
        (None, _) => {
            let text = "the model inside the program cannot be changed: name a file with --output (and use it with \
                        --model afterward), or only look with --dry-run";
            Err(UsageError(text.to_owned()).into())
        }
    }
}
