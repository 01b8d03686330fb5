//! Chroma interpolation and color conversion with AVX2, byte for byte what the portable loops give.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_or_si128, _mm_setr_epi8, _mm_shuffle_epi8,
    _mm_storeu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_cvtepu8_epi16, _mm256_madd_epi16, _mm256_mulhi_epi16, _mm256_or_si256,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_srli_epi16,
    _mm256_storeu_si256, _mm256_sub_epi16, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

use super::color::{self, Convert};
use super::idct::x86::Avx2;
use super::upsample::{self, Doubling};

/// Samples that one step takes.
const STEP: usize = 16;

/// Sixteen bytes from `at` on as 16-bit numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + STEP];
    // SAFETY: the slice holds 16 bytes, and the load asks for no alignment.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Even and odd pixels, 16-bit numbers below 256, as 32 bytes in turns.
#[inline]
#[target_feature(enable = "avx2")]
fn store_turns(even: __m256i, odd: __m256i, out: &mut [u8], at: usize) {
    let both = _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd));
    let out = &mut out[at..at + 2 * STEP];
    // SAFETY: the slice holds 32 bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), both) };
}

impl Doubling for Avx2 {
    #[inline(always)]
    fn double(self, source: &[u8], out: &mut [u8]) {
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { double(source, out) }
    }

    #[inline(always)]
    fn double_both(self, near: &[u8], far: &[u8], out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { double_both(near, far, out) }
    }
}

impl Convert for Avx2 {
    #[inline(always)]
    fn ycc(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { ycc(y, cb, cr, out) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn three(a: __m256i) -> __m256i {
    _mm256_add_epi16(a, _mm256_add_epi16(a, a))
}

#[inline]
#[target_feature(enable = "avx2")]
fn double(source: &[u8], out: &mut [u8]) {
    let samples = out.len() / 2;
    let whole = samples / STEP * STEP;
    for at in (0..whole).step_by(STEP) {
        let this = three(widen(source, at + 1));
        let even = _mm256_add_epi16(
            _mm256_add_epi16(this, widen(source, at)),
            _mm256_set1_epi16(1),
        );
        let odd = _mm256_add_epi16(
            _mm256_add_epi16(this, widen(source, at + 2)),
            _mm256_set1_epi16(2),
        );
        store_turns(
            _mm256_srli_epi16::<2>(even),
            _mm256_srli_epi16::<2>(odd),
            out,
            at * 2,
        );
    }
    upsample::Portable.double(&source[whole..], &mut out[whole * 2..]);
}

#[inline]
#[target_feature(enable = "avx2")]
fn double_both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let samples = out.len() / 2;
    let whole = samples / STEP * STEP;
    for at in (0..whole).step_by(STEP) {
        let sum = |at: usize| _mm256_add_epi16(three(widen(near, at)), widen(far, at));
        let this = three(sum(at + 1));
        let even = _mm256_add_epi16(_mm256_add_epi16(this, sum(at)), _mm256_set1_epi16(8));
        let odd = _mm256_add_epi16(_mm256_add_epi16(this, sum(at + 2)), _mm256_set1_epi16(7));
        store_turns(
            _mm256_srli_epi16::<4>(even),
            _mm256_srli_epi16::<4>(odd),
            out,
            at * 2,
        );
    }
    upsample::Portable.double_both(&near[whole..], &far[whole..], &mut out[whole * 2..]);
}

/// The sums of `jdcolor.c` in 16 bits, the way libjpeg-turbo splits the factors so that they fit.
#[inline]
#[target_feature(enable = "avx2")]
fn ycc(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let pixels = out.len() / 3;
    let whole = pixels / STEP * STEP;
    let middle = _mm256_set1_epi16(128);
    let one = _mm256_set1_epi16(1);
    // 1.402 - 1 and 1.772 - 2, times 2^16; they meet doubled numbers and half of the shift.
    let r_factor = _mm256_set1_epi16(26_345);
    let b_factor = _mm256_set1_epi16(-14_942);
    // -0.34414 and 1 - 0.71414, times 2^16, for pairs of both chromas.
    let g_factors = _mm256_set1_epi32((18_734 << 16) | (-22_554_i32 & 0xFFFF));
    let half = _mm256_set1_epi32(1 << 15);
    for at in (0..whole).step_by(STEP) {
        let luma = widen(y, at);
        let b = _mm256_sub_epi16(widen(cb, at), middle);
        let r = _mm256_sub_epi16(widen(cr, at), middle);
        let scaled = |chroma: __m256i, factor: __m256i| {
            let product = _mm256_mulhi_epi16(_mm256_add_epi16(chroma, chroma), factor);
            _mm256_srai_epi16::<1>(_mm256_add_epi16(product, one))
        };
        let red = _mm256_add_epi16(luma, _mm256_add_epi16(r, scaled(r, r_factor)));
        let blue = _mm256_add_epi16(
            luma,
            _mm256_add_epi16(_mm256_add_epi16(b, b), scaled(b, b_factor)),
        );
        let sum = |pairs: __m256i| {
            let products = _mm256_madd_epi16(pairs, g_factors);
            _mm256_srai_epi32::<16>(_mm256_add_epi32(products, half))
        };
        let low = sum(_mm256_unpacklo_epi16(b, r));
        let high = sum(_mm256_unpackhi_epi16(b, r));
        let green = _mm256_sub_epi16(_mm256_packs_epi32(low, high), r);
        let green = _mm256_add_epi16(luma, green);
        store_rgb(
            bytes(red),
            bytes(green),
            bytes(blue),
            &mut out[at * 3..][..STEP * 3],
        );
    }
    color::Portable.ycc(
        &y[whole..],
        &cb[whole..],
        &cr[whole..],
        &mut out[whole * 3..],
    );
}

/// Sixteen 16-bit numbers cut to bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(wide: __m256i) -> __m128i {
    let packed = _mm256_packus_epi16(wide, wide);
    _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0x08>(packed))
}

