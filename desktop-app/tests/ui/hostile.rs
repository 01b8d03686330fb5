//! Files that mean harm, dropped on the window with the real decoder behind it: an error tile each, nothing crashes,
//! nothing hangs.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{Setup, drop_files, until, until_done};
use super::shows;

fn sample() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/cat.jpg")).unwrap()
}

/// The cat with another size in its header.
fn jpeg_of_size(side: u16) -> Vec<u8> {
    let mut bytes = sample();
    let frame = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0] || two == [0xFF, 0xC2])
        .unwrap();
    let [high, low] = side.to_be_bytes();
    bytes[frame + 5..frame + 9].copy_from_slice(&[high, low, high, low]);
    bytes
}

/// Each must become an error tile.
fn hostile(folder: &Path) -> Vec<PathBuf> {
    let mut made = Vec::new();
    let mut write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        made.push(path);
    };
    let cat = sample();
    write("cut.jpg", &cat[..cat.len() / 2]);
    write("only a header.jpg", &cat[..20]);
    write("text.jpg", b"this is a letter, not a picture");
    write("empty.png", b"");
    write("page.png", b"<!DOCTYPE html><html></html>");
    write("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    write("bomb.ppm", b"P6 60000 60000 255\n");
    write("bomb.pbm", b"P1\n60000 60000\n1 0 1");
    write("bomb.jpg", &jpeg_of_size(60_000));
    write("nothing.ppm", b"P6 0 0 255\n");
    write("noise.gif", &[b"GIF89a".to_vec(), vec![0xA5; 900]].concat());
    write(
        "noise.webp",
        &[b"RIFF\xFF\xFF\0\0WEBPVP8 ".to_vec(), vec![0x5A; 900]].concat(),
    );
    write(
        "noise.tiff",
        &[b"II*\0\x08\0\0\0".to_vec(), vec![0xFF; 900]].concat(),
    );
    write("zeros.jpg", &[0; 5000]);
    made.push(folder.join("missing.jpg"));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let odd = folder.join(std::ffi::OsString::from_vec(
            b"odd \xFF\xFE \x1B]0;x\x07\nname.jpg".to_vec(),
        ));
        std::fs::write(&odd, b"odd").unwrap();
        made.push(odd);
        let long = folder.join(format!("{}.jpg", "long ".repeat(50)));
        std::fs::write(&long, b"long").unwrap();
        made.push(long);
        let circle = folder.join("circle.jpg");
        symlink(&circle, &circle).unwrap();
        made.push(circle);
        let pipe = folder.join("pipe.jpg");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        made.push(pipe);
        let locked = folder.join("locked.jpg");
        std::fs::write(&locked, &cat).unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
        // The superuser reads everything.
        if std::fs::File::open(&locked).is_err() {
            made.push(locked);
        }
    }
    made
}

#[test]
fn each_hostile_file_becomes_an_error_tile() {
    let dir = tempdir().unwrap();
    let bad = hostile(dir.path());
    let good = dir.path().join("cat.jpg");
    std::fs::write(&good, sample()).unwrap();
    let mut all = bad.clone();
    all.insert(bad.len() / 2, good);
    let mut window = Setup::default().open();
    drop_files(&mut window, &all);
    until_done(&mut window, all.len());
    let counts = window.state().photos().counts();
    let wrong: Vec<_> = window
        .state()
        .photos()
        .photos()
        .iter()
        .filter(|photo| photo.problem().is_none())
        .map(|photo| photo.source.name())
        .collect();
    assert_eq!(wrong, ["cat.jpg"], "{counts:?}");
    for photo in window.state().photos().photos() {
        if let Some(problem) = photo.problem() {
            for sentence in [&problem.what, &problem.remedy] {
                assert!(
                    sentence.ends_with('.') && !sentence.contains('\n'),
                    "{sentence:?}"
                );
                assert!(
                    !sentence.contains("panicked") && !sentence.contains("--"),
                    "{sentence}"
                );
            }
        }
        assert!(
            !photo.source.name().chars().any(char::is_control),
            "a name steers nothing"
        );
    }
    assert!(shows(&window, &format!("{} could not be read", bad.len())));
    window.get_by_label_contains("bomb.ppm: ").click();
    window.run_steps(3);
    assert!(shows(&window, "60000 \u{d7} 60000"));
}

#[test]
fn a_folder_of_hostile_files_is_walked_to_its_end() {
    let dir = tempdir().unwrap();
    hostile(dir.path());
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    until(&mut window, "the folder was looked through", |w| {
        shows(w, "passed over") && w.state().photos().counts().pending == 0
    });
    let counts = window.state().photos().counts();
    assert!(counts.failed > 10 && counts.stopped == 0, "{counts:?}");
}
