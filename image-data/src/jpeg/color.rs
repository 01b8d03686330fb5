//! Components to RGB, with libjpeg's fixed point (`jdcolor.c`) and, for inks, PIL's conversion.

use super::frame::JpegColor;

/// The loop that deserves vectors.
pub(super) trait Convert: Copy {
    /// JFIF's YCbCr to RGB; `out` takes three bytes a pixel.
    fn ycc(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]);
}

/// Converts one row. `rows` are the components at the picture's resolution, as many as `color` has.
#[inline(always)]
pub(super) fn row(convert: impl Convert, color: JpegColor, rows: [&[u8]; 4], out: &mut [u8]) {
    let [a, b, c, k] = rows;
    let pixels = out.as_chunks_mut::<3>().0;
    match color {
        JpegColor::Gray => {
            for (pixel, &gray) in pixels.iter_mut().zip(a) {
                *pixel = [gray; 3];
            }
        }
        JpegColor::YCbCr => convert.ycc(a, b, c, out),
        JpegColor::Rgb => {
            for (pixel, ((&r, &g), &b)) in pixels.iter_mut().zip(a.iter().zip(b).zip(c)) {
                *pixel = [r, g, b];
            }
        }
        JpegColor::Inks => {
            let inks = a.iter().zip(b).zip(c).zip(k);
            for (pixel, (((&a, &b), &c), &k)) in pixels.iter_mut().zip(inks) {
                *pixel = over_black([a, b, c], 255 - k);
            }
        }
        JpegColor::Cmyk | JpegColor::Ycck => {
            let inks = a.iter().zip(b).zip(c).zip(k);
            for (pixel, (((&a, &b), &c), &k)) in pixels.iter_mut().zip(inks) {
                let amounts = if color == JpegColor::Cmyk {
                    [a, b, c].map(|ink| 255 - ink)
                } else {
                    ycc_to_rgb([a, b, c])
                };
                *pixel = over_black(amounts, k);
            }
        }
    }
}

/// Amounts of cyan, magenta and yellow under black as PIL converts them (`cmyk2rgb` in Pillow's `Convert.c`), Adobe's polarity
/// (255 is no black). For YCCK, libjpeg stores `255 - R` as cyan and PIL inverts it again, so R is the amount.
pub(crate) fn over_black(amounts: [u8; 3], k: u8) -> [u8; 3] {
    amounts.map(|ink| k - mul_div_255(ink, k))
}

/// `a * b / 255`, rounded, as Pillow's `MULDIV255`.
fn mul_div_255(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    (((t >> 8) + t) >> 8) as u8
}

/// Factors times 2^16.
const R_CR: i32 = 91_881;
const G_CB: i32 = 22_554;
const G_CR: i32 = 46_802;
const B_CB: i32 = 116_130;
const HALF: i32 = 1 << 15;

fn ycc_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((R_CR * cr + HALF) >> 16);
    let green = y + ((-G_CB * cb - G_CR * cr + HALF) >> 16);
    let blue = y + ((B_CB * cb + HALF) >> 16);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

/// Plain integers, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Convert for Portable {
    #[inline(always)]
    fn ycc(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        for (pixel, ((&y, &cb), &cr)) in pixels.iter_mut().zip(y.iter().zip(cb).zip(cr)) {
            *pixel = ycc_to_rgb([y, cb, cr]);
        }
    }
}
