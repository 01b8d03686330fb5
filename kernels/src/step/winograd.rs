//! A 3 x 3 convolution of float32 by Winograd's algorithm: see [`crate::kernel::winograd`].
//!
//! Tiles go by in bands of whole rows. A band is two steps: its inputs are transformed into a stretch of the arena; then
//! every panel of output channels multiplies, transforms back and finishes the tiles, group after group.

use std::ops::Range;

use super::pack::Groups;
use super::places::{Panel, panels};
use super::spec::{Numbers, Spec, vectors};
use super::{cover, part};
use crate::buffer::{Border, Buffer};
use crate::elem::Elem;
use crate::graph::Window;
use crate::isa::Proof;
use crate::kernel::finish::Finish;
use crate::kernel::tile::{Kernel, Tile, half};
use crate::kernel::winograd::{InputTiles, LARGEST, LARGEST_SIDE, OutputTiles, Winograd};
use crate::memory::{Aligned, Arena};

/// Fewer channels, of input or output, do not repay the transforms.
const LEAST_CHANNELS: usize = 32;
/// Every tile reads all transformed weights, which are four times as many for tiles of 4 x 4 outputs as the direct ones
/// and not twice as many for 2 x 2: too few tiles wait for memory. Measured; `docs/benchmarks/engine.md` has the figures.
const LEAST_LARGE_TILES: usize = 36;
const LEAST_SMALL_TILES: usize = 25;
/// Transformed weights that stay in the second-level cache beside a band.
const RESIDENT_WEIGHTS: usize = 1 << 20;
/// Transformed inputs of a band, where weights stay and where they pass by once a band.
const BAND_BESIDE_WEIGHTS: usize = 512 << 10;
const BAND_ALONE: usize = 4 << 20;
/// Transformed weights of a layer that are too large to read, in bytes: direct sums read less.
const MOST_WEIGHTS: usize = 64 << 20;
/// Tiles whose products lie on the stack together.
const GROUP: usize = 16;
/// The most bytes of two vectors.
const TWO_VECTORS: usize = 2 * 64;

/// How an image is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Outputs in a row of a tile.
    outputs: usize,
    rows: usize,
    columns: usize,
    /// Rows of tiles in a band; the last may have fewer.
    band_rows: usize,
    /// Bytes from a position's transformed inputs to the next one's.
    position: usize,
    packed_bytes: usize,
}

impl Tiling {
    /// The tiles for a convolution from `src` to `dst`; none where direct sums are better.
    pub fn choose(
        proof: Proof,
        src: &Buffer,
        dst: &Buffer,
        groups: usize,
        window: &Window,
    ) -> Option<Self> {
        let lanes = proof.set().lanes;
        let fits = (src.elem, dst.elem) == (Elem::F32, Elem::F32)
            && (src.words, dst.words) == (lanes, lanes)
            && groups == 1
            && window.kernel == [3, 3]
            && window.stride == [1, 1]
            && window.dilation == [1, 1]
            && src.channels.min(dst.channels) >= LEAST_CHANNELS;
        if !fits {
            return None;
        }
        let tiles = |outputs: usize| dst.height.div_ceil(outputs) * dst.width.div_ceil(outputs);
        let outputs = match () {
            () if tiles(4) >= LEAST_LARGE_TILES => 4,
            () if tiles(2) >= LEAST_SMALL_TILES => 2,
            () => return None,
        };
        let vector = lanes * 4;
        let positions = (outputs + 2) * (outputs + 2);
        let packed_bytes = vectors(dst)
            .checked_mul(src.blocks() * lanes * vector * positions)
            .filter(|bytes| *bytes <= MOST_WEIGHTS)?;
        let (rows, columns) = (dst.height.div_ceil(outputs), dst.width.div_ceil(outputs));
        let row_bytes = positions * src.blocks() * columns * vector;
        let band = match packed_bytes <= RESIDENT_WEIGHTS {
            true => BAND_BESIDE_WEIGHTS,
            false => BAND_ALONE,
        };
        let bands = rows.div_ceil((band / row_bytes).max(1));
        let band_rows = rows.div_ceil(bands);
        // An odd number of vectors, so that the positions of a tile do not share a set of the cache.
        let position = ((src.blocks() * band_rows * columns) | 1) * vector;
        Some(Self {
            outputs,
            rows,
            columns,
            band_rows,
            position,
            packed_bytes,
        })
    }

    fn positions(&self) -> usize {
        (self.outputs + 2) * (self.outputs + 2)
    }

    /// The border that the tiles read around their input.
    pub fn border(&self, src: &Buffer, window: &Window) -> Border {
        let [top, left] = window.before;
        let after = |tiles: usize, before: usize, size: usize| {
            (tiles * self.outputs + 2).saturating_sub(before + size)
        };
        Border {
            top,
            left,
            bottom: after(self.rows, top, src.height),
            right: after(self.columns, left, src.width),
        }
    }

