//! Every operation against PIL's and torchvision's pixels (`tests/data/make_augment.py`), to the byte.

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use image_data::augment::geometry::{self, Sampling};
use image_data::augment::{
    AugmentConfig, ColorJitter, CropKind, Interpolation, Operation, PolicyKind, TrainTransform,
    Transform, color,
};
use image_data::random::{Key, Purpose};
use model_core::{Preprocessing, RgbImage};

const SIZE: (u32, u32) = (37, 29);
const BLACK: [u8; 3] = [0; 3];
/// ImageNet's mean, with which timm fills.
const MEAN: [u8; 3] = [124, 116, 104];

/// The cases and outputs that a script of `tests/data` wrote under `name`.
fn data(name: &str) -> (Vec<String>, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let packed = std::fs::read(folder.join(format!("{name}.bin"))).unwrap();
    let mut pixels = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut pixels)
        .unwrap();
    let cases = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
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
        "ShearX" => Operation::ShearX(number()).apply(image, sampling, BLACK),
        "ShearY" => Operation::ShearY(number()).apply(image, sampling, BLACK),
        "TranslateX" => Operation::TranslateX(number()).apply(image, sampling, BLACK),
        "TranslateY" => Operation::TranslateY(number()).apply(image, sampling, BLACK),
        "Rotate" => *image = geometry::rotate(image, number(), sampling, BLACK),
        other => panic!("no operation {other}"),
    }
}

/// Fails with every case whose pixels are not those stored.
fn assert_equal(
    cases: &[String],
    input: &RgbImage,
    outputs: &[u8],
    apply: impl Fn(&str, &mut RgbImage),
) {
    let bytes = input.data.len();
    assert_eq!(outputs.len(), bytes * cases.len());
    let mut wrong = Vec::new();
    for (case, expected) in cases.iter().zip(outputs.chunks(bytes)) {
        let mut image = input.clone();
        apply(case, &mut image);
        let distances = image.data.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
        let differing = distances.clone().filter(|&d| d > 0).count();
        if differing > 0 {
            let worst = distances.max().unwrap();
            wrong.push(format!(
                "{case}: {differing} bytes differ, by up to {worst}"
            ));
        }
    }
    let (failed, total) = (wrong.len(), cases.len());
    assert!(
        wrong.is_empty(),
        "{failed} of {total} cases:\n{}",
        wrong.join("\n")
    );
}

/// The picture that both scripts work on.
fn input() -> RgbImage {
    let (_, mut pixels) = data("augment");
    pixels.truncate((SIZE.0 * SIZE.1 * 3) as usize);
    RgbImage::new(SIZE.0, SIZE.1, pixels).unwrap()
}

#[test]
fn operations_are_pils_to_the_byte() {
    let (cases, pixels) = data("augment");
    let input = input();
    assert_equal(&cases, &input, &pixels[input.data.len()..], apply);
    assert_eq!(cases.len(), 113);
}

