//! A run that is stopped and goes on under other circumstances: another batch, more epochs, other images, renamed classes,
//! an earlier checkpoint, a directory that is in use.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use model_core::manifest::{MANIFEST_KEY, Manifest};
use train::checkpoint::file::TensorFile;
use train::checkpoint::state::{Progress, read_progress};
use train::metrics::{self, EpochRecord};
use train::recipe::load;
use train::schedule::Schedule;

const TRAIN: &str = env!("CARGO_BIN_EXE_train");

/// A short run of a small network on one thread, steps of `batch` images.
fn small(batch: u32) -> Command {
    let mut command = Command::new(TRAIN);
    command
        .args(["--arch", "resnet_tiny", "--recipe", "cifar10-resnet20"])
        .args(["--threads", "1", "--workers", "1", "--precision", "fp32"])
        .args(["--device", "cpu", "--lr", "0.02", "--seed", "5"])
        .args(["--set", "optimizer.reference_batch=null"])
        .args(["--batch-size", &batch.to_string()]);
    command
}

fn made_up(images: u32, batch: u32, out: &Path) -> Command {
    let mut command = small(batch);
    command
        .args(["--synthetic", &images.to_string(), "--image-size", "32"])
        .arg("--output")
        .arg(out);
    command
}

fn on(data: &Path, out: &Path) -> Command {
    let mut command = small(6);
    command.arg("--data").arg(data).arg("--output").arg(out);
    command
}

fn resume(out: &Path) -> Command {
    let mut command = Command::new(TRAIN);
    command.arg("--resume").arg("--output").arg(out);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{:?} {text}", output.status);
    text
}

fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn state(out: &Path) -> PathBuf {
    out.join("checkpoints/last.state.safetensors")
}

fn history(out: &Path) -> Vec<EpochRecord> {
    metrics::read(&out.join("metrics.jsonl")).unwrap()
}

fn wait_for(child: &mut Child, out: &Path, is_there: impl Fn(&Progress) -> bool) -> Progress {
    let begin = Instant::now();
    loop {
        if let Ok((progress, _)) = read_progress(&state(out))
            && is_there(&progress)
        {
            return progress;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("ended too early: {status}");
        }
        assert!(
            begin.elapsed() < Duration::from_secs(300),
            "nothing happens"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Every file below a directory with its bytes and time.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                all.insert(path.clone(), (fs::read(&path).unwrap(), time));
            }
        }
    }
    all
}

/// The rate of the last step of each epoch is the schedule's at that place, whatever a step was.
fn assert_rates(out: &Path, from: usize, batch: u64, images: u64) {
    let text = fs::read_to_string(out.join("config.yaml")).unwrap();
    let recipe = load::from_text(&text, &[]).unwrap();
    let schedule = Schedule::new(&recipe.schedule, recipe.peak_rate_of(batch), recipe.epochs);
    let steps = (images / batch) as f64;
    let all = history(out);
    assert_eq!(all.len(), recipe.epochs as usize);
    for record in &all[from..] {
        let expected = schedule.rate(f64::from(record.epoch) - 1.0 / steps);
        assert!(
            (record.learning_rate - expected).abs() <= 1e-12 + 1e-9 * expected,
            "epoch {}: {} instead of {expected}",
            record.epoch,
            record.learning_rate
        );
    }
}

#[test]
fn the_rate_follows_the_epochs_with_another_batch_and_more_epochs() {
    let dir = tempfile::tempdir().unwrap();
    for (batch, more) in [(12, "6"), (3, "6"), (12, "9")] {
        let out = dir.path().join(format!("run-{batch}-{more}"));
        let mut command = made_up(24, 6, &out);
        let mut child = command
            .args(["--epochs", "6"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&mut child, &out, |progress| progress.epoch >= 2);
        send(&child, "-TERM");
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(143 | 0)), "{code:?}");
        let done = read_progress(&state(&out)).unwrap().0.epoch as usize;
        let text = run(resume(&out).args(["--batch-size", &batch.to_string(), "--epochs", more]));
        assert!(
            text.contains("the learning rate follows the epochs"),
            "{text}"
        );
        assert_eq!(
            text.contains("9 epochs instead of 6"),
            more == "9",
            "{text}"
        );
        // The epoch that was under way was begun with the old batch.
        assert_rates(&out, done, batch, 24);
        // What was drawn is what was used, also when it is drawn again later.
        let drawn = out.join("plots/learning_rate.svg");
        let before = fs::read(&drawn).unwrap();
        run(Command::new(TRAIN).arg("plot").arg(&out));
        assert_eq!(fs::read(&drawn).unwrap(), before);
        let steps = metrics::read_steps(&out.join("steps.jsonl")).unwrap();
        assert!(
            steps.windows(2).all(|two| two[0].step < two[1].step),
            "{steps:?}"
        );
        let last = steps.last().unwrap();
        assert_eq!(
            last.learning_rate,
            history(&out).last().unwrap().learning_rate
        );
    }
}

