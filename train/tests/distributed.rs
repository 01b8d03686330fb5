//! Several processes on this machine, started by the program itself or by the variables of other launchers: the same
//! result as one process, and what happens when one of them dies, hangs or is asked to stop.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use train::checkpoint::state::read_progress;
use train::metrics::{self, EpochRecord};

/// The global batch of every run here.
const GLOBAL_BATCH: usize = 12;

/// `train` for `processes` with the same global batch, on one libtorch thread each.
fn train(processes: usize) -> Command {
    small(processes, "resnet_tiny")
}

fn small(processes: usize, arch: &str) -> Command {
    let mut command = plain(processes, arch);
    command.args(["--set", "sync_batch_norm=true"]);
    command
}

/// BatchNorm within each process, as the recipes come.
fn plain(processes: usize, arch: &str) -> Command {
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

fn several(processes: usize) -> Command {
    launched(train(processes), processes)
}

fn launched(mut command: Command, processes: usize) -> Command {
    if processes > 1 {
        command.args(["--num-processes", &processes.to_string()]);
    }
    command
}

/// A run long enough to be disturbed, that does not come to its end.
fn long_run(command: Command, out: &Path) -> Command {
    run_of(400, command, out)
}

/// One epoch of `steps` steps on made-up images, saved every fourth step.
fn run_of(steps: usize, mut command: Command, out: &Path) -> Command {
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

fn history(out: &Path) -> Vec<EpochRecord> {
    metrics::read(&out.join("metrics.jsonl")).unwrap()
}

/// Difference of two losses, relative.
fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs()
}

/// Three steps of one process and of several. Only the order of f32 sums differs, some 1e-7 relative in the first step;
/// BatchNorm on batches of twelve makes 1e-6 to 1e-5 of it in the third.
fn same_after_three_steps(one: &EpochRecord, many: &EpochRecord) {
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

fn run(mut command: Command) -> (ExitStatus, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    (output.status, text)
}

/// A launcher under way, with what it says.
struct Running {
    child: Child,
    said: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
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
    fn ranks(&self) -> BTreeMap<usize, i32> {
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
    fn wait_for_steps(&mut self, out: &Path, steps: u64) {
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

    fn wait(mut self, limit: Duration) -> (ExitStatus, String) {
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
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 12_000) as u16;
    (first..32_000)
        .chain(20_000..first)
        .find(|&port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        .unwrap()
}

fn signal(pid: i32, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

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
    let short = |mut command: Command, to: &Path| {
        command
            .args(["--synthetic", "36", "--epochs", "1", "--output"])
            .arg(to);
        command
    };
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

/// A disk on which every sync takes longer than a rank may keep the others waiting: rank 0's writing does not count.
#[test]
fn writing_may_take_longer_than_an_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("slow.c"), dir.path().join("slow.so"));
    std::fs::write(
        &source,
        "#include <unistd.h>\n#include <sys/syscall.h>\n\
         int fsync(int file) { sleep(2); return syscall(SYS_fsync, file); }\n",
    )
    .unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let out = dir.path().join("run");
    let mut command = launched(plain(2, "resnet_tiny"), 2);
    command
        .args([
            "--synthetic",
            "24",
            "--epochs",
            "1",
            "--rank-timeout-secs",
            "3",
            "--output",
        ])
        .arg(&out)
        .env("LD_PRELOAD", &library);
    // A state, and then weights, logits and the state again: many seconds of syncs, each phase beyond the three allowed.
    let (status, text) = run(command);
    assert!(status.success(), "{text}");
    assert_eq!(history(&out).len(), 1);
}

#[test]
fn a_killed_rank_ends_the_others_and_the_run_goes_on_with_another_number_of_processes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("killed"));
    let (status, text) = run(run_of(200, several(1), &whole));
    assert!(status.success(), "{text}");

    let mut running = Running::start(run_of(200, several(2), &out));
    running.wait_for_steps(&out, 12);
    signal(running.ranks()[&1], "-KILL");
    let (status, text) = running.wait(Duration::from_secs(60));
    assert_eq!(status.code(), Some(137), "{text}");
    assert!(
        text.contains("rank 1 (process") && text.contains("SIGKILL"),
        "{text}"
    );
    assert!(text.contains("at epoch 1 step"), "{text}");

    // Three processes now, with the flags of one device left as saved.
    let mut resume = Command::new(assert_cmd::cargo::cargo_bin("train"));
    resume
        .args(["--resume", "--num-processes", "3", "--output"])
        .arg(&out);
    let (status, text) = run(resume);
    assert!(status.success(), "{text}");
    assert!(
        text.contains("resumed on 3 processes (the recipe is for 2): 4 images x 1 batches each"),
        "{text}"
    );
    let (one, resumed) = (history(&whole), history(&out));
    assert_eq!(
        (one[0].step, one[0].train_images),
        (resumed[0].step, resumed[0].train_images)
    );
    let difference = (one[0].train_loss - resumed[0].train_loss).abs() / one[0].train_loss;
    eprintln!(
        "train loss {} and {}",
        one[0].train_loss, resumed[0].train_loss
    );
    // The same images in the same steps; some of them in another order of f32 sums.
    assert!(
        difference < 1e-2,
        "{} and {}",
        one[0].train_loss,
        resumed[0].train_loss
    );
}

#[test]
fn restarts_bring_a_run_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut command = run_of(200, several(2), &out);
    command.args(["--max-restarts", "1"]);
    let mut running = Running::start(command);
    running.wait_for_steps(&out, 8);
    signal(running.ranks()[&0], "-KILL");
    let (status, text) = running.wait(Duration::from_secs(900));
    assert!(status.success(), "{text}");
    assert!(text.contains("restart 1 of 1"), "{text}");
    assert_eq!(history(&out).len(), 1);
    assert_eq!(history(&out)[0].step, 200);
}

#[test]
fn a_wrong_flag_is_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = several(2);
    command
        .args(["--max-restarts", "3", "--data"])
        .arg(dir.path().join("nothing"));
    command.arg("--output").arg(dir.path().join("run"));
    let (status, text) = run(command);
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.contains("not restarted") && !text.contains("restart 1"),
        "{text}"
    );
}

