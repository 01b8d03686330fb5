//! What runs a network. The trait is small so that a fake can stand behind it in tests, and so that nothing of an
//! engine's own types leaks out.

#[cfg(all(test, feature = "tract"))]
mod corpus;
mod fake;
mod gray;
mod kernel_graph;
mod kernels;
#[cfg_attr(not(feature = "onnxruntime"), path = "without_onnxruntime.rs")]
mod onnxruntime;
mod open;
#[cfg(all(test, feature = "tract"))]
mod paths;
mod precision;
#[cfg_attr(not(feature = "tract"), path = "without_tract.rs")]
mod tract;

use std::fmt;
use std::str::FromStr;

use model_core::RgbImage;
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::text::one_line;
use serde::{Deserialize, Serialize};

pub use fake::FakeEngine;
pub use precision::Precision;

pub(crate) use gray::{LUMA, in_color};
pub(crate) use kernels::KernelEngine;
pub(crate) use onnxruntime::OnnxRuntimeEngine;
pub(crate) use open::{NetworkSource, fall_back, open};
pub(crate) use tract::TractEngine;

/// Runs a network on batches of preprocessed images.
pub trait Engine: Send + Sync {
    /// Runs `batch` inputs that lie one after the other in `input` (`[N, 3, H, W]` or `[N, H, W, 3]`, as the model's
    /// manifest says) and gives the outputs the same way: `[N, classes]`.
    ///
    /// # Errors
    /// [`EngineError`] when the network cannot be run.
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError>;

    /// Runs the network on a whole picture, for networks that resize, crop and normalize by themselves.
    ///
    /// # Errors
    /// [`EngineError`] when the network wants preprocessed images, or cannot be run.
    fn run_picture(&self, _picture: &RgbImage) -> Result<Vec<f32>, EngineError> {
        Err(EngineError::Run {
            engine: EngineKind::Custom,
            reason: "this network takes preprocessed images, not pictures".to_owned(),
        })
    }

    /// Numbers one image gives.
    fn classes(&self) -> usize;

    /// How many images one call should bring for the best throughput.
    fn preferred_batch(&self) -> usize {
        8
    }
}

/// The engines there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Our own kernels where they compute every node of the network and the processor suits them, else tract, else ONNX
    /// Runtime where it is installed.
    #[default]
    Auto,
    /// Our own kernels, or an error.
    Kernels,
    /// tract: most of ONNX, every processor.
    Tract,
    /// Microsoft's ONNX Runtime, a shared library found at run time.
    OnnxRuntime,
    /// [`FakeEngine`] or another engine handed in by the caller.
    Custom,
}

impl EngineKind {
    /// The engine's name as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kernels => "kernels",
            Self::Tract => "tract",
            Self::OnnxRuntime => "onnxruntime",
            Self::Custom => "custom",
        }
    }

    /// Whether this program was built with it (the features `tract` and `onnxruntime`).
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Tract => cfg!(feature = "tract"),
            Self::OnnxRuntime => cfg!(feature = "onnxruntime"),
            Self::Auto | Self::Kernels | Self::Custom => true,
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "kernels" => Ok(Self::Kernels),
            "tract" => Ok(Self::Tract),
            "onnxruntime" => Ok(Self::OnnxRuntime),
            other => Err(format!(
                "expected auto, kernels, tract or onnxruntime, got '{other}'"
            )),
        }
    }
}

/// The instructions that our kernels use on this processor; none where only tract suits it.
pub fn kernels_here() -> Option<String> {
    kernels::suitable().map(|isa| isa.to_string())
}

/// A node of a network that an engine cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingNode {
    /// The operator's name, with its domain where that is not ONNX's own.
    pub operator: String,
    /// The node's name in the file, or that of its first output.
    pub name: String,
}

fn at_node(node: Option<&FailingNode>) -> String {
    match node {
        Some(node) => format!(
            "it gives up at {} '{}'",
            one_line(&node.operator),
            one_line(&node.name)
        ),
        None => "it gives up on the network as a whole".to_owned(),
    }
}

/// Names that a file gives, on one line whatever they hold.
fn listed(names: &[String]) -> String {
    one_line(names.join(", "))
}

