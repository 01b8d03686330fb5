//! Which stretches of which objects are on this machine. A record is appended to a journal only after the bytes it speaks of
//! are on the disk, so a machine that is taken away in the middle loses what was not recorded and nothing else.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a chunk: large enough for a connection to run at its speed, small enough that the first batch of a large
/// shuffled data set does not wait for gigabytes.
pub(super) const CHUNK_BYTES: u64 = 1 << 20;

/// Chunks written before their files are synced and they are recorded.
const RECORDED_AT_ONCE: usize = 64;

/// Bytes of a record: object, chunk.
const RECORD_BYTES: usize = 8;

/// A chunk: the object's place in the listing, the chunk's in the object.
pub(super) type Chunk = (u32, u32);

/// The chunks that are here.
pub(super) struct Chunks {
    present: HashSet<Chunk>,
    journal: File,
    /// Bytes of the journal that were read: other processes append to it too.
    seen: u64,
    /// Written and not yet recorded, with their files.
    unrecorded: Vec<(Chunk, PathBuf)>,
}

impl Chunks {
    /// Opens the journal at `path`. `renumbered` gives an object's place in the present listing by that in the one that the
    /// journal was written under; objects it does not know changed or are gone.
    pub fn open(path: &Path, renumbered: impl Fn(u32) -> Option<u32>) -> io::Result<Self> {
        let old = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let present: HashSet<Chunk> = records(&old)
            .filter_map(|(object, chunk)| Some((renumbered(object)?, chunk)))
            .collect();
        let mut sorted: Vec<Chunk> = present.iter().copied().collect();
        sorted.sort_unstable();
        let bytes: Vec<u8> = sorted.into_iter().flat_map(record).collect();
        model_core::atomic_file::write(path, &bytes).map_err(io::Error::other)?;
        let journal = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Self {
            present,
            seen: bytes.len() as u64,
            journal,
            unrecorded: Vec::new(),
        })
    }

    /// Joins a journal that another process of this run keeps, as it is.
    pub fn join(path: &Path) -> io::Result<Self> {
        let journal = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut chunks = Self {
            present: HashSet::new(),
            journal,
            seen: 0,
            unrecorded: Vec::new(),
        };
        chunks.catch_up()?;
        Ok(chunks)
    }

    /// Whether a chunk is here; asks for what other processes added before it says no.
    pub fn has(&mut self, chunk: Chunk) -> io::Result<bool> {
        if !self.present.contains(&chunk) {
            self.catch_up()?;
        }
        Ok(self.present.contains(&chunk))
    }

    /// A chunk's bytes were written to its file.
    pub fn add(&mut self, chunk: Chunk, file: PathBuf) -> io::Result<()> {
        self.present.insert(chunk);
        self.unrecorded.push((chunk, file));
        if self.unrecorded.len() >= RECORDED_AT_ONCE {
            self.record()?;
        }
        Ok(())
    }

    /// Syncs and records what is written.
    pub fn record(&mut self) -> io::Result<()> {
        let written = std::mem::take(&mut self.unrecorded);
        let files: HashSet<&PathBuf> = written.iter().map(|(_, file)| file).collect();
        for file in files {
            OpenOptions::new().write(true).open(file)?.sync_data()?;
        }
        let bytes: Vec<u8> = written
            .iter()
            .flat_map(|(chunk, _)| record(*chunk))
            .collect();
        // One write: records of several processes do not mix.
        self.journal.write_all(&bytes)
    }

    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.journal.metadata()?.len();
        if length <= self.seen {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.journal.seek(SeekFrom::Start(self.seen))?;
        (&self.journal)
            .take(length - self.seen)
            .read_to_end(&mut bytes)?;
        // A record that is half there is read next time.
        self.seen += (bytes.len() / RECORD_BYTES * RECORD_BYTES) as u64;
        self.present.extend(records(&bytes));
        Ok(())
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // What is not recorded is fetched again.
        let _ = self.record();
    }
}

fn record((object, chunk): Chunk) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..4].copy_from_slice(&object.to_le_bytes());
    bytes[4..].copy_from_slice(&chunk.to_le_bytes());
    bytes
}

fn records(bytes: &[u8]) -> impl Iterator<Item = Chunk> + '_ {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
    };
    bytes
        .chunks_exact(RECORD_BYTES)
        .map(move |record| (number(&record[..4]), number(&record[4..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_known_again_and_follow_their_object() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, file) = (dir.path().join("chunks"), dir.path().join("file"));
        std::fs::write(&file, b"x").unwrap();
        let mut chunks = Chunks::open(&journal, Some).unwrap();
        for chunk in [(0, 7), (1, 0), (2, 500_000)] {
            assert!(!chunks.has(chunk).unwrap());
            chunks.add(chunk, file.clone()).unwrap();
        }
        drop(chunks);
        // Object 1 changed, object 2 is the first now.
        let place = |old| match old {
            0 => Some(1),
            2 => Some(0),
            _ => None,
        };
        let mut chunks = Chunks::open(&journal, place).unwrap();
        assert!(chunks.has((1, 7)).unwrap() && chunks.has((0, 500_000)).unwrap());
        assert_eq!(chunks.present.len(), 2);
        // Another process of the run adds one, and both see it.
        let mut other = Chunks::join(&journal).unwrap();
        assert!(other.has((1, 7)).unwrap());
        other.add((3, 3), file).unwrap();
        other.record().unwrap();
        assert!(chunks.has((3, 3)).unwrap());
    }
}
