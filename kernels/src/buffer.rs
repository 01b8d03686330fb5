//! Where values lie in the arena: blocks of channels with a border of zeros that a convolution may read.

use crate::elem::Elem;
use crate::graph::Window;

/// A value's place. A pixel of a block is `words` words of 32 bits, each 1, 2 or 4 numbers of neighboring channels:
/// `[blocks][rows][columns][words][numbers]`. A value has as many words a pixel as the instruction set has lanes, or
/// one: the image with its few channels, of which most of a vector would be zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Buffer {
    /// First byte, from the arena's start.
    pub offset: usize,
    pub elem: Elem,
    pub words: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub border: Border,
    /// Rows of a block that memory holds at once, borders included; none: all.
    pub held: Option<usize>,
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
    /// Bytes of a pixel of a block.
    pub fn pixel(&self) -> usize {
        self.words * 4
    }

    /// Channels in a block.
    pub fn block_channels(&self) -> usize {
        self.words * self.elem.per_word()
    }

    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(self.block_channels())
    }

    /// Groups of `words` channels, as many as a vector of float32 holds; the last may have no channel.
    pub fn groups(&self) -> usize {
        self.blocks() * self.elem.per_word()
    }

    /// From a row to the next.
    pub fn row(&self) -> usize {
        (self.border.left + self.width + self.border.right) * self.pixel()
    }

    /// From a block of channels to the next.
    pub fn block(&self) -> usize {
        let all = self.border.top + self.height + self.border.bottom;
        self.held.unwrap_or(all) * self.row()
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.blocks() * self.block()
    }

    /// The length where it can be counted.
    pub fn checked_len(&self) -> Option<usize> {
        let border = self.border;
        let rows = self
            .height
            .checked_add(border.top)?
            .checked_add(border.bottom)?;
        let columns = self
            .width
            .checked_add(border.left)?
            .checked_add(border.right)?;
        let bytes = self.blocks().checked_mul(self.pixel())?;
        let rows = self.held.unwrap_or(rows);
        rows.checked_mul(columns)?.checked_mul(bytes)
    }

    /// A pixel of a block, from the arena's start; pixels count from the image's corner.
    pub fn at(&self, block: usize, y: usize, x: usize) -> usize {
        let within = block * self.block()
            + (self.border.top + y) * self.row()
            + (self.border.left + x) * self.pixel();
        self.offset.wrapping_add(within)
    }

    /// The same value when the first `rows` rows, borders included, have left its memory. Its offset then may lie before
    /// the arena, in wrapping arithmetic; the places of rows that are there do not.
    pub fn without(self, rows: usize) -> Self {
        Self {
            offset: self.offset.wrapping_sub(rows * self.row()),
            ..self
        }
    }

    /// What memory holds of it, as if that were all: every row below the upper border may come to be one of the image.
    pub fn in_memory(&self) -> Self {
        let Some(held) = self.held else {
            return *self;
        };
        let border = Border {
            bottom: 0,
            ..self.border
        };
        Self {
            height: held - border.top,
            border,
            held: None,
            ..*self
        }
    }

    /// The border below the image, of one block: the first byte and how many.
    pub fn rows_below(&self, block: usize) -> (usize, usize) {
        let left = self.border.left * self.pixel();
        let start = self.at(block, self.height, 0).wrapping_sub(left);
        (start, self.border.bottom * self.row())
    }

    /// A pixel of a group.
    pub fn group_at(&self, group: usize, y: usize, x: usize) -> usize {
        let per_block = self.elem.per_word();
        let within = (group % per_block) * self.words * self.elem.size();
        self.at(group / per_block, y, x).wrapping_add(within)
    }

    /// From a pixel of a group to the same pixel of the next group; may be negative in wrapping arithmetic.
    pub fn next_group(&self, group: usize) -> usize {
        self.group_at(group + 1, 0, 0)
            .wrapping_sub(self.group_at(group, 0, 0))
    }

    /// A number of a pixel.
    pub fn number_at(&self, channel: usize, y: usize, x: usize) -> usize {
        let per_block = self.block_channels();
        self.at(channel / per_block, y, x) + channel % per_block * self.elem.size()
    }

    /// The corner of the window whose first tap lies `before` rows and columns outside of the image.
    pub fn window_start(&self, block: usize, before: [usize; 2]) -> usize {
        let within = block * self.block()
            + (self.border.top - before[0]) * self.row()
            + (self.border.left - before[1]) * self.pixel();
        self.offset.wrapping_add(within)
    }

    /// Runs of border bytes of one block, each as (first byte, how many).
    pub fn border_runs(&self, block: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let start = self.offset + block * self.block();
        let (row, pixel) = (self.row(), self.pixel());
        let Border {
            top,
            left,
            bottom,
            right,
        } = self.border;
        let head = (start, top * row + left * pixel);
        // The right border of a row and the left border of the next are one run.
        let between = (0..self.height - 1).map(move |y| {
            let end = start + (top + y + 1) * row;
            (end - right * pixel, (right + left) * pixel)
        });
        let last = start + (top + self.height) * row - right * pixel;
        let tail = (last, right * pixel + bottom * row);
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
            elem: Elem::Bf16,
            words: 2,
            channels: 5,
            height: 3,
            width: 2,
            border,
            held: None,
        };
        let mut seen = vec![0; 7 + buffer.len()];
        for block in 0..2 {
            for (start, count) in buffer.border_runs(block) {
                seen[start..start + count].iter_mut().for_each(|s| *s += 1);
            }
            for (y, x) in (0..3).flat_map(|y| (0..2).map(move |x| (y, x))) {
                let at = buffer.at(block, y, x);
                seen[at..at + 8].iter_mut().for_each(|s| *s += 1);
            }
        }
        assert!(
            seen[..7].iter().all(|s| *s == 0) && seen[7..].iter().all(|s| *s == 1),
            "{seen:?}"
        );
        assert_eq!(buffer.group_at(3, 0, 0), buffer.at(1, 0, 0) + 4);
        assert_eq!(buffer.number_at(3, 0, 1), buffer.at(0, 0, 1) + 6);
    }
}
