//! The classifier: a network, its manifest and an engine, from file to answer.

use std::path::Path;
use std::sync::Arc;

use half::f16;
use image_data::decode::{DecodeConfig, decode};
use model_core::manifest::{Answers, Manifest};
use model_core::{EverydayAnswer, Hierarchy, Label, RgbImage, scores};
use serde::Serialize;

use crate::cam::Network;
use crate::engine::{Engine, EngineKind, Precision};
use crate::error::ModelProblem;
use crate::metadata::Dialect;
use crate::{Cancel, InferenceError, ModelInfo, ModelSource};

/// One class and how sure the model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Place of the class in the network's output, from 0.
    pub index: usize,
    /// The class's id (WordNet for ImageNet), if it has one.
    pub id: Option<String>,
    /// The class's name.
    pub label: String,
    /// The class's score, 0 to 1. Where exactly one class is right ([`Answers::SingleLabel`]) the scores of all classes sum
    /// to 1; binary and multi-label scores stand on their own.
    pub probability: f32,
    /// Whether the score reaches the model's threshold (`Manifest::threshold`), for binary and multi-label answers; none
    /// where exactly one class is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// An image classifier. Cheap to clone and safe to share between threads.
///
/// ```
/// use inference::engine::FakeEngine;
/// use inference::{Classifier, Label, Manifest, Preprocessing, RgbImage};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let labels = vec![Label::named("dark"), Label::named("bright")];
/// let mut manifest = Manifest::new("brightness", "none", labels, Preprocessing::cifar10());
/// manifest.preprocessing.mean = [0.0; 3];
/// manifest.preprocessing.std = [1.0; 3];
/// let classifier = Classifier::with_engine(Box::new(FakeEngine::new(2, 3 * 32 * 32)), manifest)?;
/// let white = RgbImage::filled(40, 50, [255; 3])?;
/// assert_eq!(classifier.classify(&white, 1)?[0].label, "bright");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Classifier {
    engine: Arc<dyn Engine>,
    pub(crate) info: Arc<ModelInfo>,
    hierarchy: Option<Arc<Hierarchy>>,
    input_len: usize,
    pub(crate) takes_pictures: bool,
    pub(crate) takes_float16: bool,
    pub(crate) network: Option<Arc<Network>>,
}

impl Classifier {
    /// A classifier over an engine of the caller's.
    ///
    /// # Errors
    /// [`InferenceError::Manifest`] when the manifest is not valid, [`InferenceError::Model`] when its labels are not as
    /// many as the engine's classes.
    pub fn with_engine(
        engine: Box<dyn Engine>,
        manifest: Manifest,
    ) -> Result<Self, InferenceError> {
        manifest
            .validate()
            .map_err(|source| InferenceError::Manifest {
                origin: "manifest".to_owned(),
                source,
            })?;
        let classes = engine.classes();
        check_labels(&manifest, classes, &manifest.name)?;
        let info = ModelInfo {
            name: manifest.name.clone(),
            source: ModelSource::Memory,
            dialect: Dialect::Given,
            notes: Vec::new(),
            model_bytes: 0,
            engine: EngineKind::Custom,
            precision: Precision::Float32,
            engine_note: None,
            threads: 1,
            classes: manifest.labels.len(),
            outputs: classes,
            answers: manifest.answers(classes),
            output_because: "the manifest says so".to_owned(),
            opset: 0,
            producer: String::new(),
            manifest,
        };
        Ok(Self::assemble(engine.into(), info))
    }

    pub(crate) fn assemble(engine: Arc<dyn Engine>, info: ModelInfo) -> Self {
        let [height, width] = info.manifest.preprocessing.crop;
        Self {
            engine,
            input_len: 3 * height as usize * width as usize,
            // Whoever made the manifest has validated it, its groups with it.
            hierarchy: info.manifest.hierarchy().ok().flatten().map(Arc::new),
            info: Arc::new(info),
            takes_pictures: false,
            takes_float16: false,
            network: None,
        }
    }

    /// What is known of the model.
    pub fn model(&self) -> &ModelInfo {
        &self.info
    }

    /// One label a class, in the order of the output.
    pub fn labels(&self) -> &[Label] {
        &self.info.manifest.labels
    }

    /// The words above the classes; none where no word covers two of them, and where classes do not exclude each other:
    /// independent scores cannot be summed.
    pub fn hierarchy(&self) -> Option<&Hierarchy> {
        match self.info.answers {
            Answers::SingleLabel => self.hierarchy.as_deref(),
            Answers::Binary | Answers::MultiLabel => None,
        }
    }

