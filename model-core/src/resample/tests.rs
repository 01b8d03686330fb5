//! Tests of [`super`].

use super::*;

#[test]
fn a_flat_image_stays_flat_at_any_size() {
    let image = RgbImage::filled(7, 5, [10, 128, 255]).unwrap();
    for (width, height) in [(1, 1), (3, 9), (64, 2), (7, 5)] {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let out = resize(&image, width, height, filter);
            assert_eq!((out.width, out.height), (width, height));
            assert!(
                out.data.chunks(3).all(|p| p == [10, 128, 255]),
                "{filter:?} {width}x{height}"
            );
        }
    }
}

#[test]
fn a_region_equals_the_same_part_of_the_whole() {
    let data = (0..37 * 23 * 3)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let image = RgbImage::new(37, 23, data).unwrap();
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        for (width, height) in [(37, 23), (16, 40), (90, 11), (37, 9)] {
            let whole = resize(&image, width, height, filter);
            let rect = Rect {
                x: width / 3,
                y: height / 4,
                width: width / 2,
                height: height / 2,
            };
            let part = resize_region(&image, width, height, filter, rect);
            assert_eq!(part, whole.crop(rect.x, rect.y, rect.width, rect.height));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn wide_registers_give_the_same_bytes() {
    if !x86::available() {
        return;
    }
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    for (source, target) in [
        (1, 7),
        (3, 2),
        (5, 224),
        (64, 64),
        (90, 31),
        (223, 224),
        (500, 17),
        (3000, 3),
    ] {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            // Black and white pixels make the cubic overshoot on both sides.
            let data = (0..source * source.min(9) * 3).map(|_| {
                if next() < 100 {
                    0
                } else {
                    next().max(200) as u8
                }
            });
            let image = RgbImage::new(source, source.min(9), data.collect()).unwrap();
            let taps = Taps::new(source, target, 0, target, filter);
            let portable = horizontal_portable(&image, 0, image.height, &taps);
            // SAFETY: the processor was asked above.
            let narrow = unsafe { x86::horizontal_pass(&image, 0, image.height, &taps) };
            assert_eq!(narrow, portable, "{source} to {target} {filter:?}");
            assert_eq!(
                horizontal_pass(&image, 0, image.height, &taps),
                portable,
                "{source} to {target} {filter:?}, the widest registers"
            );
            let taps = Taps::new(image.height, target, 0, target, filter);
            assert_eq!(
                vertical_pass(&image, 0, &taps),
                vertical_rows(&image, 0, &taps)
            );
        }
    }
}

#[test]
fn an_extreme_shape_costs_its_crop_only() {
    let image = RgbImage::filled(1, 100_000, [1, 2, 3]).unwrap();
    let rect = Rect {
        x: 16,
        y: 12_799_888,
        width: 224,
        height: 224,
    };
    let out = resize_region(&image, 256, 25_600_000, Filter::Bicubic, rect);
    assert_eq!((out.width, out.height), (224, 224));
}

#[test]
fn rows_of_every_width_are_the_plain_sums() {
    let byte = |i: usize| ((i * 2_654_435_761) >> 7) as u8;
    for width in 1..=50_u32 {
        let image = RgbImage {
            width,
            height: 11,
            data: (0..width as usize * 3 * 11).map(byte).collect(),
        };
        for target in [5, 11, 17] {
            let taps = Taps::new(11, target, 0, target, Filter::Bicubic);
            let stride = image.stride();
            let mut plain = Vec::new();
            for output in 0..target as usize {
                let (start, weights) = taps.at(output);
                for column in 0..stride {
                    let sum = weights.iter().enumerate().fold(HALF, |sum, (tap, weight)| {
                        let byte = image.data[(start + tap) * stride + column];
                        sum.wrapping_add(i32::from(byte).wrapping_mul(*weight))
                    });
                    plain.push(to_byte(sum));
                }
            }
            let got = vertical_pass(&image, 0, &taps);
            assert_eq!(got.data, plain, "{width} wide to {target} rows");
        }
    }
}
