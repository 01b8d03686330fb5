//! The real teacher: the network of a model before its last layer, over `photos::teach`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_data::decode::DecodeConfig;
use inference::stream::Failure;
use inference::{Classifier, ClassifierConfig, InferenceError, ModelSource};
use model_core::diagnostic::Diagnose as _;
use photos::teach::{ClassFolder, Lesson, TeachError, Teacher, TrainingPhoto, kept_photos};

use super::{Looked, Teach};
use crate::classify::{Cancel, Classify, ModelChoice};
use crate::engine::{NetworkClassifier, problem_of};
use crate::problem::{self, Problem};

/// Teaches on what a model sees.
pub struct NetworkTeacher {
    teacher: Teacher,
    decode: DecodeConfig,
    kept: Vec<TrainingPhoto>,
}

impl NetworkTeacher {
    /// A teacher who sees photos as `classifier` does, and knows what that keeps of the photos it was taught from.
    ///
    /// # Errors
    /// When the model does not end in a linear layer, or what it keeps is damaged.
    pub fn new(classifier: &Classifier, config: &ClassifierConfig) -> Result<Self, Problem> {
        let reading = classifier.model().manifest.preprocessing.reading;
        let of_teaching = |error| problem_of_teaching(&error);
        let teacher = Teacher::new(classifier, config).map_err(of_teaching)?;
        let kept = match &classifier.model().source {
            ModelSource::File(path) => {
                let model = std::fs::read(path).map_err(|error| problem::of_reading(&error))?;
                kept_photos(&model, &teacher).map_err(of_teaching)?
            }
            ModelSource::Embedded | ModelSource::Memory => None,
        };
        Ok(Self {
            teacher,
            kept: kept.unwrap_or_default(),
            decode: DecodeConfig::reading(&reading),
        })
    }
}

impl Teach for NetworkTeacher {
    fn look(
        &self,
        photos: &[PathBuf],
        cancel: &Cancel,
        each: &mut dyn FnMut(&Path),
    ) -> Result<Option<Vec<Looked>>, Problem> {
        let folder = ClassFolder {
            class: None,
            photos: photos.to_vec(),
        };
        let mut looked: Vec<Looked> = Vec::new();
        let found = self.teacher.look(&[folder], &self.decode, cancel, |one| {
            each(one.path);
            if let Some(failure) = &one.failure {
                looked.push((one.path.to_owned(), Err(problem_of_photo(failure))));
            }
        });
        match found {
            Ok(found) => {
                let seen = found
                    .into_iter()
                    .filter_map(|photo| Some((photo.path.clone()?, Ok(photo))));
                looked.extend(seen);
                Ok(Some(looked))
            }
            Err(TeachError::Model(InferenceError::Cancelled)) => Ok(None),
            Err(error) => Err(problem_of_teaching(&error)),
        }
    }

    fn kept(&self) -> &[TrainingPhoto] {
        &self.kept
    }

    fn to_onnx(&self, lesson: &Lesson, name: &str) -> Result<Vec<u8>, Problem> {
        match lesson.to_onnx_as(name, &self.teacher) {
            Ok((bytes, _)) => Ok(bytes),
            Err(error) => Err(problem_of_teaching(&error)),
        }
    }

    fn open(&self, onnx: Vec<u8>) -> Result<Arc<dyn Classify>, Problem> {
        let config = ClassifierConfig {
            threads: 1,
            ..ClassifierConfig::default()
        };
        let opened = Classifier::from_bytes(onnx, "what you taught", &config);
        let classifier = opened.map_err(|error| problem_of(&error))?;
        Ok(Arc::new(NetworkClassifier::new(
            classifier,
            ModelChoice::Embedded,
        )))
    }
}

fn problem_of_photo(failure: &Failure) -> Problem {
    match failure {
        Failure::Error(error) => problem_of(error),
        // A file that could not be read at all; the library's words for it hold its path and the system's reason.
        Failure::Listing(_) => Problem::new(
            "The file could not be read.",
            "Check that it is still there and that you may read it.",
        ),
    }
}

/// Why nothing was taught, in words for the window. What a person can mend on the board is told there, before it is
/// tried.
pub(super) fn problem_of_teaching(error: &TeachError) -> Problem {
    match error {
        TeachError::Features => Problem::new(
            "These photos look all the same to the program.",
            "Add photos that differ more.",
        ),
        TeachError::OneClass(_) => Problem::new(
            "Only one class has photos.",
            "Give a second class at least two photos.",
        ),
        TeachError::TooFew { class, photos } => Problem::new(
            format!("\u{201c}{class}\u{201d} has too few different photos: {photos}."),
            "Give it at least two photos that can be read.",
        ),
        TeachError::NoLinearEnd { model, reason } => Problem::new(
            format!("Nothing can be taught on top of \u{201c}{model}\u{201d}: {reason}."),
            "Its last layer would have to be a linear one. Build on another model.",
        ),
        TeachError::NotTaught { model, .. } => Problem::new(
            format!(
                "What \u{201c}{model}\u{201d} keeps of the photos that it was taught from cannot be used."
            ),
            "It is damaged, or from a newer version of this program. Teach anew from the photos.",
        ),
        TeachError::Model(error) => problem_of(error),
        error => Problem::new(
            problem::sentence(&error.to_string()),
            problem::remedy_for_model(error.remedy().as_ref()),
        ),
    }
}
