//! Files, folders, globs, lists and stdin.

use crate::helpers::{BLUE, Bench, GREEN, RED, best_of, outcome, pairs, ppm};

fn tree() -> Bench {
    let bench = Bench::new();
    bench.write("photos/b.ppm", &ppm(BLUE));
    bench.write("photos/a/z.ppm", &ppm(RED));
    bench.write("photos/a/noextension", &ppm(GREEN));
    bench.write("photos/notes.txt", b"not an image, and not called one");
    bench.write("photos/.hidden.ppm", &ppm(RED));
    bench.write("photos/.git/x.ppm", &ppm(RED));
    bench
}

#[test]
fn a_folder_is_searched_through_and_sorted() {
    let expected = [
        ("photos/a/noextension", "green"),
        ("photos/a/z.ppm", "red"),
        ("photos/b.ppm", "blue"),
    ];
    assert_eq!(tree().best(&["photos"]), pairs(&expected));
}

#[test]
fn a_broken_image_in_a_folder_is_named_and_the_rest_goes_on() {
    let bench = tree();
    bench.write("photos/a/broken.jpg", b"\xff\xd8\xff\xe0 and no more");
    let (code, out, err) = bench.outcome(&["photos", "--json"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].contains("broken.jpg"), "{err}");
    assert!(lines[1].contains("2 files passed over"), "{err}");
    assert_eq!(
        best_of(&out)[0],
        ("photos/a/broken.jpg".into(), "failed".into())
    );
    assert_eq!(out.lines().count(), 4);
}

#[test]
fn globs_are_expanded_when_the_shell_did_not() {
    let bench = tree();
    let expected = [("photos/a/z.ppm", "red"), ("photos/b.ppm", "blue")];
    assert_eq!(bench.best(&["photos/**/?.ppm"]), pairs(&expected));
    let (code, _, err) = bench.outcome(&["photos/*.tiff"]);
    assert_eq!(code, 1);
    assert!(err.contains("no file matches"), "{err}");
    // A file that is really called like a glob is that file.
    bench.write("[odd].ppm", &ppm(GREEN));
    assert_eq!(bench.best(&["[odd].ppm"]), pairs(&[("[odd].ppm", "green")]));
}

#[test]
fn image_bytes_come_on_stdin() {
    let bench = Bench::new();
    let (code, out, _) = outcome(bench.run(&["-", "--json"]).write_stdin(ppm(GREEN)));
    assert_eq!((code, best_of(&out)), (0, pairs(&[("-", "green")])));
    let (code, _, err) = outcome(bench.run(&["-"]).write_stdin("not an image"));
    assert_eq!(code, 1);
    assert!(err.starts_with("error: -: "), "{err}");
    let (code, _, err) = outcome(bench.run(&["-", "-"]).write_stdin(ppm(GREEN)));
    assert_eq!(code, 2, "{err}");
}

#[test]
fn lists_come_from_files_and_stdin_with_either_end() {
    let bench = tree();
    bench.write("with\nbreak.ppm", &ppm(GREEN));
    bench.write("list.txt", b"red.ppm\r\n\nphotos/b.ppm\nphotos/a\n");
    let expected = [
        ("red.ppm", "red"),
        ("photos/b.ppm", "blue"),
        ("photos/a/noextension", "green"),
        ("photos/a/z.ppm", "red"),
    ];
    assert_eq!(bench.best(&["--files-from", "list.txt"]), pairs(&expected));
    let mut command = bench.run(&["--files-from", "-", "-0", "--json"]);
    let (code, out, _) = outcome(command.write_stdin("with\nbreak.ppm\0blue.ppm\0"));
    assert_eq!(
        (code, best_of(&out)),
        (
            0,
            pairs(&[("with\nbreak.ppm", "green"), ("blue.ppm", "blue")])
        )
    );
    let (code, _, err) = bench.outcome(&["--files-from", "missing.txt"]);
    assert_eq!(code, 1);
    assert!(err.contains("missing.txt"), "{err}");
}

#[test]
fn the_order_is_the_order_of_the_arguments_for_many_images() {
    let bench = Bench::new();
    let names: Vec<String> = (0..60).map(|i| format!("many/{i:03}.ppm")).collect();
    let colors = [(RED, "red"), (GREEN, "green"), (BLUE, "blue")];
    for (i, name) in names.iter().enumerate() {
        bench.write(name, &ppm(colors[i % 3].0));
    }
    let backwards: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    let expected: Vec<(String, String)> = names
        .iter()
        .enumerate()
        .rev()
        .map(|(i, name)| (name.clone(), colors[i % 3].1.to_owned()))
        .collect();
    assert_eq!(
        bench.best(&[&backwards[..], &["-j", "3"]].concat()),
        expected
    );
}

