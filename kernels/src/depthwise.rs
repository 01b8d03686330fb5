//! Convolution of every channel by itself: a vector of channels at a time, a few pixels of a row in registers.

use crate::buffer::Buffer;
use crate::conv::{Spec, cover, part};
use crate::isa::Isa;
use crate::memory::{Aligned, Arena};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// A depthwise convolution ready to run.
pub(crate) struct Depthwise {
    src: Buffer,
    dst: Buffer,
    before: [usize; 2],
    stride: [usize; 2],
    /// From a window's first value to that of each tap.
    taps: Vec<usize>,
    /// `[blocks][taps][lanes]`
    weights: Aligned,
    bias: Aligned,
    /// Pixels of a row, as (column, kernel).
    pieces: Vec<(usize, Kernel)>,
    low: f32,
    high: f32,
}

/// A few pixels of one row of one block.
struct Piece {
    input: *const f32,
    /// From a pixel's window to the next one's.
    step: usize,
    taps: *const usize,
    tap_count: usize,
    weights: *const f32,
    bias: *const f32,
    output: *mut f32,
    low: f32,
    high: f32,
}

type Kernel = unsafe fn(&Piece);

/// Rows of a block that make a task.
const ROWS: usize = 8;

impl Depthwise {
    /// Packs the weights; none where it is no depthwise convolution of one output a channel.
    pub fn new(isa: Isa, spec: &Spec) -> Option<Self> {
        let Spec {
            src, dst, window, ..
        } = *spec;
        if spec.groups != src.channels
            || src.channels != dst.channels
            || spec.residual.is_some()
            || src.lanes == 1
        {
            return None;
        }
        let [kh, kw] = window.kernel;
        let (lanes, area) = (isa.lanes(), kh * kw);
        let taps = (0..area)
            .map(|tap| {
                (tap / kw) * window.dilation[0] * src.row()
                    + (tap % kw) * window.dilation[1] * lanes
            })
            .collect();
        let mut weights = Aligned::zeros(dst.blocks() * area * lanes);
        for (index, value) in spec.weights.iter().enumerate() {
            let (channel, tap) = (index / area, index % area);
            weights.as_mut_slice()[(channel / lanes * area + tap) * lanes + channel % lanes] =
                *value;
        }
        let mut bias = Aligned::zeros(dst.blocks() * lanes);
        if let Some(values) = spec.bias {
            bias.as_mut_slice()[..dst.channels].copy_from_slice(values);
        }
        let mut pieces = Vec::new();
        let mut x = 0;
        for pixels in cover(dst.width, &WIDTHS) {
            pieces.push((x, kernel(isa, pixels)?));
            x += pixels;
        }
        let (before, stride) = (window.before, window.stride);
        Some(Self {
            src,
            dst,
            before,
            stride,
            taps,
            weights,
            bias,
            pieces,
            low: spec.low,
            high: spec.high,
        })
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes()
    }

    fn row_parts(&self) -> usize {
        self.dst.height.div_ceil(ROWS)
    }

    pub fn tasks(&self) -> usize {
        self.dst.blocks() * self.row_parts()
    }

    /// Computes some rows of one block.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, task: usize) {
        let Self { src, dst, .. } = self;
        let (block, rows) = (task / self.row_parts(), task % self.row_parts());
        let all: std::ops::Range<usize> = rows * ROWS..((rows + 1) * ROWS).min(dst.height);
        let lanes = src.lanes;
        let weights = part(self.weights.as_slice(), dst.blocks(), block);
        for y in all {
            for &(x, kernel) in &self.pieces {
                let start = src.window_start(block, self.before)
                    + y * self.stride[0] * src.row()
                    + x * self.stride[1] * lanes;
                // SAFETY: the window's border is part of the buffer, the pixels lie in the output.
                unsafe {
                    kernel(&Piece {
                        input: arena.at(start),
                        step: self.stride[1] * lanes,
                        taps: self.taps.as_ptr(),
                        tap_count: self.taps.len(),
                        weights: weights.as_ptr(),
                        bias: self.bias.as_slice().as_ptr().add(block * lanes),
                        output: arena.at(dst.at(block, y, x)),
                        low: self.low,
                        high: self.high,
                    });
                }
            }
        }
    }
}

const WIDTHS: [usize; 5] = [8, 7, 4, 2, 1];

/// # Safety
/// The pointers cover the piece, and the processor has `I`'s instructions.
#[inline(always)]
unsafe fn piece<I: Simd, const P: usize>(piece: &Piece) {
    unsafe {
        let mut sums = [I::load(piece.bias); P];
        for tap in 0..piece.tap_count {
            let from = piece.input.add(*piece.taps.add(tap));
            let w = I::load(piece.weights.add(tap * I::LANES));
            for (p, sum) in sums.iter_mut().enumerate() {
                *sum = I::mul_add(I::load(from.add(p * piece.step)), w, *sum);
            }
        }
        let (low, high) = (I::splat(piece.low), I::splat(piece.high));
        for (p, sum) in sums.into_iter().enumerate() {
            I::store(
                piece.output.add(p * I::LANES),
                I::min(high, I::max(low, sum)),
            );
        }
    }
}

macro_rules! kernels {
    ($name:ident, $isa:ty $(, $(#[$feature:meta])?)?) => {
        fn $name(pixels: usize) -> Option<Kernel> {
            $($(#[$feature])?)?
            unsafe fn run<const P: usize>(t: &Piece) {
                unsafe { piece::<$isa, P>(t) }
            }
            Some(match pixels {
                8 => run::<8>,
                7 => run::<7>,
                4 => run::<4>,
                2 => run::<2>,
                1 => run::<1>,
                _ => return None,
            })
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, #[target_feature(enable = "avx2,fma")]);
kernels!(portable, Portable);

fn kernel(isa: Isa, pixels: usize) -> Option<Kernel> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512(pixels),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2(pixels),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx512 | Isa::Avx2 => None,
        Isa::Portable => portable(pixels),
    }
}
