//! The header of a Parquet page: a struct in Thrift's compact protocol (`parquet.thrift`,
//! `thrift-compact-protocol.md`), which the crate `parquet` reads but shows to nobody.

use std::io::{self, Read};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::errors::{ParquetError, Result};

use super::parquet_packing::{Packing, general};

/// What a page header says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Bytes in the file.
    pub packed: u64,
    /// Bytes once they are unpacked.
    unpacked: u64,
    /// Nulls included.
    pub values: u32,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Data {
        definition_levels: Encoding,
        repetition_levels: Encoding,
    },
    /// The levels are not packed; the values need not be.
    DataV2 {
        nulls: u32,
        rows: u32,
        definition_bytes: u32,
        repetition_bytes: u32,
        is_packed: bool,
    },
    Dictionary,
    Index,
}

impl Header {
    /// The page whose bytes follow.
    pub fn page(self, bytes: Bytes, packing: Packing) -> Result<Page> {
        let length = self.unpacked as usize;
        let (levels, is_packed) = match self.kind {
            Kind::DataV2 {
                definition_bytes,
                repetition_bytes,
                is_packed,
                ..
            } => (
                definition_bytes as usize + repetition_bytes as usize,
                is_packed,
            ),
            _ => (0, true),
        };
        let buf = if is_packed {
            if levels > length || levels > bytes.len() {
                return Err(general("the levels of a page are longer than the page"));
            }
            let (plain, packed) = bytes.split_at(levels);
            let mut all = plain.to_vec();
            // A page of nothing but nulls has no values, and no packed bytes.
            if length > levels {
                all.extend(packing.unpack(packed, length - levels)?);
            }
            all.into()
        } else {
            bytes
        };
        let (num_values, encoding) = (self.values, self.encoding);
        Ok(match self.kind {
            Kind::Data {
                definition_levels,
                repetition_levels,
            } => Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding: definition_levels,
                rep_level_encoding: repetition_levels,
                statistics: None,
            },
            Kind::DataV2 {
                nulls,
                rows,
                definition_bytes,
                repetition_bytes,
                is_packed,
            } => Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: nulls,
                num_rows: rows,
                def_levels_byte_len: definition_bytes,
                rep_levels_byte_len: repetition_bytes,
                is_compressed: is_packed,
                statistics: None,
            },
            Kind::Dictionary | Kind::Index => Page::DictionaryPage {
                buf,
                num_values,
                encoding,
                is_sorted: false,
            },
        })
    }
}

/// Structs inside structs that a header may hold; statistics take two.
const DEEPEST: u32 = 8;

/// Fields of Thrift structs, one after the other.
pub(super) struct Fields<R> {
    from: R,
    /// Bytes read so far.
    pub read: u64,
}

/// The numbers of one struct by their field, booleans as 0 and 1; what is nothing of the kind is passed over.
#[derive(Default)]
struct Numbers([Option<i64>; 9]);

impl Numbers {
    fn get(&self, field: usize) -> Result<i64> {
        let number = self.0.get(field).copied().flatten();
        number.ok_or_else(|| general(format!("a page header has no field {field}")))
    }

    fn count(&self, field: usize) -> Result<u32> {
        u32::try_from(self.get(field)?).map_err(|_| general("a page header has a negative length"))
    }

    fn encoding(&self, field: usize) -> Result<Encoding> {
        Ok(match self.get(field)? {
            0 => Encoding::PLAIN,
            2 => Encoding::PLAIN_DICTIONARY,
            3 => Encoding::RLE,
            #[allow(deprecated, reason = "old files have it")]
            4 => Encoding::BIT_PACKED,
            5 => Encoding::DELTA_BINARY_PACKED,
            6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            7 => Encoding::DELTA_BYTE_ARRAY,
            8 => Encoding::RLE_DICTIONARY,
            9 => Encoding::BYTE_STREAM_SPLIT,
            other => return Err(general(format!("a page has the unknown encoding {other}"))),
        })
    }
}

impl<R: Read> Fields<R> {
    pub fn new(from: R) -> Self {
        Self { from, read: 0 }
    }

    /// Reads a page header.
    pub fn header(&mut self) -> Result<Header> {
        let mut inner = [const { None }; 9];
        let own = self.numbers(Some(&mut inner), 0)?;
        let (unpacked, packed) = (own.count(2)?.into(), own.count(3)?.into());
        let header = |kind, values, encoding| Header {
            kind,
            packed,
            unpacked,
            values,
            encoding,
        };
        let missing = || general("a page has no header of its kind");
        Ok(match own.get(1)? {
            0 => {
                let data: &Numbers = inner[5].as_ref().ok_or_else(missing)?;
                let kind = Kind::Data {
                    definition_levels: data.encoding(3)?,
                    repetition_levels: data.encoding(4)?,
                };
                header(kind, data.count(1)?, data.encoding(2)?)
            }
            1 => header(Kind::Index, 0, Encoding::PLAIN),
            2 => {
                let dictionary = inner[7].as_ref().ok_or_else(missing)?;
                header(
                    Kind::Dictionary,
                    dictionary.count(1)?,
                    dictionary.encoding(2)?,
                )
            }
            3 => {
                let data = inner[8].as_ref().ok_or_else(missing)?;
                let kind = Kind::DataV2 {
                    nulls: data.count(2)?,
                    rows: data.count(3)?,
                    definition_bytes: data.count(5)?,
                    repetition_bytes: data.count(6)?,
                    is_packed: data.0[7] != Some(0),
                };
                header(kind, data.count(1)?, data.encoding(4)?)
            }
            other => return Err(general(format!("a page is of the unknown kind {other}"))),
        })
    }

    /// The numbers of a struct, and of the structs in it.
    fn numbers(
        &mut self,
        mut inner: Option<&mut [Option<Numbers>; 9]>,
        depth: u32,
    ) -> Result<Numbers> {
        let mut numbers = Numbers::default();
        let mut field = 0_i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(numbers);
            }
            field = match byte >> 4 {
                0 => self.number()?,
                step => field + i64::from(step),
            };
            let place = usize::try_from(field).ok().filter(|&field| field < 9);
            match byte & 15 {
                kind @ (1 | 2) => {
                    if let Some(place) = place {
                        numbers.0[place] = Some(i64::from(kind == 1));
                    }
                }
                4..=6 => {
                    let number = self.number()?;
                    if let Some(place) = place {
                        numbers.0[place] = Some(number);
                    }
                }
                12 => {
                    if depth == DEEPEST {
                        return Err(general("a page header is too deep"));
                    }
                    let within = self.numbers(None, depth + 1)?;
                    if let (Some(place), Some(inner)) = (place, inner.as_deref_mut()) {
                        inner[place] = Some(within);
                    }
                }
                3 => self.pass(1)?,
                7 => self.pass(8)?,
                8 => {
                    let length = self.varint()?;
                    self.pass(length)?;
                }
                // No page header has lists or maps.
                other => {
                    return Err(general(format!(
                        "a page header has a field of type {other}"
                    )));
                }
            }
        }
    }

    /// A zigzag number.
    fn number(&mut self) -> Result<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(bits);
            }
        }
        Err(general("a page header has a number that does not end"))
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, length: u64) -> Result<()> {
        let passed = io::copy(&mut (&mut self.from).take(length), &mut io::sink())?;
        self.read += passed;
        match passed == length {
            true => Ok(()),
            false => Err(ParquetError::EOF("a page header ends too early".to_owned())),
        }
    }
}
