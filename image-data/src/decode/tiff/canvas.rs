//! The picture's samples while strips and tiles arrive, in whatever order.

use super::layout::Layout;
use super::{Unpacked, samples};

/// The picture's kept samples while strips and tiles arrive.
pub(super) enum Canvas {
    Bytes(Plane<u8>),
    Floats(Plane<f32>),
}

pub(super) struct Plane<T> {
    data: Vec<T>,
    width: usize,
    height: usize,
    kept: usize,
    chunk_width: usize,
}

impl Canvas {
    pub(super) fn new(layout: &Layout) -> Self {
        fn plane<T: Copy + Default>(layout: &Layout) -> Plane<T> {
            Plane {
                data: vec![T::default(); layout.width * layout.height * layout.kept()],
                width: layout.width,
                height: layout.height,
                kept: layout.kept(),
                chunk_width: layout.chunk[0],
            }
        }
        if layout.ranged() {
            Self::Floats(plane(layout))
        } else {
            Self::Bytes(plane(layout))
        }
    }

    pub(super) fn place(
        &mut self,
        unpacked: &Unpacked,
        at: [usize; 2],
        rows: usize,
        plane: Option<usize>,
    ) {
        match (self, unpacked) {
            (Self::Bytes(canvas), Unpacked::Bytes(data, samples)) => {
                canvas.place(data, *samples, at, rows, plane);
            }
            (Self::Floats(canvas), Unpacked::Floats(data, samples)) => {
                canvas.place(data, *samples, at, rows, plane);
            }
            // Both sides ask `Layout::ranged`.
            _ => {}
        }
    }

    pub(super) fn into_bytes(self, layout: &Layout) -> Vec<u8> {
        match self {
            Self::Bytes(canvas) => canvas.data,
            Self::Floats(canvas) => samples::to_bytes(&canvas.data, layout.numbers),
        }
    }
}

impl<T: Copy> Plane<T> {
    /// Copies what of a chunk lies inside the picture: every kept sample, or the one of `plane`.
    fn place(
        &mut self,
        data: &[T],
        samples: usize,
        [x, y]: [usize; 2],
        rows: usize,
        plane: Option<usize>,
    ) {
        let columns = self.chunk_width.min(self.width - x);
        for row in 0..rows.min(self.height - y) {
            let from = row * self.chunk_width * samples;
            let to = ((y + row) * self.width + x) * self.kept;
            for column in 0..columns {
                match plane {
                    Some(plane) => self.data[to + column * self.kept + plane] = data[from + column],
                    None => {
                        let (from, to) = (from + column * samples, to + column * self.kept);
                        let count = self.kept.min(samples);
                        self.data[to..to + count].copy_from_slice(&data[from..from + count]);
                    }
                }
            }
        }
    }
}
