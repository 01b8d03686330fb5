//! PyTorch checkpoints: the zip archive of `torch.save` since 1.6, and the legacy stream before it.
//!
//! Layouts: `torch/serialization.py`. Zip entries must be stored uncompressed, as `torch.save` writes them, so that
//! the file's own size bounds what is read.

use std::collections::BTreeMap;
use std::fs::File;

use super::archive::Archive;
use super::convert::Number;
use super::names;
use super::pickle::{self, Pickle, TensorRef, Value};
use super::{Found, MAX_ELEMENTS, StateDict, Tensor, WeightSet};

/// Largest `data.pkl` read: names and shapes only, far below this for any network.
const MAX_PICKLE_BYTES: u64 = 256 << 20;
/// Deepest nesting of dicts in which tensors are looked for.
const MAX_DEPTH: usize = 3;
/// `LONG1` of `0x1950a86a20f9469cfc6c`, after the protocol byte.
const LEGACY_MAGIC: [u8; 12] = [
    0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
];

pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.len() > 15 && bytes[0] == 0x80 && bytes[2..14] == LEGACY_MAGIC
}

/// A checkpoint in a zip archive: `NAME/data.pkl`, `NAME/data/KEY`, `NAME/byteorder`.
pub(super) fn read_zip(file: File, set: WeightSet) -> Result<StateDict, String> {
    let (pickle, mut archive) = open_zip(file)?;
    gather(&pickle, set, |tensor| archive.storage(tensor))
}

/// The storages of an opened checkpoint.
pub(super) struct Storages {
    zip: Archive,
    folder: String,
}

impl Storages {
    /// The bytes of the storage behind a tensor.
    pub(super) fn storage(&mut self, tensor: &TensorRef) -> Result<Vec<u8>, String> {
        let name = format!("{}data/{}", self.folder, tensor.storage.key);
        let bytes = tensor
            .storage
            .numel
            .checked_mul(tensor.storage.number.bytes())
            .ok_or("an impossible storage")?;
        self.zip.entry(&name, bytes as u64)
    }
}

