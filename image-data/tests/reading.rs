//! One description says how a file becomes pixels: a turned and a transparent picture, read both ways.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::path::{Path, PathBuf};

use image_data::decode::{Alpha, DecodeConfig, Exif, ReadingConfig, decode_file};

/// `tests/data/make_reading.py` says what the pixels are.
const SIDE: u32 = 32;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/reading")
        .join(name)
}

fn upright(x: u32, y: u32) -> [u8; 3] {
    [8 * x, 8 * y, 4 * (x + y)].map(|v| v as u8)
}

fn assert_pixels(name: &str, reading: ReadingConfig, expected: impl Fn(u32, u32) -> [u8; 3]) {
    let image = decode_file(file(name), &DecodeConfig::reading(&reading)).unwrap();
    assert_eq!((image.width, image.height), (SIDE, SIDE));
    for y in 0..SIDE {
        for x in 0..SIDE {
            assert_eq!(
                image.pixel(x, y),
                expected(x, y),
                "{name} {reading:?} ({x}, {y})"
            );
        }
    }
}

#[test]
fn a_turned_picture_stands_upright_or_lies_as_stored() {
    assert_pixels("turned.png", ReadingConfig::default(), upright);
    let stored = |x: u32, y: u32| upright(SIDE - 1 - y, x);
    assert_pixels("turned.png", ReadingConfig::TORCHVISION, stored);
    let only_exif = ReadingConfig {
        exif: Exif::Apply,
        ..ReadingConfig::TORCHVISION
    };
    assert_pixels("turned.png", only_exif, upright);
}

#[test]
fn a_transparent_picture_lies_on_white_or_loses_its_alpha() {
    let on_white = |x: u32, y: u32| {
        if x < SIDE / 2 {
            upright(x, y)
        } else {
            [255; 3]
        }
    };
    assert_pixels("transparent.png", ReadingConfig::default(), on_white);
    assert_pixels("transparent.png", ReadingConfig::TORCHVISION, upright);
    let only_alpha = ReadingConfig {
        alpha: Alpha::OnWhite,
        ..ReadingConfig::TORCHVISION
    };
    assert_pixels("transparent.png", only_alpha, on_white);
}
