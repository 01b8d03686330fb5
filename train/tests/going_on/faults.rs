//! Statistics and devices that cannot be, and what a run shows while it works.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use train::checkpoint::state::read_progress;

use crate::common;
use crate::runs::*;

#[test]
fn statistics_that_overflow_are_found_in_time_named_and_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 20, 2);
    let text =
        refused(on(&data, &out).args(["--set", "optimizer.learning_rate=1.0e30", "--epochs", "3"]));
    assert!(
        text.contains("is not finite: weights and optimizer are those of the last saved state"),
        "{text}"
    );
    assert!(
        text.contains("the run diverges") && text.contains("after 3 restorations"),
        "{text}"
    );
    // What was saved before is sound.
    read_progress(&state(&out)).unwrap();
}

#[test]
fn one_value_a_channel_is_refused_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let text = refused(made_up(24, 1, &dir.path().join("run")).args(["--epochs", "1"]));
    assert!(
        text.contains("batch_size: expected 2 or more") && text.contains("layer4.0.bn"),
        "{text}"
    );
}

#[test]
fn a_gpu_that_is_asked_for_is_got_or_an_error() {
    if train::device::gpus().is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut command = Command::new(TRAIN);
    command.args([
        "--arch",
        "resnet_tiny",
        "--recipe",
        "cifar10-resnet20",
        "--num-gpus",
        "1",
    ]);
    let text = refused(command.args(["--synthetic", "24", "--output"]).arg(&out));
    assert!(
        text.contains("--num-gpus 1: 0 GPUs are usable here"),
        "{text}"
    );
    assert!(!out.exists());
    let text = run(Command::new(TRAIN)
        .args([
            "--arch",
            "resnet_tiny",
            "--recipe",
            "cifar10-resnet20",
            "--epochs",
            "1",
        ])
        .args(["--batch-size", "6", "--image-size", "32", "--threads", "1"])
        .args(["--synthetic", "6", "--output"])
        .arg(&out));
    let device = text
        .lines()
        .find(|line| line.starts_with("device "))
        .unwrap();
    assert!(
        device.contains("CPU") && device.contains("no GPU: "),
        "{device}"
    );
}

#[test]
fn an_open_tensorboard_sees_each_epoch_in_a_file_that_grows() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let files = || -> Vec<PathBuf> {
        let all = fs::read_dir(out.join("tensorboard")).unwrap();
        let mut all: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let mut child = made_up(600, 6, &out)
        .args(["--epochs", "9"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut child, &out, |progress| progress.epoch == 1);
    let first = files();
    let (before, start) = (first[0].clone(), fs::read(&first[0]).unwrap());
    wait_for(&mut child, &out, |progress| progress.epoch == 2);
    send(&child, "-TERM");
    child.wait().unwrap();
    let grown = fs::read(&before).unwrap();
    assert!(grown.len() > start.len() && grown.starts_with(&start));
    run(resume(&out).args(["--epochs", "3"]));
    assert_eq!(files().len(), 2);
    assert_eq!(fs::read(&before).unwrap(), grown);
}
