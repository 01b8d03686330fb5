//! Data sets on disk: torchvision's order, ImageNet's flat val, and errors that say what to do.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use image_data::folder::{Folder, FolderError, same_classes};

fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
}

fn listed(folder: &Folder) -> Vec<(String, usize)> {
    let relative = |path: &PathBuf| {
        path.strip_prefix(&folder.root)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    folder
        .samples
        .iter()
        .map(|s| (relative(&s.path), s.class))
        .collect()
}

#[test]
fn order_is_torchvisions() {
    let dir = tempfile::tempdir().unwrap();
    touch(
        dir.path(),
        &[
            "b/2.jpg",
            "b/10.JPEG",
            "b/1.PNG",
            "b/notes.txt",
            "b/sub/0.jpg",
            "b/sub-x/0.jpg",
            "B/z.webp",
            "a/x.tif",
            "ä/y.bmp",
            "a/.hidden.jpg",
            "readme.md",
        ],
    );
    let folder = Folder::open(dir.path()).unwrap();
    // Python: sorted() is by code point, so capitals come first and umlauts last; `sorted(os.walk(...))` compares whole
    // paths, in which "sub-x" comes after "sub" but before "sub/...". Unlike there, hidden files are left out: macOS
    // writes one (`._photo.jpg`) beside every photo on a foreign disk.
    assert_eq!(folder.classes, ["B", "a", "b", "ä"]);
    let expected: Vec<(String, usize)> = [
        ("B/z.webp", 0),
        ("a/x.tif", 1),
        ("b/1.PNG", 2),
        ("b/10.JPEG", 2),
        ("b/2.jpg", 2),
        ("b/sub/0.jpg", 2),
        ("b/sub-x/0.jpg", 2),
        ("ä/y.bmp", 3),
    ]
    .map(|(name, class)| (name.to_owned(), class))
    .to_vec();
    assert_eq!(listed(&folder), expected);
    assert_eq!(folder.description, "8 images in 4 class folders");
    assert_eq!(folder.images_per_class(), [1, 1, 5, 1]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_errors() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["real/pictures/1.jpg", "set/a/1.jpg"]);
    symlink(dir.path().join("real/pictures"), dir.path().join("set/b")).unwrap();
    let folder = Folder::open(dir.path().join("set")).unwrap();
    assert_eq!(folder.classes, ["a", "b"]);
    assert_eq!(folder.len(), 2);
    symlink(dir.path().join("set"), dir.path().join("set/a/loop")).unwrap();
    let error = Folder::open(dir.path().join("set")).unwrap_err();
    assert!(matches!(error, FolderError::Io { .. }));
    assert!(error.to_string().contains("loop"), "{error}");
}

#[test]
fn what_is_no_data_set_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let said = |name: &str| Folder::open(dir.path().join(name)).unwrap_err().to_string();
    assert!(said("absent").contains("cannot read"));
    assert!(!said("absent").contains("os error"), "{}", said("absent"));
    touch(
        dir.path(),
        &[
            "flat/1.jpg",
            "flat/2.jpg",
            "empty/a/1.jpg",
            "empty/b/notes.txt",
            "empty/c/x.gif",
        ],
    );
    assert!(
        said("flat").contains("2 images without folders"),
        "{}",
        said("flat")
    );
    assert!(
        said("empty").contains("got 2 without any: b, c"),
        "{}",
        said("empty")
    );
    touch(dir.path(), &["root/train/a/1.jpg", "root/val/a/1.jpg"]);
    assert!(said("root").contains("did you mean"), "{}", said("root"));
}

