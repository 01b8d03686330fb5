//! Processes that another launcher starts: by torchrun's variables, between two machines, by torchrun itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::runs::*;

/// A port that nobody listens on and that the system does not deal out by itself: below Linux's range for that.
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 12_000) as u16;
    (first..32_000)
        .chain(20_000..first)
        .find(|&port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        .unwrap()
}

#[test]
fn two_commands_with_torchruns_variables_meet() {
    let dir = tempfile::tempdir().unwrap();
    let (alone, out) = (dir.path().join("alone"), dir.path().join("run"));
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
    let (status, text) = run(short(small(1, "cifar_resnet20"), &alone));
    assert!(status.success(), "{text}");
    let plain = short(small(2, "cifar_resnet20"), &out);
    let mut command = Command::new(torchrun);
    command
        .args(["--no-python", "--standalone", "--nproc-per-node", "2"])
        .arg(plain.get_program())
        .args(plain.get_args());
    let (status, text) = run(command);
    assert!(status.success(), "{text}");
    same_after_three_steps(&history(&alone)[0], &history(&out)[0]);
}
