//! Several processes train as one does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use train::checkpoint::state::read_progress;

use crate::common;
use crate::runs::*;

#[test]
fn two_and_three_processes_train_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // 42 training images: 3 full batches of 12 and a rest; 15 validation images: uneven over 2 processes and batches.
    common::images(&data, 14, 5);
    let out = |name: &str| -> PathBuf { dir.path().join(name) };
    let arguments = |mut command: Command, to: &Path| {
        command
            .args(["--epochs", "3", "--set", "ema={decay: 0.9}", "--set"])
            .args(["optimizer.clip_norm=0.5", "--data"])
            .arg(&data)
            .arg("--output")
            .arg(to);
        command
    };
    let command = |processes: usize| launched(small(processes, "cifar_resnet20"), processes);
    let (status, text) = run(arguments(command(1), &out("1")));
    assert!(status.success(), "{text}");
    for processes in [2, 3] {
        let there = out(&processes.to_string());
        let (status, text) = run(arguments(command(processes), &there));
        assert!(status.success(), "{text}");
        assert!(
            text.contains("[0] ") && text.contains("per epoch of 12 images, 3 epochs"),
            "{text}"
        );
        let (one, many) = (history(&out("1")), history(&there));
        assert_eq!((one.len(), many.len()), (3, 3));
        same_after_three_steps(&one[0], &many[0]);
        for (one, many) in one.iter().zip(&many) {
            // Counts are exact: 15 images over uneven shards.
            assert_eq!(
                (one.train_images, one.val_images, many.val_images),
                (many.train_images, 15, 15)
            );
            // A step of a network with BatchNorm on batches of twelve multiplies rounding differences (a change of the
            // memory layout in one process does the same), so the curve is held to 1 % over its nine steps.
            assert!(
                relative(one.train_loss, many.train_loss) < 1e-2,
                "{one:?} {many:?}"
            );
            assert!(
                relative(one.val_loss.unwrap(), many.val_loss.unwrap()) < 1e-2,
                "{one:?} {many:?}"
            );
        }
    }
}

/// Two processes, BatchNorm within each, see what one sees that accumulates two batches: the same groups of images share
/// statistics (made-up images are dealt in whole batches), so the losses are the same up to the order of sums.
#[test]
fn local_batch_norm_of_two_is_that_of_two_accumulated_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let mut alone = short(plain(2, "cifar_resnet20"), &one);
    alone.args(["--accumulate", "2"]);
    let (status, text) = run(alone);
    assert!(status.success(), "{text}");
    let both = short(launched(plain(2, "cifar_resnet20"), 2), &two);
    let (status, text) = run(both);
    assert!(status.success(), "{text}");
    assert!(text.contains("BatchNorm within each"), "{text}");
    let (one, two) = (&history(&one)[0], &history(&two)[0]);
    assert_eq!((one.step, one.train_images), (two.step, two.train_images));
    let difference = relative(one.train_loss, two.train_loss);
    eprintln!("relative difference of the training loss {difference:.1e}");
    assert!(difference < 5e-5, "{one:?} {two:?}");
}

/// Each process keeps its own statistics until the epoch ends; a state holds all of them, so that a run that was stopped
/// within an epoch ends in the same bytes, and on one process goes on with their mean.
#[test]
fn local_statistics_of_all_ranks_are_saved_and_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let make = |to: &Path| run_of(120, launched(plain(2, "resnet_tiny"), 2), to);
    let (status, text) = run(make(&whole));
    assert!(status.success(), "{text}");

    let mut running = Running::start(make(&parts));
    running.wait_for_steps(&parts, 8);
    signal(running.child.id() as i32, "-TERM");
    let (status, text) = running.wait(Duration::from_secs(240));
    assert_eq!(status.code(), Some(143), "{text}");
    let state = parts.join("checkpoints/last.state.safetensors");
    let (progress, file) = read_progress(&state).unwrap();
    assert_eq!(progress.statistics_of, 2);
    let of = |key: &str| &file.tensors[key];
    assert_ne!(
        of("model.bn1.running_mean"),
        of("rank1.model.bn1.running_mean")
    );

    // One process takes the mean: its very next state holds it, moved by the steps since.
    let kept = dir.path().join("kept");
    copy_dir(&parts, &kept);
    let mut resume = Command::new(assert_cmd::cargo::cargo_bin("train"));
    resume
        .args(["--resume", "--output"])
        .arg(&parts)
        .args(["--num-processes", "2"]);
    let (status, text) = run(resume);
    assert!(status.success(), "{text}");
    let bytes = |run: &Path| std::fs::read(run.join("checkpoints/last.safetensors")).unwrap();
    assert!(
        bytes(&whole) == bytes(&parts),
        "the resumed run ends elsewhere"
    );

    let mut alone = Command::new(assert_cmd::cargo::cargo_bin("train"));
    alone.args(["--resume", "--output"]).arg(&kept);
    let (status, text) = run(alone);
    assert!(status.success(), "{text}");
    assert!(history(&kept)[0].val_loss.unwrap().is_finite());
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