#[test]
fn formats_go_by_content_and_exif_turns() {
    let bench = Bench::new();
    bench.write("lies.jpg", &ppm(BLUE));
    assert_eq!(bench.best(&["lies.jpg"]), pairs(&[("lies.jpg", "blue")]));
    // Upper half red, lower half blue, wide: turned by EXIF the crop shows other rows.
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/samples/cat.jpg");
    let (code, ..) = bench.outcome(&[photo, "--exif", "ignore", "--json"]);
    assert_eq!(code, 0);
}

#[test]
fn nothing_to_do_is_usage_and_nothing_found_is_a_failure() {
    let bench = Bench::new();
    let (code, _, err) = bench.outcome(&[]);
    assert_eq!(code, 2);
    assert!(err.contains("no image given"), "{err}");
    std::fs::create_dir(bench.path().join("empty")).unwrap();
    let (code, _, err) = bench.outcome(&["empty"]);
    assert_eq!((code, err.as_str()), (1, "error: no image found\n"));
}

#[test]
fn a_file_called_like_a_command_is_reached_by_its_path() {
    let bench = Bench::new();
    bench.write("info", &ppm(BLUE));
    assert_eq!(bench.best(&["./info"]), pairs(&[("./info", "blue")]));
    let (code, out, _) = bench.outcome(&["info"]);
    assert!(code == 0 && out.contains("architecture"), "{out}");
}

#[test]
fn names_come_in_natural_order() {
    let bench = Bench::new();
    for name in ["IMG_1", "IMG_2", "IMG_9", "IMG_10", "IMG_100"] {
        bench.write(&format!("shots/{name}.ppm"), &ppm(BLUE));
    }
    let expected = pairs(&[
        ("shots/IMG_1.ppm", "blue"),
        ("shots/IMG_2.ppm", "blue"),
        ("shots/IMG_9.ppm", "blue"),
        ("shots/IMG_10.ppm", "blue"),
        ("shots/IMG_100.ppm", "blue"),
    ]);
    for source in ["shots", "shots/*.ppm", "shots/**"] {
        assert_eq!(bench.best(&[source]), expected, "{source}");
    }
}

