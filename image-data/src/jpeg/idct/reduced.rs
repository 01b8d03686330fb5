//! A block as four by four or two by two samples: the inverse transform of that size over the coefficients of the
//! lowest frequencies. That is what is left of the block when its higher frequencies are taken away before every
//! second sample (or three of four). One sample is the first coefficient alone: [`super::flat`].
//!
//! With `F` the 8-point coefficients, `N` samples on a side and `c(0) = 1 / sqrt(2)`, else 1:
//!
//! ```text
//! f(x, y) = 1/4 * sum over u, v < N of c(u) c(v) F(u, v) cos((2x + 1) u pi / 2N) cos((2y + 1) v pi / 2N)
//! ```

use super::{Block, F_0_541, F_0_765, F_1_847, Target, center};
use crate::jpeg::tables::QuantTable;

/// Four numbers a row, so that four columns are one vector.
type Row = [i32; 4];

/// Into four rows of four samples.
#[inline(always)]
pub(super) fn four(block: &Block, quant: &QuantTable, target: &mut Target<'_>) {
    let rows: [Row; 4] =
        std::array::from_fn(|y| std::array::from_fn(|x| dequantized(block, quant, y * 8 + x)));
    let columns = transposed(one_dimension(rows, 11));
    let rows = transposed(one_dimension(columns, 18));
    for (y, row) in rows.into_iter().enumerate() {
        *target.row(y) = row.map(center);
    }
}

/// Into two rows of two samples.
#[inline(always)]
pub(super) fn two(block: &Block, quant: &QuantTable, target: &mut Target<'_>) {
    let [a, b, c, d] = [0, 1, 8, 9].map(|at| dequantized(block, quant, at));
    // cos(pi / 4) and 1 / sqrt(2) are the same: whole numbers remain.
    let sample = |sum: i32| center((sum + 4) >> 3);
    *target.row(0) = [sample(a + b + c + d), sample(a - b + c - d)];
    *target.row(1) = [sample(a + b - c - d), sample(a - b - c + d)];
}

/// As in the full transform: 16 bits that wrap.
#[inline(always)]
fn dequantized(block: &Block, quant: &QuantTable, at: usize) -> i32 {
    i32::from(block.0[at].wrapping_mul(quant[at] as i16))
}

/// Four points down each column, times 2^13 and shifted back by `shift` with rounding.
#[inline(always)]
fn one_dimension([x0, x1, x2, x3]: [Row; 4], shift: u32) -> [Row; 4] {
    let scaled = |a: i32, factor: i32| a.wrapping_mul(factor);
    let e0 = each(|i| scaled(x0[i].wrapping_add(x2[i]), 1 << 13));
    let e1 = each(|i| scaled(x0[i].wrapping_sub(x2[i]), 1 << 13));
    let both = each(|i| scaled(x1[i].wrapping_add(x3[i]), F_0_541));
    let o0 = each(|i| both[i].wrapping_add(scaled(x1[i], F_0_765)));
    let o1 = each(|i| both[i].wrapping_sub(scaled(x3[i], F_1_847)));
    let back = |sum: i32| sum.wrapping_add(1 << (shift - 1)) >> shift;
    [
        each(|i| back(e0[i].wrapping_add(o0[i]))),
        each(|i| back(e1[i].wrapping_add(o1[i]))),
        each(|i| back(e1[i].wrapping_sub(o1[i]))),
        each(|i| back(e0[i].wrapping_sub(o0[i]))),
    ]
}

#[inline(always)]
fn each(column: impl Fn(usize) -> i32) -> Row {
    std::array::from_fn(column)
}

#[inline(always)]
fn transposed(rows: [Row; 4]) -> [Row; 4] {
    std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::idct::{Portable, flat, transform};

    /// The sum in the head of this file.
    fn sum(block: &Block, quant: &QuantTable, side: usize, x: usize, y: usize) -> f64 {
        let scale = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |p: usize, k: usize| {
            let angle = (2 * p + 1) as f64 * k as f64 * std::f64::consts::PI;
            (angle / (2 * side) as f64).cos()
        };
        let mut sum = 0.0;
        for v in 0..side {
            for u in 0..side {
                let coefficient = f64::from(block.0[v * 8 + u]) * f64::from(quant[v * 8 + u]);
                sum += scale(u) * scale(v) * coefficient * wave(x, u) * wave(y, v);
            }
        }
        sum / 4.0
    }

    fn samples(block: &Block, quant: &QuantTable, side: usize) -> Vec<u8> {
        // Rows further apart than they are long: what lies between must stay.
        let mut samples = vec![77; side * 13];
        transform(
            Portable,
            block,
            quant,
            &mut Target::new(&mut samples, 13, side),
        );
        let rows = samples.chunks(13);
        assert!(rows.clone().all(|row| row[side..].iter().all(|&s| s == 77)));
        rows.flat_map(|row| row[..side].to_vec()).collect()
    }

    #[test]
    fn every_size_follows_its_cosine_sum() {
        let mut state = 1_u64;
        let mut next = |range: i32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as i32 % (2 * range + 1) - range
        };
        for round in 0..500 {
            let mut block = Block::ZERO;
            let mut quant = [0_u16; 64];
            for (at, (c, q)) in block.0.iter_mut().zip(&mut quant).enumerate() {
                // What photos hold: less the higher the frequency.
                *c = next(24 / (1 + (at / 8 + at % 8) as i32)) as i16;
                *q = 1 + (next(7) + 7) as u16;
            }
            block.0[0] = next(60) as i16;
            for side in [8, 4, 2, 1] {
                let got = samples(&block, &quant, side);
                for y in 0..side {
                    for x in 0..side {
                        let want = (sum(&block, &quant, side, x, y) + 128.0).clamp(0.0, 255.0);
                        let gap = (f64::from(got[y * side + x]) - want).abs();
                        // Half a level of rounding, and the fixed point's share.
                        assert!(gap <= 0.6, "round {round}, {side}: {x}, {y}: {gap}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_flat_block_is_flat_at_every_size() {
        let quant = [3; 64];
        for dc in [-2000, -700, -1, 0, 5, 341, 900] {
            let mut block = Block::ZERO;
            block.0[0] = dc;
            for side in [4, 2, 1] {
                let mut alone = vec![0; side * side];
                flat(dc, &quant, &mut Target::new(&mut alone, side, side));
                assert_eq!(samples(&block, &quant, side), alone, "{dc}, {side}");
            }
        }
    }

    #[test]
    fn hostile_coefficients_do_not_overflow() {
        for value in [i16::MIN, i16::MAX] {
            for step in [1, 255, 65_535] {
                for side in [4, 2, 1] {
                    samples(&Block([value; 64]), &[step; 64], side);
                }
            }
        }
    }
}
