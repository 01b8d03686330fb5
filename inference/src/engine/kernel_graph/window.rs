//! Windows of convolutions and poolings, with ONNX's ways to state a border.

use kernels::{Node, ValueId, Window};
use model_core::onnx::NodeProto;

use super::Builder;
use super::attributes::{attribute, integer};

/// The largest stride, dilation, kernel side or border; far above any network's.
const MAX_STEP: usize = 4096;

impl Builder<'_, '_> {
    /// Kernel, stride, dilation and border of a convolution or a pooling.
    pub(super) fn window(
        &self,
        node: &NodeProto,
        input: ValueId,
        kernel: Option<[usize; 2]>,
    ) -> Result<Window, String> {
        let pair = |name: &str, default: usize| match attribute(node, name).map(|a| &a.ints[..]) {
            None => Ok([default; 2]),
            Some([a, b]) => match (usize::try_from(*a), usize::try_from(*b)) {
                (Ok(a), Ok(b)) if a.max(b) <= MAX_STEP => Ok([a, b]),
                _ => Err(format!("{name} {a}, {b}")),
            },
            Some(other) => Err(format!("{name} {other:?}")),
        };
        let stated = pair("kernel_shape", 0)?;
        let kernel = kernel.unwrap_or(stated);
        if stated != [0; 2] && stated != kernel
            || kernel.contains(&0)
            || kernel.iter().any(|k| *k > MAX_STEP)
        {
            return Err(format!(
                "kernel_shape {stated:?} over weights of {kernel:?}"
            ));
        }
        let (stride, dilation) = (pair("strides", 1)?, pair("dilations", 1)?);
        let pads = match attribute(node, "pads").map(|a| &a.ints[..]) {
            None => [0; 4],
            Some(ints) => {
                let sizes: Option<Vec<usize>> = ints
                    .iter()
                    .map(|p| usize::try_from(*p).ok().filter(|p| *p <= MAX_STEP))
                    .collect();
                let four = sizes.and_then(|sizes| <[usize; 4]>::try_from(sizes).ok());
                four.ok_or_else(|| format!("pads {ints:?}"))?
            }
        };
        let mut window = Window {
            kernel,
            stride,
            dilation,
            before: [pads[0], pads[1]],
            after: [pads[2], pads[3]],
        };
        let auto = attribute(node, "auto_pad")
            .and_then(|a| a.s.as_deref())
            .unwrap_or(b"NOTSET");
        match auto {
            b"NOTSET" => {}
            b"VALID" => (window.before, window.after) = ([0; 2], [0; 2]),
            b"SAME_UPPER" | b"SAME_LOWER" => {
                for axis in 0..2 {
                    let size = self.shapes[input][axis + 1];
                    let steps = size.div_ceil(stride[axis].max(1)) - 1;
                    let reach = steps * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
                    let all = reach.saturating_sub(size);
                    let less = all / 2;
                    let upper = auto == b"SAME_UPPER";
                    window.before[axis] = if upper { less } else { all - less };
                    window.after[axis] = all - window.before[axis];
                }
            }
            other => return Err(format!("auto_pad {}", String::from_utf8_lossy(other))),
        }
        Ok(window)
    }

    /// The window of a pooling; `ceil_mode` is a larger border after the image.
    fn pooling_window(&self, node: &NodeProto, input: ValueId) -> Result<Window, String> {
        let mut window = self.window(node, input, None)?;
        if integer(node, "ceil_mode", 0) == 0 {
            return Ok(window);
        }
        for axis in 0..2 {
            let size = self.shapes[input][axis + 1];
            let (before, stride) = (window.before[axis], window.stride[axis].max(1));
            let padded = size + before + window.after[axis];
            let Some(room) = padded.checked_sub(window.kernel[axis]) else {
                return Err(format!("{window:?} does not fit"));
            };
            let mut last = room.div_ceil(stride) * stride;
            // A window that would begin beyond the image is left out.
            if last >= size + before {
                last -= stride;
            }
            let missing = (last + window.kernel[axis]).saturating_sub(padded);
            window.after[axis] += missing;
        }
        Ok(window)
    }

    pub(super) fn max_pool(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        if node.output.len() > 1 {
            return Err("indices of the largest values".to_owned());
        }
        let window = self.pooling_window(node, input)?;
        self.push(Node::MaxPool { input, window })
    }

    pub(super) fn average_pool(
        &mut self,
        node: &NodeProto,
        input: ValueId,
    ) -> Result<ValueId, String> {
        let window = self.pooling_window(node, input)?;
        let is_whole = window.kernel[..] == self.shapes[input][1..]
            && window.before == [0; 2]
            && window.after == [0; 2];
        if is_whole {
            return self.push(Node::GlobalAvgPool { input });
        }
        let counts_border = integer(node, "count_include_pad", 0) != 0;
        if counts_border && integer(node, "ceil_mode", 0) != 0 {
            return Err("ceil_mode with count_include_pad".to_owned());
        }
        self.push(Node::AvgPool {
            input,
            window,
            counts_border,
        })
    }

    /// A mean over all pixels.
    pub(super) fn reduce_mean(
        &mut self,
        node: &NodeProto,
        input: ValueId,
    ) -> Result<ValueId, String> {
        let axes = match attribute(node, "axes") {
            Some(axes) => axes.ints.iter().map(|axis| *axis as f32).collect(),
            None => self.needed(node, 1)?.values()?,
        };
        let all = matches!(
            axes[..],
            [2.0, 3.0] | [-2.0, -1.0] | [3.0, 2.0] | [-1.0, -2.0]
        );
        if !all {
            return Err("a mean over less than all pixels".to_owned());
        }
        self.push(Node::GlobalAvgPool { input })
    }
}
