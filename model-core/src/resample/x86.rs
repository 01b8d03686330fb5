//! The two passes with AVX2, byte for byte what the portable ones give: the same integers are added, modulo 2^32.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_packs_epi32,
    _mm_packus_epi16, _mm_set1_epi32, _mm_srai_epi32, _mm256_add_epi32,
    _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi32,
};

use super::{HALF, PRECISION_BITS, RgbImage, Taps, vertical_rows};

/// Pixels that one multiplication takes.
const GROUP: usize = 4;
/// Low bits of a weight that go into the first of two 16-bit factors; what is above goes into the second.
const LOW_BITS: i32 = 15;

/// Whether this processor has what the functions here need.
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// Weights laid out for `madd`: pairs of neighboring pixels, once per channel, two pairs a register.
struct Factors {
    groups: usize,
    low: Vec<[i16; 16]>,
    high: Vec<[i16; 16]>,
}

impl Factors {
    fn new(taps: &Taps) -> Self {
        let groups = taps.width.div_ceil(GROUP);
        let mut low = vec![[0; 16]; taps.starts.len() * groups];
        let mut high = low.clone();
        for output in 0..taps.starts.len() {
            for (tap, &weight) in taps.at(output).1.iter().enumerate() {
                let (group, pixel) = (output * groups + tap / GROUP, tap % GROUP);
                for channel in 0..3 {
                    let lane = pixel / 2 * 8 + channel * 2 + pixel % 2;
                    low[group][lane] = (weight & ((1 << LOW_BITS) - 1)) as i16;
                    high[group][lane] = (weight >> LOW_BITS) as i16;
                }
            }
        }
        Self { groups, low, high }
    }
}

/// `horizontal_pass`.
#[target_feature(enable = "avx2")]
pub(super) fn horizontal_pass(
    image: &RgbImage,
    first_row: u32,
    rows: u32,
    taps: &Taps,
) -> RgbImage {
    let factors = Factors::new(taps);
    let width = taps.starts.len();
    let stride = image.stride();
    let bytes = factors.groups * GROUP * 3;
    let mut data = vec![0; width * rows as usize * 3];
    // Zeros behind the row: groups reach beyond it, with weights of zero, and a load takes 16 bytes for 12.
    let mut line = vec![0; stride + bytes + 4];
    // Two pixels a half: R0 R1 G0 G1 B0 B1, each widened to 16 bits.
    let widen = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
    );
    for (y, out) in (first_row..first_row + rows).zip(data.chunks_exact_mut(width * 3)) {
        line[..stride].copy_from_slice(image.row(y));
        for (output, out) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let start = taps.starts[output] as usize * 3;
            let source = &line[start..start + bytes + 4];
            let range = output * factors.groups..(output + 1) * factors.groups;
            let weights = factors.low[range.clone()].iter().zip(&factors.high[range]);
            let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for (group, (weights_low, weights_high)) in weights.enumerate() {
                let pixels = load_16(&source[group * GROUP * 3..]);
                let pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(pixels), widen);
                low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, load_lanes(weights_low)));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, load_lanes(weights_high)));
            }
            let sums = _mm256_add_epi32(low, _mm256_slli_epi32::<LOW_BITS>(high));
            let sums = _mm_add_epi32(
                _mm256_castsi256_si128(sums),
                _mm256_extracti128_si256::<1>(sums),
            );
            let sums = _mm_srai_epi32::<{ PRECISION_BITS as i32 }>(_mm_add_epi32(
                sums,
                _mm_set1_epi32(HALF),
            ));
            // Both packs saturate: the clamp to 0..=255.
            let packed = _mm_packs_epi32(sums, sums);
            let packed = _mm_cvtsi128_si32(_mm_packus_epi16(packed, packed)).to_le_bytes();
            out.copy_from_slice(&packed[..3]);
        }
    }
    RgbImage {
        width: width as u32,
        height: rows,
        data,
    }
}

/// `vertical_pass`: the portable loop, compiled for wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn vertical_pass(image: &RgbImage, first_row: u32, taps: &Taps) -> RgbImage {
    vertical_rows(image, first_row, taps)
}

/// The first 16 bytes of `bytes`, which has at least as many.
#[target_feature(enable = "avx2")]
fn load_16(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..16];
    // SAFETY: the slice holds 16 bytes, and the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn load_lanes(lanes: &[i16; 16]) -> __m256i {
    // SAFETY: the array is 32 bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}
