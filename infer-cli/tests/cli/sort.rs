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
fn photos_are_copied_into_one_folder_a_label() {
    let bench = bench();
    let before = shelf(bench.path());
    let (code, out, err) = bench.outcome(&["sort", "in", "--into", "out", "--dry-run", "-q"]);
    assert_eq!((code, out.lines().count()), (1, 4), "{out}{err}");
    assert_eq!(shelf(bench.path()), before, "a dry run changes nothing");
    let (code, _, err) = bench.outcome(&["sort", "in", "--into", "out", "-q"]);
    assert_eq!(code, 1);
    assert!(err.contains("broken.jpg"), "{err}");
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
