//! Convolution as a direct sum over taps: packed weights, tiles, and the order in which they are walked.
//!
//! Output channels are cut into panels of two vectors (one, where a group or the end asks for it), output pixels into
//! places; every (panel, place) is one call of a kernel. Linear layers and the stem are convolutions too.

use super::pack::{Groups, Layout, pack};
use super::{cover, part};
use crate::buffer::{Border, Buffer};
use crate::elem::{Elem, to_bf16};
use crate::graph::Window;
use crate::isa::{Arithmetic, Matrix, MatrixTile, Proof};
use crate::kernel::finish::Finish;
use crate::kernel::tile::{Kernel, Shape, Tile, half};
use crate::memory::{Aligned, Arena};

/// A convolution ready to run.
pub(crate) struct Conv {
    lanes: usize,
    src: Buffer,
    dst: Buffer,
    residual: Option<Buffer>,
    window: Window,
    /// See [`Tile::runs`].
    runs: Vec<usize>,
    words: usize,
    weights: Aligned,
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

/// Output channels computed together.
pub(super) struct Panel {
    /// The first vector.
    pub group: usize,
    pub vectors: usize,
    /// Where its weights begin, in bytes.
    pub weights: usize,
    /// The first block of input channels it reads.
    pub input_block: usize,
}

/// Output pixels computed together.
enum Places {
    Tiles(Vec<Place>),
    Matrix(&'static Matrix, Vec<MatrixPlace>),
}

/// A tile in one row or two, with its kernels for one and for two vectors.
struct Place {
    y: usize,
    x: usize,
    /// Pixels before the second half, which is in the next row where it is a whole row.
    half: usize,
    two_rows: bool,
    kernels: [Kernel; 2],
}

/// Twice 16 input pixels in a row of memory, and the output pixels among them.
struct MatrixPlace {
    /// From the first window's first byte.
    inputs: [usize; 2],
    outputs: Vec<Outputs>,
}

/// Output pixels that lie together.
struct Outputs {
    /// Of 32.
    first: usize,
    count: usize,
    y: usize,
    x: usize,
}

/// What a convolution computes, before it is packed.
pub(crate) struct Spec<'a> {
    pub src: Buffer,
    pub dst: Buffer,
    pub residual: Option<Buffer>,
    pub numbers: Numbers<'a>,
    pub groups: usize,
    pub window: Window,
    pub finish: Finish,
}

/// Weights, `[out, channels / groups, kernel height, kernel width]`, and biases.
pub(crate) enum Numbers<'a> {
    Floats {
        weights: &'a [f32],
        bias: Option<&'a [f32]>,
    },
    /// Integers whose zero points have been subtracted: within -255 to 255.
    Integers {
        weights: &'a [i16],
        /// With the input's zero point taken care of.
        bias: &'a [i32],
        /// From sums to the output's units, for each channel.
        scale: &'a [f32],
    },
}

/// Weights that stay in the second-level cache while places pass, in bytes.
const RESIDENT_WEIGHTS: usize = 256 * 1024;
/// Input of places that stays in the first-level cache while panels pass, in bytes.
const RESIDENT_INPUT: usize = 24 * 1024;
/// Output pixels below which matrix tiles would be mostly empty.
const MATRIX_PIXELS: usize = 16;
/// Words a matrix tile takes from a pixel.
pub(crate) const MATRIX_WORDS: usize = 16;

/// The kernels that compute an element type.
pub(crate) fn arithmetic(proof: Proof, elem: Elem) -> Option<&'static Arithmetic> {
    let set = proof.set();
    match elem {
        Elem::F32 => Some(&set.float),
        Elem::Bf16 => set.bf16.as_ref(),
        Elem::U8(_) => Some(&set.int8),
    }
}

/// The matrix kernels for a convolution, where they suit it.
fn matrix(arithmetic: &Arithmetic, src: &Buffer, dst: &Buffer, groups: usize, window: &Window) -> Option<&'static Matrix> {
    let is_narrow = src.words == 1;
    let fits = groups == 1
        && dst.height * dst.width >= MATRIX_PIXELS
        && window.stride[1] <= 4
        && (!is_narrow || window.dilation[1] == 1 && window.kernel[1] <= MATRIX_WORDS);
    arithmetic.matrix.filter(|_| fits)
}

