//! Runs of several processes: the commands, what they leave, and a launcher that is watched while it works.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use train::checkpoint::state::read_progress;
use train::metrics::{self, EpochRecord};

/// The global batch of every run here.
pub const GLOBAL_BATCH: usize = 12;

/// `train` for `processes` with the same global batch, on one libtorch thread each.
pub fn train(processes: usize) -> Command {
    small(processes, "resnet_tiny")
}

pub fn small(processes: usize, arch: &str) -> Command {
    let mut command = plain(processes, arch);
    command.args(["--set", "sync_batch_norm=true"]);
    command
}

/// BatchNorm within each process, as the recipes come.
pub fn plain(processes: usize, arch: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("train"));
    for name in [
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
    ] {
        command.env_remove(name);
    }
    command.args([
        "--arch",
        arch,
        "--recipe",
        "cifar10-resnet20",
        "--device",
        "cpu",
    ]);
    command.args([
        "--threads",
        "1",
        "--workers",
        "1",
        "--precision",
        "fp32",
        "--lr",
        "0.001",
    ]);
    command.args(["--set", "optimizer.reference_batch=null"]);
    command.args(["--batch-size", &(GLOBAL_BATCH / processes).to_string()]);
    command
}

pub fn several(processes: usize) -> Command {
    launched(train(processes), processes)
}

pub fn launched(mut command: Command, processes: usize) -> Command {
    if processes > 1 {
        command.args(["--num-processes", &processes.to_string()]);
    }
    command
}

/// A run long enough to be disturbed, that does not come to its end.
pub fn long_run(command: Command, out: &Path) -> Command {
    run_of(400, command, out)
}

/// One epoch of `steps` steps on made-up images, saved every fourth step.
pub fn run_of(steps: usize, mut command: Command, out: &Path) -> Command {
    command.args([
        "--synthetic",
        &(steps * GLOBAL_BATCH).to_string(),
        "--epochs",
        "1",
        "--set",
        "checkpoints.save_every_steps=4",
    ]);
    command.arg("--output").arg(out);
    command
}

/// Three steps on made-up images.
pub fn short(mut command: Command, out: &Path) -> Command {
    command
        .args(["--synthetic", "36", "--epochs", "1", "--output"])
        .arg(out);
    command
}

pub fn history(out: &Path) -> Vec<EpochRecord> {
    metrics::read(&out.join("metrics.jsonl")).unwrap()
}

/// Difference of two losses, relative.
pub fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs()
}

/// Three steps of one process and of several. Only the order of f32 sums differs, some 1e-7 relative in the first step;
/// BatchNorm on batches of twelve makes 1e-6 to 1e-5 of it in the third.
pub fn same_after_three_steps(one: &EpochRecord, many: &EpochRecord) {
    assert_eq!(
        (one.step, one.train_images, one.val_images),
        (many.step, many.train_images, many.val_images)
    );
    let (train, val) = (
        relative(one.train_loss, many.train_loss),
        relative(one.val_loss.unwrap(), many.val_loss.unwrap()),
    );
    eprintln!(
        "relative difference of the training loss {train:.1e}, of the validation loss {val:.1e}"
    );
    assert!(train < 5e-5, "{one:?} {many:?}");
    assert!(val < 5e-4, "{one:?} {many:?}");
}

pub fn run(mut command: Command) -> (ExitStatus, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    (output.status, text)
}

/// A launcher under way, with what it says.
pub struct Running {
    pub child: Child,
    pub said: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            said: Some(said),
        }
    }

    /// Process numbers of the ranks, by rank.
    pub fn ranks(&self) -> BTreeMap<usize, i32> {
        let launcher = self.child.id();
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok())
            else {
                continue;
            };
            let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
                continue;
            };
            let environment = String::from_utf8_lossy(&environment).into_owned();
            let value = |name: &str| {
                environment
                    .split('\0')
                    .find_map(|v| v.strip_prefix(name)?.strip_prefix('='))
                    .map(str::to_owned)
            };
            if value("TRAIN_LAUNCHER_PID") == Some(launcher.to_string()) {
                found.insert(value("RANK").unwrap().parse().unwrap(), pid);
            }
        }
        found
    }

    /// Waits until `steps` steps are saved in `out`.
    pub fn wait_for_steps(&mut self, out: &Path, steps: u64) {
        let begin = Instant::now();
        let state = out.join("checkpoints/last.state.safetensors");
        while !read_progress(&state).is_ok_and(|(progress, _)| progress.step >= steps) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "ended early with {status}: {}",
                    self.said.take().unwrap().join().unwrap()
                );
            }
            assert!(
                begin.elapsed() < Duration::from_secs(600),
                "no {steps} steps after ten minutes"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait(mut self, limit: Duration) -> (ExitStatus, String) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begin.elapsed() < limit,
                "still running after {} s",
                limit.as_secs()
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(self.ranks().is_empty(), "orphans: {:?}", self.ranks());
        (status, self.said.take().unwrap().join().unwrap())
    }
}

/// A port that nobody listens on and that the system does not deal out by itself: below Linux's range for that.
pub fn signal(pid: i32, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}
