//! Weights in the order in which the kernels read them; zeros where a group or a block has no channel.

use super::places::Panel;
use crate::buffer::Buffer;
use crate::graph::Window;
use crate::memory::{Aligned, Plain};

/// How the taps of a convolution are cut into runs of words that lie together in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Numbers in a word.
    pub per_word: usize,
    /// Words in a run.
    pub words: usize,
    /// Words in a run of the last block, where it has fewer channels.
    pub last_words: usize,
    /// Blocks of input channels.
    pub blocks: usize,
    /// A run is a row of taps of a block of one word; otherwise it is one tap of a block.
    pub is_row: bool,
    pub kernel: [usize; 2],
}

impl Layout {
    /// The layout for an input of `blocks` blocks; a run of a narrow input has at least `least` words.
    pub fn new(src: &Buffer, blocks: usize, window: &Window, least: usize) -> Self {
        let is_row = src.words == 1 && window.dilation[1] == 1;
        let words = if is_row {
            window.kernel[1].max(least)
        } else {
            src.words
        };
        Self {
            per_word: src.elem.per_word(),
            words,
            last_words: words,
            blocks,
            is_row,
            kernel: window.kernel,
        }
    }

    /// The same without the words of the last block that hold no channel, for kernels that can end a run anywhere.
    pub fn trimmed(self, src: &Buffer) -> Self {
        let within = src.channels - (src.blocks() - 1) * src.block_channels();
        Self {
            last_words: if self.is_row {
                self.words
            } else {
                within.div_ceil(self.per_word)
            },
            ..self
        }
    }

    /// Words of each run.
    pub fn run_words(&self) -> Option<Vec<usize>> {
        let taps = self.taps()?;
        let full = (self.blocks - 1).checked_mul(taps)?;
        let words = |run: usize| {
            if run < full {
                self.words
            } else {
                self.last_words
            }
        };
        Some((0..full.checked_add(taps)?).map(words).collect())
    }

    /// Runs of a block.
    fn taps(&self) -> Option<usize> {
        let [rows, columns] = self.kernel;
        if self.is_row {
            Some(rows)
        } else {
            rows.checked_mul(columns)
        }
    }

    /// Bytes of the weights of one vector of output channels.
    pub fn vector_bytes(&self, lanes: usize) -> Option<usize> {
        let last = self.taps()?.checked_mul(self.last_words)?;
        (self.blocks - 1)
            .checked_mul(self.taps()?)?
            .checked_mul(self.words)?
            .checked_add(last)?
            .checked_mul(lanes)?
            .checked_mul(4)
    }

    /// From the window's first byte to each run.
    pub fn offsets(&self, src: &Buffer, window: &Window) -> Vec<usize> {
        let [rows, columns] = self.kernel;
        let columns = if self.is_row { 1 } else { columns };
        let taps = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x)));
        (0..self.blocks)
            .flat_map(|block| taps.clone().map(move |(y, x)| (block, y, x)))
            .map(|(block, y, x)| {
                block * src.block()
                    + y * window.dilation[0] * src.row()
                    + x * window.dilation[1] * src.pixel()
            })
            .collect()
    }

    /// The word of the channels of a block's word `word` at a tap, counted over all runs.
    fn word_at(&self, block: usize, word: usize, y: usize, x: usize) -> usize {
        let [rows, columns] = self.kernel;
        if self.is_row {
            (block * rows + y) * self.words + x
        } else {
            let words = if block + 1 == self.blocks {
                self.last_words
            } else {
                self.words
            };
            block * rows * columns * self.words + (y * columns + x) * words + word
        }
    }

    /// Words of input channels in a block.
    fn block_words(&self) -> usize {
        if self.is_row { 1 } else { self.words }
    }
}

/// Which channels feed which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    /// Input and output channels of a group.
    pub input: usize,
    pub output: usize,
    /// Output channels in all.
    pub out: usize,
}

/// Where the weights of a convolution go.
pub(super) struct Packing<'a> {
    pub layout: &'a Layout,
    pub panels: &'a [Panel],
    pub lanes: usize,
    pub groups: Groups,
}

impl Packing<'_> {
    /// Writes the weights of all panels behind byte `start` of each: `weight(out, i)` is number `i` of an output channel's
    /// `[channels / groups][rows][columns]`.
    pub fn write<T: Plain>(
        &self,
        to: &mut Aligned,
        start: usize,
        weight: impl Fn(usize, usize) -> T,
    ) {
        let Self {
            layout,
            panels,
            lanes,
            groups,
        } = *self;
        let per_word = layout.per_word;
        let values = to.as_mut::<T>();
        let [rows, columns] = layout.kernel;
        let area = rows * columns;
        let block_channels = layout.block_words() * per_word;
        for panel in panels {
            let wide = panel.vectors * lanes;
            let first = panel.group * lanes;
            let outs = first..(first + wide).min(groups.out);
            let base = (panel.weights + start * panel.vectors) / size_of::<T>();
            // Output channels of one group follow each other in the packed weights, so they are the innermost loop: it writes
            // line after line, and reads as many rows as there are channels, each from its beginning to its end.
            let mut next = outs.start;
            while next < outs.end {
                let group = next / groups.output;
                let end = ((group + 1) * groups.output).min(outs.end);
                // The group's first channel, counted from the first that the panel reads.
                let skipped = group * groups.input - panel.input_block * block_channels;
                let mut block = skipped / block_channels;
                let mut within = skipped % block_channels;
                for channel in 0..groups.input {
                    let number = base + (next - first) * per_word + within % per_word;
                    for y in 0..rows {
                        for x in 0..columns {
                            let word = layout.word_at(block, within / per_word, y, x);
                            let to = &mut values[number + word * wide * per_word..];
                            let from = channel * area + y * columns + x;
                            for (to, out) in to.iter_mut().step_by(per_word).zip(next..end) {
                                *to = weight(out, from);
                            }
                        }
                    }
                    within += 1;
                    if within == block_channels {
                        (block, within) = (block + 1, 0);
                    }
                }
                next = end;
            }
        }
    }
}
