//! WebAssembly's relaxed SIMD: four products of bytes a lane in one instruction, whose second operand the browser's
//! engine may read as uint8 or as int8, and whose sums it may let saturate.
//!
//! What it does on this processor is asked at run time ([`reads_unsigned`], [`reads_signed`]): both ways give the same bits
//! as SIMD128. Where it does neither exactly, SIMD128 is taken. With AVX-VNNI it is VPDPBUSD, with ARM's dot product SDOT.

use std::arch::wasm32::*;
use std::hint::black_box;

use super::simd128::{F32, Pair, interleave, read, store_bytes, write};
use super::{Arithmetic, Depthwise, Isa, Set, simd128};
use crate::kernel::depthwise::depthwise_bytes;
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::{Dot, Float, Weave, by_contract};

/// `sum` and the products of int8 `w` and the bytes of `x`.
#[inline(always)]
fn dot(sum: v128, x: v128, w: v128) -> v128 {
    i32x4_relaxed_dot_i8x16_i7x16_add(w, x, sum)
}

/// Whether the instruction's results are those of `expected` for the bytes of all pairs of extremes.
fn gives(expected: fn(i8, u8) -> i32) -> bool {
    const EXTREMES: [u8; 6] = [0, 1, 127, 128, 129, 255];
    EXTREMES.iter().all(|&w| {
        EXTREMES.iter().all(|&x| {
            // Without `black_box` the compiler may compute it by rules of its own.
            let sums = dot(
                i32x4_splat(7),
                black_box(u8x16_splat(x)),
                black_box(u8x16_splat(w)),
            );
            i32x4_extract_lane::<0>(sums) == 7 + 4 * expected(w as i8, x)
                && i32x4_extract_lane::<3>(sums) == 7 + 4 * expected(w as i8, x)
        })
    })
}

fn reads_unsigned() -> bool {
    gives(|w, x| i32::from(w) * i32::from(x))
}

fn reads_signed() -> bool {
    gives(|w, x| i32::from(w) * i32::from(x as i8))
}

/// Where the second operand is uint8.
#[derive(Clone, Copy)]
pub(crate) struct Mixed;

/// Where it is int8: `x w = (x - 128) w + 64 w + 64 w`, where the last two are one product of two dot products, made
/// once for all pixels that meet a word of weights.
#[derive(Clone, Copy)]
pub(crate) struct Signed;

/// What both do alike.
macro_rules! bytes {
    () => {
        const STORE: Store = Store::U8;
        type F = F32;
        type Sum = Pair;
        type Factor = (Pair, Pair);
        /// One word in every lane, or the words of 8 lanes.
        type Word = Pair;
        const IN_PAIRS: bool = true;

        #[inline(always)]
        unsafe fn zero() -> Pair {
            [i32x4_splat(0); 2]
        }
        by_contract! {
            unsafe fn store_sum(to: *mut u8, sum: Pair) {
                write(to, sum)
            }
            unsafe fn factor(bias: *const u8, scale: *const f32) -> (Pair, Pair) {
                (read(bias), F32::load(scale))
            }
            unsafe fn load_sum(from: *const u8) -> Pair {
                simd128::Bytes::load_sum(from)
            }
            unsafe fn value(sum: Pair, factor: (Pair, Pair)) -> Pair {
                simd128::Bytes::value(sum, factor)
            }
        }
    };
}

by_contract! {
    unsafe fn repeated(from: *const u8) -> v128 {
        v128_load32_splat(from.cast())
    }
}

/// 128 less, as int8.
#[inline(always)]
fn less(x: v128) -> v128 {
    v128_xor(x, u8x16_splat(128))
}

impl Dot for Mixed {
    bytes!();
    type Weights = Pair;

    by_contract! {
        unsafe fn weights(from: *const u8) -> Pair {
            read(from)
        }
        unsafe fn word(from: *const u8) -> Pair {
            [repeated(from); 2]
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: Pair, x: Pair, w: Pair) -> Pair {
        [dot(sum[0], x[0], w[0]), dot(sum[1], x[1], w[1])]
    }
}

impl Dot for Signed {
    bytes!();
    /// Weights, and 128 times their sums.
    type Weights = (Pair, Pair);

    by_contract! {
        unsafe fn weights(from: *const u8) -> (Pair, Pair) {
            let w = read(from);
            let half = u8x16_splat(64);
            let twice = |i: usize| dot(dot(i32x4_splat(0), half, w[i]), half, w[i]);
            (w, [twice(0), twice(1)])
        }
        unsafe fn word(from: *const u8) -> Pair {
            [less(repeated(from)); 2]
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: Pair, x: Pair, (w, more): (Pair, Pair)) -> Pair {
        let one = |i: usize| dot(i32x4_add(sum[i], more[i]), x[i], w[i]);
        [one(0), one(1)]
    }
}

impl Weave for Mixed {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [Pair; 4] {
            interleave(rows)
        }
        unsafe fn store_woven(to: *mut u8, values: [Pair; 4], zero: i32) {
            store_bytes(to, values, zero)
        }
    }
}

impl Weave for Signed {
    #[inline(always)]
    unsafe fn weave(rows: [*const u8; 4]) -> [Pair; 4] {
        // No `map`: the compiler would make a function of it, which is called for every pixel.
        // SAFETY: each of the caller's rows has a pixel of a block, which is 32 bytes.
        let [a, b, c, d] = unsafe { interleave(rows) };
        [
            [less(a[0]), less(a[1])],
            [less(b[0]), less(b[1])],
            [less(c[0]), less(c[1])],
            [less(d[0]), less(d[1])],
        ]
    }
    by_contract! {
        unsafe fn store_woven(to: *mut u8, values: [Pair; 4], zero: i32) {
            store_bytes(to, values, zero)
        }
    }
}

tiles!(mixed_tiles, Mixed, near 32 far 64 [8 4 2 1]);
tiles!(signed_tiles, Signed, near 32 far 64 [8 4 2 1]);
depthwise_bytes!(mixed_depthwise, Mixed,);
depthwise_bytes!(signed_depthwise, Signed,);

pub(super) static MIXED: Set = Set {
    isa: Isa::RelaxedSimd,
    name: "relaxed SIMD",
    detect: reads_unsigned,
    int8: Arithmetic {
        widths: mixed_tiles::WIDTHS,
        tile: mixed_tiles::select,
        depthwise: Depthwise::Woven(mixed_depthwise::select),
        winograd: None,
        matrix: None,
    },
    ..simd128::SET
};

pub(super) static SIGNED: Set = Set {
    isa: Isa::RelaxedSimdSigned,
    name: "relaxed SIMD, signed",
    detect: reads_signed,
    int8: Arithmetic {
        widths: signed_tiles::WIDTHS,
        tile: signed_tiles::select,
        depthwise: Depthwise::Woven(signed_depthwise::select),
        winograd: None,
        matrix: None,
    },
    ..simd128::SET
};
