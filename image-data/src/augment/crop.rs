//! Where to cut: the rectangles of `RandomResizedCrop`, `RandomCrop` and `RandomErasing`.

use model_core::RgbImage;

use super::PaddingMode;
use crate::random::Random;

/// A rectangle inside a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// torchvision `RandomResizedCrop.get_params`: ten tries at an area and a log-uniform shape that fit, else the largest
/// center cut whose shape is allowed.
pub fn random_resized_area(
    width: u32,
    height: u32,
    scale: [f64; 2],
    ratio: [f64; 2],
    random: &mut Random,
) -> Area {
    let (full_w, full_h) = (f64::from(width), f64::from(height));
    for _ in 0..10 {
        let area = full_w * full_h * random.uniform(scale[0], scale[1]);
        let shape = random.uniform(ratio[0].ln(), ratio[1].ln()).exp();
        let w = (area * shape).sqrt().round_ties_even();
        let h = (area / shape).sqrt().round_ties_even();
        if w > 0.0 && w <= full_w && h > 0.0 && h <= full_h {
            let (w, h) = (w as u32, h as u32);
            let y = random.below(u64::from(height - h) + 1) as u32;
            let x = random.below(u64::from(width - w) + 1) as u32;
            return Area {
                x,
                y,
                width: w,
                height: h,
            };
        }
    }
    let shape = full_w / full_h;
    let (mut w, mut h) = (width, height);
    if shape < ratio[0] {
        h = ((full_w / ratio[0]).round_ties_even() as u32).clamp(1, height);
    } else if shape > ratio[1] {
        w = ((full_h * ratio[1]).round_ties_even() as u32).clamp(1, width);
    }
    Area {
        x: (width - w) / 2,
        y: (height - h) / 2,
        width: w,
        height: h,
    }
}

/// torchvision `RandomErasing.get_params`: ten tries at a rectangle smaller than the picture on both sides; `None` when
/// none fits. `ratio` is height over width.
pub fn erased_area(
    width: u32,
    height: u32,
    scale: [f64; 2],
    ratio: [f64; 2],
    random: &mut Random,
) -> Option<Area> {
    let (full_w, full_h) = (f64::from(width), f64::from(height));
    for _ in 0..10 {
        let area = full_w * full_h * random.uniform(scale[0], scale[1]);
        let shape = random.uniform(ratio[0].ln(), ratio[1].ln()).exp();
        let h = (area * shape).sqrt().round_ties_even();
        let w = (area / shape).sqrt().round_ties_even();
        if h < full_h && w < full_w {
            let (w, h) = (w as u32, h as u32);
            let y = random.below(u64::from(height - h) + 1) as u32;
            let x = random.below(u64::from(width - w) + 1) as u32;
            return Some(Area {
                x,
                y,
                width: w,
                height: h,
            });
        }
    }
    None
}

/// torchvision `RandomCrop(side, padding, pad_if_needed=True, padding_mode=mode)`: a random square out of the padded
/// picture.
pub fn pad_crop(
    image: &RgbImage,
    side: u32,
    padding: u32,
    mode: PaddingMode,
    random: &mut Random,
) -> RgbImage {
    // Padding that is needed goes on both sides in full, as torchvision does.
    let pad = |length: u32| padding + side.saturating_sub(length + 2 * padding);
    let (pad_x, pad_y) = (pad(image.width), pad(image.height));
    let y = random.below(u64::from(image.height + 2 * pad_y - side) + 1) as i64 - i64::from(pad_y);
    let x = random.below(u64::from(image.width + 2 * pad_x - side) + 1) as i64 - i64::from(pad_x);
    let stride = side as usize * 3;
    let mut data = vec![0; stride * side as usize];
    // What of the square lies inside the picture.
    let end = x + i64::from(side);
    let left = 0.clamp(x, end);
    let right = i64::from(image.width).clamp(left, end);
    for (row, out) in data.chunks_exact_mut(stride).enumerate() {
        let Some(source) = shown(y + row as i64, image.height, mode) else {
            continue;
        };
        let from = image.row(source);
        if left < right {
            out[(left - x) as usize * 3..(right - x) as usize * 3]
                .copy_from_slice(&from[left as usize * 3..right as usize * 3]);
        }
        if mode == PaddingMode::Reflect {
            let beside = (x..left).chain(right..end);
            for (column, source) in
                beside.filter_map(|c| Some((c - x, shown(c, image.width, mode)?)))
            {
                out[column as usize * 3..][..3].copy_from_slice(&from[source as usize * 3..][..3]);
            }
        }
    }
    RgbImage {
        width: side,
        height: side,
        data,
    }
}

