//! The innermost piece: a tile of output pixels times one or two vectors of output channels, kept in registers while
//! all taps and input channels go by; then `finish`.
//!
//! The shape of the tile is known to the compiler, so that the sums are registers. Which tile goes where is
//! `step::conv`'s business.

use super::finish::{Finish, finish_in_place};
use super::{Dot, Float, unroll};
use crate::memory::LINE;

/// What one call works on. Distances are bytes.
pub(crate) struct Tile<'a> {
    /// The first pixel's window, top left.
    pub input: *const u8,
    /// From there to the first pixel of the tile's second half, in tiles of an even number of pixels.
    pub second: usize,
    /// From a pixel to the next, where the kernel does not know it.
    pub step: usize,
    /// From the window's first byte to that of each run of words.
    pub runs: *const usize,
    pub run_count: usize,
    /// Words in each run, 1 at least.
    pub words: *const usize,
    /// `[runs][words][vectors][LANES]` words.
    pub weights: *const u8,
    /// Weights that later tiles read, which are asked for meanwhile.
    pub coming: Coming,
    /// Vectors that are stored.
    pub live: usize,
    pub output: *mut u8,
    /// From a vector of output channels to the next, in wrapping arithmetic.
    pub output_next: usize,
    /// To the first pixel of the second half.
    pub output_second: usize,
    /// See [`Finish::residual`].
    pub residual: *const u8,
    pub residual_next: usize,
    pub residual_second: usize,
    /// `[vectors][LANES]` of 32 bits.
    pub bias: *const u8,
    /// `[vectors][LANES]`, where sums are integers.
    pub scale: *const f32,
    pub finish: &'a Finish,
}

/// Weights that are brought into the second-level cache while a tile is computed, a few lines with each run. It takes time
/// to read them from farther away, and the sums of one tile would wait for it.
#[derive(Clone, Copy)]
pub(crate) struct Coming {
    /// The first byte, which need not be valid.
    pub from: *const u8,
    /// Cache lines of each run.
    pub lines: usize,
}

impl Coming {
    /// No line.
    pub const NONE: Self = Self {
        from: std::ptr::null(),
        lines: 0,
    };

    /// What tile `index` of `of` asks for: its share of the `bytes` that follow `weights`. A tile alone has no time to.
    #[inline(always)]
    pub fn share(weights: *const u8, bytes: usize, runs: usize, [index, of]: [usize; 2]) -> Self {
        let lines = bytes.div_ceil(of * runs * LINE);
        let share = lines * runs * LINE;
        match of > 1 && index * share < bytes {
            true => Self {
                from: weights.wrapping_add(bytes + index * share),
                lines,
            },
            false => Self::NONE,
        }
    }
}

impl<'a> Tile<'a> {
    /// Reads and writes nothing: for those who need a part of it.
    #[inline(always)]
    pub fn nowhere(finish: &'a Finish) -> Self {
        Self {
            input: std::ptr::null(),
            second: 0,
            step: 0,
            runs: std::ptr::null(),
            run_count: 0,
            words: std::ptr::null(),
            weights: std::ptr::null(),
            coming: Coming::NONE,
            live: 0,
            output: std::ptr::null_mut(),
            output_next: 0,
            output_second: 0,
            residual: std::ptr::null(),
            residual_next: 0,
            residual_second: 0,
            bias: std::ptr::null(),
            scale: std::ptr::null(),
            finish,
        }
    }
}

/// Computes one tile.
pub(crate) type Kernel = unsafe fn(&Tile);

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Output pixels.
    pub pixels: usize,
    /// Vectors of output channels: 1 or 2.
    pub vectors: usize,
    /// Bytes from an output pixel's input to the next one's.
    pub step: usize,
}

/// How far ahead of their use weights are asked for: 4 KiB, the length of a page.
const AHEAD: usize = 4096;

/// Sums in the order in which `finish` reads them.
#[repr(align(64))]
struct Sums<S, const P: usize, const N: usize>([[std::mem::MaybeUninit<S>; N]; P]);

/// A tile of `P` pixels by `N` vectors, `STEP` bytes from pixel to pixel; 0: [`Tile::step`].
///
/// # Safety
/// The pointers of `t` must cover the tile, and the processor must have `D`'s instructions.
#[inline(always)]
pub(crate) unsafe fn tile<D: Dot, const P: usize, const N: usize, const STEP: usize>(
    t: &Tile,
    finish: unsafe fn(&Tile, *const u8, usize, usize, usize),
) {
    let half = half(P);
    // SAFETY: the caller's.
    unsafe {
        let mut stored = Sums::<D::Sum, P, N>([[std::mem::MaybeUninit::uninit(); N]; P]);
        let to = stored.0.as_mut_ptr().cast();
        if D::IN_PAIRS && P > 2 {
            sums::<D, P, N, STEP>(t, to);
        } else if at_once::<D, P, N, STEP, true>(t, t.input, t.second, to) {
            return;
        }
        finish(t, stored.0.as_ptr().cast(), P, N, half);
    }
}

