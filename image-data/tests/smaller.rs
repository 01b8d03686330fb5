//! JPEGs decoded at a half, a quarter or an eighth: the right size, cut where the whole is cut, near what libjpeg
//! gives, and only where somebody asks for it.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_data::augment::{AugmentConfig, TrainTransform};
use image_data::decode::{
    DecodeConfig, DecodeError, DecodeLimits, decode, decode_part, decode_smaller_part,
};
use image_data::folder::Folder;
use image_data::loader::{Batch, Loader, LoaderConfig};
use image_data::random::{Key, Purpose};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::resample::Rect;
use model_core::{Preprocessing, RgbImage};

fn config() -> DecodeConfig {
    DecodeConfig::torchvision()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jpeg")
}

/// The JPEGs of the tests that are not damaged.
fn sound() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .filter(|(name, _)| !name.starts_with("damaged"))
        .collect();
    files.sort();
    assert!(files.len() >= 15);
    files
}

/// The part `rect` of a picture as small as `least` allows.
fn smaller(bytes: &[u8], least: [u32; 2], rect: Option<Rect>) -> Result<RgbImage, DecodeError> {
    decode_smaller_part(bytes, &config(), least, &mut |_, _| rect)
}

/// The whole picture at a `by`-th, where it is large enough and its samplings allow one. Its edges move to the nearest
/// sample.
fn whole(bytes: &[u8], by: u32) -> Option<RgbImage> {
    let exact = decode(bytes, &config()).unwrap();
    if exact.width < 2 * by || exact.height < 2 * by {
        return None;
    }
    let size = [(exact.height + by / 2) / by, (exact.width + by / 2) / by];
    let got = smaller(bytes, size, None).unwrap();
    if (got.width, got.height) == (exact.width, exact.height) {
        return None;
    }
    assert_eq!([got.height, got.width], size);
    Some(got)
}

/// Mean difference in levels.
fn gap(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let gaps = a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b));
    gaps.map(f64::from).sum::<f64>() / a.data.len() as f64
}

/// `make_smaller.py` asks libjpeg for the same.
#[test]
fn pictures_are_near_libjpegs_at_the_same_size() {
    let packed = std::fs::read(folder().join("smaller.bin")).unwrap();
    let mut expected = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut expected)
        .unwrap();
    let list = std::fs::read_to_string(folder().join("smaller.txt")).unwrap();
    let (mut at, mut worst) = (0, 0.0_f64);
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [by, width, height] = [1, 2, 3].map(|i| words[i].parse::<u32>().unwrap());
        let bytes = (width * height * 3) as usize;
        let theirs = RgbImage::new(width, height, expected[at..at + bytes].to_vec()).unwrap();
        at += bytes;
        let file = std::fs::read(folder().join(words[0])).unwrap();
        let ours = whole(&file, by).expect(line);
        // Ours has the nearest number of columns and rows, theirs the next larger one.
        let theirs = theirs.crop(0, 0, ours.width, ours.height);
        let gap = gap(&ours, &theirs);
        worst = worst.max(gap);
        // Without subsampled rows, an eighth is the first coefficients and nothing else.
        let is_plain = ["3x1.jpg", "411.jpg", "adobe-1-of-four.jpg"].contains(&words[0]);
        assert!(!is_plain || by < 8 || ours == theirs, "{line}");
    }
    assert_eq!(at, expected.len());
    // These pictures are noise: shrinking them by a resize gives 12 to 36 levels.
    assert!(worst < 10.0, "{worst:.2} levels");
}

#[test]
fn a_part_is_cut_from_the_whole() {
    let mut random = Key::new(5, 0, 0, Purpose::Augment).stream();
    for (name, bytes) in sound() {
        let exact = decode(&bytes, &config()).unwrap();
        for by in [2, 4, 8] {
            let Some(all) = whole(&bytes, by) else {
                continue;
            };
            for _ in 0..10 {
                // Whole samples of the smaller picture, and two at least: one might come at half of that again.
                let (columns, rows) = (exact.width / by, exact.height / by);
                if columns < 2 || rows < 2 {
                    continue;
                }
                let mut below = |n: u32| random.below(u64::from(n)) as u32;
                let (w, h) = (2 + below(columns - 1), 2 + below(rows - 1));
                let (x, y) = (below(columns - w + 1), below(rows - h + 1));
                let rect = Rect {
                    x: x * by,
                    y: y * by,
                    width: w * by,
                    height: h * by,
                };
                let got = smaller(&bytes, [h, w], Some(rect)).unwrap();
                assert_eq!(
                    (got.width, got.height),
                    (w, h),
                    "{name} at 1/{by}: {rect:?}"
                );
                assert!(got == all.crop(x, y, w, h), "{name} at 1/{by}: {rect:?}");
            }
        }
    }
}

