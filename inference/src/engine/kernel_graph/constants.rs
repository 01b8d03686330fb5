//! Constants of a graph: initializers, and what nodes without an input from the image make of them.

use std::borrow::Cow;
use std::collections::HashMap;

use kernels::{ByteValues, Bytes, WeightData, WeightSource};
use model_core::onnx::{DataType, GraphProto, NodeProto, TensorProto};
use model_core::text::system_words;

use super::attributes::{attribute, integer};
use crate::onnx_file::{Blob, OnnxFile};

/// Numbers read from the file at once.
const READ_TOGETHER: usize = 1 << 15;

/// A constant of the graph, still in the file where it is large.
#[derive(Clone)]
pub(in super::super) struct Constant<'a> {
    pub(super) tensor: Cow<'a, TensorProto>,
    pub(super) count: usize,
    place: Option<(&'a OnnxFile, &'a Blob)>,
    /// What DequantizeLinear makes of it.
    affine: Option<Affine>,
}

/// Scales and zero points, one or one for each index along an axis.
#[derive(Clone)]
struct Affine {
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    axis: usize,
}

impl WeightSource for Constant<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn read(&self, to: &mut [f32]) -> std::io::Result<()> {
        match self.place {
            Some((file, blob)) => self.read_parts(file, blob, to)?,
            None => to.copy_from_slice(&self.tensor.to_f32().map_err(std::io::Error::other)?),
        }
        if let Some(affine) = &self.affine {
            let (steps, inner) = self.along(affine.axis);
            for (index, value) in to.iter_mut().enumerate() {
                let at = index / inner % steps;
                let pick = |len: usize| if len == 1 { 0 } else { at };
                let zero = affine.zero_points[pick(affine.zero_points.len())];
                *value = (*value - zero as f32) * affine.scales[pick(affine.scales.len())];
            }
        }
        Ok(())
    }

    fn read_bytes(&self, to: &mut [u8]) -> std::io::Result<()> {
        if let Some((file, blob)) = self.place
            && blob.len as usize == to.len()
        {
            return file.read_at(blob.offset, to);
        }
        match &self.tensor.raw_data {
            Some(raw) if raw.len() == to.len() => to.copy_from_slice(raw),
            _ if self.tensor.int32_data.len() == to.len() => {
                let values = self.tensor.int32_data.iter();
                to.iter_mut()
                    .zip(values)
                    .for_each(|(to, value)| *to = *value as u8);
            }
            _ => return Err(std::io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }
}

impl<'a> Constant<'a> {
    /// Reads numbers from the file, some at a time: a layer is not held as bytes and as numbers at once.
    fn read_parts(&self, file: &OnnxFile, blob: &Blob, to: &mut [f32]) -> std::io::Result<()> {
        let width = blob.element.bytes().unwrap_or(0);
        if width == 0 || blob.len != (to.len() * width) as u64 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut offset = blob.offset;
        for part in to.chunks_mut(READ_TOGETHER) {
            let mut raw = vec![0; part.len() * width];
            file.read_at(offset, &mut raw)?;
            offset += raw.len() as u64;
            let tensor = TensorProto {
                dims: vec![part.len() as i64],
                // The graph may call float16 numbers float32 by now.
                data_type: Some(blob.element as i32),
                name: self.tensor.name.clone(),
                raw_data: Some(raw),
                ..Default::default()
            };
            part.copy_from_slice(&tensor.to_f32().map_err(std::io::Error::other)?);
        }
        Ok(())
    }

    /// Calls `read` with the tensor and all its values.
    fn with_tensor<T>(&self, read: impl FnOnce(&TensorProto) -> T) -> std::io::Result<T> {
        let Some((file, blob)) = self.place else {
            return Ok(read(&self.tensor));
        };
        let mut raw = vec![0; blob.len as usize];
        file.read_at(blob.offset, &mut raw)?;
        Ok(read(&TensorProto {
            dims: self.tensor.dims.clone(),
            // The graph may call float16 numbers float32 by now.
            data_type: Some(blob.element as i32),
            name: self.tensor.name.clone(),
            raw_data: Some(raw),
            ..Default::default()
        }))
    }

    pub(super) fn values(&self) -> Result<Vec<f32>, String> {
        let mut values = vec![0.0; self.count];
        self.read(&mut values).map_err(system_words)?;
        Ok(values)
    }

    /// The one value of a scalar.
    pub(super) fn scalar(&self) -> Result<f32, String> {
        match self.values()?[..] {
            [value] => Ok(value),
            _ => Err(format!("expected one number, got {}", self.count)),
        }
    }

    pub(super) fn element(&self) -> Option<DataType> {
        self.tensor.element()
    }

    /// The products with another constant, of which one is a single number or both have one shape.
    fn times(&self, other: &Self, name: &str) -> Option<Self> {
        let (large, small) = if self.count < other.count {
            (other, self)
        } else {
            (self, other)
        };
        // Scales are short; whole layers are left where they are.
        let is_short = large.count <= 1 << 16;
        if !is_short || small.count != 1 && small.tensor.dims != large.tensor.dims {
            return None;
        }
        let (mut values, factors) = (large.values().ok()?, small.values().ok()?);
        let factors = factors.iter().cycle();
        values
            .iter_mut()
            .zip(factors)
            .for_each(|(value, factor)| *value *= factor);
        let tensor = TensorProto::floats(name, &sizes(&large.tensor).ok()?, &values);
        Some(Self {
            tensor: Cow::Owned(tensor),
            count: large.count,
            place: None,
            affine: None,
        })
    }

    /// Steps along an axis, and numbers in one of them.
    fn along(&self, axis: usize) -> (usize, usize) {
        let size = |dim: &i64| usize::try_from(*dim).unwrap_or(1).max(1);
        let steps = self.tensor.dims.get(axis).map_or(1, size);
        let inner = self.tensor.dims.iter().skip(axis + 1).map(size).product();
        (steps, inner)
    }

    /// The stored int32 numbers.
    pub(super) fn integers(&self) -> Option<Vec<i32>> {
        let read = |tensor: &TensorProto| match &tensor.raw_data {
            Some(raw) => {
                let chunks = raw.chunks_exact(4);
                chunks
                    .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect()
            }
            None => tensor.int32_data.clone(),
        };
        self.with_tensor(read)
            .ok()
            .filter(|values: &Vec<i32>| values.len() == self.count)
    }

    /// As weights whose output channels lie along `axis`: bytes and int32 stay what they are.
    pub(super) fn weights(&'a self, axis: usize) -> WeightData<'a> {
        let Some(affine) = &self.affine else {
            return WeightData::Source(self);
        };
        let is_single = affine.scales.len() == 1 && affine.zero_points.len() == 1;
        if !is_single && affine.axis != axis {
            return WeightData::Source(self);
        }
        match self.element() {
            Some(element @ (DataType::Int8 | DataType::Uint8)) => WeightData::Bytes(Bytes {
                values: ByteValues::Source(self),
                is_signed: element == DataType::Int8,
                scales: Cow::Borrowed(&affine.scales),
                zero_points: Cow::Borrowed(&affine.zero_points),
            }),
            Some(DataType::Int32) if affine.zero_points.iter().all(|zero| *zero == 0) => {
                match self.integers() {
                    Some(values) => WeightData::Integers {
                        values: Cow::Owned(values),
                        scales: Cow::Borrowed(&affine.scales),
                    },
                    None => WeightData::Source(self),
                }
            }
            _ => WeightData::Source(self),
        }
    }

    /// Bytes in memory with rows and columns changed, for `[in, out]` matrices; none where they are not bytes.
    pub(super) fn turned_bytes(&'a self, rows: usize, columns: usize) -> Option<WeightData<'a>> {
        let WeightData::Bytes(mut bytes) = self.weights(1) else {
            return None;
        };
        let mut stored = vec![0; self.count];
        self.read_bytes(&mut stored).ok()?;
        let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
        let turned: Vec<u8> = turned.map(|(r, c)| stored[r * columns + c]).collect();
        bytes.values = ByteValues::Here(Cow::Owned(turned));
        Some(WeightData::Bytes(bytes))
    }

    /// This constant with scales and zero points.
    pub(super) fn dequantized(
        &self,
        scale: &Constant<'_>,
        zero_point: Option<&Constant<'_>>,
        axis: i64,
    ) -> Option<Self> {
        let rank = self.tensor.dims.len() as i64;
        let axis = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?;
        let scales = scale.values().ok()?;
        let zero_points = match zero_point {
            Some(zero) => zero.values().ok()?.iter().map(|v| *v as i32).collect(),
            None => vec![0],
        };
        let fits = |len: usize| len == 1 || len == self.along(axis).0;
        let is_plain = self.affine.is_none() && fits(scales.len()) && fits(zero_points.len());
        let affine = Affine {
            scales,
            zero_points,
            axis,
        };
        is_plain.then(|| Self {
            affine: Some(affine),
            ..self.clone()
        })
    }
}

/// The constants of a graph.
pub(in super::super) struct Constants<'a> {
    /// By name.
    pub(super) named: HashMap<&'a str, Constant<'a>>,
    /// Dequantized weights of quantized operators, by the operator's output.
    pub(super) weights: HashMap<&'a str, Constant<'a>>,
}

/// The constants of a graph: initializers, and what `Constant`, `Identity`, `Cast` to a float type and
/// `DequantizeLinear` make of them.
pub(in super::super) fn constants<'a>(
    graph: &'a GraphProto,
    blobs: &'a [Blob],
    file: &'a OnnxFile,
) -> Constants<'a> {
    let places: HashMap<usize, &Blob> = blobs.iter().map(|blob| (blob.initializer, blob)).collect();
    let constant = |tensor: &'a TensorProto, place| {
        let count = tensor.element_count().ok()?;
        Some(Constant {
            tensor: Cow::Borrowed(tensor),
            count,
            place,
            affine: None,
        })
    };
    let mut all: HashMap<&str, Constant> = HashMap::new();
    for (index, tensor) in graph.initializer.iter().enumerate() {
        let place = places.get(&index).map(|blob| (file, *blob));
        if let Some(found) = constant(tensor, place) {
            all.insert(tensor.name.as_str(), found);
        }
    }
    for node in &graph.node {
        let Some(output) = node.output.first() else {
            continue;
        };
        let input = |index: usize| {
            node.input
                .get(index)
                .and_then(|name| all.get(name.as_str()))
        };
        let made = match node.op_type.as_str() {
            "Constant" => attribute(node, "value").and_then(|a| constant(a.t.as_ref()?, None)),
            "Identity" => input(0).cloned(),
            "Mul" => input(0).zip(input(1)).and_then(|(a, b)| a.times(b, output)),
            "Cast" if is_cast_to_float(node) => input(0).cloned(),
            "DequantizeLinear" if integer(node, "block_size", 0) == 0 => {
                let axis = integer(node, "axis", 1);
                input(0)
                    .zip(input(1))
                    .and_then(|(x, scale)| x.dequantized(scale, input(2), axis))
            }
            _ => None,
        };
        if let Some(made) = made {
            all.insert(output, made);
        }
    }
    let mut weights = HashMap::new();
    for node in &graph.node {
        let axis = match node.op_type.as_str() {
            "QLinearConv" => 0,
            "QLinearMatMul" => 1,
            "QGemm" => i64::from(integer(node, "transB", 0) == 0),
            _ => continue,
        };
        let input = |index: usize| {
            node.input
                .get(index)
                .and_then(|name| all.get(name.as_str()))
        };
        let made = input(3)
            .zip(input(4))
            .and_then(|(values, scale)| values.dequantized(scale, input(5), axis));
        if let Some((output, made)) = node.output.first().zip(made) {
            weights.insert(output.as_str(), made);
        }
    }
    Constants {
        named: all,
        weights,
    }
}

/// Whether a `Cast` gives float32 or float16: all are computed as float32.
pub(super) fn is_cast_to_float(node: &NodeProto) -> bool {
    let to = attribute(node, "to").and_then(|a| a.i);
    to.is_none_or(|to| to == DataType::Float as i64 || to == DataType::Float16 as i64)
}

/// The sizes of a tensor's axes.
pub(super) fn sizes(tensor: &TensorProto) -> Result<Vec<usize>, String> {
    let sizes: Result<Vec<usize>, _> = tensor
        .dims
        .iter()
        .map(|dim| usize::try_from(*dim))
        .collect();
    sizes.map_err(|_| format!("shape {:?}", tensor.dims))
}
