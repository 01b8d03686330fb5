//! 64-bit ARM: 8 lanes in two registers of 4, of which there are 32. Integers are in `neon_int8` where the processor has
//! dot products, and computed by the plain loops elsewhere.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected as detected;

use super::neon_int8::{MIXED, SIGNED};
use super::portable::INT8;
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

pub(super) type Floats = [float32x4_t; 2];
pub(super) type Words = [int32x4_t; 2];

impl Float for F32 {
    type V = Floats;
    const LANES: usize = 8;

    by_contract! {
        unsafe fn splat(value: f32) -> Floats {
            [vdupq_n_f32(value); 2]
        }
        unsafe fn load(from: *const f32) -> Floats {
            [vld1q_f32(from), vld1q_f32(from.add(4))]
        }
        unsafe fn store(to: *mut f32, v: Floats) {
            vst1q_f32(to, v[0]);
            vst1q_f32(to.add(4), v[1]);
        }
        unsafe fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
            [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])]
        }
        unsafe fn add(a: Floats, b: Floats) -> Floats {
            [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])]
        }
        unsafe fn sub(a: Floats, b: Floats) -> Floats {
            [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])]
        }
        unsafe fn mul(a: Floats, b: Floats) -> Floats {
            [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])]
        }
        unsafe fn max(a: Floats, b: Floats) -> Floats {
            // FMAX gives NaN where either is one.
            [vmaxq_f32(a[0], b[0]), vmaxq_f32(a[1], b[1])]
        }
        unsafe fn min(a: Floats, b: Floats) -> Floats {
            [vminq_f32(a[0], b[0]), vminq_f32(a[1], b[1])]
        }
        unsafe fn round(v: Floats) -> Floats {
            [vrndnq_f32(v[0]), vrndnq_f32(v[1])]
        }
        unsafe fn load_u8(from: *const u8) -> Floats {
            let wide = vmovl_u8(vld1_u8(from));
            let low = vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
            [low, vcvtq_f32_u32(vmovl_u16(vget_high_u16(wide)))]
        }
        unsafe fn store_u8(to: *mut u8, v: Floats, zero: i32) {
            let [low, high] = whole(v, zero);
            let both = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
            vst1_u8(to, vqmovun_s16(both));
        }
        unsafe fn load_bf16(from: *const u16) -> Floats {
            let both = vld1q_u16(from);
            let low = vshll_n_u16::<16>(vget_low_u16(both));
            let high = vshll_n_u16::<16>(vget_high_u16(both));
            [vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high)]
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: Floats) {
        // SAFETY: both arrays have 8 numbers, and the caller's `to` has room for as many. Every 64-bit ARM has NEON.
        unsafe {
            let mut values = [0.0f32; 8];
            Self::store(values.as_mut_ptr(), v);
            let halves = values.map(crate::elem::to_bf16);
            vst1q_u16(to, vld1q_u16(halves.as_ptr()));
        }
    }
}

by_contract! {
    /// Rounded half to even, and `zero` added.
    pub(super) unsafe fn whole(v: Floats, zero: i32) -> Words {
        let zero = vdupq_n_s32(zero);
        [
            vaddq_s32(vcvtnq_s32_f32(v[0]), zero),
            vaddq_s32(vcvtnq_s32_f32(v[1]), zero),
        ]
    }
}

impl Dot for F32 {
    const STORE: Store = Store::F32;
    type F = Self;
    type Sum = Floats;
    type Weights = Floats;
    type Word = float32x4_t;
    type Factor = Floats;

    by_contract! {
        unsafe fn zero() -> Floats {
            Self::splat(0.0)
        }
        unsafe fn weights(from: *const u8) -> Floats {
            Self::load(from.cast())
        }
    }
    #[inline(always)]
    unsafe fn word(from: *const u8) -> float32x4_t {
        // SAFETY: the caller has a word there, aligned as this load wants it. Every 64-bit ARM has NEON.
        unsafe { vld1q_dup_f32(from.cast()) }
    }
    by_contract! {
        unsafe fn dot(sum: Floats, x: float32x4_t, w: Floats) -> Floats {
            [vfmaq_f32(sum[0], x, w[0]), vfmaq_f32(sum[1], x, w[1])]
        }
        unsafe fn store_sum(to: *mut u8, sum: Floats) {
            Self::store(to.cast(), sum)
        }
        unsafe fn factor(bias: *const u8, _scale: *const f32) -> Floats {
            Self::load(bias.cast())
        }
        unsafe fn load_sum(from: *const u8) -> Floats {
            Self::load(from.cast())
        }
        unsafe fn value(sum: Floats, bias: Floats) -> Floats {
            Self::add(sum, bias)
        }
    }
}

tiles!(float_tiles, F32, #[target_feature(enable = "neon")] near 32 far 64 [6 5 4 3 2 1]);
depthwise_floats!(float_depthwise, F32, #[target_feature(enable = "neon")]);
winograd!(float_winograd, F32, float_tiles::finish_sums, #[target_feature(enable = "neon")] vector 32 [6 5 4 3 2 1]);
small_steps!(small, 8, #[target_feature(enable = "neon")]);

const FLOAT: Arithmetic = Arithmetic {
    widths: float_tiles::WIDTHS,
    tile: float_tiles::select,
    depthwise: Depthwise::Lanes(|pixels, stride, columns| {
        float_depthwise::select(pixels, stride, columns, false)
    }),
    winograd: Some(&float_winograd::KERNELS),
    matrix: None,
};

/// A row for NEON with these integer kernels.
const fn set(isa: Isa, name: &'static str, detect: fn() -> bool, int8: Arithmetic) -> Set {
    Set {
        isa,
        name,
        lanes: 8,
        detect,
        float: FLOAT,
        bf16: None,
        int8,
        small,
    }
}

pub(super) static NEON_I8MM: Set = set(
    Isa::NeonI8mm,
    "NEON I8MM",
    || detected!("neon") && detected!("i8mm"),
    MIXED,
);

pub(super) static NEON_DOT: Set = set(
    Isa::NeonDot,
    "NEON DotProd",
    || detected!("neon") && detected!("dotprod"),
    SIGNED,
);

pub(super) static NEON: Set = set(Isa::Neon, "NEON", || detected!("neon"), INT8);
