//! Folders of photos become one ordinary model file.
//!
//! [`Backbone`] cuts a trained model before its last layer, [`Teacher::look`] computes what the rest of it sees in each
//! photo, [`Lesson::learn`] finds the new last layer and what is to be said of it, [`Lesson::to_onnx`] makes the file.
//! The same photos give the same bytes, whatever they are called and in whichever order they come.
//!
//! "None of these" is built in: its score is one number, chosen so that a stated share of the photos, each left out of
//! the learning once, falls below it. Where there are photos of nothing that is taught, the score is learned from them.

mod backbone;
mod findings;
mod head;
mod kept;
mod left_out;
mod lesson;
mod look;
mod none;

use std::path::PathBuf;

use inference::InferenceError;
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::text::{hex, system_words};
use sha2::{Digest, Sha256};

pub use backbone::Backbone;
pub use findings::{ClassFinding, Confusion, Findings, Help, Suspect};
pub use lesson::{Lesson, TeachConfig, kept_photos};
pub use look::{ClassFolder, FoundClasses, Look, Teacher, TrainingPhoto, find_classes};

/// The id of the answer "none of these" among a taught model's labels.
pub const NONE_ID: &str = "none";

/// Its name.
pub const NONE_NAME: &str = "none of these";

/// Photos of a class below which its answers are a matter of luck.
pub const FEW_PHOTOS: usize = 10;

/// Why nothing was taught.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// A folder could not be listed.
    #[error("cannot read {}: {}", path.display(), system_words(reason))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The folder holds no class folders.
    #[error("{}: expected one folder of photos a class, got {found}", path.display())]
    NoClasses {
        /// The folder.
        path: PathBuf,
        /// How many folders with photos there are.
        found: usize,
    },
    /// A class has fewer photos than can be learned from.
    #[error("class '{class}': expected at least 2 photos that can be read, got {photos}")]
    TooFew {
        /// The class.
        class: String,
        /// Its photos.
        photos: usize,
    },
    /// Only one class is left.
    #[error("expected photos of at least 2 classes, got {0}")]
    OneClass(usize),
    /// The network has no last linear layer to replace.
    #[error("{model}: expected a network that ends in a linear layer; {reason}")]
    NoLinearEnd {
        /// The model.
        model: String,
        /// How it ends.
        reason: String,
    },
    /// A model that is to be extended keeps no photos' features.
    #[error("{model}: expected a taught model that keeps what it was taught from; {reason}")]
    NotTaught {
        /// The model.
        model: String,
        /// What is missing.
        reason: String,
    },
    /// The network's numbers for these photos cannot be told apart or are no numbers.
    #[error(
        "the features of these photos cannot be learned from: they are all alike or not finite"
    )]
    Features,
    /// The model cannot be read or run, or somebody asked to stop.
    #[error(transparent)]
    Model(#[from] InferenceError),
    /// What is written into the model could not be put into words.
    #[error("cannot write what the model was taught from: {0}")]
    Write(#[from] serde_json::Error),
}

impl Diagnose for TeachError {
    fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "teach.folder-not-readable",
            Self::NoClasses { .. } => "teach.no-classes",
            Self::TooFew { .. } => "teach.too-few-photos",
            Self::OneClass(_) => "teach.one-class",
            Self::NoLinearEnd { .. } => "teach.no-linear-end",
            Self::NotTaught { .. } => "teach.not-taught",
            Self::Features => "teach.features-alike",
            Self::Model(_) => "teach.model",
            Self::Write(_) => "teach.not-writable",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Folder { path, .. } => Some(Remedy::CheckReadable(path.clone())),
            Self::NoLinearEnd { .. } | Self::NotTaught { .. } => Some(Remedy::ChooseAnotherModel),
            Self::Model(error) => error.remedy(),
            _ => None,
        }
    }
}

/// SHA-256, lower-case hexadecimal.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
