//! `train bench`: its numbers agree with each other, and it answers step by step on request.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use assert_cmd::Command;

fn bench() -> Command {
    let mut command = Command::cargo_bin("train").unwrap();
    command.args(["bench", "--arch", "resnet_tiny", "--batch-size", "4"]);
    command.args(["--image-size", "32", "--threads", "1", "--device", "cpu"]);
    command
}

#[test]
fn measures_steps() {
    let out = bench()
        .args([
            "--steps",
            "5",
            "--warmup",
            "1",
            "--precision",
            "fp32",
            "--json",
        ])
        .output()
        .unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let number = |key: &str| value[key].as_f64().unwrap();
    let [least, median, p95] =
        ["step_millis_min", "step_millis_median", "step_millis_p95"].map(number);
    assert!(0.0 < least && least <= median && median <= p95, "{value}");
    assert!((number("images_per_sec") * median / 4000.0 - 1.0).abs() < 1e-9);
    assert_eq!(value["arithmetic"], "fp32, channels_last");
    #[cfg(target_os = "linux")]
    assert!(number("peak_memory_bytes") > f64::from(1 << 20));
}

#[test]
fn answers_each_line_with_a_step() {
    let out = bench()
        .args(["--on-request", "--precision", "bf16"])
        .write_stdin("\n\n\n")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "ready"), "{text}");
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.parse::<f64>().unwrap() > 0.0)
    );
}
