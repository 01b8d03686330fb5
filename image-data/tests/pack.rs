//! A pack: the same bytes each time, whole after any interruption, and the same training images as its source.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use image_data::check::{CheckConfig, Kind, check};
use image_data::dataset::{self, ContainerPart, Dataset};
use image_data::decode::{DecodeConfig, DecodeLimits, decode};
use image_data::pack::{PackConfig, pack};
use sha2::{Digest, Sha256};

fn write_set(root: &Path) {
    for (split, count) in [("train", 30), ("val", 4)] {
        for (class, name) in ["ant", "bee"].into_iter().enumerate() {
            let folder = root.join(split).join(name);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let picture = image::RgbImage::from_fn(60, 40 + i, |x, y| {
                    let wave = (f64::from(x) / 9.0).sin() * 60.0 + f64::from(y) * 2.0;
                    image::Rgb([wave as u8, (class as u8) * 90, (i * 3) as u8])
                });
                picture.save(folder.join(format!("{i:03}.jpg"))).unwrap();
            }
        }
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect()
}

fn open(dir: &Path) -> Dataset {
    dataset::open(dir).unwrap()
}

fn config(threads: usize) -> PackConfig {
    PackConfig {
        short_side: Some(32),
        shard_images: 16,
        threads,
        ..PackConfig::default()
    }
}

#[test]
fn a_pack_is_the_same_bytes_each_time_and_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    write_set(&data);
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let report = pack(&open(&data), &one, &config(1), &|_| ()).unwrap();
    assert_eq!((report.images, report.shards, report.kept), (68, 5, 0));
    pack(&open(&data), &two, &config(3), &|_| ()).unwrap();
    let whole = files(&one);
    assert_eq!(files(&two), whole);

    // As a kill leaves it: a shard missing, one without its index, one cut short, a partial file.
    fs::remove_file(two.join("train-000001.tar")).unwrap();
    fs::remove_file(two.join("train-000002.index")).unwrap();
    let cut = &whole["train-000003.tar"];
    fs::write(two.join("train-000003.tar"), &cut[..cut.len() / 2]).unwrap();
    let report = pack(&open(&data), &two, &config(2), &|_| ()).unwrap();
    assert_eq!((report.images, report.kept), (68, 2));
    assert_eq!(files(&two), whole);

    // The directory is held by one process at a time.
    let held = fs::File::create(two.join(".lock")).unwrap();
    held.lock().unwrap();
    let error = pack(&open(&data), &two, &config(1), &|_| ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("another pack"), "{error}");
    drop(held);

    let other = PackConfig {
        quality: 50,
        ..config(1)
    };
    let error = pack(&open(&data), &two, &other, &|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("holds a pack of") && error.contains("quality 92"),
        "{error}"
    );
}

#[test]
fn a_pack_is_read_as_its_source_is() {
    let dir = tempfile::tempdir().unwrap();
    let (data, packed) = (dir.path().join("data"), dir.path().join("packed"));
    write_set(&data);
    let originals = PackConfig {
        short_side: None,
        ..config(2)
    };
    pack(&open(&data), &packed, &originals, &|_| ()).unwrap();
    let (source, read) = (open(&data), open(&packed));
    let limits = DecodeLimits::default();
    for (a, b) in [(source.train, read.train), (source.val, read.val)] {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.classes, b.classes);
        assert_eq!(a.len(), b.len());
        for (x, y) in a.samples.iter().zip(&b.samples) {
            assert_eq!(x.class, y.class);
            assert_eq!(x.read(&limits).unwrap(), y.read(&limits).unwrap());
        }
    }
    // Without the index the tar files alone say the same.
    for name in files(&packed)
        .keys()
        .filter(|name| name.ends_with(".index"))
    {
        fs::remove_file(packed.join(name)).unwrap();
    }
    let plain = open(&packed).train.unwrap();
    assert_eq!(plain.samples, open(&packed).train.unwrap().samples);
    assert_eq!(plain.len(), 60);
}

