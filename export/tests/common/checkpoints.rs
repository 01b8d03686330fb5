//! Checkpoints with procedural weights, the same as `tests/data/generate.py` makes.

#![allow(dead_code, clippy::unwrap_used)] // each test binary uses its part; helpers of tests

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use model_core::arch::{self, TensorKind};
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::splitmix::splitmix64;
use model_core::weights::{StateDict, Tensor};
use model_core::{Architecture, Label};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// In -1..1, 24 bits.
fn uniform(place: usize, index: usize) -> f32 {
    (splitmix64(0, (place as u64) << 32 | index as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// The image that `tests/data/generate.py` shows: numbers from -2 to 2.
pub fn noise(count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| (splitmix64(0, index as u64) >> 40) as f32 / (1u64 << 22) as f32 - 2.0)
        .collect()
}

/// Weights that depend only on the tensor's place in the state dict.
pub fn procedural_weights(architecture: &Architecture) -> StateDict {
    let mut tensors = BTreeMap::new();
    for (place, spec) in architecture.graph().tensors().into_iter().enumerate() {
        let count: usize = spec.shape.iter().product();
        let scale =
            ((3.0 / (count / spec.shape.first().copied().unwrap_or(1)) as f64).sqrt()) as f32;
        let number = |index| {
            let u = uniform(place, index);
            match spec.kind {
                TensorKind::NumBatchesTracked => 0.0,
                TensorKind::Weight | TensorKind::ChannelScale => u * scale,
                TensorKind::RunningVar => 1.0 + 0.5 * u,
                TensorKind::RunningMean | TensorKind::Bias | TensorKind::NormBias => 0.1 * u,
                TensorKind::NormWeight => 0.75 + 0.25 * u,
            }
        };
        tensors.insert(
            spec.name,
            Tensor {
                data: (0..count).map(number).collect(),
                shape: spec.shape,
            },
        );
    }
    StateDict {
        tensors,
        metadata: BTreeMap::new(),
    }
}

/// A manifest for `size` x `size` inputs and labels `class 0`, `class 1`, ...
pub fn manifest(arch: &str, classes: usize, size: u32) -> Manifest {
    let labels = (0..classes)
        .map(|index| Label::named(format!("class {index}")))
        .collect();
    let preprocessing = Preprocessing {
        resize: Resize::ShortSide(size),
        crop: [size, size],
        ..Preprocessing::imagenet()
    };
    Manifest::new(format!("test {arch}"), arch, labels, preprocessing)
}

/// Writes a checkpoint as the trainer does: torchvision names, the manifest in the metadata.
pub fn write_checkpoint(path: &Path, weights: &StateDict, manifest: Option<&Manifest>) {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .tensors
        .iter()
        .map(|(name, tensor)| {
            (
                name.clone(),
                tensor.shape.clone(),
                tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        (
            name.clone(),
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    let metadata = manifest
        .map(|manifest| HashMap::from([(MANIFEST_KEY.to_string(), manifest.to_json().unwrap())]));
    std::fs::write(path, safetensors::serialize(views, metadata).unwrap()).unwrap();
}

/// A `resnet_tiny` checkpoint with 10 classes and 32 x 32 inputs in `dir`.
pub fn tiny_checkpoint(dir: &Path) -> PathBuf {
    let path = dir.join("best.safetensors");
    let architecture = arch::by_name("resnet_tiny", 10).unwrap();
    write_checkpoint(
        &path,
        &procedural_weights(&architecture),
        Some(&manifest("resnet_tiny", 10, 32)),
    );
    path
}
