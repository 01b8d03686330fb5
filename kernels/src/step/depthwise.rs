//! Convolution of every channel by itself: packed weights, pieces of rows, and their order.

use std::ops::Range;

use super::cover;
use super::cut::Cut;
use super::spec::{Numbers, Spec, Whole, arithmetic};
use crate::buffer::Buffer;
use crate::graph::Window;
use crate::isa::{self, Proof};
use crate::kernel::depthwise::{Kernel, Piece, WIDTHS, WOVEN_WIDTHS};
use crate::kernel::finish::{Finish, Residual};
use crate::kernel::woven_channel;
use crate::memory::{Aligned, Arena};

/// A depthwise convolution ready to run.
pub(crate) struct Depthwise {
    src: Buffer,
    dst: Buffer,
    window: Window,
    /// See [`Piece::taps`].
    taps: Vec<usize>,
    weights: Aligned,
    bias: Aligned,
    scale: Aligned,
    /// Pixels of a row, as (column, kernel).
    pieces: Vec<(usize, Kernel)>,
    finish: Finish,
    /// Bytes of weights of a vector or block of channels.
    unit_bytes: usize,
    /// Channels lie in whole blocks, not in vectors.
    is_woven: bool,
}

/// Rows of a block that make a task.
const ROWS: usize = 8;

impl Depthwise {
    /// Packs the weights; none where it is no depthwise convolution of one output a channel.
    pub fn new(proof: Proof, spec: &Spec) -> Option<Self> {
        let Spec {
            src, dst, window, ..
        } = *spec;
        let lanes = proof.set().lanes;
        let is_depthwise = spec.groups == src.channels
            && src.channels == dst.channels
            && src.elem.size() == dst.elem.size();
        if !is_depthwise
            || spec.residual.is_some()
            || !matches!(spec.finish.residual, Residual::None)
            || src.words == 1
        {
            return None;
        }
        let [rows, columns] = window.kernel;
        let taps: Vec<usize> = (0..rows * columns)
            .map(|tap| {
                (tap / columns) * window.dilation[0] * src.row()
                    + (tap % columns) * window.dilation[1] * src.pixel()
            })
            .collect();
        let depthwise = arithmetic(proof, src.elem)?.depthwise;
        let mut pieces = Vec::new();
        let mut x = 0;
        // Columns of taps that kernels know, where taps are neighbors; 0: any.
        let known = match (window.dilation[1], window.stride[1], columns) {
            (1, 1 | 2, 3 | 5) => columns,
            _ => 0,
        };
        let mut packed = match (depthwise, &spec.numbers) {
            (isa::Depthwise::Lanes(kernel), Numbers::Floats { weights, bias }) => {
                for pixels in cover(dst.width, WIDTHS) {
                    pieces.push((x, kernel(pixels, window.stride[1], known)?));
                    x += pixels;
                }
                pack_floats(&dst, lanes, rows * columns, weights, *bias)
            }
            (
                isa::Depthwise::Woven(kernel),
                Numbers::Integers {
                    weights,
                    bias,
                    scale,
                },
            ) => {
                if !weights.is_int8() {
                    return None;
                }
                let widths = if known > 0 { WOVEN_WIDTHS } else { &[1] };
                for pixels in cover(dst.width, widths) {
                    pieces.push((x, kernel(pixels, window.stride[1], known)?));
                    x += pixels;
                }
                pack_woven(&dst, lanes, window.kernel, weights, bias, scale)
            }
            _ => return None,
        };
        let is_woven = matches!(depthwise, isa::Depthwise::Woven(_));
        let unit_bytes = if is_woven {
            rows.div_ceil(4) * columns * 4 * lanes * 4
        } else {
            rows * columns * lanes * 4
        };
        let scale = packed.pop()?;
        let bias = packed.pop()?;
        let weights = packed.pop()?;
        Some(Self {
            src,
            dst,
            window,
            taps,
            weights,
            bias,
            scale,
            pieces,
            finish: spec.finish,
            unit_bytes,
            is_woven,
        })
    }

    pub fn src(&self) -> &Buffer {
        &self.src
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes() + self.scale.bytes()
    }

