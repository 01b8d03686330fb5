//! Zip archives as `torch.save` writes them: every entry stored as it is, sizes in the ZIP64 form where they need it.
//!
//! Read here and not by a library because PyTorch pads entries with an extra field of its own (`FB`), which strict
//! readers refuse when the padding happens to be empty. Sizes come from the central directory and are held against the
//! file. Not here: compression, encryption, archives in several parts.
//!
//! The format is APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3.7 to 4.3.16 and 4.5.3.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::text::system_words;

/// Most bytes of the directory at the end: names of a million tensors.
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";

/// A value too large for its field, which then stands in the ZIP64 record.
const ELSEWHERE: u64 = 0xffff_ffff;

/// An open archive.
pub(super) struct Archive {
    file: File,
    len: u64,
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    stored: bool,
    crc: u32,
    len: u64,
    /// Where its local header begins.
    at: u64,
}

impl Archive {
    /// Reads the directory.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn open(mut file: File) -> Result<Self, String> {
        let len = file.seek(SeekFrom::End(0)).map_err(system_words)?;
        let tail_len = len.min(22 + 20 + 65_535);
        let tail = read(&mut file, len - tail_len, tail_len)?;
        let end = (0..tail.len().saturating_sub(21))
            .rev()
            .find(|at| tail[*at..].starts_with(&END))
            .ok_or("its directory is missing, as in a file that was cut short")?;
        let mut size = u64::from(u32_at(&tail, end + 12)?);
        let mut start = u64::from(u32_at(&tail, end + 16)?);
        let mut count = u64::from(u16_at(&tail, end + 10)?);
        let locator = end
            .checked_sub(20)
            .filter(|at| tail[*at..].starts_with(&LOCATOR_64));
        if let Some(locator) = locator {
            let record = read(&mut file, u64_at(&tail, locator + 8)?, 56)?;
            if !record.starts_with(&END_64) {
                return Err("its ZIP64 record is missing".to_owned());
            }
            count = u64_at(&record, 32)?;
            size = u64_at(&record, 40)?;
            start = u64_at(&record, 48)?;
        }
        if size > MAX_DIRECTORY_BYTES || start.checked_add(size).is_none_or(|stop| stop > len) {
            return Err("its directory lies outside the file".to_owned());
        }
        let directory = read(&mut file, start, size)?;
        let mut entries = HashMap::new();
        let mut at = 0;
        while at + 46 <= directory.len() && directory[at..].starts_with(&CENTRAL) {
            let name_len = usize::from(u16_at(&directory, at + 28)?);
            let extra_len = usize::from(u16_at(&directory, at + 30)?);
            let comment_len = usize::from(u16_at(&directory, at + 32)?);
            let cut = || "its directory is cut short".to_owned();
            let name = directory.get(at + 46..at + 46 + name_len).ok_or_else(cut)?;
            let extra_at = at + 46 + name_len;
            let extra = directory
                .get(extra_at..extra_at + extra_len)
                .ok_or_else(cut)?;
            let method = u16_at(&directory, at + 10)?;
            let wide = Wide::read(
                extra,
                u64::from(u32_at(&directory, at + 24)?),
                u64::from(u32_at(&directory, at + 20)?),
                u64::from(u32_at(&directory, at + 42)?),
            )?;
            let entry = Entry {
                stored: method == 0 && wide.packed == wide.len,
                crc: u32_at(&directory, at + 16)?,
                len: wide.len,
                at: wide.at,
            };
            let name = String::from_utf8_lossy(name).into_owned();
            if let Some(_twice) = entries.insert(name, entry) {
                return Err("it holds two entries of one name".to_owned());
            }
            at = extra_at + extra_len + comment_len;
        }
        if entries.len() as u64 != count {
            return Err(format!(
                "its directory has {} of {count} entries",
                entries.len()
            ));
        }
        Ok(Self { file, len, entries })
    }

    /// The names of all entries, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is an entry of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The bytes of an entry of at most `limit` bytes.
    ///
    /// # Errors
    /// No such entry, a compressed, oversized or damaged one.
    pub(super) fn entry(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let Some(&entry) = self.entries.get(name) else {
            return Err(format!("damaged checkpoint, there is no entry {name}"));
        };
        if !entry.stored {
            return Err(format!(
                "entry {name} is compressed, which torch.save never does"
            ));
        }
        if entry.len > limit {
            return Err(format!(
                "entry {name} has {} bytes, expected at most {limit}",
                entry.len
            ));
        }
        let damaged = |reason: String| format!("damaged checkpoint, entry {name}: {reason}");
        let header = read(&mut self.file, entry.at, 30).map_err(damaged)?;
        if !header.starts_with(&LOCAL) {
            return Err(damaged(
                "it does not begin where the directory says".to_owned(),
            ));
        }
        let names = u64::from(u16_at(&header, 26)?) + u64::from(u16_at(&header, 28)?);
        let start = entry.at + 30 + names;
        if start
            .checked_add(entry.len)
            .is_none_or(|stop| stop > self.len)
        {
            return Err(damaged("it reaches beyond the end of the file".to_owned()));
        }
        let bytes = read(&mut self.file, start, entry.len).map_err(damaged)?;
        // PyTorch can be told to leave the checksum out; the field is 0 then.
        if entry.crc != 0 && crc32fast::hash(&bytes) != entry.crc {
            return Err(damaged("its checksum is wrong".to_owned()));
        }
        Ok(bytes)
    }
}

