//! Every storage we claim to read, against PIL's pixels (`tests/data/make_decode.py`).

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::{Path, PathBuf};

use image_data::decode::{
    Alpha, Color, DecodeConfig, DecodeError, DecodeLimits, Format, decode, decode_file,
    decode_full, probe,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect(name)
}

struct Expected {
    name: String,
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

fn expected() -> Vec<Expected> {
    let packed = bytes("expected.bin");
    let mut all = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut all)
        .unwrap();
    let list = std::fs::read_to_string(folder().join("expected.txt")).unwrap();
    let mut at = 0;
    let cases: Vec<Expected> = list
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap().to_owned();
            let (width, height) = (
                words.next().unwrap().parse().unwrap(),
                words.next().unwrap().parse().unwrap(),
            );
            let length = (width * height * 3) as usize;
            at += length;
            Expected {
                name,
                width,
                height,
                rgb: all[at - length..at].to_vec(),
            }
        })
        .collect();
    assert_eq!(at, all.len());
    cases
}

/// Largest and mean absolute difference.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let gaps = a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b));
    (
        gaps.clone().max().unwrap_or(0),
        gaps.map(f64::from).sum::<f64>() / a.len() as f64,
    )
}

#[test]
fn pixels_are_pils() {
    let mut checked = 0;
    for case in expected() {
        let image = decode(&bytes(&case.name), &DecodeConfig::torchvision())
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(
            (image.width, image.height),
            (case.width, case.height),
            "{}",
            case.name
        );
        let (worst, mean) = difference(&image.data, &case.rgb);
        println!("{:20} worst {worst} mean {mean:.3}", case.name);
        // Every format is read to the byte, JPEG as libjpeg-turbo with its default settings reads it.
        assert_eq!(
            worst, 0,
            "{}: a pixel is {worst} levels from PIL's",
            case.name
        );
        checked += 1;
    }
    assert_eq!(checked, 42);
}

#[test]
fn exif_orientation_is_applied_or_ignored() {
    let upright = decode_file(folder().join("exif-1.jpg"), &DecodeConfig::default()).unwrap();
    let (w, h) = (upright.width as usize, upright.height as usize);
    let at = |x: usize, y: usize| &upright.data[(y * w + x) * 3..][..3];
    for orientation in 2..=8 {
        let turned = decode_file(
            folder().join(format!("exif-{orientation}.jpg")),
            &DecodeConfig::default(),
        )
        .unwrap();
        let (tw, th) = if orientation >= 5 { (h, w) } else { (w, h) };
        assert_eq!((turned.width as usize, turned.height as usize), (tw, th));
        for y in 0..th {
            for x in 0..tw {
                // EXIF 2.32, tag 0x0112: where row 0 and column 0 of the stored picture are seen.
                let stored = match orientation {
                    2 => at(w - 1 - x, y),
                    3 => at(w - 1 - x, h - 1 - y),
                    4 => at(x, h - 1 - y),
                    5 => at(y, x),
                    6 => at(y, h - 1 - x),
                    7 => at(w - 1 - y, h - 1 - x),
                    _ => at(w - 1 - y, x),
                };
                assert_eq!(
                    &turned.data[(y * tw + x) * 3..][..3],
                    stored,
                    "orientation {orientation} at {x}, {y}"
                );
            }
        }
        let ignored = decode_file(
            folder().join(format!("exif-{orientation}.jpg")),
            &DecodeConfig::torchvision(),
        );
        assert_eq!(ignored.unwrap().data, upright.data);
    }
}

#[test]
fn alpha_lies_on_white_unless_dropped() {
    let on_white = decode(&bytes("rgba.png"), &DecodeConfig::default()).unwrap();
    let dropped = decode(
        &bytes("rgba.png"),
        &DecodeConfig {
            alpha: Alpha::Drop,
            ..Default::default()
        },
    )
    .unwrap();
    assert_eq!(on_white.pixel(0, 20), [255; 3]); // alpha 0 in the first column
    assert_ne!(dropped.pixel(0, 20), [255; 3]);
    let alpha = 44.0 * 5.0 / 255.0; // last column
    for c in 0..3 {
        let blend = f64::from(dropped.pixel(44, 20)[c]) * alpha + 255.0 * (1.0 - alpha);
        assert!((f64::from(on_white.pixel(44, 20)[c]) - blend).abs() <= 0.51);
    }
}

#[test]
fn color_profiles_are_converted_as_lcms_does() {
    let mut expected = Vec::new();
    let packed = bytes("expected-p3.bin");
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut expected)
        .unwrap();
    let stored = decode(&bytes("rgb.png"), &DecodeConfig::torchvision()).unwrap();
    let (of_png, of_jpeg) = expected.split_at(stored.data.len());
    assert!(
        difference(&stored.data, of_png).0 > 20,
        "the profile must matter"
    );
    for (name, expected) in [("p3.png", of_png), ("p3.jpg", of_jpeg)] {
        let converted = decode(&bytes(name), &DecodeConfig::default()).unwrap();
        let (worst, mean) = difference(&converted.data, expected);
        println!("{name} worst {worst} mean {mean:.3}");
        assert!(
            worst <= 1 && mean < 0.1,
            "{name}: {worst} levels from lcms, {mean} on average"
        );
    }
    let ignored = decode(&bytes("p3.png"), &DecodeConfig::torchvision()).unwrap();
    assert_eq!(ignored, stored);
}

