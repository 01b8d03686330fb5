//! Steps of a run. Steps follow each other; the tasks of one step may run at once.

mod channels;
pub(crate) mod conv;
mod cut;
pub(crate) mod depthwise;
pub(crate) mod function;
mod pack;
mod places;
mod pool;
pub(crate) mod small;
pub(crate) mod spec;
pub(crate) mod winograd;

use std::ops::Range;
use std::sync::Arc;

use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::memory::Arena;

pub(crate) use conv::Conv;
pub(crate) use cut::{Cut, Slide};
pub(crate) use depthwise::Depthwise;
pub(crate) use small::Small;
pub(crate) use winograd::WinogradConv;

/// One step.
pub(crate) enum Step {
    Conv(Arc<Conv>, Cut),
    Depthwise(Arc<Depthwise>, Cut),
    Small(Box<Small>),
    /// The inputs of a band, transformed.
    WinogradInput(Arc<WinogradConv>, usize),
    /// The outputs of a band.
    WinogradOutput(Arc<WinogradConv>, usize),
    Slide(Slide),
}

impl Step {
    /// All rows of a convolution.
    pub fn conv(conv: Conv) -> Self {
        let cut = Cut::whole(conv.src(), conv.dst());
        Self::Conv(Arc::new(conv), cut)
    }

    /// All rows of a depthwise convolution.
    pub fn depthwise(conv: Depthwise) -> Self {
        let cut = Cut::whole(conv.src(), conv.dst());
        Self::Depthwise(Arc::new(conv), cut)
    }

    /// Some rows of a convolution; none where the step is none that can be cut into rows.
    pub fn cut(&self, rows: Range<usize>, [read, written]: [usize; 2]) -> Option<Self> {
        let part = |whole: &Cut| Cut {
            rows: rows.clone(),
            src: whole.src.without(read),
            dst: whole.dst.without(written),
        };
        match self {
            Self::Conv(conv, whole) => Some(Self::Conv(Arc::clone(conv), part(whole))),
            Self::Depthwise(conv, whole) => Some(Self::Depthwise(Arc::clone(conv), part(whole))),
            _ => None,
        }
    }

    /// Moves `count` rows of what a convolution gives to the beginning of its memory; none as above.
    pub fn slide(&self, from: usize, count: usize) -> Option<Self> {
        match self {
            Self::Conv(_, Cut { dst: value, .. }) | Self::Depthwise(_, Cut { dst: value, .. }) => {
                let value = *value;
                Some(Self::Slide(Slide { value, from, count }))
            }
            _ => None,
        }
    }

    /// Whether its sums are integers; none where it begins no convolution.
    pub fn is_integer(&self) -> Option<bool> {
        match self {
            Self::Conv(_, cut) | Self::Depthwise(_, cut) if cut.is_first() => {
                Some(matches!(cut.src.elem, Elem::U8(_)))
            }
            Self::WinogradOutput(_, 0) => Some(false),
            _ => None,
        }
    }

    /// Bytes of packed weights, of which a layer of several steps counts its own once.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Conv(conv, cut) if cut.is_first() => conv.bytes(),
            Self::Depthwise(conv, cut) if cut.is_first() => conv.bytes(),
            Self::WinogradOutput(conv, 0) => conv.bytes(),
            _ => 0,
        }
    }

    fn work(&self, threads: usize) -> usize {
        match self {
            Self::Conv(conv, cut) => conv.tasks(&cut.rows, threads),
            Self::Depthwise(conv, cut) => conv.tasks(&cut.rows),
            Self::Small(small) => small.tasks(),
            Self::WinogradInput(conv, band) => conv.input_tasks(*band, threads),
            Self::WinogradOutput(conv, band) => conv.output_tasks(*band, threads),
            Self::Slide(slide) => slide.tasks(),
        }
    }

    /// The value whose border it writes.
    fn bordered(&self) -> Option<&Buffer> {
        let value = match self {
            Self::Conv(_, cut) | Self::Depthwise(_, cut) if cut.has_border() => &cut.dst,
            Self::Small(small) => &small.dst,
            Self::WinogradOutput(conv, 0) => conv.dst(),
            _ => return None,
        };
        (value.border != Border::default()).then_some(value)
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
                match self {
                    Self::Conv(_, cut) | Self::Depthwise(_, cut) => {
                        cut.write_border(arena, task - work);
                    }
                    _ => cut::write_border(arena, value, task - work),
                }
                return;
            }
            match self {
                Self::Conv(conv, cut) => conv.run(arena, cut, threads, task),
                Self::Depthwise(conv, cut) => conv.run(arena, cut, task),
                Self::Small(small) => small.run(arena, image, task),
                Self::WinogradInput(conv, band) => conv.run_input(arena, *band, threads, task),
                Self::WinogradOutput(conv, band) => conv.run_output(arena, *band, threads, task),
                Self::Slide(slide) => slide.run(arena, task),
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