#[test]
fn patterns_are_a_shells() {
    let bench = Bench::new();
    bench.write("photos[2024]/a.ppm", &ppm(BLUE));
    assert_eq!(
        bench.best(&["photos[2024]/*.ppm"]),
        pairs(&[("photos[2024]/a.ppm", "blue")])
    );
    let (code, _, err) = bench.outcome(&["photos[2024]/*.PPM"]);
    assert_eq!(code, 1);
    assert!(err.contains("upper and lower case"), "{err}");
    let (_, _, err) = bench.outcome(&["nothing[1]/*.ppm"]);
    assert!(err.contains("[[]"), "{err}");

    bench.write("sub/deep/b.ppm", &ppm(BLUE));
    bench.write(".hidden.ppm", &ppm(BLUE));
    let found = |pattern: &str| -> Vec<String> {
        let pairs = bench.best(&[pattern]);
        pairs.into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(found("su*/*/b.ppm"), ["sub/deep/b.ppm"]);
    assert_eq!(found("**/**/b.ppm"), ["sub/deep/b.ppm"]);
    assert_eq!(found("sub/deep/[^a].ppm"), ["sub/deep/b.ppm"]);
    assert_eq!(found(".h*"), [".hidden.ppm"]);
    assert_eq!(found("r**d.ppm"), ["red.ppm"]);
    assert_eq!(found("sub/deep/[[:alpha:]].ppm"), ["sub/deep/b.ppm"]);
    for (pattern, expected) in [
        ("sub*", "no file matches, but folders do: sub would be read"),
        ("[a-", "no file matches"),
        ("*idden.ppm", "no file matches"),
    ] {
        let (code, _, err) = bench.outcome(&[pattern]);
        assert_eq!(code, 1);
        assert!(err.contains(expected), "{err}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn patterns_match_names_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::new();
    let folder = bench.path().join("n");
    std::fs::create_dir(&folder).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.ppm");
    std::fs::write(folder.join(name), ppm(BLUE)).unwrap();
    std::fs::write(folder.join("plain.ppm"), ppm(BLUE)).unwrap();
    for pattern in ["n/*.ppm", "n/*", "**/*.ppm"] {
        let (code, out, err) = bench.outcome(&[pattern, "-k1", "--json"]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("caf") && out.contains("plain.ppm"), "{out}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_read_when_named_and_never_waited_for() {
    let bench = Bench::new();
    let pipe = bench.path().join("p.ppm");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    bench.write("list", b"p.ppm\nred.ppm\n");
    for arguments in [&["--files-from", "list"][..], &["p*.ppm", "red.ppm"]] {
        let (code, out, err) = bench.outcome(&[arguments, &["-k1", "--json"]].concat());
        assert_eq!(code, 1, "{err}");
        assert!(
            err.contains("p.ppm") && err.contains("pipe") && out.contains("\"red\""),
            "{out}{err}"
        );
    }
    let writer = std::thread::spawn(move || std::fs::write(pipe, ppm(BLUE)));
    assert_eq!(bench.best(&["p.ppm"]), pairs(&[("p.ppm", "blue")]));
    writer.join().unwrap().unwrap();
}

#[test]
fn lists_as_other_programs_write_them() {
    let bench = Bench::new();
    let expected = pairs(&[("red.ppm", "red"), ("blue.ppm", "blue")]);
    let text = "red.ppm\r\nblue.ppm\r\n";
    bench.write("bom", format!("\u{feff}{text}").as_bytes());
    for mark in ["\u{feff}", ""] {
        let text = format!("{mark}{text}");
        let wide: [(&str, Vec<u8>); 4] = [
            (
                "UTF-16LE",
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            ),
            (
                "UTF-16BE",
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ),
            (
                "UTF-32LE",
                text.chars()
                    .flat_map(|c| u32::from(c).to_le_bytes())
                    .collect(),
            ),
            (
                "UTF-32BE",
                text.chars()
                    .flat_map(|c| u32::from(c).to_be_bytes())
                    .collect(),
            ),
        ];
        for (name, bytes) in wide {
            bench.write("list", &bytes);
            assert_eq!(bench.best(&["--files-from", "list"]), expected, "{name}");
            bench.write("list", &bytes[..bytes.len() - 1]);
            let (code, _, err) = bench.outcome(&["--files-from", "list"]);
            assert_eq!(code, 1, "{name}");
            assert!(err.contains("does not go on as such"), "{name}: {err}");
        }
    }
    assert_eq!(bench.best(&["--files-from", "bom"]), expected);
    bench.write("zero", b"red.ppm\0blue.ppm\0");
    let (code, _, err) = bench.outcome(&["--files-from", "zero"]);
    assert_eq!(code, 1);
    assert!(err.contains("-0"), "{err}");
    assert_eq!(bench.best(&["--files-from", "zero", "-0"]), expected);
}

#[test]
fn a_cameras_preview_is_told_from_the_picture_itself() {
    let bench = Bench::new();
    let jpeg = include_bytes!("../../../models/samples/cat.jpg");
    bench.write("a.orf", &[&b"IIRO\x08\0\0\0\0\0"[..], jpeg].concat());
    let (code, out, err) = bench.outcome(&["a.orf", "red.ppm", "-k1", "--json"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("a.orf: answered by the camera's preview"),
        "{err}"
    );
    let lines: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["preview"], true);
    assert!(lines[1].get("preview").is_none());
}

#[test]
fn photos_that_cannot_be_read_are_named_and_counted() {
    let bench = Bench::new();
    bench.write("phone/IMG_1.HIF", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    bench.write("phone/unnamed", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    bench.write("phone/P.ORF", b"IIRO\x08\0\0\0");
    bench.write("phone/notes.txt", b"hello");
    bench.write("phone/a.ppm", &ppm(BLUE));
    let (code, out, err) = bench.outcome(&["phone", "-k1", "--json"]);
    assert_eq!((code, out.lines().count()), (1, 4), "{out}{err}");
    for name in ["IMG_1.HIF", "unnamed", "P.ORF"] {
        assert!(err.contains(name), "{name}: {err}");
    }
    assert!(
        err.contains("3 of 4 images are of kinds that are not read: HEIC (2), camera raw without a preview inside (1)"),
        "{err}"
    );
    assert!(
        err.contains("1 file passed over: hidden, or no picture"),
        "{err}"
    );
    bench.write("phone/.DS_Store", b"leftover");
    let (_, _, err) = bench.outcome(&["phone", "phone/a.ppm", "-k1", "--json"]);
    assert!(
        err.contains("2 files passed over: hidden, or no pictures"),
        "{err}"
    );
    let (_, _, err) = bench.outcome(&["phone", "-k1", "--json", "--quiet"]);
    assert!(!err.contains("passed over"), "{err}");
}

#[test]
fn a_limit_names_the_option_that_raises_it() {
    let bench = Bench::new();
    bench.write(
        "large.ppm",
        &[b"P6 2000 1000 255\n".to_vec(), vec![0; 6_000_000]].concat(),
    );
    for (option, value, raised) in [
        ("--max-megapixels", "1", "--max-megapixels 2"),
        ("--max-side", "1999", "--max-side 2000"),
        ("--max-file-size", "5", "--max-file-size 6"),
        ("--max-memory", "1", "--max-memory 12"),
    ] {
        let (code, _, err) = bench.outcome(&["large.ppm", option, value]);
        assert_eq!(code, 1);
        assert!(err.contains(raised), "{option}: {err}");
        let mut again = vec!["large.ppm"];
        again.extend(raised.split(' '));
        assert_eq!(bench.outcome(&again).0, 0, "{raised}");
    }
}
