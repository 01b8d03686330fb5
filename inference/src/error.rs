//! What can go wrong between a file and an answer.

use std::path::PathBuf;

use image_data::decode::DecodeError;
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::manifest::ManifestError;
use model_core::onnx::OnnxError;
use model_core::text::{one_line, system_words};

use crate::engine::EngineError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// A file could not be read.
    #[error("cannot read {}: {}", path.display(), system_words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model file is no ONNX model.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A manifest, beside the model or inside it, cannot be used.
    #[error("{origin}: {}", one_line(source))]
    Manifest {
        /// Where the manifest was found.
        origin: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The model lacks something, or what it says contradicts its network.
    #[error("{model}: {reason}")]
    Model {
        /// The model's file or name.
        model: String,
        /// What kind of fault it is.
        problem: ModelProblem,
        /// Expected and got.
        reason: String,
    },
    /// The engine cannot load or run the network.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The bytes are no image this program reads.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The network's output for this image holds NaN.
    #[error(
        "the network's output is not a number; the image or the model is beyond what it can compute"
    )]
    NotANumber,
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl InferenceError {
    /// Whether the model, and not one image, is at fault: no other image would do better.
    pub fn is_model(&self) -> bool {
        !matches!(
            self,
            Self::Decode(_) | Self::Read { .. } | Self::NotANumber | Self::Cancelled
        )
    }

    pub(crate) fn model(model: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::model_problem(model, ModelProblem::Unusable, reason)
    }

    pub(crate) fn model_problem(
        model: impl Into<String>,
        problem: ModelProblem,
        reason: impl Into<String>,
    ) -> Self {
        Self::Model {
            model: model.into(),
            problem,
            reason: one_line(reason.into()),
        }
    }
}

/// What kind of fault a model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelProblem {
    /// There is no such file, or no model of this name.
    NotFound,
    /// The file is damaged, no ONNX model, or no image classifier.
    Unusable,
    /// Nobody says how pictures are prepared for it.
    NoPreprocessing,
    /// The description of the preprocessing contradicts the network's input.
    Preprocessing,
    /// There are not as many labels as classes.
    Labels,
    /// None of these outputs is the answer, or not the one that was asked for.
    Output(Vec<String>),
}

impl Diagnose for InferenceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "file.not-readable",
            Self::Onnx(_) => "model.not-onnx",
            Self::Manifest { .. } => "model.manifest",
            Self::Model { problem, .. } => match problem {
                ModelProblem::NotFound => "model.not-found",
                ModelProblem::Unusable => "model.unusable",
                ModelProblem::NoPreprocessing => "model.no-preprocessing",
                ModelProblem::Preprocessing => "model.preprocessing",
                ModelProblem::Labels => "model.labels",
                ModelProblem::Output(_) => "model.output",
            },
            Self::Engine(error) => error.code(),
            Self::Decode(_) => "image.not-decoded",
            Self::NotANumber => "model.not-a-number",
            Self::Cancelled => "cancelled",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Read { path, .. } => Some(Remedy::CheckReadable(path.clone())),
            Self::Onnx(_) => Some(Remedy::ChooseAnotherModel),
            Self::Manifest { .. } => None,
            Self::Model { problem, .. } => match problem {
                ModelProblem::NotFound | ModelProblem::Unusable => Some(Remedy::ChooseAnotherModel),
                ModelProblem::NoPreprocessing | ModelProblem::Preprocessing => {
                    Some(Remedy::StatePreprocessing)
                }
                ModelProblem::Labels => Some(Remedy::FixLabels),
                ModelProblem::Output(names) => Some(Remedy::ChooseOutput(names.clone())),
            },
            Self::Engine(error) => error.remedy(),
            Self::Decode(_) | Self::NotANumber | Self::Cancelled => None,
        }
    }
}
