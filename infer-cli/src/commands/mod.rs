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
use image_data::decode::{Alpha, DecodeLimits, DecodeOptions, Exif, Icc};

use crate::args::{AlphaArg, DecodeArgs, ExifArg, IccArg};

/// The decoder's options from the command line's.
pub fn decode_options(args: &DecodeArgs) -> DecodeOptions {
    let limits = DecodeLimits {
        max_pixels: args.max_megapixels.saturating_mul(1_000_000),
        ..DecodeLimits::default()
    };
    if args.torchvision {
        return DecodeOptions {
            limits,
            ..DecodeOptions::torchvision()
        };
    }
    DecodeOptions {
        limits,
        exif: match args.exif {
            ExifArg::Apply => Exif::Apply,
            ExifArg::Ignore => Exif::Ignore,
        },
        icc: match args.icc {
            IccArg::Srgb => Icc::ToSrgb,
            IccArg::Ignore => Icc::Ignore,
        },
        alpha: match args.alpha {
            AlphaArg::White => Alpha::OnWhite,
            AlphaArg::Drop => Alpha::Drop,
        },
        ..DecodeOptions::default()
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
