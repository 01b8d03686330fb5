//! The innermost piece: a tile of output pixels times one or two vectors of output channels, kept in registers while
//! all taps and input channels go by; then bias, residual, clamp and store.
//!
//! The shape of the tile is known to the compiler, so that the accumulators are registers. Which tile goes where is
//! `conv`'s business.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// What one call works on. Distances count f32 values.
pub(crate) struct Tile {
    /// The first pixel's window, top left.
    pub input: *const f32,
    /// From there to the first pixel of the second row, in tiles of two rows.
    pub input_second: usize,
    /// From the window's first value to that of each (channel block, tap).
    pub taps: *const usize,
    pub tap_count: usize,
    /// `[taps][lanes or 1][vectors * lanes]`
    pub weights: *const f32,
    /// `[vectors * lanes]`
    pub bias: *const f32,
    pub output: *mut f32,
    /// From a channel block of the output to the next.
    pub output_block: usize,
    pub output_second: usize,
    /// Added to the output; null: nothing.
    pub residual: *const f32,
    pub residual_block: usize,
    pub residual_second: usize,
    pub low: f32,
    pub high: f32,
}

/// Computes one tile.
pub(crate) type Kernel = unsafe fn(&Tile);

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Output pixels.
    pub pixels: usize,
    /// They lie in two rows, one half in each.
    pub two_rows: bool,
    /// Vectors of output channels: 1 or 2.
    pub vectors: usize,
    /// Input pixels from one output pixel to the next: 1 or 2.
    pub stride: usize,
    /// The input is `[C, H, W]`, not blocks of channels.
    pub planar: bool,
}

/// A tile of `P` pixels by `N` vectors; `S` is the stride, `HALF` says two rows, `PLANAR` that channels lie apart.
///
/// # Safety
/// The pointers of `t` must cover the tile, and the processor must have `I`'s instructions.
#[inline(always)]
unsafe fn tile<
    I: Simd,
    const P: usize,
    const N: usize,
    const S: usize,
    const HALF: bool,
    const PLANAR: bool,
>(
    t: &Tile,
) {
    let step = if PLANAR { S } else { S * I::LANES };
    let channels = if PLANAR { 1 } else { I::LANES };
    let row = if HALF { P / 2 } else { P };
    unsafe {
        let mut sums = [[I::splat(0.0); N]; P];
        let mut weights = t.weights;
        for index in 0..t.tap_count {
            let first = t.input.add(*t.taps.add(index));
            let second = first.add(t.input_second);
            for channel in 0..channels {
                let mut w = [I::splat(0.0); N];
                for (n, w) in w.iter_mut().enumerate() {
                    *w = I::load(weights.add(n * I::LANES));
                    I::prefetch(weights.wrapping_add(n * I::LANES + AHEAD));
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    let at = if p < row {
                        first.add(p * step)
                    } else {
                        second.add((p - row) * step)
                    };
                    let x = I::splat(*at.add(channel));
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = I::mul_add(x, w, *sum);
                    }
                }
                weights = weights.add(N * I::LANES);
            }
        }
        let (low, high) = (I::splat(t.low), I::splat(t.high));
        let mut bias = [low; N];
        for (n, bias) in bias.iter_mut().enumerate() {
            *bias = I::load(t.bias.add(n * I::LANES));
        }
        for (p, sums) in sums.iter().enumerate() {
            let (to, from) = if p < row {
                (p * I::LANES, p * I::LANES)
            } else {
                let along = (p - row) * I::LANES;
                (t.output_second + along, t.residual_second + along)
            };
            for (n, (sum, bias)) in sums.iter().zip(bias).enumerate() {
                let mut sum = I::add(*sum, bias);
                if !t.residual.is_null() {
                    sum = I::add(sum, I::load(t.residual.add(n * t.residual_block + from)));
                }
                let to = t.output.add(n * t.output_block + to);
                I::store(to, I::min(high, I::max(low, sum)));
            }
        }
    }
}

/// How far ahead of their use weights are asked for: 4 KiB, the length of a page.
const AHEAD: usize = 1024;

macro_rules! kernels {
    ($name:ident, $isa:ty, $(#[$feature:meta])? [$($pixels:literal)*] two rows [$($halved:literal)*]) => {
        mod $name {
            use super::*;

            $(#[$feature])?
            unsafe fn run<const P: usize, const N: usize, const S: usize, const HALF: bool, const PLANAR: bool>(t: &Tile) {
                unsafe { tile::<$isa, P, N, S, HALF, PLANAR>(t) }
            }

            /// Tile widths there are, widest first.
            pub(super) const PIXELS: &[usize] = &[$($pixels),*];

            pub(super) fn select(shape: Shape) -> Option<Kernel> {
                macro_rules! blocked {
                    ($p:literal, $half:literal) => {
                        match (shape.vectors, shape.stride) {
                            (2, 1) => Some(run::<$p, 2, 1, $half, false> as Kernel),
                            (2, 2) => Some(run::<$p, 2, 2, $half, false> as Kernel),
                            (1, 1) => Some(run::<$p, 1, 1, $half, false> as Kernel),
                            (1, 2) => Some(run::<$p, 1, 2, $half, false> as Kernel),
                            _ => None,
                        }
                    };
                }
                macro_rules! planar {
                    ($p:literal) => {
                        match (shape.vectors, shape.stride) {
                            (2, 1) => Some(run::<$p, 2, 1, false, true> as Kernel),
                            (2, 2) => Some(run::<$p, 2, 2, false, true> as Kernel),
                            (1, 1) => Some(run::<$p, 1, 1, false, true> as Kernel),
                            (1, 2) => Some(run::<$p, 1, 2, false, true> as Kernel),
                            _ => None,
                        }
                    };
                }
                match (shape.pixels, shape.two_rows, shape.planar) {
                    $(($pixels, false, false) => blocked!($pixels, false),)*
                    $(($halved, true, false) => blocked!($halved, true),)*
                    $(($pixels, false, true) => planar!($pixels),)*
                    _ => None,
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, #[target_feature(enable = "avx512f")] [14 12 10 8 7 6 4 3 2 1] two rows [14 12 10 8 6 4 2]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, #[target_feature(enable = "avx2,fma")] [6 5 4 3 2 1] two rows [6 4 2]);
kernels!(portable, Portable, [4 3 2 1] two rows [4 2]);

/// The kernel for a shape; none where there is none.
pub(crate) fn kernel(isa: Isa, shape: Shape) -> Option<Kernel> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::select(shape),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::select(shape),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx512 | Isa::Avx2 => None,
        Isa::Portable => portable::select(shape),
    }
}

/// Widths of a tile in one row, widest first.
pub(crate) fn widths(isa: Isa) -> &'static [usize] {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::PIXELS,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::PIXELS,
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx512 | Isa::Avx2 => &[],
        Isa::Portable => portable::PIXELS,
    }
}
