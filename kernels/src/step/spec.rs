//! What a convolution computes before it is packed, which kernels suit it, and what they need of memory.

use super::pack::{Groups, Layout};
use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::graph::Window;
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
    /// Integers whose zero points have been subtracted: within -255 to 255.
    Integers {
        weights: &'a [i16],
        /// With the input's zero point taken care of.
        bias: &'a [i32],
        /// From sums to the output's units, for each channel.
        scale: &'a [f32],
    },
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
    let least = if matrix.is_some() { MATRIX_WORDS } else { 1 };
    Layout::new(src, blocks, window, least)
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
    let uses_matrix =
        arithmetic(proof, src.elem).is_some_and(|a| matrix(a, src, dst, groups, window).is_some());
    if src.words > 1 || !uses_matrix {
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
