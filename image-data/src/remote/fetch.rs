//! Fetching: what a mirror's threads and readers share. A chunk that several of them want is fetched once, and a request that
//! fails is made again.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use model_core::sync::lock;
use model_core::text::system_words;

use super::ahead::Stretch;
use super::chunks::{CHUNK_BYTES, Chunk, Chunks};
use super::listing;
use super::{Object, ObjectStore};

/// Times a read is tried, beside what the store's own client does.
const TRIES: u32 = 5;
/// Waited before the second try, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What the threads that read ahead need too.
pub(super) struct Shared {
    pub url: String,
    pub root: PathBuf,
    pub objects: Vec<Object>,
    /// Whether an object's bytes stay here.
    pub is_kept: Vec<bool>,
    pub kept_bytes: u64,
    pub store: Arc<dyn ObjectStore>,
    pub chunks: Mutex<Chunks>,
    /// Chunks that some thread is fetching.
    pub fetching: Mutex<HashSet<Chunk>>,
    pub fetched: Condvar,
    /// The disk took no more: from then on nothing is kept.
    pub is_full: AtomicBool,
}

impl Shared {
    /// The place of the object that a path means.
    pub fn find(&self, path: &Path) -> io::Result<u32> {
        let missing = || {
            let reason = format!("{}: no such object", path.display());
            io::Error::new(io::ErrorKind::NotFound, reason)
        };
        let key = listing::key_of(&self.root, path).ok_or_else(missing)?;
        let found = self
            .objects
            .binary_search_by(|object| object.key.as_str().cmp(&key));
        found.map(|index| index as u32).map_err(|_| missing())
    }

    /// Whether an object's bytes stay on this machine.
    pub fn keeps(&self, object: u32) -> bool {
        self.is_kept[object as usize] && !self.is_full.load(Ordering::Relaxed)
    }

    /// Bytes from the store, whole or an error: broken connections are tried again.
    pub fn fetch(&self, stretch: Stretch) -> io::Result<Vec<u8>> {
        let object = &self.objects[stretch.object as usize];
        let mut wait = FIRST_WAIT;
        let mut tried = 1;
        loop {
            let error = match self.store.read(object, stretch.offset, stretch.length) {
                Ok(bytes) if bytes.len() as u64 == stretch.length => return Ok(bytes),
                Ok(bytes) => {
                    let reason = format!("expected {} bytes, got {}", stretch.length, bytes.len());
                    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
                }
                Err(error) => error,
            };
            let is_final = matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidData
            );
            if is_final || tried == TRIES {
                let end = stretch.offset + stretch.length;
                let tries = if tried == 1 {
                    String::new()
                } else {
                    format!(" ({tried} tries)")
                };
                let reason = format!(
                    "{}/{}, bytes {} to {end}: {}{tries}",
                    self.url,
                    object.key,
                    stretch.offset,
                    system_words(&error)
                );
                return Err(io::Error::new(error.kind(), reason));
            }
            std::thread::sleep(wait);
            wait *= 2;
            tried += 1;
        }
    }

    /// Makes sure that a stretch of a kept object is in its file. What several threads want is fetched once.
    pub fn keep(&self, object: u32, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let chunks = offset / CHUNK_BYTES..=(offset + length - 1) / CHUNK_BYTES;
        for chunk in chunks {
            self.keep_chunk((object, chunk as u32))?;
        }
        Ok(())
    }

    fn keep_chunk(&self, chunk: Chunk) -> io::Result<()> {
        let mut fetching = lock(&self.fetching);
        loop {
            if lock(&self.chunks).has(chunk)? {
                return Ok(());
            }
            if fetching.insert(chunk) {
                break;
            }
            fetching = self
                .fetched
                .wait(fetching)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(fetching);
        let result = self.fetch_chunk(chunk);
        lock(&self.fetching).remove(&chunk);
        self.fetched.notify_all();
        result
    }

    fn fetch_chunk(&self, (index, chunk): Chunk) -> io::Result<()> {
        let object = &self.objects[index as usize];
        let offset = u64::from(chunk) * CHUNK_BYTES;
        let length = CHUNK_BYTES.min(object.length - offset);
        let bytes = self.fetch(Stretch {
            object: index,
            offset,
            length,
        })?;
        let path = listing::path_of(&self.root, object);
        let write = || {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)
        };
        write().map_err(|error| {
            if error.kind() == io::ErrorKind::StorageFull {
                self.is_full.store(true, Ordering::Relaxed);
            }
            io::Error::new(
                error.kind(),
                format!("{}: {}", path.display(), system_words(&error)),
            )
        })?;
        lock(&self.chunks).add((index, chunk), path.clone())
    }
}
