//! ONNX files as data: messages, reading with limits, writing, metadata. No engine, nothing is executed.
//!
//! ```
//! use model_core::onnx::{self, ModelProto};
//! let mut model = ModelProto::default();
//! model.set_metadata("task", "classify");
//! let bytes = onnx::to_bytes(&model);
//! assert!(onnx::parse(&bytes).is_err(), "a model without a graph is refused");
//! ```

mod build;
mod proto;

use std::path::{Path, PathBuf};

use prost::Message;

pub use build::Dim;
pub use proto::{
    AttributeProto, DataType, DimensionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// Largest ONNX file read: protobuf itself stops at 2 GiB.
pub const MAX_MODEL_BYTES: u64 = 2 << 30;

/// What can be wrong with an ONNX file.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The system cannot read the file.
    #[error("cannot read {}: {}", path.display(), crate::text::system_words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any ONNX file can be.
    #[error("{} has {bytes} bytes; an ONNX file may have at most {MAX_MODEL_BYTES}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// What the file holds is no ONNX model that can be read.
    #[error("not an ONNX model ({reason}): {}; expected a file written by an ONNX exporter", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The same of bytes in memory, with what is wrong with them.
    #[error("not an ONNX model ({0})")]
    Bytes(String),
    /// A tensor's data do not fit its shape or type, or are not what was asked for.
    #[error("tensor '{}': {reason}", crate::text::one_line(name))]
    Tensor {
        /// The tensor's name.
        name: String,
        /// Expected and got.
        reason: String,
    },
}

/// Reads an ONNX file; external data and files above [`MAX_MODEL_BYTES`] are refused.
pub fn read(path: &Path) -> Result<ModelProto, OnnxError> {
    let io = |source| OnnxError::Read {
        path: path.to_path_buf(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > MAX_MODEL_BYTES {
        return Err(OnnxError::TooLarge {
            path: path.to_path_buf(),
            bytes,
        });
    }
    parse(&std::fs::read(path).map_err(io)?).map_err(|error| match error {
        OnnxError::Bytes(reason) => OnnxError::File {
            path: path.to_path_buf(),
            reason,
        },
        other => other,
    })
}

/// Reads an ONNX model from memory: it must have a graph with inputs, outputs and nodes, and all its data inside.
pub fn parse(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    let model = parse_open(bytes)?;
    let initializers = model.graph.iter().flat_map(|graph| &graph.initializer);
    match initializers.into_iter().find(|tensor| tensor.is_external()) {
        None => Ok(model),
        Some(tensor) => Err(OnnxError::Bytes(format!(
            "tensor '{}' is stored in another file, which is not read",
            tensor.name
        ))),
    }
}

/// [`parse`] for a model whose tensors may lie in other files: whoever calls it looks for them.
pub fn parse_open(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    let model = ModelProto::decode(bytes).map_err(|error| OnnxError::Bytes(error.to_string()))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| OnnxError::Bytes("it has no graph".into()))?;
    if graph.node.is_empty() || graph.output.is_empty() {
        return Err(OnnxError::Bytes("its graph is empty".into()));
    }
    for tensor in graph.initializer.iter().filter(|t| !t.is_external()) {
        tensor.check_size()?;
    }
    Ok(model)
}

/// The bytes of a model: the same model gives the same bytes.
pub fn to_bytes(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

impl ModelProto {
    /// The value of a `metadata_props` key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata_props
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.value.as_str())
    }

    /// Sets a `metadata_props` key, replacing its old value in place.
    pub fn set_metadata(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match self
            .metadata_props
            .iter_mut()
            .find(|entry| entry.key == key)
        {
            Some(entry) => entry.value = value,
            None => self.metadata_props.push(StringStringEntryProto {
                key: key.into(),
                value,
            }),
        }
    }

    /// The opset of the default domain, 0 when the file names none.
    pub fn opset(&self) -> i64 {
        let default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        self.opset_import
            .iter()
            .find(|o| default(&o.domain))
            .and_then(|o| o.version)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small_model() -> ModelProto {
        let graph = GraphProto {
            name: "small".into(),
            node: vec![NodeProto::new(
                "Add",
                "add",
                &["x", "c"],
                &["y"],
                vec![AttributeProto::int("zero", 0)],
            )],
            initializer: vec![TensorProto::floats("c", &[2], &[1.0, -2.5])],
            input: vec![ValueInfoProto::tensor(
                "x",
                DataType::Float,
                &[Dim::Symbol("batch"), Dim::Size(2)],
            )],
            output: vec![ValueInfoProto::tensor(
                "y",
                DataType::Float,
                &[Dim::Symbol("batch"), Dim::Size(2)],
            )],
            ..Default::default()
        };
        let opset = OperatorSetIdProto {
            domain: String::new(),
            version: Some(17),
        };
        ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![opset],
            ..Default::default()
        }
    }

    #[test]
    fn bytes_round_trip_and_repeat() {
        let mut model = small_model();
        model.set_metadata("a", "1");
        model.set_metadata("a", "2");
        let bytes = to_bytes(&model);
        assert_eq!(bytes, to_bytes(&model));
        let back = parse(&bytes).unwrap();
        assert_eq!(back, model);
        assert_eq!(
            (back.metadata("a"), back.metadata("b"), back.opset()),
            (Some("2"), None, 17)
        );
        let graph = back.graph.unwrap();
        assert_eq!(graph.initializer[0].to_f32().unwrap(), [1.0, -2.5]);
        assert_eq!(
            graph.node[0].attribute[0].i,
            Some(0),
            "a zero attribute is written, not left out"
        );
    }

    #[test]
    fn refuses_what_is_not_a_model() {
        assert!(parse(b"not a model at all").is_err());
        assert!(parse(&[]).unwrap_err().to_string().contains("no graph"));
        let mut cut = to_bytes(&small_model());
        cut.truncate(cut.len() / 2);
        assert!(parse(&cut).is_err());
    }

    #[test]
    fn refuses_external_data_and_lying_sizes() {
        let mut model = small_model();
        let graph = model.graph.as_mut().unwrap();
        graph.initializer[0].dims = vec![1 << 40];
        assert!(
            parse(&to_bytes(&model))
                .unwrap_err()
                .to_string()
                .contains('c')
        );
        let graph = model.graph.as_mut().unwrap();
        graph.initializer[0].data_location = Some(1);
        assert!(
            parse(&to_bytes(&model))
                .unwrap_err()
                .to_string()
                .contains("another file")
        );
    }
}
