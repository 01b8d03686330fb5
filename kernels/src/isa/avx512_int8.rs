//! int8 with AVX-512: four products an instruction with VNNI, by two `vpmaddwd` without.

use std::arch::x86_64::*;

use super::avx512::F32;
use super::{Arithmetic, Depthwise};
use crate::kernel::depthwise::depthwise_bytes;
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::{Dot, Weave, by_contract};

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
        type Sum = __m512i;
        type Factor = (__m512i, __m512);

        by_contract! {
            unsafe fn zero() -> __m512i {
                _mm512_setzero_si512()
            }
            unsafe fn store_sum(to: *mut u8, sum: __m512i) {
                _mm512_storeu_si512(to.cast(), sum)
            }
            unsafe fn factor(bias: *const u8, scale: *const f32) -> (__m512i, __m512) {
                (_mm512_loadu_si512(bias.cast()), _mm512_loadu_ps(scale))
            }
            unsafe fn load_sum(from: *const u8) -> __m512i {
                _mm512_loadu_si512(from.cast())
            }
            unsafe fn value(sum: __m512i, (bias, scale): (__m512i, __m512)) -> __m512 {
                let sum = _mm512_add_epi32(sum, bias);
                _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale)
            }
        }
    };
}

impl Dot for Vnni {
    bytes!();
    type Weights = __m512i;
    type Word = __m512i;

    by_contract! {
        unsafe fn weights(from: *const u8) -> __m512i {
            _mm512_loadu_si512(from.cast())
        }
        unsafe fn word(from: *const u8) -> __m512i {
            _mm512_set1_epi32(from.cast::<i32>().read_unaligned())
        }
        unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(sum, x, w)
        }
    }
}

impl Dot for Pairs {
    bytes!();
    /// Even and odd bytes as int16.
    type Weights = [__m512i; 2];
    type Word = [__m512i; 2];

    by_contract! {
        unsafe fn weights(from: *const u8) -> [__m512i; 2] {
            let w = _mm512_loadu_si512(from.cast());
            let even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(w));
            [even, _mm512_srai_epi16::<8>(w)]
        }
        unsafe fn word(from: *const u8) -> [__m512i; 2] {
            split(_mm512_set1_epi32(from.cast::<i32>().read_unaligned()))
        }
        unsafe fn dot(sum: __m512i, x: [__m512i; 2], w: [__m512i; 2]) -> __m512i {
            let sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x[0], w[0]));
            _mm512_add_epi32(sum, _mm512_madd_epi16(x[1], w[1]))
        }
    }
}

by_contract! {
    /// Even and odd bytes as uint16.
    unsafe fn split(x: __m512i) -> [__m512i; 2] {
        let even = _mm512_and_si512(x, _mm512_set1_epi16(0xff));
        [even, _mm512_srli_epi16::<8>(x)]
    }

    unsafe fn weave(rows: [*const u8; 4]) -> [__m512i; 4] {
        let [a, b, c, d] = rows.map(|row| _mm512_loadu_si512(row.cast()));
        let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
        [
            _mm512_unpacklo_epi16(ab, cd),
            _mm512_unpackhi_epi16(ab, cd),
            _mm512_unpacklo_epi16(ab_high, cd_high),
            _mm512_unpackhi_epi16(ab_high, cd_high),
        ]
    }

    unsafe fn store_woven(to: *mut u8, values: [__m512; 4], zero: i32) {
        let zero = _mm512_set1_epi32(zero);
        let [a, b, c, d] = values.map(|v| _mm512_add_epi32(_mm512_cvtps_epi32(v), zero));
        let packed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        _mm512_storeu_si512(to.cast(), packed);
    }
}

impl Weave for Vnni {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [__m512i; 4] {
            weave(rows)
        }
        unsafe fn store_woven(to: *mut u8, values: [__m512; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

impl Weave for Pairs {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [[__m512i; 2]; 4] {
            let [a, b, c, d] = weave(rows);
            [split(a), split(b), split(c), split(d)]
        }
        unsafe fn store_woven(to: *mut u8, values: [__m512; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

tiles!(vnni_tiles, Vnni, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")] near 64 far 128 [14 8 7 4 2 1]);
tiles!(pair_tiles, Pairs, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")] near 64 far 128 [12 8 4 2 1]);
depthwise_bytes!(vnni_depthwise, Vnni, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]);
depthwise_bytes!(pair_depthwise, Pairs, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]);

pub(super) const VNNI: Arithmetic = Arithmetic {
    widths: vnni_tiles::WIDTHS,
    tile: vnni_tiles::select,
    depthwise: Depthwise::Woven(vnni_depthwise::select),
    winograd: None,
    matrix: None,
};

pub(super) const PAIRS: Arithmetic = Arithmetic {
    widths: pair_tiles::WIDTHS,
    tile: pair_tiles::select,
    depthwise: Depthwise::Woven(pair_depthwise::select),
    winograd: None,
    matrix: None,
};

pub(super) use vnni_tiles::finish_sums as finish_int8;
