//! Runs the binary: output forms, sources, exit codes, bad input, and the commands around classification.
//!
//! The model is a tiny one made here that names an image's strongest color, so answers are known by hand.
#![allow(clippy::unwrap_used)] // helpers are test code, too

#[path = "../../../inference/tests/support/mod.rs"]
mod support;

#[path = "../../../export/tests/common/checkpoints.rs"]
mod checkpoints;

mod helpers;

mod bad_input;
mod commands;
mod output;
mod reading;
mod reference;
mod schema;
mod serve;
mod sort;
mod sources;
mod teach;
mod words;
