//! How images are read travels with the weights: training, validation, preview and `train evaluate` see the same pixels
//! of a turned and of a transparent picture, in either order of the channels.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

mod common;

use std::fs;
use std::path::Path;

use model_core::RgbImage;
use model_core::preprocessing::ChannelOrder;
use model_core::reading::ReadingConfig;
use tch::{Device, Tensor};
use train::data::DataSource;
use train::data::images::Images;
use train::input::Normalizer;
use train::metrics;
use train::recipe::{Recipe, load};

const SIDE: u32 = 32;

/// The pictures of `image-data/tests/data/make_reading.py`, as validation and training images.
fn data(dir: &Path) {
    for split in ["train", "val"] {
        for (class, name) in [("clear", "transparent.png"), ("turned", "turned.png")] {
            let folder = dir.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../image-data/tests/data/reading")
                .join(name);
            fs::copy(from, folder.join(name)).unwrap();
        }
    }
}

/// What a person sees of the two pictures, `[2, 3, 32, 32]` u8: on white, and upright.
fn as_seen() -> Tensor {
    picture(
        |x, y| {
            if x < SIDE / 2 {
                upright(x, y)
            } else {
                [255; 3]
            }
        },
        upright,
    )
}

/// What PIL reads of them.
fn as_stored() -> Tensor {
    picture(upright, |x, y| upright(SIDE - 1 - y, x))
}

fn upright(x: u32, y: u32) -> [u8; 3] {
    [8 * x, 8 * y, 4 * (x + y)].map(|v| v as u8)
}

fn picture(clear: impl Fn(u32, u32) -> [u8; 3], turned: impl Fn(u32, u32) -> [u8; 3]) -> Tensor {
    let mut bytes = Vec::new();
    for of in [&clear as &dyn Fn(u32, u32) -> [u8; 3], &turned] {
        for y in 0..SIDE {
            for x in 0..SIDE {
                bytes.extend(of(x, y));
            }
        }
    }
    let side = i64::from(SIDE);
    Tensor::from_slice(&bytes)
        .view([2, side, side, 3])
        .permute([0, 3, 1, 2])
}

fn recipe(channels: ChannelOrder, reading: ReadingConfig) -> Recipe {
    let text = "batch_size: 2\nworkers: 1\naugment: {crop: center, image_size: 32, flip_probability: 0}\n\
                preprocessing: {resize: {short_side: 32}, crop: [32, 32]}";
    let mut recipe = load::from_text(text, &[]).unwrap();
    recipe.preprocessing.channels = channels;
    recipe.preprocessing.reading = reading;
    recipe
}

/// The pixels of a batch in the order of its labels.
fn sorted(pixels: &Tensor, labels: &Tensor) -> Tensor {
    pixels.index_select(0, &labels.argsort(0, false))
}

#[test]
fn training_and_validation_see_what_the_preprocessing_says() {
    let dir = tempfile::tempdir().unwrap();
    data(dir.path());
    for (reading, expected) in [
        (ReadingConfig::default(), as_seen()),
        (ReadingConfig::TORCHVISION, as_stored()),
    ] {
        for channels in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let recipe = recipe(channels, reading);
            let source = Images::open(&recipe, dir.path(), 0, 1).unwrap();
            let train = source.train(0, 0, SIDE).unwrap().next().unwrap().unwrap();
            let val = source.val().unwrap().next().unwrap().unwrap();
            let labels = ["clear", "turned"].map(model_core::Label::named);
            let again = Images::open_val(&recipe, dir.path(), Some(&labels)).unwrap();
            let again = again.val().unwrap().next().unwrap().unwrap();
            let normalizer = Normalizer::new(&recipe.preprocessing, Device::Cpu).unwrap();
            for batch in [train, val, again] {
                assert_eq!(sorted(&batch.pixels, &batch.labels), expected);
                // The network's input is what `model_core` makes of the same pixels, in infer-cli and export.
                let input = normalizer.apply(&batch.pixels).unwrap();
                for (index, label) in Vec::<i64>::try_from(&batch.labels)
                    .unwrap()
                    .iter()
                    .enumerate()
                {
                    let bytes = expected
                        .get(*label)
                        .permute([1, 2, 0])
                        .contiguous()
                        .view([-1]);
                    let image =
                        RgbImage::new(SIDE, SIDE, Vec::<u8>::try_from(&bytes).unwrap()).unwrap();
                    let core = Tensor::from_slice(&recipe.preprocessing.apply(&image));
                    let ours = input.get(index as i64).contiguous().view([-1]);
                    let difference = (core - ours).abs().max().double_value(&[]);
                    assert!(difference < 1e-6, "{channels:?}: {difference}");
                }
            }
        }
    }
}

