//! What the window needs of a classifier, as a small trait, so that the window is tested without a model.
//!
//! The real one is [`crate::engine`], a thin adapter over the same library `infer-cli` uses. No egui here, no files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model_core::RgbImage;
use model_core::reading::ReadingConfig;
use serde::{Deserialize, Serialize};

pub use inference::{Answers, Cancel, EverydayAnswer, Prediction};

use crate::heat_map::HeatMap;
use crate::problem::Problem;
use crate::teach::Teach;

/// Answers kept for each photo; the window shows the first few of them.
pub const KEPT_ANSWERS: usize = 10;

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelChoice {
    /// The one inside the program.
    #[default]
    Embedded,
    /// An ONNX file.
    File(#[serde(with = "crate::path_text")] PathBuf),
}

impl ModelChoice {
    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Embedded => None,
            Self::File(path) => Some(path),
        }
    }

    /// A short name: the built-in model's, or the file's. A file whose name says nothing (`models/pets/model.onnx`)
    /// is called by its folder.
    pub fn short_name(&self) -> String {
        match self {
            Self::Embedded => EVERYDAY_THINGS.to_owned(),
            Self::File(path) => {
                let stem = part(path.file_stem());
                let folder = part(path.parent().and_then(Path::file_name));
                if GENERIC_NAMES.contains(&stem.to_lowercase().as_str()) && !folder.is_empty() {
                    folder
                } else if stem.is_empty() {
                    path.display().to_string()
                } else {
                    stem
                }
            }
        }
    }
}

/// What the built-in model is called: it knows the thousand kinds of things of ImageNet.
pub const EVERYDAY_THINGS: &str = "Everyday things";

/// File names that do not tell one model from another.
const GENERIC_NAMES: [&str; 5] = ["model", "best", "last", "network", "classifier"];

fn part(name: Option<&std::ffi::OsStr>) -> String {
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A name for each of `choices`, no two alike: those with the same short name get the folders that tell them apart.
pub fn distinct_names(choices: &[ModelChoice]) -> Vec<String> {
    let shorts: Vec<_> = choices.iter().map(ModelChoice::short_name).collect();
    let with_folders = |choice: &ModelChoice, depth: usize| {
        let short = choice.short_name();
        let Some(path) = choice.path() else {
            return short;
        };
        let folders: Vec<_> = path
            .parent()
            .map(|folder| folder.components().rev().take(depth).collect())
            .unwrap_or_default();
        let folders: PathBuf = folders.into_iter().rev().collect();
        format!("{short} ({})", folders.display())
    };
    choices
        .iter()
        .zip(&shorts)
        .map(|(choice, short)| {
            let alike: Vec<_> = choices
                .iter()
                .zip(&shorts)
                .filter(|(other, name)| *other != choice && *name == short)
                .map(|(other, _)| other)
                .collect();
            if alike.is_empty() {
                return short.clone();
            }
            // Deep enough folders are the whole path, which no two files share.
            (1..64)
                .map(|depth| (with_folders(choice, depth), depth))
                .find(|(name, depth)| {
                    alike
                        .iter()
                        .all(|other| with_folders(other, *depth) != *name)
                })
                .map_or_else(|| short.clone(), |(name, _)| name)
        })
        .collect()
}

/// A part of a photo, as fractions of its width and height. It may reach outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Where it begins, from the left.
    pub left: f64,
    /// Where it begins, from the top.
    pub top: f64,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
}

impl Region {
    /// How much of the photo it covers, 0..=1. What reaches outside covers nothing.
    pub fn covered(&self) -> f64 {
        let side =
            |from: f64, length: f64| ((from + length).min(1.0) - from.max(0.0)).clamp(0.0, 1.0);
        side(self.left, self.width) * side(self.top, self.height)
    }
}

