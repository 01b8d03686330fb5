//! A part of a picture against the whole: what the loader decodes for a crop are the pixels of the full decode, to the
//! byte. The first five bytes choose the part.
#![no_main]

use image_data::decode::{DecodeConfig, DecodeLimits, decode, decode_part};
use libfuzzer_sys::fuzz_target;
use model_core::resample::Rect;

fuzz_target!(|input: &[u8]| {
    let Some((&[left, top, wide, high, reading], bytes)) = input.split_first_chunk() else {
        return;
    };
    let config = match reading % 2 {
        0 => DecodeConfig::default(),
        _ => DecodeConfig::torchvision(),
    };
    let config = DecodeConfig {
        limits: DecodeLimits {
            max_pixels: 1 << 20,
            ..DecodeLimits::default()
        },
        ..config
    };
    // What cannot be shown as a whole has no part to be compared.
    let Ok(whole) = decode(bytes, &config) else {
        return;
    };
    let mut asked = None;
    let part = decode_part(bytes, &config, &mut |width, height| {
        // Shares of the sides, in 256ths.
        let start = |share: u8, length: u32| (u32::from(share) * length / 256).min(length - 1);
        let (x, y) = (start(left, width), start(top, height));
        let length = |share: u8, rest: u32| 1 + u32::from(share) * (rest - 1) / 255;
        asked = Some(Rect {
            x,
            y,
            width: length(wide, width - x),
            height: length(high, height - y),
        });
        asked
    });
    match (part, asked) {
        (Ok(part), Some(at)) => {
            assert!(part == whole.crop(at.x, at.y, at.width, at.height), "{at:?}");
        }
        // A picture that must be turned comes whole.
        (Ok(part), None) => assert!(part == whole),
        (Err(error), _) => panic!("the whole could be decoded: {error}"),
    }
});
