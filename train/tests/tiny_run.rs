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
