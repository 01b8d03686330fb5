//! Every layout of scans and every sampling, against Pillow's pixels (`tests/data/make_jpeg.py`); damaged files show what libjpeg shows, and
//! say so.

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::{Path, PathBuf};

use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::decode::{
    DamageKind, DecodeConfig, DecodeError, DecodeLimits, Decoded, decode, decode_full, decode_part,
};
use image_data::random::{Key, Purpose};
use model_core::Preprocessing;
use model_core::resample::Rect;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jpeg")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect(name)
}

fn decoded(name: &str) -> Decoded {
    decode_full(&read(name), &DecodeConfig::torchvision()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn pixels_are_pils_and_damage_is_said() {
    let packed = read("expected.bin");
    let mut expected = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut expected)
        .unwrap();
    let list = String::from_utf8(read("expected.txt")).unwrap();
    let (mut at, mut checked) = (0, 0);
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (name, width, height) = (words[0], words[1], words[2]);
        let picture = decoded(name);
        let size = (
            picture.image.width.to_string(),
            picture.image.height.to_string(),
        );
        assert_eq!(size, (width.to_owned(), height.to_owned()), "{name}");
        let pixels = &expected[at..at + picture.image.data.len()];
        at += pixels.len();
        assert!(
            picture.image.data == pixels,
            "{name} differs from PIL's pixels"
        );
        assert_eq!(
            picture.damage.is_some(),
            name.starts_with("damaged"),
            "{name}: {:?}",
            picture.damage
        );
        checked += 1;
    }
    assert_eq!((checked, at), (28, expected.len()));
}

#[test]
fn damage_says_what_and_where() {
    let half = decoded("damaged-half.jpg").damage.unwrap();
    assert_eq!(half.kind, DamageKind::MissingData);
    assert!((0.2..0.8).contains(&half.missing_rows), "{half:?}");
    let row = half.first_bad_row.unwrap();
    assert!((1..43).contains(&row), "{half:?}");

    let half = decoded("damaged-half-restarts.jpg").damage.unwrap();
    assert_eq!(half.kind, DamageKind::MissingData);
    assert!(half.missing_rows > 0.1, "{half:?}");

    let lost = decoded("damaged-lost-restart.jpg").damage.unwrap();
    assert!(lost.first_bad_row.is_some(), "{lost:?}");
    let again = decoded("damaged-repeated-restart.jpg").damage.unwrap();
    assert_eq!(again.kind, DamageKind::LostRestart);

    let strict = DecodeConfig {
        strict: true,
        ..DecodeConfig::default()
    };
    assert!(matches!(
        decode_full(&read("damaged-half.jpg"), &strict),
        Err(DecodeError::Malformed { .. })
    ));
}

/// The height may follow the first scan (DNL), which libjpeg does not read.
#[test]
fn the_height_may_come_late() {
    let mut bytes = read("fill-bytes.jpg");
    let plain = decoded("fill-bytes.jpg");
    let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    let height = [bytes[frame + 5], bytes[frame + 6]];
    bytes[frame + 5..frame + 7].fill(0);
    // Behind the first scan: in front of the header of the second.
    let scans: Vec<usize> = (0..bytes.len() - 1)
        .filter(|&i| bytes[i..i + 2] == [0xFF, 0xDA])
        .collect();
    let mut second = scans[1];
    while bytes[second - 1] == 0xFF {
        second -= 1;
    }
    let dnl = [0xFF, 0xDC, 0, 4, height[0], height[1]];
    bytes.splice(second..second, dnl);
    let late = decode_full(&bytes, &DecodeConfig::torchvision()).unwrap();
    assert_eq!(late.image, plain.image);
}

