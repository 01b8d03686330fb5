//! What the program says when it cannot, and that files stay as they were.

use std::fs;

use model_core::arch;

use crate::common::{self, export_onnx, tiny_checkpoint};

#[test]
fn bad_input_gives_one_clear_line_and_leaves_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    fs::write(&output, "before").unwrap();
    let whole = fs::read(&checkpoint).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let cut = file("cut.safetensors", &whole[..whole.len() / 2]);
    let text = file(
        "text.pth",
        b"this is no checkpoint, only text that is long enough",
    );
    let good = checkpoint.display().to_string();
    let target = output.display().to_string();
    let missing_dir = dir
        .path()
        .join("no/such/folder/model.onnx")
        .display()
        .to_string();
    let folder = dir.path().display().to_string();

    let architecture = arch::by_name("resnet_tiny", 10).unwrap();
    let mut weights = common::procedural_weights(&architecture);
    let nameless = dir.path().join("nameless.safetensors");
    common::write_checkpoint(&nameless, &weights, None);
    let nameless = nameless.display().to_string();
    weights.tensors.get_mut("conv1.weight").unwrap().data[5] = f32::NAN;
    let nan = dir.path().join("nan.safetensors");
    common::write_checkpoint(
        &nan,
        &weights,
        Some(&common::manifest("resnet_tiny", 10, 32)),
    );
    let nan = nan.display().to_string();

    let cases: Vec<(Vec<&str>, &str)> = vec![
        (
            vec!["--checkpoint", "nowhere.pth", "--output", &target],
            "nowhere.pth",
        ),
        (
            vec!["--checkpoint", &cut, "--output", &target],
            "not a complete safetensors file",
        ),
        (
            vec!["--checkpoint", &text, "--output", &target],
            "neither safetensors nor a PyTorch checkpoint",
        ),
        (
            vec!["--checkpoint", &nan, "--output", &target],
            "'conv1.weight' holds NaN",
        ),
        (
            vec!["--checkpoint", &nameless, "--output", &target],
            "--arch",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--arch",
                "resnet18",
            ],
            "do not fit the network",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--arch",
                "resnet51",
            ],
            "resnet50",
        ),
        (
            vec!["--checkpoint", &good, "--output", &target, "--opset", "7"],
            "opset 7",
        ),
        (
            vec!["--checkpoint", &good, "--output", &target, "--ema"],
            "moving average",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--labels",
                "imagenet1k",
            ],
            "1000 labels",
        ),
        (
            vec![
                "--checkpoint",
                &good,
                "--output",
                &target,
                "--verify-data",
                &missing_dir,
            ],
            "image folder",
        ),
        (
            vec!["--checkpoint", &good, "--output", &missing_dir],
            "cannot write",
        ),
        (
            vec!["--checkpoint", &good, "--output", &folder],
            "got a folder",
        ),
        (vec!["inspect", &text], "not an ONNX model"),
        (vec!["verify", &text], "not an ONNX model"),
        (vec!["inspect", &missing_dir], "cannot read"),
        (vec!["verify", &missing_dir], "cannot read"),
    ];
    for (arguments, expected) in cases {
        let assert = export_onnx().args(&arguments).assert().failure().code(1);
        let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(stderr.contains(expected), "{arguments:?} says: {stderr}");
        assert_eq!(
            stderr.trim_end().lines().count(),
            1,
            "{arguments:?} says more than a line: {stderr}"
        );
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(!stderr.contains("os error"), "{stderr}");
        let mut parts: Vec<&str> = stderr.trim_end().split(": ").collect();
        let count = parts.len();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), count, "a cause is said twice: {stderr}");
    }
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    let leftovers = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".partial")
    });
    assert_eq!(leftovers.count(), 0);
}

/// A disk that fills while the model is written, by a limit on the size of files: one line, the old file untouched.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = tiny_checkpoint(dir.path());
    let output = dir.path().join("model.onnx");
    fs::write(&output, "before").unwrap();
    // Ignored, the signal of the limit becomes an error of the write, as on a full disk.
    let limited = assert_cmd::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 16; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_export-onnx"),
            "--checkpoint",
        ])
        .arg(&checkpoint)
        .arg("--output")
        .arg(&output)
        .args(["--engines", "tract"])
        .assert()
        .failure()
        .code(1);
    let stderr = String::from_utf8(limited.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("cannot write"), "{stderr}");
    assert!(stderr.contains("model.onnx"), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );
}
