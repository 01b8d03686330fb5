//! AVX2 and FMA: 8 lanes, 16 registers; with AVX-VNNI four products of int8 an instruction.

use std::arch::x86_64::*;

use super::{Arithmetic, Depthwise, Isa, Set};
use crate::kernel::depthwise::{depthwise_bytes, depthwise_floats};
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::winograd::winograd;
use crate::kernel::{Dot, Float, Weave, by_contract};
use crate::step::small::small_steps;

/// Vectors of float32.
#[derive(Clone, Copy)]
pub(crate) struct F32;

impl Float for F32 {
    type V = __m256;
    const LANES: usize = 8;

    by_contract! {
        unsafe fn splat(value: f32) -> __m256 {
            _mm256_set1_ps(value)
        }
        unsafe fn load(from: *const f32) -> __m256 {
            _mm256_loadu_ps(from)
        }
        unsafe fn store(to: *mut f32, v: __m256) {
            _mm256_storeu_ps(to, v)
        }
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            _mm256_fmadd_ps(a, b, c)
        }
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            _mm256_add_ps(a, b)
        }
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            _mm256_sub_ps(a, b)
        }
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            _mm256_mul_ps(a, b)
        }
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            _mm256_max_ps(a, b)
        }
        unsafe fn min(a: __m256, b: __m256) -> __m256 {
            _mm256_min_ps(a, b)
        }
        unsafe fn round(v: __m256) -> __m256 {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
        }
        unsafe fn load_u8(from: *const u8) -> __m256 {
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())))
        }
        unsafe fn store_u8(to: *mut u8, v: __m256, zero: i32) {
            let numbers = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(zero));
            let (low, high) = (
                _mm256_castsi256_si128(numbers),
                _mm256_extracti128_si256::<1>(numbers),
            );
            let words = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
        unsafe fn load_bf16(from: *const u16) -> __m256 {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
        unsafe fn store_bf16(to: *mut u16, v: __m256) {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let is_nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let chosen = _mm256_blendv_epi8(_mm256_add_epi32(bits, bias), quiet, is_nan);
            let halves = _mm256_srli_epi32::<16>(chosen);
            let (low, high) = (
                _mm256_castsi256_si128(halves),
                _mm256_extracti128_si256::<1>(halves),
            );
            _mm_storeu_si128(to.cast(), _mm_packus_epi32(low, high));
        }
        unsafe fn prefetch(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T0>(from.cast())
        }
        unsafe fn prefetch_far(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T1>(from.cast())
        }
    }
}

impl Dot for F32 {
    const STORE: Store = Store::F32;
    type F = Self;
    type Sum = __m256;
    type Weights = __m256;
    type Word = __m256;
    type Factor = __m256;

    by_contract! {
        unsafe fn zero() -> __m256 {
            _mm256_setzero_ps()
        }
        unsafe fn weights(from: *const u8) -> __m256 {
            _mm256_loadu_ps(from.cast())
        }
        unsafe fn word(from: *const u8) -> __m256 {
            _mm256_set1_ps(from.cast::<f32>().read_unaligned())
        }
        unsafe fn dot(sum: __m256, x: __m256, w: __m256) -> __m256 {
            _mm256_fmadd_ps(x, w, sum)
        }
        unsafe fn store_sum(to: *mut u8, sum: __m256) {
            _mm256_storeu_ps(to.cast(), sum)
        }
        unsafe fn factor(bias: *const u8, _scale: *const f32) -> __m256 {
            _mm256_loadu_ps(bias.cast())
        }
        unsafe fn load_sum(from: *const u8) -> __m256 {
            _mm256_loadu_ps(from.cast())
        }
        unsafe fn value(sum: __m256, bias: __m256) -> __m256 {
            _mm256_add_ps(sum, bias)
        }
    }
}

/// Four products of uint8 and int8 a lane.
#[derive(Clone, Copy)]
pub(crate) struct Vnni;

/// The same by two `vpmaddwd` over even and odd bytes, where there is no VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Pairs;

/// What both do alike.
macro_rules! bytes {
    () => {
        const STORE: Store = Store::U8;
        type F = F32;
        type Sum = __m256i;
        type Factor = (__m256i, __m256);

        by_contract! {
            unsafe fn zero() -> __m256i {
                _mm256_setzero_si256()
            }
            unsafe fn store_sum(to: *mut u8, sum: __m256i) {
                _mm256_storeu_si256(to.cast(), sum)
            }
            unsafe fn factor(bias: *const u8, scale: *const f32) -> (__m256i, __m256) {
                (_mm256_loadu_si256(bias.cast()), _mm256_loadu_ps(scale))
            }
            unsafe fn load_sum(from: *const u8) -> __m256i {
                _mm256_loadu_si256(from.cast())
            }
            unsafe fn value(sum: __m256i, (bias, scale): (__m256i, __m256)) -> __m256 {
                let sum = _mm256_add_epi32(sum, bias);
                _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale)
            }
        }
    };
}

impl Dot for Vnni {
    bytes!();
    type Weights = __m256i;
    type Word = __m256i;

