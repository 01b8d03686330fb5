//! The subcommands about data on real files: what they print, write and return. What a run says of its loader.

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

/// Photos of two classes, large enough that a shard takes a while.
fn photos(dir: &Path, count: u32) {
    for index in 0..count {
        let folder = dir.join(["cat", "dog"][index as usize % 2]);
        fs::create_dir_all(&folder).unwrap();
        let picture = image::RgbImage::from_fn(640, 480, |x, y| {
            image::Rgb([x / 3, y / 2, (x * y / 97 + index * 11) % 256].map(|v| v as u8))
        });
        picture
            .save(folder.join(format!("{index:03}.jpg")))
            .unwrap();
    }
}

#[test]
fn a_pack_killed_ten_times_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    photos(&data, 120);
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
    // Where this test did not run for a while, a pack may end before it is killed: then it begins anew.
    for _ in 0..100 {
        let before = whole_shards(&often);
        let mut child = pack(&often).spawn().unwrap();
        // Somewhere in the next shard or behind it.
        while whole_shards(&often) == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            fs::remove_dir_all(&often).unwrap();
            killed = 0;
            continue;
        }
        killed += 1;
        if killed == 10 {
            break;
        }
    }
    assert_eq!(killed, 10);
    assert!(whole_shards(&often) < whole_shards(&once));
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
    assert_eq!(whole_shards(&once), 30);
    assert_eq!(
        files(&once).keys().collect::<Vec<_>>(),
        files(&often).keys().collect::<Vec<_>>()
    );
    assert!(files(&once) == files(&often));
}

#[test]
fn check_compares_a_pack_with_its_checksums() {
    let dir = tempfile::tempdir().unwrap();
    let [data, packed] = ["data", "packed"].map(|name| dir.path().join(name));
    common::images(&data, 4, 1);
    let (code, _, err) = run(&["pack", "--output"], &[&packed, &data]);
    assert_eq!(code, 0, "{err}");
    let thorough = ["check", "--decode", "--no-duplicates"];
    let (code, out, _) = run(&thorough, &[&packed]);
    assert_eq!(code, 0, "{out}");
    let shard = packed.join("train-000000.tar");
    let mut bytes = fs::read(&shard).unwrap();
    // Behind the header of the first image, in a quantization table.
    bytes[512 + 60] ^= 0x40;
    fs::write(&shard, bytes).unwrap();
    let (code, out, _) = run(&thorough, &[&packed]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("1 with other bytes than were packed")
            && out.contains("train-000000.tar: expected SHA-256 "),
        "{out}"
    );
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
    // Without a GPU of a known name nothing is wanted.
    let here = report["gpus_here"].as_array().unwrap();
    assert!(!here.is_empty() || report["wanted_images_per_sec"].is_null());
    // As text, and for one of them.
    let (_, out, _) = run(&quick, &[dir.path()]);
    match here.first().and_then(|name| name.as_str()) {
        None => assert!(out.contains("h100-pcie") && out.contains("fed"), "{out}"),
        Some(name) => assert!(
            out.contains(&format!("this machine's GPU: {name}")),
            "{out}"
        ),
    }
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

#[test]
fn a_run_says_when_its_loader_is_the_bottleneck() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    photos(&data, 12);
    let run = |flags: &[&str], output: &Path| {
        let mut command = common::train();
        command
            .args(["--epochs", "2", "--no-validation"])
            .args(flags);
        command.arg("--output").arg(output).assert().success();
        let log = fs::read_to_string(output.join("train.log")).unwrap();
        let epochs = train::metrics::read(&output.join("metrics.jsonl")).unwrap();
        (log, epochs)
    };
    let [loaded, made_up] = ["loaded", "made-up"].map(|name| dir.path().join(name));
    let flags = ["--data", data.to_str().unwrap()];
    let (log, epochs) = run(&flags, &loaded);
    assert_eq!(epochs.len(), 2);
    for epoch in epochs {
        let named = format!("of epoch {} was waiting for images", epoch.epoch);
        // How long it waited is the machine's affair; that it is said is not.
        assert_eq!(
            log.contains(&named),
            epoch.data_wait_percent > 10.0,
            "{log}"
        );
    }
    let (log, _) = run(&["--synthetic", "12"], &made_up);
    assert!(!log.contains("bottleneck"), "{log}");
}
