//! What a model file says of itself: architecture, labels, preprocessing, accuracy, where it comes from.
//!
//! The same record travels as JSON inside a checkpoint (safetensors `__metadata__`) and inside an ONNX file
//! (`metadata_props`), under [`MANIFEST_KEY`], and as `manifest.yaml` beside a third-party model that carries none.
//! Unknown keys are errors: a misspelt `temprature` must not be silently ignored.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hierarchy::{GroupSpec, Hierarchy, HierarchyError};
use crate::labels::Label;
use crate::preprocessing::{Preprocessing, PreprocessingError};
use crate::scores;

mod records;

pub use records::{Accuracy, Provenance};

/// The metadata key that holds the manifest as JSON.
pub const MANIFEST_KEY: &str = "resnet50_toolkit.manifest";

/// The version this code writes and the newest it reads.
///
/// Version 2 says how image files are read (`preprocessing.reading`), and calls TensorFlow's EfficientNet-Lite0
/// `tf_efficientnet_lite0`; version 1 knew only that one and called it `efficientnet_lite0`, which is another network now.
pub const FORMAT_VERSION: u32 = 2;

/// A model's description of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// A short name, as `efficientnet-lite0`.
    pub name: String,
    /// The architecture's name in [`crate::arch`], or any word for a third-party model.
    pub arch: String,
    /// One label a class, in the order of the logits.
    pub labels: Vec<Label>,
    /// Words above the classes; without them ImageNet's WordNet ids have WordNet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<Vec<GroupSpec>>,
    /// How an image becomes the input.
    pub preprocessing: Preprocessing,
    /// What the network's output is.
    #[serde(default)]
    pub output: Output,
    /// Divides the logits before softmax; 1 leaves them (Guo et al. 2017, temperature scaling).
    #[serde(default = "one")]
    pub temperature: f32,
    /// The least score at which a class of an independent answer ([`Answers::Binary`], [`Answers::MultiLabel`]) counts as
    /// present, 0 to 1. It plays no part where classes exclude each other.
    #[serde(default = "half", skip_serializing_if = "is_half")]
    pub threshold: f32,
    /// Measured accuracy, if somebody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// SPDX expression of the weights' license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where the weights come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// A CycloneDX bill of materials as JSON: what the model was made from and with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<serde_json::Value>,
    /// The exporter's proof that the file answers as the checkpoint does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<serde_json::Value>,
}

fn one() -> f32 {
    1.0
}

/// [`Manifest::threshold`] where nobody chose another.
pub const DEFAULT_THRESHOLD: f32 = 0.5;

fn half() -> f32 {
    DEFAULT_THRESHOLD
}

fn is_half(threshold: &f32) -> bool {
    *threshold == DEFAULT_THRESHOLD
}

/// What the numbers are that the network gives for one image, `[classes]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Unnormalized scores of classes that exclude each other; softmax is ours to apply.
    #[default]
    Logits,
    /// Probabilities that already sum to 1.
    Probabilities,
    /// Logarithms of probabilities that sum to 1 (`LogSoftmax`).
    LogProbabilities,
    /// Independent scores from 0 to 1, one a class: a sigmoid is the network's last step. One number is a binary
    /// classifier, several are a multi-label one.
    SigmoidScores,
    /// Independent scores before the sigmoid, which is ours to apply (weights trained with `BCEWithLogitsLoss`).
    SigmoidLogits,
}

impl Output {
    /// Every kind, as the front ends list them.
    pub const ALL: [Self; 5] = [
        Self::Logits,
        Self::Probabilities,
        Self::LogProbabilities,
        Self::SigmoidScores,
        Self::SigmoidLogits,
    ];

