//! A look at a TIFF's first directory before the decoder gets it: the decoder allocates for a tag's values (up to
//! 256 MiB, before our limits reach it) without asking whether the file is long enough to hold them.

use super::{DecodeError, Format};

/// Refuses a directory whose tags claim more values than the file has bytes.
pub(super) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, length: usize| -> Option<u64> {
        let field = bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if big_endian {
            field.iter().fold(0, fold)
        } else {
            field.iter().rev().fold(0, fold)
        })
    };
    // BigTIFF (version 43) has 8-byte offsets and counts.
    let wide = number(2, 2) == Some(43);
    let (start_at, offset_bytes, count_bytes, entry_bytes) =
        if wide { (8, 8, 8, 20) } else { (4, 4, 2, 12) };
    let truncated = |reason: String| DecodeError::Truncated {
        format: Format::Tiff,
        reason,
    };
    let outside = || truncated("its directory lies beyond the end".to_owned());
    let start = number(start_at, offset_bytes).ok_or_else(outside)? as usize;
    let entries = number(start, count_bytes).ok_or_else(outside)?;
    for entry in 0..entries {
        let at = usize::try_from(entry)
            .ok()
            .and_then(|e| e.checked_mul(entry_bytes))
            .ok_or_else(outside)?;
        let at = at
            .checked_add(start)
            .and_then(|a| a.checked_add(count_bytes))
            .ok_or_else(outside)?;
        let kind = number(at + 2, 2).ok_or_else(outside)?;
        let count = number(at + 4, offset_bytes).ok_or_else(outside)?;
        let value_bytes = match kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        if count.saturating_mul(value_bytes) > bytes.len() as u64 {
            let tag = number(at, 2).ok_or_else(outside)?;
            return Err(truncated(format!(
                "tag {tag} claims {count} values in {} bytes",
                bytes.len()
            )));
        }
    }
    Ok(())
}
