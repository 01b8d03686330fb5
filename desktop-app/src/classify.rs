//! What the window needs of a classifier, as a small trait, so that the window is tested without a model.
//!
//! The real one is [`crate::engine`], a thin adapter over the same library `infer-cli` uses. No egui here, no files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model_core::RgbImage;
use serde::{Deserialize, Serialize};

pub use inference::{Cancel, Prediction};

use crate::heat::Heat;

/// Answers kept for each photo; the window shows the first few of them.
pub const KEPT_ANSWERS: usize = 10;

/// What went wrong, and what the user can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One sentence: what happened.
    pub what: String,
    /// One sentence: the remedy.
    pub remedy: String,
}

impl Problem {
    /// A problem from its two sentences.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSource {
    /// The one inside the program.
    #[default]
    Embedded,
    /// An ONNX file.
    File(PathBuf),
}

impl ModelSource {
    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Embedded => None,
            Self::File(path) => Some(path),
        }
    }

    /// A short name for lists: "Built-in model" or the file name.
    pub fn short_name(&self) -> String {
        match self {
            Self::Embedded => "Built-in model".to_owned(),
            Self::File(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |n| n.to_string_lossy().into_owned(),
            ),
        }
    }
}

/// What a loaded model says of itself, in words for the window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelCard {
    /// The name in its manifest.
    pub name: String,
    /// Where it came from.
    pub source: ModelSource,
    /// How many things it can tell apart.
    pub classes: usize,
    /// Width and height of what it sees, in pixels.
    pub input: [u32; 2],
    /// Size of the file.
    pub model_bytes: u64,
    /// "88.3 % of 1,000 photos right (top-1)", when the manifest says so.
    pub accuracy: Option<String>,
    /// License of the weights, when the manifest says so.
    pub license: Option<String>,
    /// The engine that runs it.
    pub engine: String,
}

/// A loaded model.
pub trait Classify: Send + Sync {
    /// What the model says of itself.
    fn card(&self) -> &ModelCard;

    /// The `k` most probable classes, best first.
    ///
    /// # Errors
    /// When the engine refuses the image; the text says why.
    fn classify(&self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>, String>;

    /// The exact pixels the network sees: resized and cropped, before normalization.
    fn crop(&self, image: &RgbImage) -> RgbImage;

    /// The part of the photo the crop covers, in its own pixels: left, top, right, bottom.
    fn crop_in_photo(&self, width: u32, height: u32) -> [f64; 4];

    /// Where in the crop the evidence for class `index` lies; `None` when `cancel` was asked meanwhile.
    ///
    /// # Errors
    /// When the engine refuses the image; the text says why.
    fn explain(
        &self,
        image: &RgbImage,
        index: usize,
        cancel: &Cancel,
    ) -> Result<Option<Heat>, String>;
}

/// Opens models; the window's only way to get one.
pub trait OpenModel: Send + Sync {
    /// Reads, checks and prepares a model. Takes a while: never called from the window's own thread.
    ///
    /// # Errors
    /// A [`Problem`] with a remedy; the model in use stays.
    fn open(&self, source: &ModelSource) -> Result<Arc<dyn Classify>, Problem>;
}
