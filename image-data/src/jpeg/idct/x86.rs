//! The transform with AVX2: two rows a register, the scheme of libjpeg-turbo's `jidctint-avx2.asm`.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi128_si64, _mm_or_si128, _mm_testz_si128, _mm_unpackhi_epi16,
    _mm_unpackhi_epi64, _mm_unpacklo_epi16, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_load_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set_m128i, _mm256_set1_epi8,
    _mm256_set1_epi32, _mm256_setr_epi16, _mm256_setzero_si256, _mm256_shuffle_epi32,
    _mm256_sign_epi16, _mm256_slli_epi16, _mm256_srai_epi32, _mm256_sub_epi32,
    _mm256_unpackhi_epi16, _mm256_unpackhi_epi64, _mm256_unpacklo_epi16, _mm256_unpacklo_epi64,
};

use super::{
    Block, F_0_298, F_0_390, F_0_541, F_0_765, F_0_899, F_1_175, F_1_501, F_1_847, F_1_961,
    F_2_053, F_2_562, F_3_072, Idct, Target,
};
use crate::jpeg::tables::QuantTable;

/// Proof that the processor has AVX2, BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(in crate::jpeg) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        let there = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2");
        there.then_some(Self(()))
    }
}

impl Idct for Avx2 {
    #[inline(always)]
    fn full(self, block: &Block, quant: &QuantTable, target: &mut Target<'_>) {
        assert_eq!(target.side, 8);
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { transform(block, quant, target) }
    }
}

/// A pair of 16-bit factors for the lower half, one for the upper.
#[inline]
#[target_feature(enable = "avx2")]
fn factors(a: i32, b: i32, c: i32, d: i32) -> __m256i {
    let (a, b, c, d) = (a as i16, b as i16, c as i16, d as i16);
    _mm256_setr_epi16(a, b, a, b, a, b, a, b, c, d, c, d, c, d, c, d)
}

/// Swaps the halves.
#[inline]
#[target_feature(enable = "avx2")]
fn swap(a: __m256i) -> __m256i {
    _mm256_permute2x128_si256::<0x01>(a, a)
}

#[inline]
#[target_feature(enable = "avx2")]
fn descale<const SHIFT: i32>(low: __m256i, high: __m256i) -> __m256i {
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    _mm256_packs_epi32(
        _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(low, half)),
        _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(high, half)),
    )
}

