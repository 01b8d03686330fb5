//! Convolution as a direct sum over taps: packed weights, tiles, and the order in which they are walked.
//!
//! Output channels are cut into panels of two vectors (one, where a group or the end asks for it), output pixels into
//! places; every (panel, place) is one call of a kernel. Linear layers and the stem are convolutions too.

use std::ops::Range;

use super::cut::Cut;
use super::pack::{Groups, Packing};
use super::part;
use super::places::{MatrixPlace, Panel, Place, Places, matrix_places, panels, places};
use super::spec::{Numbers, Spec, arithmetic, layout, matrix, vectors};
use crate::buffer::Buffer;
use crate::elem::{Elem, to_bf16};
use crate::graph::Window;
use crate::isa::{AheadLines, Matrix, MatrixTile, Proof};
use crate::kernel::finish::Finish;
use crate::kernel::tile::{Coming, Tile};
use crate::memory::{Aligned, Arena, LINE};

/// A convolution ready to run.
pub(crate) struct Conv {
    lanes: usize,
    src: Buffer,
    dst: Buffer,
    residual: Option<Buffer>,
    window: Window,
    /// See [`Tile::runs`].
    runs: Vec<usize>,
    /// See [`Tile::words`].
    words: Vec<usize>,
    weights: Aligned,
    /// Bytes of the weights of one vector of output channels.
    vector_bytes: usize,
    /// 32 bits a channel.
    bias: Aligned,
    /// float32 a channel, where sums are integers.
    scale: Aligned,
    finish: Finish,
    panels: Vec<Panel>,
    places: Places,
    /// Places that share a panel before the next panel's turn.
    places_together: usize,
}

/// Weights that stay in the second-level cache while places pass, in bytes; and where the input would not stay there while
/// panels pass.
const RESIDENT_WEIGHTS: usize = 256 * 1024;
const RESIDENT_WEIGHTS_OF_LARGE_INPUT: usize = 512 * 1024;
/// An input that does not stay in the second-level cache, in bytes.
const LARGE_INPUT: usize = 1024 * 1024;
/// Input of places that stays in the first-level cache while panels pass, in bytes.
const RESIDENT_INPUT: usize = 24 * 1024;

impl Conv {
    /// Packs the weights; none where there is no kernel for the window.
    pub fn new(proof: Proof, spec: &Spec) -> Option<Self> {
        let Spec {
            src,
            dst,
            window,
            groups,
            ..
        } = *spec;
        let lanes = proof.set().lanes;
        let arithmetic = arithmetic(proof, src.elem)?;
        if src.words == 1 && groups > 1 {
            return None;
        }
        let matrix = matrix(arithmetic, &src, &dst, groups, &window);
        let layout = layout(matrix, &src, &dst, groups, &window);
        let channels = Groups {
            input: src.channels / groups,
            output: dst.channels / groups,
            out: dst.channels,
        };
        let mut runs = layout.offsets(&src, &window);
        let per_copy = layout.vector_bytes(lanes)?;
        // Weights beyond int8 are the sum of two: every run is read twice.
        let copies = match &spec.numbers {
            Numbers::Integers { weights, .. } if !weights.is_int8() => 2,
            _ => 1,
        };
        let mut words = layout.run_words()?;
        if copies == 2 {
            runs.extend_from_within(..);
            words.extend_from_within(..);
        }
        let panels = panels(spec, lanes, per_copy * copies, channels, layout.blocks);
        let total = vectors(&dst) * per_copy * copies;
        let mut weights = Aligned::zeros(total);
        let groups_of_bias = vectors(&dst) * lanes;
        let mut scale = Aligned::zeros(0);
        let row = channels.input * window.kernel[0] * window.kernel[1];
        let mut bias = Aligned::zeros(groups_of_bias * 4);
        let packing = Packing {
            layout: &layout,
            panels: &panels,
            lanes,
            groups: channels,
        };
        let mut fill = |start: usize| match (&spec.numbers, src.elem) {
            (Numbers::Floats { weights: from, .. }, Elem::F32) => {
                packing.write(&mut weights, start, |out, i| from[out * row + i]);
            }
            (Numbers::Floats { weights: from, .. }, _) => {
                packing.write(&mut weights, start, |out, i| to_bf16(from[out * row + i]));
            }
            (Numbers::Integers { weights: from, .. }, _) if copies == 1 => {
                packing.write(&mut weights, start, |out, i| from.int8_at(out, i));
            }
            (Numbers::Integers { weights: from, .. }, _) => {
                packing.write(&mut weights, start, |out, i| {
                    let whole = from.at(out, i);
                    let first = whole.clamp(-128, 127);
                    (if start == 0 { first } else { whole - first }) as i8
                });
            }
        };
        fill(0);
        if copies == 2 {
            fill(per_copy);
        }
        match &spec.numbers {
            Numbers::Floats { bias: from, .. } => {
                if let Some(from) = from {
                    bias.as_mut::<f32>()[..dst.channels].copy_from_slice(from);
                }
            }
            Numbers::Integers {
                bias: from,
                scale: scales,
                ..
            } => {
                bias.as_mut::<i32>()[..dst.channels].copy_from_slice(from);
                scale = Aligned::zeros(groups_of_bias * 4);
                scale.as_mut::<f32>()[..dst.channels].copy_from_slice(scales);
            }
        }
        let places = match matrix {
            Some(matrix) => Places::Matrix(matrix, matrix_places(&src, &dst, &window)),
            None => Places::Tiles(places(arithmetic, &src, &dst, window.stride[1])?),
        };
        let pixels = match &places {
            Places::Tiles(_) => dst.width.min(arithmetic.widths[0]),
            Places::Matrix(..) => 32,
        };
        let place_input = runs.len() * layout.words * 4 * pixels;
        let resident = match src.blocks() * src.block() > LARGE_INPUT {
            true => RESIDENT_WEIGHTS_OF_LARGE_INPUT,
            false => RESIDENT_WEIGHTS,
        };
        let places_together = if total <= resident {
            (RESIDENT_INPUT / place_input.max(1)).max(1)
        } else {
            usize::MAX
        };
        Some(Self {
            lanes,
            src,
            dst,
            residual: spec.residual,
            window,
            runs,
            words,
            weights,
            vector_bytes: per_copy * copies,
            bias,
            scale,
            finish: spec.finish,
            panels,
            places,
            places_together,
        })
    }

