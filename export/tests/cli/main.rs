//! The program itself: what it writes, and what it says when it cannot.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

#[path = "../common/mod.rs"]
mod common;
mod newest_run;
mod refusals;

use std::fs;

use common::{export_onnx, tiny_checkpoint};
use model_core::arch;
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::onnx;
use predicates::prelude::*;
use predicates::str::contains;

#[test]
fn a_checkpoint_of_ours_needs_no_other_flag_and_verifies_later() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    let export = || {
        let mut command = export_onnx();
        command
            .arg("--checkpoint")
            .arg(&checkpoint)
            .arg("--output")
            .arg(&output)
            .args(["--engines", "tract"]);
        command
    };
    export()
        .assert()
        .success()
        .stdout(contains("tract").and(contains("written")));
    let first = fs::read(&output).unwrap();
    export().assert().success();
    assert_eq!(
        first,
        fs::read(&output).unwrap(),
        "the same input must give the same bytes"
    );

    let model = onnx::read(&output).unwrap();
    assert_eq!((model.opset(), model.ir_version), (17, Some(8)));
    let manifest = Manifest::from_json(model.metadata(MANIFEST_KEY).unwrap()).unwrap();
    assert_eq!(
        (manifest.arch.as_str(), manifest.labels.len()),
        ("resnet_tiny", 10)
    );
    assert!(manifest.certificate.is_some() && manifest.provenance.unwrap().source_sha256.is_some());
    assert_eq!(model.metadata("task"), Some("classify"));
    assert!(
        model
            .metadata("names")
            .unwrap()
            .starts_with("{0: 'class 0', 1: ")
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );

    let verify = || {
        let mut command = export_onnx();
        command
            .arg("verify")
            .arg(&output)
            .args(["--engines", "tract"]);
        command
    };
    verify().assert().success().stdout(contains("verified"));

    // Without a list the engine that infer-cli takes is among those compared, and inspect names it.
    let ours = inference::engine::kernels_here().is_some();
    let expected = if ours {
        "            kernels "
    } else {
        "            tract "
    };
    export_onnx()
        .arg("verify")
        .arg(&output)
        .assert()
        .success()
        .stdout(contains(expected).and(contains("            tract ")));
    export_onnx()
        .arg("inspect")
        .arg(&output)
        .assert()
        .success()
        .stdout(contains(if ours {
            "engine      kernels ("
        } else {
            "engine      tract"
        }));
    verify()
        .arg("--checkpoint")
        .arg(&checkpoint)
        .assert()
        .success();
    verify()
        .arg("--data")
        .arg(common::samples())
        .assert()
        .success()
        .stdout(contains("photos"));
    export_onnx()
        .arg("inspect")
        .arg(&output)
        .assert()
        .success()
        .stdout(contains("Conv x").and(contains("MACs")));
    let json = export_onnx()
        .arg("inspect")
        .arg(&output)
        .arg("--json")
        .output()
        .unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        summary["inputs"][0]["shape"],
        serde_json::json!(["batch", "3", "32", "32"])
    );
    let architecture = arch::by_name("resnet_tiny", 10).unwrap();
    assert_eq!(
        summary["macs"].as_u64().unwrap(),
        architecture.graph().macs([32, 32])
    );
}

#[test]
fn a_changed_model_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("model.onnx");
    let checkpoint = tiny_checkpoint(dir.path());
    export_onnx()
        .arg("--checkpoint")
        .arg(&checkpoint)
        .arg("-o")
        .arg(&output)
        .assert()
        .success();
    let mut model = onnx::read(&output).unwrap();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    let raw = tensor.raw_data.as_mut().unwrap();
    raw[..4].copy_from_slice(&9.0f32.to_le_bytes());
    fs::write(&output, onnx::to_bytes(&model)).unwrap();
    let verify = export_onnx()
        .arg("verify")
        .arg(&output)
        .args(["--engines", "tract"])
        .assert()
        .failure()
        .code(1);
    verify.stderr(contains("does not answer as its checkpoint"));
}

/// Answers stored by the trainer that the weights do not give must stop the export.
#[test]
fn disagreement_keeps_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    fs::write(&output, "what was there before").unwrap();
    let tensor = |shape: &[usize], value: f32| model_core::weights::Tensor {
        shape: shape.to_vec(),
        data: vec![value; shape.iter().product()],
    };
    let mut stored = model_core::weights::StateDict::default();
    stored
        .tensors
        .insert("input".into(), tensor(&[1, 3, 32, 32], 0.5));
    stored
        .tensors
        .insert("logits".into(), tensor(&[1, 10], 7.0));
    common::write_checkpoint(&dir.path().join("best.logits.safetensors"), &stored, None);
    let run = export_onnx()
        .arg("--checkpoint")
        .arg(&checkpoint)
        .arg("-o")
        .arg(&output)
        .assert()
        .failure()
        .code(1);
    run.stderr(contains("of the trainer").and(contains("was not written")));
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        "what was there before"
    );
}

#[test]
fn every_variant_is_written_and_proved() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let samples = common::samples().display().to_string();
    for (name, flags) in [
        ("half", vec!["--fp16"]),
        ("softmax", vec!["--softmax"]),
        ("opset", vec!["--opset", "13"]),
        ("side", vec!["--side-files"]),
        (
            "int8",
            vec!["--int8", "--calibration", &samples, "--equalize"],
        ),
    ] {
        let output = dir.path().join(format!("{name}.onnx"));
        let mut command = export_onnx();
        command
            .arg("--checkpoint")
            .arg(&checkpoint)
            .arg("-o")
            .arg(&output)
            .args(["--engines", "tract"])
            .args(flags);
        command.assert().success();
        export_onnx()
            .arg("verify")
            .arg(&output)
            .args(["--engines", "tract"])
            .assert()
            .success();
    }
    for side in [
        "manifest.yaml",
        "labels.txt",
        "config.json",
        "preprocessor_config.json",
    ] {
        assert!(dir.path().join(side).is_file(), "{side} is missing");
    }
    let size = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
    assert!(size("half.onnx") < size("opset.onnx"));
}
