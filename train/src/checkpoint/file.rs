//! A safetensors file on disk: written atomically with a checksum, the same bytes for the same contents.
//!
//! The `safetensors` crate reads; writing is ours because its metadata has no order and its write no fsync.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::atomic_file;
use model_core::text::hex;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

/// Metadata key: SHA-256 of everything after the header, lower-case hex.
pub const CHECKSUM_KEY: &str = "resnet50_toolkit.sha256";

/// Named tensors and their metadata.
#[derive(Debug, Default)]
pub struct TensorFile {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// `__metadata__`.
    pub metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Adds a tensor (f32 or i64).
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) {
        self.tensors.insert(name.into(), tensor.shallow_clone());
    }

    /// Writes the file whole or not at all ([`model_core::atomic_file`]).
    ///
    /// # Errors
    /// The disk is full or not writable; `path` is then untouched.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut header = Map::new();
        let mut contents = Vec::new();
        let mut offset = 0;
        let mut entries = Map::new();
        let mut hasher = Sha256::new();
        // All tensors of a GPU come in one go: one wait, not one a tensor.
        let on_host = torch_ext::device::to_host(&self.tensors.values().collect::<Vec<_>>())?;
        for (name, tensor) in self.tensors.keys().zip(&on_host) {
            let (dtype, bytes) = to_bytes(tensor).with_context(|| format!("tensor {name}"))?;
            hasher.update(&bytes);
            let end = offset + bytes.len();
            entries.insert(
                name.clone(),
                json!({"dtype": dtype, "shape": tensor.size(), "data_offsets": [offset, end]}),
            );
            offset = end;
            contents.push(bytes);
        }
        let mut metadata: Map<String, Value> = Map::new();
        for (key, value) in &self.metadata {
            metadata.insert(key.clone(), Value::String(value.clone()));
        }
        metadata.insert("format".into(), "pt".into());
        metadata.insert(CHECKSUM_KEY.into(), hex(&hasher.finalize()).into());
        header.insert("__metadata__".into(), Value::Object(metadata));
        header.extend(entries);
        let mut text = serde_json::to_string(&header)?.into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');

        atomic_file::write_with(path, |file| {
            file.write_all(&(text.len() as u64).to_le_bytes())?;
            file.write_all(&text)?;
            contents.iter().try_for_each(|bytes| file.write_all(bytes))
        })?;
        Ok(())
    }

    /// Reads a file, on the CPU, and checks it against its checksum where it has one.
    ///
    /// # Errors
    /// Unreadable, no safetensors file, damaged, or a dtype other than f32 and i64.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("checkpoint {}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let (header_bytes, header) =
            SafeTensors::read_metadata(bytes).context("not a safetensors file, or cut short")?;
        let metadata: BTreeMap<String, String> = header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let data = bytes.get(8 + header_bytes..).unwrap_or_default();
        if let Some(expected) = metadata.get(CHECKSUM_KEY) {
            let got = hex(&Sha256::digest(data));
            if got != *expected {
                bail!("damaged: expected checksum {expected}, got {got}");
            }
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::I64 => Kind::Int64,
                other => bail!("tensor {name}: expected f32 or i64, got {other:?}"),
            };
            let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?;
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { tensors, metadata })
    }

    /// Copies every tensor under `prefix` into the handle of the same name.
    ///
    /// # Errors
    /// A name missing on either side, or another shape.
    pub fn copy_into(&self, prefix: &str, targets: &[(String, Tensor)]) -> Result<()> {
        for (name, target) in targets {
            let key = format!("{prefix}{name}");
            let Some(source) = self.tensors.get(&key) else {
                bail!("no tensor {key}: the file was written with other settings");
            };
            if source.size() != target.size() {
                bail!(
                    "tensor {key}: expected shape {:?}, got {:?}",
                    target.size(),
                    source.size()
                );
            }
            tch::no_grad(|| target.shallow_clone().f_copy_(source))?;
        }
        Ok(())
    }
}

fn to_bytes(tensor: &Tensor) -> Result<(&'static str, Vec<u8>)> {
    let dtype = match tensor.kind() {
        Kind::Float => "F32",
        Kind::Int64 => "I64",
        other => bail!("expected f32 or i64, got {other:?}"),
    };
    let count = tensor.numel();
    let mut bytes = vec![0; count * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, count)?;
    Ok((dtype, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TensorFile {
        let mut file = TensorFile::default();
        file.insert("b", &Tensor::from_slice(&[1.0_f32, -2.5]).view([2, 1]));
        file.insert("a.count", &Tensor::from(7_i64));
        file.metadata.insert("who".into(), "a test".into());
        file.metadata.insert("another".into(), "key".into());
        file
    }

    #[test]
    fn comes_back_equal_and_always_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        sample().write(&one).unwrap();
        sample().write(&two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let back = TensorFile::read(&one).unwrap();
        assert_eq!(back.tensors["b"], sample().tensors["b"]);
        assert_eq!(back.tensors["a.count"].int64_value(&[]), 7);
        assert_eq!(back.metadata["who"], "a test");
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        sample().write(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = format!("{:#}", TensorFile::read(&path).unwrap_err());
        assert!(error.contains("damaged: expected checksum"), "{error}");
    }
}
