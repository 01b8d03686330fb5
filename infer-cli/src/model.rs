//! From the command line's model options to a loaded classifier; where models are found by name.

use std::path::Path;

use anyhow::Result;
use inference::{Classifier, ClassifierConfig, InferenceError, ModelSource, Overrides, models};
use model_core::Manifest;
use model_core::labels::read_labels;
use model_core::manifest::ManifestError;

use crate::args::{DescribeArgs, ModelArgs, VerbosityArgs};
use crate::{ModelFileError, UsageError, report};

/// Loads the model that the options name and tells notes to the person.
///
/// # Errors
/// [`UsageError`] for option files that cannot be read; [`InferenceError`] for the model.
pub fn open(args: &ModelArgs, verbosity: &VerbosityArgs) -> Result<Classifier> {
    let classifier = load(args.model.as_deref(), &config(args)?)?;
    if !verbosity.quiet {
        for note in &classifier.model().notes {
            report::note(note);
        }
    }
    if verbosity.verbose {
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
        report::note(&format!(
            "model {} ({place}{why}; {} classes, {}), engine {} in {}, {} thread{plural}",
            model.name, model.classes, model.dialect, model.engine, model.precision, model.threads
        ));
    }
    Ok(classifier)
}

/// Loads a model by path or name; without either the default one.
///
/// # Errors
/// As [`open`].
pub fn load(model: Option<&Path>, config: &ClassifierConfig) -> Result<Classifier> {
    let folders = models::folders();
    let found = match model {
        Some(model) => models::find(model, &folders)?,
        None => models::default_model(&folders),
    };
    Ok(found.open(config)?)
}

/// The ONNX file of a loaded model.
///
/// # Errors
/// [`InferenceError::Read`]: the file is gone or cannot be read.
pub fn bytes(source: &ModelSource) -> Result<Vec<u8>, InferenceError> {
    match source {
        ModelSource::File(path) => std::fs::read(path).map_err(|source| InferenceError::Read {
            path: path.clone(),
            source,
        }),
        _ => Ok(inference::embedded::MODEL.to_vec()),
    }
}

/// The configuration of a classifier, from the options of the command line.
///
/// # Errors
/// When a manifest or a list of labels cannot be read.
pub fn config(args: &ModelArgs) -> Result<ClassifierConfig> {
    let manifest = args
        .manifest
        .as_deref()
        .map(|path| {
            Manifest::read_sidecar(path).map_err(|source| match source {
                // It names its file and the system's reason.
                ManifestError::Read { .. } => {
                    anyhow::Error::new(ModelFileError(source.to_string()))
                }
                source => anyhow::Error::new(InferenceError::Manifest {
                    origin: path.display().to_string(),
                    source,
                }),
            })
        })
        .transpose()?;
    Ok(ClassifierConfig {
        engine: args.engine,
        precision: args.precision,
        less_memory: args.less_memory,
        threads: args.threads.unwrap_or(0),
        manifest,
        overrides: overrides(&args.describe)?,
        onnxruntime_lib: args.onnxruntime_lib.clone(),
    })
}

fn overrides(args: &DescribeArgs) -> Result<Overrides> {
    Ok(Overrides {
        preset: args.preset,
        labels: args
            .labels
            .as_deref()
            .map(read_labels)
            .transpose()
            .map_err(|error| UsageError(error.to_string()))?,
        resize: args.resize,
        crop: args.size,
        interpolation: args.interpolation,
        mean: args.mean,
        std: args.std,
        layout: args.layout,
        channels: args.channels,
        pixel_max: args.pixel_max,
        output_name: args.output_name.clone(),
        output: args.network_output,
        threshold: args.present_from,
        temperature: args.temperature,
    })
}
