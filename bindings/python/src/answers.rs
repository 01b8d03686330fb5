//! What a classifier answers, and what is known of its model, as Python objects that cannot be changed.

use inference::{Answers, EverydayAnswer, ModelInfo, ModelSource, Prediction};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// One class and how sure the model is.
#[pyclass(name = "Prediction", module = "resnet50_toolkit", frozen, get_all, eq)]
#[derive(PartialEq)]
pub struct PyPrediction {
    /// Place of the class in the network's output, from 0.
    index: usize,
    /// The class's id (WordNet for ImageNet), if it has one.
    id: Option<String>,
    /// The class's name.
    label: String,
    /// The class's score, 0 to 1.
    probability: f32,
    /// Whether the score reaches the model's threshold; None where exactly one class is right.
    present: Option<bool>,
}

#[pymethods]
impl PyPrediction {
    fn __repr__(&self) -> String {
        format!(
            "Prediction(index={}, label={:?}, probability={})",
            self.index, self.label, self.probability
        )
    }
}

impl From<Prediction> for PyPrediction {
    fn from(from: Prediction) -> Self {
        Self {
            index: from.index,
            id: from.id,
            label: from.label,
            probability: from.probability,
            present: from.present,
        }
    }
}

/// The finest word that is likely enough.
#[pyclass(
    name = "EverydayAnswer",
    module = "resnet50_toolkit",
    frozen,
    get_all,
    eq
)]
#[derive(PartialEq)]
pub struct PyEverydayAnswer {
    /// The WordNet id of the word, if it has one.
    id: Option<String>,
    /// The word.
    label: String,
    /// Sum over the classes that the word covers.
    probability: f32,
    /// Whether the probability reaches what was asked for; if not, the word is the best class's.
    sure: bool,
    /// Places in the network's output of the classes that the word covers, the likeliest first.
    classes: Vec<usize>,
}

#[pymethods]
impl PyEverydayAnswer {
    fn __repr__(&self) -> String {
        let sure = if self.sure { "True" } else { "False" };
        format!(
            "EverydayAnswer(label={:?}, probability={}, sure={sure})",
            self.label, self.probability
        )
    }
}

impl From<EverydayAnswer> for PyEverydayAnswer {
    fn from(from: EverydayAnswer) -> Self {
        Self {
            id: from.id,
            label: from.label,
            probability: from.probability,
            sure: from.sure,
            classes: from.classes,
        }
    }
}

/// What is known of a loaded model.
#[pyclass(name = "ModelInfo", module = "resnet50_toolkit", frozen, get_all)]
pub struct PyModelInfo {
    /// The manifest's name.
    name: String,
    /// The model's file; None for the model inside the package.
    path: Option<std::path::PathBuf>,
    /// Size of the ONNX file.
    model_bytes: u64,
    /// What runs it: "kernels", "tract" or "onnxruntime".
    engine: &'static str,
    /// In what numbers its float32 layers are computed: "float32" or "bf16".
    precision: &'static str,
    /// Threads that run it.
    threads: usize,
    /// One name a class, in the order of the network's output.
    labels: Vec<String>,
    /// How its scores are to be read: "single_label", "binary" or "multi_label".
    answers: &'static str,
    /// The least score at which a class of a binary or multi-label answer counts as present.
    threshold: f32,
    /// What was assumed or contradicted while it was loaded; worth showing to a person.
    notes: Vec<String>,
    /// The whole manifest (labels, preprocessing, provenance, ...), as JSON.
    manifest_json: String,
}

#[pymethods]
impl PyModelInfo {
    fn __repr__(&self) -> String {
        format!(
            "ModelInfo(name={:?}, classes={}, engine={:?})",
            self.name,
            self.labels.len(),
            self.engine
        )
    }
}

impl PyModelInfo {
    /// From the library's.
    ///
    /// # Errors
    /// When the manifest cannot be written as JSON, which would be a mistake of ours.
    pub fn new(info: &ModelInfo) -> PyResult<Self> {
        let manifest_json = serde_json::to_string(&info.manifest)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok(Self {
            name: info.name.clone(),
            path: match &info.source {
                ModelSource::File(path) => Some(path.clone()),
                ModelSource::Embedded | ModelSource::Memory => None,
            },
            model_bytes: info.model_bytes,
            engine: info.engine.name(),
            precision: info.precision.name(),
            threads: info.threads,
            labels: (info.manifest.labels.iter())
                .map(|label| label.name.clone())
                .collect(),
            answers: match info.answers {
                Answers::SingleLabel => "single_label",
                Answers::Binary => "binary",
                Answers::MultiLabel => "multi_label",
            },
            threshold: info.manifest.threshold,
            notes: info.notes.clone(),
            manifest_json,
        })
    }
}
