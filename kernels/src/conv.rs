//! Convolution as a direct sum over taps: packed weights, tiles, and the order in which they are walked.
//!
//! Output channels are cut into panels of two vectors (one, where a group or the end asks for it), output pixels into
//! tiles; every (panel, tile) is one call of a `tile` kernel. Linear layers and the stem are convolutions too.

use crate::buffer::Buffer;
use crate::graph::Window;
use crate::isa::Isa;
use crate::memory::{Aligned, Arena, LINE};
use crate::tile::{Kernel, Shape, Tile, kernel, widths};

/// A convolution ready to run.
pub(crate) struct Conv {
    isa: Isa,
    src: Buffer,
    dst: Buffer,
    residual: Option<Buffer>,
    window: Window,
    /// See [`Tile::taps`].
    taps: Vec<usize>,
    weights: Aligned,
    bias: Aligned,
    panels: Vec<Panel>,
    tiles: Vec<Place>,
    /// Tiles that share a panel before the next panel's turn.
    tiles_together: usize,
    low: f32,
    high: f32,
}

/// Output channels computed together.
struct Panel {
    block: usize,
    vectors: usize,
    /// Where its weights begin.
    weights: usize,
    /// The first block of input channels it reads.
    input_block: usize,
}

/// Output pixels computed together, for one and for two vectors.
struct Place {
    y: usize,
    x: usize,
    two_rows: bool,
    kernels: [Kernel; 2],
}

/// What a convolution computes, before it is packed.
pub(crate) struct Spec<'a> {
    pub src: Buffer,
    pub dst: Buffer,
    pub residual: Option<Buffer>,
    pub weights: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub groups: usize,
    pub window: Window,
    pub low: f32,
    pub high: f32,
}

/// Weights of a panel that stay in the second-level cache while tiles pass.
const RESIDENT_WEIGHTS: usize = 64 * 1024;
/// Input of tiles that stays in the first-level cache while panels pass.
const RESIDENT_INPUT: usize = 6 * 1024;

impl Conv {
    /// Packs the weights; none where there is no kernel for the window.
    pub fn new(isa: Isa, spec: &Spec) -> Option<Self> {
        let Spec {
            src,
            dst,
            window,
            groups,
            ..
        } = *spec;
        let lanes = isa.lanes();
        let planar = src.lanes == 1;
        if window.stride[1] > 2 && dst.width > 1 || planar && groups > 1 {
            return None;
        }
        let (group_in, group_out) = (src.channels / groups, dst.channels / groups);
        let panels = panels(spec, lanes, group_in, group_out)?;
        let input_blocks = if groups == 1 {
            src.blocks()
        } else {
            group_blocks(&spec.src, &spec.dst, spec.groups, lanes)
        };
        let taps: Vec<usize> = (0..input_blocks)
            .flat_map(|block| {
                let [kh, kw] = window.kernel;
                (0..kh).flat_map(move |y| (0..kw).map(move |x| (block, y, x)))
            })
            .map(|(block, y, x)| {
                block * src.block()
                    + y * window.dilation[0] * src.row()
                    + x * window.dilation[1] * src.lanes
            })
            .collect();
        let weights = pack(spec, lanes, &panels, taps.len(), group_in, group_out);
        let mut bias = Aligned::zeros(dst.blocks() * lanes);
        if let Some(values) = spec.bias {
            bias.as_mut_slice()[..dst.channels].copy_from_slice(values);
        }
        let tiles = places(isa, &dst, window.stride[1].min(2), planar)?;
        let tile_input = taps.len() * src.lanes * 2;
        let resident = weights.as_slice().len() <= RESIDENT_WEIGHTS;
        let pixels = dst.width.min(widths(isa)[0]);
        let tiles_together = if resident {
            (RESIDENT_INPUT / (tile_input * pixels).max(1)).max(1)
        } else {
            usize::MAX
        };
        Some(Self {
            isa,
            src,
            dst,
            residual: spec.residual,
            window,
            taps,
            weights,
            bias,
            panels,
            tiles,
            tiles_together,
            low: spec.low,
            high: spec.high,
        })
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes()
    }

    /// Into how many parts the work is cut: of panels, of tiles.
    fn parts(&self, threads: usize) -> (usize, usize) {
        if threads == 1 {
            return (1, 1);
        }
        let wanted = threads * 4;
        if self.tiles_together != usize::MAX {
            return (1, wanted.min(self.tiles.len()));
        }
        let panels = wanted.min(self.panels.len());
        (panels, wanted.div_ceil(panels).min(self.tiles.len()))
    }

