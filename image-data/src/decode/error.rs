//! Why bytes did not become a picture: one line each, saying what was expected, what was there, and what to do.

use super::Format;
use crate::text::short_line;

/// Why an image could not be decoded. The message does not name the file: the caller knows it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot read it: {0}")]
    Io(std::io::Error),
    /// No bytes at all.
    #[error("expected an image, got an empty file (0 bytes); copy or download it again")]
    Empty,
    /// Larger than the limit on encoded size.
    #[error(
        "expected at most {limit} bytes, got {bytes}; raise the limit on file size if you trust it"
    )]
    TooManyBytes {
        /// Bytes in the file.
        bytes: u64,
        /// [`DecodeLimits::max_bytes`](super::DecodeLimits::max_bytes).
        limit: u64,
    },
    /// No known signature.
    #[error(
        "expected JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, ICO, QOI or TGA, got {looks_like}; convert it to one of these"
    )]
    UnknownFormat {
        /// What the first bytes suggest.
        looks_like: String,
    },
    /// A format we know by name only.
    #[error("{name} is not supported; convert it to JPEG or PNG first")]
    Unsupported {
        /// `"AVIF"`, `"HEIC"`, `"arithmetic-coded JPEG"`, ...
        name: String,
    },
    /// Zero columns or rows.
    #[error(
        "expected at least one pixel, got a header that says {width} x {height}; the file is damaged"
    )]
    NoPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Over the limit on pixels.
    #[error(
        "expected at most {limit} pixels, got {width} x {height}; raise the pixel limit if you trust the file"
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
    #[error(
        "expected sides of at most {limit} pixels, got {width} x {height}; raise the limit if you trust the file"
    )]
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
        "decoding {width} x {height} takes {bytes} bytes of memory, at most {limit} are allowed; raise the limit if you trust the file"
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
    #[error("the {format} is truncated: {reason}; copy or download it again")]
    Truncated {
        /// What the bytes are.
        format: Format,
        /// Where it stops.
        reason: String,
    },
    /// The bytes break the format's rules.
    #[error(
        "the {format} is damaged: {reason}; copy or download it again, or convert it with another program"
    )]
    Malformed {
        /// What the bytes are.
        format: Format,
        /// The decoder's words.
        reason: String,
    },
    /// The decoder panicked; caught, nothing else is affected.
    #[error(
        "the {format} decoder gave up on damaged data ({reason}); convert the file with another program"
    )]
    Panicked {
        /// What the bytes are.
        format: Format,
        /// The panic's message.
        reason: String,
    },
}

// By hand: `#[from]` would make it a source too, and reports would say it twice.
impl From<std::io::Error> for DecodeError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A decoder's message as one line that fits behind ours, whatever it quotes from the file.
pub(super) fn reason(error: impl std::fmt::Display) -> String {
    const MAX_CHARS: usize = 200;
    let line = short_line(error, MAX_CHARS);
    line.trim_end_matches(['.', '!']).to_owned()
}
