//! The program, and checkpoints to run it on.

#![allow(dead_code, clippy::unwrap_used, unused_imports)] // each test binary uses its part; helpers of tests

mod checkpoints;

use std::path::{Path, PathBuf};

use assert_cmd::Command;

pub use checkpoints::{manifest, procedural_weights, tiny_checkpoint, write_checkpoint};

/// The program, comparing in tract only so that the machine's ONNX Runtime plays no part.
pub fn export_onnx() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_export-onnx"));
    command.env_remove("ORT_DYLIB_PATH");
    command
}

pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples")
}
