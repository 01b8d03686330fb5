//! Why a folder is no data set.

use std::path::PathBuf;

use model_core::text::system_words;

/// Why a folder is no data set.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A folder or file could not be read.
    #[error("cannot read {path}: {}", system_words(reason))]
    Io {
        /// What was being read.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// No class folders and no ImageNet validation images.
    #[error(
        "{path}: expected one folder per class, got {found}; arrange the images as {path}/CLASS/IMAGE.jpg"
    )]
    NoClasses {
        /// The folder.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The parent of the data sets was given.
    #[error(
        "{path}: expected one folder per class, got the splits {splits}; did you mean {path}/{first}?"
    )]
    Splits {
        /// The folder.
        path: PathBuf,
        /// `"train, val"`.
        splits: String,
        /// The first of them.
        first: String,
    },
    /// Class folders without an image.
    #[error(
        "{path}: expected images in every class folder, got {count} without any: {classes}; add images ({extensions}) or remove them"
    )]
    EmptyClasses {
        /// The folder.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first few.
        classes: String,
        /// What counts as an image.
        extensions: String,
    },
    /// Flat ImageNet validation images without labels.
    #[error(
        "{path}: a flat ImageNet val/ of {images} images, but no labels; put LOC_val_solution.csv (Kaggle) or the devkit's \
         ILSVRC2012_validation_ground_truth.txt with meta.mat beside it, or sort the images into class folders"
    )]
    NoLabels {
        /// The folder.
        path: PathBuf,
        /// How many images.
        images: usize,
    },
    /// A container file cannot be used.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected, what was there.
        reason: String,
    },
    /// A class map names classes that are not there.
    #[error("{path}: expected every class of the class map, got none of {count}: {classes}")]
    MissingClasses {
        /// The data.
        path: PathBuf,
        /// How many are missing.
        count: usize,
        /// The first few.
        classes: String,
    },
    /// The label file does not fit.
    #[error("{path}: {reason}")]
    Labels {
        /// The label file.
        path: PathBuf,
        /// What was expected, what was there.
        reason: String,
    },
    /// Classes that a model does not know.
    #[error(
        "{path}: expected classes that are labels of the model, got {count} of {total} that are none: {classes}"
    )]
    UnknownClasses {
        /// The folder.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
        /// The first few.
        classes: String,
    },
    /// Training and validation data do not name the same classes.
    #[error(
        "{train} has {train_classes} classes and {val} has {val_classes}, and they must be the same: {difference}"
    )]
    ClassMismatch {
        /// Training folder.
        train: PathBuf,
        /// How many classes.
        train_classes: usize,
        /// Validation folder.
        val: PathBuf,
        /// How many classes.
        val_classes: usize,
        /// Which are missing where.
        difference: String,
    },
}
