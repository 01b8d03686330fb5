//! The classifier: a network, its manifest and an engine, from file to answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use image_data::decode::{DecodeOptions, decode};
use model_core::manifest::{Manifest, Output};
use model_core::onnx;
use model_core::{Label, RgbImage, scores};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::engine::{Engine, EngineKind, OnnxRuntimeEngine, TractEngine};
use crate::graph::GraphFacts;
use crate::metadata::{self, Dialect, Overrides, Sidecars};
use crate::stream::Cancel;
use crate::{Error, embedded};

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What runs the network.
    pub engine: EngineKind,
    /// Threads that run the network; 0 takes one for every core.
    pub threads: usize,
    /// Takes the place of whatever the model says of itself.
    pub manifest: Option<Manifest>,
    /// Single values that win over the manifest.
    pub overrides: Overrides,
    /// The ONNX Runtime library; without it `ORT_DYLIB_PATH` and the system's library path are searched.
    pub onnxruntime_lib: Option<PathBuf>,
}

impl Options {
    /// [`Options::threads`], resolved.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

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
    /// Threads that run it.
    pub threads: usize,
    /// Classes it tells apart.
    pub classes: usize,
    /// ONNX operator set.
    pub opset: i64,
    /// Program that wrote the ONNX file, if it says so.
    pub producer: String,
}

impl ModelInfo {
    /// SHA-256 of the ONNX file, lower-case hex, read anew; none for bytes or an engine handed in by the caller.
    ///
    /// # Errors
    /// [`Error::Read`] when the file is gone.
    pub fn sha256(&self) -> Result<Option<String>, Error> {
        let digest = match &self.source {
            ModelSource::Embedded => Sha256::digest(embedded::MODEL),
            ModelSource::File(path) => {
                Sha256::digest(std::fs::read(path).map_err(|source| Error::Read {
                    path: path.clone(),
                    source,
                })?)
            }
            ModelSource::Memory => return Ok(None),
        };
        Ok(Some(
            digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }
}

/// One class and how sure the model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Place of the class in the network's output, from 0.
    pub index: usize,
    /// The class's id (WordNet for ImageNet), if it has one.
    pub id: Option<String>,
    /// The class's name.
    pub label: String,
    /// 0 to 1; over all classes they sum to 1.
    pub probability: f32,
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
    info: Arc<ModelInfo>,
    input_len: usize,
}

impl Classifier {
    /// Loads an ONNX file; a side manifest is looked for beside it when it carries none.
    ///
    /// # Errors
    /// [`Error`]: unreadable, no ONNX, no usable description of itself, or not runnable by the engine.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = read_model(path)?;
        let name = path.display().to_string();
        let sidecars = Sidecars::beside(path);
        let source = ModelSource::File(path.to_owned());
        Self::load(bytes.into(), &name, source, &sidecars, options)
    }