#[test]
fn a_frozen_rank_is_named_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut command = long_run(several(2), &out);
    // Long enough for a rank that waits for a slow disk, short enough for a test.
    command.args(["--rank-timeout-secs", "15"]);
    let mut running = Running::start(command);
    running.wait_for_steps(&out, 4);
    signal(running.ranks()[&1], "-STOP");
    // 15 s, 3 s to see who is silent, 5 + 3 s until the launcher kills it, and a busy machine.
    let (status, text) = running.wait(Duration::from_secs(120));
    assert!(!status.success(), "{text}");
    assert!(
        text.contains("rank 1 gives no sign of life, last seen at epoch 1 step"),
        "{text}"
    );
}

#[test]
fn a_request_to_stop_is_passed_on_and_saved() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut running = Running::start(long_run(several(2), &out));
    running.wait_for_steps(&out, 4);
    let launcher = running.child.id() as i32;
    signal(launcher, "-TERM");
    let (status, text) = running.wait(Duration::from_secs(240));
    assert_eq!(status.code(), Some(143), "{text}");
    assert!(
        text.contains("SIGTERM received: saved at epoch 1 step"),
        "{text}"
    );
}

#[test]
fn a_closed_terminal_is_a_hangup_to_all() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let run = long_run(launched(plain(2, "resnet_tiny"), 2), &out);
    let mut running = Running::start(common::hears_hangup(&run));
    running.wait_for_steps(&out, 4);
    signal(running.child.id() as i32, "-HUP");
    let (status, text) = running.wait(Duration::from_secs(240));
    assert_eq!(status.code(), Some(129), "{text}");
    assert!(
        text.contains("SIGHUP received: saved at epoch 1 step"),
        "{text}"
    );
}

#[test]
fn a_signal_to_one_rank_stops_all_at_the_same_step() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut running = Running::start(long_run(several(2), &out));
    running.wait_for_steps(&out, 4);
    // Rank 1 cannot save; rank 0 does, because they agreed.
    signal(running.ranks()[&1], "-TERM");
    let (status, text) = running.wait(Duration::from_secs(240));
    assert_eq!(status.code(), Some(143), "{text}");
    assert!(
        text.contains("[0] SIGTERM received: saved at epoch 1 step"),
        "{text}"
    );
    assert!(!text.contains("stopped at epoch"), "{text}");
}

