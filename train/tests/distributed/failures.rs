//! One of several processes dies, hangs or is asked to stop.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common;
use crate::runs::*;

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
    let mut running = Running::start(common::with_default_sighup(&run));
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
