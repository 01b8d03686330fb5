//! What cannot work is refused in one clear line with a non-zero exit code, before anything is written.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Runs it, expects failure, gives the error's line.
fn error(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(!text.contains("panicked"), "{text}");
    errors[0].to_owned()
}

fn on(data: &Path, output: &Path) -> Command {
    with("resnet_tiny", "cifar10-resnet20", data, output)
}

fn with(arch: &str, recipe: &str, data: &Path, output: &Path) -> Command {
    let mut command = common::train_with(arch, recipe);
    command.arg("--data").arg(data).arg("--output").arg(output);
    command
}

#[test]
fn each_has_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 2, 1);

    let line = error(on(&data, &out).args(["--set", "epoch=3"]));
    assert!(
        line.contains("unknown key 'epoch': did you mean 'epochs'?"),
        "{line}"
    );

    let line = error(&mut with("resnet_tiny", "cifar10-resnet21", &data, &out));
    assert!(line.contains("did you mean 'cifar10-resnet20'?"), "{line}");

    let line = error(&mut with("resnet51", "cifar10-resnet20", &data, &out));
    assert!(line.contains("did you mean 'resnet50'?"), "{line}");

    let line = error(&mut with("resnet_tiny", "no/such/recipe.yaml", &data, &out));
    assert!(line.contains("cannot read recipe file"), "{line}");
    assert!(!line.contains("os error"), "{line}");

    let line = error(on(&data, &out).args(["--device", "cuda:99"]));
    assert!(line.contains("cuda:99"), "{line}");

    let empty = dir.path().join("empty");
    fs::create_dir_all(empty.join("train")).unwrap();
    fs::create_dir_all(empty.join("val")).unwrap();
    let line = error(&mut on(&empty, &out));
    assert!(line.contains("expected one folder per class"), "{line}");

    let other = dir.path().join("other");
    common::images(&other, 1, 1);
    fs::rename(other.join("val/red"), other.join("val/rouge")).unwrap();
    let line = error(&mut on(&other, &out));
    assert!(line.contains("red") && line.contains("rouge"), "{line}");

    assert!(!out.join("checkpoints/last.state.safetensors").exists());
}

#[test]
fn weights_of_another_architecture_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 2, 1);
    on(&data, &out).args(["--epochs", "1"]).assert().success();
    let weights = out.join("checkpoints/best.safetensors");
    let mut other = with(
        "resnet18",
        "cifar10-resnet20",
        &data,
        &dir.path().join("two"),
    );
    let line = error(other.arg("--init").arg(&weights));
    assert!(
        line.contains("does not fit resnet18") && line.contains("missing"),
        "{line}"
    );

    let line = error(on(&data, &out).args(["--epochs", "1"]));
    assert!(
        line.contains("already holds a run: continue it with --resume"),
        "{line}"
    );

    fs::write(&weights, b"not a checkpoint").unwrap();
    let line = error(
        on(&data, &dir.path().join("three"))
            .arg("--init")
            .arg(&weights),
    );
    assert!(line.contains("best.safetensors"), "{line}");
}

#[test]
fn unreadable_images_are_named_counted_and_show_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 4, 2);
    fs::write(data.join("train/red/999.jpg"), "text").unwrap();
    fs::write(data.join("val/blue/999.jpg"), "text").unwrap();
    let output = on(&data, &out).args(["--epochs", "2"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert_eq!(text.matches("unreadable ").count(), 2, "{text}");
    assert!(text.contains("999.jpg"), "{text}");

    let mut strict = on(&data, &dir.path().join("two"));
    let line = error(strict.args(["--epochs", "1", "--bad-images", "fail"]));
    assert!(line.contains("999.jpg"), "{line}");
}

#[test]
fn a_damaged_page_of_a_parquet_file_costs_its_images_and_shows_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    fs::create_dir(&data).unwrap();
    let sound =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../image-data/tests/data/parquet/zstd.parquet");
    let mut bytes = fs::read(&sound).unwrap();
    fs::copy(&sound, data.join("validation-00000-of-00001.parquet")).unwrap();
    for byte in &mut bytes[1200..1216] {
        *byte ^= 0xA5;
    }
    fs::write(data.join("train-00000-of-00001.parquet"), bytes).unwrap();
    let output = on(&data, &out).args(["--epochs", "2"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("8 images in 1 Parquet file"), "{text}");
    let named = "unreadable ";
    assert!((1..=4).contains(&text.matches(named).count()), "{text}");
    assert!(
        text.contains("train-00000-of-00001.parquet/train-00000-of-00001-row-00000"),
        "{text}"
    );
}
