//! The real classifier behind the window: the `inference` library, which `infer-cli` uses too, so both give the same
//! answers.

use std::sync::Arc;

use inference::explain::{self, ExplainConfig, Method};
use inference::{Cancel, Classifier, ClassifierConfig, InferenceError, Precision};
use model_core::RgbImage;
use model_core::diagnostic::Diagnose as _;
use model_core::hierarchy::DEFAULT_AT_LEAST;
use model_core::reading::ReadingConfig;

use crate::classify::{
    Classify, EVERYDAY_THINGS, Found, ModelCard, ModelChoice, OpenModel, Region,
};
use crate::heat_map::HeatMap;
use crate::problem::{self, Problem};
use crate::teach::{NetworkTeacher, Teach};

/// Opens the embedded model and ONNX files.
#[derive(Clone, Debug, Default)]
pub struct ModelOpener {
    /// In what numbers photos are classified. Teaching always takes float32: a taught model is kept.
    pub precision: Precision,
}

impl OpenModel for ModelOpener {
    fn open(&self, choice: &ModelChoice) -> Result<Arc<dyn Classify>, Problem> {
        // Several photos are worked on at once, each on one thread: more photos a second than one photo on all
        // threads.
        let config = ClassifierConfig {
            threads: 1,
            precision: self.precision,
            ..ClassifierConfig::default()
        };
        opened(choice, &config)
            .map(|classifier| {
                Arc::new(NetworkClassifier::new(classifier, choice.clone())) as Arc<dyn Classify>
            })
            .map_err(|error| problem_of(&error))
    }

    fn teacher(&self, base: &ModelChoice) -> Result<Arc<dyn Teach>, Problem> {
        let config = ClassifierConfig::default();
        let classifier = opened(base, &config).map_err(|error| problem_of(&error))?;
        Ok(Arc::new(NetworkTeacher::new(&classifier, &config)?))
    }
}

fn opened(choice: &ModelChoice, config: &ClassifierConfig) -> Result<Classifier, InferenceError> {
    match choice {
        ModelChoice::Embedded => Classifier::embedded(config),
        ModelChoice::File(path) => Classifier::open(path, config),
    }
}

/// What went wrong with a model, or with a photo that was given to it.
pub(crate) fn problem_of(error: &InferenceError) -> Problem {
    match error {
        InferenceError::Decode(error) => problem::of_decoding(error),
        InferenceError::Read { source, .. } => problem::of_reading(source),
        InferenceError::NotANumber => Problem::new(
            "The model\u{2019}s answer to this photo is no number.",
            "Choose another model.",
        ),
        // The window names the model beside these words.
        InferenceError::Model { reason, .. } => Problem::new(
            problem::sentence(reason),
            problem::remedy_for_model(error.remedy().as_ref()),
        ),
        error => Problem::new(
            problem::sentence(&error.to_string()),
            problem::remedy_for_model(error.remedy().as_ref()),
        ),
    }
}

/// A loaded network.
pub struct NetworkClassifier {
    classifier: Classifier,
    card: ModelCard,
}

impl NetworkClassifier {
    /// Wraps a classifier of the library.
    pub fn new(classifier: Classifier, source: ModelChoice) -> Self {
        let info = classifier.model();
        let manifest = &info.manifest;
        let [height, width] = manifest.preprocessing.crop;
        let title = match &source {
            ModelChoice::Embedded => EVERYDAY_THINGS.to_owned(),
            ModelChoice::File(_) => info.name.clone(),
        };
        let card = ModelCard {
            name: info.name.clone(),
            title,
            source,
            classes: info.classes,
            input: [width, height],
            model_bytes: info.model_bytes,
            accuracy: manifest.accuracy.as_ref().map(|a| {
                format!(
                    "Right at the first guess for {:.1} % of {} test photos",
                    a.top1_percent,
                    problem::thousands(usize::try_from(a.images).unwrap_or(usize::MAX))
                )
            }),
            license: manifest.license.clone(),
            engine: match info.precision {
                Precision::Float32 => info.engine.to_string(),
                precision => format!("{}, {precision}", info.engine),
            },
            answers: info.answers,
            threshold: manifest.threshold,
        };
        Self { classifier, card }
    }
}

impl Classify for NetworkClassifier {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn reading(&self) -> ReadingConfig {
        self.classifier.model().manifest.preprocessing.reading
    }

    fn classify(&self, image: &RgbImage, k: usize) -> Result<Found, Problem> {
        let output = self.classifier.logits(image);
        let output = output.map_err(|error| problem_of(&error))?;
        let predictions = self.classifier.answer(&output, k);
        let predictions = predictions.map_err(|error| problem_of(&error))?;
        let probabilities = self.classifier.probabilities(&output);
        Ok(Found {
            predictions,
            everyday: self.classifier.everyday(&probabilities, DEFAULT_AT_LEAST),
        })
    }

    fn above(&self, classes: &[usize]) -> Vec<String> {
        let mut classes = classes.to_vec();
        classes.sort_unstable();
        let groups = self
            .classifier
            .hierarchy()
            .map(|words| words.path(&classes));
        let groups = groups.unwrap_or_default();
        groups.into_iter().map(|group| group.name.clone()).collect()
    }

    fn crop(&self, image: &RgbImage) -> RgbImage {
        self.classifier.crop(image)
    }

    fn crop_in_photo(&self, width: u32, height: u32) -> Region {
        let [left, top, crop_width, crop_height] = self
            .classifier
            .model()
            .manifest
            .preprocessing
            .geometry(width, height)
            .crop_in_original(width, height);
        let (width, height) = (f64::from(width), f64::from(height));
        Region {
            left: left / width,
            top: top / height,
            width: crop_width / width,
            height: crop_height / height,
        }
    }

    fn explain(
        &self,
        image: &RgbImage,
        index: usize,
        cancel: &Cancel,
    ) -> Result<Option<HeatMap>, Problem> {
        let config = ExplainConfig {
            class: Some(index),
            ..ExplainConfig::default()
        };
        // At once where the network allows it, by hiding parts where it does not.
        match explain::explain(&self.classifier, image, Method::Auto, &config, cancel) {
            Ok(found) => {
                let (width, height) = (found.crop.width as usize, found.crop.height as usize);
                let heat_map = HeatMap::new(width, height, &found.importance, index);
                Ok(Some(if found.method == Method::Cam {
                    heat_map.without_hiding()
                } else {
                    heat_map
                }))
            }
            Err(InferenceError::Cancelled) => Ok(None),
            Err(error) => Err(problem_of(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::ModelProblem;

    #[test]
    fn a_model_is_not_named_twice() {
        let error = InferenceError::Model {
            model: "/models/foreign.onnx".to_owned(),
            problem: ModelProblem::NoPreprocessing,
            reason: "the file does not say how images are prepared for it".to_owned(),
        };
        let problem = problem_of(&error);
        assert_eq!(
            problem.what,
            "The file does not say how images are prepared for it."
        );
        assert!(
            problem.remedy.contains("Export it again"),
            "{}",
            problem.remedy
        );
    }
}
