//! The flags of training, and which key of the recipe each of them sets.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::distributed::LaunchArgs;
use crate::recipe::{
    BadImages, DecodeKind, MicroBatchSize, OptimizerKind, Override, TrainPrecision, load,
};

/// Flags of `train`; each overrides a key of the recipe.
#[derive(Debug, Default, Args)]
pub struct TrainArgs {
    /// Directory with train/CLASS/*.jpg and val/CLASS/*.jpg, ImageNet as it comes, tar shards or a CSV table. A URL may
    /// name any of them in an object store, as s3://bucket/imagenet [default: the usual places are searched]
    #[arg(long, short, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Made-up images instead of files, for speed tests: how many
    #[arg(long, value_name = "IMAGES", conflicts_with = "data")]
    pub synthetic: Option<u64>,
    /// Hold out this share of each class's images for validation, as 0.1
    #[arg(long, value_name = "SHARE")]
    pub val_split: Option<f64>,
    /// Train without validating
    #[arg(long, conflicts_with = "val_split")]
    pub no_validation: bool,
    /// File that names the classes to train on, a line each; a folder and a tab before a name rename and join
    #[arg(long, value_name = "FILE")]
    pub class_map: Option<PathBuf>,
    /// Try the recipe out: epochs of this many steps, as many batches of validation
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// A recipe's name (see `train recipes`) or a YAML file
    #[arg(long, short, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Architecture, as resnet50 (see `train summary --list`)
    #[arg(long, short, value_name = "NAME")]
    pub arch: Option<String>,
    /// Where the run goes [default: runs/RECIPE-TIME]
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Continue the run in --output, or the newest under runs/, exactly where it was saved. With CHECKPOINT (best,
    /// epoch-0010, a PyTorch .pth), go on from that in a directory of its own
    #[arg(long, value_name = "CHECKPOINT", num_args = 0..=1, default_missing_value = "", conflicts_with = "overwrite")]
    pub resume: Option<OsString>,
    /// With --resume: the saved class OLD is the folder NEW now; may be given again
    #[arg(long, value_name = "OLD=NEW", requires = "resume")]
    pub map_class: Vec<String>,
    /// Replace the run in --output
    #[arg(long)]
    pub overwrite: bool,

    /// Passes over the training images
    #[arg(long, short, value_name = "N")]
    pub epochs: Option<u32>,
    /// Images a device takes at a time
    #[arg(long, short, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Batches whose gradients are averaged before a step
    #[arg(long, value_name = "N")]
    pub accumulate: Option<usize>,
    /// Images that one pass takes of a batch: auto (half as many whenever memory runs out), off (all of it), or so many
    #[arg(long, value_name = "auto|off|N")]
    pub micro_batch_size: Option<MicroBatchSize>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// sgd, adamw or lamb
    #[arg(long, value_name = "KIND")]
    pub optimizer: Option<OptimizerKind>,
    /// Weight decay
    #[arg(long, value_name = "X")]
    pub weight_decay: Option<f64>,
    /// Epochs of linear warm-up
    #[arg(long, value_name = "EPOCHS")]
    pub warmup_epochs: Option<f64>,
    /// Label smoothing
    #[arg(long, value_name = "X")]
    pub label_smoothing: Option<f64>,
    /// Side of the training images in pixels; the evaluation size moves along
    #[arg(long, value_name = "PIXELS")]
    pub image_size: Option<u32>,
    /// Decides initial weights, order, augmentation, dropout
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Start from these weights (.safetensors or .pth); the number of classes may differ
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Keep tensors whose names begin so as they are, as conv1,bn1,layer1
    #[arg(long, value_name = "PREFIX,...", value_delimiter = ',')]
    pub freeze: Vec<String>,

    /// auto, cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Arithmetic of the forward pass
    #[arg(long, value_name = "KIND")]
    pub precision: Option<TrainPrecision>,
    /// Decode JPEGs at a half, a quarter or an eighth of their size where the crop is shrunk by as much [default: exact]
    #[arg(long, value_name = "KIND")]
    pub decode: Option<DecodeKind>,
    /// Decoding threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// libtorch threads on a CPU
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Only deterministic kernels (CUDA; on a CPU they always are)
    #[arg(long)]
    pub deterministic: bool,
    /// An unreadable image is counted and left out, or ends the run
    #[arg(long, value_name = "WHAT")]
    pub bad_images: Option<BadImages>,
    /// Any other key of the recipe, as optimizer.nesterov=true; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// How many processes train together.
    #[command(flatten)]
    pub launch: LaunchArgs,
}

impl TrainArgs {
    /// The keys that the flags given set, `--set` last.
    pub fn overrides(&self) -> Result<Vec<Override>> {
        let mut all = Vec::new();
        macro_rules! set {
            ($($flag:expr => $key:expr),* $(,)?) => {
                $(if let Some(value) = &$flag {
                    all.push(Override::new($key, value)?);
                })*
            };
        }
        set! {
            self.data => "data",
            self.synthetic => "synthetic",
            self.val_split => "val_split",
            self.class_map => "class_map",
            self.max_steps => "max_steps",
            self.arch => "arch",
            self.epochs => "epochs",
            self.batch_size => "batch_size",
            self.accumulate => "accumulate_steps",
            self.micro_batch_size => "micro_batch_size",
            self.lr => "optimizer.learning_rate",
            self.optimizer => "optimizer.kind",
            self.weight_decay => "optimizer.weight_decay",
            self.warmup_epochs => "schedule.warmup_epochs",
            self.label_smoothing => "loss.label_smoothing",
            self.image_size => load::IMAGE_SIZE,
            self.seed => "seed",
            self.init => "init",
            self.device => "device",
            self.precision => "precision",
            self.decode => "decode",
            self.workers => "workers",
            self.threads => "threads",
            self.bad_images => "bad_images",
        }
        if !self.freeze.is_empty() {
            all.push(Override::new("freeze", &self.freeze)?);
        }
        if self.no_validation {
            all.push(Override::new("evaluation.skip", true)?);
        }
        if self.deterministic {
            all.push(Override::new("deterministic", true)?);
        }
        for text in &self.set {
            all.push(Override::parse(text)?);
        }
        Ok(all)
    }
}
