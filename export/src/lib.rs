//! From a checkpoint to one ONNX file that describes itself, and the proof that it answers as the checkpoint does.
//!
//! | module | idea |
//! |---|---|
//! | [`source`] | what the user names -> weights, architecture, manifest, all checked |
//! | [`plan`] | the network with its numbers; BatchNorm folded in f64 |
//! | [`builder`] | nodes and constants of an ONNX graph |
//! | [`emit`] | plan -> ONNX, the same bytes every time |
//! | [`metadata`] | what the file says of itself, in every dialect that is read |
//! | [`eval`] | a plain evaluator: the checkpoint's own answers, and the calibration's |
//! | [`proof`] | engines against those answers; the certificate |
//! | [`quant`] | int8: calibrate, choose ranges, correct, write QDQ |
//! | [`preprocess_graph`] | resize, crop and normalization as ONNX nodes |
//! | [`inspect`] | any ONNX classifier as a table |
//! | [`images`] | folders of photos |
//! | [`hub`] | the folders that other tools take a model from: timm, transformers.js, PhotoPrism, ONNX Runtime mobile |
//! | `sbom` | what a model was made from and with, as CycloneDX |
//! | `sign` | OpenSSF model signatures by plain keys |
//! | `newest`, `install` | which checkpoint is meant, and where the programs look for a model |
//!
//! It links no libtorch; `inference` is used only to verify.

pub mod builder;
pub mod cli;
pub mod emit;
pub mod eval;
pub mod hub;
pub mod images;
pub mod inspect;
mod install;
pub mod metadata;
mod newest;
pub mod plan;
pub mod preprocess_graph;
pub mod proof;
pub mod quant;
mod run;
mod sbom;
mod sign;
pub mod source;
mod verify;

pub use run::{run_export, run_inspect};
pub use sign::{run_sign, run_verify_signature};
pub use verify::run_verify;