    by_contract! {
        unsafe fn weights(from: *const u8) -> __m256i {
            _mm256_loadu_si256(from.cast())
        }
        unsafe fn word(from: *const u8) -> __m256i {
            _mm256_set1_epi32(from.cast::<i32>().read_unaligned())
        }
        unsafe fn dot(sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
            _mm256_dpbusd_avx_epi32(sum, x, w)
        }
    }
}

impl Dot for Pairs {
    bytes!();
    /// Even and odd bytes as int16.
    type Weights = [__m256i; 2];
    type Word = [__m256i; 2];

    by_contract! {
        unsafe fn weights(from: *const u8) -> [__m256i; 2] {
            let w = _mm256_loadu_si256(from.cast());
            let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w));
            [even, _mm256_srai_epi16::<8>(w)]
        }
        unsafe fn word(from: *const u8) -> [__m256i; 2] {
            split(_mm256_set1_epi32(from.cast::<i32>().read_unaligned()))
        }
        unsafe fn dot(sum: __m256i, x: [__m256i; 2], w: [__m256i; 2]) -> __m256i {
            let sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x[0], w[0]));
            _mm256_add_epi32(sum, _mm256_madd_epi16(x[1], w[1]))
        }
    }
}

by_contract! {
    /// Even and odd bytes as uint16.
    unsafe fn split(x: __m256i) -> [__m256i; 2] {
        let even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
        [even, _mm256_srli_epi16::<8>(x)]
    }

    unsafe fn weave(rows: [*const u8; 4]) -> [__m256i; 4] {
        let [a, b, c, d] = rows.map(|row| _mm256_loadu_si256(row.cast()));
        let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
        [
            _mm256_unpacklo_epi16(ab, cd),
            _mm256_unpackhi_epi16(ab, cd),
            _mm256_unpacklo_epi16(ab_high, cd_high),
            _mm256_unpackhi_epi16(ab_high, cd_high),
        ]
    }

    unsafe fn store_woven(to: *mut u8, values: [__m256; 4], zero: i32) {
        let zero = _mm256_set1_epi32(zero);
        let [a, b, c, d] = values.map(|v| _mm256_add_epi32(_mm256_cvtps_epi32(v), zero));
        let packed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        _mm256_storeu_si256(to.cast(), packed);
    }
}

impl Weave for Vnni {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [__m256i; 4] {
            weave(rows)
        }
        unsafe fn store_woven(to: *mut u8, values: [__m256; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

impl Weave for Pairs {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [[__m256i; 2]; 4] {
            let [a, b, c, d] = weave(rows);
            [split(a), split(b), split(c), split(d)]
        }
        unsafe fn store_woven(to: *mut u8, values: [__m256; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

tiles!(float_tiles, F32, #[target_feature(enable = "avx2,fma")] near 32 far 64 [6 5 4 3 2 1]);
tiles!(vnni_tiles, Vnni, #[target_feature(enable = "avx2,fma,avxvnni")] near 32 far 64 [6 4 2 1]);
tiles!(pair_tiles, Pairs, #[target_feature(enable = "avx2,fma")] near 32 far 64 [4 2 1]);
depthwise_floats!(float_depthwise, F32, #[target_feature(enable = "avx2,fma")]);
winograd!(float_winograd, F32, float_tiles::finish_sums, #[target_feature(enable = "avx2,fma")] vector 32 [6 5 4 3 2 1]);
depthwise_bytes!(vnni_depthwise, Vnni, #[target_feature(enable = "avx2,fma,avxvnni")]);
depthwise_bytes!(pair_depthwise, Pairs, #[target_feature(enable = "avx2,fma")]);
small_steps!(small, 8, #[target_feature(enable = "avx2,fma")]);

const FLOAT: Arithmetic = Arithmetic {
    widths: float_tiles::WIDTHS,
    tile: float_tiles::select,
    depthwise: Depthwise::Lanes(|pixels, stride, columns| {
        float_depthwise::select(pixels, stride, columns, false)
    }),
    winograd: Some(&float_winograd::KERNELS),
    matrix: None,
};

fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

pub(super) static AVX_VNNI: Set = Set {
    isa: Isa::AvxVnni,
    name: "AVX-VNNI",
    lanes: 8,
    detect: || has_avx2() && is_x86_feature_detected!("avxvnni"),
    float: FLOAT,
    bf16: None,
    int8: Arithmetic {
        widths: vnni_tiles::WIDTHS,
        tile: vnni_tiles::select,
        depthwise: Depthwise::Woven(vnni_depthwise::select),
        winograd: None,
        matrix: None,
    },
    small,
};

pub(super) static AVX2: Set = Set {
    isa: Isa::Avx2,
    name: "AVX2",
    lanes: 8,
    detect: has_avx2,
    float: FLOAT,
    bf16: None,
    int8: Arithmetic {
        widths: pair_tiles::WIDTHS,
        tile: pair_tiles::select,
        depthwise: Depthwise::Woven(pair_depthwise::select),
        winograd: None,
        matrix: None,
    },
    small,
};
