//! Names, shapes and pixels against torchvision, timm and Pillow. The golden files carry their generators.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::HashMap;

use model_core::arch;
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::{Filter, resize};
use model_core::text::hex;
use model_core::{RgbImage, preprocessing};
use sha2::{Digest, Sha256};

fn sha(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The generator's `picture`.
fn picture(width: u32, height: u32) -> RgbImage {
    let seed = u64::from(width) * 65_537 + u64::from(height);
    let hard = (width + height).is_multiple_of(3);
    let data = (0..u64::from(width) * u64::from(height) * 3)
        .map(|index| {
            let mut mixed = (index + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed ^= mixed >> 29;
            let byte = (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8;
            if !hard {
                byte
            } else if byte > 127 {
                255
            } else {
                0
            }
        })
        .collect();
    RgbImage::new(width, height, data).unwrap()
}

fn filter(name: &str) -> Filter {
    match name {
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        other => panic!("filter {other} in the golden file"),
    }
}

#[test]
fn tensors_are_named_and_shaped_as_torchvision_and_timm_do() {
    let golden = include_str!("golden/state_dicts.txt");
    let mut expected: HashMap<&str, Vec<(String, String)>> = HashMap::new();
    let mut current = "";
    for line in golden.lines() {
        match line.strip_prefix("# ") {
            Some(name) => current = name,
            None => {
                let (key, shape) = line.split_once('\t').unwrap();
                expected
                    .entry(current)
                    .or_default()
                    .push((key.to_owned(), shape.to_owned()));
            }
        }
    }
    let digests = digests();
    for name in arch::names()
        .into_iter()
        // BlurPool owns no tensor: those networks have the lists of the plain ones.
        .filter(|name| !name.starts_with("resnet_tiny") && !name.ends_with("_blurpool"))
        .filter(|name| !digests.contains_key(name))
    {
        let classes = if name.starts_with("cifar") { 10 } else { 1000 };
        let ours: Vec<(String, String)> = arch::by_name(name, classes)
            .unwrap()
            .graph()
            .tensors()
            .into_iter()
            .map(|tensor| {
                let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
                (tensor.name, shape.join("x"))
            })
            .collect();
        let theirs = expected
            .remove(name)
            .unwrap_or_else(|| panic!("{name} has no golden list"));
        assert_eq!(ours, theirs, "{name}");
    }
    assert!(
        expected.is_empty(),
        "golden lists nobody asked for: {:?}",
        expected.keys()
    );
}

/// Number of tensors and SHA-256 of their sorted lines, by architecture.
fn digests() -> HashMap<&'static str, (usize, &'static str)> {
    let line = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, count, digest] = columns[..] else {
            panic!("{line}");
        };
        (name, (count.parse().unwrap(), digest))
    };
    include_str!("golden/state_dict_digests.tsv")
        .lines()
        .map(line)
        .collect()
}

#[test]
fn larger_families_are_named_and_shaped_as_torchvision_and_timm_do() {
    let digests = digests();
    assert_eq!(digests.len(), 60);
    for (name, (count, digest)) in digests {
        let graph = arch::by_name(name, 1000).unwrap().graph();
        let mut lines: Vec<String> = graph
            .tensors()
            .into_iter()
            .map(|tensor| {
                let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
                format!("{}\t{}\n", tensor.name, shape.join("x"))
            })
            .collect();
        lines.sort();
        assert_eq!(lines.len(), count, "{name}");
        assert_eq!(sha(lines.concat().as_bytes()), digest, "{name}");
    }
}

#[test]
fn resizing_is_pillows_to_the_byte() {
    let mut checked = 0;
    for line in include_str!("golden/pillow.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let ["resize", w, h, tw, th, name, digest] = columns[..] else {
            continue;
        };
        let number = |text: &str| text.parse::<u32>().unwrap();
        let out = resize(
            &picture(number(w), number(h)),
            number(tw),
            number(th),
            filter(name),
        );
        assert_eq!(sha(&out.data), digest, "{line}");
        checked += 1;
    }
    assert_eq!(checked, 160);
}

#[test]
fn the_evaluation_transform_is_torchvisions_to_the_bit() {
    let mut checked = 0;
    for line in include_str!("golden/pillow.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let ["eval", w, h, short, crop_h, crop_w, name, pixels, numbers] = columns[..] else {
            continue;
        };
        let number = |text: &str| text.parse::<u32>().unwrap();
        let transform = Preprocessing {
            resize: Resize::ShortSide(number(short)),
            crop: [number(crop_h), number(crop_w)],
            interpolation: filter(name),
            ..preprocessing::Preprocessing::imagenet()
        };
        let image = picture(number(w), number(h));
        assert_eq!(
            sha(&transform.crop_pixels(&image).data),
            pixels,
            "pixels: {line}"
        );
        let bytes: Vec<u8> = transform
            .apply(&image)
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(sha(&bytes), numbers, "numbers: {line}");
        checked += 1;
    }
    assert_eq!(checked, 108);
}
