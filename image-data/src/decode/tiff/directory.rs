//! A TIFF's first directory (TIFF 6.0, BigTIFF): tags by number, values read when somebody asks for them. Nothing is
//! allocated for a count that the file has no bytes for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::malformed;
use super::super::{DecodeError, Format};

/// Tags by number; the constants are those of TIFF 6.0 and its supplements.
pub(in crate::decode) mod tag {
    pub const IMAGE_WIDTH: u16 = 256;
    pub const IMAGE_LENGTH: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTE_COUNTS: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTE_COUNTS: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const JPEG_STREAM: u16 = 513;
    pub const JPEG_Q_TABLES: u16 = 519;
    pub const JPEG_DC_TABLES: u16 = 520;
    pub const JPEG_AC_TABLES: u16 = 521;
    pub const YCBCR_COEFFICIENTS: u16 = 529;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
    pub const REFERENCE_BLACK_WHITE: u16 = 532;
    pub const XMP: u16 = 700;
    pub const ICC_PROFILE: u16 = 34675;
}

/// More entries than any writer makes; the count is two (or eight) bytes that anybody can write.
const MAX_ENTRIES: u64 = 4096;

/// One entry: what kind of values, how many, and where they begin.
#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: u16,
    count: usize,
    at: usize,
}

/// The tags of one directory.
#[derive(Debug)]
pub(in crate::decode) struct Directory<'a> {
    bytes: &'a [u8],
    pub big_endian: bool,
    entries: BTreeMap<u16, Entry>,
    /// Tags whose values lie beyond the end of the file.
    lost: BTreeSet<u16>,
    /// Tags without values, or with values of a type that does not exist.
    unknown: BTreeSet<u16>,
    /// The file ends inside the directory: any tag may be lost.
    is_cut: bool,
}

fn truncated(reason: impl Into<String>) -> DecodeError {
    DecodeError::Truncated {
        format: Format::Tiff,
        reason: reason.into(),
    }
}

/// Bytes of one value of a field type, 0 for types that do not exist.
fn size_of(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 0,
    }
}

impl<'a> Directory<'a> {
    /// The first directory of the file.
    pub fn first(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut directory = Self {
            bytes,
            big_endian: bytes.starts_with(b"MM"),
            entries: BTreeMap::new(),
            lost: BTreeSet::new(),
            unknown: BTreeSet::new(),
            is_cut: false,
        };
        let wide = directory.number(2, 2) == Some(43);
        let start = if wide {
            directory.number(8, 8)
        } else {
            directory.number(4, 4)
        };
        let start = start
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| *at < bytes.len())
            .ok_or_else(|| truncated("its directory lies beyond the end"))?;
        directory.read(start, wide)?;
        Ok(directory)
    }

    fn read(&mut self, start: usize, wide: bool) -> Result<(), DecodeError> {
        let (count_bytes, entry_bytes, inline) = if wide { (8, 20, 8) } else { (2, 12, 4) };
        let beyond = || truncated("its directory lies beyond the end");
        let count = self.number(start, count_bytes).ok_or_else(beyond)?;
        for index in 0..count.min(MAX_ENTRIES) as usize {
            let at = start + count_bytes + index * entry_bytes;
            let (Some(tag), Some(kind), Some(values)) = (
                self.number(at, 2),
                self.number(at + 2, 2),
                self.number(at + 4, inline),
            ) else {
                self.is_cut = true;
                break;
            };
            let size = size_of(kind as u16);
            if size == 0 || values == 0 {
                self.unknown.insert(tag as u16);
                continue;
            }
            let total = values.saturating_mul(size as u64);
            let place = at + 4 + inline;
            let begin = if total <= inline as u64 {
                Some(place as u64)
            } else {
                self.number(place, inline)
            };
            // Values beyond the end are no values.
            let fits = begin.is_some_and(|begin| {
                begin
                    .checked_add(total)
                    .is_some_and(|end| end <= self.bytes.len() as u64)
            });
            if let (true, Some(begin)) = (fits, begin) {
                let entry = Entry {
                    kind: kind as u16,
                    count: values as usize,
                    at: begin as usize,
                };
                self.entries.entry(tag as u16).or_insert(entry);
            } else {
                self.lost.insert(tag as u16);
            }
        }
        Ok(())
    }

    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let field = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if self.big_endian {
            field.iter().fold(0, fold)
        } else {
            field.iter().rev().fold(0, fold)
        })
    }

    /// The error of a file that says something by one of `tags`, or may have said it, which cannot be read.
    pub fn unreadable(&self, tags: &[u16]) -> Option<DecodeError> {
        let has_any_in = |set: &BTreeSet<u16>| {
            let mut found = tags.iter().filter(|tag| set.contains(tag));
            found.any(|tag| !self.entries.contains_key(tag))
        };
        let reason = "the tags that say how its pixels are stored cannot all be read";
        if self.is_cut || has_any_in(&self.lost) {
            Some(truncated(reason))
        } else {
            has_any_in(&self.unknown).then(|| malformed(Format::Tiff, reason))
        }
    }

    /// Whether the tag is there with values.
    pub fn has(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// The first `most` values of a tag of whole numbers.
    pub fn integers(&self, tag: u16, most: usize) -> Option<Vec<u64>> {
        let entry = self.entries.get(&tag)?;
        let size = size_of(entry.kind);
        if matches!(entry.kind, 2 | 5 | 10 | 11 | 12) {
            return None;
        }
        (0..entry.count.min(most))
            .map(|index| self.number(entry.at + index * size, size))
            .collect()
    }

    /// The first value of a tag of whole numbers.
    pub fn integer(&self, tag: u16) -> Option<u64> {
        self.integers(tag, 1)?.first().copied()
    }

    /// The first `most` values as numbers, fractions included.
    pub fn numbers(&self, tag: u16, most: usize) -> Option<Vec<f64>> {
        let entry = self.entries.get(&tag)?;
        let size = size_of(entry.kind);
        (0..entry.count.min(most))
            .map(|index| {
                let at = entry.at + index * size;
                Some(match entry.kind {
                    5 | 10 => {
                        let (over, under) = (self.number(at, 4)?, self.number(at + 4, 4)?);
                        let signed = |v: u64| {
                            if entry.kind == 10 {
                                f64::from(v as u32 as i32)
                            } else {
                                v as f64
                            }
                        };
                        signed(over) / signed(under)
                    }
                    11 => f64::from(f32::from_bits(self.number(at, 4)? as u32)),
                    12 => f64::from_bits(self.number(at, 8)?),
                    _ => self.number(at, size)? as f64,
                })
            })
            .collect()
    }

    /// A tag's values as they lie in the file.
    pub fn raw(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.get(&tag)?;
        self.bytes
            .get(entry.at..entry.at + entry.count * size_of(entry.kind))
    }
}
