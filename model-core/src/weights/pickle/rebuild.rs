//! The calls in a pickle: those that rebuild tensors become descriptions, every other becomes a note of its name.

use super::{Id, Machine, Storage, TensorRef, Value};
use crate::weights::convert::Number;

impl Machine<'_> {
    /// What calling `function` would build: a tensor description, a plain container, or a note of the name.
    pub(super) fn call(&mut self, function: Id, arguments: Id) -> Result<Value, String> {
        let Value::Global(name) = self.values[function].clone() else {
            return Ok(Value::Opaque("an object".into()));
        };
        let Value::Tuple(arguments) = self.values[arguments].clone() else {
            return Ok(Value::Opaque(name));
        };
        match name.as_str() {
            "collections.OrderedDict" | "builtins.dict" | "__builtin__.dict" => {
                self.ordered_dict(&arguments)
            }
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                self.tensor(&arguments)
            }
            "torch._utils._rebuild_parameter"
            | "torch._utils._rebuild_parameter_with_state"
            | "torch.Size"
            | "torch.nn.parameter.Parameter" => Ok(arguments
                .first()
                .map_or(Value::Opaque(name), |first| self.values[*first].clone())),
            _ => Ok(Value::Opaque(name)),
        }
    }

    fn ordered_dict(&self, arguments: &[Id]) -> Result<Value, String> {
        let Some(first) = arguments.first() else {
            return Ok(Value::Dict(Vec::new()));
        };
        let (Value::List(items) | Value::Tuple(items)) = &self.values[*first] else {
            return Ok(self.values[*first].clone());
        };
        let pair = |item: &Id| match &self.values[*item] {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err("an OrderedDict of something other than pairs".to_string()),
        };
        items
            .iter()
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Value::Dict)
    }

    fn tensor(&self, arguments: &[Id]) -> Result<Value, String> {
        let [storage, offset, shape, stride, ..] = arguments else {
            return Err("a tensor with too few parts".into());
        };
        let Value::Storage(storage) = &self.values[*storage] else {
            return Err("a tensor without storage".into());
        };
        Ok(Value::Tensor(TensorRef {
            storage: storage.clone(),
            offset: self.size(*offset)?,
            shape: self.sizes(*shape)?,
            stride: self.sizes(*stride)?,
        }))
    }

    fn size(&self, id: Id) -> Result<usize, String> {
        match self.values[id] {
            Value::Int(value) => {
                usize::try_from(value).map_err(|_| format!("a tensor with the size {value}"))
            }
            _ => Err("a tensor whose size is no number".into()),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, String> {
        match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => {
                items.iter().map(|item| self.size(*item)).collect()
            }
            _ => Err("a tensor whose shape is no list".into()),
        }
    }

    /// `('storage', type, key, location, numel[, view])`: the only persistent identifier of a checkpoint.
    pub(super) fn persistent(&self, id: Id) -> Result<Value, String> {
        let unknown = || "a persistent value that is no storage".to_string();
        let Value::Tuple(parts) = &self.values[id] else {
            return Err(unknown());
        };
        let [tag, kind, key, _location, numel, view @ ..] = parts.as_slice() else {
            return Err(unknown());
        };
        let (Value::Text(tag), Value::Global(kind), Value::Text(key)) =
            (&self.values[*tag], &self.values[*kind], &self.values[*key])
        else {
            return Err(unknown());
        };
        if tag != "storage" {
            return Err(unknown());
        }
        let number = storage_number(kind).unwrap_or(Number::Other);
        let view_offset = match view.first().map(|view| &self.values[*view]) {
            Some(Value::Tuple(view)) if view.len() == 3 => self.size(view[1])?,
            _ => 0,
        };
        Ok(Value::Storage(Storage {
            key: key.clone(),
            number,
            numel: self.size(*numel)?,
            view_offset,
        }))
    }
}

fn storage_number(kind: &str) -> Option<Number> {
    let name = kind
        .strip_prefix("torch.")
        .or_else(|| kind.strip_prefix("torch.cuda."))?;
    Some(match name.rsplit('.').next().unwrap_or_default() {
        "FloatStorage" => Number::F32,
        "DoubleStorage" => Number::F64,
        "HalfStorage" => Number::F16,
        "BFloat16Storage" => Number::Bf16,
        "LongStorage" => Number::I64,
        "IntStorage" => Number::I32,
        "ShortStorage" => Number::I16,
        "CharStorage" => Number::I8,
        "ByteStorage" => Number::U8,
        "BoolStorage" => Number::Bool,
        _ => return None,
    })
}

/// Two's complement of up to 8 bytes; longer ones (PyTorch's magic number) only as a note.
pub(super) fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Opaque("a long integer".into());
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}
