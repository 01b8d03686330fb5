//! The place of tract in a program that is built without it (the feature `tract`): every network is refused.

use super::{Engine, EngineError, EngineKind, FailingNode, NetworkSource};

/// Nothing makes one.
pub(crate) enum TractEngine {}

impl TractEngine {
    pub fn load(source: &NetworkSource<'_>) -> Result<(Self, Option<String>), EngineError> {
        Err(Self::missing(source))
    }

    pub fn load_part(
        source: &NetworkSource<'_>,
        _output: Option<&str>,
    ) -> Result<Self, EngineError> {
        Err(Self::missing(source))
    }

    pub fn failing_node(_source: &NetworkSource<'_>) -> Option<FailingNode> {
        None
    }

    pub fn output_shape(&self) -> &[usize] {
        match *self {}
    }

    fn missing(source: &NetworkSource<'_>) -> EngineError {
        EngineError::NotBuiltIn {
            engine: EngineKind::Tract,
            model: source.model.to_owned(),
        }
    }
}

impl Engine for TractEngine {
    fn run(&self, _input: &[f32], _batch: usize) -> Result<Vec<f32>, EngineError> {
        match *self {}
    }

    fn classes(&self) -> usize {
        match *self {}
    }
}
