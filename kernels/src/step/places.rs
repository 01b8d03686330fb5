//! Which output channels, and which output pixels, one call of a kernel computes.

use std::ops::Range;

use super::cover;
use super::pack::Groups;
use super::spec::{Spec, channels_read, vectors};
use crate::buffer::Buffer;
use crate::graph::Window;
use crate::isa::{Arithmetic, Matrix};
use crate::kernel::finish::Finish;
use crate::kernel::tile::{Kernel, Shape, Tile, half};
use crate::memory::Arena;

/// Output channels computed together.
pub(super) struct Panel {
    /// The first vector.
    pub group: usize,
    pub vectors: usize,
    /// Where its weights begin, in bytes.
    pub weights: usize,
    /// The first block of input channels it reads.
    pub input_block: usize,
}

impl Panel {
    /// The part of a tile that says where its results go: to an output pixel and those that follow it.
    ///
    /// Inlined, for a tile that is returned is written in words and copied in vectors, and each such load waits until
    /// the words have left the core: a twentieth of all time in a network of small tiles.
    ///
    /// # Safety
    /// The pixel lies in `dst` and `residual`, which lie in the arena.
    #[inline(always)]
    pub unsafe fn target<'a>(
        &self,
        arena: Arena,
        dst: &Buffer,
        residual: Option<&Buffer>,
        [y, x]: [usize; 2],
        finish: &'a Finish,
    ) -> Tile<'a> {
        // SAFETY: the caller's.
        let at = |value: &Buffer| unsafe { arena.at(value.group_at(self.group, y, x)) };
        Tile {
            live: self.vectors,
            output: at(dst),
            output_next: dst.next_group(self.group),
            residual: residual.map_or(std::ptr::null(), |from| at(from).cast_const()),
            residual_next: residual.map_or(0, |from| from.next_group(self.group)),
            ..Tile::nowhere(finish)
        }
    }
}

/// Output pixels computed together.
pub(super) enum Places {
    Tiles(Vec<Place>),
    Matrix(&'static Matrix, Vec<MatrixPlace>),
}

impl Places {
    /// Those in `rows`: all where tiles go over the ends of rows, which then are not cut.
    pub fn in_rows(&self, rows: &Range<usize>) -> Range<usize> {
        match self {
            Self::Tiles(places) => {
                let before = |row: usize| places.partition_point(|place| place.y < row);
                before(rows.start)..before(rows.end)
            }
            Self::Matrix(_, places) => 0..places.len(),
        }
    }
}

/// A tile in one row or two, with its kernels for one and for two vectors.
pub(super) struct Place {
    pub y: usize,
    pub x: usize,
    /// Pixels before the second half, which is in the next row where it is a whole row.
    pub half: usize,
    pub two_rows: bool,
    pub kernels: [Kernel; 2],
}

/// Twice 16 input pixels in a row of memory, and the output pixels among them.
pub(super) struct MatrixPlace {
    /// From the first window's first byte.
    pub inputs: [usize; 2],
    pub outputs: Vec<Outputs>,
}

/// Output pixels that lie together.
pub(super) struct Outputs {
    /// Of 32.
    pub first: usize,
    pub count: usize,
    pub y: usize,
    pub x: usize,
}

pub(super) fn panels(
    spec: &Spec,
    lanes: usize,
    per_vector: usize,
    groups: Groups,
    blocks: usize,
) -> Vec<Panel> {
    let mut panels = Vec::new();
    let (mut group, mut weights) = (0, 0);
    let count = vectors(&spec.dst);
    while group < count {
        let vectors = if spec.groups > 1 || group + 1 == count {
            1
        } else {
            2
        };
        let input_block = if spec.groups > 1 {
            let first = (group * lanes).min(spec.dst.channels - 1);
            let (from, _) = channels_read(first, first + 1, groups);
            (from / spec.src.block_channels()).min(spec.src.blocks() - blocks)
        } else {
            0
        };
        panels.push(Panel {
            group,
            vectors,
            weights,
            input_block,
        });
        weights += per_vector * vectors;
        group += vectors;
    }
    panels
}

/// Tiles that cover the output.
pub(super) fn places(
    arithmetic: &Arithmetic,
    src: &Buffer,
    dst: &Buffer,
    stride: usize,
) -> Option<Vec<Place>> {
    let kernels = |pixels: usize| {
        let shape = |vectors| Shape {
            pixels,
            vectors,
            step: stride * src.pixel(),
        };
        Some([(arithmetic.tile)(shape(1))?, (arithmetic.tile)(shape(2))?])
    };
    let mut places = Vec::new();
    let mut y = 0;
    while y < dst.height {
        if y + 1 < dst.height
            && let Some(kernels) = kernels(2 * dst.width)
        {
            places.push(Place {
                y,
                x: 0,
                half: dst.width,
                two_rows: true,
                kernels,
            });
            y += 2;
            continue;
        }
        let mut x = 0;
        for pixels in cover(dst.width, arithmetic.widths) {
            let kernels = kernels(pixels)?;
            places.push(Place {
                y,
                x,
                half: half(pixels),
                two_rows: false,
                kernels,
            });
            x += pixels;
        }
        y += 1;
    }
    Some(places)
}

/// Pairs of matrix tiles that cover the output.
///
/// With a stride of 1, output pixels follow each other in memory as their inputs do, borders included: tiles run on over
/// the ends of rows, and what falls into the borders is left out. Other strides begin every row anew.
pub(super) fn matrix_places(src: &Buffer, dst: &Buffer, window: &Window) -> Vec<MatrixPlace> {
    const ROWS: usize = 16;
    let step = window.stride[1] * src.pixel();
    let pitch = src.row() / src.pixel();
    let mut tiles: Vec<(usize, Vec<Outputs>)> = Vec::new();
    if window.stride == [1, 1] {
        let end = (dst.height - 1) * pitch + dst.width;
        for first in (0..end).step_by(ROWS) {
            let mut outputs: Vec<Outputs> = Vec::new();
            for position in first..(first + ROWS).min(end) {
                let (y, x) = (position / pitch, position % pitch);
                match outputs.last_mut() {
                    _ if x >= dst.width => {}
                    Some(last) if last.y == y => last.count += 1,
                    _ => outputs.push(Outputs {
                        first: position - first,
                        count: 1,
                        y,
                        x,
                    }),
                }
            }
            if !outputs.is_empty() {
                tiles.push((first * step, outputs));
            }
        }
    } else {
        for y in 0..dst.height {
            for x in (0..dst.width).step_by(ROWS) {
                let count = ROWS.min(dst.width - x);
                let at = y * window.stride[0] * src.row() + x * step;
                tiles.push((
                    at,
                    vec![Outputs {
                        first: 0,
                        count,
                        y,
                        x,
                    }],
                ));
            }
        }
    }
    let mut places = Vec::new();
    let mut tiles = tiles.into_iter();
    while let Some((first, mut outputs)) = tiles.next() {
        let second = tiles.next();
        let inputs = [first, second.as_ref().map_or(first, |(at, _)| *at)];
        for mut more in second.into_iter().flat_map(|(_, outputs)| outputs) {
            more.first += ROWS;
            outputs.push(more);
        }
        places.push(MatrixPlace { inputs, outputs });
    }
    places
}
