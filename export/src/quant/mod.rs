//! Static post-training quantization to int8, done here: calibrate, choose ranges, correct, write QDQ.
//!
//! | module | idea |
//! |---|---|
//! | [`observe`] | histograms of activations, and the range to keep of each |
//! | [`calibrate`] | photos through the float network, every activation measured |
//! | [`equalize`] | channel ranges balanced across layers, the function unchanged |
//! | [`scheme`] | scales, zero points, int8 weights, int32 biases, bias correction |
//! | [`simulate`] | the quantized network in float arithmetic: the error of every layer |
//! | [`mod@write`] | the ONNX graph in QDQ form |
//!
//! Weights are symmetric per output channel, activations per tensor (Jacob et al. 2018; Nagel et al. 2021,
//! arXiv:2106.08295). Not here: training with quantization.

mod args;
pub mod calibrate;
pub mod equalize;
pub mod observe;
pub mod scheme;
pub mod simulate;
pub mod write;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use model_core::manifest::Manifest;
use model_core::onnx::ModelProto;

use crate::emit::{EmitConfig, InputSize};
use crate::images::ImageList;
use crate::plan::ExportPlan;
pub use args::QuantizeArgs;

/// How the range of an activation is chosen from its calibration histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalibrationMethod {
    /// The smallest and largest value seen.
    MinMax,
    /// All but 0.01 % of the values.
    Percentile,
    /// Least Kullback-Leibler divergence from the histogram (Migacz 2017).
    Entropy,
    /// Least mean squared rounding and clipping error.
    Mse,
}

/// How activations are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Activations {
    /// uint8 with a zero point.
    Asymmetric,
    /// int8, zero point 0.
    Symmetric,
}

/// Layers left in float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeepFloat {
    /// The first convolution.
    First,
    /// The classifier.
    Last,
}

/// Everything that decides how a network is quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantConfig {
    /// How the range of an activation is chosen.
    pub method: CalibrationMethod,
    /// How activations are stored.
    pub activations: Activations,
    /// Whether the first convolution stays in float.
    pub keep_first: bool,
    /// Whether the classifier stays in float.
    pub keep_last: bool,
    /// Weights in -64..=64: products of a pair fit 16 bits, so no CPU saturates.
    pub seven_bit: bool,
    /// Whether biases make up for the mean shift that rounding the weights causes.
    pub bias_correction: bool,
    /// Whether channel ranges are balanced across layers first.
    pub equalize: bool,
}

impl QuantConfig {
    fn from_args(args: &QuantizeArgs) -> Self {
        Self {
            method: args.calibration_method,
            activations: args.activations,
            keep_first: args.keep_float.contains(&KeepFloat::First),
            keep_last: args.keep_float.contains(&KeepFloat::Last),
            seven_bit: args.seven_bit,
            bias_correction: !args.no_bias_correction,
            equalize: args.equalize,
        }
    }
}

/// Images on which the error of each layer is measured.
const ERROR_IMAGES: usize = 16;

/// Calibrates on the folder the arguments name and writes the int8 model; prints the error of every layer.
///
/// # Errors
/// No or unreadable calibration images, or an opset without per-channel quantization.
pub fn quantized_model(
    folded: &ExportPlan,
    manifest: &Manifest,
    args: &QuantizeArgs,
    config: &EmitConfig,
) -> Result<ModelProto> {
    let settings = QuantConfig::from_args(args);
    let InputSize::Fixed { height, width } = config.size else {
        bail!("int8 needs a fixed input size")
    };
    if config.opset < 13 {
        bail!(
            "per-channel int8 needs opset 13 or newer, got {}",
            config.opset
        );
    }
    let dir = args
        .calibration
        .as_deref()
        .context("--int8 needs --calibration DIR")?;
    let images = ImageList::open(dir, manifest, args.calibration_images)
        .with_context(|| format!("cannot calibrate on {}", dir.display()))?;
    let balanced;
    let plan = if settings.equalize {
        balanced = equalize::equalize(folded);
        &balanced
    } else {
        folded
    };
    let statistics = calibrate::calibrate(plan, &images, [height, width])?;
    let network = scheme::quantize(plan, &statistics, &settings)?;
    println!(
        "int8        calibrated on {} photos of {} ({:?} ranges)",
        images.samples.len(),
        images.description,
        settings.method
    );
    let inputs = images.load(0, images.samples.len().min(ERROR_IMAGES))?;
    for line in simulate::error_table(plan, &network, &inputs, [height, width]) {
        println!("            {line}");
    }
    write::qdq_model(&network, config)
}
