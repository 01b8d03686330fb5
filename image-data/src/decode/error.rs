//! Why bytes did not become a picture: one line each, saying what was expected and what was there. What to do about it is
//! a [`Remedy`], which front ends word.

use model_core::diagnostic::{Diagnose, Limit, Remedy};
use model_core::text::system_words;

use super::Format;

/// Why an image could not be decoded. The message does not name the file: the caller knows it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot read it: {}", system_words(.0))]
    Io(std::io::Error),
    /// No bytes at all.
    #[error("expected an image, got an empty file (0 bytes)")]
    Empty,
    /// Larger than the limit on encoded size.
    #[error("expected a file of at most {}, got {}", size(*limit), size(*bytes))]
    TooManyBytes {
        /// Bytes in the file.
        bytes: u64,
        /// [`DecodeLimits::max_bytes`](super::DecodeLimits::max_bytes).
        limit: u64,
    },
    /// No known signature.
    #[error(
        "expected JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, ICO, QOI, TGA, JPEG XL or JPEG 2000, got {looks_like}"
    )]
    UnknownFormat {
        /// What the first bytes suggest.
        looks_like: String,
    },
    /// A format we know by name only.
    #[error("{name} is not read")]
    Unsupported {
        /// `"AVIF"`, `"HEIC"`, `"arithmetic-coded JPEG"`, ...
        name: String,
    },
    /// Zero columns or rows.
    #[error("expected at least one pixel, got a header that says {width} x {height}")]
    NoPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Over the limit on pixels.
    #[error(
        "expected at most {} megapixels, got {} ({width} x {height})",
        mega(*limit), mega(u64::from(*width) * u64::from(*height))
    )]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// [`DecodeLimits::max_pixels`](super::DecodeLimits::max_pixels).
        limit: u64,
    },
    /// Over the limit on a side.
    #[error("expected sides of at most {limit} pixels, got {width} x {height}")]
    SideTooLong {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// [`DecodeLimits::max_side`](super::DecodeLimits::max_side).
        limit: u32,
    },
    /// Decoding would take more memory than allowed.
    #[error(
        "expected to need at most {} of memory, got {width} x {height} pixels that take {}",
        size(*limit), size(*bytes)
    )]
    TooMuchMemory {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Estimated peak.
        bytes: u64,
        /// [`DecodeLimits::max_memory_bytes`](super::DecodeLimits::max_memory_bytes).
        limit: u64,
    },
    /// The file stops before the picture does.
    #[error("the {format} is truncated: {reason}")]
    Truncated {
        /// What the bytes are.
        format: Format,
        /// Where it stops.
        reason: String,
    },
    /// The bytes break the format's rules.
    #[error("the {format} is damaged: {reason}")]
    Malformed {
        /// What the bytes are.
        format: Format,
        /// Which rule, where it can be named.
        reason: String,
    },
    /// The decoder panicked; caught, nothing else is affected.
    #[error("the {format} is damaged beyond what its decoder can stand")]
    Panicked {
        /// What the bytes are.
        format: Format,
        /// The panic's message, for those who mend the decoder. No person is shown it.
        reason: String,
    },
}

// By hand: `#[from]` would make it a source too, and reports would say it twice.
impl From<std::io::Error> for DecodeError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl Diagnose for DecodeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "image.not-readable",
            Self::Empty => "image.empty",
            Self::TooManyBytes { .. } => "image.file-too-large",
            Self::UnknownFormat { .. } => "image.unknown-format",
            Self::Unsupported { .. } => "image.unsupported-format",
            Self::NoPixels { .. } => "image.no-pixels",
            Self::TooManyPixels { .. } => "image.too-many-pixels",
            Self::SideTooLong { .. } => "image.side-too-long",
            Self::TooMuchMemory { .. } => "image.too-much-memory",
            Self::Truncated { .. } => "image.truncated",
            Self::Malformed { .. } => "image.damaged",
            Self::Panicked { .. } => "image.decoder-failed",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        match self {
            // The system's words say it all: not there, no permission, a folder.
            Self::Io(_) => None,
            Self::Empty | Self::NoPixels { .. } | Self::Truncated { .. } => Some(Remedy::CopyAgain),
            Self::TooManyBytes { .. } => Some(Remedy::RaiseLimit(Limit::FileSize)),
            Self::UnknownFormat { .. } => Some(Remedy::NotAPicture),
            Self::Unsupported { name } if is_by_a_program(name) => Some(Remedy::InstallLibheif),
            Self::Unsupported { .. } | Self::Malformed { .. } | Self::Panicked { .. } => {
                Some(Remedy::ConvertPicture)
            }
            Self::TooManyPixels { .. } => Some(Remedy::RaiseLimit(Limit::Pixels)),
            Self::SideTooLong { .. } => Some(Remedy::RaiseLimit(Limit::Side)),
            Self::TooMuchMemory { .. } => Some(Remedy::RaiseLimit(Limit::Memory)),
        }
    }
}

/// A number of bytes as people say it.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some(&(unit, name)) if bytes.is_multiple_of(unit) => format!("{} {name}", bytes / unit),
        Some(&(unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// Millions, as short as they can be told apart.
fn mega(pixels: u64) -> String {
    let millions = pixels as f64 / 1e6;
    if pixels.is_multiple_of(1_000_000) || millions >= 100.0 {
        format!("{millions:.0}")
    } else {
        format!("{millions:.1}")
    }
}

/// A file that another library's decoder refuses. Its own words are for programmers and help nobody who only has a photo.
pub(super) fn broken(format: Format) -> DecodeError {
    malformed(format, "its data break the format's rules")
}

/// A file that breaks a rule which can be named.
pub(super) fn malformed(format: Format, reason: &str) -> DecodeError {
    DecodeError::Malformed {
        format,
        reason: reason.to_owned(),
    }
}

/// Whether a program of the system would read pictures of this format.
fn is_by_a_program(name: &str) -> bool {
    Format::BY_PROGRAM
        .iter()
        .any(|format| format.to_string() == name)
}
