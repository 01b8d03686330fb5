//! Which convolutions take turns: a band of rows of the first, then the rows of the next that this made possible, and so
//! on. Of what passes between them memory holds a few rows, which are read while they are in the cache; step after step, a
//! large value would go out to memory and come back. The numbers are the same, as every row is computed as before.

use std::ops::Range;

use super::draft::{Draft, Fused, Work};
use super::place::window_of;
use crate::buffer::Buffer;
use crate::graph::{Graph, MAX_ARENA_BYTES, Window};
use crate::isa::Proof;
use crate::step::Step;
use crate::step::spec::{arithmetic, uses_matrix};

/// A second-level cache as today's processors have it at least. Values as large are not passed on whole, and a band
/// of a chain's values fills it.
pub(super) const CACHE_BYTES: usize = 1024 * 1024;

/// Drafts that take turns.
pub(super) struct Chain {
    pub drafts: Range<usize>,
    /// How many rows of each value between them memory holds.
    pub held: Vec<usize>,
    turns: Vec<Turn>,
}

/// What is done next. Drafts are counted within the chain.
enum Turn {
    /// Rows of a draft's output; how many rows of what it reads and writes have left memory.
    Rows {
        draft: usize,
        rows: Range<usize>,
        gone: [usize; 2],
    },
    /// Rows of what a draft gives move to the beginning of its memory.
    Slide {
        draft: usize,
        from: usize,
        count: usize,
    },
}

/// The chains of a graph for a second-level cache of `cache` bytes. `value` is how a value lies, with its borders;
/// `is_tiled` tells the convolutions that are computed in Winograd's tiles.
pub(super) fn chains(
    graph: &Graph,
    fused: &Fused,
    proof: Proof,
    cache: usize,
    value: impl Fn(usize) -> Buffer,
    is_tiled: impl Fn(usize) -> bool,
) -> Vec<Chain> {
    let drafts = &fused.drafts;
    let mut readers = vec![0; fused.shapes.len()];
    for read in drafts.iter().flat_map(|draft| &draft.reads) {
        readers[*read] += 1;
    }
    readers[fused.root(graph.output)] += 1;
    let window = |draft: &Draft| match &draft.work {
        Work::Conv { node, .. } => {
            let read = draft.reads[0];
            Some(window_of(&graph.nodes[*node], fused.shapes[read]))
        }
        _ => None,
    };
    let can_be_cut = |at: usize| {
        window(&drafts[at]).is_some_and(|(window, groups)| {
            let (src, dst) = (value(drafts[at].reads[0]), value(drafts[at].gives));
            // Rows that fit a tile twice are computed in pairs.
            let is_wide = arithmetic(proof, src.elem).is_some_and(|a| dst.width * 2 > a.widths[0]);
            is_wide && !is_tiled(at) && !uses_matrix(proof, &src, &dst, groups, &window)
        })
    };
    let passes_on = |from: &Draft, to: &Draft| {
        // What cannot be counted is refused when it gets its place.
        let len = value(from.gives).checked_len();
        to.reads[0] == from.gives
            && readers[from.gives] == 1
            && len.is_some_and(|len| (cache..=MAX_ARENA_BYTES).contains(&len))
    };
    let mut chains = Vec::new();
    let mut start = 0;
    while start < drafts.len() {
        let mut end = start + 1;
        while end < drafts.len()
            && can_be_cut(end - 1)
            && can_be_cut(end)
            && passes_on(&drafts[end - 1], &drafts[end])
        {
            end += 1;
        }
        if end > start + 1 {
            let stages = drafts[start..end].iter().map(|draft| Stage {
                window: window(draft).map_or_else(Window::point, |(window, _)| window),
                src: value(draft.reads[0]),
                dst: value(draft.gives),
            });
            chains.push(chain(start..end, &stages.collect::<Vec<_>>(), cache));
        }
        start = end;
    }
    chains
}

/// A draft of a chain.
struct Stage {
    window: Window,
    src: Buffer,
    dst: Buffer,
}

/// The turns of a chain, in which every band of the first input goes as far as it can. A band's rows of all values
/// between the drafts take `room` bytes, or are two rows of the input.
fn chain(drafts: Range<usize>, stages: &[Stage], room: usize) -> Chain {
    let between = &stages[..stages.len() - 1];
    let input = stages[0].src.height;
    let bytes: usize = between.iter().map(|stage| stage.dst.len()).sum();
    let band = (room.saturating_mul(input) / bytes).max(2);
    let mut turns = Vec::new();
    let mut done = vec![0; stages.len()];
    // Rows of each value between the drafts that have left memory, borders included, and the most that were there.
    let mut gone = vec![0; between.len()];
    let mut held: Vec<usize> = between
        .iter()
        .map(|stage| stage.dst.border.top + stage.dst.border.bottom + 1)
        .collect();
    let mut ready = 0;
    while ready < input {
        ready = (ready + band).min(input);
        let mut given = ready;
        for (at, stage) in stages.iter().enumerate() {
            let (first, height) = (done[at], stage.dst.height);
            let rows = stage.window.rows_from(given, stage.src.height, height);
            given = rows;
            if rows == first {
                continue;
            }
            if let Some(next) = stages.get(at + 1) {
                let border = stage.dst.border;
                let written = border.top + first;
                let needed = done[at + 1].saturating_mul(next.window.stride[0]);
                let needed = needed.saturating_add(border.top);
                let needed = (needed - next.window.before[0]).min(written);
                if needed > gone[at] {
                    if written > needed {
                        turns.push(Turn::Slide {
                            draft: at,
                            from: needed - gone[at],
                            count: written - needed,
                        });
                    }
                    gone[at] = needed;
                }
                let below = if rows == height { border.bottom } else { 0 };
                held[at] = held[at].max(border.top + rows + below - gone[at]);
            }
            let gone_of = |value: Option<usize>| value.and_then(|at| gone.get(at)).copied();
            turns.push(Turn::Rows {
                draft: at,
                rows: first..rows,
                gone: [
                    gone_of(at.checked_sub(1)).unwrap_or(0),
                    gone_of(Some(at)).unwrap_or(0),
                ],
            });
            done[at] = rows;
        }
    }
    Chain {
        drafts,
        held,
        turns,
    }
}

/// The steps of all drafts in a row, those of a chain in turns; none where a draft of a chain has become no convolution.
pub(super) fn in_turns(drafts: Vec<Vec<Step>>, chains: &[Chain]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut chains = chains.iter().peekable();
    let mut drafts = drafts.into_iter().enumerate();
    while let Some((at, own)) = drafts.next() {
        let Some(chain) = chains.next_if(|chain| chain.drafts.start == at) else {
            steps.extend(own);
            continue;
        };
        let others = drafts.by_ref().take(chain.drafts.len() - 1);
        let whole: Vec<Step> = own
            .into_iter()
            .chain(others.flat_map(|(_, own)| own))
            .collect();
        for turn in &chain.turns {
            steps.push(match turn {
                Turn::Rows { draft, rows, gone } => whole.get(*draft)?.cut(rows.clone(), *gone)?,
                Turn::Slide { draft, from, count } => whole.get(*draft)?.slide(*from, *count)?,
            });
        }
    }
    Some(steps)
}
