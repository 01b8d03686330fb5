//! Convolution of every channel by itself: a few pixels of a row in registers while the taps go by.

use std::sync::atomic::{Ordering, compiler_fence};

use super::finish::{Finish, Store};
use super::{Float, Weave, unroll};

/// A few pixels of one row, of one vector of channels (float) or one block of them (int8). Distances are bytes.
pub(crate) struct Piece<'a> {
    pub input: *const u8,
    /// From a pixel's window to the next one's.
    pub step: usize,
    /// From a window's first byte to that of each tap, row by row.
    pub taps: *const usize,
    /// Rows and columns of taps.
    pub kernel: [usize; 2],
    /// Float: `[taps][LANES]` float32. int8: `[rows / 4][columns][4][LANES]` words of four rows.
    pub weights: *const u8,
    pub bias: *const u8,
    pub scale: *const f32,
    pub output: *mut u8,
    pub finish: &'a Finish,
}

pub(crate) type Kernel = unsafe fn(&Piece);

/// Pixels of a piece, most first.
pub(crate) const WIDTHS: &[usize] = &[8, 7, 4, 2, 1];
/// The same for int8.
pub(crate) const WOVEN_WIDTHS: &[usize] = &[4, 2, 1];

/// float32, or bfloat16 where `HALF`, with `KW` columns of taps and pixels `S` apart; `KW` = 0 takes any window.
///
/// # Safety
/// The pointers cover the piece, and the processor has `I`'s instructions. Where `KW` is not 0, taps of a row are
/// neighbors.
#[inline(always)]
pub(crate) unsafe fn float<
    I: Float,
    const P: usize,
    const HALF: bool,
    const S: usize,
    const KW: usize,
>(
    t: &Piece,
) {
    let pixel = I::LANES * 4;
    let [rows, columns] = t.kernel;
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [I::load(t.bias.cast()); P];
        let weight = |tap: usize| I::load(t.weights.cast::<f32>().add(tap * I::LANES));
        macro_rules! input {
            ($from:expr) => {
                if HALF {
                    I::load_bf16($from.cast())
                } else {
                    I::load($from.cast())
                }
            };
        }
        if KW == 0 {
            for tap in 0..rows * columns {
                let from = t.input.add(*t.taps.add(tap));
                let w = weight(tap);
                unroll!(p < P, fourteen, {
                    let x = input!(from.add(p * t.step));
                    sums[p] = I::mul_add(x, w, sums[p]);
                });
            }
        } else {
            // Neighboring windows share pixels: each is read once and meets the taps of all of them.
            for row in 0..rows {
                let from = t.input.add(*t.taps.add(row * KW));
                let mut w = [weight(row * KW); KW];
                unroll!(k < KW, six, {
                    w[k] = weight(row * KW + k);
                });
                unroll!(x < (P - 1) * S + KW, twenty, {
                    let value = input!(from.add(x * pixel));
                    unroll!(p < P, fourteen, {
                        if x >= p * S && x - p * S < KW {
                            sums[p] = I::mul_add(value, w[x.wrapping_sub(p * S) % KW], sums[p]);
                        }
                    });
                });
            }
        }
        let (low, high) = (I::splat(t.finish.low), I::splat(t.finish.high));
        unroll!(p < P, fourteen, {
            let v = I::min(high, I::max(low, sums[p]));
            let to = t.output.add(p * pixel);
            if HALF {
                I::store_bf16(to.cast(), v);
            } else {
                I::store(to.cast(), v);
            }
        });
    }
}

/// Keeps the compiler from reading all columns first, which leaves too few registers for the sums: with this, a kernel
/// of AVX-512 takes two thirds of the time. It is no instruction.
#[inline(always)]
fn column_by_column() {
    compiler_fence(Ordering::SeqCst);
}

