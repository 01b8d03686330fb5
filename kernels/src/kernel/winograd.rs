//! Winograd's minimal filtering: `M x M` outputs of a 3 x 3 convolution from `(M + 2)^2` products instead of `9 M^2`.
//!
//! The algorithm is that of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308):
//! `output = A^T [(G weights G^T) * (B^T input B)] A`. Here are the transforms of inputs and outputs, and the products
//! as tiles of a matrix product; `step::winograd` packs weights and says what goes where.
//!
//! A *position* is one of the `(M + 2)^2` products of a tile.

use super::finish::Store;
use super::tile::{Kernel, Tile};
use super::{Dot, Float, unroll};

/// Outputs in a row of the largest tile.
pub(crate) const LARGEST: usize = 4;

/// Inputs in a row of the largest tile.
pub(crate) const LARGEST_SIDE: usize = LARGEST + 2;

/// Tiles whose windows follow each other in a row of one block. Distances are bytes.
pub(crate) struct InputTiles {
    /// The first tile's window, top left.
    pub input: *const u8,
    /// From a row of the image to the next.
    pub row: usize,
    pub count: usize,
    /// The first tile's vector at the first position; the tiles' vectors follow each other.
    pub output: *mut u8,
    /// From a position to the next.
    pub position: usize,
}

/// Tiles of a row, each with its products. Distances are bytes.
pub(crate) struct OutputTiles {
    /// `[position][tile][vectors][LANES]`: the first tile's products at the first position.
    pub products: *const u8,
    /// From a position to the next.
    pub position: usize,
    pub count: usize,
    pub vectors: usize,
    /// `[M][count * M][vectors][LANES]`.
    pub pixels: *mut u8,
}

/// The kernels of an element type, for tiles of 2 x 2 and of 4 x 4 outputs.
pub(crate) struct Winograd {
    pub input: [unsafe fn(&InputTiles); 2],
    pub output: [unsafe fn(&OutputTiles); 2],
    /// Tiles of one matrix product, most first; falls to 1.
    pub widths: &'static [usize],
    /// Products of so many tiles with one or two vectors of weights, at one position, stored as
    /// `[tile][vectors][LANES]`.
    pub multiply: fn(tiles: usize, vectors: usize) -> Option<Kernel>,
    /// From outputs to stored numbers: see [`super::finish::finish`].
    pub finish: unsafe fn(&Tile, *const u8, usize, usize, usize),
}

/// A row of inputs or products; tiles of 2 x 2 outputs use the first 4.
type Row<F> = [<F as Float>::V; LARGEST_SIDE];

/// `B^T d`.
#[inline(always)]
unsafe fn before<F: Float, const M: usize>(d: Row<F>) -> Row<F> {
    // SAFETY: the caller's.
    unsafe {
        if M == 2 {
            return [
                F::sub(d[0], d[2]),
                F::add(d[1], d[2]),
                F::sub(d[2], d[1]),
                F::sub(d[1], d[3]),
                d[4],
                d[5],
            ];
        }
        let (two, four) = (F::splat(2.0), F::splat(4.0));
        let (minus_four, minus_five) = (F::splat(-4.0), F::splat(-5.0));
        let even = F::mul_add(minus_four, d[2], d[4]);
        let odd = F::mul_add(minus_four, d[1], d[3]);
        let far_even = F::sub(d[4], d[2]);
        let far_odd = F::mul(two, F::sub(d[3], d[1]));
        [
            F::mul_add(four, d[0], F::mul_add(minus_five, d[2], d[4])),
            F::add(even, odd),
            F::sub(even, odd),
            F::add(far_even, far_odd),
            F::sub(far_even, far_odd),
            F::mul_add(four, d[1], F::mul_add(minus_five, d[3], d[5])),
        ]
    }
}

/// `A^T m`.
#[inline(always)]
unsafe fn after<F: Float, const M: usize>(m: Row<F>) -> [F::V; LARGEST] {
    // SAFETY: the caller's.
    unsafe {
        let near = F::add(m[1], m[2]);
        let near_odd = F::sub(m[1], m[2]);
        if M == 2 {
            let first = F::add(m[0], near);
            return [first, F::sub(near_odd, m[3]), first, first];
        }
        let far = F::add(m[3], m[4]);
        let far_odd = F::sub(m[3], m[4]);
        [
            F::add(m[0], F::add(near, far)),
            F::mul_add(F::splat(2.0), far_odd, near_odd),
            F::mul_add(F::splat(4.0), far, near),
            F::add(F::mul_add(F::splat(8.0), far_odd, near_odd), m[5]),
        ]
    }
}