#[test]
fn twelve_bits_and_jpeg_ls_are_refused_by_name() {
    let mut bytes = read("420-apart.jpg");
    let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bytes[frame + 4] = 12;
    let error = decode_full(&bytes, &DecodeConfig::default()).unwrap_err();
    assert!(
        matches!(&error, DecodeError::Unsupported { name } if name == "12-bit JPEG"),
        "{error}"
    );
    bytes[frame + 1] = 0xF7;
    let error = decode_full(&bytes, &DecodeConfig::default()).unwrap_err();
    assert_eq!(error.to_string(), "JPEG-LS is not read");
}

/// Where the last scans are missing and the end is there, as a server or a repair leaves it.
#[test]
fn a_progressive_picture_without_its_last_scans_says_so() {
    let whole = std::fs::read(folder().with_file_name("decode").join("progressive.jpg")).unwrap();
    let read = |bytes: &[u8]| decode_full(bytes, &DecodeConfig::default()).unwrap();
    assert_eq!(read(&whole).damage, None);
    let scans: Vec<usize> = (0..whole.len())
        .filter(|at| whole[*at..].starts_with(&[0xFF, 0xDA]))
        .collect();
    assert!(scans.len() > 4);
    for scan in &scans[1..] {
        let cut = [&whole[..*scan], &[0xFF, 0xD9]].concat();
        let damage = read(&cut).damage.expect("damage").to_string();
        assert!(
            damage.starts_with("its last scans") || damage.contains("no data"),
            "{damage}"
        );
    }
}

/// Every JPEG of the tests.
fn all() -> Vec<(String, Vec<u8>)> {
    let folders = [folder(), folder().with_file_name("decode")];
    let mut files: Vec<(String, Vec<u8>)> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 40);
    files
}

#[test]
fn a_part_is_cut_from_the_whole_even_of_damaged_files() {
    let mut random = Key::new(1, 0, 0, Purpose::Augment).stream();
    let limits = DecodeLimits {
        max_pixels: 1 << 18,
        ..DecodeLimits::default()
    };
    let mut compared = 0;
    for (name, whole) in all() {
        for round in 0..40 {
            let mut bytes = whole.clone();
            // The first rounds take the file as it is, the others flip bits of what is compressed.
            for _ in 0..round / 8 {
                let at = 150 + random.below(bytes.len() as u64 - 150) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
            let config = match round % 2 {
                0 => DecodeConfig::torchvision(),
                _ => DecodeConfig::default(),
            };
            let config = DecodeConfig { limits, ..config };
            let Ok(full) = decode(&bytes, &config) else {
                continue;
            };
            let mut asked = None;
            let part = decode_part(&bytes, &config, &mut |width, height| {
                assert_eq!((width, height), (full.width, full.height));
                let mut below = |n: u32| random.below(u64::from(n)) as u32;
                let (w, h) = (1 + below(width), 1 + below(height));
                asked = Some(Rect {
                    x: below(width - w + 1),
                    y: below(height - h + 1),
                    width: w,
                    height: h,
                });
                asked
            })
            .unwrap_or_else(|e| panic!("{name}: {e}"));
            let asked = asked.unwrap();
            let cut = full.crop(asked.x, asked.y, asked.width, asked.height);
            assert!(
                part == cut,
                "{name} round {round}: {asked:?} of {} x {}",
                full.width,
                full.height
            );
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn a_sample_of_a_part_is_the_sample_of_the_whole() {
    let transform =
        TrainTransform::new(&AugmentConfig::default(), &Preprocessing::imagenet(), 24).unwrap();
    let config = DecodeConfig::torchvision();
    for (index, (name, bytes)) in all().into_iter().enumerate() {
        let key = Key::new(3, 0, index as u64, Purpose::Augment);
        let want = transform.apply(decode(&bytes, &config).unwrap(), &mut key.stream());
        let mut random = key.stream();
        let part = decode_part(&bytes, &config, &mut |width, height| {
            transform.part(width, height, &mut random)
        });
        let got = transform.apply_to_part(part.unwrap(), &mut random);
        assert!(got == want, "{name}");
    }
}
