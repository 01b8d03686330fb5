//! `infer-cli evaluate DIR`: accuracy and calibration on class folders, as text and JSON, with a contact sheet of what
//! went wrong.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use image_data::decode::{DecodeConfig, decode};
use inference::{Cancel, Label, RgbImage};
use model_core::atomic_file;
use serde::Serialize;

use super::{decode_config, print};
use crate::args::{EvaluateArgs, VerbosityArgs};
use crate::metrics::{self, Bin, Judged, Report};
use crate::output::SCHEMA;
use crate::samples::{LabeledSamples, judge};
use crate::words::{self, Held, WordsReport};
use crate::{Exit, model, picture, report};

/// Pictures on the contact sheet.
const SHEET_IMAGES: usize = 60;
const SHEET_COLUMNS: u32 = 10;

/// Evaluates.
///
/// # Errors
/// When the folder, its class names or the model cannot be used.
pub fn run(args: &EvaluateArgs, cancel: &Cancel) -> Result<Exit> {
    let classifier = model::open(&args.model, &args.verbosity)?;
    let samples = LabeledSamples::open(&args.dir, classifier.labels())?;
    let (mut leaf, mut everyday) = (Vec::new(), Vec::new());
    let judged = judge(
        &classifier,
        &samples,
        &args.decode,
        args.model.batch,
        &args.verbosity,
        cancel,
        |truth, outcome| {
            let Some(word) = classifier.everyday(&outcome.probabilities, args.at_least) else {
                return;
            };
            let best = outcome.predictions.first();
            leaf.push(Held {
                probability: best.map_or(0.0, |best| best.probability),
                sure: best.is_some_and(|best| best.probability >= args.at_least),
                right: best.is_some_and(|best| best.index == truth),
            });
            everyday.push(Held {
                probability: word.probability,
                sure: word.sure,
                right: word.classes.contains(&truth),
            });
        },
    )?;
    let pairs: Vec<Judged> = judged.answers.iter().map(|(_, one)| one.clone()).collect();
    let Some(measured) = metrics::report(&pairs, classifier.labels()) else {
        report::error(&format!(
            "none of the {} images could be read",
            samples.samples.len()
        ));
        return Ok(Exit::SomeFailed);
    };
    if let Some(sheet) = &args.save_errors {
        save_errors(
            sheet,
            &judged.answers,
            &samples,
            &decode_config(&args.decode, &classifier),
            classifier.labels(),
            &args.verbosity,
        )?;
    }
    let document = Document {
        schema: SCHEMA,
        model: &classifier.model().name,
        engine: classifier.model().engine.name(),
        temperature: classifier.model().manifest.temperature,
        dir: args.dir.display().to_string(),
        failed: judged.failed,
        report: &measured,
        words: words::report(args.at_least, &leaf, &everyday),
    };
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&document)?))?;
    } else {
        print(&text(&document, args.show)?)?;
    }
    Ok(if judged.failed == 0 {
        Exit::Success
    } else {
        Exit::SomeFailed
    })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    model: &'a str,
    engine: &'a str,
    temperature: f32,
    dir: String,
    failed: usize,
    #[serde(flatten)]
    report: &'a Report,
    /// Classes against everyday words; none for a model that knows no words above its classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<WordsReport>,
}

