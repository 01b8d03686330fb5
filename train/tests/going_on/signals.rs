//! Signals and readers that go away.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use train::checkpoint::state::Progress;

use crate::common;
use crate::runs::*;

#[test]
fn a_lost_reader_of_stderr_does_not_end_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut child = made_up(240, 6, &out)
        .args(["--epochs", "4"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(history(&out).len(), 4);
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.contains("finished after"), "{log}");
    let next = format!(
        "next: export-onnx --checkpoint {}",
        out.join("checkpoints/best.safetensors").display()
    );
    assert!(log.contains(&next), "{log}");
}

#[test]
fn a_hangup_saves_and_ends_unless_it_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut child = common::with_default_sighup(made_up(6000, 6, &out).args(["--epochs", "9"]))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut child, &out, |_| true);
    send(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(129));
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.contains("SIGHUP received: saved at epoch"), "{log}");

    // As under nohup.
    let out = dir.path().join("ignored");
    let plain = made_up(240, 6, &out);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(TRAIN)
        .args(plain.get_args());
    let mut child = shell
        .args(["--epochs", "3"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut child, &out, |_| true);
    send(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(history(&out).len(), 3);
}

#[test]
fn a_signal_in_validation_is_answered_and_the_trained_epoch_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out, whole) = (
        dir.path().join("data"),
        dir.path().join("run"),
        dir.path().join("whole"),
    );
    common::images(&data, 4, 300);
    let slow = |to: &Path| {
        let mut command = on(&data, to);
        command.args([
            "--set",
            "arch=resnet18",
            "--epochs",
            "1",
            "--set",
            "evaluation.batch_size=1",
        ]);
        command
    };
    let mut child = slow(&out).stderr(Stdio::null()).spawn().unwrap();
    let trained = |progress: &Progress| progress.step_in_epoch == progress.steps_per_epoch;
    wait_for(&mut child, &out, |p| p.steps_per_epoch > 0 && trained(p));
    send(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!out.join("metrics.jsonl").exists());
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.contains("trained and not yet validated"), "{log}");
    run(&mut resume(&out));
    run(&mut slow(&whole));
    let bytes = |run: &Path| fs::read(run.join("checkpoints/last.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&out));
    let loss = |run: &Path| (history(run)[0].train_loss, history(run)[0].val_loss);
    assert_eq!(loss(&whole), loss(&out));
}
