//! A run killed with SIGKILL twenty times, at random moments and in the middle of saving, ends in the same bytes as one
//! that was left alone.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model_core::splitmix::splitmix64;
use train::checkpoint::file::TensorFile;
use train::checkpoint::state::read_progress;
use train::metrics;

const KILLS: u64 = 20;
const EPOCHS: u64 = 4;
const STEPS_PER_EPOCH: u64 = 30;

/// A run with all that has state (momentum, averages, mixing) that saves at every step.
fn start(out: &Path) -> Child {
    let images = (STEPS_PER_EPOCH * 4).to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    command
        .args(["--arch", "resnet_tiny", "--recipe", "cifar10-resnet20"])
        .args(["--synthetic", &images, "--batch-size", "4", "--seed", "3"])
        .args(["--epochs", &EPOCHS.to_string(), "--image-size", "32"])
        .args(["--threads", "1", "--precision", "fp32"])
        .args([
            "--set",
            "ema={decay: 0.9, statistics_images: 8}",
            "--set",
            "augment.mixup_alpha=0.2",
        ])
        .args(["--set", "checkpoints.save_every_steps=1"])
        .args(["--set", "checkpoints.keep_every_epochs=2"])
        .args(["--resume", "--output"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until `is_so`, the run's end, or a minute; false where the run ended.
fn wait_until(child: &mut Child, mut is_so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing happens");
    }
    true
}

fn is_saving(out: &Path) -> bool {
    let files = fs::read_dir(out.join("checkpoints")).into_iter().flatten();
    files
        .flatten()
        .any(|file| file.path().extension().is_some_and(|e| e == "partial"))
}

#[test]
fn killed_twenty_times_it_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    assert!(start(&whole).wait().unwrap().success());

    let state = parts.join("checkpoints/last.state.safetensors");
    let steps = |path: &Path| read_progress(path).map_or(0, |(progress, _)| progress.step);
    let (mut killed, mut while_saving) = (0, 0);
    for kill in 0..KILLS {
        // One moment in each twentieth of the run, at a random step of it and a random time within the step.
        let share = EPOCHS * STEPS_PER_EPOCH / KILLS;
        let target = kill * share + splitmix64(0, kill) % share;
        let mut child = start(&parts);
        let runs = match kill % 4 {
            // Anywhere between the program's start and its first steps.
            0 => {
                std::thread::sleep(Duration::from_micros(splitmix64(0, kill + 100) % 400_000));
                true
            }
            1 => wait_until(&mut child, || steps(&state) >= target && is_saving(&parts)),
            _ => {
                let reached = wait_until(&mut child, || {
                    std::thread::sleep(Duration::from_micros(200));
                    steps(&state) >= target
                });
                std::thread::sleep(Duration::from_micros(splitmix64(0, kill + 200) % 12_000));
                reached
            }
        };
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(runs && status.code().is_none(), "kill {kill}: {status}");
        killed += 1;
        while_saving += u64::from(is_saving(&parts));
        // Whatever is there under its own name is whole.
        for file in fs::read_dir(parts.join("checkpoints"))
            .into_iter()
            .flatten()
        {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "safetensors") {
                TensorFile::read(&path).unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
            }
        }
    }
    assert_eq!(killed, KILLS);
    assert!(while_saving > 0, "no kill hit a save");
    assert!(start(&parts).wait().unwrap().success());

    let mut compared = 0;
    for file in fs::read_dir(whole.join("checkpoints")).unwrap() {
        let name = file.unwrap().file_name();
        if name.to_string_lossy().contains("state") {
            continue; // it holds seconds, which differ
        }
        let read = |run: &Path| fs::read(run.join("checkpoints").join(&name)).unwrap();
        assert!(read(&whole) == read(&parts), "{name:?} differs");
        compared += 1;
    }
    assert_eq!(
        compared, 7,
        "last, best, both without averaging, the logits, and two kept epochs"
    );
    let tensors = |run: &Path| {
        let file = run.join("checkpoints/last.state.safetensors");
        read_progress(&file).unwrap().1.tensors
    };
    let (a, b) = (tensors(&whole), tensors(&parts));
    assert!(a.len() > 100 && a.len() == b.len());
    for (name, tensor) in &a {
        assert!(*tensor == b[name], "{name} of the state differs");
    }
    let curve = |run: &Path| -> Vec<(u32, f64, Option<f64>)> {
        let history = metrics::read(&run.join("metrics.jsonl")).unwrap();
        let row = history.iter().map(|r| (r.epoch, r.train_loss, r.val_loss));
        row.collect()
    };
    assert_eq!(curve(&whole), curve(&parts));
}
