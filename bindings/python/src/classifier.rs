//! The class `Classifier`. Everything that takes time runs without the interpreter's lock, and Ctrl-C ends a batch.

use std::ops::ControlFlow;
use std::path::PathBuf;

use image_data::decode::{DecodeConfig, DecodeLimits, Format, decode_full, read_file};
use inference::stream::{Failure, Outcome, Source, StreamConfig};
use inference::{Cancel, Classifier, ClassifierConfig, InferenceError, Manifest};
use model_core::hierarchy::DEFAULT_AT_LEAST;
use model_core::manifest::ManifestError;
use model_core::scores::DEFAULT_TOP_K;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::answers::{PyEverydayAnswer, PyModelInfo, PyPrediction};
use crate::errors::{exception, warn};
use crate::picture::Picture;

// Python shows defaults that are written out, and only those.
const _: () = assert!(DEFAULT_TOP_K == 5 && DEFAULT_AT_LEAST == 0.8);

/// An image classifier over one ONNX file. It may be shared between threads.
#[pyclass(name = "Classifier", module = "resnet50_toolkit", frozen)]
pub struct PyClassifier {
    inner: Classifier,
    limits: DecodeLimits,
}

#[pymethods]
impl PyClassifier {
    /// Loads an ONNX file, or without a path the model inside the package.
    #[staticmethod]
    #[pyo3(signature = (
        path = None, *, engine = "auto", precision = "float32", threads = 0, manifest = None, onnxruntime_lib = None,
        max_pixels = None, max_side = None, max_file_bytes = None, max_memory_bytes = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn open(
        py: Python<'_>,
        path: Option<PathBuf>,
        engine: &str,
        precision: &str,
        threads: usize,
        manifest: Option<PathBuf>,
        onnxruntime_lib: Option<PathBuf>,
        max_pixels: Option<u64>,
        max_side: Option<u32>,
        max_file_bytes: Option<u64>,
        max_memory_bytes: Option<u64>,
    ) -> PyResult<Self> {
        let config = ClassifierConfig {
            engine: engine
                .parse()
                .map_err(|error| PyValueError::new_err(format!("engine: {error}")))?,
            precision: precision
                .parse()
                .map_err(|error| PyValueError::new_err(format!("precision: {error}")))?,
            threads,
            manifest: manifest
                .map(read_manifest)
                .transpose()
                .map_err(|error| exception(py, None, &error))?,
            onnxruntime_lib,
            ..ClassifierConfig::default()
        };
        let inner = py
            .detach(|| match path {
                Some(path) => Classifier::open(path, &config),
                None => Classifier::embedded(&config),
            })
            .map_err(|error| exception(py, None, &error))?;
        let usual = DecodeLimits::default();
        let limits = DecodeLimits {
            max_pixels: max_pixels.unwrap_or(usual.max_pixels),
            max_side: max_side.unwrap_or(usual.max_side),
            max_bytes: max_file_bytes.unwrap_or(usual.max_bytes),
            max_memory_bytes: max_memory_bytes.unwrap_or(usual.max_memory_bytes),
        };
        Ok(Self { inner, limits })
    }

    /// What is known of the model.
    #[getter]
    fn model(&self) -> PyResult<PyModelInfo> {
        PyModelInfo::new(self.inner.model())
    }

    /// The most likely classes of a picture, best first.
    #[pyo3(signature = (image, topk = 5))]
    fn classify(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        topk: usize,
    ) -> PyResult<Vec<PyPrediction>> {
        let (answer, name) = self.look(py, image, at_least_one(topk)?)?;
        tell(py, &name, answer.warning.as_deref())?;
        Ok(answer.predictions)
    }

    /// The most likely classes of every picture, in their order; faster than one by one.
    #[pyo3(signature = (images, topk = 5, *, errors = "raise"))]
    fn classify_batch<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        topk: usize,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let topk = at_least_one(topk)?;
        let keep_errors = match errors {
            "raise" => false,
            "return" => true,
            other => {
                return Err(PyValueError::new_err(format!(
                    "errors: expected 'raise' or 'return', got '{other}'"
                )));
            }
        };
        let pictures = images
            .try_iter()?
            .map(|image| Picture::new(&image?))
            .collect::<PyResult<Vec<_>>>()?;
        let names: Vec<String> = pictures.iter().map(Picture::name).collect();
        let answers = py.detach(|| self.all(pictures, topk))?;
        let list = PyList::empty(py);
        for (name, answer) in names.iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    tell(py, name, answer.warning.as_deref())?;
                    list.append(answer.predictions)?;
                }
                Err(error) => {
                    let error = exception(py, Some(name), &error);
                    if !keep_errors {
                        return Err(error);
                    }
                    list.append(error.into_value(py))?;
                }
            }
        }
        Ok(list)
    }

    /// The finest everyday word that is at least this likely; None for a model without words above its classes.
    #[pyo3(signature = (image, at_least = 0.8))]
    fn everyday(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        at_least: f32,
    ) -> PyResult<Option<PyEverydayAnswer>> {
        if !(0.0..=1.0).contains(&at_least) {
            return Err(PyValueError::new_err(format!(
                "at_least: expected a number from 0 to 1, got {at_least}"
            )));
        }
        let (answer, name) = self.look(py, image, 1)?;
        tell(py, &name, answer.warning.as_deref())?;
        let word = self.inner.everyday(&answer.probabilities, at_least);
        Ok(word.map(PyEverydayAnswer::from))
    }

    fn __repr__(&self) -> String {
        let model = self.inner.model();
        format!(
            "<Classifier {:?}: {} classes, {}>",
            model.name, model.classes, model.engine
        )
    }
}

