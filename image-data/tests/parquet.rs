//! Hugging Face's Parquet files: the same images as from class folders, and damage that is named.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use image_data::augment::{AugmentConfig, TrainTransform};
use image_data::check::{CheckConfig, check};
use image_data::dataset::{self, discover};
use image_data::decode::DecodeConfig;
use image_data::folder::Folder;
use image_data::loader::{Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::Preprocessing;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

const CLASSES: [&str; 3] = ["ant", "bee", "cow"];

/// Class, file name and bytes of the images of a split.
fn images(split: &str) -> Vec<(usize, String, Vec<u8>)> {
    let (count, first) = if split == "train" { (6, 0) } else { (2, 50) };
    let mut all = Vec::new();
    for class in 0..CLASSES.len() {
        for i in 0..count {
            let seed = class as u32 * 100 + i + first;
            let picture = image::RgbImage::from_fn(30 + i, 24, |x, y| {
                image::Rgb([x * 7 + seed, y * 9 + seed * 3, x * y + seed * 5].map(|v| v as u8))
            });
            let mut bytes = std::io::Cursor::new(Vec::new());
            let format = image::ImageFormat::Png;
            picture.write_to(&mut bytes, format).unwrap();
            all.push((class, format!("{class}_{i:03}.png"), bytes.into_inner()));
        }
    }
    all
}

fn write_folders(root: &Path) {
    for split in ["train", "val"] {
        for (class, name, bytes) in images(split) {
            let folder = root.join(split).join(CLASSES[class]);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// As the package `datasets` writes it: a struct of bytes and path, a number, the class names beside the schema.
fn write_parquet(path: &Path, split: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (UTF8); } \
                  optional int64 label; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let names = serde_json::json!({
        "info": {"features": {"label": {"names": CLASSES, "_type": "ClassLabel"}}}
    });
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_data_page_size_limit(4096)
        .set_write_batch_size(2)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "huggingface".to_owned(),
            names.to_string(),
        )]))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    for part in images(split).chunks(7) {
        let mut group = writer.next_row_group().unwrap();
        let bytes: Vec<ByteArray> = part.iter().map(|row| row.2.clone().into()).collect();
        let paths: Vec<ByteArray> = part.iter().map(|row| row.1.as_str().into()).collect();
        let labels: Vec<i64> = part.iter().map(|row| row.0 as i64).collect();
        for values in [bytes, paths] {
            let mut column = group.next_column().unwrap().unwrap();
            let levels = vec![2; values.len()];
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        let levels = vec![1; labels.len()];
        let typed = column.typed::<Int64Type>();
        typed.write_batch(&labels, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Every byte of two shuffled, augmented epochs, and the labels.
fn epochs(folder: Folder) -> Vec<(Vec<u8>, Vec<i64>)> {
    let sampler = Sampler {
        drop_last: false,
        ..Sampler::shuffled(folder.len(), 4, 9)
    };
    let transform =
        TrainTransform::new(&AugmentConfig::default(), &Preprocessing::imagenet(), 16).unwrap();
    let source = FolderSource::new(folder, DecodeConfig::torchvision());
    let config = LoaderConfig::training(2);
    let loader = Loader::new(Arc::new(source), Arc::new(transform), sampler, config);
    (0..2)
        .flat_map(|epoch| loader.epoch(epoch, 0).unwrap())
        .map(|batch| batch.map(|batch| (batch.pixels, batch.labels)).unwrap())
        .collect()
}

#[test]
fn the_same_images_give_the_same_pixels() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_folders(&at("folders"));
    let reference = dataset::open(&at("folders")).unwrap();
    let (train, val) = (reference.train.unwrap(), reference.val.unwrap());
    let (train, val) = (epochs(train), epochs(val));
    // As the hub names them, and without a split in the name.
    for split in ["train", "validation"] {
        let name = format!("hub/data/{split}-00000-of-00001.parquet");
        write_parquet(&at(&name), split);
        write_parquet(&at(&format!("folder/{split}/0000.parquet")), split);
    }
    for name in ["hub", "folder"] {
        let set = dataset::open(&at(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (train_set, val_set) = (set.train.unwrap(), set.val.unwrap());
        assert_eq!(train_set.classes, CLASSES, "{name}");
        assert!(
            train_set
                .description
                .contains("18 images in 1 Parquet file")
        );
        assert!(epochs(train_set) == train, "{name}: training");
        assert!(epochs(val_set) == val, "{name}: validation");
    }
    let single = dataset::open(&at("folder/train/0000.parquet")).unwrap();
    assert!(epochs(single.train.unwrap()) == train);
    // A check finds nothing to say, about names least of all: a cell has none.
    let set = dataset::open(&at("hub")).unwrap().train.unwrap();
    let config = CheckConfig {
        min_side: 8,
        decode: true,
        ..CheckConfig::default()
    };
    let report = check(&[&set], &config, &|_| ()).unwrap();
    assert!(
        report.is_clean() && report.findings.is_empty(),
        "{report:?}"
    );
}

#[test]
fn a_table_without_images_says_its_columns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.parquet");
    let schema = "message schema { required int64 label; required int64 age; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = File::create(&path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    writer.close().unwrap();
    let error = dataset::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("image.bytes") && error.contains("label, age"),
        "{error}"
    );
}

#[test]
fn the_cache_of_hugging_face_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = ".cache/huggingface/hub/datasets--ILSVRC--imagenet-1k/snapshots/abc";
    let snapshot = dir.path().join(snapshot);
    write_parquet(&snapshot.join("data/train-00000-of-00294.parquet"), "train");
    let found = discover(None, Path::new("/nonexistent"), Some(dir.path())).found;
    assert_eq!(found, Some(snapshot));
}

/// A file of `tests/data/parquet`, made by pyarrow (`make_parquet.py`).
fn packed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet");
    fs::read(path.join(format!("{name}.parquet"))).expect(name)
}

