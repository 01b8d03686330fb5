//! A recipe: everything that decides what a training run computes, as data.
//!
//! Here is what a recipe holds, and in `sections` what its sections hold; `defaults` is what it holds where a file says nothing, `derived` what follows from it.
//! `load` reads files, applies overrides and rejects unknown keys; `validate` checks the values; `catalog` holds the
//! recipes that ship with the program.

pub mod catalog;
pub mod load;

mod defaults;
mod derived;
mod graphs;
mod sections;
mod validate;

use std::path::PathBuf;

use image_data::augment::AugmentConfig;
use model_core::preprocessing::Preprocessing;
use serde::{Deserialize, Serialize};

pub use load::{Override, resolve};
pub use sections::{
    BestMetric, CheckpointConfig, ClassWeights, EmaConfig, EvaluationConfig, Granularity,
    LossConfig, LossKind, NonFiniteConfig, OptimizerConfig, OptimizerKind, ScheduleConfig,
    ScheduleKind, WeightRule,
};

/// Everything that decides what a run computes. Unknown keys are errors; missing keys take the defaults below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Short name, for logs and the manifest.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Where the settings come from.
    pub source: String,
    /// What the source reports for them.
    pub published: String,
    /// What this project has seen of it.
    pub tested: String,

    /// Where the images are: a directory, see `train/README.md` for what it may hold. None: the usual places are searched.
    pub data: Option<PathBuf>,
    /// The share of each class's training images that is held out for validation, where the data has no validation images.
    pub val_split: Option<f64>,
    /// Names the classes to train on, one a line, in the order of the labels. A folder name behind a tab stands for
    /// another name, and several folders may share one. None: every class folder, sorted.
    pub class_map: Option<PathBuf>,
    /// An epoch ends after so many optimizer steps, and validation after as many batches: for trying a recipe out.
    pub max_steps: Option<u64>,
    /// Every class comes equally often in an epoch; images of small classes are repeated, of large ones left out in turn.
    pub balanced_sampling: bool,
    /// Random images instead of files: number of training images, for speed tests.
    pub synthetic: Option<u64>,
    /// An unreadable image is reported and counted; then it is skipped, or ends the run.
    pub bad_images: BadImages,
    /// How training images are decoded. `exact` decodes every pixel. `fast` decodes JPEGs at a half, a quarter or an
    /// eighth of their size where the crop is shrunk by as much.
    pub decode: DecodeKind,
    /// Decoding threads; none: one per core.
    pub workers: Option<usize>,
    /// libtorch threads on a CPU; none: libtorch's own choice.
    pub threads: Option<usize>,
    /// `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    pub device: String,
    /// Ask libtorch for deterministic algorithms where it has a choice (CUDA; on a CPU they always are).
    pub deterministic: bool,

    /// A name from `train summary --list`.
    pub arch: String,
    /// Probability that the classifier's input loses a feature in training; none: the architecture's own.
    pub dropout: Option<f64>,
    /// Probability that an image skips the last residual branch in training, growing linearly from 0 at the first (Huang
    /// et al. 2016).
    pub stochastic_depth: f64,
    /// Start with zero in the last BatchNorm weight of each residual branch (He et al. 2019, "Bag of tricks").
    pub zero_init_residual: bool,
    /// The first convolution starts as the whitening of its patches in so many training images (Jordan 2024, arXiv
    /// 2404.00498). This is for networks made for it (`cifar_whitened_vgg`). None: random values.
    pub whitening_images: Option<u64>,
    /// Weights to start from (`.safetensors` or `.pth`), class count may differ.
    pub init: Option<PathBuf>,
    /// Name prefixes of tensors that stay as they are, BatchNorm statistics included.
    pub freeze: Vec<String>,

    /// Decides initial weights, order of the images, augmentation and dropout.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a device takes at a time.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step.
    pub accumulate_steps: usize,
    /// Images that one forward and backward pass takes: `auto`, `off` or a number. The gradients of the passes add up
    /// to the batch's; BatchNorm takes its statistics over the images of a pass.
    pub micro_batch_size: MicroBatchSize,
    /// Keep few activations and compute the others anew in backward: less memory, one more forward pass, the same numbers.
    pub gradient_checkpointing: bool,
    /// Arithmetic of the forward pass.
    pub precision: TrainPrecision,
    /// CUDA only: steps are captured as a graph and replayed, for networks so small that the host is slower than the GPU.
    pub cuda_graphs: bool,
    /// Activations and weights as `[N, H, W, C]` in memory; none: wherever it is faster.
    pub channels_last: Option<bool>,

    /// BatchNorm takes its statistics over the batches of all processes, not of each alone.
    pub sync_batch_norm: bool,

    /// What is minimized.
    pub loss: LossConfig,
    /// How the weights move.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// An average of the weights over time, evaluated and saved in their place.
    pub ema: Option<EmaConfig>,
    /// What happens to the training pixels.
    pub augment: AugmentConfig,
    /// What happens to pixels in validation and ever after; written into the model's manifest.
    pub preprocessing: Preprocessing,
    /// Validation.
    pub evaluation: EvaluationConfig,
    /// What is written, and when.
    pub checkpoints: CheckpointConfig,
    /// What happens when a gradient is not finite.
    pub non_finite: NonFiniteConfig,
}

/// What to do with an image that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum BadImages {
    /// Report it, count it, go on without it.
    Skip,
    /// End the run.
    Fail,
}

/// How training images are decoded. Validation always decodes every pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DecodeKind {
    /// Every pixel of the crop: what published figures rest on.
    Exact,
    /// JPEGs smaller where the crop is at least twice the image size; other pixels, for less work.
    Fast,
}

/// Arithmetic of the forward pass; weights and optimizer state are always fp32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum TrainPrecision {
    /// bf16 where the device computes in it, else fp16 on CUDA, else fp32.
    Auto,
    /// 32-bit floats throughout.
    Fp32,
    /// 32-bit floats; in training CUDA's convolutions and matrix products round their factors to 10 bits (TF32).
    Tf32,
    /// Autocast to bfloat16; needs no loss scaling.
    Bf16,
    /// Autocast to half precision with dynamic loss scaling.
    Fp16,
}

/// Images that one forward and backward pass takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected auto, off or a number of images")]
pub enum MicroBatchSize {
    /// By rule.
    Rule(MicroBatchRule),
    /// So many.
    Images(usize),
}

/// Rules for [`MicroBatchSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MicroBatchRule {
    /// The batch; once memory runs out, half as many from then on.
    Auto,
    /// The batch, always: the run ends when memory runs out.
    Off,
}
