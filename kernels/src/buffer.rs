//! Where values lie in the arena: blocks of channels with a border of zeros that a convolution may read.

use crate::graph::Window;

/// A value's place. `lanes` channels of a pixel lie together: `[channels / lanes][rows][columns][lanes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    /// First value, counted in f32 from the arena's start.
    pub offset: usize,
    pub lanes: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub border: Border,
}

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Border {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Border {
    /// What `window` reads beyond an image of `size` to give an output of `output`, which is that of
    /// [`Window::output`]: so the last tap lies within the image and its borders, and nothing here can overflow.
    pub fn read_by(window: &Window, size: [usize; 2], output: [usize; 2]) -> Self {
        let after = |axis: usize| {
            let last = (output[axis] - 1) * window.stride[axis]
                + (window.kernel[axis] - 1) * window.dilation[axis];
            (last + 1).saturating_sub(window.before[axis] + size[axis])
        };
        Self {
            top: window.before[0],
            left: window.before[1],
            bottom: after(0),
            right: after(1),
        }
    }

    /// The larger of both on every side.
    pub fn join(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

impl Buffer {
    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// From a row to the next.
    pub fn row(&self) -> usize {
        (self.border.left + self.width + self.border.right) * self.lanes
    }

    /// From a block of channels to the next.
    pub fn block(&self) -> usize {
        (self.border.top + self.height + self.border.bottom) * self.row()
    }

    /// Values in all.
    pub fn len(&self) -> usize {
        self.blocks() * self.block()
    }

    /// The first channel of a pixel of a block, from the arena's start; pixels count from the image's corner.
    pub fn at(&self, block: usize, y: usize, x: usize) -> usize {
        self.offset
            + block * self.block()
            + (self.border.top + y) * self.row()
            + (self.border.left + x) * self.lanes
    }

    /// The corner of the window whose first tap lies `before` rows and columns outside of the image.
    pub fn window_start(&self, block: usize, before: [usize; 2]) -> usize {
        self.offset
            + block * self.block()
            + (self.border.top - before[0]) * self.row()
            + (self.border.left - before[1]) * self.lanes
    }

    /// Runs of border values of one block, each as (first value, how many).
    pub fn border_runs(&self, block: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let start = self.offset + block * self.block();
        let row = self.row();
        let Border {
            top,
            left,
            bottom,
            right,
        } = self.border;
        let head = (start, top * row + left * self.lanes);
        // The right border of a row and the left border of the next are one run.
        let between = (0..self.height - 1).map(move |y| {
            let end = start + (top + y + 1) * row;
            (end - right * self.lanes, (right + left) * self.lanes)
        });
        let last = start + (top + self.height) * row - right * self.lanes;
        let tail = (last, right * self.lanes + bottom * row);
        std::iter::once(head)
            .chain(between)
            .chain(std::iter::once(tail))
            .filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_and_pixels_share_out_a_block() {
        let border = Border {
            top: 1,
            left: 2,
            bottom: 0,
            right: 3,
        };
        let buffer = Buffer {
            offset: 7,
            lanes: 4,
            channels: 5,
            height: 3,
            width: 2,
            border,
        };
        let mut seen = vec![0; 7 + buffer.len()];
        for block in 0..2 {
            for (start, count) in buffer.border_runs(block) {
                seen[start..start + count].iter_mut().for_each(|s| *s += 1);
            }
            for (y, x) in (0..3).flat_map(|y| (0..2).map(move |x| (y, x))) {
                let at = buffer.at(block, y, x);
                seen[at..at + 4].iter_mut().for_each(|s| *s += 1);
            }
        }
        assert!(
            seen[..7].iter().all(|s| *s == 0) && seen[7..].iter().all(|s| *s == 1),
            "{seen:?}"
        );
    }
}
