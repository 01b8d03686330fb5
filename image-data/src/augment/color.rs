//! Operations on colors, equal to PIL's to the byte (`ImageEnhance`, `ImageOps`, torchvision's `adjust_hue` on a PIL
//! image). All work in place.

use model_core::RgbImage;

/// PIL's luma: ITU-R 601-2 in 16-bit fixed point (`Convert.c`, `L24`).
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// `from + factor * (to - from)` in f32, cut off and not rounded (`Blend.c`).
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    // A saturating cast clips below 0 and above 255, which PIL does where the factor lies outside 0..=1.
    (from + factor * (to - from)) as u8
}

/// Applies a table of 256 entries to every byte.
fn map(image: &mut RgbImage, f: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|v| f(v as u8));
    for value in &mut image.data {
        *value = table[usize::from(*value)];
    }
}

/// Applies one table per channel.
fn map_channels(image: &mut RgbImage, tables: &[[u8; 256]; 3]) {
    for pixel in image.data.as_chunks_mut::<3>().0 {
        for (value, table) in pixel.iter_mut().zip(tables) {
            *value = table[usize::from(*value)];
        }
    }
}

fn histograms(image: &RgbImage) -> [[u32; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.data.as_chunks::<3>().0 {
        for (channel, &value) in counts.iter_mut().zip(pixel) {
            channel[usize::from(value)] += 1;
        }
    }
    counts
}

/// `ImageEnhance.Brightness`: a blend with black.
pub fn brightness(image: &mut RgbImage, factor: f64) {
    map(image, |v| blend(0, v, factor as f32));
}

/// `ImageEnhance.Contrast`: a blend with the mean gray.
pub fn contrast(image: &mut RgbImage, factor: f64) {
    let pixels = image.data.as_chunks::<3>().0;
    let sum: u64 = pixels.iter().map(|&p| u64::from(luma(p))).sum();
    let mean = (sum as f64 / pixels.len().max(1) as f64 + 0.5) as u8;
    map(image, |v| blend(mean, v, factor as f32));
}

/// `ImageEnhance.Color`: a blend with the gray picture.
pub fn saturation(image: &mut RgbImage, factor: f64) {
    for pixel in image.data.as_chunks_mut::<3>().0 {
        let gray = luma(*pixel);
        *pixel = pixel.map(|v| blend(gray, v, factor as f32));
    }
}

/// `ImageEnhance.Sharpness`: a blend with the picture under `ImageFilter.SMOOTH`, whose border is left as it is.
pub fn sharpness(image: &mut RgbImage, factor: f64) {
    let (width, height) = (image.width as usize, image.height as usize);
    if width < 3 || height < 3 {
        return; // all border: the smooth picture is the picture
    }
    let stride = width * 3;
    let source = image.data.clone();
    for y in 1..height - 1 {
        let rows = [
            &source[(y - 1) * stride..][..stride],
            &source[y * stride..][..stride],
            &source[(y + 1) * stride..][..stride],
        ];
        let out = &mut image.data[y * stride..][..stride];
        for x in 3..stride - 3 {
            let column = |at: usize| {
                u32::from(rows[0][at]) + u32::from(rows[1][at]) + u32::from(rows[2][at])
            };
            // (1 1 1 / 1 5 1 / 1 1 1) / 13, rounded; 13 is odd, so there are no ties.
            let sum = column(x - 3) + column(x) + column(x + 3) + 4 * u32::from(rows[1][x]);
            out[x] = blend(((2 * sum + 13) / 26) as u8, rows[1][x], factor as f32);
        }
    }
}

/// torchvision's `adjust_hue` on a PIL image: to PIL's HSV, the hue turned by `factor` of a circle (-0.5..=0.5), and back.
pub fn hue(image: &mut RgbImage, factor: f64) {
    // `np.array(factor * 255).astype("uint8")` truncates toward zero and wraps.
    let turn = (factor * 255.0) as i32 as u8;
    for pixel in image.data.as_chunks_mut::<3>().0 {
        let [h, s, v] = rgb_to_hsv(*pixel);
        *pixel = hsv_to_rgb([h.wrapping_add(turn), s, v]);
    }
}

/// PIL's `rgb2hsv_row`, in its mixture of f32 and f64.
fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let high = r.max(g).max(b);
    let low = r.min(g).min(b);
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let saturation = range / f32::from(high);
    let [rc, gc, bc] = [r, g, b].map(|v| f32::from(high - v) / range);
    let hue = if r == high {
        bc - gc
    } else if g == high {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    [
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        high,
    ]
}

/// PIL's `hsv2rgb`.
fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sector = f64::from(h) * 6.0 / 255.0;
    let whole = sector.floor();
    let part = f64::from((sector - whole) as f32);
    let s = f64::from((f64::from(s) / 255.0) as f32);
    let value = f64::from(v);
    let level = |share: f64| (value * (1.0 - share)).round() as u8;
    let (p, q, t) = (level(s), level(s * part), level(s * (1.0 - part)));
    match whole as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// `ImageOps.posterize`: keeps the high `bits` of every byte, 0 to 8.
pub fn posterize(image: &mut RgbImage, bits: u32) {
    let mask = !(0xFF_u32 >> bits.min(8)) as u8;
    map(image, |v| v & mask);
}

/// `ImageOps.solarize`: inverts what is not below `threshold`.
pub fn solarize(image: &mut RgbImage, threshold: f64) {
    map(
        image,
        |v| if f64::from(v) < threshold { v } else { 255 - v },
    );
}

/// timm's `solarize_add`: `level` added to what is below 128, at most 255.
pub fn solarize_add(image: &mut RgbImage, level: u8) {
    map(image, |v| if v < 128 { v.saturating_add(level) } else { v });
}

/// `ImageOps.invert`.
pub fn invert(image: &mut RgbImage) {
    map(image, |v| 255 - v);
}

/// `ImageOps.autocontrast`: each channel stretched to 0..=255.
pub fn autocontrast(image: &mut RgbImage) {
    let tables = histograms(image).map(|counts| {
        let low = counts.iter().position(|&n| n > 0).unwrap_or(0);
        let high = counts.iter().rposition(|&n| n > 0).unwrap_or(255);
        if high <= low {
            return std::array::from_fn(|v| v as u8);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        std::array::from_fn(|v| (v as f64 * scale + offset) as u8)
    });
    map_channels(image, &tables);
}

/// `ImageOps.equalize`: each channel's histogram made flat.
pub fn equalize(image: &mut RgbImage) {
    let tables = histograms(image).map(|counts| {
        let identity = std::array::from_fn(|v| v as u8);
        let Some(last) = counts.iter().rposition(|&n| n > 0) else {
            return identity;
        };
        let step = (counts.iter().sum::<u32>() - counts[last]) / 255;
        if step == 0 {
            return identity;
        }
        let mut sum = step / 2;
        std::array::from_fn(|v| {
            let level = sum / step;
            sum += counts[v];
            level.min(255) as u8
        })
    });
    map_channels(image, &tables);
}
