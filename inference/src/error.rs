//! What can go wrong between a file and an answer.

use std::path::PathBuf;

use image_data::decode::DecodeError;
use image_data::text::one_line;
use model_core::manifest::ManifestError;
use model_core::onnx::OnnxError;

use crate::engine::EngineError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
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
        /// Expected, got, and how to repair it.
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

impl Error {
    /// Whether the model, and not one image, is at fault: no other image would do better.
    pub fn is_model(&self) -> bool {
        !matches!(
            self,
            Self::Decode(_) | Self::Read { .. } | Self::NotANumber | Self::Cancelled
        )
    }

    pub(crate) fn model(model: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Model {
            model: model.into(),
            reason: one_line(reason.into()),
        }
    }
}
