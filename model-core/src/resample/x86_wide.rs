//! The two passes with AVX-512 and its byte products, byte for byte what the portable ones give: the same integers are added,
//! modulo 2^32.
//!
//! Sixteen sums stand side by side: five pixels of three channels. A byte permutation brings four neighbors of every sum into its
//! lane, and weights are split into three signed bytes, so that one instruction multiplies and adds all sixty-four.

use std::arch::x86_64::{
    _mm_storeu_si128, _mm512_add_epi32, _mm512_cvtusepi32_epi8, _mm512_dpbusd_epi32,
    _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_max_epi32, _mm512_permutexvar_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srai_epi32,
};

use super::{HALF, PRECISION_BITS, RgbImage, Taps, vertical_rows};

/// Pixels that one step makes.
const PIXELS: usize = 5;
/// Sums in a register; the last one is not used.
const LANES: usize = 16;
/// Neighbors that one instruction takes.
const GROUP: usize = 4;

/// Whether this processor has what the functions here need.
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
        && std::arch::is_x86_feature_detected!("avx512vnni")
}

/// For each step and group: which bytes behind the step's first one go where, and the three bytes of each weight.
struct Factors {
    groups: usize,
    /// First source byte of each step.
    starts: Vec<usize>,
    places: Vec<[u8; 64]>,
    digits: Vec<[[i8; 64]; 3]>,
}

impl Factors {
    /// `None` when the pixels of a step lie further apart than a register is long.
    fn new(taps: &Taps) -> Option<Self> {
        let outputs = taps.starts.len();
        let groups = taps.width.div_ceil(GROUP);
        let steps = outputs.div_ceil(PIXELS);
        let mut factors = Self {
            groups,
            starts: Vec::with_capacity(steps),
            places: vec![[0; 64]; steps * groups],
            digits: vec![[[0; 64]; 3]; steps * groups],
        };
        for step in 0..steps {
            let first = taps.starts[step * PIXELS] as usize;
            factors.starts.push(first * 3);
            for pixel in 0..PIXELS.min(outputs - step * PIXELS) {
                let (start, weights) = taps.at(step * PIXELS + pixel);
                for (tap, &weight) in weights.iter().enumerate() {
                    let byte = (start - first + tap) * 3;
                    if byte + 3 > 64 {
                        return None;
                    }
                    let digits = signed_bytes(weight);
                    let group = step * groups + tap / GROUP;
                    for channel in 0..3 {
                        let lane = (pixel * 3 + channel) * GROUP + tap % GROUP;
                        factors.places[group][lane] = (byte + channel) as u8;
                        for (plane, digit) in factors.digits[group].iter_mut().zip(digits) {
                            plane[lane] = digit;
                        }
                    }
                }
            }
        }
        Some(factors)
    }
}

/// `weight` as `a + b * 2^8 + c * 2^16`. Weights are below 2^23, so that `c` fits.
fn signed_bytes(weight: i32) -> [i8; 3] {
    let low = weight as i8;
    let rest = (weight - i32::from(low)) >> 8;
    let middle = rest as i8;
    let high = (rest - i32::from(middle)) >> 8;
    debug_assert!(i8::try_from(high).is_ok());
    [low, middle, high as i8]
}

/// `horizontal_pass`; `None` when the picture shrinks too much for it.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
pub(super) fn horizontal_pass(
    image: &RgbImage,
    first_row: u32,
    rows: u32,
    taps: &Taps,
) -> Option<RgbImage> {
    let factors = Factors::new(taps)?;
    let width = taps.starts.len();
    let row_bytes = width * 3;
    // The last step of the last row stores a whole register.
    let mut data = vec![0; row_bytes * rows as usize + LANES];
    let zero = _mm512_setzero_si512();
    for (number, y) in (first_row..first_row + rows).enumerate() {
        let line = image.row(y);
        let out = &mut data[number * row_bytes..];
        for (step, &start) in factors.starts.iter().enumerate() {
            let source = &line[start..];
            // SAFETY: the mask leaves out what lies behind the row, and masked bytes are not touched.
            let source = unsafe {
                _mm512_maskz_loadu_epi8(
                    u64::MAX >> (64 - source.len().min(64)),
                    source.as_ptr().cast(),
                )
            };
            let mut sums = [zero; 3];
            let range = step * factors.groups..(step + 1) * factors.groups;
            for (places, digits) in factors.places[range.clone()]
                .iter()
                .zip(&factors.digits[range])
            {
                // SAFETY: each array holds 64 bytes, and the loads ask for no alignment.
                let (places, digits) = unsafe {
                    (
                        _mm512_loadu_si512(places.as_ptr().cast()),
                        [0, 1, 2].map(|i| _mm512_loadu_si512(digits[i].as_ptr().cast())),
                    )
                };
                let pixels = _mm512_permutexvar_epi8(places, source);
                for (sum, digits) in sums.iter_mut().zip(digits) {
                    *sum = _mm512_dpbusd_epi32(*sum, pixels, digits);
                }
            }
            let [low, middle, high] = sums;
            let sum = _mm512_add_epi32(
                _mm512_add_epi32(low, _mm512_slli_epi32::<8>(middle)),
                _mm512_add_epi32(_mm512_slli_epi32::<16>(high), _mm512_set1_epi32(HALF)),
            );
            let sum = _mm512_srai_epi32::<{ PRECISION_BITS }>(sum);
            // Cut to 0..=255: from below here, from above by the saturating narrowing.
            let narrow = _mm512_cvtusepi32_epi8(_mm512_max_epi32(sum, zero));
            let out = &mut out[step * PIXELS * 3..][..LANES];
            // SAFETY: the slice holds 16 bytes, and the store asks for no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), narrow) };
        }
    }
    data.truncate(row_bytes * rows as usize);
    Some(RgbImage {
        width: width as u32,
        height: rows,
        data,
    })
}

/// `vertical_pass`: the portable loop, compiled for wider registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn vertical_pass(image: &RgbImage, first_row: u32, taps: &Taps) -> RgbImage {
    vertical_rows(image, first_row, taps)
}
