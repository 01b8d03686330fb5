//! WebAssembly's SIMD128: 8 lanes in two vectors of 4. Browsers turn a module into the processor's own registers, of
//! which a tile may count on 16.
//!
//! There is no fused multiplication, so float32 results differ from those of other sets in the last digits; integers are
//! the same bits. A module is compiled for SIMD128 or not as a whole: there is nothing to detect at run time.

use std::arch::wasm32::*;

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

/// 8 lanes.
pub(super) type Pair = [v128; 2];

by_contract! {
    pub(super) unsafe fn read(from: *const u8) -> Pair {
        [
            v128_load(from.cast()),
            v128_load(from.cast::<v128>().add(1)),
        ]
    }

    pub(super) unsafe fn write(to: *mut u8, v: Pair) {
        v128_store(to.cast(), v[0]);
        v128_store(to.cast::<v128>().add(1), v[1]);
    }
}

impl Float for F32 {
    type V = Pair;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Pair {
        [f32x4_splat(value); 2]
    }
    by_contract! {
        unsafe fn load(from: *const f32) -> Pair {
            read(from.cast())
        }
        unsafe fn store(to: *mut f32, v: Pair) {
            write(to.cast(), v)
        }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Pair, b: Pair, c: Pair) -> Pair {
        let one = |i: usize| f32x4_add(c[i], f32x4_mul(a[i], b[i]));
        [one(0), one(1)]
    }
    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        [f32x4_add(a[0], b[0]), f32x4_add(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn sub(a: Pair, b: Pair) -> Pair {
        [f32x4_sub(a[0], b[0]), f32x4_sub(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn mul(a: Pair, b: Pair) -> Pair {
        [f32x4_mul(a[0], b[0]), f32x4_mul(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        // `b < a ? a : b`, one instruction on x86, where `f32x4_max` is eight; a NaN in `b` stays.
        [f32x4_pmax(b[0], a[0]), f32x4_pmax(b[1], a[1])]
    }
    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        [f32x4_pmin(b[0], a[0]), f32x4_pmin(b[1], a[1])]
    }
    #[inline(always)]
    unsafe fn round(v: Pair) -> Pair {
        [f32x4_nearest(v[0]), f32x4_nearest(v[1])]
    }
    by_contract! {
        unsafe fn load_u8(from: *const u8) -> Pair {
            let wide = u16x8_load_extend_u8x8(from);
            [
                f32x4_convert_i32x4(u32x4_extend_low_u16x8(wide)),
                f32x4_convert_i32x4(u32x4_extend_high_u16x8(wide)),
            ]
        }
        unsafe fn store_u8(to: *mut u8, v: Pair, zero: i32) {
            let [low, high] = whole(v, zero);
            let words = i16x8_narrow_i32x4(low, high);
            v128_store64_lane::<0>(u8x16_narrow_i16x8(words, words), to.cast());
        }
        unsafe fn load_bf16(from: *const u16) -> Pair {
            let both = v128_load(from.cast());
            [
                i32x4_shl(u32x4_extend_low_u16x8(both), 16),
                i32x4_shl(u32x4_extend_high_u16x8(both), 16),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: Pair) {
        // SAFETY: both arrays have 8 numbers, and the caller's `to` has room for as many. No access has to be aligned.
        unsafe {
            let mut values = [0.0f32; 8];
            Self::store(values.as_mut_ptr(), v);
            let halves = values.map(crate::elem::to_bf16);
            v128_store(to.cast(), v128_load(halves.as_ptr().cast()));
        }
    }
}

/// Rounded half to even, and `zero` added. What is stored has been clamped to far less than 2^22, so adding 1.5 * 2^23
/// leaves no fraction and the number in the lowest bits, at the cost of one sum.
#[inline(always)]
fn whole(v: Pair, zero: i32) -> Pair {
    const BIG: f32 = 12_582_912.0;
    let zero = i32x4_splat(zero.wrapping_sub(BIG.to_bits() as i32));
    let one = |i: usize| i32x4_add(f32x4_add(v[i], f32x4_splat(BIG)), zero);
    [one(0), one(1)]
}

impl Dot for F32 {
    const STORE: Store = Store::F32;
    type F = Self;
    type Sum = Pair;
    type Weights = Pair;
    type Word = v128;
    type Factor = Pair;

    #[inline(always)]
    unsafe fn zero() -> Pair {
        [f32x4_splat(0.0); 2]
    }
    by_contract! {
        unsafe fn weights(from: *const u8) -> Pair {
            read(from)
        }
        unsafe fn word(from: *const u8) -> v128 {
            v128_load32_splat(from.cast())
        }
        unsafe fn dot(sum: Pair, x: v128, w: Pair) -> Pair {
            Self::mul_add([x; 2], w, sum)
        }
        unsafe fn store_sum(to: *mut u8, sum: Pair) {
            write(to, sum)
        }
        unsafe fn factor(bias: *const u8, _scale: *const f32) -> Pair {
            read(bias)
        }
        unsafe fn load_sum(from: *const u8) -> Pair {
            read(from)
        }
        unsafe fn value(sum: Pair, bias: Pair) -> Pair {
            Self::add(sum, bias)
        }
    }
}

/// Four products of uint8 and int8 a lane: two dot products of int16 over even and odd bytes. Neither saturates, as
/// `2 * 255 * 128` is far below 2^31.
#[derive(Clone, Copy)]
pub(crate) struct Bytes;

/// Even and odd bytes as int16.
type Halves = [v128; 2];

impl Dot for Bytes {
    const STORE: Store = Store::U8;
    type F = F32;
    type Sum = Pair;
    type Weights = [Halves; 2];
    type Word = [Halves; 2];
    const IN_PAIRS: bool = true;
    type Factor = (Pair, Pair);

    #[inline(always)]
    unsafe fn zero() -> Pair {
        [i32x4_splat(0); 2]
    }
    by_contract! {
        unsafe fn weights(from: *const u8) -> [Halves; 2] {
            read(from).map(|w| [i16x8_shr(i16x8_shl(w, 8), 8), i16x8_shr(w, 8)])
        }
        unsafe fn word(from: *const u8) -> [Halves; 2] {
            [split(v128_load32_splat(from.cast())); 2]
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: Pair, x: [Halves; 2], w: [Halves; 2]) -> Pair {
        let one = |i: usize| {
            let even = i32x4_add(sum[i], i32x4_dot_i16x8(x[i][0], w[i][0]));
            i32x4_add(even, i32x4_dot_i16x8(x[i][1], w[i][1]))
        };
        [one(0), one(1)]
    }
    by_contract! {
        unsafe fn store_sum(to: *mut u8, sum: Pair) {
            write(to, sum)
        }
        unsafe fn factor(bias: *const u8, scale: *const f32) -> (Pair, Pair) {
            (read(bias), F32::load(scale))
        }
        unsafe fn load_sum(from: *const u8) -> Pair {
            read(from)
        }
        unsafe fn value(sum: Pair, (bias, scale): (Pair, Pair)) -> Pair {
            let real = |i: usize| f32x4_convert_i32x4(i32x4_add(sum[i], bias[i]));
            F32::mul([real(0), real(1)], scale)
        }
    }
}

/// Even and odd bytes as uint16.
#[inline(always)]
fn split(x: v128) -> Halves {
    [v128_and(x, u16x8_splat(0xff)), u16x8_shr(x, 8)]
}

/// Interleaves the bytes of the lower or upper halves, and those of pairs of bytes.
macro_rules! zip {
    (bytes low $a:expr, $b:expr) => {
        u8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>($a, $b)
    };
    (bytes high $a:expr, $b:expr) => {
        u8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>($a, $b)
    };
    (pairs low $a:expr, $b:expr) => {
        u16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>($a, $b)
    };
    (pairs high $a:expr, $b:expr) => {
        u16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>($a, $b)
    };
}

by_contract! {
    /// A pixel of 32 uint8 from each of four rows, as words: see [`Weave::weave`].
    pub(super) unsafe fn interleave(rows: [*const u8; 4]) -> [Pair; 4] {
        let half = |at: usize| {
            let [a, b, c, d] = rows.map(|row| v128_load(row.add(at).cast()));
            let (ab, cd) = (zip!(bytes low a, b), zip!(bytes low c, d));
            let (ab_high, cd_high) = (zip!(bytes high a, b), zip!(bytes high c, d));
            [
                zip!(pairs low ab, cd),
                zip!(pairs high ab, cd),
                zip!(pairs low ab_high, cd_high),
                zip!(pairs high ab_high, cd_high),
            ]
        };
        let (low, high) = (half(0), half(16));
        [
            [low[0], high[0]],
            [low[1], high[1]],
            [low[2], high[2]],
            [low[3], high[3]],
        ]
    }
}

/// The inverse, rounding as [`Float::store_u8`] does.
#[inline(always)]
pub(super) unsafe fn store_bytes(to: *mut u8, values: [Pair; 4], zero: i32) {
    let [a, b, c, d] = values.map(|v| whole(v, zero));
    let half = |i: usize| {
        u8x16_narrow_i16x8(
            i16x8_narrow_i32x4(a[i], b[i]),
            i16x8_narrow_i32x4(c[i], d[i]),
        )
    };
    // SAFETY: the caller's `to` has room for a pixel of a block, which is 32 bytes.
    unsafe { write(to, [half(0), half(1)]) }
}

impl Weave for Bytes {
    #[inline(always)]
    unsafe fn weave(rows: [*const u8; 4]) -> [[Halves; 2]; 4] {
        // No `map`: the compiler would make a function of it, which is called for every pixel.
        // SAFETY: each of the caller's rows has a pixel of a block, which is 32 bytes.
        let [a, b, c, d] = unsafe { interleave(rows) };
        [
            [split(a[0]), split(a[1])],
            [split(b[0]), split(b[1])],
            [split(c[0]), split(c[1])],
            [split(d[0]), split(d[1])],
        ]
    }
    by_contract! {
        unsafe fn store_woven(to: *mut u8, values: [Pair; 4], zero: i32) {
            store_bytes(to, values, zero)
        }
    }
}

tiles!(float_tiles, F32, near 32 far 64 [4 3 2 1]);
tiles!(byte_tiles, Bytes, near 32 far 64 [8 4 2 1]);
depthwise_floats!(float_depthwise, F32,);
winograd!(float_winograd, F32, float_tiles::finish_sums, vector 32 [4 3 2 1]);
depthwise_bytes!(byte_depthwise, Bytes,);
small_steps!(small, 8,);

pub(super) const SET: Set = Set {
    isa: Isa::Simd128,
    name: "SIMD128",
    lanes: 8,
    detect: || true,
    float: Arithmetic {
        widths: float_tiles::WIDTHS,
        tile: float_tiles::select,
        depthwise: Depthwise::Lanes(|pixels, stride, columns| {
            float_depthwise::select(pixels, stride, columns, false)
        }),
        winograd: Some(&float_winograd::KERNELS),
        matrix: None,
    },
    bf16: None,
    int8: Arithmetic {
        widths: byte_tiles::WIDTHS,
        tile: byte_tiles::select,
        depthwise: Depthwise::Woven(byte_depthwise::select),
        winograd: None,
        matrix: None,
    },
    small,
};

pub(super) static SIMD128: Set = SET;
