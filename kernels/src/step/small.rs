//! The small steps between convolutions: reading the image, sums, functions, pooling, joining and cutting channels.
//! Memory decides their speed, so they are written once, in plain loops over the lanes of a group of channels, and
//! compiled for every instruction set. Any element type is read as float32 and written as any other.

use super::channels::{gather, read};
use super::function::{apply, clamp};
use super::pool::{avg_pool, max_pool, mean};
use crate::buffer::Buffer;
use crate::elem::{Elem, load, store};
use crate::graph::{Function, Window};
use crate::isa::Proof;
use crate::memory::Arena;

/// A small step ready to run.
pub(crate) struct Small {
    pub op: Op,
    pub dst: Buffer,
    pub proof: Proof,
}

/// What it computes. A task is a group of channels of `dst`, of [`Op::Read`] a few rows.
pub(crate) enum Op {
    /// The image, `[C, H, W]` as it comes.
    Read,
    /// `clamp(function(a * scale + shift))`; also changes the element type.
    Map {
        a: Buffer,
        /// One of each for every channel.
        affine: Option<(Vec<f32>, Vec<f32>)>,
        function: Option<Function>,
        low: f32,
        high: f32,
    },
    /// `clamp(a + b)` or `clamp(a * b)`; `b` may be one pixel.
    Pair {
        a: Buffer,
        b: Buffer,
        is_product: bool,
        low: f32,
        high: f32,
    },
    /// Two quantized values summed as ONNX Runtime's QLinearAdd does: `a * ratios[0] + (b * ratios[1] + fixed)`.
    QuantizedSum {
        a: Buffer,
        b: Buffer,
        ratios: [f32; 2],
        fixed: f32,
        low: f32,
        high: f32,
    },
    MaxPool {
        src: Buffer,
        window: Window,
    },
    AvgPool {
        src: Buffer,
        window: Window,
        counts_border: bool,
    },
    Mean {
        src: Buffer,
    },
    /// Channel `i` of the output is `map[i]`: a source and its channel.
    Gather {
        sources: Vec<Buffer>,
        map: Vec<(usize, usize)>,
    },
    /// The image in the middle of zeros, or a part of it.
    Pad {
        src: Buffer,
        before: [usize; 2],
    },
    Lrn {
        src: Buffer,
        size: usize,
        alpha: f32,
        beta: f32,
        bias: f32,
    },
}

/// Pixels worked on at once.
const CHUNK: usize = 16;
/// Rows of the image in a task.
const READ_ROWS: usize = 8;
/// The most channels on one side that [`Op::Lrn`] looks at.
pub(crate) const LRN_REACH: usize = 8;

impl Small {
    pub fn tasks(&self) -> usize {
        match self.op {
            Op::Read => self.dst.height.div_ceil(READ_ROWS),
            _ => self.dst.groups(),
        }
    }

    /// Computes one task.
    ///
    /// # Safety
    /// The arena is the plan's, nobody writes what is read, nobody else has this task.
    pub unsafe fn run(&self, arena: Arena, image: &[f32], task: usize) {
        // SAFETY: the caller's; the proof says that the processor has the instructions.
        unsafe { (self.proof.set().small)(self, arena, image, task) }
    }
}

