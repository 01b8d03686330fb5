//! AVX-512: 16 lanes, 32 registers; with VNNI four products of int8 an instruction, with BF16 two of bfloat16.

use std::arch::x86_64::*;

use super::avx512_int8::{PAIRS, VNNI};
use super::{Arithmetic, Depthwise, Isa, Set};
use crate::kernel::depthwise::depthwise_floats;
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::winograd::winograd;
use crate::kernel::{Dot, Float, by_contract};
use crate::step::small::small_steps;

/// Vectors of float32.
#[derive(Clone, Copy)]
pub(crate) struct F32;

impl Float for F32 {
    type V = __m512;
    const LANES: usize = 16;

    by_contract! {
        unsafe fn splat(value: f32) -> __m512 {
            _mm512_set1_ps(value)
        }
        unsafe fn load(from: *const f32) -> __m512 {
            _mm512_loadu_ps(from)
        }
        unsafe fn store(to: *mut f32, v: __m512) {
            _mm512_storeu_ps(to, v)
        }
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            _mm512_fmadd_ps(a, b, c)
        }
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            _mm512_add_ps(a, b)
        }
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            _mm512_sub_ps(a, b)
        }
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            _mm512_mul_ps(a, b)
        }
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            _mm512_max_ps(a, b)
        }
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            _mm512_min_ps(a, b)
        }
        unsafe fn round(v: __m512) -> __m512 {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
        }
        unsafe fn load_u8(from: *const u8) -> __m512 {
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())))
        }
        unsafe fn store_u8(to: *mut u8, v: __m512, zero: i32) {
            let numbers = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(zero));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(numbers));
        }
        unsafe fn load_bf16(from: *const u16) -> __m512 {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
        unsafe fn store_bf16(to: *mut u16, v: __m512) {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_add_epi32(bits, bias);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let chosen = _mm512_mask_mov_epi32(rounded, is_nan, quiet);
            let half = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(chosen));
            _mm256_storeu_si256(to.cast(), half);
        }
        unsafe fn prefetch(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T0>(from.cast())
        }
        unsafe fn prefetch_far(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T1>(from.cast())
        }
    }
}

/// What `Dot` is alike for float32 and bfloat16: sums of float32, to which a bias is added.
macro_rules! float_sums {
    () => {
        type F = F32;
        type Sum = __m512;
        type Factor = __m512;

        by_contract! {
            unsafe fn zero() -> __m512 {
                _mm512_setzero_ps()
            }
            unsafe fn store_sum(to: *mut u8, sum: __m512) {
                _mm512_storeu_ps(to.cast(), sum)
            }
            unsafe fn factor(bias: *const u8, _scale: *const f32) -> __m512 {
                _mm512_loadu_ps(bias.cast())
            }
            unsafe fn load_sum(from: *const u8) -> __m512 {
                _mm512_loadu_ps(from.cast())
            }
            unsafe fn value(sum: __m512, bias: __m512) -> __m512 {
                _mm512_add_ps(sum, bias)
            }
        }
    };
}

impl Dot for F32 {
    float_sums!();
    const STORE: Store = Store::F32;
    type Weights = __m512;
    type Word = __m512;

    by_contract! {
        unsafe fn weights(from: *const u8) -> __m512 {
            _mm512_loadu_ps(from.cast())
        }
        unsafe fn word(from: *const u8) -> __m512 {
            _mm512_set1_ps(from.cast::<f32>().read_unaligned())
        }
        unsafe fn dot(sum: __m512, x: __m512, w: __m512) -> __m512 {
            _mm512_fmadd_ps(x, w, sum)
        }
    }
}

/// Two bfloat16 products a lane.
#[derive(Clone, Copy)]
pub(crate) struct Bf16;

impl Dot for Bf16 {
    float_sums!();
    const STORE: Store = Store::Bf16;
    type Weights = __m512i;
    type Word = __m512i;

    by_contract! {
        unsafe fn weights(from: *const u8) -> __m512i {
            _mm512_loadu_si512(from.cast())
        }
        unsafe fn word(from: *const u8) -> __m512i {
            _mm512_set1_epi32(from.cast::<i32>().read_unaligned())
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m512, x: __m512i, w: __m512i) -> __m512 {
        // SAFETY: both types hold any 512 bits. The kernels of `Bf16` are those of `AVX512_BF16` and `AMX`, whose
        // proofs say that the processor has the instruction.
        unsafe {
            let (x, w) = (
                std::mem::transmute::<__m512i, __m512bh>(x),
                std::mem::transmute::<__m512i, __m512bh>(w),
            );
            _mm512_dpbf16_ps(sum, x, w)
        }
    }
    #[inline(always)]
    unsafe fn store_half(to: *mut u16, v: __m512) {
        // SAFETY: both types hold any 256 bits, for which the caller's `to` has room. The proof is that of `dot`.
        unsafe {
            let half = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v));
            _mm256_storeu_si256(to.cast(), half);
        }
    }
}

tiles!(float_tiles, F32, #[target_feature(enable = "avx512f")] near 64 far 128 [14 12 10 8 7 6 4 3 2 1]);
tiles!(bf16_tiles, Bf16, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")] near 64 far 128 [14 8 7 4 2 1]);
depthwise_floats!(float_depthwise, F32, #[target_feature(enable = "avx512f")]);
winograd!(float_winograd, F32, float_tiles::finish_sums, #[target_feature(enable = "avx512f")] vector 64 [14 12 10 8 7 6 4 3 2 1]);
winograd!(bf16_winograd, Bf16, bf16_tiles::finish_sums, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")] vector 64 [14 12 10 8 7 6 4 3 2 1]);
small_steps!(small, 16, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]);

pub(super) const FLOAT: Arithmetic = Arithmetic {
    widths: float_tiles::WIDTHS,
    tile: float_tiles::select,
    depthwise: Depthwise::Lanes(|pixels, stride, columns| {
        float_depthwise::select(pixels, stride, columns, false)
    }),
    winograd: Some(&float_winograd::KERNELS),
    matrix: None,
};

pub(super) const BF16: Arithmetic = Arithmetic {
    widths: bf16_tiles::WIDTHS,
    tile: bf16_tiles::select,
    depthwise: Depthwise::Lanes(|pixels, stride, columns| {
        float_depthwise::select(pixels, stride, columns, true)
    }),
    winograd: Some(&bf16_winograd::KERNELS),
    matrix: None,
};

pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}

pub(super) static AVX512_BF16: Set = Set {
    isa: Isa::Avx512Bf16,
    name: "AVX-512 BF16",
    lanes: 16,
    detect: || {
        has_avx512()
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bf16")
    },
    float: FLOAT,
    bf16: Some(BF16),
    int8: VNNI,
    small,
};

pub(super) static AVX512_VNNI: Set = Set {
    isa: Isa::Avx512Vnni,
    name: "AVX-512 VNNI",
    lanes: 16,
    detect: || has_avx512() && is_x86_feature_detected!("avx512vnni"),
    float: FLOAT,
    bf16: None,
    int8: VNNI,
    small,
};

pub(super) static AVX512: Set = Set {
    isa: Isa::Avx512,
    name: "AVX-512",
    lanes: 16,
    detect: has_avx512,
    float: FLOAT,
    bf16: None,
    int8: PAIRS,
    small,
};

pub(super) use bf16_tiles::finish_sums as finish_bf16;
pub(super) use small as avx512_small;
