//! The program itself: what it writes, and what it says when it cannot.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

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

#[test]
fn bad_input_gives_one_clear_line_and_leaves_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    fs::write(&output, "before").unwrap();
    let whole = fs::read(&checkpoint).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let cut = file("cut.safetensors", &whole[..whole.len() / 2]);
    let text = file(
        "text.pth",
        b"this is no checkpoint, only text that is long enough",
    );
    let good = checkpoint.display().to_string();
    let target = output.display().to_string();
    let missing_dir = dir
        .path()
        .join("no/such/folder/model.onnx")
        .display()
        .to_string();
    let folder = dir.path().display().to_string();

    let architecture = arch::by_name("resnet_tiny", 10).unwrap();
    let mut weights = common::procedural_weights(&architecture);
    let nameless = dir.path().join("nameless.safetensors");
    common::write_checkpoint(&nameless, &weights, None);
    let nameless = nameless.display().to_string();
    weights.tensors.get_mut("conv1.weight").unwrap().data[5] = f32::NAN;
    let nan = dir.path().join("nan.safetensors");
    common::write_checkpoint(
        &nan,
        &weights,
        Some(&common::manifest("resnet_tiny", 10, 32)),
    );
    let nan = nan.display().to_string();

    let cases: Vec<(Vec<&str>, &str)> = vec![
        (
            vec!["--checkpoint", "nowhere.pth", "--output", &target],
            "nowhere.pth",
        ),
        (
            vec!["--checkpoint", &cut, "--output", &target],
            "not a complete safetensors file",
        ),
        (
            vec!["--checkpoint", &text, "--output", &target],
            "neither safetensors nor a PyTorch checkpoint",
        ),
        (
            vec!["--checkpoint", &nan, "--output", &target],
            "'conv1.weight' holds NaN",
        ),
        (
            vec!["--checkpoint", &nameless, "--output", &target],
            "--arch",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--arch",
                "resnet18",
            ],
            "do not fit the network",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--arch",
                "resnet51",
            ],
            "resnet50",
        ),
        (
            vec!["--checkpoint", &good, "--output", &target, "--opset", "7"],
            "opset 7",
        ),
        (
            vec!["--checkpoint", &good, "--output", &target, "--ema"],
            "moving average",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--labels",
                "imagenet1k",
            ],
            "1000 labels",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--verify-data",
                &missing_dir,
            ],
            "image folder",
        ),
        (
            vec!["--checkpoint", &good, "--output", &missing_dir],
            "cannot write",
        ),
        (
            vec!["--checkpoint", &good, "--output", &folder],
            "got a folder",
        ),
        (vec!["inspect", &text], "not an ONNX model"),
        (vec!["verify", &text], "not an ONNX model"),
    ];
    for (arguments, expected) in cases {
        let assert = export_onnx().args(&arguments).assert().failure().code(1);
        let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(stderr.contains(expected), "{arguments:?} says: {stderr}");
        assert_eq!(
            stderr.trim_end().lines().count(),
            1,
            "{arguments:?} says more than a line: {stderr}"
        );
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    let leftovers = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".partial")
    });
    assert_eq!(leftovers.count(), 0);
}

/// A disk that fills while the model is written, by a limit on the size of files: one line, the old file untouched.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    fs::write(&output, "before").unwrap();
    // Ignored, the signal of the limit becomes an error of the write, as on a full disk.
    let limited = assert_cmd::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 16; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_export-onnx"),
            "--checkpoint",
        ])
        .arg(&checkpoint)
        .arg("--output")
        .arg(&output)
        .args(["--engines", "tract"])
        .assert()
        .failure()
        .code(1);
    let stderr = String::from_utf8(limited.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("cannot write"), "{stderr}");
    assert!(stderr.contains("model.onnx"), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );
}

/// As `train` leaves runs: `runs/NAME/checkpoints/best.safetensors`.
fn run_with_best(dir: &std::path::Path, name: &str, age_secs: u64) {
    let checkpoint = tiny_checkpoint(dir);
    let folder = dir.join("runs").join(name).join("checkpoints");
    fs::create_dir_all(&folder).unwrap();
    let best = folder.join("best.safetensors");
    fs::rename(checkpoint, &best).unwrap();
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age_secs);
    fs::File::options()
        .write(true)
        .open(best)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn without_a_word_it_takes_the_newest_run_and_installs_on_request() {
    let dir = tempfile::tempdir().unwrap();
    run_with_best(dir.path(), "older", 100);
    run_with_best(dir.path(), "newer", 10);
    let (models, away) = (dir.path().join("my-models"), dir.path().join("away"));
    let export = |folder: &std::path::Path, arguments: &[&str]| {
        let mut command = export_onnx();
        command
            .current_dir(folder)
            .env("INFER_MODELS_DIR", &models)
            .args(["--engines", "tract"])
            .args(arguments);
        command.assert()
    };
    export(dir.path(), &[])
        .success()
        .stdout(contains("runs/newer/checkpoints/best.safetensors"))
        .stdout(contains("installed").not());
    assert!(dir.path().join("runs/newer/model.onnx").is_file());
    assert!(!models.exists());

    let installed = models.join("installed").join("model.onnx");
    let folders = [models.clone()];
    export(dir.path(), &["--install"])
        .success()
        .stdout(contains("installed").and(contains("take it when no model is named")));
    assert_eq!(
        fs::read(&installed).unwrap(),
        fs::read(dir.path().join("runs/newer/model.onnx")).unwrap()
    );
    assert_eq!(
        inference::models::default_model(&folders),
        inference::models::ModelLocation::File(installed)
    );
    export(dir.path(), &["--install"])
        .success()
        .stdout(contains("in the place of"));

    fs::create_dir(&away).unwrap();
    export(&away, &[])
        .failure()
        .stderr(contains("no --checkpoint given").and(contains("runs/NAME/checkpoints")));
}
