//! The real classifier behind the window: the `inference` library, which `infer-cli` uses too, so both give the same answers.

use std::sync::Arc;

use inference::explain::{self, ExplainOptions, Method};
use inference::{Cancel, Classifier, Options, Prediction};
use model_core::RgbImage;

use crate::classify::{Classify, ModelCard, ModelSource, OpenModel, Problem};
use crate::heat::Heat;
use crate::read;

/// Opens the embedded model and ONNX files.
#[derive(Clone, Debug, Default)]
pub struct Opener;

impl OpenModel for Opener {
    fn open(&self, source: &ModelSource) -> Result<Arc<dyn Classify>, Problem> {
        // Several photos are worked on at once, each on one thread: more photos a second than one photo on all threads.
        let options = Options {
            threads: 1,
            ..Options::default()
        };
        let opened = match source {
            ModelSource::Embedded => Classifier::embedded(&options),
            ModelSource::File(path) => Classifier::open(path, &options),
        };
        opened
            .map(|classifier| Arc::new(Network::new(classifier, source.clone())) as Arc<dyn Classify>)
            .map_err(|error| {
                read::split(
                    &error.to_string(),
                    "Choose a classifier exported as ONNX, for example with export-onnx, or the built-in model.",
                )
            })
    }
}

/// A loaded network.
pub struct Network {
    classifier: Classifier,
    card: ModelCard,
}

impl Network {
    /// Wraps a classifier of the library.
    pub fn new(classifier: Classifier, source: ModelSource) -> Self {
        let info = classifier.model();
        let manifest = &info.manifest;
        let [height, width] = manifest.preprocessing.crop;
        let card = ModelCard {
            name: info.name.clone(),
            source,
            classes: info.classes,
            input: [width, height],
            model_bytes: info.model_bytes,
            accuracy: manifest.accuracy.as_ref().map(|a| {
                format!(
                    "{:.1} % right at the first guess on {} photos of {}",
                    a.top1_percent, a.images, a.dataset
                )
            }),
            license: manifest.license.clone(),
            engine: info.engine.to_string(),
        };
        Self { classifier, card }
    }
}

impl Classify for Network {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn classify(&self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>, String> {
        self.classifier
            .classify(image, k)
            .map_err(|error| error.to_string())
    }

    fn crop(&self, image: &RgbImage) -> RgbImage {
        self.classifier.crop(image)
    }

    fn crop_in_photo(&self, width: u32, height: u32) -> [f64; 4] {
        self.classifier
            .model()
            .manifest
            .preprocessing
            .geometry(width, height)
            .crop_in_original(width, height)
    }

    fn explain(
        &self,
        image: &RgbImage,
        index: usize,
        cancel: &Cancel,
    ) -> Result<Option<Heat>, String> {
        let options = ExplainOptions {
            class: Some(index),
            ..ExplainOptions::default()
        };
        // At once where the network allows it, by hiding parts where it does not.
        match explain::explain(&self.classifier, image, Method::Auto, &options, cancel) {
            Ok(found) => {
                let (width, height) = (found.crop.width as usize, found.crop.height as usize);
                let heat = Heat::new(width, height, &found.importance, index)?;
                Ok(Some(if found.method == Method::Cam {
                    heat.without_hiding()
                } else {
                    heat
                }))
            }
            Err(inference::Error::Cancelled) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