/// One picture's answer, without anything of Python's.
struct Answered {
    predictions: Vec<PyPrediction>,
    probabilities: Vec<f32>,
    /// Why it may be wrong.
    warning: Option<String>,
}

impl Answered {
    fn new(outcome: Outcome) -> Self {
        let warning = match &outcome.damage {
            Some(damage) => Some(format!(
                "the picture is damaged, so the answer may be wrong: {damage}"
            )),
            None if outcome.format == Format::Raw => Some(format!(
                "answered by the camera's preview inside the raw file, {} x {}",
                outcome.size[0], outcome.size[1]
            )),
            None => None,
        };
        Self {
            predictions: outcome.predictions.into_iter().map(Into::into).collect(),
            probabilities: outcome.probabilities,
            warning,
        }
    }
}

impl PyClassifier {
    fn decode_config(&self) -> DecodeConfig {
        DecodeConfig {
            limits: self.limits,
            ..self.inner.decode_config()
        }
    }

    /// Answers one picture, and says what messages call it.
    fn look(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        topk: usize,
    ) -> PyResult<(Answered, String)> {
        let picture = Picture::new(image)?;
        let name = picture.name();
        match py.detach(|| self.one(picture, topk)) {
            Ok(answer) => Ok((answer, name)),
            Err(error) => Err(exception(py, Some(&name), &error)),
        }
    }

    fn one(&self, picture: Picture, topk: usize) -> Result<Answered, InferenceError> {
        let config = self.decode_config();
        let decoded = match picture {
            Picture::File(path) => decode_full(&read_file(&path, &config.limits)?, &config)?,
            Picture::Encoded(bytes) => decode_full(&bytes, &config)?,
            Picture::Pixels(image) => {
                let output = self.inner.logits(&image)?;
                let predictions = self.inner.answer(&output, topk)?;
                return Ok(Answered {
                    predictions: predictions.into_iter().map(Into::into).collect(),
                    probabilities: self.inner.probabilities(&output),
                    warning: None,
                });
            }
        };
        Ok(Answered::new(self.inner.classify_decoded(decoded, topk)?))
    }

    /// Answers every picture. Files and bytes go through the library's stream, which decodes while the network runs.
    fn all(
        &self,
        pictures: Vec<Picture>,
        topk: usize,
    ) -> PyResult<Vec<Result<Answered, InferenceError>>> {
        let mut answers: Vec<Option<Result<Answered, InferenceError>>> = Vec::new();
        let mut sources = Vec::new();
        let mut places = Vec::new();
        for (place, picture) in pictures.into_iter().enumerate() {
            answers.push(None);
            let source = match picture {
                Picture::File(path) => Source::File(path),
                Picture::Encoded(bytes) => Source::Bytes {
                    name: String::new(),
                    bytes,
                },
                pixels => {
                    Python::attach(|py| py.check_signals())?;
                    answers[place] = Some(self.one(pixels, topk));
                    continue;
                }
            };
            sources.push(source);
            places.push(place);
        }
        let config = StreamConfig {
            top_k: topk,
            decode: Some(self.decode_config()),
            cancel: Cancel::default(),
            ..StreamConfig::default()
        };
        let mut interrupted = None;
        let streamed = self.inner.stream(sources, &config, |answer| {
            answers[places[answer.index]] = Some(match answer.result {
                Ok(outcome) => Ok(Answered::new(outcome)),
                Err(Failure::Error(error)) => Err(error),
                // Nothing was listed: every source is a file or bytes.
                Err(Failure::Listing(_)) => Err(InferenceError::Cancelled),
            });
            match Python::attach(|py| py.check_signals()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    interrupted = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(error) = interrupted {
            return Err(error);
        }
        streamed.map_err(|error| Python::attach(|py| exception(py, None, &error)))?;
        let answered: Option<Vec<_>> = answers.into_iter().collect();
        answered.ok_or_else(|| PyRuntimeError::new_err("a picture was left without an answer"))
    }
}

fn at_least_one(topk: usize) -> PyResult<usize> {
    match topk {
        0 => Err(PyValueError::new_err("topk: expected at least 1, got 0")),
        n => Ok(n),
    }
}

fn tell(py: Python<'_>, name: &str, warning: Option<&str>) -> PyResult<()> {
    warning.map_or(Ok(()), |what| warn(py, name, what))
}

fn read_manifest(path: PathBuf) -> Result<Manifest, InferenceError> {
    Manifest::read_sidecar(&path).map_err(|error| match error {
        ManifestError::Read { path, source } => InferenceError::Read { path, source },
        source => InferenceError::Manifest {
            origin: path.display().to_string(),
            source,
        },
    })
}