/// Three bytes of every pixel side by side.
#[inline]
#[target_feature(enable = "avx2")]
fn store_rgb(r: __m128i, g: __m128i, b: __m128i, out: &mut [u8]) {
    // Each third of the output takes some bytes of each color; -1 leaves a place to another color.
    let place = |r_at: __m128i, g_at: __m128i, b_at: __m128i| {
        _mm_or_si128(
            _mm_shuffle_epi8(r, r_at),
            _mm_or_si128(_mm_shuffle_epi8(g, g_at), _mm_shuffle_epi8(b, b_at)),
        )
    };
    let first = place(
        _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
        _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
        _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1),
    );
    let second = place(
        _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
        _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
        _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1),
    );
    let third = place(
        _mm_setr_epi8(
            -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1,
        ),
        _mm_setr_epi8(
            -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1,
        ),
        _mm_setr_epi8(
            10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15,
        ),
    );
    for (part, place) in out
        .as_chunks_mut::<16>()
        .0
        .iter_mut()
        .zip([first, second, third])
    {
        // SAFETY: the array holds 16 bytes, and the store asks for no alignment.
        unsafe { _mm_storeu_si128(part.as_mut_ptr().cast(), place) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_color_is_the_portable_one() {
        let Some(vectors) = Avx2::detect() else {
            return;
        };
        let y: Vec<u8> = (0..=255).collect();
        let (mut got, mut want) = (vec![0; 768], vec![0; 768]);
        for cb in 0..=255 {
            for cr in 0..=255 {
                let (cb, cr) = ([cb; 256], [cr; 256]);
                vectors.ycc(&y, &cb, &cr, &mut got);
                color::Portable.ycc(&y, &cb, &cr, &mut want);
                assert!(got == want, "{} {}", cb[0], cr[0]);
            }
        }
    }

    #[test]
    fn every_length_is_doubled_alike() {
        let Some(vectors) = Avx2::detect() else {
            return;
        };
        let row = |seed: u32| -> Vec<u8> {
            (0..100_u32)
                .map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect()
        };
        let (near, far) = (row(1), row(77));
        for samples in 1..90 {
            let (mut got, mut want) = (vec![0; samples * 2], vec![0; samples * 2]);
            vectors.double(&near[..samples + 2], &mut got);
            upsample::Portable.double(&near[..samples + 2], &mut want);
            assert_eq!(got, want);
            vectors.double_both(&near[..samples + 2], &far[..samples + 2], &mut got);
            upsample::Portable.double_both(&near[..samples + 2], &far[..samples + 2], &mut want);
            assert_eq!(got, want);
        }
    }
}
