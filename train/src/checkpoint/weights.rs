//! The network for others to use: a safetensors file with torchvision's names and a manifest, and the way back.

use std::path::Path;

use anyhow::{Context, Result};
use model_core::arch::TensorKind;
use model_core::manifest::{MANIFEST_KEY, Manifest};
use tch::Tensor;

use super::file::TensorFile;
use crate::model::TorchNetwork;

/// Writes the network's present weights, BatchNorm counters included: what PyTorch's `state_dict()` holds.
pub fn write(network: &TorchNetwork, manifest: &Manifest, path: &Path) -> Result<()> {
    let mut file = TensorFile::default();
    for named in network.tensors() {
        file.insert(&named.name, &named.tensor);
        if named.kind == TensorKind::RunningMean {
            let module = named.name.trim_end_matches("running_mean");
            let count = Tensor::from(network.batches_tracked());
            file.insert(format!("{module}num_batches_tracked"), &count);
        }
    }
    file.metadata
        .insert(MANIFEST_KEY.into(), manifest.to_json()?);
    file.write(path)
}

/// What became of the tensors of a file of initial weights.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Taken over.
    pub loaded: usize,
    /// Left at their initial values: missing in the file, or of another shape there.
    pub fresh: Vec<String>,
    /// In the file, not in the network.
    pub unused: Vec<String>,
}

impl Loaded {
    /// One line for the log.
    pub fn describe(&self) -> String {
        let list = |names: &[String]| match names.len() {
            0 => String::new(),
            n if n <= 4 => format!(" ({})", names.join(", ")),
            n => format!(" ({}, and {} more)", names[..3].join(", "), n - 3),
        };
        format!(
            "{} tensors loaded, {} start fresh{}, {} unused{}",
            self.loaded,
            self.fresh.len(),
            list(&self.fresh),
            self.unused.len(),
            list(&self.unused)
        )
    }
}

/// A file of weights and the manifest in it, if there is one.
pub fn manifest_of(path: &Path) -> Result<Option<Manifest>> {
    let weights = model_core::weights::read(path)
        .with_context(|| format!("cannot read weights {}", path.display()))?;
    let text = weights.metadata.get(MANIFEST_KEY);
    Ok(text.map(|text| Manifest::from_json(text)).transpose()?)
}

/// Weights from a file (ours, torchvision's or timm's, by content), for a network whose class count may differ: then
/// the classifier keeps its initial values.
///
/// # Errors
/// Unreadable, of another architecture, or with values that are not finite.
pub fn load(network: &mut TorchNetwork, path: &Path) -> Result<Loaded> {
    let weights = model_core::weights::read(path)?;
    let wanted = network.architecture().clone();
    let classes = weights.num_classes(&wanted).unwrap_or(wanted.num_classes());
    let theirs = model_core::arch::by_name(wanted.name(), classes)?;
    let mut state = model_core::weights::load_state(&theirs, weights)
        .with_context(|| format!("{} does not fit {}", path.display(), wanted.name()))?;
    let mut result = Loaded::default();
    for named in network.tensors() {
        let ours: Vec<usize> = named.tensor.size().iter().map(|&d| d as usize).collect();
        match state.tensors.get(&named.name) {
            Some(tensor) if tensor.shape == ours => {
                let values =
                    Tensor::f_from_slice(&tensor.data)?.f_view(named.tensor.size().as_slice())?;
                tch::no_grad(|| named.tensor.shallow_clone().f_copy_(&values))?;
                state.tensors.remove(&named.name);
                result.loaded += 1;
            }
            _ => result.fresh.push(named.name.clone()),
        }
    }
    let counters = state
        .tensors
        .iter()
        .filter(|(name, _)| name.ends_with("num_batches_tracked"));
    if let Some(count) = counters.filter_map(|(_, t)| t.data.first()).next() {
        network.set_batches_tracked(*count as i64);
    }
    result.unused = state
        .tensors
        .into_keys()
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    Ok(result)
}
