//! What is known of a loaded model.

use std::path::PathBuf;

use model_core::Manifest;
use model_core::manifest::Answers;
use model_core::text::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::engine::{EngineKind, Precision};
use crate::metadata::Dialect;
use crate::{InferenceError, embedded};

/// Where a model came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// The default model inside the program.
    Embedded,
    /// A file.
    File(PathBuf),
    /// Bytes or an engine handed in by the caller.
    Memory,
}

/// What is known of a loaded model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// The manifest's name.
    pub name: String,
    /// Where it was found.
    pub source: ModelSource,
    /// Labels, preprocessing, temperature, accuracy and the rest, after all overrides.
    pub manifest: Manifest,
    /// Whose dialect the manifest was told in.
    pub dialect: Dialect,
    /// What was assumed or contradicted on the way; worth showing to a person.
    pub notes: Vec<String>,
    /// Size of the ONNX file.
    pub model_bytes: u64,
    /// What runs it.
    pub engine: EngineKind,
    /// In what numbers its float32 layers are computed; never [`Precision::Auto`].
    pub precision: Precision,
    /// Which kernels run it, or why ours do not; none where nobody asked.
    pub engine_note: Option<String>,
    /// Threads that run it.
    pub threads: usize,
    /// Classes it tells apart: as many as there are labels.
    pub classes: usize,
    /// Numbers the network gives for an image: as many as there are classes, but one for a binary classifier whose labels
    /// name both sides.
    pub outputs: usize,
    /// How its scores are to be read: one right class, yes or no, or any number of classes.
    pub answers: Answers,
    /// Why [`Manifest::output`] is what it is: "the graph ends in Softmax, and two runs sum to 1".
    pub output_because: String,
    /// ONNX operator set.
    pub opset: i64,
    /// Program that wrote the ONNX file, if it says so.
    pub producer: String,
}

impl ModelInfo {
    /// SHA-256 of the ONNX file, lower-case hex, read anew; none for bytes or an engine handed in by the caller.
    ///
    /// # Errors
    /// [`InferenceError::Read`] when the file is gone.
    pub fn sha256(&self) -> Result<Option<String>, InferenceError> {
        let digest = match &self.source {
            ModelSource::Embedded => Sha256::digest(embedded::MODEL),
            ModelSource::File(path) => {
                Sha256::digest(std::fs::read(path).map_err(|source| InferenceError::Read {
                    path: path.clone(),
                    source,
                })?)
            }
            ModelSource::Memory => return Ok(None),
        };
        Ok(Some(hex(&digest)))
    }
}
