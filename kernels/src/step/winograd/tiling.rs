//! How an image is cut into Winograd's tiles, and whether it is at all.

use super::super::spec::{arithmetic, vectors};
use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::graph::Window;
use crate::isa::Proof;

/// Fewer channels, of input or output, do not repay the transforms.
const LEAST_CHANNELS: usize = 32;
/// Every tile reads all transformed weights, which are four times as many for tiles of 4 x 4 outputs as the direct ones
/// and not twice as many for 2 x 2: too few tiles wait for memory. Measured; `docs/benchmarks/engine.md` has the figures.
const LEAST_LARGE_TILES: usize = 36;
const LEAST_SMALL_TILES: usize = 25;
/// Transformed weights that stay in the second-level cache beside a band.
const RESIDENT_WEIGHTS: usize = 1 << 20;
/// Transformed inputs of a band, where weights stay and where they pass by once a band.
const BAND_BESIDE_WEIGHTS: usize = 512 << 10;
const BAND_ALONE: usize = 4 << 20;
/// Transformed weights of a layer that are too large to read, in bytes: direct sums read less.
const MOST_WEIGHTS: usize = 64 << 20;
/// How an image is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Outputs in a row of a tile.
    pub(super) outputs: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Rows of tiles in a band; the last may have fewer.
    pub(super) band_rows: usize,
    /// Bytes from a position's transformed inputs to the next one's.
    pub(super) position: usize,
    pub(super) packed_bytes: usize,
}

impl Tiling {
    /// The tiles for a convolution from `src` to `dst`; none where direct sums are better.
    pub fn choose(
        proof: Proof,
        src: &Buffer,
        dst: &Buffer,
        groups: usize,
        window: &Window,
    ) -> Option<Self> {
        let lanes = proof.set().lanes;
        let fits = arithmetic(proof, src.elem).is_some_and(|a| a.winograd.is_some())
            && matches!(dst.elem, Elem::F32 | Elem::Bf16)
            && (src.words, dst.words) == (lanes, lanes)
            && groups == 1
            && window.kernel == [3, 3]
            && window.stride == [1, 1]
            && window.dilation == [1, 1]
            && src.channels.min(dst.channels) >= LEAST_CHANNELS;
        if !fits {
            return None;
        }
        let tiles = |outputs: usize| dst.height.div_ceil(outputs) * dst.width.div_ceil(outputs);
        let outputs = match () {
            // Tiles of 4 x 4 outputs multiply by 4 and 5 and cost bfloat16 its last digits.
            () if src.elem == Elem::F32 && tiles(4) >= LEAST_LARGE_TILES => 4,
            () if tiles(2) >= LEAST_SMALL_TILES => 2,
            () => return None,
        };
        let vector = lanes * 4;
        let positions = (outputs + 2) * (outputs + 2);
        let packed_bytes = vectors(dst)
            .checked_mul(src.blocks() * lanes * vector * positions)
            .filter(|bytes| *bytes <= MOST_WEIGHTS)?;
        let (rows, columns) = (dst.height.div_ceil(outputs), dst.width.div_ceil(outputs));
        let row_bytes = positions * src.blocks() * columns * vector;
        let band = match packed_bytes <= RESIDENT_WEIGHTS {
            true => BAND_BESIDE_WEIGHTS,
            false => BAND_ALONE,
        };
        let bands = rows.div_ceil((band / row_bytes).max(1));
        let band_rows = rows.div_ceil(bands);
        // An odd number of vectors, so that the positions of a tile do not share a set of the cache.
        let position = ((src.blocks() * band_rows * columns) | 1) * vector;
        Some(Self {
            outputs,
            rows,
            columns,
            band_rows,
            position,
            packed_bytes,
        })
    }

    /// Positions of a transformed tile.
    pub(super) fn positions(&self) -> usize {
        (self.outputs + 2) * (self.outputs + 2)
    }

    /// The border that the tiles read around their input.
    pub fn border(&self, src: &Buffer, window: &Window) -> Border {
        let [top, left] = window.before;
        let after = |tiles: usize, before: usize, size: usize| {
            (tiles * self.outputs + 2).saturating_sub(before + size)
        };
        Border {
            top,
            left,
            bottom: after(self.rows, top, src.height),
            right: after(self.columns, left, src.width),
        }
    }

    /// Whether the weights stay in the second-level cache from tile to tile.
    pub(super) fn weights_stay(&self) -> bool {
        self.packed_bytes <= RESIDENT_WEIGHTS
    }

    /// Bytes of the packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Bytes of the arena for a band's transformed inputs.
    pub fn band_bytes(&self) -> usize {
        self.positions() * self.position
    }
}
