//! How the tiles of a band are shared out among calls of the kernels.

use std::ops::Range;

use super::super::cover;
use super::Tiling;
use crate::kernel::tile::{Kernel, half};
use crate::kernel::winograd::Winograd;

/// Tiles that are transformed back together.
pub(super) const GROUP: usize = 16;

pub(super) struct Band {
    pub rows: Range<usize>,
    pub groups: Vec<Group>,
}

/// Tiles that follow each other.
pub(super) struct Group {
    /// The first tile, counted within the band.
    pub first: usize,
    pub count: usize,
    pub products: Vec<Products>,
    pub segments: Vec<Segment>,
}

/// Tiles of one call of a matrix product.
pub(super) struct Products {
    /// Within the group.
    pub first: usize,
    pub half: usize,
    /// With one and with two vectors of weights.
    pub kernels: [Kernel; 2],
}

/// Tiles of a group in one row.
pub(super) struct Segment {
    /// Within the group.
    pub first: usize,
    pub count: usize,
    pub y: usize,
    pub x: usize,
}

/// The groups of a band; none where a kernel is missing.
pub(super) fn band_groups(
    kernels: &Winograd,
    rows: &Range<usize>,
    tiling: Tiling,
) -> Option<Vec<Group>> {
    let Tiling {
        outputs, columns, ..
    } = tiling;
    let tiles = rows.len() * columns;
    let count = tiles.div_ceil(GROUP);
    (0..count)
        .map(|index| {
            let (first, end) = (tiles * index / count, tiles * (index + 1) / count);
            let mut products: Vec<Products> = Vec::new();
            let mut covered = 0;
            for width in cover(end - first, kernels.widths) {
                products.push(Products {
                    first: covered,
                    half: half(width),
                    kernels: [(kernels.multiply)(width, 1)?, (kernels.multiply)(width, 2)?],
                });
                covered += width;
            }
            let mut segments: Vec<Segment> = Vec::new();
            for tile in first..end {
                let y = (rows.start + tile / columns) * outputs;
                match segments.last_mut() {
                    Some(last) if last.y == y => last.count += 1,
                    _ => segments.push(Segment {
                        first: tile - first,
                        count: 1,
                        y,
                        x: tile % columns * outputs,
                    }),
                }
            }
            Some(Group {
                first,
                count: end - first,
                products,
                segments,
            })
        })
        .collect()
}
