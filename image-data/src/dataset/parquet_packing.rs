//! The packings of Parquet's pages that the crate `parquet` would bring C code for, or a second copy of what is here
//! already: Zstandard, Gzip, Brotli, LZ4.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use ruzstd::decoding::StreamingDecoder;

/// How pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not, or as the library unpacks it.
    Library,
    Zstandard,
    Gzip,
    Brotli,
    Lz4,
    /// The withdrawn LZ4: blocks with their lengths in front, as Hadoop writes them, or without.
    OldLz4,
}

impl Packing {
    /// The packing of a column.
    ///
    /// # Errors
    /// One that is not read, by its name.
    pub fn of(chunk: &ColumnChunkMetaData) -> Result<Self> {
        Ok(match chunk.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY => Self::Library,
            Compression::ZSTD(_) => Self::Zstandard,
            Compression::GZIP(_) => Self::Gzip,
            Compression::BROTLI(_) => Self::Brotli,
            Compression::LZ4_RAW => Self::Lz4,
            Compression::LZ4 => Self::OldLz4,
            Compression::LZO => {
                return Err(general(
                    "expected pages packed with Zstandard, Snappy, LZ4, Gzip or Brotli, got LZO",
                ));
            }
        })
    }

    /// `packed` as `length` bytes.
    pub fn unpack(self, packed: &[u8], length: usize) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::Library => return Err(general("the page is not packed")),
            Self::Zstandard => {
                let decoder = StreamingDecoder::new(packed);
                read_all(decoder.map_err(general)?, length)?
            }
            Self::Gzip => read_all(MultiGzDecoder::new(packed), length)?,
            Self::Brotli => read_all(Decompressor::new(packed, 4096), length)?,
            Self::Lz4 => block(packed, length)?,
            Self::OldLz4 => match hadoop_blocks(packed, length) {
                Some(bytes) => bytes,
                None => block(packed, length)?,
            },
        };
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(general(format!(
                "expected a page of {length} bytes, got {}",
                bytes.len()
            ))),
        }
    }
}

/// What a decoder gives, to one byte more than is expected: a damaged page must not fill the memory.
fn read_all(decoder: impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(length as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One LZ4 block.
fn block(packed: &[u8], length: usize) -> Result<Vec<u8>> {
    // No block grows by more than 255: a length that no bytes can make is not allocated.
    if length > packed.len().saturating_mul(255) {
        return Err(general("a block says that it is longer than it can be"));
    }
    lz4_flex::block::decompress(packed, length).map_err(general)
}

/// Blocks with their unpacked and packed lengths in front, high byte first; none where they do not fit together.
fn hadoop_blocks(mut packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !packed.is_empty() {
        let (lengths, rest) = packed.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *lengths;
        let unpacked = u32::from_be_bytes([a, b, c, d]) as usize;
        let (this, rest) = rest.split_at_checked(u32::from_be_bytes([e, f, g, h]) as usize)?;
        if unpacked > length - bytes.len() {
            return None;
        }
        bytes.extend(block(this, unpacked).ok()?);
        packed = rest;
    }
    (bytes.len() == length).then_some(bytes)
}

pub(super) fn general(reason: impl ToString) -> ParquetError {
    ParquetError::General(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of nothing but literals.
    fn literals(text: &[u8]) -> Vec<u8> {
        let mut packed = vec![(text.len() as u8) << 4];
        packed.extend(text);
        packed
    }

    #[test]
    fn the_old_lz4_comes_with_and_without_lengths() {
        let mut framed = Vec::new();
        for part in [b"ant".as_slice(), b"elope"] {
            let packed = literals(part);
            framed.extend((part.len() as u32).to_be_bytes());
            framed.extend((packed.len() as u32).to_be_bytes());
            framed.extend(packed);
        }
        let unpack = |packed: &[u8], length| Packing::OldLz4.unpack(packed, length).ok();
        assert_eq!(unpack(&framed, 8).unwrap(), b"antelope");
        assert_eq!(unpack(&literals(b"antelope"), 8).unwrap(), b"antelope");
        assert_eq!(unpack(&framed, 7), None);
        assert_eq!(unpack(&framed[..framed.len() - 1], 8), None);
    }

    #[test]
    fn damaged_bytes_are_errors_and_fill_no_memory() {
        for packing in [
            Packing::Zstandard,
            Packing::Gzip,
            Packing::Brotli,
            Packing::Lz4,
            Packing::OldLz4,
        ] {
            for bytes in [b"".as_slice(), &[0xFF; 40], &[0x28, 0xB5, 0x2F, 0xFD, 0]] {
                assert!(packing.unpack(bytes, 1 << 40).is_err(), "{packing:?}");
            }
        }
    }
}
