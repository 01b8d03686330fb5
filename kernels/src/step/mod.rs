//! Steps of a run. Steps follow each other; the tasks of one step may run at once.

mod channels;
pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod function;
mod pack;
mod places;
mod pool;
pub(crate) mod small;
pub(crate) mod spec;
pub(crate) mod winograd;

use std::sync::Arc;

use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::memory::Arena;

pub(crate) use conv::Conv;
pub(crate) use depthwise::Depthwise;
pub(crate) use small::Small;
pub(crate) use winograd::WinogradConv;

/// One step.
pub(crate) enum Step {
    Conv(Box<Conv>),
    Depthwise(Box<Depthwise>),
    Small(Box<Small>),
    /// The inputs of a band, transformed.
    WinogradInput(Arc<WinogradConv>, usize),
    /// The outputs of a band.
    WinogradOutput(Arc<WinogradConv>, usize),
}

impl Step {
    /// The value that is complete after this step.
    fn completes(&self) -> Option<&Buffer> {
        match self {
            Self::Conv(conv) => Some(conv.dst()),
            Self::Depthwise(conv) => Some(conv.dst()),
            Self::Small(small) => Some(&small.dst),
            Self::WinogradOutput(conv, band) if band + 1 == conv.bands() => Some(conv.dst()),
            Self::WinogradInput(..) | Self::WinogradOutput(..) => None,
        }
    }

    /// Whether its sums are integers; none where it completes no convolution.
    pub fn is_integer(&self) -> Option<bool> {
        match self {
            Self::Conv(conv) => Some(matches!(conv.src().elem, Elem::U8(_))),
            Self::Depthwise(conv) => Some(matches!(conv.src().elem, Elem::U8(_))),
            Self::WinogradOutput(..) => self.completes().map(|_| false),
            Self::Small(_) | Self::WinogradInput(..) => None,
        }
    }

    /// Bytes of packed weights, of which a layer of several steps counts its own once.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.bytes(),
            Self::Depthwise(conv) => conv.bytes(),
            Self::WinogradOutput(conv, 0) => conv.bytes(),
            Self::Small(_) | Self::WinogradInput(..) | Self::WinogradOutput(..) => 0,
        }
    }

    fn work(&self, threads: usize) -> usize {
        match self {
            Self::Conv(conv) => conv.tasks(threads),
            Self::Depthwise(conv) => conv.tasks(),
            Self::Small(small) => small.tasks(),
            Self::WinogradInput(conv, band) => conv.input_tasks(*band, threads),
            Self::WinogradOutput(conv, band) => conv.output_tasks(*band, threads),
        }
    }

    /// The value whose border it writes.
    fn bordered(&self) -> Option<&Buffer> {
        self.completes()
            .filter(|value| value.border != Border::default())
    }

    /// Tasks of the step: its work, and the border of each block.
    pub fn tasks(&self, threads: usize) -> usize {
        self.work(threads) + self.bordered().map_or(0, Buffer::blocks)
    }

    /// Runs one task.
    ///
    /// # Safety
    /// The arena is the plan's, all steps before have ended, `task` is below `tasks(threads)` and nobody else has it.
    pub unsafe fn run(&self, arena: Arena, image: &[f32], threads: usize, task: usize) {
        let work = self.work(threads);
        // SAFETY: the caller's; border runs lie in the buffer and are no pixels, so the tasks of the work do not write
        // there.
        unsafe {
            if let Some(value) = self.bordered().filter(|_| task >= work) {
                let zero = value.elem.zero_byte();
                for (start, count) in value.border_runs(task - work) {
                    arena.at(start).write_bytes(zero, count);
                }
                return;
            }
            match self {
                Self::Conv(conv) => conv.run(arena, threads, task),
                Self::Depthwise(conv) => conv.run(arena, task),
                Self::Small(small) => small.run(arena, image, task),
                Self::WinogradInput(conv, band) => conv.run_input(arena, *band, threads, task),
                Self::WinogradOutput(conv, band) => conv.run_output(arena, *band, threads, task),
            }
        }
    }
}

/// Part `index` of `count` nearly equal ones.
pub(crate) fn part<T>(all: &[T], count: usize, index: usize) -> &[T] {
    let bound = |i: usize| all.len() * i / count;
    &all[bound(index)..bound(index + 1)]
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
