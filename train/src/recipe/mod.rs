//! A recipe: everything that decides what a training run computes, as data.
//!
//! Here is what a recipe holds; `defaults` is what it holds where a file says nothing, `derived` what follows from it.
//! `load` reads files, applies overrides and rejects unknown keys; `validate` checks the values; `catalog` holds the
//! recipes that ship with the program.

pub mod catalog;
pub mod load;

mod defaults;
mod derived;
mod graphs;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;

use image_data::augment::AugmentConfig;
use model_core::preprocessing::Preprocessing;
use serde::{Deserialize, Serialize};

pub use load::{Override, resolve};

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
    /// Names the classes to train on, one a line, in the order of the labels; a folder name behind a tab stands for another
    /// name, and several folders may share one. None: every class folder, sorted.
    pub class_map: Option<PathBuf>,
    /// An epoch ends after so many optimizer steps, and validation after as many batches: for trying a recipe out.
    pub max_steps: Option<u64>,
    /// Every class comes equally often in an epoch; images of small classes are repeated, of large ones left out in turn.
    pub balanced_sampling: bool,
    /// Random images instead of files: number of training images, for speed tests.
    pub synthetic: Option<u64>,
    /// An unreadable image is reported and counted; then it is skipped, or ends the run.
    pub bad_images: BadImages,
    /// How training images are decoded: every pixel, or JPEGs at a half, a quarter or an eighth of their size where the crop
    /// is shrunk by as much.
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
    /// 2404.00498), for networks made for it (`cifar_whitened_vgg`). None: random values.
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
    /// Images that one forward and backward pass takes: `auto` (the batch; once memory runs out, half as many from then
    /// on), `off` (the batch, always) or a number. The gradients of the passes add up to the batch's; BatchNorm takes
    /// its statistics over the images of a pass.
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

/// The loss, averaged over the batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Softmax cross-entropy, or one sigmoid a class.
    pub kind: LossKind,
    /// Probability moved from the target to all classes evenly (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Binary only: targets above it become 1, others 0 (timm `--bce-target-thresh`).
    pub target_threshold: Option<f64>,
    /// How much an image of a class counts: `balanced` (inversely to how many there are), or a weight for each class by name
    /// (1 where none is given). None: all alike.
    pub class_weights: Option<ClassWeights>,
}

/// How much an image of a class counts in the loss. Balanced weights are `images / (classes * images of the class)`, as
/// scikit-learn's `class_weight="balanced"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected balanced, or a weight for each class by name"
)]
pub enum ClassWeights {
    /// By rule.
    Rule(WeightRule),
    /// By class name.
    Each(BTreeMap<String, f64>),
}

/// Rules for [`ClassWeights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightRule {
    /// Inversely to the number of images.
    Balanced,
}

/// Kinds of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// `torch.nn.CrossEntropyLoss`
    CrossEntropy,
    /// `torch.nn.BCEWithLogitsLoss`, mean over images and classes
    BinaryCrossEntropy,
}

/// The optimizer and its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which one.
    pub kind: OptimizerKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The global batch size `learning_rate` is meant for; the rate is scaled linearly to the one in use (Goyal et al.
    /// 2017). None: it is used as it is.
    pub reference_batch: Option<u64>,
    /// SGD only: the share of the last step that goes into the next.
    pub momentum: f64,
    /// SGD only: Nesterov's momentum, as PyTorch defines it.
    pub nesterov: bool,
    /// AdamW and LAMB: the weight of the past in the means of gradients and of their squares.
    pub betas: [f64; 2],
    /// AdamW and LAMB: added to the root of the mean square before dividing by it.
    pub eps: f64,
    /// L2 penalty (SGD) or decoupled decay (AdamW, LAMB).
    pub weight_decay: f64,
    /// Whether BatchNorm weights and all biases decay too.
    pub decay_norm_and_bias: bool,
    /// Gradients are scaled down to this L2 norm over all parameters when they exceed it.
    pub clip_norm: Option<f64>,
    /// Factor on the learning rate of everything but the classifier.
    pub body_lr_factor: f64,
    /// Factor on the learning rate of the shifts of norms (Page 2018, "How to train your ResNet": 64).
    pub norm_bias_lr_factor: f64,
    /// Factor on the learning rate from each block to the one before it, counted from the classifier (layer-wise decay, Clark
    /// et al. 2020; timm `--layer-decay`); 1 is off.
    pub layer_decay: f64,
}