#[test]
fn parts_keep_what_was_asked_for_even_of_damaged_files() {
    let mut random = Key::new(6, 0, 0, Purpose::Augment).stream();
    let limits = DecodeLimits {
        max_pixels: 1 << 18,
        ..DecodeLimits::default()
    };
    let config = DecodeConfig { limits, ..config() };
    let mut decoded = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let sound = std::fs::read(&path).unwrap();
        for round in 0..30 {
            let mut bytes = sound.clone();
            for _ in 0..round / 6 {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
            let mut below = |n: u32| random.below(u64::from(n)) as u32;
            let least = [1 + below(20), 1 + below(20)];
            let mut asked = None;
            let part = decode_smaller_part(&bytes, &config, least, &mut |width, height| {
                let (w, h) = (1 + below(width), 1 + below(height));
                asked = Some(Rect {
                    x: below(width - w + 1),
                    y: below(height - h + 1),
                    width: w,
                    height: h,
                });
                asked
            });
            let (Ok(part), Some(asked)) = (part, asked) else {
                continue;
            };
            let is_exact = (part.width, part.height) == (asked.width, asked.height);
            let is_enough = part.height >= least[0] && part.width >= least[1];
            assert!(is_exact || is_enough, "{}: {asked:?}", path.display());
            decoded += 1;
        }
    }
    assert!(decoded > 300, "{decoded}");
}

#[test]
fn a_part_that_is_not_shrunk_by_half_is_exact() {
    for (name, bytes) in sound() {
        let exact = decode(&bytes, &config()).unwrap();
        let rect = Rect {
            x: 1,
            y: 1,
            width: exact.width - 1,
            height: exact.height - 1,
        };
        let least = [rect.height / 2 + 1, 1];
        let got = smaller(&bytes, least, Some(rect)).unwrap();
        let want = decode_part(&bytes, &config(), &mut |_, _| Some(rect)).unwrap();
        assert!(got == want, "{name}");
    }
}

#[test]
fn the_loader_decodes_smaller_only_when_told() {
    // A photo-like picture: smooth, and large enough for crops of several times 32 pixels.
    let picture = image::RgbImage::from_fn(400, 300, |x, y| {
        let wave = |step: f64, at: u32| (f64::from(at) / step).sin() * 60.0 + 128.0;
        image::Rgb([wave(31.0, x), wave(23.0, y), wave(40.0, x + y)].map(|v| v as u8))
    });
    let dir = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        std::fs::create_dir(dir.path().join(class)).unwrap();
        for i in 0..4 {
            let path = dir.path().join(class).join(format!("{i}.jpg"));
            picture.save(path).unwrap();
        }
    }
    let epoch = |yes: Option<bool>| -> Vec<Batch> {
        let source = FolderSource::new(Folder::open(dir.path()).unwrap(), config());
        let source = match yes {
            Some(yes) => source.decode_smaller(yes),
            None => source,
        };
        let transform =
            TrainTransform::new(&AugmentConfig::default(), &Preprocessing::imagenet(), 32).unwrap();
        let loader = Loader::new(
            Arc::new(source),
            Arc::new(transform),
            Sampler::shuffled(8, 4, 1),
            LoaderConfig::training(2),
        );
        let batches = loader.epoch(0, 0).unwrap();
        batches.map(|batch| batch.unwrap()).collect()
    };
    let (default, exact, fast) = (epoch(None), epoch(Some(false)), epoch(Some(true)));
    for ((default, exact), fast) in default.iter().zip(&exact).zip(&fast) {
        assert!(default.pixels == exact.pixels && exact.pixels != fast.pixels);
        assert_eq!((&exact.labels, &exact.items), (&fast.labels, &fast.items));
        // The same crops, flips and resizes: only the decoder differs.
        let gaps = exact.pixels.iter().zip(&fast.pixels);
        let sum: u64 = gaps.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / exact.pixels.len() as f64;
        assert!(mean < 3.0, "{mean:.2} levels");
    }
}