#[test]
fn a_renamed_class_is_refused_with_the_flag_that_maps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    run(on(&data, &out).args(["--epochs", "4"]));
    let best_before = history(&out)[3].clone();
    for split in ["train", "val"] {
        fs::rename(data.join(split).join("red"), data.join(split).join("a-red")).unwrap();
    }
    let before = snapshot(&out);
    let text = refused(resume(&out).args(["--epochs", "5"]));
    assert!(
        text.contains("missing: red; new: a-red") && text.contains("--map-class red=a-red"),
        "{text}"
    );
    assert_eq!(snapshot(&out), before);
    run(resume(&out).args(["--epochs", "5", "--map-class", "red=a-red"]));
    // The labels are those that the weights have learned.
    let after = &history(&out)[4];
    assert!(
        after.train_loss < 1.2 * best_before.train_loss,
        "{best_before:?} {after:?}"
    );
    let weights = TensorFile::read(&out.join("checkpoints/last.safetensors")).unwrap();
    let manifest = Manifest::from_json(&weights.metadata[MANIFEST_KEY]).unwrap();
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    assert_eq!(labels, ["blue", "green", "a-red"]);

    // Another number of classes is another network.
    fs::remove_dir_all(data.join("train/blue")).unwrap();
    fs::remove_dir_all(data.join("val/blue")).unwrap();
    let text = refused(resume(&out).args(["--epochs", "6"]));
    assert!(
        text.contains("3 then, 2 now") && text.contains("missing: blue"),
        "{text}"
    );
}

#[test]
fn more_images_are_said_and_the_rate_stays_the_schedules() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 2);
    run(on(&data, &out).args(["--epochs", "2"]));
    common::images(&data, 16, 2);
    let text = run(resume(&out).args(["--epochs", "4"]));
    assert!(
        text.contains("48 training images (there were 24)"),
        "{text}"
    );
    assert_rates(&out, 2, 6, 48);
}

#[test]
fn two_runs_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut first = made_up(6000, 6, &out)
        .args(["--epochs", "9"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut first, &out, |_| true);
    let config = fs::read(out.join("config.yaml")).unwrap();
    for flag in ["--overwrite", "--resume"] {
        let text = refused(made_up(24, 6, &out).arg(flag).args(["--set", "seed=9"]));
        assert!(text.contains("another run writes here"), "{text}");
    }
    assert_eq!(fs::read(out.join("config.yaml")).unwrap(), config);
    send(&first, "-TERM");
    assert_eq!(first.wait().unwrap().code(), Some(143));
    // Killed without a chance to clean up, it gives the directory back, too.
    let mut second = resume(&out).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    second.kill().unwrap();
    second.wait().unwrap();
    let text = refused(made_up(24, 6, &out).args(["--epochs", "1"]));
    assert!(text.contains("already holds a run"), "{text}");
    run(made_up(24, 6, &out).args(["--epochs", "1", "--overwrite"]));
}

#[test]
fn a_resume_that_fails_changes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    run(made_up(24, 6, &out).args(["--epochs", "2"]));
    let before = snapshot(&out);
    for flags in [
        ["--optimizer", "adamw"],
        ["--arch", "resnet18"],
        ["--device", "cuda:77"],
        ["--workers", "100000"],
        ["--set", "epoch=3"],
    ] {
        let text = refused(resume(&out).args(["--epochs", "3"]).args(flags));
        assert_eq!(
            text.lines().filter(|l| l.starts_with("error: ")).count(),
            1,
            "{text}"
        );
        assert_eq!(snapshot(&out), before, "{flags:?}: {text}");
    }
    // Nor does a new run leave a directory when it cannot begin.
    let other = dir.path().join("other");
    refused(made_up(24, 6, &other).args(["--set", "arch=resnet51"]));
    refused(made_up(24, 1, &other).args(["--epochs", "1"]));
    assert!(!other.exists());
}

#[test]
fn every_checkpoint_can_be_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, again] = ["whole", "again"].map(|name| dir.path().join(name));
    let keep = ["--set", "checkpoints.keep_every_epochs=1"];
    run(made_up(24, 6, &whole).args(["--epochs", "5"]).args(keep));
    let from = whole.join("checkpoints/epoch-0002.safetensors");
    let text = refused(
        Command::new(TRAIN)
            .arg("--resume")
            .arg(&from)
            .arg("--output")
            .arg(&whole),
    );
    assert!(text.contains("directory of its own"), "{text}");
    let last_two = ["--set", "checkpoints.keep_last=2"];
    let text = run(Command::new(TRAIN)
        .arg("--resume")
        .arg(&from)
        .arg("--output")
        .arg(&again)
        .args(last_two));
    assert!(text.contains("after epoch 2, from"), "{text}");
    let weights = |run: &Path| fs::read(run.join("checkpoints/epoch-0005.safetensors")).unwrap();
    // The manifest in the file names the recipe, whose `keep_last` differs: the tensors are the same.
    let tensors = |run: &Path| {
        let file = TensorFile::read(&run.join("checkpoints/epoch-0005.safetensors")).unwrap();
        file.metadata[train::checkpoint::file::CHECKSUM_KEY].clone()
    };
    assert_eq!(tensors(&whole), tensors(&again));
    assert!(!weights(&whole).is_empty());
    assert_eq!(history(&again).len(), 5);
    let kept = |name: &str| again.join("checkpoints").join(name).exists();
    assert!(!kept("epoch-0003.safetensors") && !kept("epoch-0003.state.safetensors"));
    assert!(kept("epoch-0004.safetensors") && kept("epoch-0004.state.safetensors"));
    // Weights whose state was not kept say what they are good for.
    fs::remove_file(whole.join("checkpoints/best.state.safetensors")).unwrap();
    let best = whole.join("checkpoints/best.safetensors");
    let text = refused(Command::new(TRAIN).arg("--resume").arg(best));
    assert!(
        text.contains("weights only") && text.contains("--init"),
        "{text}"
    );
}

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
    let mut child = common::hears_hangup(made_up(6000, 6, &out).args(["--epochs", "9"]))
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
