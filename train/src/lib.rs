//! The trainer: image classifiers from a recipe, with libtorch.
//!
//! The data flows one way: `recipe` (what to do) -> `data` (batches of bytes) -> `trainer` (forward, backward, step) ->
//! `checkpoint`, `metrics`, `report` (what is left). `model` interprets `model_core`'s graphs; `cli` is the face.

// They panic when nobody reads; `console` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod checkpoint;
pub mod cli;
pub mod collective;
pub mod confusion;
pub mod console;
pub mod data;
pub mod device;
pub mod distributed;
pub mod ema;
pub mod engine;
pub mod evaluate;
pub mod failure;
pub mod init;
pub mod input;
pub mod loss;
pub mod metrics;
pub mod micro_batch;
pub mod mix;
pub mod model;
pub mod optim;
pub mod precision;
pub mod progress;
pub mod recipe;
pub mod recompute;
pub mod report;
pub mod run_dir;
pub mod schedule;
pub mod signals;
pub mod trainer;
pub mod whitening;
