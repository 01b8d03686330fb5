//! Exit codes and one clear line for every kind of bad input.

use crate::helpers::{Bench, RED, ppm};

/// One error line that holds all parts.
#[track_caller]
fn fails(bench: &Bench, arguments: &[&str], code: i32, parts: &[&str]) {
    let (got, out, err) = bench.outcome(arguments);
    assert_eq!(got, code, "{arguments:?}: {out}{err}");
    assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
    assert!(err.starts_with("error: "), "{err}");
    for part in parts {
        assert!(
            err.contains(part),
            "{arguments:?}: expected '{part}' in: {err}"
        );
    }
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn bad_images_are_one_line_and_code_1() {
    let bench = Bench::new();
    bench.write("text.jpg", b"just text");
    bench.write("empty.png", b"");
    let mut whole = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut whole)
        .encode(&[128; 3 * 64 * 64], 64, 64, image::ExtendedColorType::Rgb8)
        .unwrap();
    bench.write("cut.jpg", &whole[..whole.len() / 2]);
    bench.write("bomb.ppm", b"P6 60000 60000 255\n");
    fails(
        &bench,
        &["missing.jpg"],
        1,
        &["missing.jpg", "No such file"],
    );
    fails(&bench, &["text.jpg"], 1, &["text.jpg", "expected JPEG"]);
    fails(&bench, &["empty.png"], 1, &["empty.png", "0 bytes"]);
    fails(&bench, &["cut.jpg"], 1, &["cut.jpg", "JPEG"]);
    fails(&bench, &["bomb.ppm"], 1, &["bomb.ppm", "60000 x 60000"]);
    bench.write(
        "large.ppm",
        &[b"P6 2000 1000 255\n".to_vec(), vec![0; 6_000_000]].concat(),
    );
    fails(
        &bench,
        &["large.ppm", "--max-megapixels", "1"],
        1,
        &["2000 x 1000"],
    );
}

#[test]
fn bad_models_are_one_line_and_code_3() {
    let bench = Bench::new();
    bench.write("text.onnx", b"no model");
    let model = std::fs::read(&bench.model).unwrap();
    bench.write("cut.onnx", &model[..model.len() / 2]);
    let with = |model| ["red.ppm", "--model", model];
    fails(
        &bench,
        &with("text.onnx"),
        3,
        &["text.onnx", "not an ONNX model"],
    );
    fails(
        &bench,
        &with("cut.onnx"),
        3,
        &["cut.onnx", "not an ONNX model"],
    );
    fails(
        &bench,
        &with("resnet999"),
        3,
        &["resnet999", "known names: colors, efficientnet-lite0"],
    );
    fails(
        &bench,
        &with("models/missing.onnx"),
        3,
        &["models/missing.onnx"],
    );
    fails(
        &bench,
        &["red.ppm", "--manifest", "missing.yaml"],
        3,
        &["missing.yaml"],
    );
    fails(
        &bench,
        &["red.ppm", "--size", "32"],
        3,
        &["32 x 32", "[N, 3, 16, 16]"],
    );
    bench.write("two.txt", b"a\nb\n");
    fails(
        &bench,
        &["red.ppm", "--labels", "two.txt"],
        3,
        &["3 numbers", "2 labels"],
    );
    let library = [
        "red.ppm",
        "--engine",
        "onnxruntime",
        "--onnxruntime-lib",
        "missing.so",
    ];
    fails(
        &bench,
        &library,
        3,
        &["missing.so", "ORT_DYLIB_PATH", "--onnxruntime-lib"],
    );
}

#[test]
fn a_cause_is_told_once() {
    let bench = Bench::new();
    let (_, _, err) = bench.outcome(&["red.ppm", "--manifest", "missing.yaml"]);
    assert_eq!(err.matches("missing.yaml").count(), 1, "{err}");
    assert_eq!(err.matches("No such file").count(), 1, "{err}");
}