#[test]
fn different_classes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    touch(
        dir.path(),
        &[
            "train/a/1.jpg",
            "train/b/1.jpg",
            "val/a/1.jpg",
            "val/c/1.jpg",
            "other/x/1.jpg",
        ],
    );
    let open = |name: &str| Folder::open(dir.path().join(name)).unwrap();
    assert!(same_classes(&open("train"), &open("train")).is_ok());
    let error = same_classes(&open("train"), &open("val"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("train: b") && error.contains("val: c"),
        "{error}"
    );
    let error = same_classes(&open("train"), &open("other"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("not one name in common"), "{error}");
}

/// Four images of a flat val, with the devkit's numbers: 1 is n00000030 and so on (`make_devkit.py`).
fn flat(dir: &Path) -> PathBuf {
    let val = dir.join("val");
    let names: Vec<String> = (1..=4)
        .map(|n| format!("val/ILSVRC2012_val_{n:08}.JPEG"))
        .collect();
    touch(dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
    val
}

#[test]
fn flat_val_takes_the_devkits_order() {
    for meta in ["meta.mat", "meta-plain.mat"] {
        let dir = tempfile::tempdir().unwrap();
        let val = flat(dir.path());
        let error = Folder::open(&val).unwrap_err().to_string();
        assert!(
            error.contains("LOC_val_solution.csv") && error.contains("meta.mat"),
            "{error}"
        );

        let data = dir.path().join("ILSVRC2012_devkit_t12/data");
        fs::create_dir_all(&data).unwrap();
        fs::write(
            data.join("ILSVRC2012_validation_ground_truth.txt"),
            "1\n4\n2\n3\n",
        )
        .unwrap();
        let error = Folder::open(&val).unwrap_err().to_string();
        assert!(error.contains("meta.mat"), "{error}");

        fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data/devkit")
                .join(meta),
            data.join("meta.mat"),
        )
        .unwrap();
        let folder = Folder::open(&val).unwrap();
        assert_eq!(
            folder.classes,
            ["n00000010", "n00000020", "n00000030", "n00000040"]
        );
        assert_eq!(
            folder.samples.iter().map(|s| s.class).collect::<Vec<_>>(),
            [2, 1, 0, 3]
        );
        assert!(
            folder
                .description
                .starts_with("4 images of a flat ImageNet val/ in 4 classes, labeled by ")
        );
    }
}

#[test]
fn flat_val_takes_kaggles_csv_and_the_text_map() {
    let dir = tempfile::tempdir().unwrap();
    let val = flat(dir.path());
    let csv = dir.path().join("LOC_val_solution.csv");
    let rows = "ImageId,PredictionString\nILSVRC2012_val_00000003,n00000020 1 2 3 4 \nILSVRC2012_val_00000001,n00000030 85 1 499 272 n00000030 1 1 2 2\n\
                ILSVRC2012_val_00000002,n00000020 0 0 9 9\nILSVRC2012_val_00000004,n00000010 0 0 9 9\n";
    fs::write(&csv, rows).unwrap();
    let folder = Folder::open(&val).unwrap();
    assert_eq!(folder.classes, ["n00000010", "n00000020", "n00000030"]);
    assert_eq!(
        folder.samples.iter().map(|s| s.class).collect::<Vec<_>>(),
        [2, 1, 1, 0]
    );

    fs::write(&csv, rows.replace("00000004", "00000005")).unwrap();
    let error = Folder::open(&val).unwrap_err().to_string();
    assert!(
        error.contains("none for 1: ILSVRC2012_val_00000004.JPEG"),
        "{error}"
    );
    fs::write(&csv, "ImageId,PredictionString\nnonsense\n").unwrap();
    assert!(
        Folder::open(&val)
            .unwrap_err()
            .to_string()
            .contains("line 2: expected")
    );
    fs::remove_file(&csv).unwrap();

    fs::write(
        dir.path()
            .join("ILSVRC2015_clsloc_validation_ground_truth.txt"),
        "2\n1\n1\n2\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("map_clsloc.txt"),
        "n00000030 1 kit_fox\nn00000010 2 setter\n",
    )
    .unwrap();
    let folder = Folder::open(&val).unwrap();
    assert_eq!(
        folder.samples.iter().map(|s| s.class).collect::<Vec<_>>(),
        [0, 1, 1, 0]
    );
}
