//! Pillow's `Image.resize` for 8-bit RGB, equal to Pillow 12 and older byte for byte. (Pillow 13 runs the vertical pass first
//! for some extreme shapes; published weights rest on the older order.)
//!
//! Two separable passes, horizontal first, with antialiasing by widening the filter when shrinking; weights
//! in 22-bit fixed point, `u8` between the passes (Pillow, `src/libImaging/Resample.c`). This is what
//! torchvision's `Resize` runs on a PIL image, so weights trained there see the same numbers here.
//!
//! Not here: nearest or Lanczos filters, other pixel formats, in-place work.

use serde::{Deserialize, Serialize};

use crate::pixels::RgbImage;

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_wide;

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for overshoot and sign.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The interpolation kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Triangle, support 1.
    Bilinear,
    /// Keys' cubic with a = -0.5, support 2.
    Bicubic,
}

impl Filter {
    /// Half the width of the kernel, in source pixels at scale 1.
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Filter::Bilinear if x < 1.0 => 1.0 - x,
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// A rectangle of the resized image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

/// Resizes to `width` x `height`, as Pillow's `image.resize((width, height), filter)`.
///
/// A zero side is taken as 1.
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    resize_region(
        image,
        width,
        height,
        filter,
        Rect {
            x: 0,
            y: 0,
            width,
            height,
        },
    )
}

/// The rectangle `region` of `resize(image, width, height, filter)`, without computing the rest.
///
/// Time and memory follow the region, so a 1 x 100,000 picture resized to a short side of 256 costs no more
/// than its center crop. The region is cut to what lies inside `width` x `height`.
pub fn resize_region(
    image: &RgbImage,
    width: u32,
    height: u32,
    filter: Filter,
    region: Rect,
) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    let x = region.x.min(width - 1);
    let y = region.y.min(height - 1);
    let region_width = region.width.clamp(1, width - x);
    let region_height = region.height.clamp(1, height - y);

    let vertical =
        (height != image.height).then(|| Taps::new(image.height, height, y, region_height, filter));
    // Only the source rows that the vertical pass reads go through the horizontal one.
    let (first_row, rows) = match &vertical {
        Some(taps) => taps.source_span(),
        None => (y, region_height),
    };

    let narrowed = if width == image.width {
        image.crop(x, first_row, region_width, rows)
    } else {
        let taps = Taps::new(image.width, width, x, region_width, filter);
        horizontal_pass(image, first_row, rows, &taps)
    };
    match vertical {
        Some(taps) => vertical_pass(&narrowed, first_row, &taps),
        None => narrowed,
    }
}

/// For every output position of one axis: which source positions it sums, with which weights.
struct Taps {
    /// First source position, one an output.
    starts: Vec<u32>,
    /// Number of weights, one an output, at most `width`.
    counts: Vec<u32>,
    /// `width` weights an output, fixed point, unused ones zero.
    weights: Vec<i32>,
    width: usize,
}

impl Taps {
    /// Weights of outputs `first..first + count` when `source` positions become `target`.
    fn new(source: u32, target: u32, first: u32, count: u32, filter: Filter) -> Self {
        let scale = f64::from(source) / f64::from(target);
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        // Pillow allots ceil(support) * 2 + 1 weights; no output can see more than the whole axis.
        let width = ((support.ceil() as usize)
            .saturating_mul(2)
            .saturating_add(1))
        .min(source as usize);

        let mut taps = Taps {
            starts: Vec::with_capacity(count as usize),
            counts: Vec::with_capacity(count as usize),
            weights: vec![0; width * count as usize],
            width,
        };
        let mut row = vec![0.0f64; width];
        for output in 0..count {
            let center = (f64::from(first + output) + 0.5) * scale;
            let inverse = 1.0 / filter_scale;
            // `as` truncates toward zero and saturates at 0, as the C cast followed by the clamp does.
            let start = (center - support + 0.5) as u32;
            let end = ((center + support + 0.5) as u32).min(source);
            let used = (end.saturating_sub(start) as usize).min(width);
            let mut total = 0.0;
            for (i, slot) in row[..used].iter_mut().enumerate() {
                *slot = filter.weight((i as f64 + f64::from(start) - center + 0.5) * inverse);
                total += *slot;
            }
            let at = output as usize * width;
            for (fixed, weight) in taps.weights[at..].iter_mut().zip(&row[..used]) {
                let weight = if total == 0.0 {
                    *weight
                } else {
                    *weight / total
                };
                *fixed = to_fixed(weight);
            }
            taps.starts.push(start);
            taps.counts.push(used as u32);
        }
        taps
    }

    fn at(&self, output: usize) -> (usize, &[i32]) {
        let from = output * self.width;
        (
            self.starts[output] as usize,
            &self.weights[from..from + self.counts[output] as usize],
        )
    }