fn text(document: &Document<'_>, show: usize) -> Result<String> {
    let report = document.report;
    let mut out = String::new();
    writeln!(
        out,
        "model        {} ({}, temperature {})",
        document.model, document.engine, document.temperature
    )?;
    writeln!(
        out,
        "images       {} ({} could not be read)",
        report.images, document.failed
    )?;
    writeln!(out, "top-1        {:.2} %", report.top1_percent)?;
    writeln!(out, "top-5        {:.2} %", report.top5_percent)?;
    writeln!(
        out,
        "confidence   {:.2} % on average",
        report.mean_confidence_percent
    )?;
    writeln!(
        out,
        "calibration  {:.2} % expected error ({} bins)",
        report.ece_percent,
        metrics::BINS
    )?;
    if let Some(words) = &document.words {
        let least = words.at_least * 100.0;
        writeln!(
            out,
            "\nat least {least:.0} % sure   answered     right  wrong of the answered"
        )?;
        for (name, kind) in [
            ("classes", &words.leaf),
            ("everyday words", &words.everyday),
        ] {
            writeln!(
                out,
                "{name:20}  {:6.1} %  {:6.1} %  {:6.1} %",
                kind.answered_percent, kind.right_percent, kind.error_percent
            )?;
        }
    }
    let mut classes: Vec<_> = report.classes.iter().collect();
    classes.sort_by(|a, b| {
        a.top1_percent
            .total_cmp(&b.top1_percent)
            .then(b.images.cmp(&a.images))
    });
    writeln!(
        out,
        "\nworst classes of {}\n   top-1    top-5  images  class",
        classes.len()
    )?;
    for class in classes.iter().take(show) {
        let label = report::printable(&class.label);
        writeln!(
            out,
            "{:6.1} % {:6.1} %  {:6}  {label}",
            class.top1_percent, class.top5_percent, class.images
        )?;
    }
    if !report.confusions.is_empty() {
        writeln!(out, "\nmost frequent confusions\nimages  truth -> answer")?;
        for pair in report.confusions.iter().take(show) {
            let (truth, answer) = (
                report::printable(&pair.truth_label),
                report::printable(&pair.predicted_label),
            );
            writeln!(out, "{:6}  {truth} -> {answer}", pair.images)?;
        }
    }
    reliability(&mut out, "confidence against accuracy", &report.reliability)?;
    if let Some(words) = &document.words {
        reliability(&mut out, "the same of everyday words", &words.reliability)?;
    }
    Ok(out)
}

fn reliability(out: &mut String, title: &str, bins: &[Bin]) -> Result<()> {
    writeln!(out, "\n{title}\n  confidence  accuracy  images")?;
    for bin in bins {
        writeln!(
            out,
            "{:10.1} % {:7.1} %  {:6}",
            bin.confidence_percent, bin.accuracy_percent, bin.images
        )?;
    }
    Ok(())
}

/// The wrong answers, the most confident first, as one picture, and a text file that names them.
fn save_errors(
    path: &Path,
    answers: &[(usize, Judged)],
    samples: &LabeledSamples,
    decode_config: &DecodeConfig,
    labels: &[Label],
    verbosity: &VerbosityArgs,
) -> Result<()> {
    let mut wrong: Vec<&(usize, Judged)> =
        answers.iter().filter(|(_, one)| !one.is_right()).collect();
    wrong.sort_by(|(_, a), (_, b)| b.confidence.total_cmp(&a.confidence));
    let mut images: Vec<RgbImage> = Vec::new();
    let mut list = String::from("place\tpath\ttruth\tanswer\tprobability\n");
    for (index, one) in wrong.into_iter().take(SHEET_IMAGES) {
        let sample = &samples.samples[*index];
        let file = &sample.path;
        let name = |class: usize| labels.get(class).map_or("?", |label| label.name.as_str());
        images.push(
            sample
                .read(&decode_config.limits)
                .and_then(|bytes| decode(&bytes, decode_config))
                .with_context(|| format!("cannot read {} again", file.display()))?,
        );
        writeln!(
            list,
            "{}\t{}\t{}\t{}\t{:.4}",
            images.len(),
            file.display(),
            name(one.truth),
            one.predicted().map_or("?", name),
            one.confidence
        )?;
    }
    let Some(sheet) = picture::contact_sheet(&images, SHEET_COLUMNS) else {
        report::note("no wrong answers: no contact sheet written");
        return Ok(());
    };
    picture::save_png(path, &sheet)?;
    let legend = path.with_extension("tsv");
    atomic_file::write(&legend, list.as_bytes())?;
    if !verbosity.quiet {
        report::note(&format!(
            "{} shows {} wrong answers, {} names them",
            path.display(),
            images.len(),
            legend.display()
        ));
    }
    Ok(())
}