/// Why an engine gives no numbers. Every message is one line, also where a file's own names hold line breaks.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network cannot be loaded.
    #[error("{engine} cannot load {}: {}", one_line(model), one_line(reason))]
    Load {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
        /// What the engine said.
        reason: String,
    },
    /// The engine lacks operators of the network.
    #[error(
        "{engine} cannot run {}: it has no {}",
        one_line(model),
        listed(operators)
    )]
    Operators {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
        /// The operators' names.
        operators: Vec<String>,
    },
    /// The engine has every operator, but cannot make a plan of the network.
    #[error("{engine} cannot run {}: {}", one_line(model), at_node(node.as_ref()))]
    Network {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
        /// The node it stumbles over, where that could be found.
        node: Option<FailingNode>,
        /// The engine's own words, for a report to its developers; no part of the message.
        said: String,
    },
    /// The engine is known to compute something in the network wrongly.
    #[error(
        "{engine} is not trusted with {}: it computes {} wrongly",
        one_line(model),
        listed(features)
    )]
    Distrusted {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
        /// Operators with the attributes at fault.
        features: Vec<String>,
    },
    /// The engine was left out when the program was built.
    #[error(
        "{engine} is no part of this program, so it cannot run {}",
        one_line(model)
    )]
    NotBuiltIn {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
    },
    /// No engine of ours runs the network, and ONNX Runtime is not on this machine.
    #[error("{error}, and ONNX Runtime, which may run it, is not on this machine")]
    NoneFits {
        /// What ours say.
        error: Box<EngineError>,
    },
    /// The network cannot be computed in the numbers that were asked for.
    #[error(
        "{engine} cannot compute {} in bfloat16: {}",
        one_line(model),
        one_line(reason)
    )]
    Precision {
        /// The engine.
        engine: EngineKind,
        /// The model's file or name.
        model: String,
        /// What stands in the way.
        reason: String,
    },
    /// The network was loaded but failed on an input.
    #[error("{engine} failed to run the network: {}", one_line(reason))]
    Run {
        /// The engine.
        engine: EngineKind,
        /// What the engine said.
        reason: String,
    },
    /// ONNX Runtime is not on this machine.
    #[error(
        "ONNX Runtime {min_version} or newer is not available: {}",
        one_line(reason)
    )]
    Unavailable {
        /// Why it could not be loaded.
        reason: String,
        /// The oldest version that works, as `1.24`.
        min_version: String,
    },
    /// The input does not hold what the batch needs.
    #[error("expected {expected} numbers for a batch of {batch}, got {got}")]
    InputLength {
        /// Images in the batch.
        batch: usize,
        /// Numbers they take.
        expected: usize,
        /// Numbers handed in.
        got: usize,
    },
}

/// Whether the program can open a library at run time. One that is linked statically has no dynamic linker.
const OPENS_LIBRARIES: bool = cfg!(windows) || !cfg!(target_feature = "crt-static");

impl EngineError {
    /// The engine that gives no numbers.
    pub fn engine(&self) -> EngineKind {
        match self {
            Self::Load { engine, .. }
            | Self::Operators { engine, .. }
            | Self::Network { engine, .. }
            | Self::Distrusted { engine, .. }
            | Self::NotBuiltIn { engine, .. }
            | Self::Precision { engine, .. }
            | Self::Run { engine, .. } => *engine,
            Self::Unavailable { .. } => EngineKind::OnnxRuntime,
            Self::NoneFits { error } => error.engine(),
            Self::InputLength { .. } => EngineKind::Custom,
        }
    }
}

impl Diagnose for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::Load { .. } => "engine.load",
            Self::Operators { .. } => "engine.operators",
            Self::Network { .. } => "engine.network",
            Self::Distrusted { .. } => "engine.distrusted",
            Self::NotBuiltIn { .. } => "engine.not-built-in",
            Self::NoneFits { .. } => "engine.none-fits",
            Self::Precision { .. } => "engine.precision",
            Self::Run { .. } => "engine.run",
            Self::Unavailable { .. } => "engine.unavailable",
            Self::InputLength { .. } => "engine.input-length",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Unavailable { .. } | Self::NoneFits { .. } if OPENS_LIBRARIES => {
                Some(Remedy::InstallOnnxRuntime)
            }
            Self::Unavailable { .. } => Some(Remedy::UseEngine(&["auto", "kernels", "tract"])),
            Self::NoneFits { .. } => None,
            Self::InputLength { .. } => None,
            Self::NotBuiltIn { .. } => Some(Remedy::UseEngine(&["auto"])),
            Self::Precision { .. } => Some(Remedy::UsePrecision(&["auto", "float32"])),
            Self::Load { engine, .. }
            | Self::Operators { engine, .. }
            | Self::Network { engine, .. }
            | Self::Distrusted { engine, .. }
            | Self::Run { engine, .. } => match engine {
                EngineKind::Kernels => other_than(&["auto", "tract", "onnxruntime"]),
                EngineKind::Auto | EngineKind::Tract => other_than(&["onnxruntime"]),
                EngineKind::OnnxRuntime => Some(Remedy::ChooseAnotherModel),
                EngineKind::Custom => None,
            },
        }
    }
}

/// The engines that may do better, as far as they are part of this program; another model where none is.
fn other_than(names: &'static [&'static str]) -> Option<Remedy> {
    let tract = EngineKind::Tract.is_built_in();
    let onnxruntime = EngineKind::OnnxRuntime.is_built_in();
    Some(match (tract, onnxruntime) {
        (true, true) => Remedy::UseEngine(names),
        (false, true) => Remedy::UseEngine(&["onnxruntime"]),
        (true, false) if names.contains(&"tract") => Remedy::UseEngine(&["auto", "tract"]),
        (_, false) => Remedy::ChooseAnotherModel,
    })
}

/// Numbers from 0 to 255 as bytes, for networks that take bytes.
fn to_bytes(images: &[f32]) -> Vec<u8> {
    images
        .iter()
        .map(|value| value.round().clamp(0.0, 255.0) as u8)
        .collect()
}
