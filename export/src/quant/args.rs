//! What int8 is asked for with, as the command line takes it.

use std::path::PathBuf;

use clap::Args;

use super::{Activations, CalibrationMethod, KeepFloat};

/// Whether and how the model becomes int8.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "int8")]
pub struct QuantizeArgs {
    /// Write an int8 model (QDQ form) by static post-training quantization.
    #[arg(long, requires = "calibration")]
    pub int8: bool,
    /// Images to measure activations on (100 are plenty): a folder, or any other data set that train reads.
    #[arg(long, value_name = "DIR")]
    pub calibration: Option<PathBuf>,
    /// Use at most this many calibration images.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub calibration_images: usize,
    /// How activation ranges are chosen.
    #[arg(long, value_enum, default_value_t = CalibrationMethod::Mse)]
    pub calibration_method: CalibrationMethod,
    /// Activations as uint8 with a zero point, or int8 around zero.
    #[arg(long, value_enum, default_value_t = Activations::Asymmetric)]
    pub activations: Activations,
    /// Layers kept in float.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub keep_float: Vec<KeepFloat>,
    /// Weights in 7 bits: the result is the same on CPUs whose 8-bit products saturate (x86 without VNNI).
    #[arg(long)]
    pub seven_bit: bool,
    /// Do not correct the mean shift that rounding the weights causes.
    #[arg(long)]
    pub no_bias_correction: bool,
    /// Equalize channel ranges across layers before quantizing (Nagel et al. 2019).
    #[arg(long)]
    pub equalize: bool,
}
