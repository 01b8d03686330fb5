//! A data set with one of everything that goes wrong.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use image_data::check::{CheckConfig, Kind, check};
use image_data::decode::DecodeConfig;
use image_data::folder::Folder;
use image_data::preview::{PreviewConfig, contact_sheet, write_png};
use image_data::source::FolderSource;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/decode")
            .join(name),
    )
    .unwrap()
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn troubled(root: &Path) {
    put(root, "train/a/good.jpg", &fixture("rgb-420.jpg"));
    put(root, "train/a/same.jpg", &fixture("rgb-422.jpg"));
    put(root, "train/b/same-elsewhere.jpg", &fixture("rgb-422.jpg"));
    put(root, "train/b/png.JPEG", &fixture("rgb.png"));
    put(root, "train/b/cmyk.jpg", &fixture("cmyk.jpg"));
    put(root, "train/b/gray.jpg", &fixture("gray.jpg"));
    let whole = fixture("rgb-444.jpg");
    put(root, "train/b/cut.jpg", &whole[..whole.len() - 100]);
    put(
        root,
        "train/b/text.jpg",
        b"<!DOCTYPE html><html>not found</html>",
    );
    put(root, "train/b/empty.png", b"");
    put(root, "val/a/leak.jpg", &fixture("rgb-420.jpg"));
    put(root, "val/b/deep.png", &fixture("rgb-16.png"));
}

#[test]
fn everything_is_found_in_both_modes() {
    let dir = tempfile::tempdir().unwrap();
    troubled(dir.path());
    let train = Folder::open(dir.path().join("train")).unwrap();
    let val = Folder::open(dir.path().join("val")).unwrap();
    for decode in [false, true] {
        let config = CheckConfig {
            decode,
            min_side: 40,
            ..CheckConfig::default()
        };
        let report = check(&[&train, &val], &config, &|_| {}).unwrap();
        let found: Vec<(Kind, String)> = report
            .findings
            .iter()
            .map(|f| {
                (
                    f.kind,
                    f.path.file_name().unwrap().to_string_lossy().into_owned(),
                )
            })
            .filter(|(kind, _)| *kind != Kind::TooSmall)
            .collect();
        let expected = [
            (Kind::Unreadable, "empty.png"),
            (Kind::Unreadable, "text.jpg"),
            (Kind::Truncated, "cut.jpg"),
            (Kind::OtherFormat, "png.JPEG"),
            (Kind::Cmyk, "cmyk.jpg"),
            (Kind::Deep, "deep.png"),
        ];
        assert_eq!(
            found,
            expected.map(|(kind, name)| (kind, name.to_owned())),
            "decode {decode}"
        );
        assert_eq!(report.errors(), 3);
        assert!(!report.is_clean());
        // 45 x 34 pictures: every readable one is below 40.
        assert_eq!(
            report
                .findings
                .iter()
                .filter(|f| f.kind == Kind::TooSmall)
                .count(),
            8
        );
        assert_eq!(
            (report.images, report.gray, report.side_range),
            (11, 1, [34, 45])
        );
        assert_eq!(report.images_per_class, [1, 7]);
        assert_eq!(report.duplicates.len(), 2);
        let leak = report
            .duplicates
            .iter()
            .find(|d| d.different_folders)
            .unwrap();
        assert!(!leak.different_labels && leak.paths[1].ends_with("val/a/leak.jpg"));
        assert!(
            report
                .duplicates
                .iter()
                .any(|d| d.different_labels && !d.different_folders)
        );
        let text = report.to_text(1);
        assert!(
            text.contains("2 cannot be read\n")
                && text.contains("and 1 more")
                && text.contains("leaks"),
            "{text}"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["findings"][0]["kind"], "unreadable");
    }
}

#[test]
fn a_sound_data_set_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a/1.jpg", &fixture("rgb-420.jpg"));
    put(dir.path(), "b/1.png", &fixture("rgb.png"));
    let folder = Folder::open(dir.path()).unwrap();
    for decode in [false, true] {
        let report = check(
            &[&folder],
            &CheckConfig {
                decode,
                ..CheckConfig::default()
            },
            &|_| {},
        )
        .unwrap();
        assert!(report.is_clean() && report.findings.is_empty(), "{report}");
        assert!(report.to_string().ends_with("nothing to report"));
    }
}

#[test]
fn a_contact_sheet_has_rows_of_augmented_samples() {
    use image_data::augment::{AugmentConfig, TrainTransform};
    let dir = tempfile::tempdir().unwrap();
    troubled(dir.path());
    let source = FolderSource::new(
        Folder::open(dir.path().join("train")).unwrap(),
        DecodeConfig::torchvision(),
    );
    let config = PreviewConfig {
        rows: 3,
        columns: 5,
        seed: 1,
    };
    let evaluation = model_core::Preprocessing::imagenet();
    let transform = TrainTransform::new(&AugmentConfig::default(), &evaluation, 24).unwrap();
    let sheet = contact_sheet(&source, &transform, &evaluation, &config).unwrap();
    // Each pixel as a square of 4 x 4.
    assert_eq!((sheet.width, sheet.height), (6 * 100 + 4, 3 * 100 + 4));
    assert_eq!(
        sheet,
        contact_sheet(&source, &transform, &evaluation, &config).unwrap()
    );
    let path = dir.path().join("sheet.png");
    write_png(&sheet, &path).unwrap();
    let back = image_data::decode::decode_file(&path, &DecodeConfig::default()).unwrap();
    assert_eq!(back, sheet);
    assert!(write_png(&sheet, &dir.path().join("absent/sheet.png")).is_err());
}

#[test]
fn a_missing_end_is_no_truncation_where_the_picture_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let png = fixture("rgb.png");
    put(dir.path(), "a/no-end.png", &png[..png.len() - 12]);
    put(dir.path(), "a/half.png", &png[..png.len() / 2]);
    // A film behind the picture, as telephones write it, longer than the stretch that is looked at.
    let jpeg = fixture("rgb-420.jpg");
    put(
        dir.path(),
        "b/film.jpg",
        &[jpeg.as_slice(), &[7; 9000]].concat(),
    );
    put(dir.path(), "b/half.jpg", &jpeg[..jpeg.len() / 2]);
    let folder = Folder::open(dir.path()).unwrap();
    for decode in [false, true] {
        let config = CheckConfig {
            decode,
            min_side: 8,
            ..CheckConfig::default()
        };
        let report = check(&[&folder], &config, &|_| {}).unwrap();
        let of = |name: &str| -> Vec<Kind> {
            let all = report.findings.iter();
            all.filter(|finding| finding.path.ends_with(name))
                .map(|finding| finding.kind)
                .collect()
        };
        assert_eq!(of("no-end.png"), [Kind::Damaged], "decode {decode}");
        assert_eq!(of("half.png"), [Kind::Truncated], "decode {decode}");
        assert_eq!(of("half.jpg"), [Kind::Truncated], "decode {decode}");
        assert!(
            !of("film.jpg").contains(&Kind::Truncated),
            "decode {decode}"
        );
    }
}
