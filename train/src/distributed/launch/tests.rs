//! Tests of [`super`].

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use signal_hook::consts::SIGHUP;

use super::supervise::{describe, is_failure};
use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_restart_resumes_in_the_same_directory() {
    let fresh = words("--recipe a --overwrite --num-processes 2");
    assert_eq!(
        resuming(&fresh, "runs/x"),
        words("--recipe a --num-processes 2 --resume --output runs/x")
    );
    let named = words("--output=runs/y --resume");
    assert_eq!(resuming(&named, "runs/y"), named);
    let from = words("--resume a/best.safetensors --epochs 3 --output runs/z");
    assert_eq!(
        resuming(&from, "runs/z"),
        words("--epochs 3 --output runs/z --resume")
    );
}

#[test]
fn exit_states() {
    let code = |code: i32| ExitStatus::from_raw(code << 8);
    let killed = ExitStatus::from_raw(9);
    assert_eq!((exit_code(code(3)), exit_code(killed)), (3, 137));
    assert!(!is_failure(code(0), false) && !is_failure(code(3), false));
    assert!(
        is_failure(code(1), true) && is_failure(code(143), false) && !is_failure(code(143), true)
    );
    assert!(is_failure(killed, false));
    assert_eq!(describe(killed), "was ended by signal 9 (SIGKILL)");
}

#[test]
fn a_stopped_run_ends_with_the_signal_that_stopped_it() {
    assert_eq!(ended_with(&[129, 143], Some(SIGHUP)), 129);
    assert_eq!(ended_with(&[0, 3], Some(SIGHUP)), 3);
    assert_eq!(ended_with(&[0, 143], None), 143);
}

#[test]
fn what_is_asked_for_is_launched() {
    assert_eq!(LaunchArgs::default().processes(), None);
    assert_eq!(
        LaunchArgs {
            num_gpus: Some(1),
            ..Default::default()
        }
        .processes(),
        Some(1)
    );
    assert_eq!(
        LaunchArgs {
            num_gpus: Some(4),
            ..Default::default()
        }
        .processes(),
        Some(4)
    );
    assert_eq!(
        LaunchArgs {
            max_restarts: 2,
            ..Default::default()
        }
        .processes(),
        Some(1)
    );
}