    /// The source positions that any output reads: first and how many.
    fn source_span(&self) -> (u32, u32) {
        let first = self.starts.iter().copied().min().unwrap_or(0);
        let end = self
            .starts
            .iter()
            .zip(&self.counts)
            .map(|(s, c)| s + c)
            .max()
            .unwrap_or(1);
        (first, (end - first).max(1))
    }
}

/// Rounds half away from zero, as Pillow's `normalize_coeffs_8bpc`.
fn to_fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1u32 << PRECISION_BITS);
    if scaled < 0.0 {
        (scaled - 0.5) as i32
    } else {
        (scaled + 0.5) as i32
    }
}

/// The starting value of a sum: one half, so that the shift rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontal_pass(image: &RgbImage, first_row: u32, rows: u32, taps: &Taps) -> RgbImage {
    #[cfg(target_arch = "x86_64")]
    if x86_wide::available()
        // SAFETY: the processor has what the function asks for.
        && let Some(narrowed) = unsafe { x86_wide::horizontal_pass(image, first_row, rows, taps) }
    {
        return narrowed;
    }
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        // SAFETY: the processor has AVX2, which is all the function asks for.
        return unsafe { x86::horizontal_pass(image, first_row, rows, taps) };
    }
    horizontal_portable(image, first_row, rows, taps)
}

fn horizontal_portable(image: &RgbImage, first_row: u32, rows: u32, taps: &Taps) -> RgbImage {
    let width = taps.starts.len();
    let mut data = Vec::with_capacity(width * rows as usize * 3);
    for y in first_row..first_row + rows {
        let (line, _) = image.row(y).as_chunks::<3>();
        for output in 0..width {
            let (start, weights) = taps.at(output);
            let mut sums = [HALF; 3];
            for (pixel, weight) in line[start..start + weights.len()].iter().zip(weights) {
                sums[0] = sums[0].wrapping_add(i32::from(pixel[0]).wrapping_mul(*weight));
                sums[1] = sums[1].wrapping_add(i32::from(pixel[1]).wrapping_mul(*weight));
                sums[2] = sums[2].wrapping_add(i32::from(pixel[2]).wrapping_mul(*weight));
            }
            data.extend(sums.map(to_byte));
        }
    }
    RgbImage {
        width: width as u32,
        height: rows,
        data,
    }
}

/// `first_row` is the row of the source that `image`'s row 0 stands for.
fn vertical_pass(image: &RgbImage, first_row: u32, taps: &Taps) -> RgbImage {
    #[cfg(target_arch = "x86_64")]
    if x86_wide::available() {
        // SAFETY: the processor has what the function asks for.
        return unsafe { x86_wide::vertical_pass(image, first_row, taps) };
    }
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        // SAFETY: the processor has AVX2, which is all the function asks for.
        return unsafe { x86::vertical_pass(image, first_row, taps) };
    }
    vertical_rows(image, first_row, taps)
}

/// Columns in blocks whose sums stay in registers; inlined, so that it is compiled for its caller's instruction set.
#[inline(always)]
fn vertical_rows(image: &RgbImage, first_row: u32, taps: &Taps) -> RgbImage {
    const BLOCK: usize = 64;
    const HALF_BLOCK: usize = BLOCK / 2;
    let height = taps.starts.len();
    let stride = image.stride();
    let mut data = vec![0; stride * height];
    for (output, out) in data.chunks_exact_mut(stride).enumerate() {
        let (start, weights) = taps.at(output);
        let rows = &image.data[(start - first_row as usize) * stride..];
        let mut column = 0;
        while column < stride {
            // The last block begins early enough to be whole: a few columns are computed twice.
            column += if stride >= BLOCK && stride - column > HALF_BLOCK {
                columns::<BLOCK>(rows, column.min(stride - BLOCK), weights, out)
            } else if stride >= HALF_BLOCK {
                columns::<HALF_BLOCK>(rows, column.min(stride - HALF_BLOCK), weights, out)
            } else {
                columns::<1>(rows, column, weights, out)
            };
        }
    }
    RgbImage {
        width: image.width,
        height: height as u32,
        data,
    }
}

/// `N` bytes of `out`, a row, from byte `from` on: sums over as many rows as there are weights. `N`.
#[inline(always)]
fn columns<const N: usize>(rows: &[u8], from: usize, weights: &[i32], out: &mut [u8]) -> usize {
    let mut sums = [HALF; N];
    for (row, weight) in rows.chunks_exact(out.len()).zip(weights) {
        for (sum, byte) in sums.iter_mut().zip(&row[from..][..N]) {
            *sum = sum.wrapping_add(i32::from(*byte).wrapping_mul(*weight));
        }
    }
    for (byte, sum) in out[from..][..N].iter_mut().zip(sums) {
        *byte = to_byte(sum);
    }
    N
}

#[cfg(test)]
mod tests;
