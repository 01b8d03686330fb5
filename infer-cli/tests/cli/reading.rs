//! How images are read travels with the weights: a turned picture, a transparent one and a plain one, from the
//! checkpoint's manifest through export's proof and calibration to this program's answer.
//!
//! Each case has a twin that needs no reading at all: the pictures stored as the network is meant to see them, for a
//! manifest in the ordinary order of channels. Case and twin must agree in every number.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use export::cli::Cli;
use export::images::ImageList;
use image_data::decode::{DecodeConfig, decode_file};
use model_core::arch;
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::onnx::{self, GraphProto};
use model_core::preprocessing::ChannelOrder;
use model_core::reading::{Alpha, Exif, ReadingConfig};

use crate::checkpoints;
use crate::helpers::{Bench, outcome};

/// `image-data/tests/data/make_reading.py` says what the pixels of the two pictures are.
const SIDE: u32 = 32;
const PICTURES: [&str; 3] = ["plain.png", "transparent.png", "turned.png"];

fn upright(x: u32, y: u32) -> [u8; 3] {
    [8 * x, 8 * y, 4 * (x + y)].map(|value| value as u8)
}

/// The pixel that `reading` must give, by the picture's description and not by any decoder.
fn seen(picture: &str, reading: ReadingConfig, x: u32, y: u32) -> [u8; 3] {
    match picture {
        "transparent.png" if reading.alpha == Alpha::OnWhite && x >= SIDE / 2 => [255; 3],
        "turned.png" if reading.exif == Exif::Ignore => upright(SIDE - 1 - y, x),
        _ => upright(x, y),
    }
}

fn write_pixels(path: &Path, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    image::RgbImage::from_fn(SIDE, SIDE, |x, y| image::Rgb(pixel(x, y)))
        .save(path)
        .unwrap();
}

/// What comes out of one manifest and one folder of pictures.
#[derive(PartialEq)]
struct Walked {
    /// What the proof and the calibration feed to the network.
    inputs: Vec<Vec<f32>>,
    /// The int8 graph, whose every scale depends on what the calibration saw.
    int8: GraphProto,
    /// What the proof says of the engines on the photos.
    compared: serde_json::Value,
    /// Every class's probability in this program's JSON.
    answers: Vec<Vec<(String, f64)>>,
}

/// Exports a checkpoint that carries `manifest`, proves and calibrates it on `photos`, and classifies them.
fn walk(bench: &Bench, name: &str, manifest: &Manifest, photos: &Path) -> Walked {
    let dir = bench.path().join(name);
    fs::create_dir(&dir).unwrap();
    let architecture = arch::by_name("resnet_tiny", 10).unwrap();
    let weights = checkpoints::procedural_weights(&architecture);
    let checkpoint = dir.join("best.safetensors");
    checkpoints::write_checkpoint(&checkpoint, &weights, Some(manifest));
    let export = |target: &str, flags: &[&str]| -> PathBuf {
        let target = dir.join(target);
        let mut words = vec!["export-onnx", "--engines", "tract", "--checkpoint"];
        let paths = [&checkpoint, &target].map(|path| path.to_str().unwrap());
        words.extend([paths[0], "--output", paths[1]]);
        words.extend(flags);
        export::run_export(&Cli::parse_from(words).export).unwrap();
        target
    };
    let photos_name = photos.to_str().unwrap();
    let float = export("float.onnx", &["--verify-data", photos_name]);
    let int8 = export("int8.onnx", &["--int8", "--calibration", photos_name]);

    let model = onnx::read(&float).unwrap();
    let written = Manifest::from_json(model.metadata(MANIFEST_KEY).unwrap()).unwrap();
    assert_eq!(written.preprocessing, manifest.preprocessing);
    let images = ImageList::open(photos, manifest, PICTURES.len()).unwrap();
    let inputs = images.load(0, PICTURES.len()).unwrap();
    let config = DecodeConfig::reading(&manifest.preprocessing.reading);
    for (picture, input) in PICTURES.iter().zip(&inputs) {
        let decoded = decode_file(photos.join(picture), &config).unwrap();
        assert_eq!(&manifest.preprocessing.apply(&decoded), input, "{picture}");
    }

    let mut command = bench.bare(&["--json", "--topk", "10", "--model"]);
    command.arg(&float);
    command.args(PICTURES.map(|picture| photos.join(picture)));
    let (code, out, err) = outcome(&mut command);
    assert_eq!(code, 0, "{err}");
    let answers = out.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let predictions = line["predictions"].as_array().unwrap();
        predictions
            .iter()
            .map(|one| {
                let label = one["label"].as_str().unwrap().to_owned();
                (label, one["probability"].as_f64().unwrap())
            })
            .collect()
    });
    Walked {
        inputs,
        int8: onnx::read(&int8).unwrap().graph.unwrap(),
        compared: written.certificate.unwrap()["compared"].clone(),
        answers: answers.collect(),
    }
}

#[test]
fn export_and_classification_read_pictures_as_the_checkpoint_says() {
    let bench = Bench::new();
    let photos = bench.path().join("photos");
    fs::create_dir(&photos).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image-data/tests/data/reading");
    for picture in ["turned.png", "transparent.png"] {
        fs::copy(data.join(picture), photos.join(picture)).unwrap();
    }
    write_pixels(&photos.join("plain.png"), upright);

    let mut all: Vec<(String, Walked)> = Vec::new();
    for (reading, name) in [
        (ReadingConfig::default(), "as-seen"),
        (ReadingConfig::TORCHVISION, "as-stored"),
    ] {
        for channels in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let name = format!("{name}-{channels:?}");
            let mut manifest = checkpoints::manifest("resnet_tiny", 10, SIDE);
            manifest.preprocessing.reading = reading;
            manifest.preprocessing.channels = channels;
            let case = walk(&bench, &name, &manifest, &photos);

            // Blue first is the picture with red and blue exchanged, and mean and std with them.
            let mut twin = checkpoints::manifest("resnet_tiny", 10, SIDE);
            let swapped = channels == ChannelOrder::Bgr;
            if swapped {
                twin.preprocessing.mean.reverse();
                twin.preprocessing.std.reverse();
            }
            let stored = bench.path().join(format!("{name}-photos"));
            fs::create_dir(&stored).unwrap();
            for picture in PICTURES {
                write_pixels(&stored.join(picture), |x, y| {
                    let [r, g, b] = seen(picture, reading, x, y);
                    if swapped { [b, g, r] } else { [r, g, b] }
                });
            }
            let twin = walk(&bench, &format!("{name}-twin"), &twin, &stored);
            assert!(case.inputs == twin.inputs, "{name}: the network's inputs");
            assert!(case.int8 == twin.int8, "{name}: the calibration");
            assert_eq!(case.compared, twin.compared, "{name}: the proof");
            assert_eq!(case.answers, twin.answers, "{name}: the answers");
            all.push((name, case));
        }
    }
    // Every other way of reading would have been noticed.
    for (index, (name, one)) in all.iter().enumerate() {
        for (other_name, other) in &all[index + 1..] {
            assert!(one.int8 != other.int8, "{name} and {other_name}");
            let same = |picture: usize| one.answers[picture] == other.answers[picture];
            let channels_differ = name.ends_with("Rgb") != other_name.ends_with("Rgb");
            assert_eq!(same(0), !channels_differ, "{name} and {other_name}: plain");
            assert!(!same(1), "{name} and {other_name}: transparent");
            assert!(!same(2), "{name} and {other_name}: turned");
        }
    }
}