/// An image's class, and its bytes or why there are none.
type Row = (usize, Result<Vec<u8>, String>);

/// The classes and the images of a Parquet file.
fn rows(bytes: &[u8]) -> (Vec<String>, Vec<Row>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.parquet");
    fs::write(&path, bytes).unwrap();
    let set = dataset::open(&path).unwrap().train.unwrap();
    let read = set.samples.iter().map(|sample| {
        let bytes = sample.read(&DecodeConfig::torchvision().limits);
        (sample.class, bytes.map_err(|error| error.to_string()))
    });
    (set.classes.clone(), read.collect())
}

#[test]
fn every_packing_gives_the_same_images() {
    let plain = rows(&packed("plain"));
    assert_eq!(plain.0, ["ant", "bee"]);
    assert_eq!(plain.1.len(), 8);
    assert!(plain.1.iter().all(|(_, image)| image.is_ok()));
    for name in [
        "snappy",
        "zstd",
        "zstd-v2",
        "gzip",
        "brotli",
        "lz4",
        "dictionary",
    ] {
        assert!(rows(&packed(name)) == plain, "{name}");
    }
    let (_, nulls) = rows(&packed("nulls"));
    let without: Vec<&str> = nulls
        .iter()
        .filter_map(|(_, image)| image.as_ref().err().map(String::as_str))
        .collect();
    assert_eq!(without.len(), 1, "{without:?}");
    assert!(
        without[0].contains("the cell holds no image"),
        "{without:?}"
    );
}

#[test]
fn a_damaged_page_costs_its_rows_and_nothing_else() {
    for name in [
        "snappy", "zstd", "zstd-v2", "gzip", "brotli", "lz4", "plain",
    ] {
        let sound = packed(name);
        let (_, expected) = rows(&sound);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.parquet");
        // In the middle of the first row group's images: the labels and the other pages stay.
        let mut bytes = sound.clone();
        for byte in &mut bytes[1200..1216] {
            *byte ^= 0xA5;
        }
        fs::write(&path, &bytes).unwrap();
        let set = dataset::open(&path).unwrap().train.unwrap();
        assert_eq!(set.len(), 8, "{name}");
        let config = CheckConfig {
            min_side: 8,
            decode: true,
            ..CheckConfig::default()
        };
        let report = check(&[&set], &config, &|_| ()).unwrap();
        assert!(!report.is_clean(), "{name}");
        // Counted: what is damaged is an error or other bytes; all other rows are as before.
        let (_, got) = rows(&bytes);
        let same = got.iter().zip(&expected).filter(|(a, b)| a == b).count();
        assert!(
            (4..8).contains(&same),
            "{name}: {same} of 8 rows are as before"
        );
        // Named by file and row, and left out by the loader, which goes on to the end.
        let source = FolderSource::new(set, DecodeConfig::torchvision());
        let transform = image_data::augment::EvalTransform(Preprocessing::cifar10());
        let loader = Loader::new(
            Arc::new(source),
            Arc::new(transform),
            Sampler::sequential(8, 3),
            LoaderConfig::evaluation(2),
        );
        let seen: usize = loader
            .epoch(0, 0)
            .unwrap()
            .map(|batch| batch.unwrap().len())
            .sum();
        let bad = loader.report().images();
        assert_eq!(seen + bad.len(), 8, "{name}");
        assert!((1..=4).contains(&bad.len()), "{name}: {bad:?}");
        assert!(
            bad.iter()
                .all(|image| image.name.contains("train.parquet/train-row-00000"))
        );
    }
}

#[test]
fn mutated_files_are_errors_and_never_hang() {
    use image_data::random::{Key, Purpose};
    for (number, name) in [
        "zstd",
        "zstd-v2",
        "gzip",
        "brotli",
        "lz4",
        "dictionary",
        "nulls",
    ]
    .into_iter()
    .enumerate()
    {
        let sound = packed(name);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.parquet");
        for round in 0..150 {
            let mut random = Key::new(round, number as u32, 0, Purpose::Other).stream();
            let mut bytes = sound.clone();
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next_u32() as u8;
            }
            fs::write(&path, &bytes).unwrap();
            let Ok(set) = dataset::open(&path) else {
                continue;
            };
            for sample in set.train.unwrap().samples {
                let _ = sample.read(&DecodeConfig::torchvision().limits);
            }
        }
    }
}
