//! From the engine that was asked for to the one that runs: our kernels, tract, ONNX Runtime, in this order where the
//! caller leaves the choice to us.

use std::path::Path;
use std::sync::Arc;

use model_core::onnx::ModelProto;

use super::{
    Engine, EngineError, EngineKind, KernelEngine, OnnxRuntimeEngine, Precision, TractEngine,
    in_color,
};
use crate::graph::{Element, InputShape};
use crate::onnx_file::{OnnxFile, Skeleton};

/// A network on its way into an engine.
#[derive(Clone, Copy)]
pub(crate) struct NetworkSource<'a> {
    /// The model's file or name, for messages.
    pub model: &'a str,
    pub file: &'a OnnxFile,
    pub skeleton: &'a Skeleton,
    /// The graph as in the file, without its large tensors.
    pub proto: &'a ModelProto,
    /// The graph as our own engines take it ([`crate::graph::prepare`]).
    pub prepared: &'a ModelProto,
    pub input: &'a InputShape,
    pub threads: usize,
    pub precision: Precision,
    /// See [`crate::ClassifierConfig::less_memory`].
    pub less_memory: bool,
}

/// An engine that has loaded a network.
pub(crate) struct Opened {
    pub engine: Arc<dyn Engine>,
    pub kind: EngineKind,
    /// Never [`Precision::Auto`].
    pub precision: Precision,
    /// Which kernels run it, or why ours do not.
    pub detail: Option<String>,
    /// What every user should know.
    pub notes: Vec<String>,
}

/// Opens the engine that was asked for.
///
/// # Errors
/// What the engine says; where the choice is ours, what every engine says.
pub(crate) fn open(
    kind: EngineKind,
    source: &NetworkSource<'_>,
    library: Option<&Path>,
) -> Result<Opened, EngineError> {
    if source.precision == Precision::Bf16 {
        return bf16(kind, source);
    }
    match kind {
        EngineKind::Kernels => kernels(source).map_err(|reason| refused(source, reason)),
        EngineKind::Tract => tract(source, None).map_err(|error| with_node(source, error)),
        EngineKind::OnnxRuntime => onnxruntime(source, library),
        EngineKind::Auto => match kernels(source) {
            Ok(opened) => Ok(opened),
            Err(reason) if !EngineKind::Tract.is_built_in() => {
                fall_back(source, library, refused(source, reason))
            }
            Err(reason) => {
                let detail = format!("our kernels do not run it: {reason}");
                tract(source, Some(detail)).or_else(|error| fall_back(source, library, error))
            }
        },
        EngineKind::Custom => Err(EngineError::Load {
            engine: EngineKind::Custom,
            model: source.model.to_owned(),
            reason: "a custom engine is handed in with Classifier::with_engine".to_owned(),
        }),
    }
}

/// What our kernels say of a network that they do not take.
fn refused(source: &NetworkSource<'_>, reason: String) -> EngineError {
    EngineError::Load {
        engine: EngineKind::Kernels,
        model: source.model.to_owned(),
        reason,
    }
}

/// Our kernels in bfloat16: no other engine computes in it, and none takes over for them.
fn bf16(kind: EngineKind, source: &NetworkSource<'_>) -> Result<Opened, EngineError> {
    let opened = match kind {
        EngineKind::Kernels | EngineKind::Auto => kernels(source),
        EngineKind::Tract | EngineKind::OnnxRuntime | EngineKind::Custom => {
            Err("only our own kernels do".to_owned())
        }
    };
    opened.map_err(|reason| EngineError::Precision {
        engine: match kind {
            EngineKind::Auto => EngineKind::Kernels,
            other => other,
        },
        model: source.model.to_owned(),
        reason,
    })
}

/// ONNX Runtime in the place of an engine of ours that has failed with `error`.
///
/// # Errors
/// Both engines' words where ONNX Runtime is missing, else its own.
pub(crate) fn fall_back(
    source: &NetworkSource<'_>,
    library: Option<&Path>,
    error: EngineError,
) -> Result<Opened, EngineError> {
    match onnxruntime(source, library) {
        Ok(mut opened) => {
            opened.detail = Some(error.to_string());
            opened
                .notes
                .push(format!("run by ONNX Runtime, because {error}"));
            Ok(opened)
        }
        Err(EngineError::Unavailable { .. }) => Err(EngineError::NoneFits {
            error: Box::new(with_node(source, error)),
        }),
        Err(EngineError::NotBuiltIn { .. }) => Err(with_node(source, error)),
        // What ONNX Runtime says is closer to the truth of a file: it knows every operator.
        Err(other) => Err(other),
    }
}

/// The error with the node that is at fault, which takes a while to find: only where nobody else runs the network.
fn with_node(source: &NetworkSource<'_>, error: EngineError) -> EngineError {
    match error {
        EngineError::Network {
            engine: EngineKind::Tract,
            model,
            node: None,
            said,
        } => EngineError::Network {
            engine: EngineKind::Tract,
            model,
            node: TractEngine::failing_node(source),
            said,
        },
        other => other,
    }
}

fn kernels(source: &NetworkSource<'_>) -> Result<Opened, String> {
    // float16 weights are widened while they are read.
    let element = match source.input.element {
        Element::F32 | Element::F16 | Element::F64 => Element::F32,
        Element::U8 => Element::U8,
    };
    let input = InputShape {
        element,
        ..source.input.clone()
    };
    let config = KernelEngine::config(source.precision, source.less_memory)?;
    let widened = NetworkSource {
        input: &input,
        ..*source
    };
    let engine = KernelEngine::load(&widened, &config)?;
    Ok(Opened {
        kind: EngineKind::Kernels,
        precision: engine.precision(),
        detail: Some(engine.description()),
        engine: in_color(Arc::new(engine), source.input),
        notes: Vec::new(),
    })
}

fn tract(source: &NetworkSource<'_>, detail: Option<String>) -> Result<Opened, EngineError> {
    let (engine, note) = TractEngine::load(source)?;
    Ok(Opened {
        engine: in_color(Arc::new(engine), source.input),
        kind: EngineKind::Tract,
        precision: Precision::Float32,
        detail,
        notes: note.into_iter().collect(),
    })
}

fn onnxruntime(source: &NetworkSource<'_>, library: Option<&Path>) -> Result<Opened, EngineError> {
    let engine = OnnxRuntimeEngine::load(source, library)?;
    Ok(Opened {
        engine: in_color(Arc::new(engine), source.input),
        kind: EngineKind::OnnxRuntime,
        precision: Precision::Float32,
        detail: None,
        notes: Vec::new(),
    })
}
