//! safetensors files (<https://github.com/huggingface/safetensors>), through the `safetensors` crate.

use std::collections::BTreeMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::convert::Number;
use super::names;
use super::{Found, MAX_ELEMENTS, StateDict, Tensor, WeightSet};

/// A header length that leaves room for `{`, and the `{` itself.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.len() > 9 && bytes[8] == b'{'
}

pub(super) fn read(bytes: &[u8], set: WeightSet) -> Result<StateDict, String> {
    read_with(bytes, |found| names::choose(found, set))
}

/// Every tensor under its full name.
pub(super) fn read_plain(bytes: &[u8]) -> Result<StateDict, String> {
    let full = |(group, name, view): (String, String, _)| match group.as_str() {
        "" => (name, view),
        group => (format!("{group}.{name}"), view),
    };
    read_with(bytes, |found| Ok(found.into_iter().map(full).collect()))
}

fn read_with<'a>(
    bytes: &'a [u8],
    choose: impl FnOnce(Found<TensorView<'a>>) -> Result<Vec<(String, TensorView<'a>)>, String>,
) -> Result<StateDict, String> {
    let broken = |error| format!("not a complete safetensors file ({error})");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let metadata: BTreeMap<String, String> = header
        .metadata()
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let found = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let (group, name) = names::split_group(&name);
            (group, name, view)
        })
        .collect();
    let mut tensors = BTreeMap::new();
    let mut elements = 0usize;
    for (name, view) in choose(found)? {
        // A complex or float8 tensor beside the weights; in a weight's place it is reported as missing.
        let Some(number) = number(view.dtype()) else {
            continue;
        };
        elements = elements.saturating_add(view.data().len() / number.bytes());
        if elements > MAX_ELEMENTS {
            return Err(format!(
                "more than {MAX_ELEMENTS} numbers in one checkpoint"
            ));
        }
        let data = number.read_all(view.data());
        tensors.insert(
            name,
            Tensor {
                shape: view.shape().to_vec(),
                data,
            },
        );
    }
    Ok(StateDict { tensors, metadata })
}

fn number(dtype: Dtype) -> Option<Number> {
    Some(match dtype {
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::I64 => Number::I64,
        Dtype::I32 => Number::I32,
        Dtype::I16 => Number::I16,
        Dtype::I8 => Number::I8,
        Dtype::U8 => Number::U8,
        Dtype::BOOL => Number::Bool,
        _ => return None,
    })
}