/// `B^T d B` of every tile, as numbers of `D`'s type: a vector of bfloat16 is transformed in two halves.
///
/// # Safety
/// The pointers cover the tiles' windows and vectors, and the processor has `D`'s instructions.
#[inline(always)]
pub(crate) unsafe fn input<D: Dot, const M: usize>(t: &InputTiles) {
    let vector = D::F::LANES * 4;
    let (parts, part_bytes) = match D::STORE {
        Store::Bf16 => (2, vector / 2),
        Store::F32 | Store::U8 => (1, vector),
    };
    // SAFETY: the caller's.
    unsafe {
        for tile in 0..t.count {
            for part in 0..parts {
                let from = t.input.add(tile * M * vector + part * part_bytes);
                let mut columns = [[D::F::splat(0.0); LARGEST_SIDE]; LARGEST_SIDE];
                unroll!(x < M + 2, six, {
                    let mut column = [D::F::splat(0.0); LARGEST_SIDE];
                    unroll!(y < M + 2, six, {
                        let from = from.add(y * t.row + x * vector);
                        column[y] = match D::STORE {
                            Store::Bf16 => D::F::load_bf16(from.cast()),
                            Store::F32 | Store::U8 => D::F::load(from.cast()),
                        };
                    });
                    columns[x] = before::<D::F, M>(column);
                });
                let mut to = t.output.add(tile * vector + part * part_bytes);
                unroll!(y < M + 2, six, {
                    let mut row = [D::F::splat(0.0); LARGEST_SIDE];
                    unroll!(x < M + 2, six, {
                        row[x] = columns[x][y];
                    });
                    let row = before::<D::F, M>(row);
                    unroll!(x < M + 2, six, {
                        match D::STORE {
                            Store::Bf16 => D::store_half(to.cast(), row[x]),
                            Store::F32 | Store::U8 => D::F::store(to.cast(), row[x]),
                        }
                        to = to.wrapping_add(t.position);
                    });
                });
            }
        }
    }
}

/// `A^T m A` of every tile.
///
/// # Safety
/// The pointers cover the tiles' products and pixels, and the processor has `F`'s instructions.
#[inline(always)]
pub(crate) unsafe fn output<F: Float, const M: usize>(t: &OutputTiles) {
    let vector = F::LANES * 4;
    let pixel = t.vectors * vector;
    // SAFETY: the caller's.
    unsafe {
        for tile in 0..t.count {
            for n in 0..t.vectors {
                let from = t.products.add(tile * pixel + n * vector);
                let mut columns = [[F::splat(0.0); LARGEST]; LARGEST_SIDE];
                unroll!(x < M + 2, six, {
                    let mut column = [F::splat(0.0); LARGEST_SIDE];
                    unroll!(y < M + 2, six, {
                        column[y] = F::load(from.add((y * (M + 2) + x) * t.position).cast());
                    });
                    columns[x] = after::<F, M>(column);
                });
                let to = t.pixels.add(tile * M * pixel + n * vector);
                unroll!(y < M, four, {
                    let mut row = [F::splat(0.0); LARGEST_SIDE];
                    unroll!(x < M + 2, six, {
                        row[x] = columns[x][y];
                    });
                    let row = after::<F, M>(row);
                    unroll!(x < M, four, {
                        F::store(to.add((y * t.count * M + x) * pixel).cast(), row[x]);
                    });
                });
            }
        }
    }
}

/// The kernels of a [`Dot`] of floats on an instruction set. `$vector` is the bytes of a vector.
macro_rules! winograd {
    ($name:ident, $dot:ty, $finish:path, $(#[$feature:meta])? vector $vector:literal [$($tiles:literal)*]) => {
        pub(crate) mod $name {
            use super::*;
            use $crate::kernel::Dot;
            use $crate::kernel::tile::{Kernel, Tile, sums};
            use $crate::kernel::winograd::{InputTiles, OutputTiles, Winograd, input, output};

            $(#[$feature])?
            unsafe fn run_input<const M: usize>(t: &InputTiles) {
                // SAFETY: the caller's.
                unsafe { input::<$dot, M>(t) }
            }

            $(#[$feature])?
            unsafe fn run_output<const M: usize>(t: &OutputTiles) {
                // SAFETY: the caller's.
                unsafe { output::<<$dot as Dot>::F, M>(t) }
            }

            $(#[$feature])?
            unsafe fn multiply<const P: usize, const N: usize>(t: &Tile) {
                // SAFETY: the caller's.
                unsafe { sums::<$dot, P, N, $vector>(t, t.output) }
            }

            fn select(tiles: usize, vectors: usize) -> Option<Kernel> {
                Some(match (tiles, vectors) {
                    $(
                        ($tiles, 1) => multiply::<$tiles, 1>,
                        ($tiles, 2) => multiply::<$tiles, 2>,
                    )*
                    _ => return None,
                })
            }

            pub(crate) static KERNELS: Winograd = Winograd {
                input: [run_input::<2>, run_input::<4>],
                output: [run_output::<2>, run_output::<4>],
                widths: &[$($tiles),*],
                multiply: select,
                finish: $finish,
            };
        }
    };
}
pub(crate) use winograd;
