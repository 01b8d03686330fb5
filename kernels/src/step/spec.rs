//! What a convolution computes before it is packed, which kernels suit it, and what they need of memory.

use super::pack::{Groups, Layout};
use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::graph::{Bytes, Window};
use crate::isa::{Arithmetic, Matrix, Proof};
use crate::kernel::finish::Finish;

/// What a convolution computes, before it is packed.
pub(crate) struct Spec<'a> {
    pub src: Buffer,
    pub dst: Buffer,
    pub residual: Option<Buffer>,
    pub numbers: Numbers<'a>,
    pub groups: usize,
    pub window: Window,
    pub finish: Finish,
}

/// Weights, `[out, channels / groups, kernel height, kernel width]`, and biases.
pub(crate) enum Numbers<'a> {
    Floats {
        weights: &'a [f32],
        bias: Option<&'a [f32]>,
    },
    Integers {
        weights: &'a Whole<'a>,
        /// With the input's zero point taken care of.
        bias: &'a [i32],
        /// From sums to the output's units, for each channel.
        scale: &'a [f32],
    },
}

/// Whole weights as the bytes that are stored. Zero points are subtracted while a kernel's order is made of them, so that
/// a layer is never held a second time as wider numbers.
pub(crate) struct Whole<'a> {
    stored: &'a [u8],
    /// Makes uint8 of int8, whose zero points then are 128 more.
    flip: u8,
    /// The zero point of each output channel.
    zeros: Vec<i16>,
    /// Weights of an output channel.
    each: usize,
    /// Whether all are within -128 to 127.
    is_int8: bool,
}

impl<'a> Whole<'a> {
    /// The weights of `out` output channels, and the sum of each channel's.
    pub fn new(bytes: &Bytes<'_>, stored: &'a [u8], out: usize) -> (Self, Vec<i32>) {
        let (flip, more) = if bytes.is_signed { (128, 128) } else { (0, 0) };
        // What lies beyond all bytes clamps every difference, as it does here.
        let zero = |channel| (bytes.affine(channel).1.clamp(-512, 512) + more) as i16;
        let zeros: Vec<i16> = (0..out).map(zero).collect();
        let each = stored.len() / out;
        let mut is_int8 = true;
        let sum = |(channel, zero): (usize, &i16)| {
            let row = stored[channel * each..][..each].iter();
            let weights = row.map(|stored| difference(stored ^ flip, *zero));
            let (sum, least, most) = weights.fold((0i32, 0, 0), |(sum, least, most), weight| {
                let sum = sum.wrapping_add(i32::from(weight));
                (sum, weight.min(least), weight.max(most))
            });
            is_int8 &= least >= -128 && most <= 127;
            sum
        };
        let sums = zeros.iter().enumerate().map(sum).collect();
        let whole = Self {
            stored,
            flip,
            zeros,
            each,
            is_int8,
        };
        (whole, sums)
    }

    /// Weight `index` of an output channel with the zero point subtracted: within -255 to 255.
    #[inline(always)]
    pub fn at(&self, channel: usize, index: usize) -> i16 {
        let stored = self.stored[channel * self.each + index] ^ self.flip;
        difference(stored, self.zeros[channel])
    }

    /// The same where [`Whole::is_int8`].
    #[inline(always)]
    pub fn int8_at(&self, channel: usize, index: usize) -> i8 {
        let stored = self.stored[channel * self.each + index] ^ self.flip;
        // The difference fits, so its lowest byte is all of it.
        stored.wrapping_sub(self.zeros[channel] as u8) as i8
    }

    /// Whether every weight is within -128 to 127.
    pub fn is_int8(&self) -> bool {
        self.is_int8
    }
}

/// A weight without its zero point.
#[inline(always)]
fn difference(stored: u8, zero: i16) -> i16 {
    (i16::from(stored) - zero).clamp(-255, 255)
}

/// Output pixels below which matrix tiles would be mostly empty.
const MATRIX_PIXELS: usize = 16;

