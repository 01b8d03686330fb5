//! A convolution's step over some rows of its output, where what passes between two steps is kept only in part.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::memory::Arena;

/// Some rows of an output, and where the values lie meanwhile.
pub(crate) struct Cut {
    pub rows: Range<usize>,
    pub src: Buffer,
    pub dst: Buffer,
}

impl Cut {
    /// All rows.
    pub fn whole(src: &Buffer, dst: &Buffer) -> Self {
        Self {
            rows: 0..dst.height,
            src: *src,
            dst: *dst,
        }
    }

    /// Whether it writes the first rows, with which a step's border and weights are counted.
    pub fn is_first(&self) -> bool {
        self.rows.start == 0
    }

    /// Whether it writes the last rows of a value that is kept in part.
    fn is_last_part(&self) -> bool {
        self.dst.held.is_some() && self.rows.end == self.dst.height
    }

    /// Whether zeros around the output have to be written: with the first rows all that lie in memory, with the last ones
    /// those below the image, which have their place now.
    pub fn has_border(&self) -> bool {
        self.is_first() || self.is_last_part()
    }

    /// Writes them for one block.
    ///
    /// # Safety
    /// The arena is the plan's, and nobody else writes there.
    pub unsafe fn write_border(&self, arena: Arena, block: usize) {
        // SAFETY: the caller's; borders lie in the buffer.
        unsafe {
            if self.is_first() {
                write_border(arena, &self.dst.in_memory(), block);
            }
            if self.is_last_part() {
                let (start, count) = self.dst.rows_below(block);
                arena
                    .at(start)
                    .write_bytes(self.dst.elem.zero_byte(), count);
            }
        }
    }
}

/// Writes the zeros around one block of a value.
///
/// # Safety
/// The arena is the plan's, and nobody else writes there.
pub(super) unsafe fn write_border(arena: Arena, value: &Buffer, block: usize) {
    for (start, count) in value.border_runs(block) {
        // SAFETY: the caller's; borders lie in the buffer.
        unsafe { arena.at(start).write_bytes(value.elem.zero_byte(), count) };
    }
}

/// Rows that are still needed move to the beginning of a value's memory, over those that are not. A task is a block.
pub(crate) struct Slide {
    pub value: Buffer,
    /// The first of them, counted in memory.
    pub from: usize,
    pub count: usize,
}

impl Slide {
    pub fn tasks(&self) -> usize {
        self.value.blocks()
    }

    /// # Safety
    /// The arena is the plan's, and nobody else reads or writes the value.
    pub unsafe fn run(&self, arena: Arena, block: usize) {
        let start = self.value.offset + block * self.value.block();
        let row = self.value.row();
        // SAFETY: the caller's; both places lie in the block.
        unsafe {
            let from = arena.at(start + self.from * row).cast_const();
            std::ptr::copy(from, arena.at(start), self.count * row);
        }
    }
}
