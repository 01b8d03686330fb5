//! The image into its place, and channels of several values into one.

// In all that follows, # Safety: the arena is the plan's, nobody writes what is read, nobody else has this task.

use super::small::{chunks, pixels};
use crate::buffer::Buffer;
use crate::elem::{Elem, load};
use crate::memory::Arena;

/// A row of the image. Numbers of a pixel without a channel become zeros: what the last user of this place left there
/// may be a NaN, and a NaN times a weight of zero is a NaN.
#[inline(always)]
pub(super) unsafe fn read(arena: Arena, dst: &Buffer, image: &[f32], y: usize) {
    // The element type is looked at once, not for every number.
    macro_rules! each {
        ($($arguments:tt)*) => {
            match dst.elem {
                Elem::F32 => row($($arguments)*, Elem::F32),
                Elem::Bf16 => row($($arguments)*, Elem::Bf16),
                Elem::U8(scale) => row($($arguments)*, Elem::U8(scale)),
            }
        };
    }
    // SAFETY: the caller's.
    unsafe { each!(arena, dst, image, y) }
}

/// See [`read`]. A stretch of the channels that share words becomes stored numbers first, then words of them.
#[inline(always)]
unsafe fn row(arena: Arena, dst: &Buffer, image: &[f32], y: usize, elem: Elem) {
    const STRETCH: usize = 64;
    let Buffer { height, width, .. } = *dst;
    let (per_word, pixel) = (elem.per_word(), dst.pixel());
    for first_channel in (0..dst.blocks() * dst.block_channels()).step_by(per_word) {
        let start = dst.number_at(first_channel, y, 0);
        for first in (0..width).step_by(STRETCH) {
            let count = STRETCH.min(width - first);
            let mut words = [0u32; STRETCH];
            for within in 0..per_word {
                let channel = first_channel + within;
                let mut reals = [0.0f32; STRETCH];
                if channel < dst.channels {
                    let from = (channel * height + y) * width + first;
                    reals[..count].copy_from_slice(&image[from..from + count]);
                }
                let place = if cfg!(target_endian = "big") {
                    per_word - 1 - within
                } else {
                    within
                };
                let shift = 8 * elem.size() * place;
                for (word, real) in words.iter_mut().zip(reals) {
                    *word |= elem.bits(real) << shift;
                }
            }
            let to = start + first * pixel;
            // SAFETY: words of pixels of the row.
            unsafe {
                if pixel == 4 {
                    let from = words.as_ptr().cast::<u8>();
                    std::ptr::copy_nonoverlapping(from, arena.at(to), count * 4);
                } else {
                    for (x, word) in words[..count].iter().enumerate() {
                        arena
                            .at(to + x * pixel)
                            .cast::<u32>()
                            .write_unaligned(*word);
                    }
                }
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn gather<const L: usize>(
    arena: Arena,
    sources: &[Buffer],
    map: &[(usize, usize)],
    dst: &Buffer,
    group: usize,
) {
    let wanted = map.get(group * L..).unwrap_or_default();
    let wanted = &wanted[..wanted.len().min(L)];
    // Whole groups are copied as they are.
    if let Some(&(source, first)) = wanted.first()
        && wanted.len() == L
        && first.is_multiple_of(L)
        && wanted
            .iter()
            .enumerate()
            .all(|(i, from)| *from == (source, first + i))
    {
        let src = &sources[source];
        // SAFETY: the caller's.
        unsafe {
            chunks::<L>(arena, dst, group, |y, x, values| {
                pixels::<L>(arena, src, first / L, y, x, values);
            });
        }
        return;
    }
    // SAFETY: the caller's.
    unsafe {
        chunks::<L>(arena, dst, group, |y, x, values| {
            values.fill(0.0);
            for (lane, (source, channel)) in wanted.iter().enumerate() {
                let src = &sources[*source];
                let start = src.number_at(*channel, y, x);
                for (i, pixel) in values.chunks_exact_mut(L).enumerate() {
                    let from = arena.at(start + i * src.pixel());
                    load(src.elem, from, std::slice::from_mut(&mut pixel[lane]));
                }
            }
        });
    }
}