#[test]
fn timms_operations_are_pils_to_the_byte() {
    let (cases, pixels) = data("timm");
    let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
    assert_equal(&cases, &input(), &pixels, |case, image| {
        let words: Vec<&str> = case.split(' ').collect();
        let number = words[2].parse::<f64>().unwrap();
        let sampling = match words[1] {
            "bicubic" => Sampling::Bicubic,
            "bilinear" => Sampling::Bilinear,
            _ => Sampling::Nearest,
        };
        let operation = match words[0] {
            "shear_x" => Operation::Affine([1.0, number, 0.0, 0.0, 1.0, 0.0]),
            "shear_y" => Operation::Affine([1.0, 0.0, 0.0, number, 1.0, 0.0]),
            "translate_x" => Operation::Affine([1.0, 0.0, number * width, 0.0, 1.0, 0.0]),
            "translate_y" => Operation::Affine([1.0, 0.0, 0.0, 0.0, 1.0, number * height]),
            "rotate" => Operation::Rotate(number),
            "solarize_add" => Operation::SolarizeAdd(number as u8),
            "solarize" => Operation::Solarize(number),
            "posterize" => Operation::Posterize(number as u32),
            "color" => Operation::Color(number - 1.0),
            "contrast" => Operation::Contrast(number - 1.0),
            "brightness" => Operation::Brightness(number - 1.0),
            "sharpness" => Operation::Sharpness(number - 1.0),
            "invert" => Operation::Invert,
            other => panic!("no operation {other}"),
        };
        operation.apply(image, sampling, MEAN);
    });
    assert_eq!(cases.len(), 72);
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

fn everything() -> AugmentConfig {
    AugmentConfig {
        policy: PolicyKind::RandAugment,
        color_jitter: Some(ColorJitter {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
        }),
        erasing_probability: 0.5,
        ..AugmentConfig::default()
    }
}

fn transform(config: &AugmentConfig, side: u32) -> TrainTransform {
    TrainTransform::new(config, &Preprocessing::imagenet(), side).unwrap()
}

#[test]
fn the_same_key_makes_the_same_pixels_and_another_makes_others() {
    let transform: Arc<dyn Transform> = Arc::new(transform(&everything(), 32));
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
    for crop in [CropKind::RandomResized, CropKind::Pad, CropKind::Center] {
        for (policy, interpolation) in [
            (PolicyKind::RandAugment, Interpolation::Nearest),
            (PolicyKind::TrivialAugmentWide, Interpolation::Bilinear),
            (PolicyKind::TimmRandAugment, Interpolation::Random),
        ] {
            let config = AugmentConfig {
                crop,
                policy,
                policy_interpolation: interpolation,
                interpolation: Interpolation::Random,
                ..everything()
            };
            let transform = transform(&config, 32);
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
    let erase = AugmentConfig {
        flip_probability: 0.0,
        erasing_probability: 1.0,
        ..AugmentConfig::default()
    };
    let erasing = transform(&erase, 64);
    let white = RgbImage::filled(64, 64, [255; 3]).unwrap();
    let mut areas = Vec::new();
    for index in 0..300 {
        let image = erasing.apply(
            white.clone(),
            &mut Key::new(0, 0, index, Purpose::Augment).stream(),
        );
        let pixels = image.data.as_chunks::<3>().0;
        let erased = pixels.iter().filter(|&&p| p == MEAN).count();
        assert!(pixels.iter().all(|&p| p == [255; 3] || p == MEAN));
        areas.push(erased as f64 / 4096.0);
    }
    let mean = areas.iter().sum::<f64>() / 300.0;
    assert!(
        (0.14..0.20).contains(&mean),
        "{mean}: uniform in 0.02..0.33 is 0.175"
    );
    // TrivialAugmentWide leaves a picture alone where it draws the identity or magnitude 0; timm does where both of its
    // operations are passed over, a quarter of all pictures.
    for (policy, expected) in [
        (PolicyKind::TrivialAugmentWide, 230..290),
        (PolicyKind::TimmRandAugment, 190..245),
    ] {
        let only_policy = AugmentConfig {
            crop: CropKind::Center,
            flip_probability: 0.0,
            policy,
            ..AugmentConfig::default()
        };
        let sixty_four = Preprocessing {
            crop: [64; 2],
            resize: model_core::preprocessing::Resize::ShortSide(64),
            ..Preprocessing::imagenet()
        };
        let transform = TrainTransform::new(&only_policy, &sixty_four, 64).unwrap();
        let changed = (0..300)
            .filter(|&index| {
                let key = Key::new(0, 0, index, Purpose::Augment);
                transform.apply(picture(64, 64), &mut key.stream()) != picture(64, 64)
            })
            .count();
        assert!(expected.contains(&changed), "{policy:?}: {changed} of 300");
    }
}

#[test]
fn alternating_flips_mirror_a_picture_in_every_other_epoch() {
    let picture = picture(32, 32);
    let mut mirrored = picture.clone();
    mirrored.flip_horizontal();
    let config = AugmentConfig {
        image_size: 32,
        crop: CropKind::Pad,
        padding: 0,
        flip_alternates: true,
        ..AugmentConfig::default()
    };
    let transform = transform(&config, 32);
    let is_mirrored = |index, epoch| {
        let mut random = Key::new(9, epoch, index, Purpose::Augment).stream();
        let out = transform.apply(picture.clone(), &mut random);
        assert!(out.data == picture.data || out.data == mirrored.data);
        out.data == mirrored.data
    };
    let mut first = 0;
    for index in 0..400 {
        let in_epochs = [0, 1, 2, 3, 4].map(|epoch| is_mirrored(index, epoch));
        assert!(in_epochs.windows(2).all(|pair| pair[0] != pair[1]));
        first += usize::from(in_epochs[0]);
    }
    assert!((160..240).contains(&first), "{first} of 400");

    let uneven = AugmentConfig {
        flip_probability: 0.3,
        ..config
    };
    let error = uneven.validate().unwrap_err().to_string();
    assert_eq!(
        error,
        "augment.flip_probability: expected 0.5 where flips alternate, got 0.3"
    );
}
