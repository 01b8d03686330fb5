//! `infer-cli info`: what a model says of itself, and what was made of it.

use std::fmt::Write;

use anyhow::Result;
use inference::{Answers, ModelInfo, ModelSource};
use model_core::preprocessing::Resize;
use serde::Serialize;

use super::print;
use crate::args::{InfoArgs, VerbosityArgs};
use crate::output::SCHEMA;
use crate::report::printable;
use crate::{Exit, model};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    sha256: Option<String>,
    #[serde(flatten)]
    model: &'a ModelInfo,
}

/// Describes a model.
///
/// # Errors
/// When the model cannot be used.
pub fn run(args: &InfoArgs) -> Result<Exit> {
    let mut options = args.model.clone();
    if args.which.is_some() {
        options.model.clone_from(&args.which);
    }
    let quiet = VerbosityArgs {
        quiet: true,
        verbose: false,
    };
    let classifier = model::open(&options, &quiet)?;
    let info = classifier.model();
    let sha256 = info.sha256()?;
    if args.json {
        let document = Document {
            schema: SCHEMA,
            sha256,
            model: info,
        };
        print(&format!("{}\n", serde_json::to_string(&document)?))?;
    } else {
        print(&text(info, sha256.as_deref(), args.labels_list)?)?;
    }
    Ok(Exit::Success)
}

fn text(info: &ModelInfo, sha256: Option<&str>, all_labels: bool) -> Result<String> {
    let manifest = &info.manifest;
    let preprocessing = &manifest.preprocessing;
    let mut rows: Vec<(&str, String)> = vec![
        ("name", manifest.name.clone()),
        ("architecture", manifest.arch.clone()),
    ];
    rows.push(match &info.source {
        ModelSource::Embedded => ("file", "inside the program".to_owned()),
        ModelSource::File(path) => ("file", path.display().to_string()),
        ModelSource::Memory => ("file", "none".to_owned()),
    });
    rows.push((
        "size",
        format!(
            "{:.1} MiB, opset {}, {}",
            info.model_bytes as f64 / f64::from(1 << 20),
            info.opset,
            info.producer
        ),
    ));
    if let Some(sha256) = sha256 {
        rows.push(("sha256", sha256.to_owned()));
    }
    rows.push((
        "engine",
        match &info.engine_note {
            Some(note) => format!("{} ({note}), threads {}", info.engine, info.threads),
            None => format!("{}, threads {}", info.engine, info.threads),
        },
    ));
    rows.push(("described by", info.dialect.to_string()));
    let names: Vec<&str> = manifest
        .labels
        .iter()
        .take(3)
        .map(|label| label.name.as_str())
        .collect();
    rows.push((
        "classes",
        format!("{}: {}, ...", info.classes, names.join(", ")),
    ));
    let [height, width] = preprocessing.crop;
    let resize = match preprocessing.resize {
        Resize::ShortSide(side) => format!("short side to {side}"),
        Resize::Exact { height, width } => format!("to {height} x {width}"),
        Resize::None => "no resize".to_owned(),
    };
    let kernel = format!("{:?}", preprocessing.interpolation).to_lowercase();
    rows.push((
        "preprocessing",
        format!("{resize} ({kernel}), center {height} x {width}"),
    ));
    let order = format!("{:?}, {:?}", preprocessing.layout, preprocessing.channels).to_lowercase();
    rows.push((
        "",
        format!(
            "mean {:?}, std {:?} of 0..{}, {order}",
            preprocessing.mean,
            preprocessing.std,
            255.0 / preprocessing.pixel_max
        ),
    ));
    rows.push((
        "output",
        format!("{}, because {}", manifest.output, info.output_because),
    ));
    rows.push((
        "answers",
        match info.answers {
            Answers::SingleLabel => format!("one class, temperature {}", manifest.temperature),
            Answers::Binary => format!("yes or no, yes from a score of {}", manifest.threshold),
            Answers::MultiLabel => format!(
                "any number of classes, each from a score of {}",
                manifest.threshold
            ),
        },
    ));
    if let Some(accuracy) = &manifest.accuracy {
        let top5 = accuracy
            .top5_percent
            .map_or(String::new(), |p| format!(", top-5 {p:.2} %"));
        rows.push((
            "accuracy",
            format!(
                "top-1 {:.2} %{top5} on {} images ({})",
                accuracy.top1_percent, accuracy.images, accuracy.dataset
            ),
        ));
    }
    if let Some(license) = &manifest.license {
        rows.push(("license", license.clone()));
    }
    if let Some(provenance) = &manifest.provenance {
        rows.push(("weights from", provenance.source.clone()));
        rows.push(("written by", provenance.tool.clone()));
        if let Some(epoch) = provenance.epoch {
            rows.push(("epochs", epoch.to_string()));
        }
    }
    rows.push((
        "proof",
        if manifest.certificate.is_some() {
            "export certificate inside".to_owned()
        } else {
            "none".to_owned()
        },
    ));
    for note in &info.notes {
        rows.push(("note", note.clone()));
    }
    let mut out = String::new();
    for (name, value) in rows {
        writeln!(out, "{name:13}  {}", printable(&value))?;
    }
    if all_labels {
        for (index, label) in manifest.labels.iter().enumerate() {
            writeln!(
                out,
                "{index}\t{}\t{}",
                label.id.as_deref().unwrap_or("-"),
                printable(&label.name)
            )?;
        }
    }
    Ok(out)
}
