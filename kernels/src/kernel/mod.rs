//! The innermost loops, written once for every element type and instruction set.
//!
//! | module | idea |
//! |---|---|
//! | [`tile`] | pixels times output channels, kept in registers while all taps go by |
//! | [`finish`] | from sums to stored numbers: bias, scale, residual, clamp, rounding |
//! | [`depthwise`] | every channel by itself |
//! | [`winograd`] | 3 x 3 convolutions of float32 with fewer products |
//!
//! An element type on an instruction set is an implementation of [`Dot`] over one of [`Float`]; both are in `isa`.
//! Their functions carry no target feature of their own. They are inlined into a kernel that enables the feature, and
//! only that kernel's caller has to know that the processor has it.

pub(crate) mod depthwise;
pub(crate) mod finish;
pub(crate) mod tile;
pub(crate) mod winograd;

use finish::Store;

/// A vector of [`Float::LANES`] float32.
///
/// # Safety
/// Every function may only run where the processor has the implementation's features; pointers must be valid for
/// `LANES` numbers (unaligned is fine).
pub(crate) trait Float: Copy {
    /// The vector.
    type V: Copy;
    /// Numbers in it.
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// The larger; a NaN in `b` stays.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; a NaN in `b` stays.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// To integers, half to even.
    unsafe fn round(v: Self::V) -> Self::V;
    unsafe fn load_u8(from: *const u8) -> Self::V;
    /// Rounds half to even, then adds `zero`; the result is within 0 to 255.
    unsafe fn store_u8(to: *mut u8, v: Self::V, zero: i32);
    unsafe fn load_bf16(from: *const u16) -> Self::V;
    unsafe fn store_bf16(to: *mut u16, v: Self::V);
    /// Asks for the cache line at this address, which need not be valid.
    unsafe fn prefetch(_from: *const u8) {}
    /// The same, into the second-level cache.
    unsafe fn prefetch_far(_from: *const u8) {}
}

/// Sums of products of one element type: each lane sums a word of input times its own word of weights, where a word is
/// 32 bits of 1, 2 or 4 numbers.
///
/// # Safety
/// As for [`Float`], with words for numbers. [`Dot::word`] reads one only, which begins at a multiple of 4 bytes.
/// [`Dot::factor`] reads `scale` only where sums are integers.
pub(crate) trait Dot: Copy {
    /// What the sums become.
    type F: Float;
    /// `LANES` sums of 32 bits.
    type Sum: Copy;
    /// `LANES` words of weights.
    type Weights: Copy;
    /// One word of input in every lane.
    type Word: Copy;
    /// How the results of layers of this type are stored most often.
    const STORE: Store;
    /// Whether registers hold the sums of two pixels only, so that larger tiles are made of pairs.
    const IN_PAIRS: bool = false;

    unsafe fn zero() -> Self::Sum;
    unsafe fn weights(from: *const u8) -> Self::Weights;
    unsafe fn word(from: *const u8) -> Self::Word;
    unsafe fn dot(sum: Self::Sum, x: Self::Word, w: Self::Weights) -> Self::Sum;
    unsafe fn store_sum(to: *mut u8, sum: Self::Sum);
    unsafe fn load_sum(from: *const u8) -> Self::Sum;
    /// What [`Dot::value`] needs of a vector of channels.
    type Factor: Copy;
    /// From `LANES` biases of 32 bits and, where sums are integers, as many scales.
    unsafe fn factor(bias: *const u8, scale: *const f32) -> Self::Factor;
    /// Sums with the bias, as real numbers (in units of the output's scale, where that is quantized).
    unsafe fn value(sum: Self::Sum, factor: Self::Factor) -> <Self::F as Float>::V;
    /// Stores bfloat16, as [`Float::store_bf16`] does.
    #[inline(always)]
    unsafe fn store_half(to: *mut u16, v: <Self::F as Float>::V) {
        // SAFETY: the caller's.
        unsafe { Self::F::store_bf16(to, v) }
    }
}

/// What depthwise int8 needs beyond [`Dot`]: four rows woven into words.
///
/// # Safety
/// As for [`Float`]; rows, and what is stored to, must be valid for a pixel of a block.
pub(crate) trait Weave: Dot {
    /// A pixel of a block (`4 * LANES` uint8) from each of four rows. Lane `i` of vector `j` holds those of channel
    /// [`woven_channel`]`(j, i)`.
    unsafe fn weave(rows: [*const u8; 4]) -> [Self::Word; 4];
    /// The inverse, which stores as [`Float::store_u8`] does.
    unsafe fn store_woven(to: *mut u8, values: [<Self::F as Float>::V; 4], zero: i32);
}

/// Which channel of a block is in lane `lane` of woven vector `vector`: what unpacking within 128 bits gives.
pub(crate) fn woven_channel(vector: usize, lane: usize) -> usize {
    16 * (lane / 4) + 4 * vector + lane % 4
}

/// Functions of the traits above, and parts of them, that ask no more of their callers than the traits do.
macro_rules! by_contract {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis unsafe fn $name:ident($($arguments:tt)*) $(-> $result:ty)? $body:block
    )*) => {
        $(
            $(#[$attribute])*
            #[inline(always)]
            $visibility unsafe fn $name($($arguments)*) $(-> $result)? {
                // SAFETY: every caller keeps the traits' contract. So pointers are valid for what is read or written,
                // none of which has to be aligned. The processor has the instructions, because the kernels that inline
                // this are only had through the `isa::Proof` of their set.
                unsafe { $body }
            }
        )*
    };
}
pub(crate) use by_contract;

/// Repeats a statement for `$i` = 0, 1, ... below a constant of at most 2, 4, 6, 14 or 20, as the word after it says. A loop
/// would do, but where the compiler does not unroll it the sums leave their registers.
macro_rules! unroll {
    ($i:ident < $count:expr, two, $body:block) => {
        $crate::kernel::unroll!(@ $i $count, $body, 0 1)
    };
    ($i:ident < $count:expr, four, $body:block) => {
        $crate::kernel::unroll!(@ $i $count, $body, 0 1 2 3)
    };
    ($i:ident < $count:expr, six, $body:block) => {
        $crate::kernel::unroll!(@ $i $count, $body, 0 1 2 3 4 5)
    };
    ($i:ident < $count:expr, fourteen, $body:block) => {
        $crate::kernel::unroll!(@ $i $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    ($i:ident < $count:expr, twenty, $body:block) => {
        $crate::kernel::unroll!(@ $i $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
    };
    (@ $i:ident $count:expr, $body:block, $($n:literal)*) => {
        $(
            if $n < $count {
                let $i: usize = $n;
                $body
            }
        )*
    };
}
pub(crate) use unroll;
