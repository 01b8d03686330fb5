//! Classify images offline with one ONNX file.
//!
//! ```no_run
//! use inference::{Classifier, ClassifierConfig};
//!
//! # fn main() -> Result<(), inference::InferenceError> {
//! let classifier = Classifier::open("model.onnx", &ClassifierConfig::default())?;
//! for answer in classifier.classify_file("photo.jpg", 5)? {
//!     println!("{:6.2} %  {}", answer.probability * 100.0, answer.label);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A model says in its metadata which labels and which preprocessing belong to it ([`metadata`] lists the dialects
//! understood); the embedded default model needs no file at all ([`Classifier::embedded`], with the feature
//! `embedded-model`).
//!
//! | module | idea |
//! |---|---|
//! | [`Classifier`] | image in, labels with probabilities out |
//! | [`stream`] | many images: decoding overlaps inference, answers keep the order of the questions |
//! | [`metadata`] | what a model file says of itself, in whose dialect |
//! | [`models`] | models by name, and which one is the default |
//! | [`engine`] | what runs the network: tract, ONNX Runtime, or a fake for tests |
//! | [`explain`] | which part of the photo the answer rests on |
//!
//! The features `tract` and `onnxruntime` are on unless a program leaves them out. With none of them our kernels are the
//! only engine, and a model that they do not take is refused. `embedded-model` is off: it takes `models/` of the
//! repository, which no package of this crate holds.
//!
//! Not here: training, export, decoding of image formats (`image-data`), terminal or window.

// What only an engine that was left out would call.
#![cfg_attr(not(all(feature = "tract", feature = "onnxruntime")), allow(dead_code))]

mod cam;
mod cancel;
mod classifier;
pub mod embedded;
pub mod engine;
mod error;
pub mod explain;
mod graph;
mod load;
pub mod metadata;
mod model_info;
#[cfg(not(target_family = "wasm"))]
pub mod models;
mod onnx_file;
pub mod stream;

pub use cancel::Cancel;
pub use classifier::{Classifier, Prediction};
pub use engine::{Engine, EngineError, EngineKind, FailingNode, Precision};
pub use error::{InferenceError, ModelProblem};
pub use image_data::decode::DecodeConfig;
pub use load::ClassifierConfig;
pub use metadata::Overrides;
pub use model_core::manifest::{Answers, Output};
pub use model_core::{EverydayAnswer, Hierarchy, Label, Manifest, Preprocessing, RgbImage};
pub use model_info::{ModelInfo, ModelSource};
