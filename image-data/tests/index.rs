//! The kept names of class folders: the same data set as without them, whatever changed or broke in between.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image_data::dataset;
use image_data::folder::{Folder, FolderIndex};

/// `classes` folders of `files` empty images each, every tenth with a folder inside.
fn make(root: &Path, classes: usize, files: usize) {
    for class in 0..classes {
        let dir = root.join(format!("n{class:08}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..files {
            fs::write(dir.join(format!("{class}_{file}.JPEG")), b"").unwrap();
        }
        if class % 10 == 0 {
            fs::create_dir(dir.join("more")).unwrap();
            fs::write(dir.join("more/last.png"), b"").unwrap();
            fs::write(dir.join("notes.txt"), b"no image").unwrap();
        }
    }
}

/// An index that trusts every stamp and keeps the smallest data set.
fn index(dir: &Path) -> FolderIndex {
    FolderIndex::in_dir(dir)
        .for_images(1)
        .settling(Duration::ZERO)
}

fn open(root: &Path, index: &FolderIndex) -> Folder {
    Folder::open_indexed(root, Some(index)).unwrap()
}

/// Opens with what is kept in `kept`; the remarks. What comes out must be what listing gives.
fn remarks(root: &Path, kept: &Path) -> Vec<String> {
    let index = index(kept);
    let (folder, listed) = (open(root, &index), Folder::open(root).unwrap());
    assert_eq!(folder.classes, listed.classes);
    assert!(folder.samples == listed.samples);
    assert_eq!(folder.description, listed.description);
    index.remarks()
}

/// Changes a directory until its time is another one: the clock of a file system has ticks.
fn change(dir: &Path, change: impl FnOnce()) {
    let time = |dir: &Path| fs::metadata(dir).unwrap().modified().unwrap();
    let before = time(dir);
    change();
    while time(dir) == before {
        fs::write(dir.join("tick"), b"").unwrap();
        fs::remove_file(dir.join("tick")).unwrap();
    }
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = files.next().unwrap();
    assert!(files.next().is_none());
    file
}

#[test]
fn a_thousand_folders_are_listed_once_and_then_only_where_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, kept) = (dir.path().join("train"), dir.path().join("kept"));
    make(&root, 1000, 3);
    assert_eq!(remarks(&root, &kept), [""; 0]);
    let said = remarks(&root, &kept);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("names of 1,000 class folders from") && said[0].ends_with(".index"),
        "{said:?}"
    );
    let class = |n: usize| root.join(format!("n{n:08}"));
    change(&class(3), || {
        fs::write(class(3).join("new.jpg"), b"").unwrap()
    });
    change(&class(5), || {
        fs::remove_file(class(5).join("5_1.JPEG")).unwrap()
    });
    change(&class(7), || {
        fs::rename(class(7).join("7_0.JPEG"), class(7).join("8_0.JPEG")).unwrap();
    });
    // In a folder that held an image, and in one that held nothing.
    let more = class(20).join("more");
    change(&more, || fs::write(more.join("x.webp"), b"").unwrap());
    fs::remove_dir_all(class(9)).unwrap();
    make(&root.join("zebra"), 1, 2);
    let said = remarks(&root, &kept);
    assert!(said[0].contains(", 5 that changed listed anew"), "{said:?}");
    let said = remarks(&root, &kept);
    assert!(said[0].ends_with(".index"), "{said:?}");
    // A class that only went away is forgotten, too.
    fs::remove_dir_all(class(11)).unwrap();
    let before = fs::read(only_file(&kept)).unwrap().len();
    remarks(&root, &kept);
    assert!(fs::read(only_file(&kept)).unwrap().len() < before);
}

#[test]
fn what_is_damaged_is_listed_anew_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (root, kept) = (dir.path().join("train"), dir.path().join("kept"));
    make(&root, 12, 2);
    remarks(&root, &kept);
    let file = only_file(&kept);
    let sound = fs::read(&file).unwrap();
    let mut damaged = vec![Vec::new(), b"something else".to_vec()];
    for at in (0..sound.len()).step_by(97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        damaged.push(bytes);
        damaged.push(sound[..at].to_vec());
    }
    for bytes in damaged {
        fs::write(&file, bytes).unwrap();
        let said = remarks(&root, &kept);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("is damaged or of another version"),
            "{said:?}"
        );
        assert!(fs::read(&file).unwrap() == sound, "it was not made anew");
    }
    // The file of another data set, under this one's name.
    let other = dir.path().join("other");
    make(&other, 2, 1);
    let elsewhere = dir.path().join("elsewhere");
    remarks(&other, &elsewhere);
    fs::copy(only_file(&elsewhere), &file).unwrap();
    assert!(remarks(&root, &kept)[0].contains("is damaged"));
}

#[test]
fn what_changed_a_moment_ago_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (root, kept) = (dir.path().join("train"), dir.path().join("kept"));
    make(&root, 4, 2);
    let hour = Duration::from_secs(3600);
    for _ in 0..2 {
        let index = index(&kept).settling(hour);
        assert_eq!(open(&root, &index).len(), 9);
        let said = index.remarks();
        assert!(
            said.iter().all(|line| line.contains("4 that changed")),
            "{said:?}"
        );
    }
}

#[test]
fn small_sets_and_other_processes_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (root, kept) = (dir.path().join("data"), dir.path().join("kept"));
    make(&root.join("train"), 3, 2);
    make(&root.join("val"), 3, 1);
    for index in [FolderIndex::in_dir(&kept), index(&kept).read_only()] {
        dataset::open_indexed(&root, Some(&index)).unwrap();
        assert!(index.remarks().is_empty() && !kept.exists());
    }
    // A file for each split.
    dataset::open_indexed(&root, Some(&index(&kept))).unwrap();
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 2);
    let again = index(&kept).read_only();
    let set = dataset::open_indexed(&root, Some(&again)).unwrap();
    assert_eq!((set.train.unwrap().len(), set.val.unwrap().len()), (7, 4));
    assert_eq!(again.remarks().len(), 2);
}

#[test]
fn a_place_that_cannot_be_written_is_said_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("train");
    make(&root, 2, 1);
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let index = index(&file.join("below"));
    assert_eq!(open(&root, &index).len(), 3);
    let said = index.remarks();
    assert!(said.last().unwrap().starts_with("cannot write"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_unicode_are_listed_and_not_kept() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let (root, kept) = (dir.path().join("train"), dir.path().join("kept"));
    make(&root, 2, 2);
    let odd = root
        .join("n00000001")
        .join(std::ffi::OsStr::from_bytes(b"\xFF.jpg"));
    fs::write(&odd, b"").unwrap();
    for _ in 0..2 {
        let index = index(&kept);
        let folder = open(&root, &index);
        assert!(folder.samples.iter().any(|sample| sample.path == odd));
        assert_eq!(index.remarks(), ["names that are no Unicode are not kept"]);
    }
}
