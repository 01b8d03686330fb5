//! Every storage of TIFF that we claim to read, against Pillow's pixels (`tests/data/make_tiff.py`).

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::{Path, PathBuf};

use image_data::decode::{Alpha, DamageKind, DecodeConfig, DecodeError, Exif, decode, decode_full};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiff")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect(name)
}

#[test]
fn pixels_are_pillows() {
    let mut all = Vec::new();
    flate2::read::ZlibDecoder::new(bytes("expected.bin").as_slice())
        .read_to_end(&mut all)
        .unwrap();
    let list = std::fs::read_to_string(folder().join("expected.txt")).unwrap();
    let mut rest = all.as_slice();
    let mut checked = 0;
    for line in list.lines() {
        let [name, width, height] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let (width, height): (u32, u32) = (width.parse().unwrap(), height.parse().unwrap());
        let expected;
        (expected, rest) = rest.split_at((width * height * 3) as usize);
        // The orientation is the picture's own, whatever is asked of EXIF.
        let decoded = decode_full(&bytes(name), &DecodeConfig::torchvision())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let image = decoded.image;
        assert_eq!(decoded.damage, None, "{name}");
        assert_eq!((image.width, image.height), (width, height), "{name}");
        let worst = image
            .data
            .iter()
            .zip(expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        // Pillow divides by a table, and libjpeg rounds otherwise than the fixed-point rules.
        let limit = match name {
            "ycbcr.tif" | "ycbcr-420.tif" => 1,
            name if name.starts_with("jpeg") || name.starts_with("old-jpeg") => 3,
            _ => 0,
        };
        assert!(
            worst <= Some(limit),
            "{name}: {worst:?} levels from Pillow's"
        );
        checked += 1;
    }
    assert_eq!((checked, rest.len()), (list.lines().count(), 0));
    assert!(checked >= 47);
}

#[test]
fn associated_and_straight_alpha_look_alike_on_white() {
    let config = DecodeConfig::default();
    assert_eq!(config.alpha, Alpha::OnWhite);
    let straight = decode(&bytes("straight.tif"), &config).unwrap();
    let associated = decode(&bytes("associated.tif"), &config).unwrap();
    let pairs = straight.data.iter().zip(&associated.data);
    assert!(pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(1));
}

#[test]
fn turned_whatever_is_asked_of_exif() {
    let upright = decode(&bytes("turned-1.tif"), &DecodeConfig::default()).unwrap();
    for exif in [Exif::Apply, Exif::Ignore] {
        let config = DecodeConfig {
            exif,
            ..DecodeConfig::default()
        };
        let turned = decode(&bytes("turned-6.tif"), &config).unwrap();
        assert_eq!(
            (turned.width, turned.height),
            (upright.height, upright.width)
        );
        assert_eq!(turned.pixel(turned.width - 1, 0), upright.pixel(0, 0));
    }
}

#[test]
fn broken_strips_are_shown_and_noted_and_cut_files_refused() {
    let whole = bytes("tiles.tif");
    let mut broken = whole.clone();
    // The first tile's data begins behind the header: spoil its middle.
    for byte in &mut broken[60..90] {
        *byte ^= 0x5A;
    }
    let decoded = decode_full(&broken, &DecodeConfig::default()).unwrap();
    assert!(decoded.damage.is_some());
    let uncompressed = bytes("planes.tif");
    for end in [9, 200, uncompressed.len() / 2] {
        let error = decode(&uncompressed[..end], &DecodeConfig::default()).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
    }
}

/// What a tag would have said must not be guessed: the picture would be another one.
#[test]
fn a_file_cut_anywhere_is_refused_noted_or_whole() {
    let config = DecodeConfig::torchvision();
    let mut cut_files = 0;
    for line in std::fs::read_to_string(folder().join("expected.txt"))
        .unwrap()
        .lines()
    {
        let name = line.split(' ').next().unwrap();
        let file = bytes(name);
        let whole = decode(&file, &config).unwrap();
        let step = (file.len() / 150).max(1);
        let ends = (1..40).map(|cut| file.len().saturating_sub(cut));
        for end in ends.chain((8..file.len()).step_by(step)) {
            let Ok(decoded) = decode_full(&file[..end], &config) else {
                cut_files += 1;
                continue;
            };
            assert!(
                decoded.damage.is_some() || decoded.image == whole,
                "{name}: the first {end} of {} bytes show another picture",
                file.len()
            );
        }
    }
    assert!(cut_files > 1000, "{cut_files}");
}

#[test]
fn a_tag_of_no_known_type_is_not_passed_over() {
    let mut file = bytes("palette.tif");
    // Without its photometric interpretation (262) the picture would be gray.
    let at = file.windows(4).position(|w| w == [6, 1, 3, 0]).unwrap();
    file[at + 2] = 0x83;
    let error = decode(&file, &DecodeConfig::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("the tags that say"), "{error}");
}

#[test]
fn a_wrong_checksum_is_noted() {
    let mut file = bytes("deflate.tif");
    let whole = decode_full(&file, &DecodeConfig::default()).unwrap();
    assert_eq!(whole.damage, None);
    // The one strip lies in front of the directory, and its checksum at its end.
    let directory = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    let tags = file[directory + 2..].chunks_exact(12);
    let value = |wanted: u16| {
        let mut tags = tags.clone();
        let tag = tags.find(|tag| tag[..2] == wanted.to_le_bytes()).unwrap();
        u32::from_le_bytes(tag[8..12].try_into().unwrap()) as usize
    };
    let end = value(273) + value(279);
    file[end - 1] ^= 1;
    let decoded = decode_full(&file, &DecodeConfig::default()).unwrap();
    assert_eq!(decoded.image, whole.image);
    assert_eq!(decoded.damage.unwrap().kind, DamageKind::Checksum);
}

#[test]
fn what_is_not_read_is_said_by_name() {
    let mut bytes = bytes("deflate.tif");
    // Compression (tag 259) becomes LERC's number.
    let at = bytes
        .windows(8)
        .position(|w| w == [3, 1, 3, 0, 1, 0, 0, 0])
        .unwrap();
    bytes[at + 8..at + 10].copy_from_slice(&34887_u16.to_le_bytes());
    let error = decode(&bytes, &DecodeConfig::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a TIFF with compression LERC is not read"
    );
    // 16 bits a place in the palette: the high byte alone would show other colors.
    let mut wide = self::bytes("palette.tif");
    let depth = [2, 1, 3, 0, 1, 0, 0, 0];
    let at = wide.windows(8).position(|w| w == depth).unwrap();
    wide[at + 8] = 16;
    let error = decode(&wide, &DecodeConfig::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a TIFF with a palette of more than 256 colors is not read"
    );
}