#[test]
fn the_systems_numbers_help_nobody() {
    let bench = Bench::new();
    for arguments in [
        &["missing.jpg"][..],
        &["missing.jpg", "--json"],
        &["red.ppm", "--manifest", "missing.yaml"],
        &["red.ppm", "--labels", "missing.txt"],
        &["red.ppm", "--model", "red.ppm/model.onnx"],
        &["--files-from", "missing.txt"],
        &["evaluate", "missing"],
        &["sort", "missing", "--into", "red.ppm"],
        &["teach", "missing", "--output", "taught.onnx"],
        &["bench", "missing.jpg"],
        &["man", "red.ppm/man"],
    ] {
        let (code, out, err) = bench.outcome(arguments);
        assert_ne!(code, 0, "{arguments:?}: {err}");
        assert!(!format!("{out}{err}").contains("os error"), "{out}{err}");
    }
}

#[test]
fn wrong_usage_is_code_2() {
    let bench = Bench::new();
    for arguments in [
        &["red.ppm", "--topk", "0"][..],
        &["red.ppm", "--nonsense"],
        &["red.ppm", "--json", "--csv"],
        &["red.ppm", "--engine", "caffe"],
        &["red.ppm", "--abstain", "2"],
        &["red.ppm", "-0"],
        &["evaluate"],
    ] {
        let (code, _, err) = bench.outcome(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.starts_with("error: "), "{err}");
    }
    fails(
        &bench,
        &["red.ppm", "--labels", "missing.txt"],
        2,
        &["missing.txt"],
    );
    bench.write("none.txt", b"\n");
    fails(
        &bench,
        &["red.ppm", "--labels", "none.txt"],
        2,
        &["class names"],
    );
}

#[test]
fn one_bad_image_among_good_ones_stops_nothing() {
    let bench = Bench::new();
    for i in 0..300 {
        let bytes = if i % 100 == 50 {
            b"bad".to_vec()
        } else {
            ppm(RED)
        };
        bench.write(&format!("many/{i:03}.ppm"), &bytes);
    }
    let (code, out, err) = bench.outcome(&["many", "--json"]);
    assert_eq!(code, 1);
    assert_eq!((out.lines().count(), err.lines().count()), (300, 3));
    assert_eq!(
        out.lines()
            .filter(|line| line.contains("\"error\""))
            .count(),
        3
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::io::Read;
    let bench = Bench::new();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("infer-cli"))
        .current_dir(bench.path())
        .args(["--json", "--files-from", "-"])
        .env("INFER_MODEL", &bench.model)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    use std::io::Write;
    writeln!(stdin, "red.ppm").unwrap();
    // The answer comes while the list is still open.
    let mut first = [0; 10];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"{\"schema\":");
    drop(stdout);
    for _ in 0..50 {
        if writeln!(stdin, "red.ppm").is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130_and_whole_lines() {
    use std::io::{BufRead, BufReader, Write};
    let bench = Bench::new();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("infer-cli"))
        .current_dir(bench.path())
        .args(["--json", "--files-from", "-"])
        .env("INFER_MODEL", &bench.model)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "red.ppm").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok());
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    // The list stays open: nothing but the signal can end it.
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(lines.all(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).is_ok()));
    drop(stdin);
}

#[test]
fn kinds_that_are_not_read_are_named_with_what_to_do_by_every_command() {
    let bench = Bench::new();
    let kinds: [(&str, &[u8], &str); 4] = [
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        ("b.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("c.psd", b"8BPS\0\x01\0\0\0\0\0\0\0\x03", "Photoshop PSD"),
        ("d.exr", b"\x76\x2f\x31\x01\x02\0\0\0channels", "OpenEXR"),
    ];
    for (name, bytes, _) in kinds {
        bench.write(&format!("in/red/{name}"), bytes);
    }
    for n in 0..3 {
        bench.write(&format!("in/red/{n}.ppm"), &ppm([200, 20, 9 * n]));
        bench.write(&format!("in/blue/{n}.ppm"), &ppm([9 * n, 20, 200]));
    }
    for arguments in [
        &["in"][..],
        &["sort", "in", "--into", "out", "--dry-run"],
        &["teach", "in", "--dry-run"],
        &["evaluate", "in"],
    ] {
        let (code, _, err) = bench.outcome(&[arguments, &["-q"]].concat());
        assert_eq!(code, 1, "{arguments:?}: {err}");
        for (name, _, kind) in kinds {
            let line = err.lines().find(|line| line.contains(name));
            let line = line.unwrap_or_else(|| panic!("{arguments:?}: {name} is not named: {err}"));
            assert!(
                line.contains(&format!("{kind} is not read")) && line.contains("JPEG or PNG"),
                "{arguments:?}: {line}"
            );
        }
    }
}
