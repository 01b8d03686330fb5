//! Files that break a format's rules a little and that other programs show: each is shown here as they show it.

#![allow(clippy::unwrap_used)]

use image_data::decode::{DecodeConfig, DecodeError, DecodeLimits, Format, decode_full, probe};

const RED: [u8; 3] = [250, 10, 20];
const GREEN: [u8; 3] = [30, 240, 40];
const BLUE: [u8; 3] = [50, 60, 230];

/// The rows of a picture as colors, from what Pillow would read.
fn rows(bytes: &[u8]) -> Vec<Vec<[u8; 3]>> {
    let decoded = decode_full(bytes, &DecodeConfig::torchvision()).unwrap();
    assert_eq!(decoded.damage, None);
    let image = decoded.image;
    let header = probe(bytes, &DecodeLimits::default()).unwrap();
    assert_eq!((header.width, header.height), (image.width, image.height));
    let row = |y| (0..image.width).map(|x| image.pixel(x, y)).collect();
    (0..image.height).map(row).collect()
}

/// A bitmap's header of `size` bytes, a palette of three colors and the pixels, without a file's header in front.
fn headless(
    size: u32,
    [width, height]: [i32; 2],
    bits: u16,
    compression: u32,
    pixels: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(size.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    for number in [compression, pixels.len() as u32, 0, 0, 3, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(size as usize, 0);
    for [r, g, b] in [RED, GREEN, BLUE] {
        bytes.extend([b, g, r, 0]);
    }
    bytes.extend(pixels);
    bytes
}

fn bitmap(size: u32, sides: [i32; 2], bits: u16, compression: u32, pixels: &[u8]) -> Vec<u8> {
    let rest = headless(size, sides, bits, compression, pixels);
    let mut bytes = b"BM".to_vec();
    bytes.extend((14 + rest.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((14 + size + 12).to_le_bytes());
    bytes.extend(rest);
    bytes
}

#[test]
fn pixels_that_a_bitmaps_runs_jump_over_have_the_palettes_first_color() {
    // The lower row: two of green, a jump up and to the right, one of blue.
    let eight = [2, 1, 0, 2, 1, 1, 1, 2, 0, 1];
    let four = [2, 0x11, 0, 2, 1, 1, 1, 0x22, 0, 1];
    let expected = vec![vec![RED, RED, RED, BLUE], vec![GREEN, GREEN, RED, RED]];
    assert_eq!(rows(&bitmap(40, [4, 2], 8, 1, &eight)), expected);
    assert_eq!(rows(&bitmap(40, [4, 2], 4, 2, &four)), expected);
    // Rows that begin at the top.
    let turned: Vec<_> = expected.iter().rev().cloned().collect();
    assert_eq!(rows(&bitmap(40, [4, -2], 8, 1, &eight)), turned);
}

#[test]
fn runs_past_the_edge_are_noted_and_an_early_end_is_refused() {
    let past = bitmap(40, [4, 2], 8, 1, &[6, 1, 0, 0, 4, 2, 0, 0]);
    let decoded = decode_full(&past, &DecodeConfig::default()).unwrap();
    assert_eq!(decoded.image.pixel(0, 1), GREEN);
    assert_eq!(decoded.image.pixel(3, 0), BLUE);
    let damage = decoded.damage.unwrap().to_string();
    assert_eq!(damage, "runs of pixels go past the edge");
    let cut = bitmap(40, [4, 2], 8, 1, &[4, 1, 0, 0, 2, 2]);
    let error = decode_full(&cut, &DecodeConfig::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
    // Nothing is unpacked before the limits are checked.
    let huge = bitmap(40, [60_000, 60_000], 8, 1, &[0, 1]);
    let error = decode_full(&huge, &DecodeConfig::default()).unwrap_err();
    assert!(
        matches!(error, DecodeError::TooManyPixels { .. }),
        "{error}"
    );
}

#[test]
fn bitmaps_of_os2_and_of_the_clipboard_are_read() {
    let pixels = [1, 2, 0, 0, 2, 2, 1, 0];
    let expected = vec![vec![BLUE, BLUE, GREEN], vec![GREEN, BLUE, RED]];
    assert_eq!(rows(&bitmap(40, [3, 2], 8, 0, &pixels)), expected);
    assert_eq!(rows(&bitmap(64, [3, 2], 8, 0, &pixels)), expected);
    // The last row's filling is missing, and then a pixel, too.
    let whole = bitmap(40, [3, 2], 8, 0, &pixels);
    assert_eq!(rows(&whole[..whole.len() - 1]), expected);
    assert!(decode_full(&whole[..whole.len() - 2], &DecodeConfig::default()).is_err());
    let clipboard = headless(40, [3, 2], 8, 0, &pixels);
    assert_eq!(rows(&clipboard), expected);
    let header = probe(&clipboard, &DecodeLimits::default()).unwrap();
    assert_eq!(header.format, Format::Bmp);
    for end in 0..clipboard.len() - 1 {
        assert!(decode_full(&clipboard[..end], &DecodeConfig::default()).is_err());
    }
}

#[test]
fn runs_past_a_tgas_end_are_noted() {
    let packed = |runs: &[u8]| {
        let header = [0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 2, 0, 8, 0x20];
        let file = [&header, runs, &[0; 8], b"TRUEVISION-XFILE.\0"].concat();
        decode_full(&file, &DecodeConfig::default()).unwrap()
    };
    let sound = packed(&[0x83, 7, 0x82, 9, 0, 3]);
    assert_eq!(sound.damage, None);
    assert_eq!(sound.image.pixel(3, 1), [3; 3]);
    let past = packed(&[0x83, 7, 0x86, 9]);
    assert_eq!(past.image.pixel(3, 1), [9; 3]);
    assert_eq!(
        past.damage.unwrap().to_string(),
        "runs of pixels go past the end"
    );
}

/// Indices 1, 2, 0, 1, 2, 0, ... as GIF packs them, without making use of its dictionary.
fn gif(screen: [u16; 2], frame: [u16; 4], palette: bool) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(screen.iter().flat_map(|side| side.to_le_bytes()));
    bytes.extend([if palette { 0x81 } else { 1 }, 0, 0]);
    if palette {
        bytes.extend([RED, GREEN, BLUE, [0; 3]].concat());
    }
    // An extension in front: a comment of two letters.
    bytes.extend([0x21, 0xFE, 2, b'h', b'i', 0, 0x2C]);
    bytes.extend(frame.iter().flat_map(|side| side.to_le_bytes()));
    bytes.extend([0, 2]);
    // Codes of three bits: "begin anew" (4) before every two pixels keeps them so; 5 is the end.
    let pixels = usize::from(frame[2]) * usize::from(frame[3]);
    let indices = (1..=pixels).map(|index| index % 3).collect::<Vec<_>>();
    let codes = indices.chunks(2).flat_map(|two| [&[4], two].concat());
    let (mut packed, mut window, mut filled) = (Vec::new(), 0_usize, 0);
    for code in codes.chain([5]) {
        window |= code << filled;
        filled += 3;
        while filled >= 8 {
            packed.push(window as u8);
            window >>= 8;
            filled -= 8;
        }
    }
    packed.push(window as u8);
    bytes.push(packed.len() as u8);
    bytes.extend(packed);
    bytes.extend([0, 0x3B]);
    bytes
}

#[test]
fn a_gifs_screen_grows_with_its_first_frame() {
    let expected = vec![vec![GREEN, BLUE, RED], vec![GREEN, BLUE, RED]];
    for screen in [[3, 2], [1, 1], [0, 0]] {
        assert_eq!(rows(&gif(screen, [0, 0, 3, 2], true)), expected);
    }
    let outside = rows(&gif([3, 2], [1, 1, 3, 2], true));
    assert_eq!((outside[0].len(), outside.len()), (4, 3));
    assert_eq!(outside[2], [RED, GREEN, BLUE, RED]);
}

#[test]
fn without_a_palette_a_gif_is_gray() {
    let expected = vec![vec![[1; 3], [2; 3], [0; 3]]];
    assert_eq!(rows(&gif([3, 1], [0, 0, 3, 1], false)), expected);
    let whole = gif([3, 1], [0, 0, 3, 1], false);
    for end in 0..whole.len() {
        let _ = decode_full(&whole[..end], &DecodeConfig::default());
    }
}
