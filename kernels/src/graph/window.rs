//! Where the window of a convolution or a pooling lies.

/// A window: its size, its steps and the border around the image. Vertical before horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Distance of neighboring taps.
    pub dilation: [usize; 2],
    /// Border before the first row and column.
    pub before: [usize; 2],
    /// Border after the last row and column.
    pub after: [usize; 2],
}

impl Window {
    /// A window of one pixel.
    pub fn point() -> Self {
        Self {
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            before: [0; 2],
            after: [0; 2],
        }
    }

    /// Height and width of what it gives on an image of `size`; none where it does not fit (PyTorch's `Conv2d`).
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let reach = self.dilation[axis].checked_mul(self.kernel[axis].checked_sub(1)?)?;
            let all = size[axis]
                .checked_add(self.before[axis])?
                .checked_add(self.after[axis])?;
            let room = all.checked_sub(reach)?.checked_sub(1)?;
            room.checked_div(self.stride[axis])?.checked_add(1)
        };
        Some([along(0)?, along(1)?])
    }

    /// Whether every window covers a pixel of the image, as a pooling needs it.
    pub(crate) fn always_covers(&self) -> bool {
        (0..2).all(|axis| {
            self.before[axis] < self.kernel[axis]
                && self.after[axis] < self.kernel[axis]
                && self.dilation[axis] == 1
        })
    }
}
