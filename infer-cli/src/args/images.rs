//! Which images, how they become pixels, and what one may cost.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use image_data::decode::DecodeLimits;

/// How images are found and read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Read image paths from a file, one a line; - reads stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files_from: Option<PathBuf>,
    /// Paths in the list end in a zero byte instead of a line break
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,
    /// How image files become pixels.
    #[command(flatten)]
    pub decode: DecodeArgs,
}

/// How image files become pixels.
#[derive(Clone, Debug, Default, Args)]
pub struct DecodeArgs {
    /// Turn photos upright as the camera noted, or leave the pixels as stored. A TIFF is turned in either case
    /// [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub exif: Option<ExifArg>,
    /// Convert colors to sRGB by the embedded profile, or take the numbers as they are [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub icc: Option<IccArg>,
    /// Lay transparent images on white, or forget the transparency [default: as the model was trained]
    #[arg(long, value_enum, help_heading = "Input")]
    pub alpha: Option<AlphaArg>,
    /// Read images as torchvision does, for comparable figures: --exif ignore --icc ignore --alpha drop
    #[arg(long, conflicts_with_all = ["exif", "icc", "alpha"], help_heading = "Input")]
    pub torchvision: bool,
    /// What one image may cost.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What one image may cost.
#[derive(Clone, Debug, Args)]
pub struct LimitArgs {
    /// Refuse images of more pixels than this, in millions
    #[arg(
        long,
        value_name = "MEGAPIXELS",
        default_value_t = DecodeLimits::default().max_pixels / 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_megapixels: u64,
    /// Refuse images with a longer side than this, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = DecodeLimits::default().max_side,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Input"
    )]
    pub max_side: u32,
    /// Refuse images that need more memory than this to decode, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = DecodeLimits::default().max_memory_bytes >> 20,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_memory: u64,
    /// Refuse image files larger than this, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = DecodeLimits::default().max_bytes >> 20,
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Input"
    )]
    pub max_file_size: u64,
}

impl Default for LimitArgs {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self {
            max_megapixels: limits.max_pixels / 1_000_000,
            max_side: limits.max_side,
            max_memory: limits.max_memory_bytes >> 20,
            max_file_size: limits.max_bytes >> 20,
        }
    }
}

/// Whether photos are turned upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(
    missing_docs,
    reason = "--help would print them after --exif, which says it all"
)]
pub enum ExifArg {
    Apply,
    Ignore,
}

/// Whether colors are converted by the embedded profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(
    missing_docs,
    reason = "--help would print them after --icc, which says it all"
)]
pub enum IccArg {
    Srgb,
    Ignore,
}

/// What becomes of transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(
    missing_docs,
    reason = "--help would print them after --alpha, which says it all"
)]
pub enum AlphaArg {
    White,
    Drop,
}
