//! Which model, and what its file does not say.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use inference::metadata::Preset;
use inference::{EngineKind, Precision};
use model_core::manifest::Output;
use model_core::preprocessing::{ChannelOrder, Layout, Resize};
use model_core::resample::Filter;

use super::values::{
    channels, fraction, interpolation, layout, output, positive, resize, size, three,
};

/// Which model, and what it cannot say of itself.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// An ONNX file or a name from `infer-cli models` [default: the one that `export-onnx --install` put there, or
    /// models/resnet50/model.onnx, else the model inside the program]
    #[arg(short, long, value_name = "PATH|NAME", env = "INFER_MODEL", hide_env = true, value_hint = ValueHint::FilePath)]
    pub model: Option<PathBuf>,
    /// What runs the network: kernels (our own), tract, onnxruntime (a library found at run time) or auto. auto takes
    /// kernels where they compute all of it, tract otherwise
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    pub engine: EngineKind,
    /// In what numbers a float32 network is computed: float32, bf16 or auto. bf16 (bfloat16) is faster and less exact;
    /// it needs AMX or AVX-512 BF16. auto takes bf16 where this processor has it, float32 otherwise
    #[arg(long, default_value = "float32", value_name = "NUMBERS")]
    pub precision: Precision,
    /// Take less memory, and more time. Our own kernels keep no transformed weights for 3 x 3 convolutions of float32
    /// (a ResNet-50 then takes 16 MB less)
    #[arg(long)]
    pub less_memory: bool,
    /// Threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Images in one run of the network [default: the engine's choice]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// The ONNX Runtime library
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub onnxruntime_lib: Option<PathBuf>,
    /// A manifest that takes the place of the model's own
    #[arg(long, value_name = "YAML", value_hint = ValueHint::FilePath)]
    pub manifest: Option<PathBuf>,
    /// What the model does not say of itself.
    #[command(flatten)]
    pub describe: DescribeArgs,
}

/// For models without metadata: values that win over whatever the file says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Models that do not describe themselves")]
pub struct DescribeArgs {
    /// Preprocessing by name: imagenet, cifar10, zero-to-one or minus-one-to-one
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
    /// Class names, one a line; an id and a tab before the name give ids, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// Network input: SIDE or HEIGHTxWIDTH
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub size: Option<[u32; 2]>,
    /// Resize before the crop: short side N, HEIGHTxWIDTH, or none
    #[arg(long, value_name = "SIZE", value_parser = resize)]
    pub resize: Option<Resize>,
    /// bilinear or bicubic
    #[arg(long, value_name = "KERNEL", value_parser = interpolation)]
    pub interpolation: Option<Filter>,
    /// Subtracted from each channel: R,G,B
    #[arg(long, value_name = "R,G,B", value_parser = three, allow_hyphen_values = true)]
    pub mean: Option<[f32; 3]>,
    /// Divides each channel: R,G,B
    #[arg(long, value_name = "R,G,B", value_parser = three)]
    pub std: Option<[f32; 3]>,
    /// Axes of the input: nchw or nhwc
    #[arg(long, value_name = "AXES", value_parser = layout)]
    pub layout: Option<Layout>,
    /// Order of the channels: rgb or bgr
    #[arg(long, value_name = "ORDER", value_parser = channels)]
    pub channels: Option<ChannelOrder>,
    /// A byte is divided by this first: 255 gives 0 to 1, 1 leaves 0 to 255
    #[arg(long, value_name = "NUMBER")]
    pub pixel_max: Option<f32>,
    /// What the network gives: logits, probabilities, log-probabilities, sigmoid-scores (independent scores from 0 to 1)
    /// or sigmoid-logits (the same before the sigmoid)
    #[arg(long, value_name = "KIND", value_parser = output)]
    pub network_output: Option<Output>,
    /// Which of the network's outputs holds the answer
    #[arg(long, value_name = "NAME")]
    pub output_name: Option<String>,
    /// Score from which a class of a binary or multi-label answer counts as present [default: the model's, or 0.5]
    #[arg(long, value_name = "SCORE", value_parser = fraction)]
    pub present_from: Option<f32>,
    /// Divides the logits before softmax
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
}
