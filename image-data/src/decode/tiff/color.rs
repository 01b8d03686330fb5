//! A TIFF's 8-bit samples to RGB, transparency as asked.

use super::super::{Alpha, DecodeError, Format, inks_to_rgb, over_white};
use super::directory::{Directory, tag};
use super::layout::{Extra, Layout, Photometric};

/// `samples` holds [`Layout::kept`] bytes a pixel.
pub(super) fn to_rgb(
    samples: Vec<u8>,
    layout: &Layout,
    directory: &Directory<'_>,
    alpha: Alpha,
) -> Result<Vec<u8>, DecodeError> {
    let kept = layout.kept();
    if (layout.photometric, layout.extra) == (Photometric::Rgb, Extra::None) {
        return Ok(samples);
    }
    let color = color(layout, directory)?;
    let mut out = Vec::with_capacity(samples.len() / kept * 3);
    for pixel in samples.chunks_exact(kept) {
        let rgb = color(pixel);
        let transparency = pixel[kept - 1];
        out.extend(match (layout.extra, alpha) {
            (Extra::None, _) => rgb,
            (Extra::Unassociated, Alpha::Drop) => rgb,
            (Extra::Unassociated, Alpha::OnWhite) => over_white(rgb, transparency),
            // Multiplied already: what shines through is added.
            (Extra::Associated, Alpha::OnWhite) => {
                rgb.map(|v| v.saturating_add(255 - transparency))
            }
            (Extra::Associated, Alpha::Drop) => divide(rgb, transparency),
        });
    }
    Ok(out)
}

/// The color under associated transparency, as Pillow's `unpackRGBa` computes it.
fn divide(rgb: [u8; 3], alpha: u8) -> [u8; 3] {
    match alpha {
        0 => [0; 3],
        alpha => rgb.map(|v| (u32::from(v) * 255 / u32::from(alpha)).min(255) as u8),
    }
}

type Color = Box<dyn Fn(&[u8]) -> [u8; 3]>;

fn color(layout: &Layout, directory: &Directory<'_>) -> Result<Color, DecodeError> {
    Ok(match layout.photometric {
        Photometric::WhiteIsZero => Box::new(|p| [255 - p[0]; 3]),
        Photometric::BlackIsZero => Box::new(|p| [p[0]; 3]),
        Photometric::Rgb => Box::new(|p| [p[0], p[1], p[2]]),
        Photometric::Palette => {
            let palette = palette(layout, directory)?;
            Box::new(move |p| palette[usize::from(p[0])])
        }
        Photometric::Cmyk => Box::new(|p| inks_to_rgb([p[0], p[1], p[2], p[3]])),
        Photometric::YCbCr => ycbcr(directory),
        Photometric::Lab { signed } => {
            let shift = if signed { 128 } else { 0 };
            Box::new(move |p| lab_to_rgb(p[0], p[1].wrapping_add(shift), p[2].wrapping_add(shift)))
        }
    })
}

/// All reds, all greens, all blues, 16 bits each; the high bytes count. Old writers fill only the low bytes.
fn palette(layout: &Layout, directory: &Directory<'_>) -> Result<Vec<[u8; 3]>, DecodeError> {
    let colors = 1_usize << layout.bits;
    let values = directory
        .integers(tag::COLOR_MAP, 3 * colors)
        .filter(|values| values.len() == 3 * colors)
        .ok_or_else(|| DecodeError::Malformed {
            format: Format::Tiff,
            reason: format!("a palette of {colors} colors is not in the file"),
        })?;
    let low = values.iter().all(|value| *value < 256);
    let byte = |value: u64| if low { value as u8 } else { (value >> 8) as u8 };
    let mut palette: Vec<[u8; 3]> = (0..colors.min(256))
        .map(|i| [i, colors + i, 2 * colors + i].map(|at| byte(values[at])))
        .collect();
    palette.resize(256, [0; 3]);
    Ok(palette)
}

/// TIFF 6.0, section 21: coefficients and reference black and white are the file's. Defaults are CCIR 601, full range.
pub(super) fn ycbcr(directory: &Directory<'_>) -> Color {
    let several = |tag, count: usize, default: &[f64]| {
        directory
            .numbers(tag, count)
            .filter(|v| v.len() == count && v.iter().all(|n| n.is_finite()))
            .unwrap_or_else(|| default.to_vec())
    };
    let luma = several(tag::YCBCR_COEFFICIENTS, 3, &[0.299, 0.587, 0.114]);
    let luma = if luma[1] > 0.0 {
        luma
    } else {
        vec![0.299, 0.587, 0.114]
    };
    let full = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
    let mut range = several(tag::REFERENCE_BLACK_WHITE, 6, &full);
    if range.chunks(2).any(|two| two[1] <= two[0]) {
        range = full.to_vec();
    }
    let level = move |channel: usize, v: u8, span: f64| {
        let (black, white) = (range[2 * channel], range[2 * channel + 1]);
        (f64::from(v) - black) * span / (white - black)
    };
    Box::new(move |p| {
        let y = level(0, p[0], 255.0);
        let (cb, cr) = (level(1, p[1], 127.0), level(2, p[2], 127.0));
        let red = y + cr * (2.0 - 2.0 * luma[0]);
        let blue = y + cb * (2.0 - 2.0 * luma[2]);
        let green = (y - luma[0] * red - luma[2] * blue) / luma[1];
        [red, green, blue].map(|v| v.round().clamp(0.0, 255.0) as u8)
    })
}

/// CIE L*a*b* under D50 (`a` and `b` around 128) to sRGB: the matrix is sRGB's inverse, adapted to D50 by Bradford.
fn lab_to_rgb(l: u8, a: u8, b: u8) -> [u8; 3] {
    const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];
    const TO_LINEAR: [[f64; 3]; 3] = [
        [3.133_856_1, -1.616_866_7, -0.490_614_6],
        [-0.978_768_4, 1.916_141_5, 0.033_454_0],
        [0.071_945_3, -0.228_991_4, 1.405_242_7],
    ];
    let fy = (f64::from(l) * 100.0 / 255.0 + 16.0) / 116.0;
    let f = [
        fy + (f64::from(a) - 128.0) / 500.0,
        fy,
        fy - (f64::from(b) - 128.0) / 200.0,
    ];
    let mut xyz = [0.0; 3];
    for i in 0..3 {
        let t = f[i];
        xyz[i] = WHITE[i]
            * if t > 6.0 / 29.0 {
                t * t * t
            } else {
                3.0 * (6.0_f64 / 29.0).powi(2) * (t - 4.0 / 29.0)
            };
    }
    TO_LINEAR.map(|row| {
        let linear: f64 = row.iter().zip(xyz).map(|(m, v)| m * v).sum();
        let v = if linear <= 0.003_130_8 {
            12.92 * linear
        } else {
            1.055 * linear.powf(1.0 / 2.4) - 0.055
        };
        (v * 255.0).round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_is_the_standards() {
        // Red of sRGB is L 54.29, a 80.80, b 69.89 under D50; white and black are themselves.
        assert_eq!(lab_to_rgb(255, 128, 128), [255; 3]);
        assert_eq!(lab_to_rgb(0, 128, 128), [0; 3]);
        let red = lab_to_rgb((54.29_f64 * 2.55).round() as u8, 209, 198);
        assert!(red[0] >= 253 && red[1] < 12 && red[2] < 12, "{red:?}");
    }

    #[test]
    fn associated_colors_are_divided_once() {
        assert_eq!(divide([50, 100, 128], 128), [99, 199, 255]);
        assert_eq!(divide([9, 9, 9], 0), [0; 3]);
    }
}
