//! The largest and the mean of windows, and of whole channels.

// In all that follows, # Safety: the arena is the plan's, nobody writes what is read, nobody else has this task.

use super::small::{chunks, pixels};
use crate::buffer::Buffer;
use crate::elem::{Elem, load, store, to_u8};
use crate::graph::Window;
use crate::memory::Arena;

/// Taps of a window that lie inside the image, for an output row or column.
#[inline(always)]
fn inside(window: &Window, axis: usize, at: usize, size: usize) -> std::ops::Range<usize> {
    let first = at * window.stride[axis];
    let from = first.saturating_sub(window.before[axis]);
    from..(first + window.kernel[axis] - window.before[axis])
        .min(size)
        .max(from)
}

#[inline(always)]
pub(super) unsafe fn max_pool<const L: usize>(
    arena: Arena,
    src: &Buffer,
    dst: &Buffer,
    window: &Window,
    group: usize,
) {
    /// `$read` gives the `[T; L]` of a pixel, `$write` stores it: unsafe code that is handed the pixel's address.
    macro_rules! pool {
        ($least:expr, |$from:ident| $read:expr, |$best:ident, $to:ident| $write:expr) => {
            for y in 0..dst.height {
                let rows = inside(window, 0, y, src.height);
                for x in 0..dst.width {
                    let columns = inside(window, 1, x, src.width);
                    let mut $best = [$least; L];
                    for from_y in rows.clone() {
                        let row = src.group_at(group, from_y, 0);
                        for from_x in columns.clone() {
                            // SAFETY: the caller answers for arena and task. `inside` stays in the image, where a pixel
                            // of a group has `L` numbers, which are read unaligned.
                            let values = unsafe {
                                let $from = arena.at(row + from_x * src.pixel()).cast_const();
                                $read
                            };
                            for i in 0..L {
                                // A NaN is larger than all.
                                #[allow(clippy::eq_op)]
                                if values[i] > $best[i] || values[i] != values[i] {
                                    $best[i] = values[i];
                                }
                            }
                        }
                    }
                    // SAFETY: the caller answers for arena and task, which alone writes the group. A pixel of it has
                    // room for `L` numbers, which are written unaligned.
                    unsafe {
                        let $to = arena.at(dst.group_at(group, y, x));
                        $write;
                    }
                }
            }
        };
    }
    match (src.elem, dst.elem) {
        (Elem::U8(from), Elem::U8(to)) if from == to => pool!(
            0u8,
            |from| from.cast::<[u8; L]>().read_unaligned(),
            |best, to| to.cast::<[u8; L]>().write_unaligned(best)
        ),
        (Elem::F32, to_elem) => pool!(
            f32::NEG_INFINITY,
            |from| from.cast::<[f32; L]>().read_unaligned(),
            |best, to| store(to_elem, &best, to)
        ),
        (from_elem, to_elem) => pool!(
            f32::NEG_INFINITY,
            |from| {
                let mut values = [0.0; L];
                load(from_elem, from, &mut values);
                values
            },
            |best, to| store(to_elem, &best, to)
        ),
    }
}

#[inline(always)]
pub(super) unsafe fn avg_pool<const L: usize>(
    arena: Arena,
    src: &Buffer,
    dst: &Buffer,
    window: &Window,
    counts_border: bool,
    group: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        chunks::<L>(arena, dst, group, |y, x, values| {
            let rows = inside(window, 0, y, src.height);
            for (i, pixel) in values.chunks_exact_mut(L).enumerate() {
                let columns = inside(window, 1, x + i, src.width);
                let mut sum = [0.0f32; L];
                for from_y in rows.clone() {
                    for from_x in columns.clone() {
                        let mut one = [0.0; L];
                        pixels::<L>(arena, src, group, from_y, from_x, &mut one);
                        sum.iter_mut().zip(one).for_each(|(sum, v)| *sum += v);
                    }
                }
                let count = if counts_border {
                    counted(window, src, [y, x + i])
                } else {
                    rows.len() * columns.len()
                };
                pixel
                    .iter_mut()
                    .zip(sum)
                    .for_each(|(p, sum)| *p = sum / count as f32);
            }
        });
    }
}

/// Pixels of a window with its border, which ends where the border does (PyTorch's `count_include_pad`).
#[inline(always)]
fn counted(window: &Window, src: &Buffer, at: [usize; 2]) -> usize {
    let along = |axis: usize, size: usize| {
        let first = at[axis] * window.stride[axis];
        let end = size + window.before[axis] + window.after[axis];
        (first + window.kernel[axis]).min(end) - first
    };
    along(0, src.height) * along(1, src.width)
}

/// The mean of every channel. Bytes are summed as integers and scaled as ONNX Runtime's QLinearGlobalAveragePool does.
#[inline(always)]
pub(super) unsafe fn mean<const L: usize>(arena: Arena, src: &Buffer, dst: &Buffer, group: usize) {
    let count = src.height * src.width;
    let mut values = [0.0f32; L];
    // SAFETY: the caller's: pixels of the group.
    unsafe {
        if let Elem::U8(from) = src.elem {
            let mut sums = [0i32; L];
            for y in 0..src.height {
                let row = src.group_at(group, y, 0);
                for x in 0..src.width {
                    let stored = arena
                        .at(row + x * src.pixel())
                        .cast::<[u8; L]>()
                        .read_unaligned();
                    sums.iter_mut()
                        .zip(stored)
                        .for_each(|(sum, v)| *sum += i32::from(v));
                }
            }
            let centered = sums.map(|sum| (sum - from.zero * count as i32) as f32);
            let to = arena.at(dst.group_at(group, 0, 0));
            if let Elem::U8(scale) = dst.elem {
                let factor = from.scale / (scale.scale * count as f32);
                let stored: [u8; L] = std::array::from_fn(|i| {
                    let rounded = (centered[i] * factor).round_ties_even() + scale.zero as f32;
                    to_u8(rounded)
                });
                to.cast::<[u8; L]>().write_unaligned(stored);
            } else {
                values = centered.map(|sum| sum * from.scale / count as f32);
                store(dst.elem, &values, to);
            }
            return;
        }
        for y in 0..src.height {
            for x in 0..src.width {
                let mut one = [0.0; L];
                pixels::<L>(arena, src, group, y, x, &mut one);
                values.iter_mut().zip(one).for_each(|(sum, v)| *sum += v);
            }
        }
        values.iter_mut().for_each(|v| *v /= count as f32);
        store(dst.elem, &values, arena.at(dst.group_at(group, 0, 0)));
    }
}
