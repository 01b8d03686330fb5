//! Where in one arena each value lies, with the border that its readers need.

use super::bands::{self, Chain};
use super::draft::{Fused, Work};
use crate::buffer::{Border, Buffer};
use crate::graph::{Graph, KernelError, MAX_ARENA_BYTES, MAX_WEIGHT_BYTES, Node, Window};
use crate::isa::Proof;
use crate::memory::LINE;
use crate::network::Config;
use crate::step::spec::{packed_bytes, reads_beyond, uses_matrix};
use crate::step::winograd::Tiling;

/// What the image is read into. Few channels stay apart: in blocks, most of a vector would be zeros.
const NARROW_CHANNELS: usize = 4;

/// Bytes after a value that matrix tiles read: they read pixels beyond the last one and drop their sums.
const SLACK: usize = 16 * 4 * LINE + 2 * LINE;

/// The places of all values.
pub(super) struct Placed {
    /// None for values that no step gives.
    pub buffers: Vec<Option<Buffer>>,
    /// For every draft that is computed in Winograd's tiles, those and where their inputs lie.
    pub tilings: Vec<Option<(Tiling, usize)>>,
    /// Drafts whose steps take turns.
    pub chains: Vec<Chain>,
    pub arena_bytes: usize,
}

/// The window with which a convolution or linear layer reads its input of `[C, H, W]`.
pub(super) fn window_of(node: &Node, [_, h, w]: [usize; 3]) -> (Window, usize) {
    match node {
        Node::Conv { window, groups, .. } => (*window, *groups),
        _ => (
            Window {
                kernel: [h, w],
                ..Window::point()
            },
            1,
        ),
    }
}

/// Gives every value that a step reads or writes a place; places of values that are no longer read are used again.
///
/// With [`Config::less_memory`], no convolution is computed in Winograd's tiles.
pub(super) fn place(
    graph: &Graph,
    fused: &Fused,
    proof: Proof,
    config: &Config,
) -> Result<Placed, KernelError> {
    let lanes = proof.set().lanes;
    let count = fused.shapes.len();
    let mut last_read = vec![0; count];
    let mut is_narrow = vec![false; count];
    for draft in &fused.drafts {
        if matches!(draft.work, Work::Read) {
            is_narrow[draft.gives] = fused.shapes[draft.gives][0] <= NARROW_CHANNELS
                && fused.root(graph.output) != draft.gives;
        }
    }
    for (at, draft) in fused.drafts.iter().enumerate() {
        for (index, value) in draft.reads.iter().enumerate() {
            last_read[*value] = at;
            // Only a convolution without groups reads narrow pixels.
            let suits = match &draft.work {
                Work::Conv { node, .. } => {
                    index == 0 && window_of(&graph.nodes[*node], fused.shapes[*value]).1 == 1
                }
                _ => false,
            };
            is_narrow[*value] &= suits;
        }
    }
    last_read[fused.root(graph.output)] = usize::MAX;
    let bare = |value: usize| {
        let [channels, height, width] = fused.shapes[value];
        Buffer {
            offset: 0,
            elem: fused.elems[value],
            words: if is_narrow[value] { 1 } else { lanes },
            channels,
            height,
            width,
            border: Border::default(),
            held: None,
        }
    };
    let mut borders = vec![Border::default(); count];
    let mut tilings = vec![None; fused.drafts.len()];
    let mut slack = vec![0; count];
    let mut packed = 0usize;
    for (draft, tiles) in fused.drafts.iter().zip(&mut tilings) {
        let Work::Conv { node, .. } = &draft.work else {
            continue;
        };
        let value = draft.reads[0];
        let (window, groups) = window_of(&graph.nodes[*node], fused.shapes[value]);
        let (src, dst) = (bare(value), bare(draft.gives));
        let tiling =
            Tiling::choose(proof, &src, &dst, groups, &window).filter(|_| !config.less_memory);
        if uses_matrix(proof, &src, &dst, groups, &window) {
            slack[value] = SLACK;
        }
        let (border, bytes) = match &tiling {
            Some(tiling) => (tiling.border(&src, &window), Some(tiling.packed_bytes())),
            None => (
                reads_beyond(proof, &src, &dst, groups, &window),
                packed_bytes(proof, &src, &dst, groups, &window),
            ),
        };
        *tiles = tiling.map(|tiling| (tiling, 0));
        borders[value] = borders[value].join(border);
        packed = bytes
            .and_then(|bytes| packed.checked_add(bytes))
            .unwrap_or(usize::MAX);
        if packed > MAX_WEIGHT_BYTES {
            return Err(KernelError::TooLarge(packed));
        }
    }
    let bordered = |value: usize| Buffer {
        border: borders[value],
        ..bare(value)
    };
    let cache = config.cache_bytes.unwrap_or(bands::CACHE_BYTES);
    let is_tiled = |at: usize| tilings[at].is_some();
    let chains = bands::chains(graph, fused, proof, cache, bordered, is_tiled);
    let mut held = vec![None; count];
    for chain in &chains {
        let drafts = &fused.drafts[chain.drafts.clone()];
        for (draft, rows) in drafts.iter().zip(&chain.held) {
            held[draft.gives] = Some(*rows);
        }
        // They read and write until the last of them ends.
        for value in drafts.iter().flat_map(|draft| &draft.reads) {
            last_read[*value] = last_read[*value].max(chain.drafts.end - 1);
        }
    }
    let mut buffers: Vec<Option<Buffer>> = vec![None; count];
    let mut arena = Space::default();
    for (at, draft) in fused.drafts.iter().enumerate() {
        let mut buffer = Buffer {
            held: held[draft.gives],
            ..bordered(draft.gives)
        };
        let len = buffer.checked_len().filter(|len| *len <= MAX_ARENA_BYTES);
        let len = len.ok_or(KernelError::TooLarge(usize::MAX))?;
        buffer.offset = arena.take(len.next_multiple_of(LINE) + slack[draft.gives]);
        if let Some((tiling, scratch)) = &mut tilings[at] {
            // The tiles' inputs are gone when the step ends.
            let len = tiling.band_bytes().next_multiple_of(LINE);
            *scratch = arena.take(len);
            arena.give_back(*scratch, len);
        }
        if arena.end > MAX_ARENA_BYTES {
            return Err(KernelError::TooLarge(arena.end));
        }
        buffers[draft.gives] = Some(buffer);
        // After this step, what it read last is free, and what nobody reads too. A step never writes where it reads.
        for ((old, last_read), slack) in buffers.iter().zip(&last_read).zip(&slack) {
            if let Some(old) = old
                && *last_read == at
                && at > 0
            {
                arena.give_back(old.offset, old.len().next_multiple_of(LINE) + slack);
            }
        }
    }
    Ok(Placed {
        buffers,
        tilings,
        chains,
        arena_bytes: arena.end,
    })
}