#[test]
fn storage_is_reported() {
    let color = |name: &str| {
        decode_full(&bytes(name), &DecodeConfig::default())
            .unwrap()
            .color
    };
    assert_eq!(color("cmyk.jpg"), Color::Cmyk);
    assert_eq!(color("ycck.jpg"), Color::Ycck);
    assert_eq!(color("gray.jpg"), Color::Gray);
    assert_eq!(color("rgb-420.jpg"), Color::Rgb);
    assert_eq!(color("rgb-16.png"), Color::Deep);
    assert_eq!(color("rgba.webp"), Color::Alpha);
    let header = probe(&bytes("png-named.jpeg"), &DecodeLimits::default()).unwrap();
    assert_eq!(
        (header.format, header.width, header.height),
        (Format::Png, 45, 34)
    );
    for case in expected() {
        let header = probe(&bytes(&case.name), &DecodeLimits::default()).unwrap();
        assert_eq!(
            (header.width, header.height),
            (case.width, case.height),
            "{}",
            case.name
        );
    }
}

#[test]
fn truncation_is_an_error_for_every_format() {
    // Formats that say how long they are, cut in the middle of their pixels.
    for name in [
        "rgb-444.jpg",
        "progressive.jpg",
        "rgb.png",
        "lossless.webp",
        "lossy.webp",
        "rgb.bmp",
        "rgb.tiff",
        "rgb.ppm",
        "rgb.qoi",
        "first-frame.gif",
    ] {
        let whole = bytes(name);
        let result = decode(&whole[..whole.len() / 3], &DecodeConfig::default());
        let error = result.expect_err(name).to_string();
        assert!(!error.contains('\n'), "{name}: {error}");
    }
    let whole = bytes("rgb-444.jpg");
    let error = decode(&whole[..whole.len() - 2], &DecodeConfig::default()).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::Truncated {
                format: Format::Jpeg,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn limits_hold_before_decoding() {
    let whole = bytes("rgb-444.jpg");
    let with = |change: fn(&mut DecodeLimits)| {
        let mut config = DecodeConfig::default();
        change(&mut config.limits);
        decode(&whole, &config).expect_err("over a limit")
    };
    assert!(matches!(
        with(|l| l.max_pixels = 1000),
        DecodeError::TooManyPixels {
            width: 45,
            height: 34,
            limit: 1000
        }
    ));
    assert!(matches!(
        with(|l| l.max_side = 44),
        DecodeError::SideTooLong { limit: 44, .. }
    ));
    assert!(matches!(
        with(|l| l.max_bytes = 100),
        DecodeError::TooManyBytes { limit: 100, .. }
    ));
    assert!(matches!(
        with(|l| l.max_memory_bytes = 100),
        DecodeError::TooMuchMemory { limit: 100, .. }
    ));
    assert!(matches!(
        decode(&[], &DecodeConfig::default()),
        Err(DecodeError::Empty)
    ));
    let missing = decode_file(folder().join("absent.png"), &DecodeConfig::default());
    assert!(matches!(missing, Err(DecodeError::Io(_))));
    let words = missing.unwrap_err().to_string();
    assert!(!words.contains("os error"), "{words}");
    assert!(matches!(
        decode_file(folder(), &DecodeConfig::default()),
        Err(DecodeError::Io(_))
    ));
}

#[test]
fn a_bitmap_that_forgets_its_palettes_length_is_read() {
    let whole = bytes("palette.bmp");
    let mut short = whole.clone();
    // The pixels are said to begin right after the headers, where the palette does.
    short[10..14].copy_from_slice(&54u32.to_le_bytes());
    assert_ne!(whole, short);
    let pixels = |file: &[u8]| decode(file, &DecodeConfig::default()).unwrap().data;
    assert_eq!(pixels(&short), pixels(&whole));
}

/// Pillow's `Image.open(file).convert("RGB")` shows the palette's color under transparency, also around a smaller frame.
#[test]
fn under_a_gifs_transparency_lies_its_palettes_color() {
    let mut file = Vec::new();
    let palette = [10, 20, 30, 0, 200, 0, 250, 60, 70];
    let mut encoder = gif::Encoder::new(&mut file, 4, 2, &palette).unwrap();
    let frame = gif::Frame {
        width: 2,
        height: 2,
        left: 1,
        transparent: Some(2),
        buffer: vec![1, 2, 2, 0].into(),
        ..Default::default()
    };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    let row = |config: &DecodeConfig| {
        let image = decode(&file, config).unwrap();
        [0, 1, 2, 3].map(|x| image.pixel(x, 0))
    };
    let hidden = [250, 60, 70];
    assert_eq!(
        row(&DecodeConfig::torchvision()),
        [hidden, [0, 200, 0], hidden, hidden]
    );
    let white = [255; 3];
    assert_eq!(
        row(&DecodeConfig::default()),
        [white, [0, 200, 0], white, white]
    );
}

/// A decoder's own words are for programmers: no name of a type, no "I/O error".
#[test]
fn damage_is_told_in_our_words() {
    let config = DecodeConfig::default();
    let mut refused = 0;
    for name in [
        "rgb.png",
        "palette.bmp",
        "first-frame.gif",
        "lossless.webp",
        "lossy.webp",
        "rgb.qoi",
        "rgb.ppm",
        "rgb.tga",
    ] {
        let whole = bytes(name);
        for at in 8..whole.len().min(800) {
            let mut broken = whole.clone();
            broken[at] ^= 0x5A;
            let Err(error) = decode(&broken, &config) else {
                continue;
            };
            let text = error.to_string();
            let known = [
                "its data break the format's rules",
                "it ends before the last pixel",
                "expected ",
                "is not read",
            ];
            assert!(
                known.iter().any(|words| text.contains(words)),
                "{name} {at}: {text}"
            );
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
    // A header that asks for more than the limits is told as the limit that it breaks.
    let mut huge = bytes("rgb.png");
    huge[16..20].copy_from_slice(&0x7FFF_FFFF_u32.to_be_bytes());
    let error = decode(&huge, &config).unwrap_err().to_string();
    assert!(error.starts_with("expected at most"), "{error}");
}
