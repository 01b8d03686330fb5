//! JPEG XL, JPEG 2000, HEIC and AVIF against Pillow and its plugins (`data/make_modern.py`).
#![allow(clippy::unwrap_used)] // helpers are test code, too

use std::path::{Path, PathBuf};

use image_data::decode::{
    Alpha, Color, DecodeConfig, DecodeError, Exif, Format, Icc, asks_program, decode_full, probe,
};
use model_core::diagnostic::{Diagnose as _, Remedy};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/modern")
        .join(name)
}

/// As stored, so that all pixels can be compared.
fn plain() -> DecodeConfig {
    DecodeConfig {
        exif: Exif::Apply,
        alpha: Alpha::Drop,
        icc: Icc::Ignore,
        ..DecodeConfig::default()
    }
}

/// The largest difference of a channel to what Pillow reads.
fn levels_apart(name: &str) -> u8 {
    levels_apart_as(name, &plain())
}

fn levels_apart_as(name: &str, config: &DecodeConfig) -> u8 {
    let bytes = std::fs::read(data(name)).unwrap();
    let decoded = decode_full(&bytes, config).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(decoded.damage, None, "{name}");
    let expected = image::open(data(&format!("{name}.png"))).unwrap();
    let expected = if expected.color().has_alpha() {
        // Without converting, which would weigh colors by their alpha.
        let pixels = expected.to_rgba8();
        let rgb = pixels.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect();
        image::RgbImage::from_raw(pixels.width(), pixels.height(), rgb).unwrap()
    } else {
        expected.to_rgb8()
    };
    let image = &decoded.image;
    assert_eq!((image.width, image.height), expected.dimensions(), "{name}");
    image
        .data
        .iter()
        .zip(expected.as_raw())
        .map(|(ours, theirs)| ours.abs_diff(*theirs))
        .max()
        .unwrap()
}

#[test]
fn lossless_pictures_are_equal() {
    for name in [
        "lossless.jxl",
        "gray.jxl",
        "glass.jxl",
        "lossless.jp2",
        "gray.jp2",
        "glass.jp2",
        "bare.j2k",
        "unsaid.j2k",
        "unsaid.jp2",
        "inks.jp2",
        "bits.tga",
    ] {
        assert_eq!(levels_apart(name), 0, "{name}");
    }
}

#[test]
fn lossy_pictures_are_as_other_decoders_show_them() {
    for name in ["lossy.jxl", "lossy.jp2"] {
        let apart = levels_apart(name);
        assert!(apart <= 2, "{name}: {apart} levels apart");
    }
}

#[test]
fn a_profile_is_applied_once_whichever_way_colors_are_stored() {
    let to_srgb = DecodeConfig {
        icc: Icc::ToSrgb,
        ..plain()
    };
    for name in ["p3-lossless.jxl", "p3-lossy.jxl"] {
        let apart = levels_apart_as(name, &to_srgb);
        assert!(apart <= 8, "{name}: {apart} levels apart");
    }
    // The test would see a profile that is not applied.
    assert!(levels_apart("p3-lossless.jxl") > 16);
}

#[test]
fn headers_say_what_there_is() {
    for (name, format, color) in [
        ("lossless.jxl", Format::JpegXl, Color::Rgb),
        ("gray.jxl", Format::JpegXl, Color::Gray),
        ("glass.jxl", Format::JpegXl, Color::Alpha),
        ("lossy.jp2", Format::Jpeg2000, Color::Rgb),
        ("glass.jp2", Format::Jpeg2000, Color::Alpha),
        ("unsaid.j2k", Format::Jpeg2000, Color::Alpha),
        ("unsaid.jp2", Format::Jpeg2000, Color::Alpha),
        ("inks.jp2", Format::Jpeg2000, Color::Cmyk),
        ("bits.tga", Format::Tga, Color::Gray),
        ("bare.j2k", Format::Jpeg2000, Color::Rgb),
    ] {
        let bytes = std::fs::read(data(name)).unwrap();
        let header = probe(&bytes, &plain().limits).unwrap();
        assert_eq!((header.format, header.color), (format, color), "{name}");
        assert_eq!((header.width, header.height), (72, 48), "{name}");
    }
}

#[test]
fn what_breaks_off_is_refused_or_noted_and_limits_hold() {
    for name in ["lossless.jxl", "lossy.jxl", "lossless.jp2", "bare.j2k"] {
        let bytes = std::fs::read(data(name)).unwrap();
        for part in [1, 2, 3] {
            let cut = &bytes[..bytes.len() * part / 4];
            let error = decode_full(cut, &plain()).expect_err(name);
            assert!(
                matches!(
                    error,
                    DecodeError::Malformed { .. } | DecodeError::Truncated { .. }
                ),
                "{name}: {error}"
            );
            assert!(!error.to_string().contains(['{', '(']), "{name}: {error}");
        }
        let mut small = plain();
        small.limits.max_pixels = 100;
        assert!(matches!(
            decode_full(&bytes, &small),
            Err(DecodeError::TooManyPixels { .. })
        ));
    }
}

#[test]
fn high_throughput_jpeg_2000_is_refused_by_name() {
    let mut bytes = std::fs::read(data("bare.j2k")).unwrap();
    // The capabilities in SIZ, and a marker segment (CAP) that the other kind has behind it.
    bytes[6] |= 0x40;
    let end = 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    bytes.splice(end..end, [0xFF, 0x50, 0, 8, 0, 2, 0, 0, 0, 0]);
    let error = decode_full(&bytes, &plain()).unwrap_err().to_string();
    assert_eq!(error, "high-throughput JPEG 2000 is not read");
}

#[test]
fn phones_pictures_are_read_by_the_systems_program_or_refused_with_a_remedy() {
    for name in ["picture.heic", "picture.avif", "turned.heic"] {
        let bytes = std::fs::read(data(name)).unwrap();
        let refused = |config: &DecodeConfig| {
            let error = decode_full(&bytes, config).expect_err(name);
            assert!(error.to_string().ends_with("is not read"), "{error}");
            assert_eq!(error.remedy(), Some(Remedy::InstallLibheif));
        };
        if asks_program() {
            let apart = levels_apart(name);
            assert!(apart <= 8, "{name}: {apart} levels apart");
        } else {
            refused(&plain());
        }
        refused(&DecodeConfig {
            own_decoders_only: true,
            ..plain()
        });
    }
}
