//! From the command line's model options to a loaded classifier; where models are found by name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use inference::{Classifier, Label, Options, Overrides, embedded};
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
        report::warning(&format!(
            "model {} ({} classes, {}), engine {}, {} thread{plural}",
            model.name, model.classes, model.dialect, model.engine, model.threads
        ));
    }
    Ok(classifier)
}

/// Loads a model by path or name; without either the embedded one.
///
/// # Errors
/// As [`open`].
pub fn load(model: Option<&Path>, options: &Options) -> Result<Classifier> {
    let Some(model) = model else {
        return Ok(Classifier::embedded(options)?);
    };
    Ok(match find(model)? {
        Found::Embedded => Classifier::embedded(options)?,
        Found::File(path) => Classifier::open(path, options)?,
    })
}

/// What a model's path or name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The model inside the program.
    Embedded,
    /// A file.
    File(PathBuf),
}

/// Resolves a path or a name: an existing file, then a model in the models folders, then the embedded model's name.
///
/// # Errors
/// [`inference::Error::Model`] with the names there are.
pub fn find(model: &Path) -> Result<Found> {
    if model.is_file() {
        return Ok(Found::File(model.to_owned()));
    }
    if model.is_dir() && model.join("model.onnx").is_file() {
        return Ok(Found::File(model.join("model.onnx")));
    }
    let listed = list();
    let name = model.to_string_lossy();
    if let Some((_, path)) = listed.iter().find(|(known, _)| *known == name) {
        return Ok(Found::File(path.clone()));
    }
    if name == embedded::NAME || name == "embedded" {
        return Ok(Found::Embedded);
    }
    let mut names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    if !names.contains(&embedded::NAME) {
        names.push(embedded::NAME);
    }
    let reason = format!(
        "no such file, and no model of this name; known names: {}",
        names.join(", ")
    );
    Err(inference::Error::Model {
        model: model.display().to_string(),
        reason,
    }
    .into())
}

/// Names and files of the models in the models folders, sorted; a name found twice keeps its first place.
pub fn list() -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for dir in folders() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        let mut here: Vec<(String, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let name = path.file_stem()?.to_string_lossy().into_owned();
                if path.is_dir() && path.join("model.onnx").is_file() {
                    let name = path.file_name()?.to_string_lossy().into_owned();
                    return Some((name, path.join("model.onnx")));
                }
                (path.extension()? == "onnx" && path.is_file()).then_some((name, path))
            })
            .filter(|(name, _)| !found.iter().any(|(known, _)| known == name))
            .collect();
        here.sort();
        found.append(&mut here);
    }
    found
}

/// `INFER_MODELS_DIR`, or `models/` here and beside the program.
pub fn folders() -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("INFER_MODELS_DIR").filter(|dir| !dir.is_empty()) {
        return vec![dir.into()];
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("models")));
    std::iter::once(PathBuf::from("models"))
        .chain(beside)
        .collect()
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
