//! The sections of a recipe: loss, optimizer, schedule, averages, validation, checkpoints, gradients that are not finite.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// How much an image of a class counts: `balanced`, or a weight for each class by name (1 where none is given).
    /// None: all alike.
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
    /// Inversely to the number of images of its class.
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
    /// Whether a step shrinks all tensors that decay by the same factor: a tensor's decay is divided by the factor on its
    /// learning rate. Off: it shrinks those with a higher rate more.
    pub equal_decay: bool,
    /// Gradients are scaled down to this L2 norm over all parameters when they exceed it.
    pub clip_norm: Option<f64>,
    /// Factor on the learning rate of everything but the classifier.
    pub body_lr_factor: f64,
    /// Factor on the learning rate of the shifts of norms (Page 2018, "How to train your ResNet": 64).
    pub norm_bias_lr_factor: f64,
    /// Factor on the learning rate from each block to the one before it, counted from the classifier; 1 is off. This is
    /// layer-wise decay (Clark et al. 2020; timm `--layer-decay`).
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
    /// Early on the weight of the past is smaller, `(1 + updates) / (10 + updates)`. So a short run is not the average
    /// of its beginning (TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    pub warmup: bool,
    /// Optimizer steps between updates.
    pub every_steps: u64,
    /// Validate the network's own weights too, and keep the best of them as `best-raw`, the newest as `last-raw`.
    pub keep_raw: bool,
    /// After each epoch BatchNorm's statistics are measured anew for the averaged weights, over so many training images
    /// (PyTorch's `update_bn`). None: they are averaged as the weights are.
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
