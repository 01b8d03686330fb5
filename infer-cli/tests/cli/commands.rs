//! models, info, evaluate, calibrate, bench, completions, man, version.

use serde_json::Value;

use crate::helpers::{BLUE, Bench, RED, outcome, ppm};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn models_are_listed_and_found_by_name() {
    let bench = Bench::new();
    let (code, out, _) = outcome(&mut bench.bare(&["models"]));
    assert_eq!(code, 0);
    assert!(
        out.contains("efficientnet-lite0") && out.contains("inside the program"),
        "{out}"
    );
    assert!(out.contains("colors"), "{out}");
    let (code, out, _) =
        outcome(&mut bench.bare(&["green.ppm", "--model", "colors", "--json", "-k1"]));
    assert_eq!(code, 0);
    assert_eq!(json(&out)["predictions"][0]["label"], "green");
    let (_, out, _) = outcome(
        bench
            .bare(&["models", "--json"])
            .env("INFER_MODELS_DIR", "nowhere"),
    );
    assert_eq!(out.lines().count(), 1);
    assert_eq!(json(&out)["default"], true);
}

#[test]
fn info_describes() {
    let bench = Bench::new();
    let (code, out, _) = bench.outcome(&["info"]);
    assert_eq!(code, 0);
    for part in [
        "name           colors",
        "classes        3: red, green, blue",
        "center 16 x 16",
        "its own manifest",
    ] {
        assert!(out.contains(part), "expected '{part}' in {out}");
    }
    let (_, out, _) = bench.outcome(&["info", "models/colors.onnx", "--json"]);
    let info = json(&out);
    assert_eq!(info["manifest"]["labels"][1]["name"], "green");
    assert_eq!(info["sha256"].as_str().map(str::len), Some(64));
    let (_, out, _) = bench.outcome(&["info", "--labels-list"]);
    assert!(out.ends_with("2\t-\tblue\n"), "{out}");
}

