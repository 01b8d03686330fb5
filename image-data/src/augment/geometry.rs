//! Operations on places, equal to PIL's `Image.transform(AFFINE)` and `Image.rotate` to the byte. `fill` is the color of
//! what comes from outside the picture: PIL's `fillcolor`.

use model_core::RgbImage;

/// How a place between pixels is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// The pixel it falls in: the default of torchvision's policies.
    #[default]
    Nearest,
    /// Between four pixels, cut off and not rounded.
    Bilinear,
    /// Between sixteen pixels (Keys' cubic with a = -0.5), cut off and not rounded.
    Bicubic,
}

/// Row-major 2 x 3: the output pixel (x, y) reads the input at `(m0 x + m1 y + m2, m3 x + m4 y + m5)`.
pub type AffineMatrix = [f64; 6];

/// torchvision's `_get_inverse_affine_matrix` with scale 1: angle and shears in degrees, translation in pixels.
fn inverse_matrix(
    center: [f64; 2],
    angle: f64,
    translate: [f64; 2],
    shear: [f64; 2],
) -> AffineMatrix {
    let rotation = angle.to_radians();
    let (sx, sy) = (shear[0].to_radians(), shear[1].to_radians());
    let a = (rotation - sy).cos() / sy.cos();
    let b = -(rotation - sy).cos() * sx.tan() / sy.cos() - rotation.sin();
    let c = (rotation - sy).sin() / sy.cos();
    let d = -(rotation - sy).sin() * sx.tan() / sy.cos() + rotation.cos();
    let mut matrix = [d, -b, 0.0, -c, a, 0.0];
    let back = [-center[0] - translate[0], -center[1] - translate[1]];
    matrix[2] += matrix[0] * back[0] + matrix[1] * back[1];
    matrix[5] += matrix[3] * back[0] + matrix[4] * back[1];
    matrix[2] += center[0];
    matrix[5] += center[1];
    matrix
}

/// Sheared about the corner, as torchvision's policies do it: the levels are the tangents.
pub fn shear(
    image: &RgbImage,
    [level_x, level_y]: [f64; 2],
    sampling: Sampling,
    fill: [u8; 3],
) -> RgbImage {
    let degrees = [level_x.atan().to_degrees(), level_y.atan().to_degrees()];
    affine(
        image,
        &inverse_matrix([0.0; 2], 0.0, [0.0; 2], degrees),
        sampling,
        fill,
    )
}

/// Moved by whole pixels, right and down.
pub fn translate(
    image: &RgbImage,
    [x, y]: [i32; 2],
    sampling: Sampling,
    fill: [u8; 3],
) -> RgbImage {
    let center = [f64::from(image.width) * 0.5, f64::from(image.height) * 0.5];
    affine(
        image,
        &inverse_matrix(center, 0.0, [f64::from(x), f64::from(y)], [0.0; 2]),
        sampling,
        fill,
    )
}

/// `Image.rotate(degrees)`: counter-clockwise about the center, the size kept.
pub fn rotate(image: &RgbImage, degrees: f64, sampling: Sampling, fill: [u8; 3]) -> RgbImage {
    let angle = degrees.rem_euclid(360.0);
    if angle == 0.0 {
        return image.clone();
    }
    // PIL turns by right angles without resampling where that keeps the size.
    if angle == 180.0 {
        let pixels: Vec<[u8; 3]> = image
            .data
            .as_chunks::<3>()
            .0
            .iter()
            .rev()
            .copied()
            .collect();
        return RgbImage {
            data: pixels.into_flattened(),
            ..*image
        };
    }
    if (angle == 90.0 || angle == 270.0) && image.width == image.height {
        return quarter_turn(image, angle == 90.0);
    }
    let center = [f64::from(image.width) / 2.0, f64::from(image.height) / 2.0];
    let radians = -angle.to_radians();
    // Python's `round(v, 15)` rounds the decimal expansion, which scaling by 1e15 does not.
    let round = |v: f64| format!("{v:.15}").parse().unwrap_or(v);
    let mut matrix = [
        round(radians.cos()),
        round(radians.sin()),
        0.0,
        round(-radians.sin()),
        round(radians.cos()),
        0.0,
    ];
    matrix[2] = matrix[0] * -center[0] + matrix[1] * -center[1];
    matrix[5] = matrix[3] * -center[0] + matrix[4] * -center[1];
    matrix[2] += center[0];
    matrix[5] += center[1];
    affine(image, &matrix, sampling, fill)
}

fn quarter_turn(image: &RgbImage, counter_clockwise: bool) -> RgbImage {
    let side = image.width;
    let mut data = Vec::with_capacity(image.data.len());
    for y in 0..side {
        for x in 0..side {
            let (sx, sy) = if counter_clockwise {
                (side - 1 - y, x)
            } else {
                (y, side - 1 - x)
            };
            data.extend(image.pixel(sx, sy));
        }
    }
    RgbImage {
        width: side,
        height: side,
        data,
    }
}

/// `image.transform(image.size, AFFINE, matrix, resample, fillcolor=fill)`.
pub fn affine(
    image: &RgbImage,
    matrix: &AffineMatrix,
    sampling: Sampling,
    fill: [u8; 3],
) -> RgbImage {
    let mut data = fill.repeat(image.data.len() / 3);
    let width = image.width as usize;
    for (y, row) in data.chunks_exact_mut(width * 3).enumerate() {
        let pixels = row.as_chunks_mut::<3>().0;
        match sampling {
            Sampling::Bilinear => bilinear_row(image, matrix, y, pixels),
            Sampling::Bicubic => bicubic_row(image, matrix, y, pixels),
            // PIL walks a pure translation or scaling in floating point, and everything else in fixed point.
            Sampling::Nearest if matrix[1] == 0.0 && matrix[3] == 0.0 => {
                scaled_row(image, matrix, y, pixels)
            }
            Sampling::Nearest => fixed_row(image, matrix, y, pixels),
        }
    }
    RgbImage {
        width: image.width,
        height: image.height,
        data,
    }
}

