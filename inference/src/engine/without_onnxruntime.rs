//! The place of ONNX Runtime in a program that is built without it (the feature `onnxruntime`): every network is refused.

use std::path::Path;

use super::{Engine, EngineError, EngineKind, NetworkSource};

/// Nothing makes one.
pub(crate) enum OnnxRuntimeEngine {}

impl OnnxRuntimeEngine {
    pub fn load(source: &NetworkSource<'_>, _library: Option<&Path>) -> Result<Self, EngineError> {
        Err(EngineError::NotBuiltIn {
            engine: EngineKind::OnnxRuntime,
            model: source.model.to_owned(),
        })
    }
}

impl Engine for OnnxRuntimeEngine {
    fn run(&self, _input: &[f32], _batch: usize) -> Result<Vec<f32>, EngineError> {
        match *self {}
    }

    fn classes(&self) -> usize {
        match *self {}
    }
}