    pub fn tasks(&self, threads: usize) -> usize {
        let (panels, tiles) = self.parts(threads);
        panels * tiles
    }

    /// Computes one part of the output.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, threads: usize, task: usize) {
        let (panel_parts, tile_parts) = self.parts(threads);
        let panels = part(&self.panels, panel_parts, task / tile_parts);
        let tiles = part(&self.tiles, tile_parts, task % tile_parts);
        for together in tiles.chunks(self.tiles_together.min(tiles.len().max(1))) {
            for panel in panels {
                for place in together {
                    // SAFETY: the caller's.
                    unsafe { self.tile(arena, panel, place) };
                }
            }
        }
    }

    #[inline]
    unsafe fn tile(&self, arena: Arena, panel: &Panel, place: &Place) {
        let Self {
            src, dst, window, ..
        } = self;
        let lanes = self.isa.lanes();
        let start = src.window_start(panel.input_block, window.before)
            + place.y * window.stride[0] * src.row()
            + place.x * window.stride[1] * src.lanes;
        // SAFETY: buffers were laid out with the border that the window reads, panels and tiles lie inside the output.
        unsafe {
            let (residual, residual_block, residual_second) = match &self.residual {
                None => (std::ptr::null(), 0, 0),
                Some(from) => (
                    arena
                        .at(from.at(panel.block, place.y, place.x))
                        .cast_const(),
                    from.block(),
                    from.row(),
                ),
            };
            let tile = Tile {
                input: arena.at(start),
                input_second: if place.two_rows {
                    window.stride[0] * src.row()
                } else {
                    0
                },
                taps: self.taps.as_ptr(),
                tap_count: self.taps.len(),
                weights: self.weights.as_slice().as_ptr().add(panel.weights),
                bias: self.bias.as_slice().as_ptr().add(panel.block * lanes),
                output: arena.at(dst.at(panel.block, place.y, place.x)),
                output_block: dst.block(),
                output_second: dst.row(),
                residual,
                residual_block,
                residual_second,
                low: self.low,
                high: self.high,
            };
            (place.kernels[panel.vectors - 1])(&tile);
        }
    }
}

/// How many f32 the packed weights take; none where that cannot be counted.
pub(crate) fn packed_len(
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
    lanes: usize,
) -> Option<usize> {
    let [kh, kw] = window.kernel;
    let blocks = if groups == 1 {
        src.blocks()
    } else {
        group_blocks(src, dst, groups, lanes)
    };
    [blocks, kh, kw, src.lanes, lanes]
        .iter()
        .try_fold(dst.blocks(), |product, n| product.checked_mul(*n))
}

/// Part `index` of `count` nearly equal ones.
pub(crate) fn part<T>(all: &[T], count: usize, index: usize) -> &[T] {
    let bound = |i: usize| all.len() * i / count;
    &all[bound(index)..bound(index + 1)]
}

/// Input channels that the output channels `first..last` read.
fn channels_read(first: usize, last: usize, group_in: usize, group_out: usize) -> (usize, usize) {
    (
        first / group_out * group_in,
        ((last - 1) / group_out + 1) * group_in,
    )
}

/// The most blocks of input channels that one vector of output channels reads, where there are groups.
fn group_blocks(src: &Buffer, dst: &Buffer, groups: usize, lanes: usize) -> usize {
    let (group_in, group_out) = (src.channels / groups, dst.channels / groups);
    let blocks = |block: usize| {
        let last = ((block + 1) * lanes).min(dst.channels);
        let (from, to) = channels_read(block * lanes, last, group_in, group_out);
        to.div_ceil(lanes) - from / lanes
    };
    (0..dst.blocks()).map(blocks).max().unwrap_or(0)
}

