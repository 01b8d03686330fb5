//! Input that wants to hurt: truncated and mutated files of every format, headers that promise gigapixels. No panic
//! reaches the caller, nothing is allocated for a promise, and every error is one line.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use checks::allocations::Counting;
use image_data::decode::{DecodeConfig, DecodeError, DecodeLimits, decode, probe};
use image_data::random::{Key, Purpose, Random};

/// To see what a header makes decoders ask for.
#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Peaks are of the whole process: one measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.begin();
    let result = work();
    (result, ALLOCATOR.peak().saturating_sub(before))
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    // Of the newer formats those that we decode ourselves.
    let own = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        !path.starts_with(data.join("modern"))
            || ["jxl", "jp2", "j2k"].iter().any(|e| *e == extension)
    };
    let mut files: Vec<(String, Vec<u8>)> = ["decode", "modern"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(data.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| own(path) && !path.to_string_lossy().contains("expected"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(files.len() >= 40);
    files
}

/// Small limits: a mutated header may ask for anything.
fn config() -> DecodeConfig {
    let limits = DecodeLimits {
        max_pixels: 1 << 20,
        max_side: 4096,
        max_memory_bytes: 64 << 20,
        ..DecodeLimits::default()
    };
    DecodeConfig {
        limits,
        ..DecodeConfig::default()
    }
}

/// Whatever happens inside, the result is pixels of the right number or one line of text.
fn survives(name: &str, what: &str, bytes: &[u8]) {
    let (result, peak) = peak_of(|| decode(bytes, &config()));
    match result {
        Ok(image) => assert_eq!(
            image.data.len(),
            image.width as usize * image.height as usize * 3,
            "{name} {what}"
        ),
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.is_empty() && !text.contains('\n'),
                "{name} {what}: {text:?}"
            );
        }
    }
    assert!(peak < 160 << 20, "{name} {what}: {peak} bytes at the peak");
    let _ = probe(bytes, &config().limits);
}

#[test]
fn truncated_anywhere() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, whole) in fixtures() {
        let step = (whole.len() / 150).max(1);
        for end in (0..whole.len())
            .step_by(step)
            .chain(whole.len().saturating_sub(40)..whole.len())
        {
            survives(&name, &format!("cut at {end}"), &whole[..end]);
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len().max(1) as u64) as usize;
        // Headers decide most: half of the changes go there.
        let at = if random.chance(0.5) {
            at % 64.min(bytes.len().max(1))
        } else {
            at
        };
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(random.next_u32() as u8),
            0 => bytes[at] = random.next_u32() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0x00, 0xFF, 0x7F, 0x80][random.below(4) as usize],
            3 => {
                let end = (at + 1 + random.below(16) as usize).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + 1 + random.below(64) as usize).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                for byte in bytes.iter_mut().skip(at).take(4) {
                    *byte = 0xFF;
                }
            }
        }
    }
}

#[test]
fn mutated_anyhow() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The same mutations every time: 150 of every fixture, and FUZZ_TIMES as many where that is set (CI sets it).
    let rounds = 150 * checks::fuzz_times();
    let seed = checks::fuzz_seed(0);
    let fixtures = fixtures();
    for round in 0..rounds {
        for (file, (name, whole)) in fixtures.iter().enumerate() {
            let mut random = Key::new(seed + round, file as u32, 0, Purpose::Other).stream();
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            survives(name, &format!("round {round}"), &bytes);
        }
    }
    println!("{rounds} rounds of {} files", fixtures.len());
}

/// 60,000 x 60,000 in the header of every format that can say so (QOI's own limit is 400 million pixels: 60,000 x 6,000).
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    const SIDE: u32 = 60_000;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let patch = |name: &str, changes: &[(usize, &[u8])]| {
        let mut bytes = read(name);
        for &(at, with) in changes {
            bytes[at..at + with.len()].copy_from_slice(with);
        }
        bytes
    };
    let big = SIDE.to_be_bytes();
    let little = SIDE.to_le_bytes();
    let jpeg = |name: &str| {
        let mut bytes = read(name);
        let at = bytes
            .windows(2)
            .position(|w| w == [0xFF, 0xC0] || w == [0xFF, 0xC2])
            .unwrap();
        bytes[at + 5..at + 9].copy_from_slice(&[big[2], big[3], big[2], big[3]]);
        bytes
    };
    let mut png = patch("rgb.png", &[(16, &big), (20, &big)]);
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let mut qoi = patch("rgb.qoi", &[(4, &big), (8, &6_000_u32.to_be_bytes())]);
    qoi.truncate(200);
    vec![
        ("baseline JPEG", jpeg("rgb-444.jpg")),
        ("progressive JPEG", jpeg("progressive.jpg")),
        ("CMYK JPEG", jpeg("cmyk.jpg")),
        ("PNG", png),
        ("BMP", patch("rgb.bmp", &[(18, &little), (22, &little)])),
        (
            "GIF",
            patch("first-frame.gif", &[(6, &[0x60, 0xEA, 0x60, 0xEA])]),
        ),
        ("PPM", b"P6\n60000 60000\n255\n\x01\x02\x03".to_vec()),
        ("ASCII PBM", b"P1\n60000 60000\n1 0 1".to_vec()),
        (
            "PAM",
            b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n".to_vec(),
        ),
        ("QOI", qoi),
        ("TGA", patch("rgb.tga", &[(12, &[0x60, 0xEA, 0x60, 0xEA])])),
    ]
}

#[test]
fn bombs_cost_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, bytes) in bombs() {
        let (result, peak) = peak_of(|| decode(&bytes, &DecodeConfig::default()));
        let error = result.expect_err(name);
        assert!(
            matches!(error, DecodeError::TooManyPixels { width: 60_000, .. }),
            "{name}: {error}"
        );
        assert!(
            peak < 4 << 20,
            "{name}: {peak} bytes allocated for a promise"
        );
        assert!(probe(&bytes, &DecodeLimits::default()).is_err(), "{name}");
    }
}

#[test]
fn noise_is_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let magics: [&[u8]; 9] = [
        b"\xFF\xD8\xFF",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"RIFF\xFF\xFF\0\0WEBPVP8 ",
        b"qoif",
        b"\0\0\x01\0\x01\0",
    ];
    for magic in magics {
        for round in 0..200 {
            let mut random = Key::new(round, 0, magic[0].into(), Purpose::Other).stream();
            let mut bytes = magic.to_vec();
            let length = random.below(2000);
            bytes.extend((0..length).map(|_| random.next_u32() as u8));
            survives("noise", &format!("{magic:?} {round}"), &bytes);
        }
    }
}
