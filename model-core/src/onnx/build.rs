//! Short constructors for ONNX messages, and typed reading of tensors.

use super::OnnxError;
use super::proto::{
    AttributeProto, DataType, DimensionProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use half::{bf16, f16};

/// A dimension of an input or output: a number, or a symbol such as `batch` that the caller chooses at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim<'a> {
    /// A number, known when the model is written.
    Size(usize),
    /// A name for a number that the caller chooses.
    Symbol(&'a str),
}

impl ValueInfoProto {
    /// An input or output tensor.
    pub fn tensor(name: &str, element: DataType, dims: &[Dim<'_>]) -> Self {
        let dim = dims
            .iter()
            .map(|dim| match dim {
                Dim::Size(size) => DimensionProto {
                    dim_value: Some(*size as i64),
                    ..Default::default()
                },
                Dim::Symbol(symbol) => DimensionProto {
                    dim_param: Some((*symbol).into()),
                    ..Default::default()
                },
            })
            .collect();
        let tensor_type = TensorTypeProto {
            elem_type: Some(element as i32),
            shape: Some(TensorShapeProto { dim }),
        };
        let r#type = TypeProto {
            tensor_type: Some(tensor_type),
            ..Default::default()
        };
        Self {
            name: name.into(),
            r#type: Some(r#type),
            ..Default::default()
        }
    }
}

impl NodeProto {
    /// A node of the default operator domain.
    pub fn new(
        op: &str,
        name: &str,
        input: &[&str],
        output: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> Self {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        Self {
            input: strings(input),
            output: strings(output),
            name: name.into(),
            op_type: op.into(),
            attribute,
            ..Default::default()
        }
    }

    /// The operator's name, with its domain where that is not ONNX's own: `com.microsoft.FusedConv`.
    pub fn operator(&self) -> String {
        match self.domain.as_str() {
            "" | "ai.onnx" => self.op_type.clone(),
            domain => format!("{domain}.{}", self.op_type),
        }
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// An integer attribute, or `default` when it is absent.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .and_then(|attribute| attribute.i)
            .unwrap_or(default)
    }

    /// A list-of-integers attribute, empty when it is absent.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
            .unwrap_or_default()
    }
}

// `AttributeProto.AttributeType`.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const STRING: i32 = 3;
const FLOATS: i32 = 6;
const INTS: i32 = 7;

impl AttributeProto {
    /// An integer, of type `INT`.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            name: name.into(),
            i: Some(value),
            r#type: Some(INT),
            ..Default::default()
        }
    }

    /// A list of integers, of type `INTS`.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            name: name.into(),
            ints: values.to_vec(),
            r#type: Some(INTS),
            ..Default::default()
        }
    }

    /// A number, of type `FLOAT`.
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            name: name.into(),
            f: Some(value),
            r#type: Some(FLOAT),
            ..Default::default()
        }
    }

    /// A list of numbers, of type `FLOATS`.
    pub fn floats(name: &str, values: &[f32]) -> Self {
        Self {
            name: name.into(),
            floats: values.to_vec(),
            r#type: Some(FLOATS),
            ..Default::default()
        }
    }

    /// A text, of type `STRING`.
    pub fn string(name: &str, value: &str) -> Self {
        Self {
            name: name.into(),
            s: Some(value.as_bytes().to_vec()),
            r#type: Some(STRING),
            ..Default::default()
        }
    }
}

impl TensorProto {
    fn raw(name: &str, element: DataType, dims: &[usize], raw: Vec<u8>) -> Self {
        Self {
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type: Some(element as i32),
            name: name.into(),
            raw_data: Some(raw),
            ..Default::default()
        }
    }

    /// A float32 tensor of shape `dims`.
    pub fn floats(name: &str, dims: &[usize], values: &[f32]) -> Self {
        Self::raw(
            name,
            DataType::Float,
            dims,
            little_endian(values, |v| v.to_le_bytes()),
        )
    }

    /// A float16 tensor of shape `dims`, rounded to nearest even.
    pub fn halves(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw = little_endian(values, |v| f16::from_f32(v).to_le_bytes());
        Self::raw(name, DataType::Float16, dims, raw)
    }

    /// An int8 tensor of shape `dims`.
    pub fn int8(name: &str, dims: &[usize], values: &[i8]) -> Self {
        Self::raw(
            name,
            DataType::Int8,
            dims,
            values.iter().map(|v| v.to_le_bytes()[0]).collect(),
        )
    }

    /// A uint8 tensor of shape `dims`.
    pub fn uint8(name: &str, dims: &[usize], values: &[u8]) -> Self {
        Self::raw(name, DataType::Uint8, dims, values.to_vec())
    }

