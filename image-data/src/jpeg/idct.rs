//! The inverse transform of one block, dequantization included: libjpeg's accurate integer method (`jidctint.c`), computed as
//! libjpeg-turbo's vector code computes it, in 16 bits that wrap and saturate. On sound files both are the same; on damaged ones this
//! is what nearly every program shows.
//!
//! `C. Loeffler, A. Ligtenberg and G. Moschytz, "Practical Fast 1-D DCT Algorithms with 11 Multiplications", 1989.`

#![allow(
    clippy::needless_range_loop,
    reason = "rows and columns of a transform are numbers, not items"
)]

use super::tables::QuantTable;

mod reduced;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// Coefficients of one block in natural order, aligned for vector loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block(pub [i16; 64]);

impl Block {
    pub const ZERO: Self = Self([0; 64]);
}

/// Rows of samples, a square of 8, 4, 2 or 1 on a side, in a plane whose rows are `stride` bytes apart.
pub(super) struct Target<'a> {
    samples: &'a mut [u8],
    stride: usize,
    side: usize,
}

impl<'a> Target<'a> {
    /// `samples` starts at the block's first sample.
    #[inline(always)]
    pub fn new(samples: &'a mut [u8], stride: usize, side: usize) -> Self {
        assert!(stride >= side && samples.len() >= (side - 1) * stride + side);
        Self {
            samples,
            stride,
            side,
        }
    }

    /// The first `N` samples of row `y`.
    #[inline(always)]
    fn row<const N: usize>(&mut self, y: usize) -> &mut [u8; N] {
        let row = &mut self.samples[y * self.stride..];
        let Some(row) = row.first_chunk_mut::<N>() else {
            unreachable!("new() checked the length");
        };
        row
    }

    /// All samples alike.
    pub fn fill(&mut self, sample: u8) {
        for y in 0..self.side {
            match self.side {
                8 => *self.row(y) = [sample; 8],
                4 => *self.row(y) = [sample; 4],
                2 => *self.row(y) = [sample; 2],
                _ => *self.row(y) = [sample],
            }
        }
    }
}

/// A way to compute the transform: portable or for some instruction set.
pub(super) trait Idct: Copy {
    /// Transforms a block of which more than the first coefficient may be set, into eight rows of eight samples.
    fn full(self, block: &Block, quant: &QuantTable, target: &mut Target<'_>);
}

/// Transforms a block into as many samples as `target` has room for.
#[inline(always)]
pub(super) fn transform(
    idct: impl Idct,
    block: &Block,
    quant: &QuantTable,
    target: &mut Target<'_>,
) {
    match target.side {
        8 => idct.full(block, quant, target),
        4 => reduced::four(block, quant, target),
        2 => reduced::two(block, quant, target),
        _ => flat(block.0[0], quant, target),
    }
}

/// The transform of a block whose only coefficient is the first one.
pub(super) fn flat(dc: i16, quant: &QuantTable, target: &mut Target<'_>) {
    let dc = dc.wrapping_mul(quant[0] as i16).wrapping_shl(2);
    let sample = (i32::from(dc) << 13).wrapping_add(1 << 17) >> 18;
    target.fill(center(sample));
}

/// Cuts to a signed byte and moves zero to the middle.
fn center(sample: i32) -> u8 {
    (sample.clamp(-128, 127) + 128) as u8
}

/// Plain integers, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Idct for Portable {
    fn full(self, block: &Block, quant: &QuantTable, target: &mut Target<'_>) {
        let mut work = [[0_i16; 8]; 8];
        for (i, (&c, &q)) in block.0.iter().zip(quant).enumerate() {
            work[i / 8][i % 8] = c.wrapping_mul(q as i16);
        }
        if block.0[8..].iter().all(|&c| c == 0) {
            let first = work[0].map(|c| c.wrapping_shl(2));
            work = [first; 8];
        } else {
            for x in 0..8 {
                let column = one_dimension(std::array::from_fn(|y| work[y][x]), 11);
                for (y, value) in column.into_iter().enumerate() {
                    work[y][x] = value;
                }
            }
        }
        for (y, row) in work.into_iter().enumerate() {
            *target.row(y) = one_dimension(row, 18).map(|v| center(i32::from(v)));
        }
    }
}

