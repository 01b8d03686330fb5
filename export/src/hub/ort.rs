//! ONNX Runtime mobile's own format, by the converter of its Python package: ours to call, not to copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Made, Shipped};
use crate::cli::ExportArgs;

const CONVERTER: &str = "onnxruntime.tools.convert_onnx_models_to_ort";

/// Looks for the converter.
///
/// # Errors
/// There is none.
pub fn check(args: &ExportArgs) -> Result<()> {
    let python = python(args);
    let missing = || {
        format!(
            "--to ort: {} has no module {CONVERTER}; install the package onnxruntime (with onnx) there, or name another \
             Python with --python",
            python.display()
        )
    };
    let found = Command::new(&python)
        .args(["-m", CONVERTER, "--help"])
        .output();
    match found.with_context(missing)?.status.success() {
        true => Ok(()),
        false => bail!(missing()),
    }
}

/// `model.ort`, `model.required_operators.config`, and the `model.onnx` they were made from.
///
/// # Errors
/// The converter fails; its last line is the reason.
pub fn files(shipped: &Shipped<'_>) -> Result<Made> {
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let onnx = scratch.path().join("model.onnx");
    std::fs::write(&onnx, shipped.bytes)
        .with_context(|| format!("cannot write {}", onnx.display()))?;
    let python = python(shipped.args);
    let run = Command::new(&python)
        .args([
            "-m",
            CONVERTER,
            "--optimization_style",
            "Fixed",
            "--output_dir",
        ])
        .args([scratch.path(), &onnx])
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        let last = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("it says nothing");
        bail!(
            "--to ort: the converter of {} fails: {}",
            python.display(),
            model_core::text::one_line(last)
        );
    }
    let read = |name: &str| -> Result<(String, Vec<u8>)> {
        let path: PathBuf = scratch.path().join(name);
        let bytes = std::fs::read(&path)
            .with_context(|| format!("--to ort: the converter wrote no {name}"))?;
        Ok((name.to_owned(), bytes))
    };
    Ok(vec![
        read("model.ort")?,
        read("model.required_operators.config")?,
        ("model.onnx".into(), shipped.bytes.to_vec()),
    ])
}

fn python(args: &ExportArgs) -> PathBuf {
    let default = || Path::new("python3").to_owned();
    args.python.clone().unwrap_or_else(default)
}
