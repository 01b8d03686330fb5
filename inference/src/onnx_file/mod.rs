//! An ONNX file without its weights in memory. The scan copies everything but the large tensors, whose places it notes;
//! the engine then reads each of them straight into memory of its own, so that neither the
//! file nor its decoded messages hold the weights a second and a third time.
//!
//! Tensors in other files (`model.onnx.data`) are found by [`external`] and read through the same door: their files
//! follow the model's own bytes in one line of offsets.
//!
//! Not here: what the messages mean (`model_core::onnx`), and what is wrong with a graph (`graph`).

mod external;
mod scan;

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use model_core::onnx::{self, DataType, ModelProto};
use model_core::platform::read_exact_at;
use model_core::text::system_words;

use crate::InferenceError;
use crate::error::ModelProblem;

/// Where the bytes of a model are.
#[derive(Debug)]
pub(crate) enum OnnxFile {
    /// In memory.
    Bytes(Cow<'static, [u8]>),
    /// On disk; opened once, so that it cannot become another file between two reads.
    Disk(DiskFile),
}

/// A model file and the files that hold tensors for it.
#[derive(Debug)]
pub(crate) struct DiskFile {
    path: PathBuf,
    /// The model itself first; each part begins at the offset where the one before it ends.
    parts: Vec<Part>,
}

/// One file of a model.
#[derive(Debug)]
struct Part {
    file: File,
    len: u64,
}

/// A model without its large tensors.
pub(crate) struct Skeleton {
    /// The encoded model; the initializers named in `blobs` have no data.
    pub bytes: Vec<u8>,
    /// The places of the data left out, in the order of the initializers.
    pub blobs: Vec<Blob>,
}

/// The data of one initializer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    /// Place of the tensor among the graph's initializers.
    pub initializer: usize,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What the bytes hold, whatever type the graph calls the tensor by now.
    pub element: DataType,
}

