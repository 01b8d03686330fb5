//! A whole run of the binary on real image files: what it writes, what it learns, and that an interrupted run goes on
//! bit for bit.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use train::checkpoint::file::TensorFile;
use train::checkpoint::state::read_progress;
use train::metrics;

#[test]
fn trains_learns_and_writes_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    common::train()
        .args([
            "--epochs",
            "6",
            "--set",
            "checkpoints.keep_every_epochs=3",
            "--data",
        ])
        .arg(&data)
        .arg("--output")
        .arg(&out)
        .assert()
        .success();
    for file in [
        "config.yaml",
        "metrics.jsonl",
        "metrics.npz",
        "train.log",
        "plots/metrics.svg",
        "plots/metrics.png",
        "plots/learning_rate.svg",
        "plots/learning_rate.png",
        "steps.jsonl",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "checkpoints/best.logits.safetensors",
        "checkpoints/epoch-0003.safetensors",
        "checkpoints/epoch-0006.safetensors",
        "checkpoints/last.state.safetensors",
        "checkpoints/best.state.safetensors",
        "checkpoints/epoch-0003.state.safetensors",
    ] {
        let size = fs::metadata(out.join(file))
            .unwrap_or_else(|e| panic!("{file}: {e}"))
            .len();
        assert!(size > 0, "{file}");
    }
    assert_eq!(fs::read_dir(out.join("tensorboard")).unwrap().count(), 1);
    assert!(!out.join(".lock").exists(), "the directory is free again");
    let history = metrics::read(&out.join("metrics.jsonl")).unwrap();
    assert_eq!(history.len(), 6);
    assert!(
        history[5].train_loss < 0.7 * history[0].train_loss,
        "{history:?}"
    );
    let best = history
        .iter()
        .filter_map(|r| r.val_top1_percent)
        .fold(0.0, f64::max);
    assert!(best > 80.0, "three colors should be easy: {best} %");

    let weights = TensorFile::read(&out.join("checkpoints/best.safetensors")).unwrap();
    let text = &weights.metadata[model_core::manifest::MANIFEST_KEY];
    let manifest = model_core::manifest::Manifest::from_json(text).unwrap();
    assert_eq!(manifest.arch, "resnet_tiny");
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    assert_eq!(labels, ["blue", "green", "red"]);
    assert_eq!(manifest.accuracy.as_ref().unwrap().top1_percent, best);
    // Counted as PyTorch counts them: four batches for each epoch up to the best.
    let best_epoch = manifest.provenance.as_ref().unwrap().epoch.unwrap();
    assert_eq!(
        weights.tensors["bn1.num_batches_tracked"].int64_value(&[]),
        4 * i64::from(best_epoch)
    );

    // `train eval` agrees with the run's own validation
    let eval = assert_cmd::Command::cargo_bin("train")
        .unwrap()
        .args(["eval", "--json", "--data"])
        .arg(&data)
        .arg("--checkpoint")
        .arg(out.join("checkpoints/best.safetensors"))
        .output()
        .unwrap();
    let value: serde_json::Value = serde_json::from_slice(&eval.stdout).unwrap();
    assert_eq!(value["top1_percent"].as_f64(), Some(best));

    // another class count: the body is taken over, the classifier starts fresh
    let tuned = common::train()
        .args([
            "--synthetic",
            "12",
            "--epochs",
            "1",
            "--image-size",
            "32",
            "--init",
        ])
        .arg(out.join("checkpoints/best.safetensors"))
        .arg("--output")
        .arg(dir.path().join("tuned"))
        .output()
        .unwrap();
    let text = String::from_utf8(tuned.stderr).unwrap();
    assert!(tuned.status.success(), "{text}");
    assert!(
        text.contains("2 start fresh (fc.weight, fc.bias)"),
        "{text}"
    );
}