    /// An int32 tensor of shape `dims`.
    pub fn int32(name: &str, dims: &[usize], values: &[i32]) -> Self {
        Self::raw(
            name,
            DataType::Int32,
            dims,
            little_endian(values, |v| v.to_le_bytes()),
        )
    }

    /// An int64 tensor of shape `dims`.
    pub fn int64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        Self::raw(
            name,
            DataType::Int64,
            dims,
            little_endian(values, |v| v.to_le_bytes()),
        )
    }

    /// The element type, when it is one we know.
    pub fn element(&self) -> Option<DataType> {
        self.data_type.and_then(DataType::from_i32)
    }

    /// True when the values are in another file.
    pub fn is_external(&self) -> bool {
        self.data_location == Some(1) || !self.external_data.is_empty()
    }

    /// Number of elements by the shape.
    ///
    /// # Errors
    /// A negative dimension, or a product beyond the address space.
    pub fn element_count(&self) -> Result<usize, OnnxError> {
        self.dims
            .iter()
            .try_fold(1usize, |total, dim| {
                total.checked_mul(usize::try_from(*dim).ok()?)
            })
            .ok_or_else(|| self.error(format!("impossible shape {:?}", self.dims)))
    }

    /// The stored values must be as many as the shape says, where the type lets us count them.
    pub(super) fn check_size(&self) -> Result<(), OnnxError> {
        let expected = self.element_count()?;
        let (Some(element), Some(raw)) = (self.element(), &self.raw_data) else {
            return Ok(());
        };
        match element.bytes() {
            Some(width) if expected.checked_mul(width) != Some(raw.len()) => {
                Err(self.error(format!(
                    "shape {:?} of {} but {} bytes",
                    self.dims,
                    element.name(),
                    raw.len()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The values as f32, whatever number type holds them.
    ///
    /// # Errors
    /// Strings, external data, or a count that is not the shape's.
    pub fn to_f32(&self) -> Result<Vec<f32>, OnnxError> {
        let element = self
            .element()
            .ok_or_else(|| self.error("unknown element type".into()))?;
        if self.is_external() {
            return Err(self.error("its values are in another file".into()));
        }
        self.check_size()?;
        let values: Vec<f32> = match &self.raw_data {
            Some(raw) => {
                let width = element
                    .bytes()
                    .ok_or_else(|| self.error("a string tensor has no numbers".into()))?;
                raw.chunks_exact(width)
                    .map(|bytes| number(element, bytes))
                    .collect()
            }
            None => match element {
                DataType::Float => self.float_data.clone(),
                DataType::Double => self.double_data.iter().map(|v| *v as f32).collect(),
                DataType::Int64 => self.int64_data.iter().map(|v| *v as f32).collect(),
                DataType::Uint32 | DataType::Uint64 => {
                    self.uint64_data.iter().map(|v| *v as f32).collect()
                }
                DataType::Float16 => self
                    .int32_data
                    .iter()
                    .map(|v| f16::from_bits(*v as u16).to_f32())
                    .collect(),
                DataType::Bfloat16 => self
                    .int32_data
                    .iter()
                    .map(|v| bf16::from_bits(*v as u16).to_f32())
                    .collect(),
                DataType::String => return Err(self.error("a string tensor has no numbers".into())),
                _ => self.int32_data.iter().map(|v| *v as f32).collect(),
            },
        };
        let expected = self.element_count()?;
        if values.len() != expected {
            return Err(self.error(format!(
                "shape {:?} needs {expected} values, got {}",
                self.dims,
                values.len()
            )));
        }
        Ok(values)
    }

    fn error(&self, reason: String) -> OnnxError {
        OnnxError::Tensor {
            name: self.name.clone(),
            reason,
        }
    }
}

/// The bytes of all `values`, one after the other.
fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(values.len() * N);
    for value in values {
        raw.extend_from_slice(&bytes(*value));
    }
    raw
}

/// One little-endian number; `bytes` has the width of `element`.
fn number(element: DataType, bytes: &[u8]) -> f32 {
    let mut wide = [0u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    match element {
        DataType::Float => f32::from_bits(bits as u32),
        DataType::Double => f64::from_bits(bits) as f32,
        DataType::Float16 => f16::from_bits(bits as u16).to_f32(),
        DataType::Bfloat16 => bf16::from_bits(bits as u16).to_f32(),
        DataType::Int8 => bits as u8 as i8 as f32,
        DataType::Int16 => bits as u16 as i16 as f32,
        DataType::Int32 => bits as u32 as i32 as f32,
        DataType::Int64 => bits as i64 as f32,
        _ => bits as f32,
    }
}
