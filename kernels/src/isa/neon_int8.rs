//! int8 on 64-bit ARM: four products a lane in one instruction, with the dot product of ARMv8.2 (DotProd) or with I8MM.
//!
//! The intrinsics are not stable Rust yet, so the two instructions are written in assembly.

use std::arch::aarch64::*;
use std::arch::asm;

use super::neon::{F32, Floats, Words, whole};
use super::{Arithmetic, Depthwise};
use crate::kernel::depthwise::depthwise_bytes;
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::{Dot, Float, Weave, by_contract};

/// uint8 by int8 with USDOT (I8MM).
#[derive(Clone, Copy)]
pub(crate) struct Mixed;

/// uint8 by int8 with SDOT, which multiplies int8 only: `x w = (x - 128) w + 64 w + 64 w`, where the last two are one
/// product of two dot products, made once for all pixels that meet a word of weights.
#[derive(Clone, Copy)]
pub(crate) struct Signed;

#[inline(always)]
unsafe fn usdot(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: only registers are used. The kernels of `Mixed` are `NEON_I8MM`'s, whose proof says that USDOT is there.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            "usdot {sum:v}.4s, {x:v}.16b, {w:v}.16b",
            sum = inout(vreg) sum,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

#[inline(always)]
unsafe fn sdot(sum: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: only registers are used. The kernels of `Signed` are `NEON_DOT`'s, whose proof says that SDOT is there.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {x:v}.16b, {w:v}.16b",
            sum = inout(vreg) sum,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// What both do alike.
macro_rules! bytes {
    () => {
        const STORE: Store = Store::U8;
        type F = F32;
        type Sum = Words;
        type Factor = (Words, Floats);

        by_contract! {
            unsafe fn zero() -> Words {
                [vdupq_n_s32(0); 2]
            }
            unsafe fn store_sum(to: *mut u8, sum: Words) {
                vst1q_s32(to.cast(), sum[0]);
                vst1q_s32(to.cast::<i32>().add(4), sum[1]);
            }
            unsafe fn factor(bias: *const u8, scale: *const f32) -> (Words, Floats) {
                (words(bias), F32::load(scale))
            }
            unsafe fn load_sum(from: *const u8) -> Words {
                words(from)
            }
            unsafe fn value(sum: Words, (bias, scale): (Words, Floats)) -> Floats {
                let real = |i: usize| vcvtq_f32_s32(vaddq_s32(sum[i], bias[i]));
                F32::mul([real(0), real(1)], scale)
            }
        }
    };
}

by_contract! {
    unsafe fn words(from: *const u8) -> Words {
        [vld1q_s32(from.cast()), vld1q_s32(from.cast::<i32>().add(4))]
    }

    unsafe fn stored_bytes(from: *const u8) -> [int8x16_t; 2] {
        [vld1q_s8(from.cast()), vld1q_s8(from.cast::<i8>().add(16))]
    }
}

#[inline(always)]
unsafe fn repeated(from: *const u8) -> int8x16_t {
    // SAFETY: the caller has a word there, aligned as this load wants it. Every 64-bit ARM has NEON.
    unsafe { vreinterpretq_s8_s32(vld1q_dup_s32(from.cast())) }
}

impl Dot for Mixed {
    bytes!();
    type Weights = [int8x16_t; 2];
    /// One word in every lane, or the words of 8 lanes.
    type Word = [int8x16_t; 2];

    by_contract! {
        unsafe fn weights(from: *const u8) -> [int8x16_t; 2] {
            stored_bytes(from)
        }
        unsafe fn word(from: *const u8) -> [int8x16_t; 2] {
            [repeated(from); 2]
        }
        unsafe fn dot(sum: Words, x: [int8x16_t; 2], w: [int8x16_t; 2]) -> Words {
            [usdot(sum[0], x[0], w[0]), usdot(sum[1], x[1], w[1])]
        }
    }
}

impl Dot for Signed {
    bytes!();
    /// Weights, and 128 times their sums.
    type Weights = ([int8x16_t; 2], Words);
    /// 128 less than stored.
    type Word = [int8x16_t; 2];

    by_contract! {
        unsafe fn weights(from: *const u8) -> ([int8x16_t; 2], Words) {
            let w = stored_bytes(from);
            let half = vdupq_n_s8(64);
            let twice = |i: usize| sdot(sdot(vdupq_n_s32(0), half, w[i]), half, w[i]);
            (w, [twice(0), twice(1)])
        }
        unsafe fn word(from: *const u8) -> [int8x16_t; 2] {
            [veorq_s8(repeated(from), vdupq_n_s8(-128)); 2]
        }
        unsafe fn dot(sum: Words, x: [int8x16_t; 2], (w, more): ([int8x16_t; 2], Words)) -> Words {
            [
                sdot(vaddq_s32(sum[0], more[0]), x[0], w[0]),
                sdot(vaddq_s32(sum[1], more[1]), x[1], w[1]),
            ]
        }
    }
}

by_contract! {
    unsafe fn weave(rows: [*const u8; 4]) -> [[int8x16_t; 2]; 4] {
        let half = |at: usize| {
            let [a, b, c, d] = rows.map(|row| vld1q_s8(row.cast::<i8>().add(at)));
            let pairs = |low: int8x16_t, high: int8x16_t| {
                (vreinterpretq_s16_s8(low), vreinterpretq_s16_s8(high))
            };
            let (ab, cd) = pairs(vzip1q_s8(a, b), vzip1q_s8(c, d));
            let (ab_high, cd_high) = pairs(vzip2q_s8(a, b), vzip2q_s8(c, d));
            [
                vreinterpretq_s8_s16(vzip1q_s16(ab, cd)),
                vreinterpretq_s8_s16(vzip2q_s16(ab, cd)),
                vreinterpretq_s8_s16(vzip1q_s16(ab_high, cd_high)),
                vreinterpretq_s8_s16(vzip2q_s16(ab_high, cd_high)),
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

    unsafe fn store_woven(to: *mut u8, values: [Floats; 4], zero: i32) {
        let [a, b, c, d] = values.map(|v| whole(v, zero));
        for half in 0..2 {
            let low = vcombine_s16(vqmovn_s32(a[half]), vqmovn_s32(b[half]));
            let high = vcombine_s16(vqmovn_s32(c[half]), vqmovn_s32(d[half]));
            vst1q_u8(
                to.add(16 * half),
                vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)),
            );
        }
    }
}

impl Weave for Mixed {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [[int8x16_t; 2]; 4] {
            weave(rows)
        }
        unsafe fn store_woven(to: *mut u8, values: [Floats; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

impl Weave for Signed {
    by_contract! {
        unsafe fn weave(rows: [*const u8; 4]) -> [[int8x16_t; 2]; 4] {
            let flipped = |x: int8x16_t| veorq_s8(x, vdupq_n_s8(-128));
            weave(rows).map(|words| words.map(flipped))
        }
        unsafe fn store_woven(to: *mut u8, values: [Floats; 4], zero: i32) {
            store_woven(to, values, zero)
        }
    }
}

tiles!(mixed_tiles, Mixed, #[target_feature(enable = "neon")] near 32 far 64 [6 4 2 1]);
tiles!(signed_tiles, Signed, #[target_feature(enable = "neon")] near 32 far 64 [4 2 1]);
depthwise_bytes!(mixed_depthwise, Mixed, #[target_feature(enable = "neon")]);
depthwise_bytes!(signed_depthwise, Signed, #[target_feature(enable = "neon")]);

pub(super) const MIXED: Arithmetic = Arithmetic {
    widths: mixed_tiles::WIDTHS,
    tile: mixed_tiles::select,
    depthwise: Depthwise::Woven(mixed_depthwise::select),
    winograd: None,
    matrix: None,
};

pub(super) const SIGNED: Arithmetic = Arithmetic {
    widths: signed_tiles::WIDTHS,
    tile: signed_tiles::select,
    depthwise: Depthwise::Woven(signed_depthwise::select),
    winograd: None,
    matrix: None,
};