    /// Vectors or blocks of channels.
    fn units(&self) -> usize {
        if self.is_woven {
            self.dst.blocks()
        } else {
            self.dst.groups()
        }
    }

    pub fn tasks(&self, rows: &Range<usize>) -> usize {
        self.units() * rows.len().div_ceil(ROWS)
    }

    /// Computes some of `rows` of one vector or block of channels.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, cut: &Cut, task: usize) {
        let Cut { rows, src, dst } = cut;
        let window = &self.window;
        // Rows first, as the convolution before goes over them: a thread finds what it wrote itself.
        let units = self.units();
        let unit = task % units;
        let first = rows.start + task / units * ROWS;
        let per_block = if self.is_woven {
            1
        } else {
            src.elem.per_word()
        };
        let (block, within) = (unit / per_block, unit % per_block);
        let inside = within * src.words * src.elem.size();
        let numbers = if self.is_woven {
            4 * src.words
        } else {
            src.words
        };
        for y in first..(first + ROWS).min(rows.end) {
            for &(x, kernel) in &self.pieces {
                let along =
                    y * window.stride[0] * src.row() + x * window.stride[1] * src.pixel() + inside;
                let start = src.window_start(block, window.before);
                let start = start.wrapping_add(along);
                // SAFETY: the window's border is part of the buffer, the pixels lie in the output, weights, biases and
                // scales cover all units; the kernels came with the proof of their instructions.
                unsafe {
                    kernel(&Piece {
                        input: arena.at(start),
                        step: window.stride[1] * src.pixel(),
                        taps: self.taps.as_ptr(),
                        kernel: window.kernel,
                        weights: self.weights.as_ptr().add(unit * self.unit_bytes),
                        bias: self.bias.as_ptr().add(unit * numbers * 4),
                        scale: self
                            .scale
                            .as_ptr()
                            .cast::<f32>()
                            .wrapping_add(unit * numbers),
                        output: arena.at(dst.at(block, y, x).wrapping_add(inside)),
                        finish: &self.finish,
                    });
                }
            }
        }
    }
}

/// `[groups][taps][lanes]`, biases, and no scales.
fn pack_floats(
    dst: &Buffer,
    lanes: usize,
    area: usize,
    from: &[f32],
    bias_from: Option<&[f32]>,
) -> Vec<Aligned> {
    let mut weights = Aligned::zeros(dst.groups() * area * lanes * 4);
    let values = weights.as_mut::<f32>();
    for (index, value) in from.iter().enumerate() {
        let (channel, tap) = (index / area, index % area);
        values[(channel / lanes * area + tap) * lanes + channel % lanes] = *value;
    }
    let mut bias = Aligned::zeros(dst.groups() * lanes * 4);
    if let Some(from) = bias_from {
        bias.as_mut::<f32>()[..dst.channels].copy_from_slice(from);
    }
    vec![weights, bias, Aligned::zeros(0)]
}

/// `[blocks][rows / 4][columns][4][lanes]` words of four rows, biases and scales in the order of woven channels.
fn pack_woven(
    dst: &Buffer,
    lanes: usize,
    [rows, columns]: [usize; 2],
    from: &Whole<'_>,
    bias_from: &[i32],
    scale_from: &[f32],
) -> Vec<Aligned> {
    let (block_channels, quads) = (4 * lanes, rows.div_ceil(4));
    let mut weights = Aligned::zeros(dst.blocks() * quads * columns * block_channels * 4);
    let mut bias = Aligned::zeros(dst.blocks() * block_channels * 4);
    let mut scale = Aligned::zeros(dst.blocks() * block_channels * 4);
    for block in 0..dst.blocks() {
        for place in 0..block_channels {
            let channel = block * block_channels + woven_channel(place / lanes, place % lanes);
            if channel >= dst.channels {
                continue;
            }
            let at = block * block_channels + place;
            bias.as_mut::<i32>()[at] = bias_from[channel];
            scale.as_mut::<f32>()[at] = scale_from[channel];
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let word = ((block * quads + y / 4) * columns + x) * block_channels + place;
                weights.as_mut::<i8>()[word * 4 + y % 4] = from.int8_at(channel, y * columns + x);
            }
        }
    }
    vec![weights, bias, scale]
}