/// Eight numbers, scaled by 2^13 and shifted back by `shift` with rounding and saturation.
fn one_dimension(x: [i16; 8], shift: u32) -> [i16; 8] {
    let product = |a: i16, b: i32| i32::from(a) * b;
    let [x0, x1, x2, x3, x4, x5, x6, x7] = x;

    let even3 = product(x2, F_0_541 + F_0_765).wrapping_add(product(x6, F_0_541));
    let even2 = product(x2, F_0_541).wrapping_add(product(x6, F_0_541 - F_1_847));
    let even0 = i32::from(x0.wrapping_add(x4)) << 13;
    let even1 = i32::from(x0.wrapping_add(x4.wrapping_neg())) << 13;
    let (e0, e3) = (even0.wrapping_add(even3), even0.wrapping_sub(even3));
    let (e1, e2) = (even1.wrapping_add(even2), even1.wrapping_sub(even2));

    let (s3, s4) = (x7.wrapping_add(x3), x5.wrapping_add(x1));
    let z3 = product(s3, F_1_175 - F_1_961).wrapping_add(product(s4, F_1_175));
    let z4 = product(s3, F_1_175).wrapping_add(product(s4, F_1_175 - F_0_390));
    let sum = |a: i32, b: i32, c: i32| a.wrapping_add(b).wrapping_add(c);
    let o0 = sum(product(x7, F_0_298 - F_0_899), product(x1, -F_0_899), z3);
    let o1 = sum(product(x5, F_2_053 - F_2_562), product(x3, -F_2_562), z4);
    let o2 = sum(product(x5, -F_2_562), product(x3, F_3_072 - F_2_562), z3);
    let o3 = sum(product(x7, -F_0_899), product(x1, F_1_501 - F_0_899), z4);

    let half = 1 << (shift - 1);
    [
        e0.wrapping_add(o3),
        e1.wrapping_add(o2),
        e2.wrapping_add(o1),
        e3.wrapping_add(o0),
        e3.wrapping_sub(o0),
        e2.wrapping_sub(o1),
        e1.wrapping_sub(o2),
        e0.wrapping_sub(o3),
    ]
    .map(|v| {
        let v = v.wrapping_add(half) >> shift;
        v.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    })
}

// Factors of the transform, times 2^13.
const F_0_298: i32 = 2446;
const F_0_390: i32 = 3196;
const F_0_541: i32 = 4433;
const F_0_765: i32 = 6270;
const F_0_899: i32 = 7373;
const F_1_175: i32 = 9633;
const F_1_501: i32 = 12299;
const F_1_847: i32 = 15137;
const F_1_961: i32 = 16069;
const F_2_053: i32 = 16819;
const F_2_562: i32 = 20995;
const F_3_072: i32 = 25172;

#[cfg(test)]
mod tests {
    use super::*;

    fn portable(block: &Block, quant: &QuantTable) -> Vec<u8> {
        let mut samples = vec![0; 64];
        Portable.full(block, quant, &mut Target::new(&mut samples, 8, 8));
        samples
    }

    #[test]
    fn follows_the_cosine_sum() {
        // The definition (A.3.3) in f64; the accurate integer method is off by one at most.
        let quant = [1; 64];
        let mut block = Block::ZERO;
        for (i, c) in block.0.iter_mut().enumerate() {
            *c = ((i * 37 + 11) % 41) as i16 - 20;
        }
        block.0[0] = 300;
        let got = portable(&block, &quant);
        for y in 0..8 {
            for x in 0..8 {
                let mut sum = 0.0;
                for v in 0..8 {
                    for u in 0..8 {
                        let scale = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
                        let angle = |p: usize, k: usize| {
                            ((2 * p + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
                        };
                        sum += scale(u)
                            * scale(v)
                            * f64::from(block.0[v * 8 + u])
                            * angle(x, u)
                            * angle(y, v);
                    }
                }
                let want = (sum / 4.0 + 128.0).round().clamp(0.0, 255.0);
                let gap = (f64::from(got[y * 8 + x]) - want).abs();
                assert!(gap <= 1.0, "{x}, {y}: {gap}");
            }
        }
    }

    #[test]
    fn a_flat_block_is_the_full_transform() {
        for dc in [
            -32768, -2000, -1024, -5, 0, 1, 3, 4, 900, 1023, 16000, 32767,
        ] {
            for step in [1, 16, 255, 65535] {
                let quant = [step; 64];
                let mut block = Block::ZERO;
                block.0[0] = dc;
                let mut samples = vec![0; 64];
                flat(dc, &quant, &mut Target::new(&mut samples, 8, 8));
                assert_eq!(samples, portable(&block, &quant), "{dc} x {step}");
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn vectors_give_the_same_bytes() {
        let Some(vectors) = x86::Avx2::detect() else {
            return;
        };
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u32
        };
        for round in 0..20_000 {
            let mut block = Block::ZERO;
            let mut quant = [0; 64];
            // From ordinary blocks to ones that overflow everywhere.
            let bits = round % 17;
            for i in 0..64 {
                if next() % 64 < (round as u32 % 70) {
                    block.0[i] = ((next() as i32) << 16 >> 16 >> (16 - bits).min(15)) as i16;
                }
                quant[i] = if round % 3 == 0 {
                    next() as u16
                } else {
                    next() as u16 & 63
                };
            }
            if round % 5 == 0 {
                block.0[8..].fill(0);
            }
            let mut samples = vec![0; 8 * 11];
            vectors.full(&block, &quant, &mut Target::new(&mut samples, 11, 8));
            let rows: Vec<u8> = samples
                .chunks(11)
                .flat_map(|row| row[..8].to_vec())
                .collect();
            assert_eq!(rows, portable(&block, &quant), "round {round}");
        }
    }
}
