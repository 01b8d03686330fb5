//! The small steps between convolutions: reading the image, sums and clamps that no convolution took over, pooling.
//! Memory decides their speed, so they are written once, in plain loops over the lanes of a block.

use crate::buffer::Buffer;
use crate::graph::Window;
use crate::memory::Arena;

/// The image into its buffer, `[C, H, W]` as it comes; a task is a channel.
pub(crate) struct Read {
    pub dst: Buffer,
}

/// `clamp(a + b)`, or of `a` alone; a task is a block of channels.
pub(crate) struct Combine {
    pub a: Buffer,
    pub b: Option<Buffer>,
    pub dst: Buffer,
    pub low: f32,
    pub high: f32,
}

/// The largest of a window; a task is a block of channels.
pub(crate) struct MaxPool {
    pub src: Buffer,
    pub dst: Buffer,
    pub window: Window,
}

/// The mean of every channel; a task is a block of channels.
pub(crate) struct Mean {
    pub src: Buffer,
    pub dst: Buffer,
}

// In all four, # Safety: the arena is the plan's, nobody writes what is read, nobody else has this task.

impl Read {
    pub unsafe fn run(&self, arena: Arena, image: &[f32], channel: usize) {
        let Buffer {
            height,
            width,
            lanes,
            ..
        } = self.dst;
        for (y, row) in image[channel * height * width..][..height * width]
            .chunks_exact(width)
            .enumerate()
        {
            let start = self.dst.at(channel / lanes, y, 0) + channel % lanes;
            for (x, value) in row.iter().enumerate() {
                // SAFETY: a pixel of the buffer.
                unsafe { arena.at(start + x * lanes).write(*value) };
            }
        }
        // Lanes without a channel hold what the last user of this place left there, and a NaN times a weight of zero is
        // a NaN.
        if channel + 1 == self.dst.channels {
            let empty = self.dst.blocks() * lanes - self.dst.channels;
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let first = self.dst.at(channel / lanes, y, x) + channel % lanes + 1;
                // SAFETY: the rest of a pixel's lanes, which no channel owns.
                unsafe { std::slice::from_raw_parts_mut(arena.at(first), empty) }.fill(0.0);
            }
        }
    }
}

/// A row of a block, borders left out.
unsafe fn row<'a>(arena: Arena, from: &Buffer, block: usize, y: usize) -> &'a [f32] {
    // SAFETY: the caller's: a row of the buffer that nobody writes now.
    unsafe { std::slice::from_raw_parts(arena.at(from.at(block, y, 0)), from.width * from.lanes) }
}

unsafe fn row_mut<'a>(arena: Arena, to: &Buffer, block: usize, y: usize) -> &'a mut [f32] {
    // SAFETY: the caller's: a row of the buffer that nobody else reads or writes now.
    unsafe { std::slice::from_raw_parts_mut(arena.at(to.at(block, y, 0)), to.width * to.lanes) }
}

/// `value` within `low..=high`; a NaN stays one.
fn clamp(value: f32, low: f32, high: f32) -> f32 {
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

impl Combine {
    pub unsafe fn run(&self, arena: Arena, block: usize) {
        for y in 0..self.dst.height {
            // SAFETY: the caller's; a value never shares its place with one it is computed from.
            let (a, to) = unsafe {
                (
                    row(arena, &self.a, block, y),
                    row_mut(arena, &self.dst, block, y),
                )
            };
            match &self.b {
                None => to
                    .iter_mut()
                    .zip(a)
                    .for_each(|(to, a)| *to = clamp(*a, self.low, self.high)),
                Some(b) => {
                    // SAFETY: as above.
                    let b = unsafe { row(arena, b, block, y) };
                    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                        *to = clamp(a + b, self.low, self.high);
                    }
                }
            }
        }
    }
}

impl MaxPool {
    pub unsafe fn run(&self, arena: Arena, block: usize) {
        let Window {
            kernel,
            stride,
            before,
            ..
        } = self.window;
        let lanes = self.dst.lanes;
        // Taps that lie inside the image, for an output row or column.
        let inside = |at: usize, axis: usize, size: usize| {
            let from = (at * stride[axis]).saturating_sub(before[axis]);
            from..(at * stride[axis] + kernel[axis] - before[axis]).min(size)
        };
        for y in 0..self.dst.height {
            // SAFETY: the caller's.
            let to = unsafe { row_mut(arena, &self.dst, block, y) };
            to.fill(f32::NEG_INFINITY);
            for from_y in inside(y, 0, self.src.height) {
                // SAFETY: the caller's.
                let from = unsafe { row(arena, &self.src, block, from_y) };
                for (x, to) in to.chunks_exact_mut(lanes).enumerate() {
                    for from_x in inside(x, 1, self.src.width) {
                        for (to, value) in to.iter_mut().zip(&from[from_x * lanes..][..lanes]) {
                            *to = if *value > *to || value.is_nan() {
                                *value
                            } else {
                                *to
                            };
                        }
                    }
                }
            }
        }
    }
}

impl Mean {
    pub unsafe fn run(&self, arena: Arena, block: usize) {
        let lanes = self.dst.lanes;
        // SAFETY: the caller's.
        let to = unsafe { row_mut(arena, &self.dst, block, 0) };
        to.fill(0.0);
        for y in 0..self.src.height {
            // SAFETY: the caller's.
            let from = unsafe { row(arena, &self.src, block, y) };
            for pixel in from.chunks_exact(lanes) {
                to.iter_mut()
                    .zip(pixel)
                    .for_each(|(to, value)| *to += value);
            }
        }
        let pixels = (self.src.height * self.src.width) as f32;
        to.iter_mut().for_each(|to| *to /= pixels);
    }
}
