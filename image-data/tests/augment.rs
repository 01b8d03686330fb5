//! Every operation against PIL's and torchvision's pixels (`tests/data/make_augment.py`), to the byte.

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use image_data::augment::geometry::{self, Sampling};
use image_data::augment::{
    Augment, ColorJitter, Crop, Erasing, Operation, Policy, TrainTransform, Transform, color,
};
use image_data::random::{Key, Purpose};
use model_core::RgbImage;

const SIZE: (u32, u32) = (37, 29);

fn data() -> (Vec<String>, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let packed = std::fs::read(folder.join("augment.bin")).unwrap();
    let mut pixels = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut pixels)
        .unwrap();
    let cases = std::fs::read_to_string(folder.join("augment.txt")).unwrap();
    (cases.lines().map(str::to_owned).collect(), pixels)
}

fn apply(case: &str, image: &mut RgbImage) {
    let words: Vec<&str> = case.split(' ').collect();
    let number = || words.last().unwrap().parse::<f64>().unwrap();
    let sampling = if words.get(1) == Some(&"bilinear") {
        Sampling::Bilinear
    } else {
        Sampling::Nearest
    };
    match words[0] {
        "brightness" => color::brightness(image, number()),
        "contrast" => color::contrast(image, number()),
        "saturation" => color::saturation(image, number()),
        "sharpness" => color::sharpness(image, number()),
        "hue" => color::hue(image, number()),
        "posterize" => color::posterize(image, number() as u32),
        "solarize" => color::solarize(image, number()),
        "autocontrast" => color::autocontrast(image),
        "equalize" => color::equalize(image),
        "invert" => color::invert(image),
        "ShearX" => Operation::ShearX(number()).apply(image, sampling),
        "ShearY" => Operation::ShearY(number()).apply(image, sampling),
        "TranslateX" => Operation::TranslateX(number()).apply(image, sampling),
        "TranslateY" => Operation::TranslateY(number()).apply(image, sampling),
        "Rotate" => *image = geometry::rotate(image, number(), sampling),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn operations_are_pils_to_the_byte() {
    let (cases, pixels) = data();
    let bytes = (SIZE.0 * SIZE.1 * 3) as usize;
    assert_eq!(pixels.len(), bytes * (cases.len() + 1));
    let input = RgbImage::new(SIZE.0, SIZE.1, pixels[..bytes].to_vec()).unwrap();
    let mut wrong = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let mut image = input.clone();
        apply(case, &mut image);
        let expected = &pixels[bytes * (i + 1)..][..bytes];
        let differing = image
            .data
            .iter()
            .zip(expected)
            .filter(|(a, b)| a != b)
            .count();
        if differing > 0 {
            let worst = image
                .data
                .iter()
                .zip(expected)
                .map(|(a, b)| a.abs_diff(*b))
                .max()
                .unwrap();
            wrong.push(format!(
                "{case}: {differing} bytes differ, by up to {worst}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(cases.len(), 113);
}

#[test]
fn hue_agrees_over_the_color_cube() {
    let steps = || (0..=255).step_by(5).map(|v| v as u8);
    let data: Vec<u8> = steps()
        .flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b])))
        .collect();
    let mut cube = RgbImage::new(52 * 52, 52, data).unwrap();
    color::hue(&mut cube, 0.2);
    let mut crc = flate2::Crc::new();
    crc.update(&cube.data);
    assert_eq!(crc.sum(), CUBE_CRC, "printed by make_augment.py");
}

const CUBE_CRC: u32 = 0x1e28_5a31;

fn picture(width: u32, height: u32) -> RgbImage {
    let data = (0..width * height * 3)
        .map(|i| (i * 7 % 251) as u8)
        .collect();
    RgbImage::new(width, height, data).unwrap()
}

fn everything() -> Augment {
    Augment {
        policy: Policy::RAND_AUGMENT,
        color_jitter: Some(ColorJitter {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
        }),
        erasing: Some(Erasing::to_mean(0.5, [0.485, 0.456, 0.406])),
        ..Augment::default()
    }
}

#[test]
fn the_same_key_makes_the_same_pixels_and_another_makes_others() {
    let transform: Arc<dyn Transform> = Arc::new(TrainTransform::new(everything(), 32).unwrap());
    let make = |index| {
        transform.apply(
            picture(90, 60),
            &mut Key::new(1, 2, index, Purpose::Augment).stream(),
        )
    };
    assert_eq!(make(5), make(5));
    let different = (0..50).filter(|&i| make(i) != make(i + 1)).count();
    assert_eq!(different, 50);
}

#[test]
fn every_crop_gives_the_size_for_any_picture() {
    for crop in [
        Crop::IMAGENET,
        Crop::Pad { padding: 4 },
        Crop::Center { resize: 36 },
    ] {
        for policy in [Policy::RAND_AUGMENT, Policy::TRIVIAL_AUGMENT_WIDE] {
            let transform = TrainTransform::new(
                Augment {
                    crop,
                    policy,
                    ..everything()
                },
                32,
            )
            .unwrap();
            for (width, height) in [
                (1, 1),
                (1, 300),
                (300, 1),
                (2, 3),
                (32, 32),
                (33, 64),
                (200, 150),
            ] {
                for index in 0..30 {
                    let mut random = Key::new(0, 0, index, Purpose::Augment).stream();
                    let image = transform.apply(picture(width, height), &mut random);
                    assert_eq!(
                        (image.width, image.height, image.data.len()),
                        (32, 32, 32 * 32 * 3)
                    );
                }
            }
        }
    }
}

#[test]
fn erasing_fills_with_the_mean_and_policies_touch_most_pictures() {
    let erase = Augment {
        flip_probability: 0.0,
        erasing: Some(Erasing::to_mean(1.0, [0.485, 0.456, 0.406])),
        ..Augment::default()
    };
    let transform = TrainTransform::new(erase, 64).unwrap();
    let white = RgbImage::filled(64, 64, [255; 3]).unwrap();
    let mut areas = Vec::new();
    for index in 0..300 {
        let image = transform.apply(
            white.clone(),
            &mut Key::new(0, 0, index, Purpose::Augment).stream(),
        );
        let erased = image
            .data
            .as_chunks::<3>()
            .0
            .iter()
            .filter(|&&p| p == [124, 116, 104])
            .count();
        assert!(
            image
                .data
                .as_chunks::<3>()
                .0
                .iter()
                .all(|&p| p == [255; 3] || p == [124, 116, 104])
        );
        areas.push(erased as f64 / 4096.0);
    }
    let mean = areas.iter().sum::<f64>() / 300.0;
    assert!(
        (0.14..0.20).contains(&mean),
        "{mean}: uniform in 0.02..0.33 is 0.175"
    );
    let changed = (0..300)
        .filter(|&index| {
            let mut image = picture(64, 64);
            Policy::TRIVIAL_AUGMENT_WIDE.apply(
                &mut image,
                &mut Key::new(0, 0, index, Purpose::Augment).stream(),
            );
            image != picture(64, 64)
        })
        .count();
    assert!((230..290).contains(&changed), "{changed} of 300");
}

#[test]
fn impossible_values_are_refused_in_words() {
    let said = |augment: Augment, side| TrainTransform::new(augment, side).unwrap_err().to_string();
    let crop = Crop::RandomResized {
        scale: [0.5, 0.1],
        ratio: [0.75, 1.3],
    };
    assert_eq!(
        said(
            Augment {
                crop,
                ..Default::default()
            },
            32
        ),
        "crop scale: expected 0 < smallest <= largest, got [0.5, 0.1]"
    );
    assert!(
        said(
            Augment {
                flip_probability: 1.5,
                ..Default::default()
            },
            32
        )
        .contains("0 to 1, got 1.5")
    );
    assert!(said(Augment::default(), 0).contains("image size"));
    let policy = Policy::RandAugment {
        operations: 2,
        magnitude: 31,
        sampling: Sampling::Nearest,
    };
    assert!(
        said(
            Augment {
                policy,
                ..Default::default()
            },
            32
        )
        .contains("0 to 30, got 31")
    );
}