    /// Bytes of the packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Bytes of the arena for a band's transformed inputs.
    pub fn band_bytes(&self) -> usize {
        self.positions() * self.position
    }
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
    weights: Aligned,
    bias: Aligned,
    finish: Finish,
    panels: Vec<Panel>,
    bands: Vec<Band>,
}

struct Band {
    rows: Range<usize>,
    groups: Vec<Group>,
}

/// Tiles that follow each other.
struct Group {
    /// The first tile, counted within the band.
    first: usize,
    count: usize,
    products: Vec<Products>,
    segments: Vec<Segment>,
}

/// Tiles of one call of a matrix product.
struct Products {
    /// Within the group.
    first: usize,
    half: usize,
    /// With one and with two vectors of weights.
    kernels: [Kernel; 2],
}

/// Tiles of a group in one row.
struct Segment {
    /// Within the group.
    first: usize,
    count: usize,
    y: usize,
    x: usize,
}

impl WinogradConv {
    /// Transforms and packs the weights; `scratch` is where the arena has [`Tiling::band_bytes`].
    pub fn new(proof: Proof, spec: &Spec, tiling: Tiling, scratch: usize) -> Option<Self> {
        let Numbers::Floats { weights, bias } = &spec.numbers else {
            return None;
        };
        let Spec { src, dst, .. } = *spec;
        let set = proof.set();
        let (lanes, vector) = (set.lanes, set.lanes * 4);
        let per_vector = tiling.positions() * src.blocks() * lanes * vector;
        let groups = Groups {
            input: src.channels,
            output: dst.channels,
            out: dst.channels,
        };
        let panels = panels(spec, lanes, per_vector, groups, src.blocks());
        let mut packed = Aligned::zeros(tiling.packed_bytes);
        for panel in &panels {
            pack(packed.as_mut(), panel, weights, &src, &dst, lanes, tiling);
        }
        let mut biases = Aligned::zeros(vectors(&dst) * vector);
        if let Some(bias) = bias {
            biases.as_mut::<f32>()[..dst.channels].copy_from_slice(bias);
        }
        let band_rows = tiling.band_rows;
        let bands = (0..tiling.rows).step_by(band_rows).map(|first| {
            let rows = first..(first + band_rows).min(tiling.rows);
            Some(Band {
                groups: band_groups(set.winograd, set.float.widths, &rows, tiling)?,
                rows,
            })
        });
        Some(Self {
            kernels: set.winograd,
            bands: bands.collect::<Option<_>>()?,
            tiling,
            scratch,
            vector,
            src,
            dst,
            residual: spec.residual,
            before: spec.window.before,
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
        self.tiling.packed_bytes <= RESIDENT_WEIGHTS
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
        // SAFETY of both calls: the caller's.
        if self.weights_stay() {
            for group in groups {
                for panel in panels {
                    unsafe { self.group(arena, panel, group) };
                }
            }
        } else {
            for panel in panels {
                for group in groups {
                    unsafe { self.group(arena, panel, group) };
                }
            }
        }
    }

    unsafe fn group(&self, arena: Arena, panel: &Panel, group: &Group) {
        const PRODUCTS: usize = LARGEST_SIDE * LARGEST_SIDE * GROUP * TWO_VECTORS;
        const PIXELS: usize = LARGEST * LARGEST * GROUP * TWO_VECTORS;
        #[repr(align(64))]
        struct Room<const BYTES: usize>([std::mem::MaybeUninit<u8>; BYTES]);
        let mut products = Room::<PRODUCTS>([const { std::mem::MaybeUninit::uninit() }; PRODUCTS]);
        let mut pixels = Room::<PIXELS>([const { std::mem::MaybeUninit::uninit() }; PIXELS]);
        let products: *mut u8 = products.0.as_mut_ptr().cast();
        let pixels: *mut u8 = pixels.0.as_mut_ptr().cast();
        let Tiling {
            outputs, position, ..
        } = self.tiling;
        let wide = panel.vectors * self.vector;
        let panel_position = self.runs.len() * self.vector / 4 * wide;
        // SAFETY: tiles lie in the band, weights were packed for the panel, and the rooms hold a group's tiles.
        unsafe {
            let input = arena.at(self.scratch + group.first * self.vector);
            let weights = self.weights.as_ptr().add(panel.weights);
            for at in 0..self.tiling.positions() {
                for call in &group.products {
                    (call.kernels[panel.vectors - 1])(&Tile {
                        input: input.add(at * position + call.first * self.vector),
                        second: call.half * self.vector,
                        step: self.vector,
                        runs: self.runs.as_ptr(),
                        run_count: self.runs.len(),
                        words: self.vector / 4,
                        weights: weights.add(at * panel_position),
                        output: products.add((at * group.count + call.first) * wide),
                        ..Tile::nowhere(&self.finish)
                    });
                }
            }
            for segment in &group.segments {
                (self.kernels.output[outputs / 2 - 1])(&OutputTiles {
                    products: products.add(segment.first * wide),
                    position: group.count * wide,
                    count: segment.count,
                    vectors: panel.vectors,
                    pixels,
                });
                self.store(arena, panel, segment, pixels);
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

/// The groups of a band; none where a kernel is missing.
fn band_groups(
    kernels: &Winograd,
    widths: &[usize],
    rows: &Range<usize>,
    tiling: Tiling,
) -> Option<Vec<Group>> {
    let Tiling {
        outputs, columns, ..
    } = tiling;
    let tiles = rows.len() * columns;
    let count = tiles.div_ceil(GROUP);
    (0..count)
        .map(|index| {
            let (first, end) = (tiles * index / count, tiles * (index + 1) / count);
            let mut products: Vec<Products> = Vec::new();
            let mut covered = 0;
            for width in cover(end - first, widths) {
                products.push(Products {
                    first: covered,
                    half: half(width),
                    kernels: [(kernels.multiply)(width, 1)?, (kernels.multiply)(width, 2)?],
                });
                covered += width;
            }
            let mut segments: Vec<Segment> = Vec::new();
            for tile in first..end {
                let y = (rows.start + tile / columns) * outputs;
                match segments.last_mut() {
                    Some(last) if last.y == y => last.count += 1,
                    _ => segments.push(Segment {
                        first: tile - first,
                        count: 1,
                        y,
                        x: tile % columns * outputs,
                    }),
                }
            }
            Some(Group {
                first,
                count: end - first,
                products,
                segments,
            })
        })
        .collect()
}

/// Transforms the weights of a panel, `[out, in, 3, 3]`, into `[position][block][word][vectors][LANES]`.
fn pack(
    to: &mut [f32],
    panel: &Panel,
    weights: &[f32],
    src: &Buffer,
    dst: &Buffer,
    lanes: usize,
    tiling: Tiling,
) {
    const MOST_LANES: usize = 16;
    let side = tiling.outputs + 2;
    let to = &mut to[panel.weights / 4..];
    let wide = panel.vectors * lanes;
    let position = src.blocks() * lanes * wide;
    for vector in 0..panel.vectors {
        let first = (panel.group + vector) * lanes;
        let outs = dst.channels.saturating_sub(first).min(lanes);
        for channel in 0..src.channels {
            let mut taps = [[0.0f64; MOST_LANES]; 9];
            for out in 0..outs {
                let from = &weights[((first + out) * src.channels + channel) * 9..][..9];
                for (tap, from) in taps.iter_mut().zip(from) {
                    tap[out] = f64::from(*from);
                }
            }
            // Blocks follow each other, so a channel's word is the channel itself.
            let at = channel * wide + vector * lanes;
            let mut columns = [[[0.0; MOST_LANES]; 3]; LARGEST_SIDE];
            for x in 0..3 {
                let column = spread([taps[x], taps[3 + x], taps[6 + x]], tiling.outputs);
                for (row, value) in columns.iter_mut().zip(column) {
                    row[x] = value;
                }
            }
            for (y, row) in columns.iter().take(side).enumerate() {
                for (x, values) in spread(*row, tiling.outputs).iter().take(side).enumerate() {
                    let to = &mut to[(y * side + x) * position + at..][..lanes];
                    for (to, value) in to.iter_mut().zip(values) {
                        *to = *value as f32;
                    }
                }
            }
        }
    }
}

/// `G g`, for each of some channels.
fn spread<const N: usize>([a, b, c]: [[f64; N]; 3], outputs: usize) -> [[f64; N]; LARGEST_SIDE] {
    let each = |f: fn(f64, f64, f64) -> f64| std::array::from_fn(|i| f(a[i], b[i], c[i]));
    if outputs == 2 {
        return [
            a,
            each(|a, b, c| (a + b + c) / 2.0),
            each(|a, b, c| (a - b + c) / 2.0),
            c,
            c,
            c,
        ];
    }
    [
        each(|a, _, _| a / 4.0),
        each(|a, b, c| -(a + b + c) / 6.0),
        each(|a, b, c| -(a - b + c) / 6.0),
        each(|a, b, c| a / 24.0 + b / 12.0 + c / 6.0),
        each(|a, b, c| a / 24.0 - b / 12.0 + c / 6.0),
        c,
    ]
}