#[test]
fn numbers_are_those_that_were_asked_for_or_an_error() {
    let bench = Bench::new();
    let asked = |precision: &str| {
        let (code, out, err) = bench.outcome(&["info", "--json", "--precision", precision]);
        let got = (code == 0).then(|| json(&out)["precision"].as_str().unwrap().to_owned());
        (code, got, err)
    };
    assert_eq!(asked("float32").1.as_deref(), Some("float32"));
    let (code, got, err) = asked("bf16");
    let here = match code {
        0 => {
            assert_eq!(got.as_deref(), Some("bf16"));
            "bf16"
        }
        _ => {
            assert_eq!(code, 3, "{err}");
            assert!(
                err.contains("in bfloat16: this processor has no instructions"),
                "{err}"
            );
            assert!(err.contains("use --precision auto or float32"), "{err}");
            "float32"
        }
    };
    assert_eq!(asked("auto").1.as_deref(), Some(here));
    let (code, _, err) = asked("half");
    assert_eq!(code, 2);
    assert!(err.contains("expected float32, bf16 or auto"), "{err}");
    // An engine that has no bfloat16 is no way out.
    let (code, _, err) = bench.outcome(&["info", "--engine", "tract", "--precision", "bf16"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("tract cannot compute"), "{err}");
}

/// Class folders with `wrong` images of `red` that look green; sizes make confidence vary.
fn data(bench: &Bench, wrong: usize) {
    for i in 0..12u8 {
        bench.write(&format!("data/red/{i}.ppm"), &ppm([60 + i, 40, 30]));
        bench.write(&format!("data/green/{i}.ppm"), &ppm([40, 70 + i, 30]));
        bench.write(&format!("data/blue/{i}.ppm"), &ppm(BLUE));
    }
    for i in 0..wrong {
        bench.write(&format!("data/red/wrong{i}.ppm"), &ppm([40, 60, 30]));
    }
}

#[test]
fn evaluate_counts_and_shows_what_went_wrong() {
    let bench = Bench::new();
    data(&bench, 4);
    bench.write("data/blue/broken.ppm", b"P6 nothing");
    let (code, out, err) = bench.outcome(&[
        "evaluate",
        "data",
        "--json",
        "-q",
        "--save-errors",
        "wrong.png",
    ]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    let report = json(&out);
    assert_eq!(
        (report["images"].as_u64(), report["failed"].as_u64()),
        (Some(40), Some(1))
    );
    assert!((report["top1_percent"].as_f64().unwrap() - 90.0).abs() < 1e-9);
    assert_eq!(report["top5_percent"], 100.0);
    assert_eq!(report["confusions"][0]["truth_label"], "red");
    assert_eq!(report["confusions"][0]["predicted_label"], "green");
    assert_eq!(report["confusions"][0]["images"], 4);
    assert_eq!(report["classes"][0]["top1_percent"], 75.0);
    let sheet =
        image_data::decode::decode_file(bench.path().join("wrong.png"), &Default::default())
            .unwrap();
    assert_eq!(sheet.width, 4 * 168);
    let legend = std::fs::read_to_string(bench.path().join("wrong.tsv")).unwrap();
    assert_eq!(legend.lines().count(), 5);
    assert!(legend.contains("red\tgreen"), "{legend}");
    std::fs::remove_file(bench.path().join("data/blue/broken.ppm")).unwrap();
    let (code, out, _) = bench.outcome(&["evaluate", "data", "-q"]);
    assert_eq!(code, 0);
    for part in [
        "top-1        90.00 %",
        "red -> green",
        "confidence against accuracy",
    ] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn evaluate_reads_every_picture_and_counts_the_rest() {
    let bench = Bench::new();
    data(&bench, 0);
    bench.write("data/blue/without-an-ending", &ppm(BLUE));
    bench.write("data/blue/called.heic", &ppm(BLUE));
    bench.write(
        "data/blue/phone.heic",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    );
    bench.write("data/blue/notes.txt", b"hello");
    bench.write("data/.DS_Store", b"leftover");
    bench.write("data/loose.ppm", &ppm(BLUE));
    let (code, out, err) = bench.outcome(&["evaluate", "data", "--json"]);
    assert_eq!(code, 1, "{err}");
    let report = json(&out);
    assert_eq!(
        (report["images"].as_u64(), report["failed"].as_u64()),
        (Some(38), Some(1)),
        "{err}"
    );
    assert_eq!(report["top1_percent"], 100.0);
    for part in [
        "phone.heic",
        "pictures left out because they have no class: 1",
        "2 files passed over: hidden, or no pictures",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let (_, _, err) = bench.outcome(&["bench", "data/blue", "--runs", "1", "--thread-counts", "1"]);
    assert!(err.contains("phone.heic"), "{err}");
    assert!(err.contains("images that can be read"), "{err}");
}

#[test]
fn evaluate_explains_folders_it_cannot_match() {
    let bench = Bench::new();
    bench.write("data/purple/a.ppm", &ppm(RED));
    let (code, _, err) = bench.outcome(&["evaluate", "data"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("purple") && err.contains("no class of the model"),
        "{err}"
    );
    let (code, _, err) = bench.outcome(&["evaluate", "missing"]);
    assert_eq!(code, 1);
    assert!(err.contains("missing"), "{err}");
}

#[test]
fn calibrate_writes_a_temperature_that_is_used() {
    let bench = Bench::new();
    data(&bench, 6);
    let before = std::fs::read(&bench.model).unwrap();
    let (code, out, err) = bench.outcome(&["calibrate", "data", "--json", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("are few"), "{err}");
    assert_eq!(
        std::fs::read(&bench.model).unwrap(),
        before,
        "a dry run writes nothing"
    );
    let report = json(&out);
    let better = |key: &str| {
        report[format!("{key}_after")].as_f64() <= report[format!("{key}_before")].as_f64()
    };
    assert!(better("negative_log_likelihood"), "{report}");
    let temperature = report["temperature_after"].as_f64().unwrap();
    assert!(
        (0.05..20.0).contains(&temperature) && (temperature - 1.0).abs() > 1e-3,
        "{report}"
    );

    let (_, old, _) = bench.outcome(&["red.ppm", "--json", "-k1"]);
    let (code, ..) = bench.outcome(&["calibrate", "data", "-q", "--output", "calibrated.onnx"]);
    assert_eq!(code, 0);
    assert_eq!(
        std::fs::read(&bench.model).unwrap(),
        before,
        "--output leaves the model alone"
    );
    let (code, ..) = bench.outcome(&["calibrate", "data", "-q"]);
    assert_eq!(code, 0);
    let after = std::fs::read(&bench.model).unwrap();
    assert_eq!(
        after,
        std::fs::read(bench.path().join("calibrated.onnx")).unwrap()
    );
    assert_ne!(after, before);
    let (_, info, _) = bench.outcome(&["info", "--json"]);
    let written = json(&info)["manifest"]["temperature"].as_f64().unwrap();
    assert!((written - temperature).abs() < 1e-6);
    let (_, new, _) = bench.outcome(&["red.ppm", "--json", "-k1"]);
    assert_ne!(
        json(&old)["predictions"][0]["probability"],
        json(&new)["predictions"][0]["probability"]
    );
    // Fitting again finds the same place.
    let (_, again, _) = bench.outcome(&["calibrate", "data", "-q", "--json", "--dry-run"]);
    assert!((json(&again)["temperature_after"].as_f64().unwrap() - temperature).abs() < 1e-4);
}

#[test]
fn calibrate_refuses_what_it_cannot_do() {
    let bench = Bench::new();
    data(&bench, 0);
    let (code, _, err) = bench.outcome(&["calibrate", "data", "-q"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("no temperature") && err.contains("all right"),
        "{err}"
    );
    let (code, _, err) = outcome(&mut bench.bare(&["calibrate", "data", "-q"]));
    assert_eq!(code, 2);
    assert!(err.contains("--output"), "{err}");
}

#[test]
fn bench_gives_figures_for_every_stage() {
    let bench = Bench::new();
    let (code, out, err) =
        bench.outcome(&["bench", "-n", "3", "--thread-counts", "1", "--json", "-q"]);
    assert_eq!(code, 0, "{err}");
    let report = json(&out);
    let engine = &report["engines"][0];
    let stages: Vec<&str> = engine["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        ["load model", "decode", "preprocess", "run", "whole image"]
    );
    assert!(
        engine["throughput"][0]["images_per_second"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    if cfg!(target_os = "linux") {
        assert!(engine["peak_resident_bytes"].as_u64() >= engine["resident_bytes"].as_u64());
    }
    let (code, _, err) = bench.outcome(&["bench", "missing.jpg"]);
    assert_eq!(code, 1);
    assert!(err.contains("missing.jpg"), "{err}");
}

#[test]
fn help_version_completions_and_man_pages() {
    let bench = Bench::new();
    let (code, out, _) = bench.outcome(&["--version"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("engine auto: ") && out.contains("default model efficientnet-lite0"),
        "{out}"
    );
    let (_, out, _) = bench.outcome(&["--help"]);
    for part in [
        "Examples:",
        "Exit codes:",
        "NO_COLOR",
        "evaluate",
        "--files-from",
    ] {
        assert!(out.contains(part), "expected '{part}' in --help");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, out, _) = bench.outcome(&["completions", shell]);
        assert!(
            code == 0 && out.contains("infer-cli") && out.contains("save-preprocessed"),
            "{shell}"
        );
    }
    let (_, page, _) = bench.outcome(&["man"]);
    assert!(page.contains(".TH infer-cli 1"), "{page}");
    let (code, ..) = bench.outcome(&["man", "pages"]);
    assert_eq!(code, 0);
    let page = std::fs::read_to_string(bench.path().join("pages/infer-cli-evaluate.1")).unwrap();
    assert!(page.contains("save\\-errors"), "{page}");
}

#[test]
fn the_embedded_model_needs_no_file() {
    let bench = Bench::new();
    let photo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/samples/espresso.jpg"
    );
    let (code, out, _) = outcome(&mut bench.bare(&[photo, "--json", "--topk", "1"]));
    assert_eq!(code, 0);
    let answer = json(&out);
    assert_eq!(answer["model"], "efficientnet-lite0");
    assert_eq!(answer["predictions"][0]["id"], "n07920052");
}