/// Kinds of optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// `torch.optim.SGD`
    Sgd,
    /// `torch.optim.AdamW`
    Adamw,
    /// You et al. 2020, as timm's `Lamb`
    Lamb,
}

/// Learning rate as a function of time: linear warm-up, then a decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The decay after the warm-up.
    pub kind: ScheduleKind,
    /// Epochs of linear rise.
    pub warmup_epochs: f64,
    /// Where the rise starts, as a fraction of the peak.
    pub warmup_start_factor: f64,
    /// The rate at the very end (cosine and linear), as an absolute value.
    pub final_learning_rate: f64,
    /// Step decay: multiply by `step_factor` every so many epochs, counted from the start of the run.
    pub step_epochs: f64,
    /// Multi-step decay: the epochs at which the rate is multiplied by `step_factor`, rising.
    pub milestones: Vec<f64>,
    /// Step and multi-step decay: the factor.
    pub step_factor: f64,
    /// Whether the rate changes at each optimizer step or once an epoch.
    pub granularity: Granularity,
}

/// Kinds of decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Half a cosine from the peak to the final rate (Loshchilov & Hutter 2017).
    Cosine,
    /// A straight line from the peak to the final rate; with a warm-up, FFCV's triangle.
    Linear,
    /// Stairs of equal length.
    Step,
    /// Stairs at given epochs.
    MultiStep,
    /// The peak rate to the end.
    Constant,
}

/// When the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// At each optimizer step.
    Step,
    /// At the start of each epoch.
    Epoch,
}

/// Exponential moving average of weights and BatchNorm statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// Weight of the past, per update.
    pub decay: f64,
    /// Early on the weight of the past is smaller, `(1 + updates) / (10 + updates)`, so that a short run is not the average of
    /// its beginning (TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    pub warmup: bool,
    /// Optimizer steps between updates.
    pub every_steps: u64,
    /// Validate the network's own weights too, and keep the best of them as `best-raw`, the newest as `last-raw`.
    pub keep_raw: bool,
    /// After each epoch BatchNorm's statistics are measured anew for the averaged weights, over so many training images
    /// (PyTorch's `update_bn`); none: they are averaged as the weights are.
    pub statistics_images: Option<u64>,
}

/// Validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Images at a time; none: the training batch size.
    pub batch_size: Option<usize>,
    /// Epochs between validations; the last epoch is always validated.
    pub every_epochs: u32,
    /// Average the logits of each image and its mirror image.
    pub flip: bool,
    /// None at all: train to the last epoch, the newest weights are the best.
    pub skip: bool,
    /// What makes an epoch the best.
    pub metric: BestMetric,
    /// Stop when so many validations in a row brought nothing better.
    pub patience: Option<u32>,
}

/// What makes an epoch the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum BestMetric {
    /// The share of images whose best class is right.
    Top1,
    /// The share of images with the right class among the best five.
    Top5,
    /// The mean of the classes' own top-1 shares, each class counted alike however many images it has.
    ClassMean,
    /// The lowest mean cross-entropy.
    Loss,
}

/// What is written, and when. `last` and `best` are always kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Keep `epoch-0010`, `epoch-0020`, ...; 0 keeps none.
    pub keep_every_epochs: u32,
    /// Minutes between saves inside an epoch; 0 saves at epoch ends only.
    pub save_every_minutes: f64,
    /// Optimizer steps between saves inside an epoch, counted from its beginning; 0 goes by the minutes alone.
    pub save_every_steps: u64,
    /// Of the checkpoints kept every so many epochs, only so many of the last stay; 0 keeps all.
    pub keep_last: u32,
    /// Beside `best` and `epoch-0010` also their states, so that a run can go on from them.
    pub keep_states: bool,
    /// Optimizer steps between records in `steps.jsonl` and TensorBoard; 0 records the ends of epochs.
    pub record_every_steps: u64,
}

/// What happens when a gradient is not finite: the step is skipped, then the run rolled back, then stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NonFiniteConfig {
    /// Skipped steps in a row before the last saved state is restored.
    pub skip_budget: u32,
    /// Restorations before the run ends with an error.
    pub rollback_budget: u32,
    /// fp16 only: the loss scale never falls below it.
    pub min_loss_scale: f64,
}