#[test]
fn images_are_scaled_once_and_what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (data, packed) = (dir.path().join("data"), dir.path().join("packed"));
    write_set(&data);
    fs::write(data.join("train/ant/broken.jpg"), "not a picture").unwrap();
    let report = pack(&open(&data), &packed, &config(2), &|_| ()).unwrap();
    assert_eq!(report.left_out.len(), 1);
    assert!(report.left_out[0].0.ends_with("broken.jpg"));
    // A second call says it again, from the index.
    let again = pack(&open(&data), &packed, &config(2), &|_| ()).unwrap();
    assert_eq!(again.left_out.len(), 1);
    for sample in &open(&packed).train.unwrap().samples {
        let bytes = sample.read(&DecodeLimits::default()).unwrap();
        let image = decode(&bytes, &DecodeConfig::torchvision()).unwrap();
        assert_eq!(image.width.min(image.height), 32);
        assert!(
            bytes.windows(2).any(|two| two == [0xFF, 0xDD]),
            "restart intervals"
        );
    }
}

#[test]
fn a_changed_byte_of_a_shard_is_found_by_its_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let (data, packed) = (dir.path().join("data"), dir.path().join("packed"));
    write_set(&data);
    pack(&open(&data), &packed, &config(2), &|_| ()).unwrap();
    let thorough = CheckConfig {
        decode: true,
        duplicates: false,
        min_side: 16,
        ..CheckConfig::default()
    };
    let train = open(&packed).train.unwrap();
    let report = check(&[&train], &thorough, &|_| ()).unwrap();
    assert!(report.is_clean(), "{report}");

    // One bit of a quantization table, behind SOI, APP0 and SOF0: the picture is still a sound JPEG.
    let Some(ContainerPart::Bytes {
        container, offset, ..
    }) = &train.samples[20].part
    else {
        panic!("an image in a shard");
    };
    let mut bytes = fs::read(container).unwrap();
    bytes[*offset as usize + 60] ^= 0x40;
    fs::write(container, bytes).unwrap();
    let report = check(&[&train], &thorough, &|_| ()).unwrap();
    let found: Vec<(Kind, &Path)> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.path.as_path()))
        .collect();
    assert_eq!(found, [(Kind::Changed, container.as_ref())], "{report}");
    assert!(!report.is_clean());
    let detail = &report.findings[0].detail;
    assert!(detail.starts_with("expected SHA-256 "), "{detail}");
    // Without decoding only headers and ends are read.
    let quick = CheckConfig {
        decode: false,
        ..thorough
    };
    assert!(check(&[&train], &quick, &|_| ()).unwrap().is_clean());
}

/// Prints each file of each tar in a folder, a line each: the tar, the file, its length, its SHA-256.
const LIST: &str = "
import hashlib, pathlib, sys, tarfile
for path in sorted(pathlib.Path(sys.argv[1]).glob('*.tar')):
    with tarfile.open(path) as tar:
        for member in tar:
            data = tar.extractfile(member).read()
            print(path.name, member.name, len(data), hashlib.sha256(data).hexdigest())
";

#[test]
fn pythons_tarfile_reads_a_pack() {
    let dir = tempfile::tempdir().unwrap();
    let (data, packed) = (dir.path().join("data"), dir.path().join("packed"));
    write_set(&data);
    pack(&open(&data), &packed, &config(2), &|_| ()).unwrap();
    let python = Command::new("python3")
        .args(["-c", LIST])
        .arg(&packed)
        .output();
    let output = match python {
        Ok(output) => output,
        Err(error) => {
            println!("NOT RUN: python3 cannot be started ({error})");
            return;
        }
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).unwrap();
    let line = |shard: &Path, name: &str, bytes: &[u8]| {
        let shard = shard.file_name().unwrap().to_string_lossy();
        let hash = model_core::text::hex(&Sha256::digest(bytes));
        format!("{shard} {name} {} {hash}", bytes.len())
    };
    let mut expected = Vec::new();
    let set = open(&packed);
    for sample in set
        .train
        .iter()
        .chain(&set.val)
        .flat_map(|set| &set.samples)
    {
        let Some(ContainerPart::Bytes { container, .. }) = &sample.part else {
            panic!("an image in a shard");
        };
        let name = sample.path.file_name().unwrap().to_string_lossy();
        let bytes = sample.read(&DecodeLimits::default()).unwrap();
        expected.push(line(container, &name, &bytes));
        let label = name.replace(".jpg", ".cls");
        expected.push(line(container, &label, sample.class.to_string().as_bytes()));
    }
    assert_eq!(expected.len(), 2 * 68);
    let mut got: Vec<&str> = listed.lines().collect();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
}
