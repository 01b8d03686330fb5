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

    /// How many of `outputs` rows read only the first `ready` of `rows` rows.
    pub(crate) fn rows_from(&self, ready: usize, rows: usize, outputs: usize) -> usize {
        if ready >= rows {
            return outputs;
        }
        let reach = (self.kernel[0] - 1) * self.dilation[0];
        let Some(last) = (ready + self.before[0]).checked_sub(reach + 1) else {
            return 0;
        };
        (last / self.stride[0] + 1).min(outputs)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ready_when_their_windows_are() {
        for (kernel, stride, dilation, before) in
            [(1, 1, 1, 0), (3, 1, 1, 1), (5, 2, 1, 2), (3, 2, 2, 0)]
        {
            let window = Window {
                kernel: [kernel, 1],
                stride: [stride, 1],
                dilation: [dilation, 1],
                before: [before, 0],
                after: [2, 0],
            };
            let outputs = window.output([20, 1]).unwrap_or_default()[0];
            for ready in 0..=20 {
                let last = |output: usize| output * stride + (kernel - 1) * dilation;
                let is_ready = |output: &usize| ready == 20 || last(*output) < ready + before;
                let expected = (0..outputs).filter(is_ready).count();
                assert_eq!(
                    window.rows_from(ready, 20, outputs),
                    expected,
                    "{window:?}, {ready}"
                );
            }
        }
    }
}
