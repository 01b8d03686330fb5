//! Checkpoints as named f32 tensors: safetensors and PyTorch `.pth` files, told apart by content.
//!
//! A `.pth` is a pickle and therefore untrusted: [`pickle`](self) values are read as data, nothing in the file is ever
//! executed, and every size is bounded before memory is taken. Renaming of foreign tensor names is in `names.rs` and `timm.rs` only.
//! Not here: writing checkpoints, devices, optimizer state.

mod archive;
mod convert;
mod names;
mod pickle;
mod safetensor;
mod timm;
mod torch;
mod training;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::arch::{self, ArchGraph, Architecture, TensorKind};
use crate::manifest::{MANIFEST_KEY, Manifest};

pub use timm::{TimmModel, timm_model, to_timm};
pub use training::{TrainingState, read_training};

/// Largest checkpoint file read.
pub const MAX_FILE_BYTES: u64 = 8 << 30;
/// Most numbers taken from one checkpoint (4 GiB as f32).
pub const MAX_ELEMENTS: usize = 1 << 30;

/// A dense tensor, row major; `data.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The sizes of its dimensions, the outermost first, such as `[64, 3, 7, 7]`; empty for a single number.
    pub shape: Vec<usize>,
    /// The values, the last dimension's neighbors side by side.
    pub data: Vec<f32>,
}

/// The tensors of one network by name, and what the file says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// Weights, biases and statistics, by the names that the file or the network gives them.
    pub tensors: BTreeMap<String, Tensor>,
    /// safetensors `__metadata__`, or the plain values beside the tensors of a `.pth` (`arch`, `epoch`).
    pub metadata: BTreeMap<String, String>,
}

/// Which of the weight sets of a checkpoint to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightSet {
    /// The trained weights.
    #[default]
    Model,
    /// Their exponential moving average.
    Ema,
}

/// What can be wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The system cannot read the file.
    #[error("cannot read {}: {}", path.display(), crate::text::system_words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no checkpoint, is cut short, lacks the weights that were asked for, or is beyond the limits.
    #[error("{reason}: {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tensors are not those of the network, by name or shape.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    /// Tensors of the right names and shapes that belong to another network all the same.
    #[error("the weights belong to {theirs}, as {because}; expected weights of {ours}")]
    OtherArchitecture {
        /// The architecture of the weights.
        theirs: String,
        /// The architecture that they were to be loaded into.
        ours: &'static str,
        /// What says so, such as "its manifest says".
        because: &'static str,
    },
    /// A value is infinite or NaN.
    #[error(
        "tensor '{name}' holds {value} at element {index}; a checkpoint of a diverged run cannot be used"
    )]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// The place of the first such value in the tensor's data, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A running variance of batch normalization is below zero.
    #[error(
        "tensor '{name}' holds the negative variance {value} at element {index}; the checkpoint is damaged"
    )]
    NegativeVariance {
        /// The tensor's name.
        name: String,
        /// The place of the first such value in the tensor's data, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
}

/// Every difference between the tensors a network needs and those a checkpoint has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mismatch {
    /// Names that the network needs and the checkpoint lacks.
    pub missing: Vec<String>,
    /// Names that the checkpoint has and the network does not know.
    pub unexpected: Vec<String>,
    /// Name, expected shape, shape in the checkpoint.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Mismatch {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let list = |f: &mut fmt::Formatter<'_>, title: &str, items: &[String]| -> fmt::Result {
            if items.is_empty() {
                return Ok(());
            }
            let more = items.len().saturating_sub(SHOWN);
            let shown = items
                .iter()
                .take(SHOWN)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            let tail = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            write!(f, "; {} {title}: {shown}{tail}", items.len())
        };
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|(name, expected, got)| format!("{name} (expected {expected:?}, got {got:?})"))
            .collect();
        write!(f, "the tensors do not fit the network")?;
        list(f, "missing", &self.missing)?;
        list(f, "misshapen", &misshapen)?;
        list(f, "unexpected", &self.unexpected)
    }
}

/// Reads the trained weights of a `.safetensors` or `.pth` file.
///
/// # Errors
/// A file that cannot be read, is no checkpoint, is cut short, or is beyond the limits.
pub fn read(path: &Path) -> Result<StateDict, WeightsError> {
    read_set(path, WeightSet::Model)
}

/// Reads one of the weight sets of a `.safetensors` or `.pth` file.
///
/// # Errors
/// As [`read`], and when the checkpoint has no such set.
pub fn read_set(path: &Path, set: WeightSet) -> Result<StateDict, WeightsError> {
    let io = |source| WeightsError::Read {
        path: path.to_path_buf(),
        source,
    };
    let file_error = |reason: String| WeightsError::File {
        path: path.to_path_buf(),
        reason,
    };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if meta.is_dir() {
        return Err(file_error(
            "this is a folder; expected a .safetensors or .pth file".into(),
        ));
    }
    if meta.len() > MAX_FILE_BYTES {
        return Err(file_error(format!(
            "{} bytes are more than the limit of {MAX_FILE_BYTES}",
            meta.len()
        )));
    }
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head).map_err(io)?;
    let result = if head.starts_with(b"PK\x03\x04") {
        torch::read_zip(file, set)
    } else {
        let bytes = std::fs::read(path).map_err(io)?;
        if torch::is_legacy(&bytes) {
            torch::read_legacy(&bytes, set)
        } else if safetensor::is_safetensors(&bytes) {
            safetensor::read(&bytes, set)
        } else {
            Err("neither safetensors nor a PyTorch checkpoint (or cut short)".into())
        }
    };
    result.map_err(file_error)
}

