//! Short runs of a small network, what they say and what they leave.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use train::checkpoint::state::{Progress, read_progress};
use train::metrics::{self, EpochRecord};

pub const TRAIN: &str = env!("CARGO_BIN_EXE_train");

/// A short run of a small network on one thread, steps of `batch` images.
pub fn small(batch: u32) -> Command {
    let mut command = Command::new(TRAIN);
    command
        .args(["--arch", "resnet_tiny", "--recipe", "cifar10-resnet20"])
        .args(["--threads", "1", "--workers", "1", "--precision", "fp32"])
        .args(["--device", "cpu", "--lr", "0.02", "--seed", "5"])
        .args(["--set", "optimizer.reference_batch=null"])
        .args(["--batch-size", &batch.to_string()]);
    command
}

pub fn made_up(images: u32, batch: u32, out: &Path) -> Command {
    let mut command = small(batch);
    command
        .args(["--synthetic", &images.to_string(), "--image-size", "32"])
        .arg("--output")
        .arg(out);
    command
}

pub fn on(data: &Path, out: &Path) -> Command {
    let mut command = small(6);
    command.arg("--data").arg(data).arg("--output").arg(out);
    command
}

pub fn resume(out: &Path) -> Command {
    let mut command = Command::new(TRAIN);
    command.arg("--resume").arg("--output").arg(out);
    command
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{:?} {text}", output.status);
    text
}

pub fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

pub fn state(out: &Path) -> PathBuf {
    out.join("checkpoints/last.state.safetensors")
}

pub fn history(out: &Path) -> Vec<EpochRecord> {
    metrics::read(&out.join("metrics.jsonl")).unwrap()
}

pub fn wait_for(child: &mut Child, out: &Path, is_there: impl Fn(&Progress) -> bool) -> Progress {
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

pub fn send(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Every file below a directory with its bytes and time.
pub fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
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
