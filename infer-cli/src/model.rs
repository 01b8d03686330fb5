//! From the command line's model options to a loaded classifier; where models are found by name.

use std::path::Path;

use anyhow::{Context, Result, bail};
use inference::{Classifier, Label, ModelSource, Options, Overrides, models};
use model_core::Manifest;

use crate::args::{DescribeArgs, ModelArgs, TalkArgs};
use crate::{UsageError, report};

/// Loads the model that the options name and tells notes to the person.
///
/// # Errors
/// [`UsageError`] for option files that cannot be read; [`inference::Error`] for the model.
pub fn open(args: &ModelArgs, talk: &TalkArgs) -> Result<Classifier> {
    let classifier = load(args.model.as_deref(), &options(args)?)?;
    if !talk.quiet {
        for note in &classifier.model().notes {
            report::warning(note);
        }
    }
    if talk.verbose {
        let model = classifier.model();
        let plural = if model.threads == 1 { "" } else { "s" };
        let place = match &model.source {
            ModelSource::Embedded => "inside the program".to_owned(),
            ModelSource::File(path) => path.display().to_string(),
            ModelSource::Memory => "in memory".to_owned(),
        };
        let why = match (&args.model, &model.source) {
            (None, ModelSource::File(_)) => ", which takes the place of the one inside the program",
            _ => "",
        };
        report::warning(&format!(
            "model {} ({place}{why}; {} classes, {}), engine {}, {} thread{plural}",
            model.name, model.classes, model.dialect, model.engine, model.threads
        ));
    }
    Ok(classifier)
}

/// Loads a model by path or name; without either the default one.
///
/// # Errors
/// As [`open`].
pub fn load(model: Option<&Path>, options: &Options) -> Result<Classifier> {
    let folders = models::folders();
    let found = match model {
        Some(model) => models::find(model, &folders)?,
        None => models::default_model(&folders),
    };
    Ok(found.open(options)?)
}

/// The library's options from the command line's.
///
/// # Errors
/// When a manifest or a list of labels cannot be read.
pub fn options(args: &ModelArgs) -> Result<Options> {
    let manifest = args
        .manifest
        .as_deref()
        .map(|path| {
            Manifest::read_sidecar(path).map_err(|source| inference::Error::Manifest {
                origin: path.display().to_string(),
                source,
            })
        })
        .transpose()?;
    Ok(Options {
        engine: args.engine,
        threads: args.threads.unwrap_or(0),
        manifest,
        overrides: overrides(&args.describe)?,
        onnxruntime_lib: args.onnxruntime_lib.clone(),
    })
}

fn overrides(args: &DescribeArgs) -> Result<Overrides> {
    Ok(Overrides {
        preset: args.preset,
        labels: args.labels.as_deref().map(read_labels).transpose()?,
        resize: args.resize,
        crop: args.size,
        interpolation: args.interpolation,
        mean: args.mean,
        std: args.std,
        layout: args.layout,
        channels: args.channels,
        pixel_max: args.pixel_max,
        output: args.network_output,
        temperature: args.temperature,
    })
}

fn read_labels(path: &Path) -> Result<Vec<Label>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        UsageError(format!(
            "cannot read the labels {}: {error}",
            path.display()
        ))
    })?;
    let labels: Vec<Label> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match line.split_once('\t') {
            Some((id, name)) => Label {
                id: Some(id.trim().to_owned()),
                name: name.trim().to_owned(),
            },
            None => Label::named(line.trim()),
        })
        .collect();
    if labels.is_empty() {
        bail!(UsageError(format!(
            "expected class names, one a line, got an empty file: {}",
            path.display()
        )));
    }
    Ok(labels)
}

/// Writes a file whole or not at all: a sibling is written first and then takes its place.
///
/// # Errors
/// When the folder cannot be written; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let problem = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(dir).with_context(problem)?;
    file.write_all(bytes).with_context(problem)?;
    if let Ok(old) = std::fs::metadata(path) {
        file.as_file()
            .set_permissions(old.permissions())
            .with_context(problem)?;
    }
    file.as_file().sync_all().with_context(problem)?;
    file.persist(path)
        .map_err(|error| error.error)
        .with_context(problem)?;
    Ok(())
}
