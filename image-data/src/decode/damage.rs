//! What a decoder noticed and worked around. Not an error: there is a picture, the one other programs would show, and parts
//! of it may be wrong. Whoever shows an answer about such a picture says so.

use std::fmt;

/// What is wrong with a picture that could be decoded all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    /// What was noticed first.
    pub kind: DamageKind,
    /// The first row of pixels that may be wrong, counted from 0 as stored (before EXIF turns the picture). `None` when
    /// the decoder cannot tell.
    pub first_bad_row: Option<u32>,
    /// Share of the picture's rows, 0 to 1, for which the file holds no data at all.
    pub missing_rows: f64,
}

/// What a decoder noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The compressed data ends before the last row.
    MissingData,
    /// The compressed data holds something that no encoder writes.
    BadData,
    /// Restart markers are missing or out of order, so parts may be blank or displaced.
    LostRestart,
    /// Bytes that belong to nothing lie inside the compressed data.
    ExtraData,
    /// A checksum does not match.
    Checksum,
    /// Anything else, as a clause: `"the second scan is cut off"`.
    Other(String),
}

impl Damage {
    /// Damage of unknown place.
    pub fn new(kind: DamageKind) -> Self {
        Self {
            kind,
            first_bad_row: None,
            missing_rows: 0.0,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(row) = self.first_bad_row {
            write!(f, "; wrong from pixel row {row} on")?;
        }
        if self.missing_rows > 0.0 {
            // Never "0 %" of something missing, never "100 %" of something that is there in part.
            let percent = (self.missing_rows * 100.0).round().max(1.0);
            let percent = if self.missing_rows < 1.0 {
                percent.min(99.0)
            } else {
                percent
            };
            write!(f, "; {percent:.0} % of the rows are missing")?;
        }
        Ok(())
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingData => "the compressed data ends before the last row",
            Self::BadData => "the compressed data is corrupt",
            Self::LostRestart => "restart markers are missing or out of order",
            Self::ExtraData => "bytes that belong to nothing lie in the compressed data",
            Self::Checksum => "a checksum does not match",
            Self::Other(what) => what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_and_how_much() {
        let mut damage = Damage::new(DamageKind::MissingData);
        assert_eq!(
            damage.to_string(),
            "the compressed data ends before the last row"
        );
        damage.first_bad_row = Some(240);
        damage.missing_rows = 0.004;
        assert_eq!(
            damage.to_string(),
            "the compressed data ends before the last row; wrong from pixel row 240 on; 1 % of the rows are missing"
        );
        damage.missing_rows = 0.999;
        assert!(damage.to_string().ends_with("99 % of the rows are missing"));
    }
}
