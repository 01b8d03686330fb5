//! Convolutions, products, batch norms and sums.

use std::borrow::Cow;

use kernels::{Function, Node, ValueId, WeightData};
use model_core::onnx::NodeProto;

use super::Builder;
use super::attributes::{float, integer};
use super::constants::{Constant, sizes};

impl<'a> Builder<'a, '_> {
    pub(super) fn conv(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let weights = self.needed(node, 1)?;
        let [out, _, height, width] = sizes(&weights.tensor)?[..] else {
            return Err(format!("weights of shape {:?}", weights.tensor.dims));
        };
        let window = self.window(node, input, Some([height, width]))?;
        let bias = self.bias(node, 2, out)?;
        let groups = usize::try_from(integer(node, "group", 1)).map_err(|_| "a negative group")?;
        self.push(Node::Conv {
            input,
            weights: weights.weights(0),
            bias,
            out,
            groups,
            window,
        })
    }

    pub(super) fn bias(
        &self,
        node: &NodeProto,
        index: usize,
        out: usize,
    ) -> Result<Option<WeightData<'a>>, String> {
        if node.input.get(index).is_none_or(String::is_empty) {
            return Ok(None);
        }
        let bias = self.needed(node, index)?;
        if let Some(integers) =
            Some(bias.weights(0)).filter(|w| matches!(w, WeightData::Integers { .. }))
            && bias.count == out
        {
            return Ok(Some(integers));
        }
        // A bias may be a row, or one number for all.
        let values = match (bias.count, bias.values()?) {
            (1, values) => vec![values[0]; out.min(1 << 24)],
            (_, values) => values,
        };
        Ok(Some(WeightData::Floats(Cow::Owned(values))))
    }

    pub(super) fn gemm(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let plain = float(node, "alpha", 1.0) == 1.0
            && float(node, "beta", 1.0) == 1.0
            && integer(node, "transA", 0) == 0;
        if !plain {
            return Err("alpha, beta or transA".to_owned());
        }
        let weights = self.needed(node, 1)?;
        let transposed = integer(node, "transB", 0) != 0;
        let out = sizes(&weights.tensor)?
            .get(usize::from(!transposed))
            .copied()
            .unwrap_or(0);
        let bias = self.bias(node, 2, out)?;
        self.linear(input, weights, bias, transposed)
    }

    /// A product with `[out, in]` weights where `transposed`, `[in, out]` otherwise.
    pub(super) fn linear(
        &mut self,
        input: ValueId,
        weights: &'a Constant<'a>,
        bias: Option<WeightData<'a>>,
        transposed: bool,
    ) -> Result<ValueId, String> {
        let [rows, columns] = sizes(&weights.tensor)?[..] else {
            return Err(format!("weights of shape {:?}", weights.tensor.dims));
        };
        let (out, matrix) = if transposed {
            (rows, weights.weights(0))
        } else if let Some(bytes) = weights.turned_bytes(rows, columns) {
            (columns, bytes)
        } else {
            let values = weights.values()?;
            let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
            let turned = turned.map(|(r, c)| values[r * columns + c]).collect();
            (columns, WeightData::Floats(Cow::Owned(turned)))
        };
        self.push(Node::Linear {
            input,
            weights: matrix,
            bias,
            out,
        })
    }

    pub(super) fn affine(
        &mut self,
        input: ValueId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<ValueId, String> {
        let floats = |values| WeightData::Floats(Cow::Owned(values));
        self.push(Node::Affine {
            input,
            scale: floats(scale),
            shift: floats(shift),
        })
    }

    /// `Add`, `Sub`, `Mul` or `Div` of two values, or of a value and a constant for each channel or for all.
    pub(super) fn arithmetic(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        let [a, b] = &node.input[..] else {
            return Err(format!("{} inputs", node.input.len()));
        };
        let known = |name: &str| self.constants.named.get(name);
        let (name, constant, is_second) = match (known(a), known(b)) {
            (None, None) => return self.two_values(node, a, b),
            (None, Some(constant)) => (a, constant, true),
            (Some(constant), None) => (b, constant, false),
            (Some(_), Some(_)) => return Err("constants alone".to_owned()),
        };
        let input = self.value(name)?;
        let channels = self.shapes[input][0];
        let values = self.for_channels(constant, input)?;
        let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
        let (scale, shift) = match (node.op_type.as_str(), is_second) {
            ("Add", _) => {
                // The bias of the product before it.
                if self.readers.get(name.as_str()) == Some(&1)
                    && input == self.nodes.len()
                    && let Some(Node::Linear {
                        bias: bias @ None, ..
                    }) = self.nodes.last_mut()
                {
                    *bias = Some(WeightData::Floats(Cow::Owned(values)));
                    return Ok(input);
                }
                (ones, values)
            }
            ("Sub", true) => (ones, values.iter().map(|v| -v).collect()),
            ("Sub", false) => (vec![-1.0; channels], values),
            ("Mul", _) => (values, zeros),
            ("Div", true) => (values.iter().map(|v| 1.0 / v).collect(), zeros),
            _ => return Err("a constant divided by a value".to_owned()),
        };
        self.affine(input, scale, shift)
    }

    /// A constant as one number for each channel of a value.
    fn for_channels(&self, constant: &Constant<'_>, input: ValueId) -> Result<Vec<f32>, String> {
        let [channels, height, width] = self.shapes[input];
        let values = constant.values()?;
        if let [value] = values[..] {
            return Ok(vec![value; channels]);
        }
        let dims = sizes(&constant.tensor)?;
        let along_channels = match dims.len() {
            4 => dims == [1, channels, 1, 1],
            3 => dims == [channels, 1, 1],
            1 | 2 => dims.last() == Some(&channels) && height * width == 1,
            _ => false,
        };
        if along_channels && values.len() == channels {
            return Ok(values);
        }
        Err(format!("a constant of shape {dims:?}"))
    }

    fn two_values(&mut self, node: &NodeProto, a: &str, b: &str) -> Result<ValueId, String> {
        let (first, second) = (self.value(a)?, self.value(b)?);
        let is_point = |value: ValueId| self.shapes[value][1..] == [1, 1];
        // The larger comes first.
        let (large, small) = match is_point(first) && !is_point(second) {
            true => (second, first),
            false => (first, second),
        };
        match node.op_type.as_str() {
            "Add" => self.push(Node::Add { a: large, b: small }),
            "Mul" => {
                // `x * sigmoid(x)`
                let is_alone = |name: &str| self.readers.get(name) == Some(&1);
                let last = self.nodes.len();
                let (sigmoid, x, alone) = match second == last {
                    true => (second, first, is_alone(b)),
                    false => (first, second, is_alone(a)),
                };
                if sigmoid == last
                    && alone
                    && sigmoid != x
                    && let Some(Node::Map { input, function }) = self.nodes.last_mut()
                    && (*input, *function) == (x, Function::Sigmoid)
                {
                    *function = Function::Silu;
                    return Ok(sigmoid);
                }
                self.push(Node::Mul { a: large, b: small })
            }
            _ => Err("of two values".to_owned()),
        }
    }

    /// A batch norm joins the convolution before it, or stands alone: `y = (x - mean) / sqrt(var + epsilon) * scale + shift`
    /// (torch.nn.BatchNorm2d in evaluation).
    pub(super) fn batch_norm(
        &mut self,
        node: &NodeProto,
        from: &str,
        input: ValueId,
    ) -> Result<ValueId, String> {
        let part = |index: usize| self.needed(node, index)?.values();
        let (scale, shift, mean, var) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = f64::from(float(node, "epsilon", 1e-5));
        let channels = self.shapes[input][0];
        if [&scale, &shift, &mean, &var]
            .iter()
            .any(|v| v.len() != channels)
        {
            return Err(format!("expected {channels} values of each kind"));
        }
        let factors: Vec<f64> = (scale.iter().zip(&var))
            .map(|(scale, var)| f64::from(*scale) / (f64::from(*var) + epsilon).sqrt())
            .collect();
        let alone = self.readers.get(from) == Some(&1) && input == self.nodes.len();
        let read = |weights: &WeightData| match weights {
            WeightData::Floats(floats) => Some(floats.to_vec()),
            WeightData::Source(source) => {
                let mut floats = vec![0.0; source.count()];
                source.read(&mut floats).ok().map(|()| floats)
            }
            WeightData::Bytes(_) | WeightData::Integers { .. } => None,
        };
        if let Some(Node::Conv { weights, bias, .. }) = self.nodes.last_mut().filter(|_| alone)
            && let Some(mut folded) = read(weights)
            && let Some(old) = bias
                .as_ref()
                .map_or_else(|| Some(vec![0.0; channels]), read)
        {
            let each = folded.len() / channels;
            let mut shifted = Vec::with_capacity(channels);
            for (channel, row) in folded.chunks_exact_mut(each.max(1)).enumerate() {
                row.iter_mut()
                    .for_each(|w| *w = (f64::from(*w) * factors[channel]) as f32);
                let centered = f64::from(old[channel]) - f64::from(mean[channel]);
                shifted.push((centered * factors[channel] + f64::from(shift[channel])) as f32);
            }
            *weights = WeightData::Floats(Cow::Owned(folded));
            *bias = Some(WeightData::Floats(Cow::Owned(shifted)));
            return Ok(input);
        }
        let shifts = (0..channels)
            .map(|i| (f64::from(shift[i]) - f64::from(mean[i]) * factors[i]) as f32)
            .collect();
        let scales = factors.iter().map(|factor| *factor as f32).collect();
        self.affine(input, scales, shifts)
    }

    pub(super) fn clip(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let bound = |index: usize, name: &str, default: f32| {
            if node.input.get(index).is_none_or(String::is_empty) {
                return Ok(float(node, name, default));
            }
            let values = self.needed(node, index)?.values()?;
            values
                .first()
                .copied()
                .ok_or_else(|| "an empty bound".to_owned())
        };
        let low = bound(1, "min", f32::NEG_INFINITY)?;
        let high = bound(2, "max", f32::INFINITY)?;
        self.push(Node::Clamp { input, low, high })
    }
}