    /// Its name with hyphens: `log-probabilities`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
            Self::LogProbabilities => "log-probabilities",
            Self::SigmoidScores => "sigmoid-scores",
            Self::SigmoidLogits => "sigmoid-logits",
        }
    }

    /// Whether each class has a score of its own, so that several or none may be present.
    pub fn is_independent(self) -> bool {
        matches!(self, Self::SigmoidScores | Self::SigmoidLogits)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How the scores of one answer are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Exactly one class is right: scores are probabilities that sum to 1, and the best one is the answer.
    #[default]
    SingleLabel,
    /// One question, yes or no: the score of the positive class, present where it reaches [`Manifest::threshold`]. With
    /// two labels the first names the negative class, whose score is 1 minus the other.
    Binary,
    /// Any number of classes may be present: independent scores that need not sum to 1, each present where it reaches
    /// [`Manifest::threshold`].
    MultiLabel,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The sidecar could not be read.
    #[error(
        "cannot read the manifest {path}: {}",
        crate::text::system_words(source)
    )]
    Read {
        /// The sidecar.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The YAML is not a manifest.
    #[error("not a manifest (YAML): {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The JSON is not a manifest.
    #[error("not a manifest (JSON): {0}")]
    Json(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error(
        "manifest format {got} is newer than this program reads ({FORMAT_VERSION}): update the program"
    )]
    Version {
        /// The version found.
        got: u32,
    },
    /// The preprocessing cannot be carried out.
    #[error(transparent)]
    Preprocessing(#[from] PreprocessingError),
    /// The words above the classes do not fit the classes.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// Any other value out of range.
    #[error("manifest.{field}: expected {expected}, got {got}")]
    Value {
        /// The key at fault.
        field: &'static str,
        /// What it may hold.
        expected: &'static str,
        /// What it holds.
        got: String,
    },
}

impl Manifest {
    /// A manifest with what every model has; the rest is none.
    pub fn new(
        name: impl Into<String>,
        arch: impl Into<String>,
        labels: Vec<Label>,
        preprocessing: Preprocessing,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            name: name.into(),
            arch: arch.into(),
            labels,
            hierarchy: None,
            preprocessing,
            output: Output::Logits,
            temperature: 1.0,
            threshold: DEFAULT_THRESHOLD,
            accuracy: None,
            license: None,
            provenance: None,
            sbom: None,
            certificate: None,
        }
    }

    /// Reads and checks the JSON form.
    ///
    /// # Errors
    /// [`ManifestError`] when it does not parse or a value is out of range.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_str(text)?;
        manifest.checked()
    }

    /// The JSON form, on one line, keys in declaration order: the same record gives the same bytes.
    ///
    /// # Errors
    /// [`ManifestError::Json`] when a number cannot be written.
    pub fn to_json(&self) -> Result<String, ManifestError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads and checks the YAML form.
    ///
    /// # Errors
    /// As [`Manifest::from_json`].
    pub fn from_yaml(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_yaml::from_str(text)?;
        manifest.checked()
    }

    /// The YAML form.
    ///
    /// # Errors
    /// [`ManifestError::Yaml`] when a value cannot be written.
    pub fn to_yaml(&self) -> Result<String, ManifestError> {
        Ok(serde_yaml::to_string(self)?)
    }

    /// Reads `manifest.yaml` beside a model.
    ///
    /// # Errors
    /// [`ManifestError::Read`] when the file cannot be read, else as [`Manifest::from_yaml`].
    pub fn read_sidecar(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path).map_err(|source| ManifestError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_yaml(&text)
    }

    /// In the newest format, and with every value checked.
    fn checked(mut self) -> Result<Self, ManifestError> {
        self.validate()?;
        if self.format_version == 1 && self.arch == "efficientnet_lite0" {
            self.arch.insert_str(0, "tf_");
        }
        self.format_version = FORMAT_VERSION;
        Ok(self)
    }

    /// How the scores of a network with `outputs` numbers an image are to be read.
    pub fn answers(&self, outputs: usize) -> Answers {
        match (self.output.is_independent(), outputs) {
            (false, _) => Answers::SingleLabel,
            (true, 1) => Answers::Binary,
            (true, _) => Answers::MultiLabel,
        }
    }

    /// One score a label, 0 to 1, from one image's output: softmax or sigmoid where the network has none, and the
    /// temperature. A binary network's single number becomes two scores where two labels name both sides.
    pub fn scores(&self, output: &[f32]) -> Vec<f32> {
        let temperature = self.temperature;
        let scores = match self.output {
            Output::Logits | Output::LogProbabilities => scores::softmax(output, temperature),
            Output::Probabilities | Output::SigmoidScores if temperature == 1.0 => output.to_vec(),
            Output::Probabilities => scores::softmax(&self.logits(output), temperature),
            Output::SigmoidScores | Output::SigmoidLogits => self
                .logits(output)
                .iter()
                .map(|logit| scores::sigmoid(logit / temperature))
                .collect(),
        };
        match (scores[..].as_ref(), self.labels.len()) {
            ([positive], 2) if self.output.is_independent() => vec![1.0 - positive, *positive],
            _ => scores,
        }
    }

    /// One image's output as logits of the same answer: what a temperature divides.
    pub fn logits(&self, output: &[f32]) -> Vec<f32> {
        let log = |p: &f32| p.max(f32::MIN_POSITIVE).ln();
        match self.output {
            Output::Logits | Output::LogProbabilities | Output::SigmoidLogits => output.to_vec(),
            Output::Probabilities => output.iter().map(log).collect(),
            Output::SigmoidScores => output.iter().map(|p| log(p) - log(&(1.0 - p))).collect(),
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ManifestError`] names the first key at fault.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.format_version == 0 || self.format_version > FORMAT_VERSION {
            return Err(ManifestError::Version {
                got: self.format_version,
            });
        }
        if self.labels.is_empty() {
            return Err(ManifestError::Value {
                field: "labels",
                expected: "one label a class",
                got: "none".to_owned(),
            });
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(ManifestError::Value {
                field: "temperature",
                expected: "a positive number",
                got: self.temperature.to_string(),
            });
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(ManifestError::Value {
                field: "threshold",
                expected: "a score from 0 to 1",
                got: self.threshold.to_string(),
            });
        }
        if let Some(accuracy) = &self.accuracy {
            let percent = |p: f64| (0.0..=100.0).contains(&p);
            if !percent(accuracy.top1_percent) || !accuracy.top5_percent.is_none_or(percent) {
                return Err(ManifestError::Value {
                    field: "accuracy",
                    expected: "percentages from 0 to 100",
                    got: format!("{:?}", (accuracy.top1_percent, accuracy.top5_percent)),
                });
            }
        }
        self.hierarchy()?;
        Ok(self.preprocessing.validate()?)
    }

    /// The words above the classes, if there are any.
    ///
    /// # Errors
    /// [`ManifestError::Hierarchy`] when the manifest's groups name classes that are not there.
    pub fn hierarchy(&self) -> Result<Option<Hierarchy>, ManifestError> {
        Ok(Hierarchy::of(&self.labels, self.hierarchy.as_deref())?)
    }
}

#[cfg(test)]
mod tests;