fn layout(
    matrix: Option<&Matrix>,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Layout {
    let blocks = if groups == 1 { src.blocks() } else { group_blocks(src, dst, groups) };
    let least = if matrix.is_some() { MATRIX_WORDS } else { 1 };
    Layout::new(src, blocks, window, least)
}

/// How many bytes the packed weights take; none where that cannot be counted.
pub(crate) fn packed_bytes(
    proof: Proof,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Option<usize> {
    let matrix = matrix(arithmetic(proof, src.elem)?, src, dst, groups, window);
    let layout = layout(matrix, src, dst, groups, window);
    layout.vector_bytes(proof.set().lanes)?.checked_mul(vectors(dst))
}

/// The border that a convolution reads around its input; matrix tiles take more of a narrow row than the taps.
pub(crate) fn reads_beyond(
    proof: Proof,
    src: &Buffer,
    dst: &Buffer,
    groups: usize,
    window: &Window,
) -> Border {
    let (size, output) = ([src.height, src.width], [dst.height, dst.width]);
    let border = Border::read_by(window, size, output);
    let uses_matrix = arithmetic(proof, src.elem)
        .is_some_and(|a| matrix(a, src, dst, groups, window).is_some());
    if src.words > 1 || !uses_matrix {
        return border;
    }
    let mut wide = *window;
    wide.kernel[1] = MATRIX_WORDS;
    border.join(Border::read_by(&wide, size, output))
}

/// Vectors of output channels that are computed. Those of bfloat16 fill their block, so that no stale NaN is left.
fn vectors(dst: &Buffer) -> usize {
    match dst.elem {
        Elem::Bf16 => dst.groups(),
        _ => dst.channels.div_ceil(dst.words),
    }
}

impl Conv {
    /// Packs the weights; none where there is no kernel for the window.
    pub fn new(proof: Proof, spec: &Spec) -> Option<Self> {
        let Spec { src, dst, window, groups, .. } = *spec;
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
            Numbers::Integers { weights, .. } if !weights.iter().all(|w| is_int8(*w)) => 2,
            _ => 1,
        };
        if copies == 2 {
            runs.extend_from_within(..);
        }
        let panels = panels(spec, lanes, per_copy * copies, channels, layout.blocks);
        let total = vectors(&dst) * per_copy * copies;
        let mut weights = Aligned::zeros(total);
        let groups_of_bias = vectors(&dst) * lanes;
        let mut scale = Aligned::zeros(0);
        let row = channels.input * window.kernel[0] * window.kernel[1];
        let mut bias = Aligned::zeros(groups_of_bias * 4);
        let mut fill = |start: usize| match (&spec.numbers, src.elem) {
            (Numbers::Floats { weights: from, .. }, Elem::F32) => {
                pack(&mut weights, &layout, &panels, start, lanes, channels, |out, i| from[out * row + i]);
            }
            (Numbers::Floats { weights: from, .. }, _) => {
                pack(&mut weights, &layout, &panels, start, lanes, channels, |out, i| {
                    to_bf16(from[out * row + i])
                });
            }
            (Numbers::Integers { weights: from, .. }, _) => {
                pack(&mut weights, &layout, &panels, start, lanes, channels, |out, i| {
                    let whole = from[out * row + i];
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
            Numbers::Integers { bias: from, scale: scales, .. } => {
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
        let places_together = if total <= RESIDENT_WEIGHTS {
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
            words: layout.words,
            weights,
            bias,
            scale,
            finish: spec.finish,
            panels,
            places,
            places_together,
        })
    }

    pub fn dst(&self) -> &Buffer {
        &self.dst
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.bytes() + self.scale.bytes()
    }

    fn place_count(&self) -> usize {
        match &self.places {
            Places::Tiles(places) => places.len(),
            Places::Matrix(_, places) => places.len(),
        }
    }

    /// Into how many parts the work is cut: of panels, of places.
    fn parts(&self, threads: usize) -> (usize, usize) {
        if threads == 1 {
            return (1, 1);
        }
        let wanted = threads * 4;
        if self.places_together != usize::MAX {
            return (1, wanted.min(self.place_count()));
        }
        let panels = wanted.min(self.panels.len());
        (panels, wanted.div_ceil(panels).min(self.place_count()))
    }

    pub fn tasks(&self, threads: usize) -> usize {
        let (panels, places) = self.parts(threads);
        panels * places
    }

    /// Computes one part of the output.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read here, and nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, threads: usize, task: usize) {
        let (panel_parts, place_parts) = self.parts(threads);
        let panels = part(&self.panels, panel_parts, task / place_parts);
        // SAFETY of all calls: the caller's.
        match &self.places {
            Places::Tiles(places) => {
                let places = part(places, place_parts, task % place_parts);
                self.walk(panels, places, |panel, place, _| unsafe {
                    self.tile(arena, panel, place);
                });
            }
            Places::Matrix(matrix, places) => {
                let places = part(places, place_parts, task % place_parts);
                unsafe { (matrix.enter)() };
                self.walk(panels, places, |panel, place, ahead| unsafe {
                    self.matrix_tile(arena, matrix, panel, place, ahead);
                });
                unsafe { (matrix.leave)() };
            }
        }
    }

    /// Calls `tile` with every panel and place, and with the share of the next panel's weights to be asked for.
    fn walk<P>(&self, panels: &[Panel], places: &[P], mut tile: impl FnMut(&Panel, &P, usize)) {
        for together in places.chunks(self.places_together.min(places.len().max(1))) {
            for panel in panels {
                for (index, place) in together.iter().enumerate() {
                    tile(panel, place, index);
                }
            }
        }
    }

    /// What all kernels of a panel read and write at an output pixel.
    ///
    /// # Safety
    /// As for [`Conv::run`].
    unsafe fn at(&self, arena: Arena, panel: &Panel, y: usize, x: usize) -> Tile<'_> {
        let Self { dst, lanes, .. } = self;
        let number = panel.group * lanes;
        // SAFETY: panels and places lie inside the output, and biases and scales cover its vectors.
        unsafe {
            let (residual, residual_next) = match &self.residual {
                None => (std::ptr::null(), 0),
                Some(from) => (
                    arena.at(from.group_at(panel.group, y, x)).cast_const(),
                    from.next_group(panel.group),
                ),
            };
            Tile {
                input: std::ptr::null(),
                second: 0,
                step: self.window.stride[1] * self.src.pixel(),
                runs: self.runs.as_ptr(),
                run_count: self.runs.len(),
                words: self.words,
                weights: self.weights.as_ptr().add(panel.weights),
                live: panel.vectors,
                output: arena.at(dst.group_at(panel.group, y, x)),
                output_next: dst.next_group(panel.group),
                output_second: 0,
                residual,
                residual_next,
                residual_second: 0,
                bias: self.bias.as_ptr().add(number * 4),
                scale: self.scale.as_ptr().cast::<f32>().wrapping_add(number),
                finish: &self.finish,
            }
        }
    }

    unsafe fn tile(&self, arena: Arena, panel: &Panel, place: &Place) {
        let Self { src, dst, window, .. } = self;
        let start = src.window_start(panel.input_block, window.before)
            + place.y * window.stride[0] * src.row()
            + place.x * window.stride[1] * src.pixel();
        // SAFETY: buffers were laid out with the border that the window reads, places lie inside the output.
        unsafe {
            let mut tile = self.at(arena, panel, place.y, place.x);
            tile.input = arena.at(start);
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
        matrix: &Matrix,
        panel: &Panel,
        place: &MatrixPlace,
        index: usize,
    ) {
        #[repr(align(64))]
        struct Sums([std::mem::MaybeUninit<u8>; 32 * 2 * 64]);
        let mut sums = Sums([std::mem::MaybeUninit::uninit(); 32 * 2 * 64]);
        let panel_bytes = self.runs.len() * MATRIX_WORDS * panel.vectors * 64;
        let start = self.src.window_start(0, self.window.before);
        // SAFETY: buffers were laid out with the border that the window reads, and the arena ends with room for the
        // pixels of a tile that lie beyond the last one.
        unsafe {
            let input = arena.at(start).cast_const();
            let weights = self.weights.as_ptr().add(panel.weights);
            (matrix.multiply)(&MatrixTile {
                inputs: place.inputs.map(|from| input.add(from)),
                step: self.window.stride[1] * self.src.pixel(),
                runs: self.runs.as_ptr(),
                run_count: self.runs.len(),
                weights,
                vectors: panel.vectors,
                // While a panel passes over its places, they ask for the next panel's weights.
                ahead: weights.wrapping_add(panel_bytes + index * self.runs.len() * 512),
                sums: sums.0.as_mut_ptr().cast(),
            });
            for outputs in &place.outputs {
                let tile = self.at(arena, panel, outputs.y, outputs.x);
                let from = sums.0.as_ptr().add(outputs.first * panel.vectors * 64);
                (matrix.finish)(&tile, from.cast(), outputs.count, panel.vectors, outputs.count);
            }
        }
    }
}

fn is_int8(weight: i16) -> bool {
    (-128..=127).contains(&weight)
}

/// Input channels that the output channels `first..last` read.
fn channels_read(first: usize, last: usize, groups: Groups) -> (usize, usize) {
    (
        first / groups.output * groups.input,
        ((last - 1) / groups.output + 1) * groups.input,
    )
}

/// The most blocks of input channels that one vector of output channels reads, where there are groups.
fn group_blocks(src: &Buffer, dst: &Buffer, groups: usize) -> usize {
    let groups = Groups {
        input: src.channels / groups,
        output: dst.channels / groups,
        out: dst.channels,
    };
    let (lanes, block) = (dst.words, src.block_channels());
    let blocks = |vector: usize| {
        let last = ((vector + 1) * lanes).min(dst.channels);
        let (from, to) = channels_read(vector * lanes, last, groups);
        to.div_ceil(block) - from / block
    };
    (0..dst.channels.div_ceil(lanes)).map(blocks).max().unwrap_or(0)
}

fn panels(spec: &Spec, lanes: usize, per_vector: usize, groups: Groups, blocks: usize) -> Vec<Panel> {
    let mut panels = Vec::new();
    let (mut group, mut weights) = (0, 0);
    let count = vectors(&spec.dst);
    while group < count {
        let vectors = if spec.groups > 1 || group + 1 == count { 1 } else { 2 };
        let input_block = if spec.groups > 1 {
            let first = (group * lanes).min(spec.dst.channels - 1);
            let (from, _) = channels_read(first, first + 1, groups);
            (from / spec.src.block_channels()).min(spec.src.blocks() - blocks)
        } else {
            0
        };
        panels.push(Panel { group, vectors, weights, input_block });
        weights += per_vector * vectors;
        group += vectors;
    }
    panels
}

/// Tiles that cover the output.
fn places(arithmetic: &Arithmetic, src: &Buffer, dst: &Buffer, stride: usize) -> Option<Vec<Place>> {
    let kernels = |pixels: usize| {
        let shape = |vectors| Shape {
            pixels,
            vectors,
            step: stride * src.pixel(),
        };
        Some([(arithmetic.tile)(shape(1))?, (arithmetic.tile)(shape(2))?])
    };
    let mut places = Vec::new();
    let mut y = 0;
    while y < dst.height {
        if y + 1 < dst.height
            && let Some(kernels) = kernels(2 * dst.width)
        {
            places.push(Place { y, x: 0, half: dst.width, two_rows: true, kernels });
            y += 2;
            continue;
        }
        let mut x = 0;
        for pixels in cover(dst.width, arithmetic.widths) {
            let kernels = kernels(pixels)?;
            places.push(Place { y, x, half: half(pixels), two_rows: false, kernels });
            x += pixels;
        }
        y += 1;
    }
    Some(places)
}

/// Pairs of matrix tiles that cover the output.
///
/// With a stride of 1, output pixels follow each other in memory as their inputs do, borders included: tiles run on over
/// the ends of rows, and what falls into the borders is left out. Other strides begin every row anew.
fn matrix_places(src: &Buffer, dst: &Buffer, window: &Window) -> Vec<MatrixPlace> {
    const ROWS: usize = 16;
    let step = window.stride[1] * src.pixel();
    let pitch = src.row() / src.pixel();
    let mut tiles: Vec<(usize, Vec<Outputs>)> = Vec::new();
    if window.stride == [1, 1] {
        let end = (dst.height - 1) * pitch + dst.width;
        for first in (0..end).step_by(ROWS) {
            let mut outputs: Vec<Outputs> = Vec::new();
            for position in first..(first + ROWS).min(end) {
                let (y, x) = (position / pitch, position % pitch);
                match outputs.last_mut() {
                    _ if x >= dst.width => {}
                    Some(last) if last.y == y => last.count += 1,
                    _ => outputs.push(Outputs { first: position - first, count: 1, y, x }),
                }
            }
            if !outputs.is_empty() {
                tiles.push((first * step, outputs));
            }
        }
    } else {
        for y in 0..dst.height {
            for x in (0..dst.width).step_by(ROWS) {
                let count = ROWS.min(dst.width - x);
                let at = y * window.stride[0] * src.row() + x * step;
                tiles.push((at, vec![Outputs { first: 0, count, y, x }]));
            }
        }
    }
    let mut places = Vec::new();
    let mut tiles = tiles.into_iter();
    while let Some((first, mut outputs)) = tiles.next() {
        let second = tiles.next();
        let inputs = [first, second.as_ref().map_or(first, |(at, _)| *at)];
        for mut more in second.into_iter().flat_map(|(_, outputs)| outputs) {
            more.first += ROWS;
            outputs.push(more);
        }
        places.push(MatrixPlace { inputs, outputs });
    }
    places
}
