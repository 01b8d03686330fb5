//! A 3 x 3 convolution of float32 or bfloat16 by Winograd's algorithm: see [`crate::kernel::winograd`].
//!
//! Tiles go by in bands of whole rows. A band is two steps: its inputs are transformed into a stretch of the arena; then
//! every panel of output channels multiplies, transforms back and finishes the tiles: group after group where the weights
//! stay in the cache, a few groups at once where they pass by.

mod groups;
mod pack;
mod tiling;

pub(crate) use tiling::Tiling;

use std::cell::RefCell;

use super::pack::Groups;
use super::part;
use super::places::{Panel, panels};
use super::spec::{Numbers, Spec, arithmetic, vectors};
use crate::buffer::Buffer;
use crate::isa::Proof;
use crate::kernel::finish::Finish;
use crate::kernel::tile::{Coming, Tile};
use crate::kernel::winograd::{InputTiles, LARGEST, LARGEST_SIDE, OutputTiles, Winograd};
use crate::memory::{Aligned, Arena, LINE};
use groups::{Band, GROUP, Group, Segment, band_groups};

/// Groups that multiply by the weights of a position, one after the other, before the next position's turn.
const GROUPS_TOGETHER: usize = 4;
/// The most bytes of two vectors.
const TWO_VECTORS: usize = 2 * 64;

/// The most bytes of products that lie together, a line behind those of each position.
const PRODUCT_BYTES: usize =
    LARGEST_SIDE * LARGEST_SIDE * (GROUP * GROUPS_TOGETHER * TWO_VECTORS + LINE);

thread_local! {
    /// Where a thread keeps products until they are transformed back: more than a stack has for sure.
    static PRODUCTS: RefCell<Aligned> = RefCell::new(Aligned::zeros(PRODUCT_BYTES));
}

/// A convolution ready to run.
pub(crate) struct WinogradConv {
    kernels: &'static Winograd,
    tiling: Tiling,
    /// Where the transformed inputs lie in the arena.
    scratch: usize,
    /// Bytes of a vector.
    vector: usize,
    src: Buffer,
    dst: Buffer,
    residual: Option<Buffer>,
    before: [usize; 2],
    /// See [`Tile::runs`].
    runs: Vec<usize>,
    /// See [`Tile::words`].
    words: Vec<usize>,
    weights: Aligned,
    bias: Aligned,
    finish: Finish,
    panels: Vec<Panel>,
    bands: Vec<Band>,
}

impl WinogradConv {
    /// Transforms and packs the weights; `scratch` is where the arena has [`Tiling::band_bytes`].
    pub fn new(proof: Proof, spec: &Spec, tiling: Tiling, scratch: usize) -> Option<Self> {
        let Numbers::Floats { weights, bias } = &spec.numbers else {
            return None;
        };
        let Spec { src, dst, .. } = *spec;
        let kernels = arithmetic(proof, src.elem)?.winograd?;
        let lanes = proof.set().lanes;
        let vector = lanes * 4;
        let per_vector = tiling.positions() * src.blocks() * lanes * vector;
        let groups = Groups {
            input: src.channels,
            output: dst.channels,
            out: dst.channels,
        };
        let panels = panels(spec, lanes, per_vector, groups, src.blocks());
        let mut packed = Aligned::zeros(tiling.packed_bytes);
        for panel in &panels {
            pack::pack(&mut packed, panel, weights, &src, &dst, lanes, tiling);
        }
        let mut biases = Aligned::zeros(vectors(&dst) * vector);
        if let Some(bias) = bias {
            biases.as_mut::<f32>()[..dst.channels].copy_from_slice(bias);
        }
        let band_rows = tiling.band_rows;
        let bands = (0..tiling.rows).step_by(band_rows).map(|first| {
            let rows = first..(first + band_rows).min(tiling.rows);
            Some(Band {
                groups: band_groups(kernels, &rows, tiling)?,
                rows,
            })
        });
        Some(Self {
            kernels,
            bands: bands.collect::<Option<_>>()?,
            tiling,
            scratch,
            vector,
            src,
            dst,
            residual: spec.residual,
            before: spec.window.before,
            words: vec![lanes; src.blocks()],
            runs: (0..src.blocks())
                .map(|block| block * band_rows * tiling.columns * vector)
                .collect(),
            weights: packed,
            bias: biases,
            finish: spec.finish,
            panels,
        })
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes()
    }

    /// Rows of tiles of a block.
    fn input_items(&self, band: usize) -> usize {
        self.bands[band].rows.len() * self.src.blocks()
    }

    pub fn input_tasks(&self, band: usize, threads: usize) -> usize {
        match threads {
            1 => 1,
            _ => (threads * 4).min(self.input_items(band)),
        }
    }

