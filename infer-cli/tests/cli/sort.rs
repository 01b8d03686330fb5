//! `infer-cli sort`: folders, dry run, undo, and ten kills in the middle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::helpers::{BLUE, Bench, GREEN, RED, outcome, ppm};

/// Content and time of change of every file, journals included.
fn shelf(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let changed = entry.metadata().unwrap().modified().unwrap();
            let content = std::fs::read(entry.path()).unwrap();
            (entry.into_path(), (content, changed))
        })
        .collect()
}

fn bench() -> Bench {
    let bench = Bench::new();
    for (name, color) in [
        ("a", RED),
        ("sub/a", GREEN),
        ("b", BLUE),
        ("gray", [99, 98, 97]),
    ] {
        bench.write(&format!("in/{name}.ppm"), &ppm(color));
    }
    bench.write("in/broken.jpg", b"\xff\xd8\xff\xe0 no more");
    bench.write("in/notes.txt", b"no photo");
    bench
}

#[test]
fn patterns_that_the_shell_left_are_matched() {
    let bench = bench();
    let (code, out, err) = bench.outcome(&["sort", "in/*.ppm", "--into", "out"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(bench.path().join("out/red/a.ppm").is_file());
    assert!(!bench.path().join("out/green").exists());
    bench.write("in/.hidden.ppm", &ppm(GREEN));
    let (code, out, err) = bench.outcome(&["sort", "in/.hidden.ppm", "--into", "out"]);
    assert_eq!(
        (code, err.as_str()),
        (0, ""),
        "a named file is meant: {out}"
    );
    assert!(bench.path().join("out/green/.hidden.ppm").is_file());
    let (code, _, err) = bench.outcome(&["sort", "in/*.webp", "--into", "out"]);
    assert_eq!(code, 1);
    assert!(err.contains("in/*.webp: no file matches"), "{err}");
}

#[test]
fn photos_are_copied_into_one_folder_a_label() {
    let bench = bench();
    let before = shelf(bench.path());
    let (code, out, err) = bench.outcome(&["sort", "in", "--into", "out", "--dry-run", "-q"]);
    assert_eq!((code, out.lines().count()), (1, 4), "{out}{err}");
    assert_eq!(shelf(bench.path()), before, "a dry run changes nothing");
    let (code, _, err) = bench.outcome(&["sort", "in", "--into", "out"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("broken.jpg") && err.contains("1 file passed over"),
        "{err}"
    );
    for name in [
        "red/a.ppm",
        "green/a.ppm",
        "blue/b.ppm",
        "not sure/gray.ppm",
    ] {
        assert!(bench.path().join("out").join(name).is_file(), "{name}");
    }
    assert!(bench.path().join("in/a.ppm").is_file());
    // Again: nothing new. The target folder may lie in what is sorted.
    let (_, out, _) = bench.outcome(&["sort", ".", "--into", "out", "--dry-run", "-q"]);
    assert!(
        out.contains("in/a.ppm stays") && !out.contains("out/red/a.ppm ->"),
        "{out}"
    );
    let (code, out, _) = bench.outcome(&["sort", "--undo", "--into", "out"]);
    assert_eq!((code, out.as_str()), (0, "4 files taken back\n"));
    assert_eq!(shelf(bench.path()), before);
    let (code, _, err) = bench.outcome(&["sort", "--undo", "--into", "out"]);
    assert_eq!(code, 1);
    assert!(err.contains("journal"), "{err}");
}

#[test]
fn ten_kills_in_the_middle_are_undone_byte_for_byte() {
    let bench = Bench::new();
    for n in 0..400u16 {
        let color = [RED, GREEN, BLUE][usize::from(n % 3)];
        let mut picture = ppm(color);
        // Two of each name in one folder, and no two alike.
        picture[20] = (n % 251) as u8;
        picture[23] = (n / 251) as u8;
        bench.write(&format!("in/{}/{}.ppm", n % 2, n / 2), &picture);
    }
    let before = shelf(&bench.path().join("in"));
    let mut broken_off = 0;
    for kill in 0..10 {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("infer-cli"));
        command
            .current_dir(bench.path())
            .args(["sort", "in", "--into", "out", "--move", "-q", "--model"])
            .arg(&bench.model);
        let mut child = command.spawn().unwrap();
        // Killed once so many files have arrived; where it was quicker, all of it is undone.
        let wanted = 1 + kill * 37;
        loop {
            let arrived = walkdir::WalkDir::new(bench.path().join("out"))
                .into_iter()
                .flatten()
                .filter(|entry| entry.path().extension().is_some_and(|end| end == "ppm"))
                .count();
            if arrived >= wanted || child.try_wait().unwrap().is_some() {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = shelf(&bench.path().join("in")).len();
        broken_off += usize::from(left > 0 && left < 400);
        let (code, out, err) = outcome(&mut bench.bare(&["sort", "--undo", "--into", "out"]));
        assert_eq!(code, 0, "{kill}: {out}{err}");
        assert_eq!(shelf(&bench.path().join("in")), before, "{kill}");
        assert!(!bench.path().join("out").exists(), "{kill}");
    }
    assert!(broken_off > 0, "no kill came in the middle");
}

/// A JPEG's notes with nothing but a day, before the picture itself.
fn taken(day: &str, jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\x14\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    tiff.extend_from_slice(day.as_bytes());
    tiff.extend_from_slice(b" 10:20:30\0");
    let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
    let app1 = [b"\xff\xe1".as_slice(), &length, b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &app1, &jpeg[2..]].concat()
}

#[test]
fn a_template_makes_folders_of_labels_and_days() {
    let bench = Bench::new();
    let pixels = image::RgbImage::from_pixel(20, 20, image::Rgb(RED));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    bench.write("in/IMG_10.jpg", &taken("2026:03:07", jpeg.get_ref()));
    bench.write("in/IMG_2.jpg", jpeg.get_ref());
    let sort = ["sort", "in", "--into", "out", "-q"];
    let template = ["--template", "{year}/{label} {date}", "--dry-run"];
    let (code, out, err) = bench.outcome(&[&sort[..], &template].concat());
    assert_eq!(code, 0, "{err}");
    let out = out.replace('\\', "/");
    let lines: Vec<&str> = out.lines().collect();
    // In the natural order of names.
    assert!(
        lines[0].ends_with("out/no date/red no date/IMG_2.jpg"),
        "{out}"
    );
    assert!(
        lines[1].ends_with("out/2026/red 2026-03-07/IMG_10.jpg"),
        "{out}"
    );
    let (code, _, err) = bench.outcome(&[&sort[..], &["--template", "{month}/{lable}"]].concat());
    assert_eq!(code, 2);
    assert!(err.contains("{lable}") && err.contains("{label}"), "{err}");
}

#[test]
fn keywords_go_into_sidecars_that_keep_what_they_held() {
    let bench = Bench::new();
    let info: serde_json::Value =
        serde_json::from_str(&bench.outcome(&["info", "--json"]).1).unwrap();
    let mut manifest = info["manifest"].clone();
    manifest["hierarchy"] = serde_json::json!([{"name": "warm", "members": ["red", "green"]}]);
    bench.write("words.yaml", manifest.to_string().as_bytes());
    bench.write("in/a.ppm", &ppm(RED));
    bench.write("in/b.ppm", &ppm(BLUE));
    bench.write("in/gray.ppm", &ppm([99, 98, 97]));
    let mine = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
                <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='5'>\
                <dc:subject><rdf:Bag><rdf:li>Ann</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>";
    bench.write("in/a.ppm.xmp", mine.as_bytes());
    bench.write("in/b.ppm.xmp", b"not a sidecar");
    let before = shelf(bench.path());
    let bytes = |shelf: &BTreeMap<PathBuf, (Vec<u8>, SystemTime)>| -> Vec<(PathBuf, Vec<u8>)> {
        let files = shelf.iter();
        files
            .map(|(path, (bytes, _))| (path.clone(), bytes.clone()))
            .collect()
    };
    let keywords = ["sort", "in", "--xmp", "--manifest", "words.yaml"];
    let (code, out, err) = bench.outcome(&[&keywords[..], &["--dry-run"]].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("warm > red") && err.contains("b.ppm.xmp"),
        "{out}{err}"
    );
    assert_eq!(shelf(bench.path()), before, "a dry run changes nothing");
    let (code, out, err) = bench.outcome(&keywords);
    assert_eq!(code, 1, "{err}");
    assert!(
        out.contains("1  sidecars written, 1 of them merged"),
        "{out}"
    );
    let merged = std::fs::read_to_string(bench.path().join("in/a.ppm.xmp")).unwrap();
    for part in [
        "xmp:Rating='5'",
        ">Ann<",
        ">warm|red<",
        ">warm/red<",
        ">red<",
    ] {
        assert!(merged.contains(part), "{part}: {merged}");
    }
    assert!(!bench.path().join("in/gray.ppm.xmp").exists());
    let (code, out, err) = bench.outcome(&["sort", "in", "--xmp", "--undo"]);
    assert_eq!((code, out.as_str()), (0, "1 files taken back\n"), "{err}");
    assert_eq!(bytes(&shelf(bench.path())), bytes(&before));
    let (code, _, err) = bench.outcome(&["sort", "in", "red.ppm", "--xmp"]);
    assert_eq!(code, 2);
    assert!(err.contains("one folder"), "{err}");
    let (code, _, _) = bench.outcome(&["sort", "in"]);
    assert_eq!(code, 2);
}