/// The row or column of a picture of `length` that stands at `place` of the padded one; none: black.
fn shown(place: i64, length: u32, mode: PaddingMode) -> Option<u32> {
    let length = i64::from(length);
    match mode {
        _ if (0..length).contains(&place) => Some(place as u32),
        PaddingMode::Constant => None,
        PaddingMode::Reflect => {
            // A mirror at each edge repeats after twice the way from one to the other; one pixel mirrors only itself.
            let period = (2 * (length - 1)).max(1);
            let within = place.rem_euclid(period);
            Some(within.min(period - within).min(length - 1) as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Key, Purpose};

    fn stream(index: u64) -> Random {
        Key::new(1, 0, index, Purpose::Augment).stream()
    }

    #[test]
    fn areas_fit_and_follow_their_distribution() {
        let (mut total, n) = (0.0, 20_000);
        for i in 0..n {
            let area =
                random_resized_area(400, 300, [0.08, 1.0], [0.75, 4.0 / 3.0], &mut stream(i));
            assert!(
                area.x + area.width <= 400
                    && area.y + area.height <= 300
                    && area.width > 0
                    && area.height > 0
            );
            let shape = f64::from(area.width) / f64::from(area.height);
            assert!((0.74..1.36).contains(&shape), "{shape}");
            total += f64::from(area.width * area.height) / 120_000.0;
        }
        // torchvision 0.28, five times 20,000 draws at this size: 0.4312 to 0.4351, mean 0.4332 (tests/data/make_augment.py).
        let mean = total / n as f64;
        assert!((mean - 0.4332).abs() < 0.006, "{mean}");
    }

    #[test]
    fn pictures_of_extreme_shape_fall_back_to_the_center() {
        // Never a try that fits: one row; and one column.
        let ratio = [0.75, 4.0 / 3.0];
        let wide = random_resized_area(1000, 1, [0.08, 1.0], ratio, &mut stream(0));
        assert_eq!(
            wide,
            Area {
                x: 499,
                y: 0,
                width: 1,
                height: 1
            }
        );
        let tall = random_resized_area(3, 1000, [0.5, 1.0], ratio, &mut stream(0));
        assert_eq!(
            tall,
            Area {
                x: 0,
                y: 498,
                width: 3,
                height: 4
            }
        );
        for (w, h) in [(1, 1), (1, 2), (2, 1), (5, 3)] {
            for i in 0..200 {
                let area = random_resized_area(w, h, [0.08, 1.0], ratio, &mut stream(i));
                assert!(
                    area.width >= 1
                        && area.height >= 1
                        && area.x + area.width <= w
                        && area.y + area.height <= h
                );
            }
        }
    }

    #[test]
    fn pad_crop_is_a_window_on_the_padded_picture() {
        let data: Vec<u8> = (0..8 * 6 * 3).map(|i| i as u8 + 1).collect();
        let image = RgbImage::new(8, 6, data).unwrap();
        let at = |x: i64, y: i64| -> [u8; 3] {
            let inside = (0..8).contains(&x) && (0..6).contains(&y);
            if inside {
                image.pixel(x as u32, y as u32)
            } else {
                [0; 3]
            }
        };
        let mut seen = std::collections::HashSet::new();
        for i in 0..400 {
            let out = pad_crop(&image, 7, 2, PaddingMode::Constant, &mut stream(i));
            // 8 + 4 - 7 = 5 and 6 + 4 - 7 = 3 free places.
            let place = (-2..=3)
                .flat_map(|x| (-2..=1).map(move |y| (x, y)))
                .find(|&(x, y)| {
                    (0..7).all(|r| {
                        (0..7).all(|c| out.pixel(c, r) == at(x + i64::from(c), y + i64::from(r)))
                    })
                });
            seen.insert(place.expect("a window"));
        }
        assert_eq!(seen.len(), 24);
        assert_eq!(
            pad_crop(&image, 30, 0, PaddingMode::Constant, &mut stream(0))
                .data
                .len(),
            30 * 30 * 3
        );
    }

    #[test]
    fn reflected_padding_is_numpys() {
        // numpy.pad(range(4), 5, mode="reflect"): [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
        let reflected = [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2];
        for (place, &expected) in (-5..).zip(&reflected) {
            assert_eq!(shown(place, 4, PaddingMode::Reflect), Some(expected));
        }
        assert_eq!(shown(-3, 1, PaddingMode::Reflect), Some(0));

        // Every number of a picture tells its place.
        let data: Vec<u8> = (0..4 * 4 * 3).collect();
        let image = RgbImage::new(4, 4, data).unwrap();
        let mut seen = std::collections::HashSet::new();
        for i in 0..800 {
            let out = pad_crop(&image, 4, 5, PaddingMode::Reflect, &mut stream(i));
            let at = |start: usize, place: u32| reflected[start + place as usize];
            let place = (0..=10)
                .flat_map(|x| (0..=10).map(move |y| (x, y)))
                .find(|&(x, y)| {
                    (0..4)
                        .all(|r| (0..4).all(|c| out.pixel(c, r) == image.pixel(at(x, c), at(y, r))))
                });
            seen.insert(place.expect("a window on the reflected picture"));
        }
        // Places that show the same, as a mirror of a mirror does, are found as the first of them.
        assert!(seen.len() > 30, "{}", seen.len());
    }

    #[test]
    fn erased_areas_are_inside() {
        for i in 0..2000 {
            if let Some(area) = erased_area(20, 30, [0.02, 0.33], [0.3, 3.3], &mut stream(i)) {
                assert!(area.x + area.width <= 20 && area.y + area.height <= 30);
            }
        }
        assert_eq!(
            erased_area(1, 1, [0.9, 1.0], [1.0, 1.0], &mut stream(0)),
            None
        );
    }
}