    pub fn src(&self) -> &Buffer {
        &self.src
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes() + self.scale.bytes()
    }

    /// Into how many parts the work on `places` places is cut: of panels, of places.
    fn parts(&self, places: usize, threads: usize) -> (usize, usize) {
        if threads == 1 {
            return (1, 1);
        }
        let wanted = threads * 4;
        if self.places_together != usize::MAX {
            return (1, wanted.min(places));
        }
        let panels = wanted.min(self.panels.len());
        (panels, wanted.div_ceil(panels).min(places))
    }

    pub fn tasks(&self, rows: &Range<usize>, threads: usize) -> usize {
        let (panels, places) = self.parts(self.places.in_rows(rows).len(), threads);
        panels * places
    }

    /// Computes one part of some rows of the output.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, cut: &Cut, threads: usize, task: usize) {
        let range = self.places.in_rows(&cut.rows);
        let (panel_parts, place_parts) = self.parts(range.len(), threads);
        let panels = part(&self.panels, panel_parts, task / place_parts);
        match &self.places {
            Places::Tiles(places) => {
                let places = part(&places[range], place_parts, task % place_parts);
                self.walk(panels, places, |panel, place, which| {
                    // SAFETY: the caller answers for arena and task, and the place's kernels came with a proof.
                    unsafe { self.tile(arena, cut, panel, place, which) };
                });
            }
            Places::Matrix(matrix, places) => {
                let places = part(places, place_parts, task % place_parts);
                // SAFETY: the kernels come from a proof's set, so the processor has tiles and the system permits them.
                unsafe { (matrix.enter)() };
                self.walk(panels, places, |panel, place, which| {
                    // SAFETY: the caller answers for arena and task, and this thread has entered.
                    unsafe { self.matrix_tile(arena, cut, matrix, panel, place, which) };
                });
                // SAFETY: this thread has entered, and uses no tile any more.
                unsafe { (matrix.leave)() };
            }
        }
    }

    /// Calls `tile` with every panel and place, and with which of how many places of the panel this is.
    fn walk<P>(
        &self,
        panels: &[Panel],
        places: &[P],
        mut tile: impl FnMut(&Panel, &P, [usize; 2]),
    ) {
        for together in places.chunks(self.places_together.min(places.len().max(1))) {
            for panel in panels {
                for (index, place) in together.iter().enumerate() {
                    tile(panel, place, [index, together.len()]);
                }
            }
        }
    }

    /// What all kernels of a panel read and write at an output pixel.
    ///
    /// # Safety
    /// As for [`Conv::run`].
    #[inline(always)] // See `Panel::target`.
    unsafe fn at(&self, arena: Arena, dst: &Buffer, panel: &Panel, [y, x]: [usize; 2]) -> Tile<'_> {
        let number = panel.group * self.lanes;
        let residual = self.residual.as_ref();
        // SAFETY: panels and places lie inside the output, and biases and scales cover its vectors.
        unsafe {
            Tile {
                step: self.window.stride[1] * self.src.pixel(),
                runs: self.runs.as_ptr(),
                run_count: self.runs.len(),
                words: self.words.as_ptr(),
                weights: self.weights.as_ptr().add(panel.weights),
                bias: self.bias.as_ptr().add(number * 4),
                scale: self.scale.as_ptr().cast::<f32>().wrapping_add(number),
                ..panel.target(arena, dst, residual, [y, x], &self.finish)
            }
        }
    }

    unsafe fn tile(
        &self,
        arena: Arena,
        cut: &Cut,
        panel: &Panel,
        place: &Place,
        which: [usize; 2],
    ) {
        let Cut { src, dst, .. } = cut;
        let window = &self.window;
        let along =
            place.y * window.stride[0] * src.row() + place.x * window.stride[1] * src.pixel();
        let start = src.window_start(panel.input_block, window.before);
        let start = start.wrapping_add(along);
        // SAFETY: buffers were laid out with the border that the window reads, places lie inside the output.
        unsafe {
            let mut tile = self.at(arena, dst, panel, [place.y, place.x]);
            tile.input = arena.at(start);
            // While a panel passes over its places, they ask for the next panel's weights.
            tile.coming = match self.places_together {
                usize::MAX => {
                    let panel_bytes = self.vector_bytes * panel.vectors;
                    Coming::share(tile.weights, panel_bytes, self.runs.len(), which)
                }
                _ => Coming::NONE,
            };
            if place.two_rows {
                tile.second = window.stride[0] * src.row();
                tile.output_second = dst.row();
                tile.residual_second = self.residual.as_ref().map_or(0, Buffer::row);
            } else {
                tile.second = place.half * tile.step;
                tile.output_second = place.half * dst.pixel();
                tile.residual_second = place.half * dst.pixel();
            }
            (place.kernels[panel.vectors - 1])(&tile);
        }
    }

    unsafe fn matrix_tile(
        &self,
        arena: Arena,
        cut: &Cut,
        matrix: &Matrix,
        panel: &Panel,
        place: &MatrixPlace,
        [index, of]: [usize; 2],
    ) {
        #[repr(align(64))]
        struct Sums([std::mem::MaybeUninit<u8>; 32 * 2 * 64]);
        let mut sums = Sums([std::mem::MaybeUninit::uninit(); 32 * 2 * 64]);
        let panel_bytes = self.vector_bytes * panel.vectors;
        let start = cut.src.window_start(0, self.window.before);
        // SAFETY: buffers were laid out with the border that the window reads, and the source has room behind it for the
        // pixels of a tile that lie beyond its last one. Their sums are dropped.
        unsafe {
            let input = arena.at(start).cast_const();
            let weights = self.weights.as_ptr().add(panel.weights);
            // While a panel passes over its places, the first of them ask for the next panel's weights, each for a share.
            let ahead_lines = match of {
                1 => AheadLines::All,
                2 | 3 => AheadLines::Sixteen,
                _ => AheadLines::Eight,
            };
            let lines = ahead_lines as usize;
            let share = self.runs.len() * lines * LINE;
            let ahead = match index < 32 / lines {
                true => weights.wrapping_add(panel_bytes + index * share),
                false => weights,
            };
            (matrix.multiply)(&MatrixTile {
                inputs: place.inputs.map(|from| input.add(from)),
                step: self.window.stride[1] * self.src.pixel(),
                runs: self.runs.as_ptr(),
                run_count: self.runs.len(),
                weights,
                vectors: panel.vectors,
                ahead,
                ahead_lines,
                sums: sums.0.as_mut_ptr().cast(),
            });
            for outputs in &place.outputs {
                let tile = self.at(arena, &cut.dst, panel, [outputs.y, outputs.x]);
                let from = sums.0.as_ptr().add(outputs.first * panel.vectors * 64);
                (matrix.finish)(
                    &tile,
                    from.cast(),
                    outputs.count,
                    panel.vectors,
                    outputs.count,
                );
            }
        }
    }
}