impl OnnxFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`InferenceError::Model`] when there is none, or it is too large for protobuf.
    pub fn open(path: &Path) -> Result<Self, InferenceError> {
        let problem = |reason: String| InferenceError::model(path.display().to_string(), reason);
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => InferenceError::model_problem(
                path.display().to_string(),
                ModelProblem::NotFound,
                "no such model file",
            ),
            _ => problem(format!("cannot read the model: {}", system_words(error))),
        };
        let found = std::fs::metadata(path).map_err(io)?;
        if found.is_dir() {
            return Err(problem("expected an ONNX file, got a folder".to_owned()));
        }
        if !found.is_file() {
            return Err(problem(
                "expected an ONNX file, got a device or a pipe".to_owned(),
            ));
        }
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        if len > onnx::MAX_MODEL_BYTES {
            return Err(problem(format!(
                "expected at most {} bytes, got {len}",
                onnx::MAX_MODEL_BYTES
            )));
        }
        Ok(Self::Disk(DiskFile {
            path: path.to_owned(),
            parts: vec![Part { file, len }],
        }))
    }

    /// Bytes of the model file itself.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Disk(disk) => disk.parts[0].len,
        }
    }

    /// Bytes of all its files.
    pub fn total_len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Disk(disk) => disk.parts.iter().map(|part| part.len).sum(),
        }
    }

    /// The path to hand to a reader that looks for the other files itself, where there are others.
    pub fn path_of_several(&self) -> Option<&Path> {
        match self {
            Self::Disk(disk) if disk.parts.len() > 1 => Some(&disk.path),
            _ => None,
        }
    }

    /// Everything.
    pub fn whole(&self) -> std::io::Result<Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Disk(disk) => {
                let mut bytes = vec![0; disk.parts[0].len as usize];
                self.read_at(0, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Fills `to` from `offset` on. Safe to call from several threads.
    pub fn read_at(&self, offset: u64, to: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let part = usize::try_from(offset)
                    .ok()
                    .and_then(|at| bytes.get(at..)?.get(..to.len()))
                    .ok_or(std::io::ErrorKind::UnexpectedEof)?;
                to.copy_from_slice(part);
                Ok(())
            }
            Self::Disk(disk) => {
                let mut at = offset;
                for part in &disk.parts {
                    if at < part.len {
                        return read_exact_at(&part.file, to, at);
                    }
                    at -= part.len;
                }
                match to.len() {
                    0 => Ok(()),
                    _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }

    /// Reads everything but the large tensors.
    ///
    /// # Errors
    /// Why this is no protobuf message.
    pub fn skeleton(&self) -> Result<Skeleton, String> {
        scan::skeleton(self)
    }

    /// Reads everything but the large tensors, opens the files of tensors that lie elsewhere, and checks all sizes.
    ///
    /// # Errors
    /// [`InferenceError::Model`]: no ONNX model, or a tensor whose file is missing, elsewhere, or too short.
    pub fn read(&mut self, model: &str) -> Result<(Skeleton, ModelProto), InferenceError> {
        let problem = |reason: String| InferenceError::model(model, reason);
        let mut skeleton = self
            .skeleton()
            .map_err(|reason| problem(format!("not an ONNX model ({reason})")))?;
        let mut proto = skeleton.parse(model)?;
        external::attach(self, &mut skeleton, &mut proto).map_err(problem)?;
        Ok((skeleton, proto))
    }
}

impl Skeleton {
    /// The messages, with the same checks as [`onnx::parse`]; sizes of the tensors left out included.
    ///
    /// # Errors
    /// [`InferenceError::Model`].
    pub fn parse(&self, model: &str) -> Result<ModelProto, InferenceError> {
        let problem = |reason: String| InferenceError::model(model, reason);
        let proto = onnx::parse_open(&self.bytes).map_err(|error| problem(error.to_string()))?;
        let initializers = proto
            .graph
            .as_ref()
            .map_or(&[][..], |graph| &graph.initializer);
        for blob in &self.blobs {
            let tensor = initializers
                .get(blob.initializer)
                .ok_or_else(|| problem("not an ONNX model (tensors contradict it)".to_owned()))?;
            let expected = tensor
                .element_count()
                .ok()
                .and_then(|count| (count as u64).checked_mul(tensor.element()?.bytes()? as u64));
            if expected != Some(blob.len) {
                return Err(problem(format!(
                    "tensor '{}': shape {:?} of {} but {} bytes",
                    tensor.name,
                    tensor.dims,
                    tensor.element().map_or("an unknown type", DataType::name),
                    blob.len
                )));
            }
        }
        Ok(proto)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use model_core::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

    use super::*;

    fn model() -> ModelProto {
        let large: Vec<f32> = (0..900).map(|n| n as f32).collect();
        let shape = [7i64; 200];
        let graph = GraphProto {
            node: vec![NodeProto::new(
                "Add",
                "add",
                &["x", "large"],
                &["y"],
                vec![],
            )],
            initializer: vec![
                TensorProto::floats("small", &[2], &[1.0, 2.0]),
                TensorProto::floats("large", &[30, 30], &large),
                TensorProto::int64("shape", &[200], &shape),
                TensorProto::halves("half", &[900], &large),
            ],
            output: vec![ValueInfoProto::tensor("y", DataType::Float, &[])],
            ..GraphProto::default()
        };
        let mut model = ModelProto {
            producer_name: "test".into(),
            graph: Some(graph),
            ..ModelProto::default()
        };
        model.set_metadata("after", "the graph");
        model
    }

    #[test]
    fn only_large_weights_stay_behind_and_are_found_again() {
        let whole = onnx::to_bytes(&model());
        let mut disk = tempfile::tempfile().unwrap();
        disk.write_all(&whole).unwrap();
        let disk = OnnxFile::Disk(DiskFile {
            path: PathBuf::new(),
            parts: vec![Part {
                file: disk,
                len: whole.len() as u64,
            }],
        });
        for file in [OnnxFile::Bytes(whole.clone().into()), disk] {
            let skeleton = file.skeleton().unwrap();
            let mut proto = skeleton.parse("test").unwrap();
            let places: Vec<usize> = skeleton.blobs.iter().map(|b| b.initializer).collect();
            assert_eq!(places, [1, 3]);
            assert!(skeleton.bytes.len() < whole.len() - 3600 - 1800 + 100);
            for blob in &skeleton.blobs {
                let mut data = vec![0; blob.len as usize];
                file.read_at(blob.offset, &mut data).unwrap();
                let tensor = &mut proto.graph.as_mut().unwrap().initializer[blob.initializer];
                assert!(tensor.raw_data.is_none());
                tensor.raw_data = Some(data);
            }
            assert_eq!(proto, model());
            assert_eq!(file.whole().unwrap(), whole);
        }
    }

    #[test]
    fn a_file_that_ends_early_or_lies_about_a_tensor_is_refused() {
        let whole = onnx::to_bytes(&model());
        for end in 1..whole.len() {
            let file = OnnxFile::Bytes(whole[..end].to_vec().into());
            let read = file
                .skeleton()
                .map(|skeleton| skeleton.parse("test").is_ok());
            // Between the messages of the top level a shorter model may be whole.
            assert!(read != Ok(true) || end > whole.len() - 40, "{end}");
        }
        let mut lying = model();
        lying.graph.as_mut().unwrap().initializer[1].dims = vec![31, 30];
        let file = OnnxFile::Bytes(onnx::to_bytes(&lying).into());
        let error = file.skeleton().unwrap().parse("test").err().unwrap();
        assert_eq!(
            error.to_string(),
            "test: tensor 'large': shape [31, 30] of float32 but 3600 bytes"
        );
    }
}
