//! The shape of what a node gives, and whether it fits what it reads.

use super::{Graph, KernelError, Node, ValueId, WeightData, Window};

impl Node<'_> {
    /// The values read.
    pub(crate) fn inputs(&self) -> Vec<ValueId> {
        match self {
            Self::Add { a, b } | Self::Mul { a, b } => vec![*a, *b],
            Self::Concat { inputs } => inputs.clone(),
            Self::Conv { input, .. }
            | Self::Linear { input, .. }
            | Self::Affine { input, .. }
            | Self::Clamp { input, .. }
            | Self::Map { input, .. }
            | Self::MaxPool { input, .. }
            | Self::AvgPool { input, .. }
            | Self::GlobalAvgPool { input }
            | Self::Slice { input, .. }
            | Self::Shuffle { input, .. }
            | Self::Pad { input, .. }
            | Self::Lrn { input, .. }
            | Self::Quantize { input, .. }
            | Self::Dequantize { input } => vec![*input],
        }
    }

    /// `[C, H, W]` of what the node gives, when `shapes` are those of all values before it.
    ///
    /// # Errors
    /// It reads what is not there yet, or its weights do not fit its input.
    pub fn shape(&self, shapes: &[[usize; 3]]) -> Result<[usize; 3], KernelError> {
        let inputs = self.inputs();
        let missing = inputs.iter().find(|value| **value >= shapes.len());
        let shape = match missing {
            Some(value) => Err(format!("reads value {value} before it is computed")),
            None => self.fitting_shape(shapes),
        };
        shape.map_err(|reason| KernelError::Node {
            node: shapes.len().saturating_sub(1),
            reason,
        })
    }

    fn fitting_shape(&self, shapes: &[[usize; 3]]) -> Result<[usize; 3], String> {
        let windowed = |window: &Window, [_, h, w]: [usize; 3]| {
            window
                .output([h, w])
                .ok_or_else(|| format!("{window:?} does not fit {h} x {w} pixels"))
        };
        Ok(match self {
            Self::Conv {
                input,
                weights,
                bias,
                out,
                groups,
                window,
            } => {
                let from = shapes[*input];
                if *groups == 0
                    || *out == 0
                    || !from[0].is_multiple_of(*groups)
                    || !out.is_multiple_of(*groups)
                {
                    return Err(format!("{groups} groups of {} channels to {out}", from[0]));
                }
                let [kh, kw] = window.kernel;
                weights_fit(weights, bias.as_ref(), *out, &[from[0] / groups, kh, kw])?;
                let [h, w] = windowed(window, from)?;
                [*out, h, w]
            }
            Self::Linear {
                input,
                weights,
                bias,
                out,
            } => {
                if *out == 0 {
                    return Err("a linear layer of no outputs".to_owned());
                }
                weights_fit(weights, bias.as_ref(), *out, &shapes[*input])?;
                [*out, 1, 1]
            }
            Self::Add { a, b } | Self::Mul { a, b } => {
                let (first, second) = (shapes[*a], shapes[*b]);
                if first != second && second != [first[0], 1, 1] {
                    let what = if matches!(self, Self::Add { .. }) {
                        "sum"
                    } else {
                        "product"
                    };
                    return Err(format!("a {what} of {first:?} and {second:?}"));
                }
                first
            }
            Self::Affine {
                input,
                scale,
                shift,
            } => {
                let from = shapes[*input];
                fits("scales", scale.count(), Some(from[0]))?;
                fits("shifts", shift.count(), Some(from[0]))?;
                from
            }
            Self::Quantize {
                input,
                quantization,
            } => {
                let range = if quantization.is_signed {
                    -128..=127
                } else {
                    0..=255
                };
                let scale_is_good = quantization.scale.is_finite() && quantization.scale > 0.0;
                if !scale_is_good || !range.contains(&quantization.zero_point) {
                    return Err(format!("a {quantization:?}"));
                }
                shapes[*input]
            }
            Self::Clamp { input, low, high } => {
                if low > high || low.is_nan() || high.is_nan() {
                    return Err(format!(
                        "expected a lower bound below the upper, got {low} and {high}"
                    ));
                }
                shapes[*input]
            }
            Self::Map { input, .. } | Self::Dequantize { input } => shapes[*input],
            Self::Lrn { input, size, .. } => {
                fits_range("channels summed", *size, 1..=1024)?;
                shapes[*input]
            }
            Self::MaxPool { input, window } | Self::AvgPool { input, window, .. } => {
                let from = shapes[*input];
                let [h, w] = windowed(window, from)?;
                if !window.always_covers() {
                    return Err(format!("a pooling of {window:?}"));
                }
                [from[0], h, w]
            }
            Self::GlobalAvgPool { input } => [shapes[*input][0], 1, 1],
            Self::Concat { inputs } => {
                let Some(first) = inputs.first() else {
                    return Err("nothing is joined".to_owned());
                };
                let [_, h, w] = shapes[*first];
                let mut channels = 0usize;
                for value in inputs {
                    if shapes[*value][1..] != [h, w] {
                        return Err(format!("{:?} joined to {h} x {w} pixels", shapes[*value]));
                    }
                    let more = channels.checked_add(shapes[*value][0]);
                    channels = more.ok_or("more channels than can be counted")?;
                }
                [channels, h, w]
            }
            Self::Slice {
                input,
                first,
                count,
            } => {
                let [channels, h, w] = shapes[*input];
                let end = first.checked_add(*count);
                if *count == 0 || end.is_none_or(|end| end > channels) {
                    return Err(format!("{count} channels from {first} of {channels}"));
                }
                [*count, h, w]
            }
            Self::Shuffle { input, groups } => {
                let from = shapes[*input];
                if *groups == 0 || !from[0].is_multiple_of(*groups) {
                    return Err(format!("{} channels shuffled in {groups} groups", from[0]));
                }
                from
            }
            Self::Pad {
                input,
                before,
                after,
            } => {
                let [channels, h, w] = shapes[*input];
                let along = |size: usize, axis: usize| {
                    size.checked_add(before[axis])?.checked_add(after[axis])
                };
                match (along(h, 0), along(w, 1)) {
                    (Some(h), Some(w)) => [channels, h, w],
                    _ => return Err("a border that cannot be counted".to_owned()),
                }
            }
        })
    }
}

