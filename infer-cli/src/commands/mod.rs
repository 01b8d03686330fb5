//! One file for each thing the program does.

pub mod bench;
pub mod calibrate;
pub mod classify;
pub mod docs;
pub mod evaluate;
pub mod info;
pub mod models;
pub mod serve;
pub mod sort;
pub mod teach;

use anyhow::Result;
use image_data::decode::{Alpha, DecodeConfig, DecodeLimits, Exif, Icc};
use inference::Classifier;

use crate::args::{AlphaArg, DecodeArgs, ExifArg, IccArg, LimitArgs};

/// The decoder's configuration: the model's, where the command line does not say otherwise.
pub fn decode_config(args: &DecodeArgs, classifier: &Classifier) -> DecodeConfig {
    let limits = decode_limits(&args.limits);
    if args.torchvision {
        return DecodeConfig {
            limits,
            ..DecodeConfig::torchvision()
        };
    }
    let model = classifier.decode_config();
    DecodeConfig {
        limits,
        exif: args.exif.map_or(model.exif, |exif| match exif {
            ExifArg::Apply => Exif::Apply,
            ExifArg::Ignore => Exif::Ignore,
        }),
        icc: args.icc.map_or(model.icc, |icc| match icc {
            IccArg::Srgb => Icc::ToSrgb,
            IccArg::Ignore => Icc::Ignore,
        }),
        alpha: args.alpha.map_or(model.alpha, |alpha| match alpha {
            AlphaArg::White => Alpha::OnWhite,
            AlphaArg::Drop => Alpha::Drop,
        }),
        ..model
    }
}

/// The decoder's limits from the command line's.
pub fn decode_limits(args: &LimitArgs) -> DecodeLimits {
    DecodeLimits {
        max_pixels: args.max_megapixels.saturating_mul(1_000_000),
        max_side: args.max_side,
        max_bytes: args.max_file_size.saturating_mul(1 << 20),
        max_memory_bytes: args.max_memory.saturating_mul(1 << 20),
    }
}

/// Prints text on stdout; a closed pipe is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