/// The pickle of an archive, read as data, and what it refers to.
pub(super) fn open_zip(file: File) -> Result<(Pickle, Storages), String> {
    let broken = |error: String| {
        format!(
            "not a complete PyTorch checkpoint, the zip archive is damaged or cut short ({error})"
        )
    };
    let mut archive = Archive::open(file).map_err(broken)?;
    let pickle_name = archive
        .names()
        .filter(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .min()
        .map(str::to_owned)
        .ok_or("a zip archive without data.pkl; expected what torch.save writes")?;
    let folder = pickle_name.trim_end_matches("data.pkl").to_string();
    if archive.has(&format!("{folder}constants.pkl")) {
        return Err(
            "a TorchScript program, not a checkpoint; save model.state_dict() with torch.save"
                .into(),
        );
    }
    let byteorder = format!("{folder}byteorder");
    if archive.has(&byteorder) && archive.entry(&byteorder, 16)? != b"little" {
        return Err("written on a big-endian machine, which is not supported".into());
    }
    let pickle = pickle::read(&archive.entry(&pickle_name, MAX_PICKLE_BYTES)?)?;
    let storages = Storages {
        zip: archive,
        folder,
    };
    Ok((pickle, storages))
}

/// A checkpoint as a stream of pickles followed by the storages.
pub(super) fn read_legacy(bytes: &[u8], set: WeightSet) -> Result<StateDict, String> {
    let mut at = 0;
    let mut next = || -> Result<Pickle, String> {
        let pickle = pickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok(pickle)
    };
    let (_magic, _protocol, system, main, keys) = (next()?, next()?, next()?, next()?, next()?);
    if let Value::Dict(items) = system.get(system.root) {
        let big = |(key, value): &(usize, usize)| {
            system.text(*key) == Some("little_endian")
                && matches!(system.get(*value), Value::Bool(false))
        };
        if items.iter().any(big) {
            return Err("written on a big-endian machine, which is not supported".into());
        }
    }
    let Value::List(keys_list) = keys.get(keys.root) else {
        return Err("a checkpoint without its list of storages".into());
    };
    let numbers: BTreeMap<&str, Number> = main
        .storages()
        .map(|storage| (storage.key.as_str(), storage.number))
        .collect();
    let mut storages: BTreeMap<String, &[u8]> = BTreeMap::new();
    for key in keys_list {
        let key = keys.text(*key).ok_or("a storage key that is no text")?;
        let Some(number) = numbers.get(key) else {
            return Err(format!("storage {key} is listed but never described"));
        };
        if *number == Number::Other {
            return Err(format!(
                "storage {key} holds numbers of a type whose size is not known"
            ));
        }
        let cut = || format!("the checkpoint is cut short inside storage {key}");
        let count = bytes.get(at..at + 8).ok_or_else(cut)?;
        let count = usize::from_le_bytes(count.try_into().map_err(|_| cut())?);
        let end = count
            .checked_mul(number.bytes())
            .and_then(|length| length.checked_add(at + 8));
        let data = end.and_then(|end| bytes.get(at + 8..end)).ok_or_else(cut)?;
        at += 8 + data.len();
        storages.insert(key.to_string(), data);
    }
    gather(&main, set, |tensor| {
        let data = storages.get(&tensor.storage.key);
        data.map(|data| data.to_vec())
            .ok_or_else(|| format!("storage {} is missing", tensor.storage.key))
    })
}

/// All tensors in dicts of the pickle, as (group, name, tensor).
fn tensors_of(pickle: &Pickle) -> Found<TensorRef> {
    let mut found = Vec::new();
    let mut queue = vec![(String::new(), pickle.root, 0)];
    while let Some((group, id, depth)) = queue.pop() {
        let Value::Dict(items) = pickle.get(id) else {
            continue;
        };
        for (key, value) in items {
            let Some(key) = pickle.text(*key) else {
                continue;
            };
            match pickle.get(*value) {
                Value::Tensor(tensor) => {
                    found.push((group.clone(), key.to_string(), tensor.clone()))
                }
                Value::Dict(_) if depth < MAX_DEPTH => {
                    let nested = if group.is_empty() {
                        key.to_string()
                    } else {
                        format!("{group}.{key}")
                    };
                    queue.push((nested, *value, depth + 1));
                }
                _ => {}
            }
        }
    }
    found
}

/// Plain values beside the weights: `arch`, `epoch`, ...
fn metadata_of(pickle: &Pickle) -> BTreeMap<String, String> {
    let Value::Dict(items) = pickle.get(pickle.root) else {
        return BTreeMap::new();
    };
    let plain = |(key, value): &(usize, usize)| {
        let value = match pickle.get(*value) {
            Value::Text(text) if text.len() < 4096 => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            _ => return None,
        };
        Some((pickle.text(*key)?.to_string(), value))
    };
    items.iter().filter_map(plain).collect()
}

/// Chooses one weight set and reads its tensors, each storage once.
fn gather(
    pickle: &Pickle,
    set: WeightSet,
    mut storage: impl FnMut(&TensorRef) -> Result<Vec<u8>, String>,
) -> Result<StateDict, String> {
    if let Value::Opaque(class) = pickle.get(pickle.root) {
        return Err(format!(
            "a whole pickled object ({class}), not a dict of tensors; save model.state_dict() with torch.save"
        ));
    }
    let mut chosen = names::choose(tensors_of(pickle), set)?;
    // A quantized, complex or float8 tensor beside the weights is nothing a network of ours holds. Where it stands in a
    // weight's place, the weight is reported as missing.
    chosen.retain(|(_, tensor)| tensor.storage.number != Number::Other);
    let elements = chosen.iter().try_fold(0usize, |total, (name, tensor)| {
        let count = tensor
            .shape
            .iter()
            .try_fold(1usize, |count, size| count.checked_mul(*size));
        count
            .filter(|count| *count <= tensor.storage.numel.max(1))
            .and_then(|count| total.checked_add(count))
            .filter(|total| *total <= MAX_ELEMENTS)
            .ok_or_else(|| {
                format!(
                    "tensor '{name}' of shape {:?} is beyond the limits",
                    tensor.shape
                )
            })
    });
    elements?;
    chosen.sort_by(|(_, a), (_, b)| a.storage.key.cmp(&b.storage.key));
    let mut tensors = BTreeMap::new();
    let mut loaded: Option<(String, Vec<u8>)> = None;
    for (name, tensor) in chosen {
        if loaded
            .as_ref()
            .is_none_or(|(key, _)| *key != tensor.storage.key)
        {
            loaded = Some((tensor.storage.key.clone(), storage(&tensor)?));
        }
        let bytes = loaded
            .as_ref()
            .map(|(_, bytes)| bytes.as_slice())
            .unwrap_or_default();
        let data = view(&tensor, bytes).ok_or_else(|| {
            format!(
                "tensor '{name}' of shape {:?} reaches outside its storage",
                tensor.shape
            )
        })?;
        tensors.insert(
            name,
            Tensor {
                shape: tensor.shape,
                data,
            },
        );
    }
    Ok(StateDict {
        tensors,
        metadata: metadata_of(pickle),
    })
}

/// The numbers of a strided view, row major; `None` when it reaches outside `bytes`.
pub(super) fn view(tensor: &TensorRef, bytes: &[u8]) -> Option<Vec<f32>> {
    if tensor.shape.len() != tensor.stride.len() {
        return None;
    }
    let start = tensor.offset.checked_add(tensor.storage.view_offset)?;
    let count = tensor
        .shape
        .iter()
        .try_fold(1usize, |count, size| count.checked_mul(*size))?;
    if count == 0 {
        return Some(Vec::new());
    }
    let mut row_major = 1;
    let contiguous = tensor
        .shape
        .iter()
        .zip(&tensor.stride)
        .rev()
        .all(|(size, stride)| {
            let same = *size == 1 || *stride == row_major;
            row_major *= size;
            same
        });
    let number = tensor.storage.number;
    if contiguous {
        let first = start.checked_mul(number.bytes())?;
        let last = count.checked_mul(number.bytes())?.checked_add(first)?;
        return bytes.get(first..last).map(|bytes| number.read_all(bytes));
    }
    let mut data = Vec::with_capacity(count);
    for flat in 0..count {
        let (mut rest, mut index) = (flat, start);
        for (size, stride) in tensor.shape.iter().zip(&tensor.stride).rev() {
            index = (rest % size).checked_mul(*stride)?.checked_add(index)?;
            rest /= size;
        }
        data.push(number.read_at(bytes, index)?);
    }
    Some(data)
}