/// Reads every tensor of a safetensors file under its own name, without looking for network weights.
///
/// # Errors
/// As [`read`].
pub fn read_plain(path: &Path) -> Result<StateDict, WeightsError> {
    let io = |source| WeightsError::Read {
        path: path.to_path_buf(),
        source,
    };
    let bytes = std::fs::read(path).map_err(io)?;
    safetensor::read_plain(&bytes).map_err(|reason| WeightsError::File {
        path: path.to_path_buf(),
        reason,
    })
}

/// Renames the tensors of `weights` to those of `architecture`, and checks them: names, shapes, finite values.
///
/// # Errors
/// [`WeightsError::Mismatch`] with all differences at once, or a tensor with NaN, infinity or a negative variance.
pub fn load_state(
    architecture: &Architecture,
    weights: StateDict,
) -> Result<StateDict, WeightsError> {
    if let Some((theirs, because)) = weights.origin()
        && theirs.name() != architecture.name()
        && same_tensors(&theirs, architecture)
    {
        return Err(WeightsError::OtherArchitecture {
            theirs: theirs.name().to_owned(),
            ours: architecture.name(),
            because,
        });
    }
    let graph = architecture.graph();
    let weights = names::rename(architecture, weights);
    weights.check(&graph)?;
    Ok(weights)
}

/// Whether names and shapes alone cannot tell two networks apart.
fn same_tensors(a: &Architecture, b: &Architecture) -> bool {
    arch::by_name(a.name(), b.num_classes())
        .is_ok_and(|a| a.graph().tensors() == b.graph().tensors())
}

impl StateDict {
    /// The architecture that the file itself names, by its manifest, by an `arch` beside the weights, or by names that
    /// only one project gives; and which of these it was.
    pub fn origin(&self) -> Option<(Architecture, &'static str)> {
        let known = |name: &str| arch::by_name(name, 1).ok();
        if let Some(text) = self.metadata.get(MANIFEST_KEY) {
            let manifest = Manifest::from_json(text).ok()?;
            return Some((known(&manifest.arch)?, "its manifest says"));
        }
        if let Some(name) = self
            .metadata
            .get("arch")
            .or(self.metadata.get("architecture"))
        {
            return Some((known(name)?, "the file says beside the weights"));
        }
        // EfficientNet-PyTorch converted TensorFlow's weights and nothing else.
        let lukemelas = self
            .tensors
            .keys()
            .any(|name| name.ends_with("_conv_stem.weight"));
        let lite = lukemelas && !self.tensors.keys().any(|name| name.contains("_se_reduce"));
        lite.then(|| known("tf_efficientnet_lite0"))
            .flatten()
            .map(|found| (found, "the names of its tensors show"))
    }

    /// Number of classes, by the rows of the weight that is the classifier's in `architecture`, under any name we know.
    pub fn num_classes(&self, architecture: &Architecture) -> Option<usize> {
        names::classifier_rows(architecture, self)
    }

    /// Compares names and shapes with `graph`, then looks for values no network can use.
    ///
    /// `num_batches_tracked` counters play no part in inference and may be missing.
    ///
    /// # Errors
    /// As [`load_state`].
    pub fn check(&self, graph: &ArchGraph) -> Result<(), WeightsError> {
        let specs = graph.tensors();
        let mut difference = Mismatch::default();
        for spec in &specs {
            match self.tensors.get(&spec.name) {
                None if spec.kind == TensorKind::NumBatchesTracked => {}
                None => difference.missing.push(spec.name.clone()),
                Some(tensor) if tensor.shape != spec.shape => {
                    difference.misshapen.push((
                        spec.name.clone(),
                        spec.shape.clone(),
                        tensor.shape.clone(),
                    ));
                }
                Some(_) => {}
            }
        }
        let known: std::collections::HashSet<&str> =
            specs.iter().map(|spec| spec.name.as_str()).collect();
        difference.unexpected = self
            .tensors
            .keys()
            .filter(|name| !known.contains(name.as_str()))
            .cloned()
            .collect();
        if !difference.is_empty() {
            return Err(WeightsError::Mismatch(Box::new(difference)));
        }
        for spec in &specs {
            let Some(tensor) = self.tensors.get(&spec.name) else {
                continue;
            };
            if let Some(index) = tensor.data.iter().position(|value| !value.is_finite()) {
                return Err(WeightsError::NotFinite {
                    name: spec.name.clone(),
                    index,
                    value: tensor.data[index],
                });
            }
            if spec.kind == TensorKind::RunningVar
                && let Some(index) = tensor.data.iter().position(|value| *value < 0.0)
            {
                return Err(WeightsError::NegativeVariance {
                    name: spec.name.clone(),
                    index,
                    value: tensor.data[index],
                });
            }
        }
        Ok(())
    }
}

/// Tensors of a file before one set is chosen: (group, name), where the group is the path of nesting dicts.
type Found<T> = Vec<(String, String, T)>;

#[cfg(test)]
mod tests;
