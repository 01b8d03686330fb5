//! One row of a component at the picture's resolution: libjpeg's choice of method (`jdsample.c`) and its rounding.
//!
//! Doubling interpolates (3/4 of the nearer sample, 1/4 of the further one); everything else repeats samples. libjpeg
//! refuses ratios that are no whole numbers; here each pixel takes the sample it lies in.

use super::frame::{Component, Frame};
use super::planes::Plane;

/// How one component gets to the picture's resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// It is there.
    Same,
    /// Twice the columns, interpolated.
    Double,
    /// Twice the rows, interpolated.
    DoubleRows,
    /// Twice both, interpolated.
    DoubleBoth,
    /// Samples repeated; whole ratios or not.
    Repeat,
}

impl Method {
    pub fn of(component: &Component, frame: &Frame) -> Self {
        let ratio = |own: u32, largest: u32| match largest {
            _ if own == largest => 1,
            _ if own * 2 == largest => 2,
            _ => 0,
        };
        let (h, v) = (
            ratio(component.h * component.block, frame.h_max * frame.block),
            ratio(component.v * component.block, frame.v_max * frame.block),
        );
        // Two columns or fewer have no inner sample: libjpeg repeats them.
        let wide = component.width > 2;
        match (h, v) {
            (1, 1) => Self::Same,
            _ if frame.repeats => Self::Repeat,
            (2, 1) if wide => Self::Double,
            (1, 2) => Self::DoubleRows,
            (2, 2) if wide => Self::DoubleBoth,
            _ => Self::Repeat,
        }
    }
}

/// The two loops that deserve vectors. `near`, `far` and `source` start one sample before the first that is wanted and hold two more
/// than wanted; `out` takes two pixels a sample.
pub(super) trait Doubling: Copy {
    /// 3/4 and 1/4 across.
    fn double(self, source: &[u8], out: &mut [u8]);
    /// 3/4 and 1/4 both ways: `near` is the closer row.
    fn double_both(self, near: &[u8], far: &[u8], out: &mut [u8]);
}

/// Columns `x0..x1` of row `y` of the picture for one component, in `buffer` or straight from the plane.
#[inline(always)]
pub(super) fn row<'a>(
    doubling: impl Doubling,
    plane: &'a Plane,
    component: &Component,
    frame: &Frame,
    (y, x0, x1): (u32, u32, u32),
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    let width = (x1 - x0) as usize;
    match Method::of(component, frame) {
        Method::Same => {
            let (row, zero) = plane.row(i64::from(y));
            let start = (zero + x0 as isize) as usize;
            &row[start..start + width]
        }
        Method::Double => {
            let (row, zero) = plane.row(i64::from(y));
            let (start, samples) = doubled_span(zero, x0, x1);
            buffer.resize(samples * 2, 0);
            doubling.double(&row[start..start + samples + 2], buffer);
            &buffer[x0 as usize % 2..][..width]
        }
        Method::DoubleRows => {
            let (near, far) = two_rows(y);
            let (near, zero) = plane.row(near);
            let (far, _) = plane.row(far);
            let start = (zero + x0 as isize) as usize;
            // Halves are rounded up and down in turns, so that nothing gets brighter on the whole.
            let bias = 1 + y as u16 % 2;
            buffer.resize(width, 0);
            let pairs = near[start..start + width]
                .iter()
                .zip(&far[start..start + width]);
            for (out, (&near, &far)) in buffer.iter_mut().zip(pairs) {
                *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
            }
            &buffer[..width]
        }
        Method::DoubleBoth => {
            let (near, far) = two_rows(y);
            let (near, zero) = plane.row(near);
            let (far, _) = plane.row(far);
            let (start, samples) = doubled_span(zero, x0, x1);
            let span = start..start + samples + 2;
            buffer.resize(samples * 2, 0);
            doubling.double_both(&near[span.clone()], &far[span], buffer);
            &buffer[x0 as usize % 2..][..width]
        }
        Method::Repeat => {
            let (h, v) = (component.h * component.block, component.v * component.block);
            let (h_max, v_max) = (frame.h_max * frame.block, frame.v_max * frame.block);
            let (row, zero) = plane.row(i64::from(y * v / v_max));
            buffer.clear();
            buffer.extend((x0..x1).map(|x| {
                let sample = x * h / h_max;
                row[(zero + sample as isize) as usize]
            }));
            buffer
        }
    }
}

/// For pixels `x0..x1`: the index in the row of the sample before the first, and the number of samples.
fn doubled_span(zero: isize, x0: u32, x1: u32) -> (usize, usize) {
    let first = x0 / 2;
    let samples = (x1.div_ceil(2) - first) as usize;
    ((zero + first as isize - 1) as usize, samples)
}

/// The nearer and the further row of half the resolution.
fn two_rows(y: u32) -> (i64, i64) {
    let near = i64::from(y / 2);
    (
        near,
        if y.is_multiple_of(2) {
            near - 1
        } else {
            near + 1
        },
    )
}

/// Plain integers, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Doubling for Portable {
    #[inline(always)]
    fn double(self, source: &[u8], out: &mut [u8]) {
        for (pair, window) in out.as_chunks_mut::<2>().0.iter_mut().zip(source.windows(3)) {
            let [before, this, after] = [0, 1, 2].map(|i| u16::from(window[i]));
            pair[0] = ((this * 3 + before + 1) >> 2) as u8;
            pair[1] = ((this * 3 + after + 2) >> 2) as u8;
        }
    }

    #[inline(always)]
    fn double_both(self, near: &[u8], far: &[u8], out: &mut [u8]) {
        let windows = near.windows(3).zip(far.windows(3));
        for (pair, (near, far)) in out.as_chunks_mut::<2>().0.iter_mut().zip(windows) {
            let [before, this, after] =
                [0, 1, 2].map(|i| u16::from(near[i]) * 3 + u16::from(far[i]));
            pair[0] = ((this * 3 + before + 8) >> 4) as u8;
            pair[1] = ((this * 3 + after + 7) >> 4) as u8;
        }
    }
}
