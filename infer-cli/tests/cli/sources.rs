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
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("broken.jpg"), "{err}");
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