#[test]
fn a_killed_launcher_leaves_no_orphan() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut running = Running::start(long_run(several(2), &out));
    running.wait_for_steps(&out, 4);
    let ranks = running.ranks();
    assert_eq!(ranks.len(), 2);
    running.child.kill().unwrap();
    // `wait` looks for ranks; give the kernel a moment.
    running.child.wait().unwrap();
    let begin = Instant::now();
    while !running.ranks().is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "orphans: {:?}",
            running.ranks()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_commands_with_torchruns_variables_meet() {
    let dir = tempfile::tempdir().unwrap();
    let (alone, out) = (dir.path().join("alone"), dir.path().join("run"));
    let short = |mut command: Command, to: &Path| {
        command
            .args(["--synthetic", "36", "--epochs", "1", "--output"])
            .arg(to);
        command
    };
    let (status, text) = run(short(small(1, "cifar_resnet20"), &alone));
    assert!(status.success(), "{text}");
    let port = free_port();
    // Rank 0's directory counts; rank 1 writes nothing, nowhere.
    let elsewhere = dir.path().join("elsewhere");
    let ranks: Vec<Running> = [(1, &elsewhere), (0, &out)]
        .into_iter()
        .map(|(rank, to)| {
            let mut command = short(small(2, "cifar_resnet20"), to);
            command
                .env("RANK", rank.to_string())
                .env("LOCAL_RANK", "0")
                .env("WORLD_SIZE", "2");
            command
                .env("MASTER_ADDR", "127.0.0.1")
                .env("MASTER_PORT", port.to_string());
            Running::start(command)
        })
        .collect();
    for rank in ranks {
        let (status, text) = rank.wait(Duration::from_secs(600));
        assert!(status.success(), "{text}");
    }
    assert!(!elsewhere.exists());
    same_after_three_steps(&history(&alone)[0], &history(&out)[0]);
}

/// Needs root and `ip`; otherwise says that it was skipped, and why.
#[test]
fn two_network_namespaces_train_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let (alone, out) = (dir.path().join("alone"), dir.path().join("run"));
    let short = |mut command: Command, to: &Path| {
        command
            .args(["--synthetic", "36", "--epochs", "1", "--output"])
            .arg(to);
        command
    };
    let plain = short(small(2, "cifar_resnet20"), &out);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/by-hand/two-machines");
    let mut command = Command::new(script);
    command.arg(plain.get_program()).args(plain.get_args());
    let (status, text) = run(command);
    if status.code() == Some(77) {
        eprintln!("SKIPPED two_network_namespaces_train_as_one: {text}");
        return;
    }
    assert!(status.success(), "{text}");
    let (status, text) = run(short(small(1, "cifar_resnet20"), &alone));
    assert!(status.success(), "{text}");
    same_after_three_steps(&history(&alone)[0], &history(&out)[0]);
}

/// The `torchrun` that `TRAIN_TEST_TORCHRUN` names, or one on PATH whose torch is of the version that `train` links.
fn torchrun() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TRAIN_TEST_TORCHRUN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&path)
        .map(|folder| folder.join("torchrun"))
        .filter(|path| path.is_file());
    all.find(|path| {
        let version = Command::new(path.with_file_name("python3"))
            .args([
                "-c",
                "from importlib.metadata import version; print(version('torch'))",
            ])
            .output();
        version.is_ok_and(|output| output.stdout.starts_with(b"2.13."))
    })
}

#[test]
fn torchrun_launches_it() {
    let Some(torchrun) = torchrun() else {
        eprintln!(
            "SKIPPED torchrun_launches_it: TRAIN_TEST_TORCHRUN is not set and no torchrun of torch 2.13 is on PATH"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (alone, out) = (dir.path().join("alone"), dir.path().join("run"));
    let (status, text) = run({
        let mut command = small(1, "cifar_resnet20");
        command
            .args(["--synthetic", "36", "--epochs", "1", "--output"])
            .arg(&alone);
        command
    });
    assert!(status.success(), "{text}");
    let plain = small(2, "cifar_resnet20");
    let mut command = Command::new(torchrun);
    command
        .args(["--no-python", "--standalone", "--nproc-per-node", "2"])
        .arg(plain.get_program());
    command
        .args(plain.get_args())
        .args(["--synthetic", "36", "--epochs", "1", "--output"])
        .arg(&out);
    let (status, text) = run(command);
    assert!(status.success(), "{text}");
    same_after_three_steps(&history(&alone)[0], &history(&out)[0]);
}