/// One dimension of all columns: rows 0 and 4, 3 and 1, 2 and 6, 7 and 5 become 0 and 1, 3 and 2, 4 and 5, 7 and 6.
#[inline]
#[target_feature(enable = "avx2")]
fn one_dimension<const SHIFT: i32>(
    in0_4: __m256i,
    in3_1: __m256i,
    in2_6: __m256i,
    in7_5: __m256i,
) -> [__m256i; 4] {
    let in6_2 = swap(in2_6);
    let even = factors(F_0_541 + F_0_765, F_0_541, F_0_541 - F_1_847, F_0_541);
    let t32_low = _mm256_madd_epi16(_mm256_unpacklo_epi16(in2_6, in6_2), even);
    let t32_high = _mm256_madd_epi16(_mm256_unpackhi_epi16(in2_6, in6_2), even);

    let one = _mm256_setr_epi16(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
    let sums = _mm256_add_epi16(swap(in0_4), _mm256_sign_epi16(in0_4, one));
    let zero = _mm256_setzero_si256();
    let t01_low = _mm256_srai_epi32::<3>(_mm256_unpacklo_epi16(zero, sums));
    let t01_high = _mm256_srai_epi32::<3>(_mm256_unpackhi_epi16(zero, sums));

    let e32_low = _mm256_sub_epi32(t01_low, t32_low);
    let e01_low = _mm256_add_epi32(t01_low, t32_low);
    let e32_high = _mm256_sub_epi32(t01_high, t32_high);
    let e01_high = _mm256_add_epi32(t01_high, t32_high);

    let z34 = _mm256_add_epi16(in7_5, in3_1);
    let z43 = swap(z34);
    let odd = factors(F_1_175 - F_1_961, F_1_175, F_1_175 - F_0_390, F_1_175);
    let z34_low = _mm256_madd_epi16(_mm256_unpacklo_epi16(z34, z43), odd);
    let z34_high = _mm256_madd_epi16(_mm256_unpackhi_epi16(z34, z43), odd);

    let in1_3 = swap(in3_1);
    let in71_53_low = _mm256_unpacklo_epi16(in7_5, in1_3);
    let in71_53_high = _mm256_unpackhi_epi16(in7_5, in1_3);
    let first = factors(F_0_298 - F_0_899, -F_0_899, F_2_053 - F_2_562, -F_2_562);
    let o01_low = _mm256_add_epi32(_mm256_madd_epi16(in71_53_low, first), z34_low);
    let o01_high = _mm256_add_epi32(_mm256_madd_epi16(in71_53_high, first), z34_high);
    let second = factors(-F_0_899, F_1_501 - F_0_899, -F_2_562, F_3_072 - F_2_562);
    let o32_low = _mm256_add_epi32(_mm256_madd_epi16(in71_53_low, second), swap(z34_low));
    let o32_high = _mm256_add_epi32(_mm256_madd_epi16(in71_53_high, second), swap(z34_high));

    [
        descale::<SHIFT>(
            _mm256_add_epi32(e01_low, o32_low),
            _mm256_add_epi32(e01_high, o32_high),
        ),
        descale::<SHIFT>(
            _mm256_add_epi32(e32_low, o01_low),
            _mm256_add_epi32(e32_high, o01_high),
        ),
        descale::<SHIFT>(
            _mm256_sub_epi32(e32_low, o01_low),
            _mm256_sub_epi32(e32_high, o01_high),
        ),
        descale::<SHIFT>(
            _mm256_sub_epi32(e01_low, o32_low),
            _mm256_sub_epi32(e01_high, o32_high),
        ),
    ]
}

/// Rows 0 and 1, 3 and 2, 4 and 5, 7 and 6 of a block become columns 0 and 4, 1 and 5, 2 and 6, 3 and 7.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([r01, r32, r45, r76]: [__m256i; 4]) -> [__m256i; 4] {
    let a = _mm256_permute4x64_epi64::<0xD8>(r01);
    let b = _mm256_permute4x64_epi64::<0x72>(r32);
    let c = _mm256_permute4x64_epi64::<0xD8>(r45);
    let d = _mm256_permute4x64_epi64::<0x72>(r76);
    let (ab_low, ab_high) = (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi16(c, d), _mm256_unpackhi_epi16(c, d));
    let e = _mm256_unpacklo_epi16(ab_low, ab_high);
    let f = _mm256_unpacklo_epi16(cd_low, cd_high);
    let g = _mm256_unpackhi_epi16(ab_low, ab_high);
    let h = _mm256_unpackhi_epi16(cd_low, cd_high);
    [
        _mm256_unpacklo_epi64(e, f),
        _mm256_unpackhi_epi64(e, f),
        _mm256_unpacklo_epi64(g, h),
        _mm256_unpackhi_epi64(g, h),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn transform(block: &Block, quant: &QuantTable, target: &mut Target<'_>) {
    let coefficients = block.0.as_ptr();
    // SAFETY: both arrays hold four times sixteen numbers; the block is aligned, the table need not be.
    let (c, q): ([__m256i; 4], [__m256i; 4]) = unsafe {
        (
            std::array::from_fn(|i| _mm256_load_si256(coefficients.add(i * 16).cast())),
            std::array::from_fn(|i| _mm256_loadu_si256(quant.as_ptr().add(i * 16).cast())),
        )
    };
    let first = _mm256_mullo_epi16(c[0], q[0]);
    let rest = _mm256_or_si256(_mm256_or_si256(c[1], c[2]), c[3]);
    let second_row = _mm256_extracti128_si256::<1>(c[0]);
    let below_first = _mm_or_si128(
        second_row,
        _mm_or_si128(
            _mm256_castsi256_si128(rest),
            _mm256_extracti128_si256::<1>(rest),
        ),
    );
    let columns = if _mm_testz_si128(below_first, below_first) == 1 {
        // Only the first row: every column is constant.
        let row = _mm256_castsi256_si128(_mm256_slli_epi16::<2>(first));
        let doubled = _mm256_set_m128i(_mm_unpackhi_epi16(row, row), _mm_unpacklo_epi16(row, row));
        [
            _mm256_shuffle_epi32::<0x00>(doubled),
            _mm256_shuffle_epi32::<0x55>(doubled),
            _mm256_shuffle_epi32::<0xAA>(doubled),
            _mm256_shuffle_epi32::<0xFF>(doubled),
        ]
    } else {
        let in2_3 = _mm256_mullo_epi16(c[1], q[1]);
        let in4_5 = _mm256_mullo_epi16(c[2], q[2]);
        let in6_7 = _mm256_mullo_epi16(c[3], q[3]);
        transpose(one_dimension::<11>(
            _mm256_permute2x128_si256::<0x20>(first, in4_5),
            _mm256_permute2x128_si256::<0x31>(in2_3, first),
            _mm256_permute2x128_si256::<0x20>(in2_3, in6_7),
            _mm256_permute2x128_si256::<0x31>(in6_7, in4_5),
        ))
    };
    let [c0_4, c1_5, c2_6, c3_7] = columns;
    let rows = transpose(one_dimension::<18>(
        c0_4,
        _mm256_permute2x128_si256::<0x20>(c3_7, c1_5),
        c2_6,
        _mm256_permute2x128_si256::<0x31>(c3_7, c1_5),
    ));
    // Rows 0 and 4, 1 and 5, 2 and 6, 3 and 7 now: saturated to bytes, the middle moved to 128.
    let center = _mm256_set1_epi8(-128);
    let r01_45 = _mm256_add_epi8(_mm256_packs_epi16(rows[0], rows[1]), center);
    let r23_67 = _mm256_add_epi8(_mm256_packs_epi16(rows[2], rows[3]), center);
    let pairs: [__m128i; 4] = [
        _mm256_castsi256_si128(r01_45),
        _mm256_castsi256_si128(r23_67),
        _mm256_extracti128_si256::<1>(r01_45),
        _mm256_extracti128_si256::<1>(r23_67),
    ];
    let (samples, stride) = (target.samples.as_mut_ptr(), target.stride);
    for (i, pair) in pairs.into_iter().enumerate() {
        let upper = _mm_unpackhi_epi64(pair, pair);
        // SAFETY: `Target::new` checked that the rows lie inside; `full`, that they are eight of eight samples.
        unsafe {
            let row = samples.add(i * 2 * stride);
            row.cast::<i64>().write_unaligned(_mm_cvtsi128_si64(pair));
            row.add(stride)
                .cast::<i64>()
                .write_unaligned(_mm_cvtsi128_si64(upper));
        }
    }
}
