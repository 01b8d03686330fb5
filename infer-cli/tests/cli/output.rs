//! Table, JSON lines, CSV, threshold, abstention, color, saved tensors, explanation.

use insta::assert_snapshot;

use crate::helpers::{Bench, RED, outcome, png_without_end, ppm};

#[test]
fn a_table_for_one_image() {
    let (code, out, err) = Bench::new().outcome(&["red.ppm", "--topk", "2"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_snapshot!(out, @"
    1  red    ██████████████████████████████  99.83 %
    2  green                                   0.09 %
    ");
}

#[test]
fn a_table_for_several_names_each() {
    let (code, out, _) = Bench::new().outcome(&["red.ppm", "blue.ppm", "-k", "1"]);
    assert_eq!(code, 0);
    assert_snapshot!(out, @"
    red.ppm
    1  red  ██████████████████████████████  99.83 %

    blue.ppm
    1  blue  █████████████████████████████▌  98.22 %
    ");
}

#[test]
fn json_lines_have_the_documented_schema() {
    let bench = Bench::new();
    bench.write("text.jpg", b"no image");
    let (code, out, err) = bench.outcome(&["red.ppm", "text.jpg", "--json", "--topk", "1"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: text.jpg: "), "{err}");
    assert_eq!(err.lines().count(), 1);
    let mut lines = out.lines();
    assert_snapshot!(lines.next().unwrap(), @r#"{"schema":1,"path":"red.ppm","model":"colors","predictions":[{"index":0,"id":null,"label":"red","probability":0.9982834}]}"#);
    let failed: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let keys: Vec<&String> = failed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schema", "path", "error", "code"]);
    assert_eq!(failed["code"], "image.unknown-format");
    assert_eq!(lines.next(), None);
}

#[test]
fn csv_has_a_row_a_class_and_a_row_a_failure() {
    let bench = Bench::new();
    bench.write("a,b.ppm", &ppm(RED));
    let (code, out, _) = bench.outcome(&["a,b.ppm", "missing.jpg", "--csv", "--topk", "2"]);
    assert_eq!(code, 1);
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(
        rows[0],
        "path,model,rank,index,id,label,probability,sure,error,damaged,damage,path_bytes,present,answer,answer_id,answer_probability,answer_sure"
    );
    assert!(
        rows[1].starts_with("\"a,b.ppm\",colors,1,0,,red,0.998"),
        "{}",
        rows[1]
    );
    assert!(
        rows[2].starts_with("\"a,b.ppm\",colors,2,1,,green,"),
        "{}",
        rows[2]
    );
    assert!(rows[3].starts_with("missing.jpg,,,,,,,,"), "{}", rows[3]);
}

#[test]
fn threshold_and_abstention() {
    let bench = Bench::new();
    bench.write("gray.ppm", &ppm([99, 98, 97]));
    let (code, out, _) = bench.outcome(&["red.ppm", "--threshold", "0.5"]);
    assert_eq!((code, out.lines().count()), (0, 1));
    let (code, out, _) = bench.outcome(&["gray.ppm", "--threshold", "0.9"]);
    assert_eq!((code, out.trim()), (0, "no class reaches the threshold"));
    let (code, out, _) = bench.outcome(&["gray.ppm", "--abstain", "0.5"]);
    assert_eq!(code, 0);
    assert_snapshot!(out, @"not sure (best guess: red, 34.65 %)");
    let (_, out, _) = bench.outcome(&["gray.ppm", "red.ppm", "--abstain", "0.5", "--json", "-k1"]);
    let sure: Vec<bool> = out
        .lines()
        .map(|line| line.contains("\"sure\":true"))
        .collect();
    assert_eq!(sure, [false, true]);
}

#[test]
fn color_only_when_asked_for() {
    let bench = Bench::new();
    let (_, plain, _) = bench.outcome(&["red.ppm"]);
    assert!(!plain.contains('\u{1b}'));
    let (_, colored, _) = outcome(bench.run(&["red.ppm"]).env("CLICOLOR_FORCE", "1"));
    assert!(colored.contains('\u{1b}'));
    let (_, without, _) = outcome(bench.run(&["red.ppm"]).env("NO_COLOR", "1"));
    assert!(!without.contains('\u{1b}'));
}

#[test]
fn a_hostile_file_name_cannot_steer_the_terminal() {
    let bench = Bench::new();
    let name = "\u{1b}]0;gotcha\u{7}.ppm";
    bench.write(name, &ppm(RED));
    let (_, out, _) = bench.outcome(&[name, "red.ppm"]);
    assert!(!out.contains('\u{1b}') && out.contains("gotcha"));
    let (_, _, err) = bench.outcome(&["\u{1b}[2J.jpg"]);
    assert!(!err.contains('\u{1b}'), "{err:?}");
}

#[test]
fn what_the_network_saw_is_saved() {
    let bench = Bench::new();
    let (code, ..) = bench.outcome(&["red.ppm", "blue.ppm", "--save-preprocessed", "seen"]);
    assert_eq!(code, 0);
    let npy = std::fs::read(bench.path().join("seen/000000-red.npy")).unwrap();
    let header = String::from_utf8_lossy(&npy[10..128]).into_owned();
    assert!(
        header.contains("'shape': (1, 3, 16, 16,)") && header.contains("'<f4'"),
        "{header}"
    );
    let first = f32::from_le_bytes(npy[npy.len() - 4 * 3 * 256..][..4].try_into().unwrap());
    assert_eq!(first, 200.0 / 255.0);
    let png = std::fs::read(bench.path().join("seen/000001-blue.png")).unwrap();
    let image = image_data::decode::decode(&png, &Default::default()).unwrap();
    assert_eq!(
        (image.width, image.height, image.pixel(3, 3)),
        (16, 16, [0, 0, 120])
    );
}

#[test]
fn the_explanation_is_a_picture_of_crop_and_overlay() {
    let bench = Bench::new();
    let (code, out, err) = bench.outcome(&["red.ppm", "--explain", "why.png", "-k", "1"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("red") && err.contains("why.png"));
    let png = std::fs::read(bench.path().join("why.png")).unwrap();
    let image = image_data::decode::decode(&png, &Default::default()).unwrap();
    assert_eq!((image.width, image.height), (32, 16));
    assert_eq!(image.pixel(0, 0), RED, "the left half is the crop as it is");
    let (code, _, err) = bench.outcome(&["red.ppm", "blue.ppm", "--explain", "why.png"]);
    assert_eq!(code, 2);
    assert!(err.contains("exactly one image"));

    let before = std::fs::read(bench.path().join("red.ppm")).unwrap();
    let (code, _, err) = bench.outcome(&["red.ppm", "--explain", "./red.ppm"]);
    assert_eq!(code, 2);
    assert!(err.contains("another file than the photo itself"), "{err}");
    assert_eq!(std::fs::read(bench.path().join("red.ppm")).unwrap(), before);
}

#[test]
fn quiet_and_verbose() {
    let bench = Bench::new();
    let (_, _, err) = bench.outcome(&["red.ppm", "-v"]);
    assert!(
        err.contains("model colors (")
            && err.contains("colors.onnx; 3 classes, its own manifest), engine "),
        "{err}"
    );
    assert!(err.contains("1 images, 0 failed"), "{err}");
    let (_, _, err) = bench.outcome(&["red.ppm", "-q"]);
    assert_eq!(err, "");
}

#[test]
fn damage_is_heard_in_every_form() {
    let bench = Bench::new();
    bench.write("cut.png", &png_without_end(RED));
    let (code, out, err) = bench.outcome(&["cut.png", "-k1", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &answer["damaged"]),
        (0, &serde_json::Value::from(true))
    );
    assert!(answer["damage"].as_str().unwrap().contains("IEND"), "{out}");
    assert!(
        err.starts_with("note: cut.png: ") && err.lines().count() == 1,
        "{err}"
    );
    let (_, out, _) = bench.outcome(&["cut.png", "-k1", "--csv"]);
    assert!(out.contains(",true,") && out.contains("IEND"), "{out}");
    let (_, out, err) = bench.outcome(&["cut.png", "-k1", "-q"]);
    assert!(out.contains("red") && err.is_empty(), "{out}{err}");
    let (_, out, _) = bench.outcome(&["red.ppm", "--json"]);
    assert!(!out.contains("damage"), "{out}");
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_stay_apart() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    std::fs::create_dir(bench.path().join("names")).unwrap();
    for last in [0xE9, 0xE8] {
        let name = [b"names/caf", &[last][..], b".ppm"].concat();
        let path = bench.path().join(std::ffi::OsStr::from_bytes(&name));
        std::fs::write(path, ppm(RED)).unwrap();
    }
    let (code, out, _) = bench.outcome(&["names", "--json", "-k1"]);
    assert_eq!(code, 0);
    let bytes: Vec<String> = out
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            answer["path_bytes"].as_str().unwrap().to_owned()
        })
        .collect();
    // "names/caf\xe8.ppm" and "names/caf\xe9.ppm" in base64.
    assert_eq!(bytes, ["bmFtZXMvY2Fm6C5wcG0=", "bmFtZXMvY2Fm6S5wcG0="]);
    let (_, out, _) = bench.outcome(&["names", "--csv", "-k1"]);
    assert!(out.contains("bmFtZXMvY2Fm6C5wcG0="), "{out}");
}

#[cfg(unix)]
#[test]
fn written_files_are_as_open_as_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let (code, ..) = bench.outcome(&[
        "red.ppm",
        "--explain",
        "why.png",
        "--save-preprocessed",
        "seen",
    ]);
    assert_eq!(code, 0);
    bench.write("plain", b"");
    let mode = |name: &str| {
        std::fs::metadata(bench.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("why.png"), mode("plain"));
}
