//! `train check` and `train preview` on real files: what they print, write and return.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Exit code, stdout, stderr.
fn run(arguments: &[&str], paths: &[&Path]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("train").unwrap();
    let output = command.args(arguments).args(paths).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn check_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    common::images(dir.path(), 4, 1);
    // Validation repeats training's first image of each class: that is the generator's doing, and a leak.
    let (code, out, err) = run(&["check"], &[dir.path()]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("15 images") && out.contains("validation leaks into training"),
        "{out}"
    );
    assert!(err.contains("12 images in 3 class folders"), "{err}");

    let (code, out, _) = run(&["check", "--no-duplicates", "--decode"], &[dir.path()]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("9 PNG") && out.contains("6 JPEG") && out.ends_with("nothing to report\n"),
        "{out}"
    );

    let whole = fs::read(dir.path().join("train/red/001.jpg")).unwrap();
    fs::write(
        dir.path().join("train/red/cut.jpg"),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    fs::write(
        dir.path().join("train/red/page.jpg"),
        "<html>not found</html>",
    )
    .unwrap();
    let (code, out, _) = run(&["check", "--json", "--no-duplicates"], &[dir.path()]);
    assert_eq!(code, 1);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let kinds: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["unreadable", "truncated"]);

    fs::remove_dir_all(dir.path().join("val/blue")).unwrap();
    let (code, _, err) = run(&["check"], &[dir.path()]);
    assert_eq!(code, 1);
    assert!(
        err.contains("they must be the same") && err.contains("blue"),
        "{err}"
    );
    let (code, _, err) = run(&["check"], &[&dir.path().join("absent")]);
    assert_eq!(code, 1);
    assert_eq!(err.matches("No such file").count(), 1, "{err}");
}

#[test]
fn preview_writes_a_sheet_of_the_recipe() {
    let dir = tempfile::tempdir().unwrap();
    common::images(dir.path(), 3, 1);
    let sheet = dir.path().join("sheet.png");
    let options = [
        "preview",
        "--recipe",
        "cifar10-resnet20",
        "--rows",
        "3",
        "--columns",
        "4",
        "--data",
    ];
    let output = Path::new("--output");
    let (code, out, err) = run(&options, &[dir.path(), output, &sheet]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("3 rows of 9 images"), "{out}");
    // Five pictures of 32 pixels a row, three times as large, 4 between and around.
    assert_eq!(
        image::image_dimensions(&sheet).unwrap(),
        (5 * 100 + 4, 3 * 100 + 4)
    );
    let first = fs::read(&sheet).unwrap();
    run(&options, &[dir.path(), output, &sheet]);
    assert_eq!(fs::read(&sheet).unwrap(), first);

    let (code, _, err) = run(
        &options,
        &[dir.path(), output, &dir.path().join("absent/sheet.png")],
    );
    assert_eq!(code, 1);
    assert!(err.contains("cannot write"), "{err}");
}

/// Shards with an index: those that are whole.
fn whole_shards(dir: &Path) -> usize {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "index"))
        .count()
}

#[test]
fn a_pack_killed_ten_times_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    common::images(&data, 40, 12);
    let [once, often] = ["once", "often"].map(|name| dir.path().join(name));
    let pack = |output: &Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_train"));
        command.arg("pack").arg(&data).arg("--output").arg(output);
        command.args(["--short-side", "32", "--shard-images", "4"]);
        command.args(["--workers", "1"]);
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        command
    };
    assert!(pack(&once).status().unwrap().success());
    let mut killed = 0;
    for _ in 0..10 {
        let before = whole_shards(&often);
        let mut child = pack(&often).spawn().unwrap();
        // Somewhere in the next shard or behind it.
        while whole_shards(&often) == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
    }
    assert!(killed >= 5, "killed {killed} times");
    assert!(pack(&often).status().unwrap().success());
    let files = |dir: &Path| {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let entries = entries.map(|path| {
            (
                path.file_name().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        });
        entries.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(whole_shards(&once) > 30);
    assert_eq!(
        files(&once).keys().collect::<Vec<_>>(),
        files(&often).keys().collect::<Vec<_>>()
    );
    assert!(files(&once) == files(&often));
}

#[test]
fn bench_data_says_which_gpus_are_fed() {
    let dir = tempfile::tempdir().unwrap();
    common::images(dir.path(), 4, 1);
    let quick = [
        "bench",
        "data",
        "--recipe",
        "cifar10-resnet20",
        "--secs",
        "0.1",
        "--workers",
        "2",
        "--images",
        "4",
    ];
    let (code, out, err) = run(&[quick.as_slice(), &["--json"]].concat(), &[dir.path()]);
    assert_eq!(code, 0, "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rates = report["loader"].as_array().unwrap();
    assert_eq!(rates.len(), 2, "{out}");
    assert!(
        rates
            .iter()
            .all(|rate| rate["images_per_sec"].as_f64().unwrap() > 0.0)
    );
    let best = rates
        .iter()
        .filter_map(|rate| rate["images_per_sec"].as_f64())
        .fold(0.0, f64::max);
    let gpus = report["gpus"].as_array().unwrap();
    let names: Vec<&str> = gpus.iter().filter_map(|gpu| gpu["name"].as_str()).collect();
    for name in ["t4", "a10g", "a100", "h100"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for gpu in gpus {
        let wanted = gpu["images_per_sec"].as_f64().unwrap();
        assert_eq!(gpu["is_enough"].as_bool(), Some(best >= wanted), "{gpu}");
        assert!(!gpu["source"].as_str().unwrap().is_empty());
    }
    assert!(report["wanted_images_per_sec"].is_null());
    // As text, and for one of them.
    let (_, out, _) = run(&quick, &[dir.path()]);
    assert!(out.contains("h100-pcie") && out.contains("fed"), "{out}");
    let one = run(
        &[quick.as_slice(), &["--gpu", "h100", "--set", "decode=fast"]].concat(),
        &[dir.path()],
    );
    assert_eq!(one.0, 0, "{}", one.2);
    assert!(
        one.1.contains("2791 images a second are wanted"),
        "{}",
        one.1
    );
}