/// A run with all that has state: momentum, averages, mixing, accumulation, saves at every step.
fn start(out: &Path, resume: bool) -> Child {
    let mut command = Process::new(env!("CARGO_BIN_EXE_train"));
    command
        .args([
            "--arch",
            "resnet_tiny",
            "--recipe",
            "cifar10-resnet20",
            "--synthetic",
            "120",
        ])
        .args([
            "--threads",
            "1",
            "--precision",
            "bf16",
            "--batch-size",
            "6",
            "--epochs",
            "3",
        ])
        .args(["--accumulate", "2", "--image-size", "32", "--seed", "7"])
        .args([
            "--set",
            "ema={decay: 0.9}",
            "--set",
            "augment.mixup_alpha=0.2",
        ])
        .args([
            "--set",
            "augment.cutmix_alpha=1.0",
            "--set",
            "checkpoints.save_every_steps=1",
        ])
        .arg("--output")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if resume {
        command.arg("--resume");
    }
    command.spawn().unwrap()
}

/// Waits until the saved state is past `step`, inside an epoch.
fn wait_for_step(child: &mut Child, out: &Path, step: u64) {
    let state = out.join("checkpoints/last.state.safetensors");
    for _ in 0..20_000 {
        if let Ok((progress, _)) = read_progress(&state)
            && progress.step >= step
            && progress.step_in_epoch > 0
        {
            return;
        }
        if child.try_wait().unwrap().is_some() {
            panic!("the run ended before step {step}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no state past step {step}");
}

#[test]
fn killed_or_interrupted_and_resumed_it_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    assert!(start(&whole, false).wait().unwrap().success());

    let mut child = start(&parts, false);
    wait_for_step(&mut child, &parts, 4);
    child.kill().unwrap(); // SIGKILL, in the first epoch
    child.wait().unwrap();

    let mut child = start(&parts, true);
    wait_for_step(&mut child, &parts, 13);
    let pid = child.id().to_string(); // SIGTERM, in the second
    assert!(
        Process::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let (progress, _) = read_progress(&parts.join("checkpoints/last.state.safetensors")).unwrap();
    assert!(progress.step >= 13);

    assert!(start(&parts, true).wait().unwrap().success());
    for name in ["last", "best"] {
        let file = format!("checkpoints/{name}.safetensors");
        let same = fs::read(whole.join(&file)).unwrap() == fs::read(parts.join(&file)).unwrap();
        assert!(same, "{file} differs");
    }
    let history = |run: &Path| metrics::read(&run.join("metrics.jsonl")).unwrap();
    for (a, b) in history(&whole).iter().zip(&history(&parts)) {
        assert_eq!(
            (a.epoch, a.train_loss, a.val_loss),
            (b.epoch, b.train_loss, b.val_loss)
        );
    }
    assert_eq!(history(&parts).len(), 3);
}

/// A run of two epochs on made-up images with all that draws random numbers.
fn random_run(out: &Path, settings: &[&str], processes: &str) -> Vec<u8> {
    let mut command = Process::new(env!("CARGO_BIN_EXE_train"));
    command.args(["--arch", "resnet_tiny", "--recipe", "cifar10-resnet20"]);
    command.args(["--synthetic", "48", "--epochs", "2", "--image-size", "32"]);
    command.args(["--threads", "1", "--batch-size", "6", "--accumulate", "2"]);
    command.args(["--device", "cpu", "--set", "dropout=0.2"]);
    command.args(["--set", "stochastic_depth=0.3"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    if processes != "1" {
        command.args(["--num-processes", processes]);
    }
    let output = command.arg("--output").arg(out).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{settings:?}: {text}");
    let weights = TensorFile::read(&out.join("checkpoints/last.safetensors")).unwrap();
    let values = weights.tensors.values().flat_map(|tensor| {
        let tensor = tensor.flatten(0, -1).to_kind(tch::Kind::Double);
        Vec::<f64>::try_from(&tensor).unwrap()
    });
    values.flat_map(f64::to_le_bytes).collect()
}

#[test]
fn gradient_checkpointing_changes_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (index, (precision, processes, extra)) in [
        ("precision=fp32", "1", "seed=1"),
        ("precision=bf16", "1", "freeze=[conv1, bn1, layer1]"),
        ("precision=fp32", "2", "sync_batch_norm=false"),
        ("precision=fp32", "2", "sync_batch_norm=true"),
    ]
    .into_iter()
    .enumerate()
    {
        let [plain, less] = ["plain", "less"].map(|name| dir.path().join(format!("{name}{index}")));
        let a = random_run(&plain, &[precision, extra], processes);
        let settings = [precision, extra, "gradient_checkpointing=true"];
        let b = random_run(&less, &settings, processes);
        assert!(a.len() > 8 * 10_000 && a == b, "{precision} {extra}");
    }
}

#[test]
fn the_weights_behind_the_average_are_kept_and_validated() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    let run = |out: &Path, ema: &str| {
        let mut command = common::train();
        command.args(["--epochs", "4", "--set", ema, "--data"]);
        command
            .arg(&data)
            .arg("--output")
            .arg(out)
            .assert()
            .success();
        metrics::read(&out.join("metrics.jsonl")).unwrap()
    };
    // An average that has hardly left its beginning.
    let history = run(&out, "ema={decay: 0.9999, warmup: false}");
    for record in &history {
        let (raw, averaged) = (record.raw_val_loss.unwrap(), record.val_loss.unwrap());
        assert!(raw != averaged, "{record:?}");
        assert!(record.raw_val_top1_percent.is_some());
    }
    let last = &history[3];
    assert!(last.raw_val_top1_percent.unwrap() > last.val_top1_percent.unwrap());
    // The files are what was validated: `evaluate` finds the same accuracies.
    for (name, wanted) in [
        ("last", last.val_top1_percent),
        ("last-raw", last.raw_val_top1_percent),
    ] {
        let weights = out.join(format!("checkpoints/{name}.safetensors"));
        let mut command = assert_cmd::Command::cargo_bin("train").unwrap();
        command.args(["evaluate", "--json", "--data"]).arg(&data);
        let output = command.arg("--checkpoint").arg(weights).output().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["top1_percent"].as_f64(), wanted, "{name}");
        // Four images of each class: the mean over the classes is the mean over the images.
        let mean = value["class_mean_percent"].as_f64().unwrap();
        assert!((mean - wanted.unwrap()).abs() < 1e-9, "{name}");
    }
    let best = history.iter().filter_map(|r| r.raw_val_top1_percent);
    let best = best.fold(0.0, f64::max);
    let raw = TensorFile::read(&out.join("checkpoints/best-raw.safetensors")).unwrap();
    let text = &raw.metadata[model_core::manifest::MANIFEST_KEY];
    let manifest = model_core::manifest::Manifest::from_json(text).unwrap();
    assert_eq!(manifest.accuracy.unwrap().top1_percent, best);

    let without = dir.path().join("without");
    let history = run(&without, "ema={decay: 0.9999, keep_raw: false}");
    assert!(history.iter().all(|record| record.raw_val_loss.is_none()));
    assert!(!without.join("checkpoints/last-raw.safetensors").exists());
}

#[test]
fn each_unreadable_image_is_named_once_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    let broken = ["train/red/a.jpg", "train/blue/z.jpg", "val/green/000.png"];
    for name in broken {
        fs::write(data.join(name), "not a picture").unwrap();
    }
    let mut command = common::train();
    command.args(["--epochs", "3", "--data"]).arg(&data);
    let output = command.arg("--output").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("unreadable "))
        .collect();
    assert_eq!(lines.len(), broken.len(), "{lines:?}");
    for name in broken {
        let named = lines.iter().filter(|line| line.contains(name)).count();
        assert_eq!(named, 1, "{name}: {lines:?}");
    }
}

#[test]
fn data_in_a_usual_place_needs_no_flag() {
    let dir = tempfile::tempdir().unwrap();
    let train = |out: &str| {
        let mut command = common::train();
        command.current_dir(dir.path()).env_remove("TRAIN_DATA");
        command.env("HOME", dir.path());
        command.args(["--epochs", "1", "--output", out]);
        command.output().unwrap()
    };
    let output = train("none");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for place in ["./imagenet", "./data", "/data/imagenet", "TRAIN_DATA"] {
        assert!(text.contains(place), "{place}: {text}");
    }
    common::images(&dir.path().join("data/imagenet"), 8, 4);
    let output = train("found");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("data found in ./data"), "{text}");
    assert!(
        dir.path()
            .join("found/checkpoints/best.safetensors")
            .is_file()
    );
}