fn panels(spec: &Spec, lanes: usize, group_in: usize, group_out: usize) -> Option<Vec<Panel>> {
    let mut panels = Vec::new();
    let (mut block, mut weights) = (0, 0);
    let [kh, kw] = spec.window.kernel;
    let grouped = spec.groups > 1;
    let inputs = if grouped {
        group_blocks(&spec.src, &spec.dst, spec.groups, lanes)
    } else {
        spec.src.blocks()
    };
    let per_vector = inputs * kh * kw * spec.src.lanes * lanes;
    while block < spec.dst.blocks() {
        let vectors = if grouped || block + 1 == spec.dst.blocks() {
            1
        } else {
            2
        };
        let input_block = if grouped {
            let (from, _) = channels_read(block * lanes, block * lanes + 1, group_in, group_out);
            (from / lanes).min(spec.src.blocks() - inputs)
        } else {
            0
        };
        panels.push(Panel {
            block,
            vectors,
            weights,
            input_block,
        });
        weights += per_vector * vectors;
        block += vectors;
    }
    (!panels.is_empty()).then_some(panels)
}

/// Weights in the order in which the kernels read them; zeros where a group or a block has no channel.
fn pack(
    spec: &Spec,
    lanes: usize,
    panels: &[Panel],
    taps: usize,
    group_in: usize,
    group_out: usize,
) -> Aligned {
    let area = spec.window.kernel[0] * spec.window.kernel[1];
    let together = spec.src.lanes;
    let total = spec.dst.blocks() * taps * together * lanes;
    // Kernels ask for weights some lines ahead; that is harmless past the end.
    let mut packed = Aligned::zeros(total.next_multiple_of(LINE));
    let values = packed.as_mut_slice();
    let row_len = group_in * area;
    for panel in panels {
        let wide = panel.vectors * lanes;
        let first = panel.block * lanes;
        for out in first..(first + wide).min(spec.dst.channels) {
            let row = &spec.weights[out * row_len..][..row_len];
            let group_start = out / group_out * group_in - panel.input_block * together;
            for (channel, taps) in row.chunks_exact(area).enumerate() {
                let (block, lane) = (
                    (group_start + channel) / together,
                    (group_start + channel) % together,
                );
                let mut at = panel.weights + (block * area * together + lane) * wide + out - first;
                for value in taps {
                    values[at] = *value;
                    at += together * wide;
                }
            }
        }
    }
    packed
}

/// Tiles that cover the output.
fn places(isa: Isa, dst: &Buffer, stride: usize, planar: bool) -> Option<Vec<Place>> {
    let kernels = |pixels: usize, two_rows: bool| {
        let shape = |vectors| Shape {
            pixels,
            two_rows,
            vectors,
            stride,
            planar,
        };
        Some([kernel(isa, shape(1))?, kernel(isa, shape(2))?])
    };
    let mut places = Vec::new();
    let mut y = 0;
    while y < dst.height {
        if y + 1 < dst.height
            && let Some(kernels) = kernels(2 * dst.width, true)
        {
            places.push(Place {
                y,
                x: 0,
                two_rows: true,
                kernels,
            });
            y += 2;
            continue;
        }
        let mut x = 0;
        for pixels in cover(dst.width, widths(isa)) {
            places.push(Place {
                y,
                x,
                two_rows: false,
                kernels: kernels(pixels, false)?,
            });
            x += pixels;
        }
        y += 1;
    }
    Some(places)
}

/// Few and similar widths that sum to `width`. `widths` falls and ends in 1.
pub(crate) fn cover(width: usize, widths: &[usize]) -> Vec<usize> {
    let mut parts = Vec::new();
    let mut left = width;
    while left > 0 {
        let target = left.div_ceil(left.div_ceil(widths[0]));
        let fits = widths.iter().rev().find(|w| **w >= target && **w <= left);
        let widest = widths.iter().find(|w| **w <= left);
        let Some(next) = fits.or(widest) else { break };
        parts.push(*next);
        left -= next;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_covered_by_similar_tiles() {
        let widths = [14, 12, 10, 8, 7, 6, 4, 3, 2, 1];
        assert_eq!(cover(112, &widths), [14; 8]);
        assert_eq!(cover(32, &widths), [12, 10, 10]);
        assert_eq!(cover(16, &widths), [8, 8]);
        for width in 1..300 {
            assert_eq!(cover(width, &widths).iter().sum::<usize>(), width);
            assert_eq!(cover(width, &[4, 3, 2, 1]).iter().sum::<usize>(), width);
        }
    }

    #[test]
    fn parts_share_out_everything() {
        let all: Vec<usize> = (0..17).collect();
        let joined: Vec<usize> = (0..5).flat_map(|i| part(&all, 5, i).to_vec()).collect();
        assert_eq!(joined, all);
    }
}
