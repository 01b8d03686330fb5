//! Any bytes as a picture, read in both ways that programs read one: an answer or one error line, never a crash, and
//! never more memory than the limits allow.
#![no_main]

use image_data::decode::{DecodeConfig, DecodeLimits, decode, decode_smaller_part};
use libfuzzer_sys::fuzz_target;
use model_core::resample::Rect;

fuzz_target!(|bytes: &[u8]| {
    // Small, so that the fuzzer spends its time in the readers and not in filling memory.
    let limits = DecodeLimits {
        max_pixels: 1 << 20,
        ..DecodeLimits::default()
    };
    for config in [DecodeConfig::default(), DecodeConfig::torchvision()] {
        let config = DecodeConfig { limits, ..config };
        match decode(bytes, &config) {
            Ok(image) => assert_eq!(image.data.len(), 3 * (image.width * image.height) as usize),
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
        // The lower right of it, smaller where it is a JPEG.
        let mut corner = |width: u32, height: u32| {
            Some(Rect {
                x: width / 3,
                y: height / 3,
                width: width - width / 3,
                height: height - height / 3,
            })
        };
        if let Ok(part) = decode_smaller_part(bytes, &config, [5, 5], &mut corner) {
            assert_eq!(part.data.len(), 3 * (part.width * part.height) as usize);
        }
    }
});