    /// Loads an ONNX model from memory; `name` stands in error messages.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str, options: &Options) -> Result<Self, Error> {
        let sidecars = Sidecars::none();
        Self::load(bytes.into(), name, ModelSource::Memory, &sidecars, options)
    }

    /// Loads the default model that is part of the program.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn embedded(options: &Options) -> Result<Self, Error> {
        let bytes = prost::bytes::Bytes::from_static(embedded::MODEL);
        let sidecars = Sidecars::none();
        Self::load(
            bytes,
            embedded::NAME,
            ModelSource::Embedded,
            &sidecars,
            options,
        )
    }

    /// A classifier over an engine of the caller's.
    ///
    /// # Errors
    /// [`Error::Manifest`] when the manifest is not valid, [`Error::Model`] when its labels are not as many as the
    /// engine's classes.
    pub fn with_engine(engine: Box<dyn Engine>, manifest: Manifest) -> Result<Self, Error> {
        manifest.validate().map_err(|source| Error::Manifest {
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
            threads: 1,
            classes,
            opset: 0,
            producer: String::new(),
            manifest,
        };
        Ok(Self::assemble(engine.into(), info))
    }

    fn load(
        bytes: prost::bytes::Bytes,
        model: &str,
        source: ModelSource,
        sidecars: &Sidecars,
        options: &Options,
    ) -> Result<Self, Error> {
        let proto = onnx::parse(&bytes).map_err(|error| Error::model(model, error.to_string()))?;
        let facts = GraphFacts::read(&proto, model)?;
        let resolved = metadata::resolve(&proto, &facts, model, sidecars, options)?;
        let producer = format!("{} {}", proto.producer_name, proto.producer_version);
        drop(proto);
        let threads = options.thread_count();
        let input = facts.input(&resolved.manifest.preprocessing);
        let model_bytes = bytes.len() as u64;
        let engine: Arc<dyn Engine> = match options.engine {
            EngineKind::Tract => Arc::new(TractEngine::load(bytes, &input, threads, model)?),
            EngineKind::OnnxRuntime => {
                let library = options.onnxruntime_lib.as_deref();
                Arc::new(OnnxRuntimeEngine::load(
                    &bytes, &input, threads, model, library,
                )?)
            }
            EngineKind::Custom => {
                return Err(Error::model(
                    model,
                    "a custom engine is handed in with Classifier::with_engine; expected tract or onnxruntime",
                ));
            }
        };
        let classes = engine.classes();
        let manifest = metadata::finish_labels(resolved.manifest, classes);
        check_labels(&manifest, classes, model)?;
        let info = ModelInfo {
            name: manifest.name.clone(),
            source,
            dialect: resolved.dialect,
            notes: resolved.notes,
            model_bytes,
            engine: options.engine,
            threads,
            classes,
            opset: facts.opset,
            producer: producer.trim().to_owned(),
            manifest,
        };
        Ok(Self::assemble(engine, info))
    }

    fn assemble(engine: Arc<dyn Engine>, info: ModelInfo) -> Self {
        let [height, width] = info.manifest.preprocessing.crop;
        Self {
            engine,
            input_len: 3 * height as usize * width as usize,
            info: Arc::new(info),
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

    /// Numbers in one preprocessed image: 3 * height * width.
    pub fn input_len(&self) -> usize {
        self.input_len
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
    /// [`Error::Engine`] when the network cannot be run, [`Error::NotANumber`] when it computes none.
    pub fn classify(&self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>, Error> {
        self.answer(&self.logits(image)?, k)
    }

    /// [`Classifier::classify`] for an encoded image file: decoded by content, turned upright by EXIF.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Decode`] or [`Error::Engine`].
    pub fn classify_file(
        &self,
        path: impl AsRef<Path>,
        k: usize,
    ) -> Result<Vec<Prediction>, Error> {
        let path = path.as_ref();
        let image = image_data::decode::decode_file(path, &DecodeOptions::default())?;
        self.classify(&image, k)
    }

    /// [`Classifier::classify`] for the bytes of an image file.
    ///
    /// # Errors
    /// [`Error::Decode`] or [`Error::Engine`].
    pub fn classify_bytes(&self, bytes: &[u8], k: usize) -> Result<Vec<Prediction>, Error> {
        let image = decode(bytes, &DecodeOptions::default())?;
        self.classify(&image, k)
    }

    /// The `k` most likely classes of every image; faster than one by one.
    ///
    /// # Errors
    /// [`Error::Engine`] when the network cannot be run.
    pub fn classify_batch(
        &self,
        images: &[RgbImage],
        k: usize,
    ) -> Result<Vec<Vec<Prediction>>, Error> {
        self.classify_batch_until(images, k, &Cancel::default())
    }

    /// [`Classifier::classify_batch`] that looks at `cancel` between its steps.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when asked to stop, [`Error::Engine`] when the network cannot be run.
    pub fn classify_batch_until(
        &self,
        images: &[RgbImage],
        k: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<Prediction>>, Error> {
        let mut answers = Vec::with_capacity(images.len());
        for part in images.chunks(self.preferred_batch()) {
            cancel.check()?;
            let mut input = vec![0.0; part.len() * self.input_len];
            for (image, values) in part.iter().zip(input.chunks_exact_mut(self.input_len)) {
                self.preprocess_into(image, values);
            }
            let output = self.logits_of(&input)?;
            for one in output.chunks_exact(self.info.classes) {
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
    /// [`Error::Engine`] when the network cannot be run.
    pub fn logits(&self, image: &RgbImage) -> Result<Vec<f32>, Error> {
        let mut input = vec![0.0; self.input_len];
        self.preprocess_into(image, &mut input);
        self.logits_of(&input)
    }

    /// The network's own output for preprocessed images that lie one after the other: `[N, classes]`.
    ///
    /// # Errors
    /// [`Error::Engine`] when `input` is no whole number of images or the network cannot be run.
    pub fn logits_of(&self, input: &[f32]) -> Result<Vec<f32>, Error> {
        let batch = input.len() / self.input_len;
        Ok(self.engine.run(input, batch)?)
    }

    /// The answer from one image's output.
    ///
    /// # Errors
    /// [`Error::NotANumber`] when the output holds NaN.
    pub fn answer(&self, output: &[f32], k: usize) -> Result<Vec<Prediction>, Error> {
        check_numbers(output)?;
        Ok(self.predictions(&self.probabilities(output), k))
    }

    /// Probabilities of one image's output: softmax where the network has none, and the model's temperature.
    pub fn probabilities(&self, output: &[f32]) -> Vec<f32> {
        let manifest = &self.info.manifest;
        match manifest.output {
            Output::Logits => scores::softmax(output, manifest.temperature),
            Output::Probabilities if manifest.temperature == 1.0 => output.to_vec(),
            Output::Probabilities => {
                let logits: Vec<f32> = output
                    .iter()
                    .map(|p| p.max(f32::MIN_POSITIVE).ln())
                    .collect();
                scores::softmax(&logits, manifest.temperature)
            }
        }
    }

    /// The `k` best of one image's probabilities, with their labels.
    pub fn predictions(&self, probabilities: &[f32], k: usize) -> Vec<Prediction> {
        scores::top_k(probabilities, k)
            .into_iter()
            .filter_map(|index| {
                let label = self.labels().get(index)?;
                Some(Prediction {
                    index,
                    id: label.id.clone(),
                    label: label.name.clone(),
                    probability: probabilities[index],
                })
            })
            .collect()
    }
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Classifier({}, {})", self.info.name, self.info.engine)
    }
}

fn read_model(path: &Path) -> Result<Vec<u8>, Error> {
    let problem = |reason: String| Error::model(path.display().to_string(), reason);
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => problem("no such model file".to_owned()),
        _ => problem(format!("cannot read the model: {error}")),
    };
    let found = std::fs::metadata(path).map_err(io)?;
    if found.is_dir() {
        return Err(problem("expected an ONNX file, got a folder".to_owned()));
    }
    if found.len() > onnx::MAX_MODEL_BYTES {
        return Err(problem(format!(
            "expected at most {} bytes, got {}",
            onnx::MAX_MODEL_BYTES,
            found.len()
        )));
    }
    std::fs::read(path).map_err(io)
}

pub(crate) fn check_numbers(output: &[f32]) -> Result<(), Error> {
    if output.iter().any(|value| value.is_nan()) {
        Err(Error::NotANumber)
    } else {
        Ok(())
    }
}

fn check_labels(manifest: &Manifest, classes: usize, model: &str) -> Result<(), Error> {
    let labels = manifest.labels.len();
    if labels == classes {
        return Ok(());
    }
    let hint = match (labels, classes) {
        (1000, 1001) => {
            "; the network probably has a background class first (TensorFlow's ImageNet order)"
        }
        _ => "",
    };
    Err(Error::model(
        model,
        format!(
            "the network gives {classes} numbers an image but there are {labels} labels{hint}; \
             correct the manifest or give a list with --labels"
        ),
    ))
}