/// Words a matrix tile takes from a pixel.
pub(crate) const MATRIX_WORDS: usize = 16;

/// The kernels that compute an element type.
pub(crate) fn arithmetic(proof: Proof, elem: Elem) -> Option<&'static Arithmetic> {
    let set = proof.set();
    match elem {
        Elem::F32 => Some(&set.float),
        Elem::Bf16 => set.bf16.as_ref(),
        Elem::U8(_) => Some(&set.int8),
    }
}

/// The matrix kernels for a convolution, where they suit it.
pub(super) fn matrix(
    arithmetic: &Arithmetic,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Option<&'static Matrix> {
    let is_narrow = src.words == 1;
    let fits = groups == 1
        && dst.height * dst.width >= MATRIX_PIXELS
        && window.stride[1] <= 4
        && (!is_narrow || window.dilation[1] == 1 && window.kernel[1] <= MATRIX_WORDS);
    arithmetic.matrix.filter(|_| fits)
}

/// Whether a convolution is computed by matrix tiles, which go over the ends of rows.
pub(crate) fn uses_matrix(
    proof: Proof,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> bool {
    arithmetic(proof, src.elem).is_some_and(|a| matrix(a, src, dst, groups, window).is_some())
}

pub(super) fn layout(
    matrix: Option<&Matrix>,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Layout {
    let blocks = if groups == 1 {
        src.blocks()
    } else {
        group_blocks(src, dst, groups)
    };
    match matrix {
        Some(_) => Layout::new(src, blocks, window, MATRIX_WORDS),
        None if groups == 1 => Layout::new(src, blocks, window, 1).trimmed(src),
        None => Layout::new(src, blocks, window, 1),
    }
}

/// How many bytes the packed weights take; none where that cannot be counted.
pub(crate) fn packed_bytes(
    proof: Proof,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Option<usize> {
    let matrix = matrix(arithmetic(proof, src.elem)?, src, dst, groups, window);
    let layout = layout(matrix, src, dst, groups, window);
    layout
        .vector_bytes(proof.set().lanes)?
        .checked_mul(vectors(dst))
}

/// The border that a convolution reads around its input; matrix tiles take more of a narrow row than the taps.
pub(crate) fn reads_beyond(
    proof: Proof,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Border {
    let (size, output) = ([src.height, src.width], [dst.height, dst.width]);
    let border = Border::read_by(window, size, output);
    if src.words > 1 || !uses_matrix(proof, src, dst, groups, window) {
        return border;
    }
    let mut wide = *window;
    wide.kernel[1] = MATRIX_WORDS;
    border.join(Border::read_by(&wide, size, output))
}

/// Vectors of output channels that are computed. Those of bfloat16 fill their block, so that no stale NaN is left.
pub(super) fn vectors(dst: &Buffer) -> usize {
    match dst.elem {
        Elem::Bf16 => dst.groups(),
        _ => dst.channels.div_ceil(dst.words),
    }
}

/// The most blocks of input channels that one vector of output channels reads, where there are groups.
fn group_blocks(src: &Buffer, dst: &Buffer, groups: usize) -> usize {
    let groups = Groups {
        input: src.channels / groups,
        output: dst.channels / groups,
        out: dst.channels,
    };
    let (lanes, block) = (dst.words, src.block_channels());
    let blocks = |vector: usize| {
        let last = ((vector + 1) * lanes).min(dst.channels);
        let (from, to) = channels_read(vector * lanes, last, groups);
        to.div_ceil(block) - from / block
    };
    (0..dst.channels.div_ceil(lanes))
        .map(blocks)
        .max()
        .unwrap_or(0)
}

/// Input channels that the output channels `first..last` read.
pub(super) fn channels_read(first: usize, last: usize, groups: Groups) -> (usize, usize) {
    (
        first / groups.output * groups.input,
        ((last - 1) / groups.output + 1) * groups.input,
    )
}
