//! Plain arrays that the compiler turns into whatever the target has.

use super::{Arithmetic, Depthwise, Isa, Set};
use crate::elem::{from_bf16, to_bf16};
use crate::kernel::depthwise::{depthwise_bytes, depthwise_floats};
use crate::kernel::finish::Store;
use crate::kernel::tile::tiles;
use crate::kernel::winograd::winograd;
use crate::kernel::{Dot, Float, Weave, by_contract, woven_channel};
use crate::step::small::small_steps;

const WIDTH: usize = 8;

/// Arrays of float32.
#[derive(Clone, Copy)]
pub(crate) struct F32;

#[inline(always)]
fn each<T>(f: impl Fn(usize) -> T) -> [T; WIDTH] {
    std::array::from_fn(f)
}

impl Float for F32 {
    type V = [f32; WIDTH];
    const LANES: usize = WIDTH;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; WIDTH]
    }
    by_contract! {
        unsafe fn load(from: *const f32) -> Self::V {
            from.cast::<Self::V>().read_unaligned()
        }
        unsafe fn store(to: *mut f32, v: Self::V) {
            to.cast::<Self::V>().write_unaligned(v)
        }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction, `mul_add` is a call of a slow function.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            each(|i| a[i].mul_add(b[i], c[i]))
        } else {
            each(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn round(v: Self::V) -> Self::V {
        each(|i| round(v[i]))
    }
    by_contract! {
        unsafe fn load_u8(from: *const u8) -> Self::V {
            each(|i| f32::from(*from.add(i)))
        }
        unsafe fn store_u8(to: *mut u8, v: Self::V, zero: i32) {
            to.cast::<[u8; WIDTH]>()
                .write_unaligned(each(|i| (round(v[i]) as i32 + zero) as u8))
        }
        unsafe fn load_bf16(from: *const u16) -> Self::V {
            each(|i| from_bf16(from.add(i).read_unaligned()))
        }
        unsafe fn store_bf16(to: *mut u16, v: Self::V) {
            to.cast::<[u16; WIDTH]>()
                .write_unaligned(each(|i| to_bf16(v[i])))
        }
    }
}

/// Half to even, for numbers that are clamped to far less than 2^22: adding 1.5 * 2^23 leaves no fraction.
#[inline(always)]
fn round(value: f32) -> f32 {
    if cfg!(target_arch = "aarch64") {
        return value.round_ties_even();
    }
    const BIG: f32 = 12_582_912.0;
    (value + BIG) - BIG
}

impl Dot for F32 {
    const STORE: Store = Store::F32;
    type F = Self;
    type Sum = [f32; WIDTH];
    type Weights = [f32; WIDTH];
    type Word = f32;
    type Factor = Self::Sum;

    #[inline(always)]
    unsafe fn zero() -> Self::Sum {
        [0.0; WIDTH]
    }
    by_contract! {
        unsafe fn weights(from: *const u8) -> Self::Weights {
            Self::load(from.cast())
        }
        unsafe fn word(from: *const u8) -> f32 {
            from.cast::<f32>().read_unaligned()
        }
        unsafe fn dot(sum: Self::Sum, x: f32, w: Self::Weights) -> Self::Sum {
            Self::mul_add([x; WIDTH], w, sum)
        }
        unsafe fn store_sum(to: *mut u8, sum: Self::Sum) {
            Self::store(to.cast(), sum)
        }
        unsafe fn factor(bias: *const u8, _scale: *const f32) -> Self::Factor {
            Self::load(bias.cast())
        }
        unsafe fn load_sum(from: *const u8) -> Self::Sum {
            Self::load(from.cast())
        }
        unsafe fn value(sum: Self::Sum, bias: Self::Factor) -> Self::Sum {
            Self::add(sum, bias)
        }
    }
}

/// Four products of uint8 and int8 a lane.
#[derive(Clone, Copy)]
pub(crate) struct Bytes;

impl Dot for Bytes {
    const STORE: Store = Store::U8;
    type F = F32;
    type Sum = [i32; WIDTH];
    type Weights = [[i8; 4]; WIDTH];
    type Word = [[u8; 4]; WIDTH];
    type Factor = ([i32; WIDTH], [f32; WIDTH]);

    #[inline(always)]
    unsafe fn zero() -> Self::Sum {
        [0; WIDTH]
    }
    by_contract! {
        unsafe fn weights(from: *const u8) -> Self::Weights {
            from.cast::<Self::Weights>().read_unaligned()
        }
        unsafe fn word(from: *const u8) -> Self::Word {
            [from.cast::<[u8; 4]>().read_unaligned(); WIDTH]
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: Self::Sum, x: Self::Word, w: Self::Weights) -> Self::Sum {
        each(|i| {
            let product = |k: usize| i32::from(x[i][k]) * i32::from(w[i][k]);
            sum[i].wrapping_add(product(0) + product(1) + product(2) + product(3))
        })
    }
    by_contract! {
        unsafe fn store_sum(to: *mut u8, sum: Self::Sum) {
            to.cast::<Self::Sum>().write_unaligned(sum)
        }
        unsafe fn factor(bias: *const u8, scale: *const f32) -> Self::Factor {
            (bias.cast::<Self::Sum>().read_unaligned(), F32::load(scale))
        }
        unsafe fn load_sum(from: *const u8) -> Self::Sum {
            from.cast::<Self::Sum>().read_unaligned()
        }
    }
    #[inline(always)]
    unsafe fn value(sum: Self::Sum, (bias, scale): Self::Factor) -> [f32; WIDTH] {
        each(|i| sum[i].wrapping_add(bias[i]) as f32 * scale[i])
    }
}

impl Weave for Bytes {
    #[inline(always)]
    unsafe fn weave(rows: [*const u8; 4]) -> [Self::Word; 4] {
        // SAFETY: each of the caller's rows has `4 * WIDTH` bytes, and `woven_channel` is below that.
        unsafe { std::array::from_fn(|j| each(|i| rows.map(|row| *row.add(woven_channel(j, i))))) }
    }
    #[inline(always)]
    unsafe fn store_woven(to: *mut u8, values: [[f32; WIDTH]; 4], zero: i32) {
        for (j, vector) in values.iter().enumerate() {
            for (i, value) in vector.iter().enumerate() {
                // SAFETY: the caller's `to` has room for `4 * WIDTH` bytes, and `woven_channel` is below that.
                unsafe { *to.add(woven_channel(j, i)) = (round(*value) as i32 + zero) as u8 };
            }
        }
    }
}

tiles!(float_tiles, F32, near 32 far 64 [4 2 1]);
tiles!(byte_tiles, Bytes, near 32 far 64 [4 2 1]);
depthwise_floats!(float_depthwise, F32,);
winograd!(float_winograd, F32, float_tiles::finish_sums, vector 32 [4 2 1]);
depthwise_bytes!(byte_depthwise, Bytes,);
small_steps!(small, 8,);

pub(super) const INT8: Arithmetic = Arithmetic {
    widths: byte_tiles::WIDTHS,
    tile: byte_tiles::select,
    depthwise: Depthwise::Woven(byte_depthwise::select),
    winograd: None,
    matrix: None,
};

pub(super) static PORTABLE: Set = Set {
    isa: Isa::Portable,
    name: "portable",
    lanes: WIDTH,
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
    int8: INT8,
    small,
};