/// `ImagingScaleAffine`.
fn scaled_row(image: &RgbImage, m: &AffineMatrix, y: usize, out: &mut [[u8; 3]]) {
    let sy = m[5] + m[4] * 0.5 + m[4] * y as f64;
    if sy < 0.0 || sy >= f64::from(image.height) {
        return;
    }
    let row = image.row(sy as u32).as_chunks::<3>().0;
    let mut sx = m[2] + m[0] * 0.5;
    for pixel in out {
        if sx >= 0.0 && sx < f64::from(image.width) {
            *pixel = row[sx as usize];
        }
        sx += m[0];
    }
}

/// `affine_fixed`: 16 fraction bits.
fn fixed_row(image: &RgbImage, m: &AffineMatrix, y: usize, out: &mut [[u8; 3]]) {
    let fix = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let y = y as i64;
    let mut sx = fix(m[2] + m[0] * 0.5 + m[1] * 0.5) + fix(m[1]) * y;
    let mut sy = fix(m[5] + m[3] * 0.5 + m[4] * 0.5) + fix(m[4]) * y;
    let (step_x, step_y) = (fix(m[0]), fix(m[3]));
    let (width, height) = (i64::from(image.width), i64::from(image.height));
    for pixel in out {
        let (column, row) = (sx >> 16, sy >> 16);
        if (0..width).contains(&column) && (0..height).contains(&row) {
            *pixel = image.pixel(column as u32, row as u32);
        }
        sx += step_x;
        sy += step_y;
    }
}

/// `ImagingGenericTransform` with `affine_transform` and `bilinear_filter32RGB`.
fn bilinear_row(image: &RgbImage, m: &AffineMatrix, y: usize, out: &mut [[u8; 3]]) {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let yin = y as f64 + 0.5;
    for (x, pixel) in out.iter_mut().enumerate() {
        let xin = x as f64 + 0.5;
        let sx = m[0] * xin + m[1] * yin + m[2];
        let sy = m[3] * xin + m[4] * yin + m[5];
        if !(0.0..width).contains(&sx) || !(0.0..height).contains(&sy) {
            continue;
        }
        let (sx, sy) = (sx - 0.5, sy - 0.5);
        let (left, top) = (sx.floor(), sy.floor());
        let (dx, dy) = (sx - left, sy - top);
        let column = |c: f64| c.clamp(0.0, width - 1.0) as u32;
        let row = |r: f64| r.clamp(0.0, height - 1.0) as u32;
        let corner = |c: f64, r: f64| image.pixel(column(c), row(r)).map(f64::from);
        let (a, b) = (corner(left, top), corner(left + 1.0, top));
        let (c, d) = (corner(left, top + 1.0), corner(left + 1.0, top + 1.0));
        let below = top + 1.0 < height;
        for (i, value) in pixel.iter_mut().enumerate() {
            let upper = a[i] + (b[i] - a[i]) * dx;
            let lower = if below {
                c[i] + (d[i] - c[i]) * dx
            } else {
                upper
            };
            *value = (upper + (lower - upper) * dy) as u8;
        }
    }
}

/// `ImagingGenericTransform` with `affine_transform` and `bicubic_filter32RGB`.
fn bicubic_row(image: &RgbImage, m: &AffineMatrix, y: usize, out: &mut [[u8; 3]]) {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let yin = y as f64 + 0.5;
    for (x, pixel) in out.iter_mut().enumerate() {
        let xin = x as f64 + 0.5;
        let sx = m[0] * xin + m[1] * yin + m[2];
        let sy = m[3] * xin + m[4] * yin + m[5];
        if !(0.0..width).contains(&sx) || !(0.0..height).contains(&sy) {
            continue;
        }
        let (sx, sy) = (sx - 0.5, sy - 0.5);
        let (left, top) = (sx.floor(), sy.floor());
        let (dx, dy) = (sx - left, sy - top);
        let columns = [-1.0, 0.0, 1.0, 2.0].map(|c| (left + c).clamp(0.0, width - 1.0) as u32);
        // Each row of four, interpolated; a row beyond the picture repeats the one before it.
        let mut rows = [[0.0; 3]; 4];
        for index in 0..4 {
            let row = top + index as f64 - 1.0;
            if index > 0 && !(0.0..height).contains(&row) {
                rows[index] = rows[index - 1];
                continue;
            }
            let row = row.clamp(0.0, height - 1.0) as u32;
            let four = columns.map(|column| image.pixel(column, row).map(f64::from));
            rows[index] = std::array::from_fn(|c| {
                cubic([four[0][c], four[1][c], four[2][c], four[3][c]], dx)
            });
        }
        for (c, value) in pixel.iter_mut().enumerate() {
            // A saturating cast clips below 0 and above 255, as the filter does.
            *value = cubic([rows[0][c], rows[1][c], rows[2][c], rows[3][c]], dy) as u8;
        }
    }
}

/// `BICUBIC` of `Geometry.c`.
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p1 = v2;
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    p1 + d * (p2 + d * (p3 + d * p4))
}
