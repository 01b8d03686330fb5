//! Camera raw files: the largest preview inside, turned as the raw file says. The files are put together here, because no
//! camera's may be shipped.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use image_data::decode::{DecodeConfig, Format, decode, decode_full, probe};

fn jpeg(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode");
    std::fs::read(folder.join(name)).unwrap()
}

/// A TIFF directory of whole numbers in four bytes, then `rest`.
fn directory(magic: &[u8; 4], tags: &[(u16, u32)], rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(8_u32.to_le_bytes());
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(rest.concat());
    bytes
}

#[test]
fn the_largest_preview_counts_and_is_turned() {
    let (small, large) = (jpeg("exif-1.jpg"), jpeg("rgb-444.jpg"));
    let expected = decode(&large, &DecodeConfig::default()).unwrap();
    let (dng_version, orientation) = ((50706, 0x0000_0401), (274, 6));
    for raw in [
        directory(
            b"II*\0",
            &[orientation, dng_version],
            &[&small, &[0; 100], &large, &[9; 999]],
        ),
        directory(b"IIRO", &[orientation], &[&large, &small]),
        directory(b"IIU\0", &[orientation], &[&[0xFF; 50], &large]),
    ] {
        let decoded = decode_full(&raw, &DecodeConfig::default()).unwrap();
        assert_eq!((decoded.format, decoded.damage), (Format::Raw, None));
        let image = decoded.image;
        assert_eq!(
            (image.width, image.height),
            (expected.height, expected.width)
        );
        assert_eq!(image.pixel(image.width - 1, 0), expected.pixel(0, 0));
        let header = probe(&raw, &DecodeConfig::default().limits).unwrap();
        assert_eq!((header.format, header.width), (Format::Raw, expected.width));
    }
}

#[test]
fn without_a_preview_it_is_refused_by_name() {
    let raw = directory(b"IIRO", &[], &[b"sensor data"]);
    let error = decode(&raw, &DecodeConfig::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "camera raw without a preview inside is not read"
    );
}
