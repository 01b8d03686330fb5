//! A directory that is in use, a resume that fails, and every checkpoint in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use train::checkpoint::file::TensorFile;

use crate::runs::*;

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