/// The sizes and the place of an entry, from the ZIP64 extra field where the plain ones say so.
struct Wide {
    len: u64,
    packed: u64,
    at: u64,
}

impl Wide {
    fn read(extra: &[u8], len: u64, packed: u64, at: u64) -> Result<Self, String> {
        let mut wide = Self { len, packed, at };
        let mut place = 0;
        while place + 4 <= extra.len() {
            let (id, size) = (
                u16_at(extra, place)?,
                usize::from(u16_at(extra, place + 2)?),
            );
            let Some(field) = extra.get(place + 4..place + 4 + size) else {
                break;
            };
            if id == 1 {
                let mut next = 0;
                for value in [&mut wide.len, &mut wide.packed, &mut wide.at] {
                    if *value == ELSEWHERE {
                        *value = u64_at(field, next)?;
                        next += 8;
                    }
                }
            }
            place += 4 + size;
        }
        Ok(wide)
    }
}

fn read(file: &mut File, at: u64, len: u64) -> Result<Vec<u8>, String> {
    let len = usize::try_from(len).map_err(|_| "a size beyond this machine".to_owned())?;
    file.seek(SeekFrom::Start(at)).map_err(system_words)?;
    let mut bytes = Vec::new();
    file.take(len as u64)
        .read_to_end(&mut bytes)
        .map_err(system_words)?;
    if bytes.len() != len {
        return Err(format!("the file ends at byte {}", at + bytes.len() as u64));
    }
    Ok(bytes)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], String> {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .ok_or_else(|| "its directory is cut short".to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive with one stored entry, whose local header has the extra field `extra`.
    fn archive(name: &str, data: &[u8], extra: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let crc = crc32fast::hash(data).to_le_bytes();
        let len = (data.len() as u32).to_le_bytes();
        let short = |n: usize| (n as u16).to_le_bytes();
        bytes.extend(LOCAL);
        bytes.extend([0; 10]);
        bytes.extend(crc);
        bytes.extend([len, len].concat());
        bytes.extend([short(name.len()), short(extra.len())].concat());
        bytes.extend(name.as_bytes());
        bytes.extend(extra);
        bytes.extend(data);
        let start = bytes.len();
        bytes.extend(CENTRAL);
        bytes.extend([0; 12]);
        bytes.extend(crc);
        bytes.extend([len, len].concat());
        bytes.extend(short(name.len()));
        bytes.extend([0; 16]);
        bytes.extend(name.as_bytes());
        let size = bytes.len() - start;
        bytes.extend(END);
        bytes.extend([0; 4]);
        bytes.extend([1, 0, 1, 0]);
        bytes.extend((size as u32).to_le_bytes());
        bytes.extend((start as u32).to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Archive, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Archive::open(file)
    }

    #[test]
    fn an_empty_padding_field_is_read() {
        for extra in [&b""[..], b"FB\0\0", b"FB\x03\0ZZZ"] {
            let mut found = open(&archive("a/data.pkl", b"pickle", extra)).unwrap();
            assert_eq!(found.names().collect::<Vec<_>>(), ["a/data.pkl"]);
            assert_eq!(found.entry("a/data.pkl", 6).unwrap(), b"pickle");
            assert!(
                found
                    .entry("a/data.pkl", 5)
                    .unwrap_err()
                    .contains("at most 5")
            );
            assert!(found.entry("other", 5).is_err());
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = archive("a", b"0123456789", b"");
        for end in 0..whole.len() {
            assert!(open(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for bit in [1, 0x80] {
                let mut bent = whole.clone();
                bent[at] ^= bit;
                if let Ok(mut archive) = open(&bent) {
                    let _ = archive.entry("a", 1 << 20);
                }
            }
        }
        let mut other = whole;
        other[31] ^= 1;
        assert!(
            open(&other)
                .unwrap()
                .entry("a", 99)
                .unwrap_err()
                .contains("checksum")
        );
    }
}