#[test]
fn preview_shows_the_pictures_as_the_recipe_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    data(dir.path());
    for (exif, alpha, expected) in [
        ("apply", "on_white", as_seen()),
        ("ignore", "drop", as_stored()),
    ] {
        let sheet = dir.path().join("sheet.png");
        let reading = format!("preprocessing.reading={{exif: {exif}, alpha: {alpha}}}");
        assert_cmd::Command::cargo_bin("train")
            .unwrap()
            .args(["preview", "--recipe", "cifar10-resnet20", "--rows", "2"])
            .args(["--columns", "1", "--set", &reading, "--data"])
            .arg(dir.path())
            .arg("--output")
            .arg(&sheet)
            .assert()
            .success();
        let sheet = image::open(&sheet).unwrap().to_rgb8();
        // Two rows; each pixel of the first column is a square of 3 x 3, 4 pixels lie between and around.
        let mut seen: Vec<Vec<u8>> = (0..2)
            .map(|row| {
                let top = 4 + row * 100;
                (0..SIDE * SIDE)
                    .flat_map(|i| {
                        sheet
                            .get_pixel(5 + 3 * (i % SIDE), top + 1 + 3 * (i / SIDE))
                            .0
                    })
                    .collect()
            })
            .collect();
        let mut wanted: Vec<Vec<u8>> = (0..2)
            .map(|i| {
                let bytes = expected.get(i).permute([1, 2, 0]).contiguous().view([-1]);
                Vec::<u8>::try_from(&bytes).unwrap()
            })
            .collect();
        seen.sort();
        wanted.sort();
        assert!(seen == wanted, "exif {exif}, alpha {alpha}");
    }
}

/// Half of the photos are stored upside down and say so in EXIF; the class is which half is bright.
fn half_upside_down(dir: &Path) {
    for (split, count) in [("train", 24), ("val", 10)] {
        for class in ["down", "up"] {
            let folder = dir.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for index in 0..count {
                let is_turned = index % 2 == 0;
                let bright_above = (class == "up") != is_turned;
                let rgb = image::RgbImage::from_fn(32, 32, |x, y| {
                    let bright = (y < 16) == bright_above;
                    let noise = ((x * 31 + y * 17 + index * 7) % 60) as u8;
                    image::Rgb([if bright { 170 + noise } else { 20 + noise }; 3])
                });
                let mut bytes = Vec::new();
                let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
                let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
                exif.extend([if is_turned { 3 } else { 1 }, 0, 0, 0, 0, 0, 0, 0]);
                image::ImageEncoder::set_exif_metadata(&mut encoder, exif).unwrap();
                rgb.write_with_encoder(encoder).unwrap();
                fs::write(folder.join(format!("{index:03}.png")), bytes).unwrap();
            }
        }
    }
}

/// Top-1 in percent of a checkpoint, as `train evaluate` prints it.
fn evaluated(checkpoint: &Path, data: &Path, more: &[&str]) -> serde_json::Value {
    let output = assert_cmd::Command::cargo_bin("train")
        .unwrap()
        .args(["evaluate", "--json", "--data"])
        .arg(data)
        .arg("--checkpoint")
        .arg(checkpoint)
        .args(more)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn evaluate_reads_photos_as_training_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    half_upside_down(&data);
    for flag in ["apply_exif=true", "preprocessing.channels=bgr"] {
        common::train()
            .args(["--epochs", "8", "--overwrite", "--set", flag, "--data"])
            .arg(&data)
            .arg("--output")
            .arg(&out)
            .assert()
            .success();
        let history = metrics::read(&out.join("metrics.jsonl")).unwrap();
        let best = history
            .iter()
            .filter_map(|r| r.val_top1_percent)
            .fold(0.0, f64::max);
        assert!(best > 90.0, "upright photos should be easy: {best} %");
        let checkpoint = out.join("checkpoints/best.safetensors");
        let seen = evaluated(&checkpoint, &data, &[]);
        assert_eq!(seen["top1_percent"].as_f64(), Some(best), "{flag}");
        let lying = ["--set", "preprocessing.reading.exif=ignore"];
        let stored = evaluated(&checkpoint, &data, &lying);
        assert!(stored["top1_percent"].as_f64().unwrap() < 70.0, "{stored}");
    }
}

#[test]
fn evaluate_matches_classes_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("run"));
    common::images(&data, 8, 4);
    common::train()
        .args(["--epochs", "4", "--data"])
        .arg(&data)
        .arg("--output")
        .arg(&out)
        .assert()
        .success();
    let checkpoint = out.join("checkpoints/best.safetensors");
    let all = evaluated(&checkpoint, &data, &[]);
    let right = |label: &str| {
        let classes = all["classes"].as_array().unwrap();
        let class = classes
            .iter()
            .find(|class| class["label"] == label)
            .unwrap();
        class["top1_percent"].as_f64().unwrap() / 100.0 * class["images"].as_f64().unwrap()
    };
    // Two of three classes, one of them named in another case: the figures of those two alone.
    fs::remove_dir_all(data.join("val/blue")).unwrap();
    fs::rename(data.join("val/red"), data.join("val/RED")).unwrap();
    let two = evaluated(&checkpoint, &data, &[]);
    let expected = 100.0 * (right("green") + right("red")) / 8.0;
    assert!(
        (two["top1_percent"].as_f64().unwrap() - expected).abs() < 1e-9,
        "{two}"
    );

    fs::rename(data.join("val/RED"), data.join("val/00_truck")).unwrap();
    let output = assert_cmd::Command::cargo_bin("train")
        .unwrap()
        .args(["evaluate", "--data"])
        .arg(&data)
        .arg("--checkpoint")
        .arg(&checkpoint)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("1 of 2 that are none: 00_truck"), "{text}");
}