/// The sums of a tile, stored as `[P][N][LANES]`.
///
/// # Safety
/// As for [`tile`]; `to` has room for the sums.
#[inline(always)]
pub(crate) unsafe fn sums<D: Dot, const P: usize, const N: usize, const STEP: usize>(
    t: &Tile,
    to: *mut u8,
) {
    let step = if STEP == 0 { t.step } else { STEP };
    // SAFETY: the caller's.
    unsafe {
        if D::IN_PAIRS && P > 2 {
            let half = half(P);
            for p in (0..P).step_by(2) {
                let input = if p < half {
                    t.input.wrapping_add(p * step)
                } else {
                    t.input.wrapping_add(t.second + (p - half) * step)
                };
                let to = to.add(p * N * D::F::LANES * 4);
                at_once::<D, 2, N, STEP, false>(t, input, step, to);
            }
        } else {
            at_once::<D, P, N, STEP, false>(t, t.input, t.second, to);
        }
    }
}

/// Sums that are in registers all at once: of `P` pixels from `input` on, whose second half is `second` bytes away.
/// Stores them; or, where `ENDS` and the layer is of the most common kind, finishes them where they are, and says so.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn at_once<D: Dot, const P: usize, const N: usize, const STEP: usize, const ENDS: bool>(
    t: &Tile,
    input: *const u8,
    second: usize,
    to: *mut u8,
) -> bool {
    let half = half(P);
    let step = if STEP == 0 { t.step } else { STEP };
    let vector = D::F::LANES * 4;
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[D::zero(); N]; P];
        let mut weights = t.weights;
        let mut coming = t.coming.from;
        for run in 0..t.run_count {
            for _ in 0..t.coming.lines {
                D::F::prefetch_far(coming);
                coming = coming.wrapping_add(LINE);
            }
            let mut first = input.add(*t.runs.add(run));
            let mut second = first.wrapping_add(second);
            // A run has a word at least. Were that unknown, the sums would be kept in memory from run to run.
            let mut left = *t.words.add(run);
            loop {
                let mut w = [D::weights(weights); N];
                unroll!(n < N, two, {
                    if n > 0 {
                        w[n] = D::weights(weights.add(n * vector));
                    }
                    D::F::prefetch(weights.wrapping_add(n * vector + AHEAD));
                });
                unroll!(p < P, fourteen, {
                    let from = if p < half {
                        first.add(p * step)
                    } else {
                        second.add((p - half) * step)
                    };
                    let x = D::word(from);
                    unroll!(n < N, two, {
                        sums[p][n] = D::dot(sums[p][n], x, w[n]);
                    });
                });
                first = first.add(4);
                second = second.wrapping_add(4);
                weights = weights.add(N * vector);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        if ENDS && t.finish.is_simple::<D>() {
            finish_in_place::<D, P, N>(t, &sums);
            return true;
        }
        unroll!(p < P, fourteen, {
            unroll!(n < N, two, {
                D::store_sum(to.add((p * N + n) * vector), sums[p][n]);
            });
        });
        false
    }
}

/// Pixels in the first half of a tile of `pixels`; all, where it has no second.
pub(crate) const fn half(pixels: usize) -> usize {
    if pixels.is_multiple_of(2) {
        pixels / 2
    } else {
        pixels
    }
}

/// The kernels of a [`Dot`] on an instruction set: a module with `select` and `finish_sums`. `$near` and `$far` are the
/// bytes of one and of two pixels of a full block.
macro_rules! tiles {
    ($name:ident, $dot:ty, $(#[$feature:meta])? near $near:literal far $far:literal [$($pixels:literal)*]) => {
        pub(crate) mod $name {
            use super::*;
            use $crate::kernel::finish::finish;
            use $crate::kernel::tile::{Kernel, Shape, Tile, tile};

            $(#[$feature])?
            #[inline(never)]
            pub(crate) unsafe fn finish_sums(t: &Tile, sums: *const u8, pixels: usize, vectors: usize, half: usize) {
                // SAFETY: the caller's.
                unsafe { finish::<$dot>(t, sums, pixels, vectors, half) }
            }

            $(#[$feature])?
            unsafe fn run<const P: usize, const N: usize, const STEP: usize>(t: &Tile) {
                // SAFETY: the caller's.
                unsafe { tile::<$dot, P, N, STEP>(t, finish_sums) }
            }

            /// Pixels of a tile, most first.
            pub(crate) const WIDTHS: &[usize] = &[$($pixels),*];

            pub(crate) fn select(shape: Shape) -> Option<Kernel> {
                Some(match (shape.pixels, shape.vectors, shape.step) {
                    $(
                        ($pixels, 2, $near) => run::<$pixels, 2, $near>,
                        ($pixels, 2, $far) => run::<$pixels, 2, $far>,
                        // Not 4, the pixels of a narrow image: words would be carried on in registers, of which
                        // there are too few (`tests/spills.py`).
                        ($pixels, 2, 8) => run::<$pixels, 2, 8>,
                        ($pixels, 2, _) => run::<$pixels, 2, 0>,
                        ($pixels, 1, _) => run::<$pixels, 1, 0>,
                    )*
                    _ => return None,
                })
            }
        }
    };
}
pub(crate) use tiles;