/// The small steps compiled for an instruction set of `$lanes` lanes.
macro_rules! small_steps {
    ($name:ident, $lanes:literal, $(#[$feature:meta])?) => {
        $(#[$feature])?
        pub(super) unsafe fn $name(
            small: &$crate::step::small::Small,
            arena: $crate::memory::Arena,
            image: &[f32],
            task: usize,
        ) {
            // SAFETY: the caller's.
            unsafe { $crate::step::small::run::<$lanes>(small, arena, image, task) }
        }
    };
}
pub(crate) use small_steps;

// In all that follows, # Safety: the arena is the plan's, nobody writes what is read, nobody else has this task.

#[inline(always)]
pub(crate) unsafe fn run<const L: usize>(small: &Small, arena: Arena, image: &[f32], task: usize) {
    let dst = &small.dst;
    // SAFETY: the caller's.
    unsafe {
        // The last block of narrow numbers may hold groups without a channel, which its sources need not have.
        if !matches!(small.op, Op::Read) && task * L >= dst.channels {
            chunks::<L>(arena, dst, task, |_, _, values| values.fill(0.0));
            return;
        }
        match &small.op {
            Op::Read => {
                let first = task * READ_ROWS;
                for y in first..(first + READ_ROWS).min(dst.height) {
                    read(arena, dst, image, y);
                }
            }
            Op::Map {
                a,
                affine,
                function,
                low,
                high,
            } => {
                chunks::<L>(arena, dst, task, |y, x, values| {
                    pixels::<L>(arena, a, task, y, x, values);
                    if let Some((scale, shift)) = affine {
                        let first = task * L;
                        let count = scale.len().saturating_sub(first).min(L);
                        for pixel in values.chunks_exact_mut(L) {
                            for i in 0..count {
                                pixel[i] = pixel[i] * scale[first + i] + shift[first + i];
                            }
                        }
                    }
                    if let Some(function) = function {
                        apply(*function, values);
                    }
                    values.iter_mut().for_each(|v| *v = clamp(*v, *low, *high));
                });
            }
            Op::Pair {
                a,
                b,
                is_product,
                low,
                high,
            } => {
                let mut other = [0.0; 16 * CHUNK];
                let is_point = b.height * b.width == 1;
                chunks::<L>(arena, dst, task, |y, x, values| {
                    pixels::<L>(arena, a, task, y, x, values);
                    let other = &mut other[..values.len()];
                    if is_point {
                        pixels::<L>(arena, b, task, 0, 0, &mut other[..L]);
                        for pixel in 1..other.len() / L {
                            other.copy_within(..L, pixel * L);
                        }
                    } else {
                        pixels::<L>(arena, b, task, y, x, other);
                    }
                    for (v, other) in values.iter_mut().zip(other) {
                        let result = if *is_product {
                            *v * *other
                        } else {
                            *v + *other
                        };
                        *v = clamp(result, *low, *high);
                    }
                });
            }
            Op::QuantizedSum {
                a,
                b,
                ratios,
                fixed,
                low,
                high,
            } => {
                let plain = Elem::U8(crate::elem::Scale {
                    scale: 1.0,
                    zero: 0,
                });
                let as_stored = |buffer: &Buffer| Buffer {
                    elem: plain,
                    ..*buffer
                };
                let (a, b, dst) = (as_stored(a), as_stored(b), as_stored(dst));
                let mut other = [0.0; 16 * CHUNK];
                chunks::<L>(arena, &dst, task, |y, x, values| {
                    pixels::<L>(arena, &a, task, y, x, values);
                    let other = &mut other[..values.len()];
                    pixels::<L>(arena, &b, task, y, x, other);
                    for (v, other) in values.iter_mut().zip(other) {
                        *v = clamp(*v * ratios[0] + (*other * ratios[1] + fixed), *low, *high);
                    }
                });
            }
            Op::MaxPool { src, window } => max_pool::<L>(arena, src, dst, window, task),
            Op::AvgPool {
                src,
                window,
                counts_border,
            } => {
                avg_pool::<L>(arena, src, dst, window, *counts_border, task);
            }
            Op::Mean { src } => mean::<L>(arena, src, dst, task),
            Op::Gather { sources, map } => gather::<L>(arena, sources, map, dst, task),
            Op::Pad { src, before } => {
                let inside = |at: usize, axis: usize, size: usize| {
                    at.checked_sub(before[axis]).filter(|at| *at < size)
                };
                chunks::<L>(arena, dst, task, |y, x, values| {
                    values.fill(0.0);
                    let Some(y) = inside(y, 0, src.height) else {
                        return;
                    };
                    for (i, pixel) in values.chunks_exact_mut(L).enumerate() {
                        if let Some(x) = inside(x + i, 1, src.width) {
                            pixels::<L>(arena, src, task, y, x, pixel);
                        }
                    }
                });
            }
            Op::Lrn {
                src,
                size,
                alpha,
                beta,
                bias,
            } => {
                let (below, above) = ((size - 1) / 2, size / 2);
                chunks::<L>(arena, dst, task, |y, x, values| {
                    for (i, pixel) in values.chunks_exact_mut(L).enumerate() {
                        let x = x + i;
                        // Channels from `LRN_REACH` before the group to as many after it.
                        let mut near = [0.0f32; 16 + 2 * LRN_REACH];
                        for (j, near) in near[..L + 2 * LRN_REACH].iter_mut().enumerate() {
                            let channel = (task * L + j).wrapping_sub(LRN_REACH);
                            if channel < src.channels {
                                let at = arena.at(src.number_at(channel, y, x));
                                load(src.elem, at, std::slice::from_mut(near));
                            }
                        }
                        for (j, value) in pixel.iter_mut().enumerate() {
                            let around = &near[j + LRN_REACH - below..=j + LRN_REACH + above];
                            let sum: f32 = around.iter().map(|v| v * v).sum();
                            let base = bias + alpha / *size as f32 * sum;
                            let power = if *beta == 0.75 {
                                let root = base.sqrt();
                                root * root.sqrt()
                            } else {
                                base.powf(*beta)
                            };
                            *value = near[j + LRN_REACH] / power;
                        }
                    }
                });
            }
        }
    }
}

/// Calls `compute(y, x, values)` for all pixels of a group, some neighbors in a row at a time, and stores the values
/// (`[pixels][L]`).
#[inline(always)]
pub(super) unsafe fn chunks<const L: usize>(
    arena: Arena,
    dst: &Buffer,
    group: usize,
    mut compute: impl FnMut(usize, usize, &mut [f32]),
) {
    let mut buffer = [0.0; 16 * CHUNK];
    for y in 0..dst.height {
        let mut x = 0;
        while x < dst.width {
            let count = CHUNK.min(dst.width - x);
            let values = &mut buffer[..count * L];
            compute(y, x, values);
            let start = dst.group_at(group, y, x);
            for (i, pixel) in values.chunks_exact(L).enumerate() {
                // SAFETY: the caller's: pixels of the group.
                unsafe { store(dst.elem, pixel, arena.at(start + i * dst.pixel())) };
            }
            x += count;
        }
    }
}

/// Reads neighboring pixels of a group as float32, `[pixels][L]`.
#[inline(always)]
pub(super) unsafe fn pixels<const L: usize>(
    arena: Arena,
    src: &Buffer,
    group: usize,
    y: usize,
    x: usize,
    to: &mut [f32],
) {
    let start = src.group_at(group, y, x);
    // The element type is looked at once, not for every pixel.
    macro_rules! each {
        ($elem:expr) => {
            for (i, pixel) in to.chunks_exact_mut(L).enumerate() {
                // SAFETY: the caller's: pixels of the group.
                unsafe { load($elem, arena.at(start + i * src.pixel()), pixel) };
            }
        };
    }
    match src.elem {
        Elem::F32 => each!(Elem::F32),
        Elem::Bf16 => each!(Elem::Bf16),
        Elem::U8(scale) => each!(Elem::U8(scale)),
    }
}
