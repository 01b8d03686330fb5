//! Channels joined, cut and shuffled, and zeros around an image.

use kernels::{Node, ValueId};
use model_core::onnx::NodeProto;

use super::attributes::{attribute, integer};
use super::{Builder, Tensor};

impl Builder<'_, '_> {
    pub(super) fn concat(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        let values: Result<Vec<ValueId>, String> =
            node.input.iter().map(|name| self.value(name)).collect();
        self.channel_axis(integer(node, "axis", 1))?;
        self.push(Node::Concat { inputs: values? })
    }

    fn channel_axis(&self, axis: i64) -> Result<(), String> {
        match axis {
            1 | -3 => Ok(()),
            other => Err(format!("axis {other}, not the channels")),
        }
    }

    /// One value for every output.
    pub(super) fn split(
        &mut self,
        node: &NodeProto,
        input: ValueId,
    ) -> Result<Vec<ValueId>, String> {
        self.channel_axis(integer(node, "axis", 0))?;
        let channels = self.shapes[input][0];
        let stated = match (attribute(node, "split"), self.constant(node, 1)) {
            (Some(split), _) => Some(split.ints.iter().map(|n| *n as f32).collect()),
            (None, Some(split)) => Some(split.values()?),
            (None, None) => None,
        };
        let parts = node.output.len().max(1);
        let counts: Vec<usize> = match stated {
            Some(counts) => counts.iter().map(|n| *n as usize).collect(),
            None => {
                let each = channels.div_ceil(parts);
                (0..parts)
                    .map(|part| each.min(channels - (part * each).min(channels)))
                    .collect()
            }
        };
        if counts.len() != parts || counts.iter().sum::<usize>() != channels {
            return Err(format!("{channels} channels into {counts:?}"));
        }
        let mut first = 0;
        let mut values = Vec::new();
        for count in counts {
            values.push(self.push(Node::Slice {
                input,
                first,
                count,
            })?);
            first += count;
        }
        Ok(values)
    }

    /// A slice of channels.
    pub(super) fn slice(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let one = |index: usize, name: &str| -> Result<Option<i64>, String> {
            if let Some(stated) = attribute(node, name) {
                return match stated.ints[..] {
                    [value] => Ok(Some(value)),
                    _ => Err(format!("{name} {:?}", stated.ints)),
                };
            }
            match node.input.get(index).filter(|name| !name.is_empty()) {
                None => Ok(None),
                Some(_) => Ok(Some(self.needed(node, index)?.scalar()? as i64)),
            }
        };
        self.channel_axis(one(3, "axes")?.unwrap_or(0))?;
        if one(4, "steps")?.unwrap_or(1) != 1 {
            return Err("steps".to_owned());
        }
        let channels = self.shapes[input][0] as i64;
        let place = |value: Option<i64>, default: i64| {
            let value = value.unwrap_or(default);
            let from_start = if value < 0 {
                value.saturating_add(channels)
            } else {
                value
            };
            from_start.clamp(0, channels) as usize
        };
        let (first, end) = (
            place(one(1, "starts")?, 0),
            place(one(2, "ends")?, channels),
        );
        let count = end.saturating_sub(first);
        self.push(Node::Slice {
            input,
            first,
            count,
        })
    }

    /// Zeros above, below and beside an image.
    pub(super) fn pad(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let mode = attribute(node, "mode").and_then(|a| a.s.as_deref());
        if mode.is_some_and(|mode| mode != b"constant") {
            return Err("a border of other values than zeros".to_owned());
        }
        if node.input.get(2).is_some_and(|name| !name.is_empty())
            && self.needed(node, 2)?.scalar()? != 0.0
        {
            return Err("a border of other values than zeros".to_owned());
        }
        if node.input.get(3).is_some_and(|name| !name.is_empty()) {
            return Err("axes".to_owned());
        }
        let pads: Vec<f32> = match attribute(node, "pads") {
            Some(pads) => pads.ints.iter().map(|n| *n as f32).collect(),
            None => self.needed(node, 1)?.values()?,
        };
        let is_sane = |n: &f32| (0.0..=4096.0).contains(n);
        let [0.0, 0.0, top, left, 0.0, 0.0, bottom, right] = pads[..] else {
            return Err(format!("pads {pads:?}"));
        };
        if ![top, left, bottom, right].iter().all(is_sane) {
            return Err(format!("pads {pads:?}"));
        }
        self.push(Node::Pad {
            input,
            before: [top as usize, left as usize],
            after: [bottom as usize, right as usize],
        })
    }

    /// A reshape: of one pixel it changes nothing that we keep; otherwise it begins or ends a shuffle of channels, or
    /// lays all numbers of an image in a row, as a product reads them.
    pub(super) fn reshape(&mut self, node: &NodeProto, input: Tensor) -> Result<Tensor, String> {
        let shape = self.needed(node, 1)?.values()?;
        let value = input.value();
        let [channels, height, width] = self.shapes[value];
        let is = |at: usize, size: usize| shape.get(at).is_some_and(|dim| *dim == size as f32);
        let open = |at: usize| shape.get(at).is_some_and(|dim| *dim == -1.0);
        let pixels = |at: usize| {
            (is(at, height) || open(at) || is(at, 0))
                && (is(at + 1, width) || open(at + 1) || is(at + 1, 0))
        };
        match (input, shape.len()) {
            (Tensor::Plain(_), 5) if pixels(3) => {
                let groups = shape[1] as usize;
                let fits = shape[1] >= 1.0
                    && channels.is_multiple_of(groups)
                    && (is(2, channels / groups) || open(2));
                if fits {
                    return Ok(Tensor::Split { value, groups });
                }
                Err(format!("to {shape:?}"))
            }
            (Tensor::Shuffled { value, groups }, 4)
                if (is(1, channels) || open(1)) && pixels(2) =>
            {
                Ok(Tensor::Plain(self.push(Node::Shuffle {
                    input: value,
                    groups,
                })?))
            }
            (Tensor::Plain(_), 2) if is(1, channels * height * width) || open(1) => Ok(input),
            (Tensor::Plain(_), _) if height * width == 1 => {
                let ones = shape.iter().skip(2).all(|dim| *dim == 1.0);
                if ones && (open(1) || is(1, channels)) {
                    return Ok(input);
                }
                Err("the channels are split".to_owned())
            }
            _ => Err(format!("to {shape:?}")),
        }
    }

    /// The middle of a shuffle.
    pub(super) fn transpose(&self, node: &NodeProto, input: Tensor) -> Result<Tensor, String> {
        let order = attribute(node, "perm").map(|perm| &perm.ints[..]);
        match (input, order) {
            (Tensor::Split { value, groups }, Some([0, 2, 1, 3, 4])) => {
                Ok(Tensor::Shuffled { value, groups })
            }
            _ => Err(format!("{order:?}")),
        }
    }
}