    /// The finest word that is at least this likely, from one image's probabilities; none for a model without words
    /// above its classes ([`Classifier::hierarchy`]).
    pub fn everyday(&self, probabilities: &[f32], at_least: f32) -> Option<EverydayAnswer> {
        self.hierarchy()?
            .answer(probabilities, self.labels(), at_least)
    }

    /// Numbers in one preprocessed image: 3 * height * width.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Whether the network resizes, crops and normalizes by itself (`export-onnx --preprocess-in-graph`): it is asked
    /// with [`Classifier::logits`], and [`Classifier::logits_of`] is an error.
    pub fn takes_pictures(&self) -> bool {
        self.takes_pictures
    }

    /// How many images one call should bring for the best throughput.
    pub fn preferred_batch(&self) -> usize {
        self.engine.preferred_batch().max(1)
    }

    /// The pixels the network sees of `image`.
    pub fn crop(&self, image: &RgbImage) -> RgbImage {
        self.info.manifest.preprocessing.crop_pixels(image)
    }

    /// The `k` most likely classes of an image, best first.
    ///
    /// # Errors
    /// [`InferenceError::Engine`] when the network cannot be run, [`InferenceError::NotANumber`] when it computes none.
    pub fn classify(&self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>, InferenceError> {
        self.answer(&self.logits(image)?, k)
    }

    /// How this model's images are read: orientation, transparency and color profile as its manifest says.
    pub fn decode_config(&self) -> DecodeConfig {
        DecodeConfig::reading(&self.info.manifest.preprocessing.reading)
    }

    /// [`Classifier::classify`] for an encoded image file, read as [`Classifier::decode_config`] says.
    ///
    /// # Errors
    /// [`InferenceError::Read`], [`InferenceError::Decode`] or [`InferenceError::Engine`].
    pub fn classify_file(
        &self,
        path: impl AsRef<Path>,
        k: usize,
    ) -> Result<Vec<Prediction>, InferenceError> {
        let path = path.as_ref();
        let image = image_data::decode::decode_file(path, &self.decode_config())?;
        self.classify(&image, k)
    }

    /// [`Classifier::classify`] for the bytes of an image file.
    ///
    /// # Errors
    /// [`InferenceError::Decode`] or [`InferenceError::Engine`].
    pub fn classify_bytes(
        &self,
        bytes: &[u8],
        k: usize,
    ) -> Result<Vec<Prediction>, InferenceError> {
        let image = decode(bytes, &self.decode_config())?;
        self.classify(&image, k)
    }

    /// The `k` most likely classes of every image; faster than one by one.
    ///
    /// # Errors
    /// [`InferenceError::Engine`] when the network cannot be run.
    pub fn classify_batch(
        &self,
        images: &[RgbImage],
        k: usize,
    ) -> Result<Vec<Vec<Prediction>>, InferenceError> {
        self.classify_batch_until(images, k, &Cancel::default())
    }

    /// [`Classifier::classify_batch`] that looks at `cancel` between its steps.
    ///
    /// # Errors
    /// [`InferenceError::Cancelled`] when asked to stop, [`InferenceError::Engine`] when the network cannot be run.
    pub fn classify_batch_until(
        &self,
        images: &[RgbImage],
        k: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<Prediction>>, InferenceError> {
        let mut answers = Vec::with_capacity(images.len());
        for part in images.chunks(self.preferred_batch()) {
            cancel.check()?;
            if self.takes_pictures {
                for image in part {
                    cancel.check()?;
                    answers.push(self.classify(image, k)?);
                }
                continue;
            }
            let mut input = vec![0.0; part.len() * self.input_len];
            for (image, values) in part.iter().zip(input.chunks_exact_mut(self.input_len)) {
                self.preprocess_into(image, values);
            }
            let output = self.logits_of(&input)?;
            for one in output.chunks_exact(self.info.outputs) {
                answers.push(self.answer(one, k)?);
            }
        }
        Ok(answers)
    }

    /// Writes the network's input for `image`: [`Classifier::input_len`] numbers.
    ///
    /// # Panics
    /// When `values` has another length.
    pub fn preprocess_into(&self, image: &RgbImage, values: &mut [f32]) {
        let preprocessing = &self.info.manifest.preprocessing;
        preprocessing.normalize_into(&preprocessing.crop_pixels(image), values);
    }

    /// The network's own output for an image: one number a class, before softmax and temperature.
    ///
    /// # Errors
    /// [`InferenceError::Engine`] when the network cannot be run.
    pub fn logits(&self, image: &RgbImage) -> Result<Vec<f32>, InferenceError> {
        if self.takes_pictures {
            return Ok(self.engine.run_picture(image)?);
        }
        let mut input = vec![0.0; self.input_len];
        self.preprocess_into(image, &mut input);
        self.logits_of(&input)
    }

    /// The network's own output for preprocessed images that lie one after the other: `[N, outputs]`
    /// ([`ModelInfo::outputs`]).
    ///
    /// # Errors
    /// [`InferenceError::Engine`] when `input` is no whole number of images or the network cannot be run.
    pub fn logits_of(&self, input: &[f32]) -> Result<Vec<f32>, InferenceError> {
        if self.takes_pictures {
            return Err(InferenceError::model(
                self.info.name.clone(),
                "the network takes whole pictures, not preprocessed numbers",
            ));
        }
        let batch = input.len() / self.input_len;
        if self.takes_float16 {
            // Our engines compute such a network in float32; the numbers it is given are float16 all the same.
            let rounded: Vec<f32> = input.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
            return Ok(self.engine.run(&rounded, batch)?);
        }
        Ok(self.engine.run(input, batch)?)
    }

    /// The answer from one image's output.
    ///
    /// # Errors
    /// [`InferenceError::NotANumber`] when the output holds NaN.
    pub fn answer(&self, output: &[f32], k: usize) -> Result<Vec<Prediction>, InferenceError> {
        check_numbers(output)?;
        Ok(self.predictions(&self.probabilities(output), k))
    }

    /// How the scores of an answer are to be read.
    pub fn answers(&self) -> Answers {
        self.info.answers
    }

    /// One score a class from one image's output: softmax or sigmoid where the network has none, and the model's
    /// temperature. They sum to 1 where exactly one class is right ([`Classifier::answers`]).
    pub fn probabilities(&self, output: &[f32]) -> Vec<f32> {
        self.info.manifest.scores(output)
    }

    /// The `k` best of one image's probabilities, with their labels.
    pub fn predictions(&self, probabilities: &[f32], k: usize) -> Vec<Prediction> {
        scores::top_k(probabilities, k)
            .into_iter()
            .filter_map(|class| self.prediction(probabilities, class))
            .collect()
    }

    /// One class with its label; none where there is no such class.
    pub fn prediction(&self, probabilities: &[f32], class: usize) -> Option<Prediction> {
        let label = self.labels().get(class)?;
        let probability = *probabilities.get(class)?;
        Some(Prediction {
            index: class,
            id: label.id.clone(),
            label: label.name.clone(),
            probability,
            present: self.present(class, probability),
        })
    }
}

impl Classifier {
    /// Whether a class counts as present, where classes are independent.
    fn present(&self, class: usize, score: f32) -> Option<bool> {
        let threshold = self.info.manifest.threshold;
        match self.info.answers {
            Answers::SingleLabel => None,
            // Of two labels the first is there exactly where the second is not.
            Answers::Binary if self.info.classes == 2 && class == 0 => {
                Some(1.0 - score < threshold)
            }
            Answers::Binary | Answers::MultiLabel => Some(score >= threshold),
        }
    }
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Classifier({}, {})", self.info.name, self.info.engine)
    }
}

pub(crate) fn check_numbers(output: &[f32]) -> Result<(), InferenceError> {
    if output.iter().any(|value| value.is_nan()) {
        Err(InferenceError::NotANumber)
    } else {
        Ok(())
    }
}

/// Holds the number of labels against the network's outputs: as many, or two for the one number of a binary classifier.
pub(crate) fn check_labels(
    manifest: &Manifest,
    outputs: usize,
    model: &str,
) -> Result<(), InferenceError> {
    let labels = manifest.labels.len();
    let both_sides = labels == 2 && manifest.answers(outputs) == Answers::Binary;
    if labels == outputs || both_sides {
        return Ok(());
    }
    let hint = match (labels, outputs) {
        (1000, 1001) => {
            "; the network probably has a background class first (TensorFlow's ImageNet order)"
        }
        _ => "",
    };
    Err(InferenceError::model_problem(
        model,
        ModelProblem::Labels,
        format!("the network gives {outputs} numbers an image but there are {labels} labels{hint}"),
    ))
}
