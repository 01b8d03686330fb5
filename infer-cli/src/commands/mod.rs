//! One file for each thing the program does.

pub mod bench;
pub mod calibrate;
pub mod classify;
pub mod docs;
pub mod evaluate;
pub mod info;
pub mod models;
pub mod serve;

use anyhow::Result;
use image_data::decode::{DecodeLimits, DecodeOptions};

use crate::args::{DecodeArgs, ExifArg};

/// The decoder's options from the command line's.
pub fn decode_options(args: &DecodeArgs) -> DecodeOptions {
    // Ignoring EXIF is for benchmarks: then colour profiles and alpha are treated as PIL treats them, too.
    let as_asked = match args.exif {
        ExifArg::Apply => DecodeOptions::default(),
        ExifArg::Ignore => DecodeOptions::torchvision(),
    };
    let limits = DecodeLimits {
        max_pixels: args.max_megapixels.saturating_mul(1_000_000),
        ..DecodeLimits::default()
    };
    DecodeOptions { limits, ..as_asked }
}

/// Prints text on stdout; a closed pipe is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