fn fits(what: &str, got: usize, expected: Option<usize>) -> Result<(), String> {
    let wanted = expected.ok_or_else(|| format!("more {what} than can be counted"))?;
    if wanted == got {
        return Ok(());
    }
    Err(format!("expected {wanted} {what}, got {got}"))
}

fn fits_range(
    what: &str,
    got: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<(), String> {
    if range.contains(&got) {
        return Ok(());
    }
    Err(format!("expected {range:?} {what}, got {got}"))
}

fn weights_fit(
    weights: &WeightData,
    bias: Option<&WeightData>,
    out: usize,
    sides: &[usize],
) -> Result<(), String> {
    let count = sides
        .iter()
        .try_fold(out, |product, n| product.checked_mul(*n));
    fits("weights", weights.count(), count)?;
    if let Some(bias) = bias {
        fits("biases", bias.count(), Some(out))?;
    }
    if !weights.scales_fit(out) || !bias.is_none_or(|bias| bias.scales_fit(out)) {
        return Err(format!(
            "expected scales and zero points for {out} channels"
        ));
    }
    Ok(())
}

impl Graph<'_> {
    /// `[C, H, W]` of every value.
    ///
    /// # Errors
    /// A node that reads what is not there yet, or whose weights do not fit its input.
    pub fn shapes(&self) -> Result<Vec<[usize; 3]>, KernelError> {
        if self.input.contains(&0) {
            let reason = format!("an input of {:?}", self.input);
            return Err(KernelError::Node { node: 0, reason });
        }
        let mut shapes = vec![self.input];
        for node in &self.nodes {
            shapes.push(node.shape(&shapes)?);
        }
        if self.output >= shapes.len() {
            return Err(KernelError::Output(self.output));
        }
        Ok(shapes)
    }
}
