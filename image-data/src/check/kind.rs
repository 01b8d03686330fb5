//! What may be wrong with a file.

use serde::Serialize;

/// What may be wrong with a file, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No image, over a limit, or not readable at all.
    Unreadable,
    /// Ends before the picture does.
    Truncated,
    /// A shard of a pack, not the bytes that were packed.
    Changed,
    /// Decodes, but parts of it are wrong.
    Damaged,
    /// The name says another format than the content. Harmless: names are never looked at.
    OtherFormat,
    /// Four inks. Decoded right; a data set's other readers may not.
    Cmyk,
    /// More than 8 bits a channel.
    Deep,
    /// An alpha channel.
    Alpha,
    /// A side is shorter than asked for.
    TooSmall,
}

impl Kind {
    /// Whether training will leave the file out.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Unreadable | Self::Truncated)
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Unreadable => "cannot be read",
            Self::Truncated => "truncated",
            Self::Changed => "with other bytes than were packed",
            Self::Damaged => "damaged, decoded as far as possible",
            Self::OtherFormat => "named as another format",
            Self::Cmyk => "CMYK",
            Self::Deep => "more than 8 bits a channel",
            Self::Alpha => "with alpha",
            Self::TooSmall => "too small",
        }
    }
}
