//! `infer-cli teach`: the report, the file and what other commands say of it, adding, determinism, bad photos.

use serde_json::Value;

use crate::helpers::{Bench, ppm};

/// Photos of three colors, none like another.
fn photos(bench: &Bench, dir: &str, from: u8, to: u8) {
    for n in from..to {
        let (high, low) = (180 + n % 7 * 9, 10 + n % 5 * 11);
        bench.write(&format!("{dir}/red/{n}.ppm"), &ppm([high, low, low + n]));
        bench.write(&format!("{dir}/green/{n}.ppm"), &ppm([low + n, high, low]));
        bench.write(&format!("{dir}/blue/{n}.ppm"), &ppm([low, low + n, high]));
    }
}

fn teach(bench: &Bench, arguments: &[&str]) -> (i32, Value, String) {
    let (code, out, err) = bench.outcome(&[&["teach"][..], arguments, &["--json", "-q"]].concat());
    let value = serde_json::from_str(&out).unwrap_or(Value::Null);
    (code, value, err)
}

#[test]
fn a_taught_model_is_a_model_like_any_other() {
    let bench = Bench::new();
    photos(&bench, "mine", 0, 12);
    let (code, report, err) = teach(&bench, &["mine", "--output", "mine.onnx"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        (&report["photos"], &report["failed"]),
        (&36.into(), &0.into())
    );
    assert!(
        report["accuracy_percent"].as_f64().unwrap() > 90.0,
        "{report}"
    );
    assert!(report["kept_bytes"].as_u64().unwrap() > 0);

    let (_, out, _) = bench.outcome(&["info", "mine.onnx", "--json"]);
    let info: Value = serde_json::from_str(&out).unwrap();
    let labels = info["manifest"]["labels"].as_array().unwrap();
    let names: Vec<&str> = labels
        .iter()
        .map(|label| label["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["blue", "green", "red", "none of these"]);
    assert_eq!(labels[3]["id"], "none");
    assert_eq!(info["manifest"]["accuracy"]["images"], 36);

    let best = bench.best(&["red.ppm", "green.ppm", "--model", "mine.onnx"]);
    assert_eq!((best[0].1.as_str(), best[1].1.as_str()), ("red", "green"));
    // Gray is unlike all that was taught.
    bench.write("gray.ppm", &ppm([120, 120, 120]));
    let best = bench.best(&["gray.ppm", "--model", "mine.onnx"]);
    assert_eq!(best[0].1, "none of these");
    photos(&bench, "more", 20, 25);
    let (code, out, _) =
        bench.outcome(&["evaluate", "more", "--model", "mine.onnx", "--json", "-q"]);
    let evaluated: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert!(
        evaluated["top1_percent"].as_f64().unwrap() > 80.0,
        "{evaluated}"
    );
}

#[test]
fn the_same_photos_give_the_same_bytes_and_adding_is_teaching_together() {
    let bench = Bench::new();
    photos(&bench, "all", 0, 12);
    photos(&bench, "first", 0, 7);
    photos(&bench, "second", 7, 12);
    let name = ["--name", "colors"];
    for (dir, model) in [
        ("all", "a.onnx"),
        ("all", "b.onnx"),
        ("first", "first.onnx"),
    ] {
        teach(&bench, &[&[dir, "--output", model][..], &name].concat());
    }
    let added = [
        "--add",
        "second",
        "--model",
        "first.onnx",
        "--output",
        "c.onnx",
    ];
    let (code, report, err) = teach(&bench, &[&added[..], &name].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(report["photos"], 36);
    let read = |name: &str| std::fs::read(bench.path().join(name)).unwrap();
    assert_eq!(read("a.onnx"), read("b.onnx"));
    let weights = |name: &str| {
        let model = model_core::onnx::parse(&read(name)).unwrap();
        model.graph.unwrap().initializer
    };
    assert_eq!(weights("a.onnx"), weights("c.onnx"));
    // A new class, and a model that keeps nothing.
    for n in 0..4 {
        bench.write(&format!("white/white/{n}.ppm"), &ppm([250 - n, 250, 251]));
    }
    let (code, report, _) = teach(
        &bench,
        &[
            "--add", "white", "--model", "c.onnx", "--output", "d.onnx", "--forget",
        ],
    );
    assert_eq!((code, report["classes"].as_array().unwrap().len()), (0, 4));
    assert_eq!(report["kept_bytes"], 0);
    let (code, _, err) = teach(
        &bench,
        &["--add", "second", "--model", "d.onnx", "--output", "e.onnx"],
    );
    assert_eq!(code, 3);
    assert!(err.contains("keeps no photos' features"), "{err}");
}

#[test]
fn the_report_comes_before_the_file_and_bad_photos_are_named() {
    let bench = Bench::new();
    photos(&bench, "mine", 0, 12);
    bench.write("mine/red/broken.jpg", b"\xff\xd8\xff\xe0 no more");
    // A green photo among the red ones, and one file in two classes.
    bench.write("mine/red/odd.ppm", &ppm([20, 231, 15]));
    bench.write("mine/blue/twice.ppm", &ppm([1, 2, 3]));
    bench.write("mine/green/twice.ppm", &ppm([1, 2, 3]));
    bench.write("mine/loose.ppm", &ppm([1, 2, 3]));
    bench.write("mine/red/notes.txt", b"no photo");
    let (code, out, err) = bench.outcome(&["teach", "mine", "--dry-run"]);
    assert_eq!(code, 1, "{err}");
    for part in [
        "broken.jpg",
        "photos left out because they lie in no class folder: 1",
        "1 file passed over",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(
        out.contains("95 % interval") && out.contains("none of these"),
        "{out}"
    );
    assert!(out.contains("odd.ppm in red looks like green"), "{out}");
    assert!(
        out.contains("the same file in several classes") && out.contains("twice.ppm"),
        "{out}"
    );
    assert!(!bench.path().join("taught.onnx").exists());
}

#[test]
fn too_little_and_unfit_models_are_refused_with_the_reason() {
    let bench = Bench::new();
    bench.write("one/cat/a.ppm", &ppm([1, 2, 3]));
    bench.write("one/cat/b.ppm", &ppm([3, 2, 3]));
    let (code, _, err) = teach(&bench, &["one", "--output", "m.onnx"]);
    assert_eq!(code, 2);
    assert!(err.contains("at least 2 classes"), "{err}");
    bench.write("one/dog/a.ppm", &ppm([9, 200, 3]));
    let (code, _, err) = teach(&bench, &["one", "--output", "m.onnx"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("class 'dog'") && err.contains("got 1"),
        "{err}"
    );
    let (code, _, err) = teach(&bench, &["missing", "--output", "m.onnx"]);
    assert_eq!(code, 2);
    assert!(err.contains("missing"), "{err}");
    let (code, _, _) = teach(&bench, &["one", "--output", "no/such/folder/m.onnx"]);
    assert_ne!(code, 0);
    assert!(!bench.path().join("m.onnx").exists());
}
