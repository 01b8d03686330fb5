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

#[test]
fn a_shard_that_is_cut_costs_its_last_image_and_shows_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let [data, shards, out] = ["data", "shards", "run"].map(|name| dir.path().join(name));
    common::images(&data, 8, 2);
    let mut pack = Command::cargo_bin("train").unwrap();
    pack.arg("pack").arg(&data).arg("--output").arg(&shards);
    pack.args(["--originals", "--shard-images", "6", "--workers", "1"]);
    let output = pack.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    // Said once, behind the first shard.
    assert_eq!(
        text.matches(" by estimate, from 6 of 30 images").count(),
        1,
        "{text}"
    );
    assert_eq!(text.matches(" by estimate").count(), 1, "{text}");
    // Shards as other programs write them: without an index.
    for entry in fs::read_dir(&shards).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "index") {
            fs::remove_file(path).unwrap();
        }
    }
    let last = shards.join("train-000003.tar");
    let whole = fs::read(&last).unwrap();
    // Two closing blocks, the label file's two, then the last image's end.
    fs::write(&last, &whole[..whole.len() - 1024 - 1024 - 600]).unwrap();
    let mut command = on(&shards, &out);
    let output = command.args(["--epochs", "2", "--set", "batch_size=23"]);
    let output = output.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    // The image is cut, and its class, which stands behind it, is gone: each is named once.
    let named = text.lines().filter(|line| line.starts_with("unreadable "));
    let named: Vec<&str> = named.collect();
    assert_eq!(named.len(), 2, "{text}");
    assert!(
        named.iter().all(|line| line.contains("train-000003.tar")),
        "{text}"
    );
    assert!(text.contains("23 images in 4 tar shards"), "{text}");
    let epochs = train::metrics::read(&out.join("metrics.jsonl")).unwrap();
    let counted = |of: fn(&train::metrics::EpochRecord) -> u64| -> Vec<u64> {
        epochs.iter().map(of).collect()
    };
    assert_eq!(counted(|epoch| epoch.train_images), [23, 23]);
    assert_eq!(counted(|epoch| epoch.bad_images), [2, 0]);
}

#[test]
fn missing_files_of_a_table_are_named_and_show_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 5, 1);
    let mut table = String::from("split,path,label\n");
    for class in ["blue", "red"] {
        for index in 0..5 {
            let ending = if index % 2 == 0 { "png" } else { "jpg" };
            let path = format!("train/{class}/{index:03}.{ending}");
            table.push_str(&format!("train,{path},{class}\n"));
        }
        table.push_str(&format!("val,val/{class}/000.png,{class}\n"));
    }
    fs::write(data.join("labels.csv"), table).unwrap();
    let missing = ["train/blue/003.jpg", "train/red/002.png"].map(|name| data.join(name));
    for path in &missing {
        fs::remove_file(path).unwrap();
    }
    let mut command = on(&data.join("labels.csv"), &out);
    let output = command.args(["--epochs", "2", "--set", "batch_size=10"]);
    let output = output.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for path in &missing {
        let line = format!("unreadable {}: ", path.display());
        assert_eq!(text.matches(&line).count(), 1, "{text}");
    }
    let epochs = train::metrics::read(&out.join("metrics.jsonl")).unwrap();
    let counts = epochs
        .iter()
        .map(|epoch| (epoch.train_images, epoch.bad_images));
    // Other images take the places of those that are missing, so that a batch keeps its size.
    assert_eq!(counts.collect::<Vec<_>>(), [(10, 2), (10, 0)]);
}

#[test]
fn evaluate_and_pack_name_a_broken_file_and_show_it_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let [data, out, shards] = ["data", "run", "shards"].map(|name| dir.path().join(name));
    common::images(&data, 4, 2);
    on(&data, &out).args(["--epochs", "1"]).assert().success();
    fs::write(data.join("val/blue/999.jpg"), "text").unwrap();
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::cargo_bin("train").unwrap();
        let output = command.args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (answer, said) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(3), "{answer}{said}");
        let named = said.lines().filter(|line| line.starts_with("unreadable "));
        let named: Vec<&str> = named.collect();
        assert!(
            matches!(named[..], [line] if line.contains("999.jpg")),
            "{said}"
        );
        (answer, said)
    };
    let checkpoint = out.join("checkpoints/best.safetensors");
    let (answer, said) = run(&[
        "evaluate".as_ref(),
        "--checkpoint".as_ref(),
        checkpoint.as_ref(),
        "--data".as_ref(),
        data.as_ref(),
    ]);
    assert!(answer.contains("(6 images, 1 unreadable"), "{answer}");
    // What was found is said as training says it.
    assert!(said.contains("7 images in 3 class folders\n"), "{said}");
    let (answer, said) = run(&[
        "pack".as_ref(),
        data.as_ref(),
        "--output".as_ref(),
        shards.as_ref(),
    ]);
    assert!(
        answer.contains("18 images in 2 shards") && answer.contains("1 left out"),
        "{answer}"
    );
    assert!(
        said.contains("validation: 7 images in 3 class folders"),
        "{said}"
    );
}