    /// Transforms one part of a band's inputs.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run_input(&self, arena: Arena, band: usize, threads: usize, task: usize) {
        let tasks = self.input_tasks(band, threads);
        let items = self.input_items(band);
        let Tiling {
            outputs,
            columns,
            band_rows,
            position,
            ..
        } = self.tiling;
        let rows = &self.bands[band].rows;
        for item in items * task / tasks..items * (task + 1) / tasks {
            let (block, row) = (item / rows.len(), item % rows.len());
            let from = self.src.window_start(block, self.before)
                + (rows.start + row) * outputs * self.src.row();
            let to = self.scratch + (block * band_rows + row) * columns * self.vector;
            // SAFETY: the source has the border that tiles read, and the arena room for a band.
            unsafe {
                (self.kernels.input[outputs / 2 - 1])(&InputTiles {
                    input: arena.at(from),
                    row: self.src.row(),
                    count: columns,
                    output: arena.at(to),
                    position,
                });
            }
        }
    }

    /// Into how many parts the work is cut: of panels, of groups.
    fn parts(&self, band: usize, threads: usize) -> (usize, usize) {
        if threads == 1 {
            return (1, 1);
        }
        let (wanted, panels) = (threads * 4, self.panels.len());
        let groups = self.bands[band].groups.len();
        if self.weights_stay() {
            let group_parts = wanted.min(groups);
            return (wanted.div_ceil(group_parts).min(panels), group_parts);
        }
        let panel_parts = wanted.min(panels);
        (panel_parts, wanted.div_ceil(panel_parts).min(groups))
    }

    fn weights_stay(&self) -> bool {
        self.tiling.weights_stay()
    }

    pub fn output_tasks(&self, band: usize, threads: usize) -> usize {
        let (panels, groups) = self.parts(band, threads);
        panels * groups
    }

    /// Computes one part of a band's outputs from its transformed inputs.
    ///
    /// # Safety
    /// As for [`Self::run_input`], all of whose tasks have ended.
    pub unsafe fn run_output(&self, arena: Arena, band: usize, threads: usize, task: usize) {
        let (panel_parts, group_parts) = self.parts(band, threads);
        let panels = part(&self.panels, panel_parts, task / group_parts);
        let groups = part(&self.bands[band].groups, group_parts, task % group_parts);
        if self.weights_stay() {
            for group in groups {
                for panel in panels {
                    // SAFETY: the caller answers for arena and task, which alone has this panel and group.
                    unsafe { self.groups(arena, panel, std::slice::from_ref(group)) };
                }
            }
        } else {
            for panel in panels {
                for together in groups.chunks(GROUPS_TOGETHER) {
                    // SAFETY: as in the other order above.
                    unsafe { self.groups(arena, panel, together) };
                }
            }
        }
    }

    /// Computes the outputs of groups that follow each other. Where weights pass by, all groups multiply by those of one
    /// position before the next one's turn, and ask for the next ones meanwhile.
    unsafe fn groups(&self, arena: Arena, panel: &Panel, groups: &[Group]) {
        PRODUCTS.with_borrow_mut(|room| {
            let products = room.as_mut::<u8>().as_mut_ptr();
            // SAFETY: the caller's; the room holds the products of as many groups.
            unsafe { self.groups_in(arena, panel, groups, products) };
        });
    }

    unsafe fn groups_in(&self, arena: Arena, panel: &Panel, groups: &[Group], products: *mut u8) {
        const PIXELS: usize = LARGEST * LARGEST * GROUP * TWO_VECTORS;
        #[repr(align(64))]
        struct Room([std::mem::MaybeUninit<u8>; PIXELS]);
        let mut pixels = Room([const { std::mem::MaybeUninit::uninit() }; PIXELS]);
        let pixels: *mut u8 = pixels.0.as_mut_ptr().cast();
        let Tiling {
            outputs, position, ..
        } = self.tiling;
        let wide = panel.vectors * self.vector;
        let panel_position = self.runs.len() * self.vector / 4 * wide;
        let first = groups.first().map_or(0, |group| group.first);
        let tiles: usize = groups.iter().map(|group| group.count).sum();
        let calls = || {
            groups
                .iter()
                .flat_map(|group| group.products.iter().map(move |call| (group, call)))
        };
        let call_count = calls().count();
        // An odd number of lines, so that the positions of a tile do not share a set of the cache.
        let between = ((tiles * wide).div_ceil(LINE) | 1) * LINE;
        // SAFETY: tiles lie in the band, weights were packed for the panel, and the rooms hold the groups' tiles.
        unsafe {
            let input = arena.at(self.scratch);
            let mut weights = self.weights.as_ptr().add(panel.weights);
            for at in 0..self.tiling.positions() {
                for (index, (group, call)) in calls().enumerate() {
                    let tile = group.first + call.first;
                    (call.kernels[panel.vectors - 1])(&Tile {
                        input: input.add(at * position + tile * self.vector),
                        second: call.half * self.vector,
                        step: self.vector,
                        runs: self.runs.as_ptr(),
                        run_count: self.runs.len(),
                        words: self.words.as_ptr(),
                        weights,
                        coming: match self.weights_stay() {
                            true => Coming::NONE,
                            false => Coming::share(
                                weights,
                                panel_position,
                                self.runs.len(),
                                [index, call_count],
                            ),
                        },
                        output: products.add(at * between + (tile - first) * wide),
                        ..Tile::nowhere(&self.finish)
                    });
                }
                weights = weights.add(panel_position);
            }
            for group in groups {
                for segment in &group.segments {
                    (self.kernels.output[outputs / 2 - 1])(&OutputTiles {
                        products: products.add((group.first - first + segment.first) * wide),
                        position: between,
                        count: segment.count,
                        vectors: panel.vectors,
                        pixels,
                    });
                    self.store(arena, panel, segment, pixels);
                }
            }
        }
    }

    /// Finishes the pixels of a segment that lie in the image.
    unsafe fn store(&self, arena: Arena, panel: &Panel, segment: &Segment, pixels: *const u8) {
        let outputs = self.tiling.outputs;
        let (dst, wide) = (&self.dst, segment.count * outputs);
        let live = wide.min(dst.width - segment.x);
        for row in 0..outputs.min(dst.height - segment.y) {
            let (y, x) = (segment.y + row, segment.x);
            let residual = self.residual.as_ref();
            // SAFETY: the pixels lie inside the output, and biases cover its vectors.
            unsafe {
                let tile = Tile {
                    bias: self.bias.as_ptr().add(panel.group * self.vector),
                    ..panel.target(arena, dst, residual, [y, x], &self.finish)
                };
                let from = pixels.add(row * wide * panel.vectors * self.vector);
                (self.kernels.finish)(&tile, from, live, panel.vectors, live);
            }
        }
    }
}