/// Free stretches of the arena, in order.
#[derive(Default)]
struct Space {
    free: Vec<(usize, usize)>,
    end: usize,
}

impl Space {
    /// The smallest stretch that is large enough, or new room at the end.
    fn take(&mut self, len: usize) -> usize {
        let best = self
            .free
            .iter()
            .enumerate()
            .filter(|(_, (_, room))| *room >= len)
            .min_by_key(|(_, (_, room))| *room);
        if let Some((index, &(start, room))) = best {
            if room == len {
                self.free.remove(index);
            } else {
                self.free[index] = (start + len, room - len);
            }
            return start;
        }
        // A free stretch at the end grows.
        if let Some(&(start, room)) = self.free.last()
            && start + room == self.end
        {
            self.free.pop();
            self.end = start + len;
            return start;
        }
        let start = self.end;
        self.end += len;
        start
    }

    fn give_back(&mut self, start: usize, len: usize) {
        self.free.push((start, len));
        self.free.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.free.len());
        for &(start, len) in &self.free {
            match joined.last_mut() {
                Some((before, room)) if *before + *room == start => *room += len,
                _ => joined.push((start, len)),
            }
        }
        self.free = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_used_again() {
        let mut space = Space::default();
        let (a, b) = (space.take(16), space.take(32));
        assert_eq!((a, b, space.end), (0, 16, 48));
        space.give_back(a, 16);
        assert_eq!(space.take(32), 48);
        space.give_back(b, 32);
        assert_eq!(space.take(48), 0, "neighbors are joined");
        space.give_back(48, 32);
        assert_eq!(
            (space.take(64), space.end),
            (48, 112),
            "the last stretch grows"
        );
    }
}