/// What a loaded model says of itself, in words for the window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelCard {
    /// The name in its manifest, as answers and exports carry it.
    pub name: String,
    /// What the window calls it.
    pub title: String,
    /// Where it came from.
    pub source: ModelChoice,
    /// How many things it can tell apart.
    pub classes: usize,
    /// Width and height of what it sees, in pixels.
    pub input: [u32; 2],
    /// Size of the file.
    pub model_bytes: u64,
    /// "Right at the first guess for 88.3 % of 1,000 test photos", when the manifest says so.
    pub accuracy: Option<String>,
    /// License of the weights, when the manifest says so.
    pub license: Option<String>,
    /// The engine that runs it.
    pub engine: String,
    /// How its answers are to be read.
    pub answers: Answers,
    /// Where classes are independent: the least score at which one counts as present.
    pub threshold: f32,
}

/// What a model finds in one photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The most probable classes, best first.
    pub predictions: Vec<Prediction>,
    /// The finest everyday word that is likely enough, where the model knows words above its classes.
    pub everyday: Option<EverydayAnswer>,
}

/// A loaded model.
pub trait Classify: Send + Sync {
    /// What the model says of itself.
    fn card(&self) -> &ModelCard;

    /// How its photos are read: orientation, transparency and color profile as it was trained with.
    fn reading(&self) -> ReadingConfig;

    /// The `k` most probable classes, and the word above them.
    ///
    /// # Errors
    /// When the engine refuses the image.
    fn classify(&self, image: &RgbImage, k: usize) -> Result<Found, Problem>;

    /// The words above these classes, the widest first: "animal", "pet". None where the model knows none.
    fn above(&self, classes: &[usize]) -> Vec<String>;

    /// The exact pixels the network sees: resized and cropped, before normalization.
    fn crop(&self, image: &RgbImage) -> RgbImage;

    /// Where the crop lies in a photo of this size, in pixels.
    fn crop_in_photo(&self, width: u32, height: u32) -> Region;

    /// Where in the crop the evidence for class `index` lies; `None` when `cancel` was asked meanwhile.
    ///
    /// # Errors
    /// When the engine refuses the image.
    fn explain(
        &self,
        image: &RgbImage,
        index: usize,
        cancel: &Cancel,
    ) -> Result<Option<HeatMap>, Problem>;
}

/// Opens models; the window's only way to get one.
pub trait OpenModel: Send + Sync {
    /// Reads, checks and prepares a model. Takes a while: never called from the window's own thread.
    ///
    /// # Errors
    /// A [`Problem`] with a remedy; the model in use stays.
    fn open(&self, choice: &ModelChoice) -> Result<Arc<dyn Classify>, Problem>;

    /// A teacher who sees photos as this model does, and goes on from what it was taught. Takes a while, too.
    ///
    /// # Errors
    /// A [`Problem`] with a remedy: also where nothing can be taught on top of this model.
    fn teacher(&self, base: &ModelChoice) -> Result<Arc<dyn Teach>, Problem>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_name_are_told_apart_by_their_folders() {
        let files = [
            "/m/pets/model.onnx",
            "/m/birds/model.onnx",
            "/old/birds/model.onnx",
            "/m/resnet50.onnx",
        ];
        let choices: Vec<_> = files
            .iter()
            .map(|file| ModelChoice::File(file.into()))
            .chain([ModelChoice::Embedded])
            .collect();
        let names = distinct_names(&choices);
        assert_eq!(
            names,
            [
                "pets",
                &format!("birds ({})", Path::new("m/birds").display()),
                &format!("birds ({})", Path::new("old/birds").display()),
                "resnet50",
                EVERYDAY_THINGS,
            ]
        );
    }

    #[test]
    fn a_region_covers_what_lies_inside_the_photo() {
        let region = |left, top, width, height| Region {
            left,
            top,
            width,
            height,
        };
        assert!((region(0.17, 0.0625, 0.656, 0.875).covered() - 0.574).abs() < 1e-3);
        assert_eq!(region(-0.5, 0.0, 2.0, 1.0).covered(), 1.0);
        assert_eq!(region(0.0, 0.0, 1.0, 0.5).covered(), 0.5);
    }
}
