//! The samples of one component, for the part of the picture that is wanted.

use super::frame::{Component, McuArea};
use super::idct::Target;

/// Bytes left and right of every row: room for one copied edge sample, and for vector loads beyond it.
pub(super) const MARGIN: usize = 64;

/// Rows of samples. Columns and rows are counted in the whole component, whatever part of it is here.
#[derive(Default)]
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Samples on a side of a block.
    block: u32,
    /// First column and row that are here, multiples of `block`.
    x0: u32,
    y0: u32,
    /// Blocks that are here.
    blocks_x: u32,
    blocks_y: u32,
    /// Last column and row of the component that hold picture.
    last_x: u32,
    last_y: u32,
}

impl Plane {
    /// Makes room for `area`; what the samples are is not said.
    pub fn reset(&mut self, component: &Component, area: McuArea) {
        self.block = component.block;
        self.x0 = area.x0 * component.h * self.block;
        self.y0 = area.y0 * component.v * self.block;
        self.blocks_x = (area.x1 - area.x0) * component.h;
        self.blocks_y = (area.y1 - area.y0) * component.v;
        self.last_x = component.width - 1;
        self.last_y = component.height - 1;
        self.stride = (self.blocks_x * self.block) as usize + 2 * MARGIN;
        let bytes = self.stride * (self.blocks_y * self.block) as usize;
        if self.samples.len() < bytes {
            self.samples.resize(bytes, 0);
        }
    }

    /// What it holds on to.
    pub fn kept_bytes(&self) -> usize {
        self.samples.capacity()
    }

    /// Gray everywhere: what libjpeg shows of a component without data.
    pub fn blank(&mut self) {
        self.samples.fill(128);
    }

    /// Samples on a side of a block.
    #[inline(always)]
    pub fn block_side(&self) -> u32 {
        self.block
    }

    /// Where block (`x`, `y`) of the component goes. It must be here.
    #[inline(always)]
    pub fn block(&mut self, x: u32, y: u32) -> Target<'_> {
        let column = (x * self.block - self.x0) as usize + MARGIN;
        let row = (y * self.block - self.y0) as usize;
        let samples = &mut self.samples[row * self.stride + column..];
        Target::new(samples, self.stride, self.block as usize)
    }

    /// Copies the outermost samples of every row one step outward, where interpolation will look for a neighbor.
    pub fn extend_edges(&mut self) {
        let rows = (self.blocks_y * self.block) as usize;
        let here = self.blocks_x * self.block;
        let right = (self.last_x - self.x0).min(here - 1) as usize + MARGIN;
        for row in self.samples.chunks_exact_mut(self.stride).take(rows) {
            row[MARGIN - 1] = row[MARGIN];
            row[right + 1] = row[right];
        }
    }

    /// Row `y` of the component (the nearest one that holds picture) and the index in it of column 0, which may be negative.
    pub fn row(&self, y: i64) -> (&[u8], isize) {
        let y = y.clamp(0, i64::from(self.last_y)) - i64::from(self.y0);
        let start = y as usize * self.stride;
        (
            &self.samples[start..start + self.stride],
            MARGIN as isize - self.x0 as isize,
        )
    }
}