/// uint8 by int8 with `KW` columns of taps and pixels `S` apart; `KW` = 0 takes any window, with `P` = 1.
///
/// # Safety
/// As for [`float`]; where `KW` is not 0, taps of a row are neighbors.
#[inline(always)]
pub(crate) unsafe fn woven<D: Weave, const P: usize, const S: usize, const KW: usize>(t: &Piece) {
    let (vector, pixel) = (D::F::LANES * 4, D::F::LANES * 4);
    let [rows, columns] = t.kernel;
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[D::zero(); 4]; P];
        let mut weights = t.weights;
        let mut row = 0;
        while row < rows {
            // Rows beyond the last have weights of zero; what they read only has to be there.
            let at = |r: usize| if row + r < rows { row + r } else { row };
            let starts = [0, 1, 2, 3].map(|r| t.input.add(*t.taps.add(at(r) * columns)));
            if KW == 0 {
                for column in 0..columns {
                    let along = *t.taps.add(row * columns + column) - *t.taps.add(row * columns);
                    let x = D::weave(starts.map(|start| start.add(along)));
                    unroll!(j < 4, four, {
                        let w = D::weights(weights.add((column * 4 + j) * vector));
                        sums[0][j] = D::dot(sums[0][j], x[j], w);
                    });
                }
            } else {
                unroll!(x < (P - 1) * S + KW, fourteen, {
                    column_by_column();
                    let woven = D::weave(starts.map(|start| start.add(x * pixel)));
                    unroll!(p < P, four, {
                        if x >= p * S && x - p * S < KW {
                            unroll!(j < 4, four, {
                                let at = (x.wrapping_sub(p * S) * 4 + j).wrapping_mul(vector);
                                let w = D::weights(weights.wrapping_add(at));
                                sums[p][j] = D::dot(sums[p][j], woven[j], w);
                            });
                        }
                    });
                });
            }
            weights = weights.add(columns * 4 * vector);
            row += 4;
        }
        let f = t.finish;
        let (low, high) = (D::F::splat(f.low), D::F::splat(f.high));
        debug_assert!(f.store == Store::U8);
        unroll!(p < P, four, {
            let mut values = [low; 4];
            unroll!(j < 4, four, {
                let factor = D::factor(t.bias.add(j * vector), t.scale.add(j * D::F::LANES));
                let value = D::value(sums[p][j], factor);
                values[j] = D::F::min(high, D::F::max(low, value));
            });
            D::store_woven(t.output.add(p * pixel), values, f.zero as i32);
        });
    }
}

/// Depthwise kernels over float32 and bfloat16: a module with `select(pixels, stride, columns, is_bf16)`; columns of 0
/// is any window.
macro_rules! depthwise_floats {
    ($name:ident, $isa:ty, $(#[$feature:meta])?) => {
        pub(crate) mod $name {
            use super::*;
            use $crate::kernel::depthwise::{Kernel, Piece, float};

            $(#[$feature])?
            unsafe fn run<const P: usize, const HALF: bool, const S: usize, const KW: usize>(t: &Piece) {
                // SAFETY: the caller's.
                unsafe { float::<$isa, P, HALF, S, KW>(t) }
            }

            fn wide<const P: usize, const HALF: bool>(stride: usize, columns: usize) -> Kernel {
                match (stride, columns) {
                    (1, 3) => run::<P, HALF, 1, 3>,
                    (2, 3) => run::<P, HALF, 2, 3>,
                    (1, 5) => run::<P, HALF, 1, 5>,
                    (2, 5) => run::<P, HALF, 2, 5>,
                    _ => run::<P, HALF, 0, 0>,
                }
            }

            fn of<const HALF: bool>(pixels: usize, stride: usize, columns: usize) -> Option<Kernel> {
                Some(match pixels {
                    8 => wide::<8, HALF>(stride, columns),
                    7 => wide::<7, HALF>(stride, columns),
                    4 => wide::<4, HALF>(stride, columns),
                    2 => run::<2, HALF, 0, 0>,
                    1 => run::<1, HALF, 0, 0>,
                    _ => return None,
                })
            }

            pub(crate) fn select(pixels: usize, stride: usize, columns: usize, is_bf16: bool) -> Option<Kernel> {
                if is_bf16 {
                    of::<true>(pixels, stride, columns)
                } else {
                    of::<false>(pixels, stride, columns)
                }
            }
        }
    };
}
pub(crate) use depthwise_floats;

/// Depthwise kernels over int8: a module with `select(pixels, stride, columns)`; columns of 0 is any window.
macro_rules! depthwise_bytes {
    ($name:ident, $dot:ty, $(#[$feature:meta])?) => {
        pub(crate) mod $name {
            use super::*;
            use $crate::kernel::depthwise::{Kernel, Piece, woven};

            $(#[$feature])?
            unsafe fn run<const P: usize, const S: usize, const KW: usize>(t: &Piece) {
                // SAFETY: the caller's.
                unsafe { woven::<$dot, P, S, KW>(t) }
            }

            pub(crate) fn select(pixels: usize, stride: usize, columns: usize) -> Option<Kernel> {
                Some(match (pixels, stride, columns) {
                    (4, 1, 3) => run::<4, 1, 3>,
                    (2, 1, 3) => run::<2, 1, 3>,
                    (1, _, 3) => run::<1, 1, 3>,
                    (4, 2, 3) => run::<4, 2, 3>,
                    (2, 2, 3) => run::<2, 2, 3>,
                    (4, 1, 5) => run::<4, 1, 5>,
                    (2, 1, 5) => run::<2, 1, 5>,
                    (1, _, 5) => run::<1, 1, 5>,
                    (4, 2, 5) => run::<4, 2, 5>,
                    (2, 2, 5) => run::<2, 2, 5>,
                    (1, _, _) => run::<1, 1, 0>,
                    _ => return None,
                })
            }
        }
    };
}
pub(crate) use depthwise_bytes;
