//! The mirror of a data set: a folder with a file for every object, of the object's length and at first without its bytes.
//! As many objects as the cache has room for are kept: a chunk that is read once is there from then on. What lies beyond is
//! fetched whenever it is read and never kept, so a cache of any size is used to the full and nothing is thrown out.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rayon::prelude::*;

use super::ahead::{Ahead, Stretch};
use super::chunks::{CHUNK_BYTES, Chunk, Chunks};
use super::listing;
use super::{Object, ObjectStore};
use crate::folder::{is_image_name, thousands};

/// Times a read is tried, beside what the store's own client does.
const TRIES: u32 = 5;
/// Waited before the second try, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Tables, lists of classes, indexes: objects up to this long that are neither images nor files of images are fetched at once.
const MAX_SIDE_FILE_BYTES: u64 = 64 << 20;

/// Where mirrors are kept, and how much of them.
#[derive(Clone, Debug)]
pub struct MirrorConfig {
    /// The folder of all mirrors.
    pub cache: PathBuf,
    /// Most bytes of one data set that are kept.
    pub cache_bytes: u64,
    /// Requests at a time.
    pub connections: usize,
    /// Most bytes read ahead in memory, of objects that are not kept.
    pub ahead_bytes: u64,
}

impl MirrorConfig {
    /// The folder of the data set at `url`: the URL's parts as folders.
    ///
    /// # Errors
    /// The URL names no place.
    pub fn root(&self, url: &str) -> io::Result<PathBuf> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() || parts.iter().any(|part| matches!(*part, "." | "..")) {
            let reason = format!("{url}: expected a bucket or host and a prefix");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let mut root = self.cache.join(scheme);
        root.extend(parts.iter().map(|part| part.replace([':', '\\'], "_")));
        Ok(root)
    }
}

/// A data set in an object store as a local folder.
pub struct Mirror {
    shared: Arc<Shared>,
    ahead: Ahead,
    notes: Vec<String>,
    /// Held, shared, as long as the mirror is in use.
    _lock: File,
}

/// What the threads that read ahead need too.
pub(super) struct Shared {
    url: String,
    root: PathBuf,
    objects: Vec<Object>,
    /// Whether an object's bytes stay here.
    is_kept: Vec<bool>,
    kept_bytes: u64,
    store: Arc<dyn ObjectStore>,
    chunks: Mutex<Chunks>,
    /// Chunks that some thread is fetching.
    fetching: Mutex<HashSet<Chunk>>,
    fetched: Condvar,
    /// The disk took no more: from then on nothing is kept.
    is_full: AtomicBool,
}

impl Mirror {
    /// Makes the folder `root` of the objects of `store`: side files whole, all others empty. What an earlier run kept of objects that did
    /// not change is used again.
    ///
    /// # Errors
    /// There are no objects; the folder cannot be made; another run uses the mirror of other contents.
    pub fn open(
        url: &str,
        root: &Path,
        objects: Vec<Object>,
        store: Arc<dyn ObjectStore>,
        config: &MirrorConfig,
    ) -> io::Result<Self> {
        let (objects, notes) = listing::usable(objects);
        if objects.is_empty() {
            let reason =
                format!("{url}: expected the objects of a data set, got none below this prefix");
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let mut state = root.to_owned().into_os_string();
        state.push(".state");
        let state = PathBuf::from(state);
        std::fs::create_dir_all(&state)?;
        let (lock, chunks) = prepare(url, root, &state, &objects)?;
        let (is_kept, kept_bytes) = kept(&objects, config.cache_bytes);
        let shared = Arc::new(Shared {
            url: url.trim_end_matches('/').to_owned(),
            root: root.to_owned(),
            objects,
            is_kept,
            kept_bytes,
            store,
            chunks: Mutex::new(chunks),
            fetching: Mutex::new(HashSet::new()),
            fetched: Condvar::new(),
            is_full: AtomicBool::new(false),
        });
        let mirror = Self {
            ahead: Ahead::new(shared.clone(), config.connections, config.ahead_bytes),
            shared,
            notes,
            _lock: lock,
        };
        mirror.fetch_side_files(config.connections)?;
        Ok(mirror)
    }

    /// The local folder.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Objects that were left out, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the data is and how much of it stays here, in a few words.
    pub fn describe(&self) -> String {
        let shared = &self.shared;
        let total: u64 = shared.objects.iter().map(|object| object.length).sum();
        let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
        let kept = match shared.kept_bytes >= total {
            true => "kept".to_owned(),
            false => format!("{} of them kept", gigabytes(shared.kept_bytes)),
        };
        format!(
            "{} ({} objects, {}, {kept} in {} as they are read)",
            shared.url,
            thousands(shared.objects.len()),
            gigabytes(total),
            shared.root.display()
        )
    }

    /// The URL of a path in the mirror.
    pub fn name(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.shared.root).unwrap_or(path);
        let parts: Vec<_> = inside
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect();
        format!("{}/{}", self.shared.url, parts.join("/"))
    }

    /// Reads an object as a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where no object has this path.
    pub fn file(self: &Arc<Self>, path: &Path) -> io::Result<RemoteFile> {
        let object = self.shared.find(path)?;
        Ok(RemoteFile {
            length: self.shared.objects[object as usize].length,
            mirror: self.clone(),
            object,
            block: None,
        })
    }

    /// Bytes of an object that will be needed soon: `(path, offset, length)` each, in their order.
    pub fn read_ahead(&self, wanted: impl Iterator<Item = (PathBuf, u64, u64)>) {
        let stretches = wanted.filter_map(|(path, offset, length)| {
            let object = self.shared.find(&path).ok()?;
            let size = self.shared.objects[object as usize].length;
            let length = length.min(size.saturating_sub(offset));
            Some(Stretch {
                object,
                offset,
                length,
            })
        });
        self.ahead.ask(stretches.collect());
    }

    /// Fetches what other code reads as plain files.
    fn fetch_side_files(&self, connections: usize) -> io::Result<()> {
        let shared = &self.shared;
        let missing: Vec<u32> = (0..shared.objects.len() as u32)
            .filter(|&index| is_side_file(&shared.objects[index as usize]))
            .collect();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(connections.clamp(1, missing.len().max(1)))
            .build()
            .map_err(io::Error::other)?;
        pool.install(|| {
            missing.par_iter().try_for_each(|&index| {
                let length = shared.objects[index as usize].length;
                shared.keep(index, 0, length)
            })
        })
    }
}

impl Shared {
    fn find(&self, path: &Path) -> io::Result<u32> {
        let missing = || {
            let reason = format!("{}: no such object", path.display());
            io::Error::new(io::ErrorKind::NotFound, reason)
        };
        let inside = path.strip_prefix(&self.root).map_err(|_| missing())?;
        let parts: Vec<_> = inside
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect();
        let key = parts.join("/");
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
                    "{}/{}, bytes {} to {end}: {error}{tries}",
                    self.url, object.key, stretch.offset
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
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        lock(&self.chunks).add((index, chunk), path.clone())
    }
}

/// An object, read as a file from any place.
pub struct RemoteFile {
    mirror: Arc<Mirror>,
    object: u32,
    length: u64,
    /// The last bytes fetched of an object that is not kept: headers are read in small steps.
    block: Option<(u64, Vec<u8>)>,
}

impl RemoteFile {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The same object for another reader.
    pub fn again(&self) -> Self {
        Self {
            mirror: self.mirror.clone(),
            block: None,
            ..*self
        }
    }

    /// `length` bytes from `offset` on: what was read ahead, what is kept, or fetched now.
    ///
    /// # Errors
    /// The store failed, each time it was asked; or the stretch is not in the object.
    pub fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        if offset.saturating_add(length) > self.length {
            let reason = format!("{length} bytes at {offset} of an object of {}", self.length);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        let shared = &self.mirror.shared;
        let stretch = Stretch {
            object: self.object,
            offset,
            length,
        };
        if shared.keeps(self.object) {
            match shared.keep(self.object, offset, length) {
                Ok(()) => {
                    let path =
                        listing::path_of(&shared.root, &shared.objects[self.object as usize]);
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(offset))?;
                    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                    file.read_exact(&mut bytes)?;
                    return Ok(bytes);
                }
                // A full disk ends the keeping and not the run.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                Err(error) => return Err(error),
            }
        }
        match self.mirror.ahead.take(stretch) {
            Some(result) => result,
            None => shared.fetch(stretch),
        }
    }

    /// Reads into `buffer` at `offset`: fewer bytes than fit at the object's end.
    ///
    /// # Errors
    /// As [`RemoteFile::read`].
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.length.saturating_sub(offset));
        let holds = |(start, bytes): &(u64, Vec<u8>)| {
            *start <= offset && offset + wanted <= start + bytes.len() as u64
        };
        if !self.block.as_ref().is_some_and(holds) {
            let length = wanted
                .max(CHUNK_BYTES)
                .min(self.length.saturating_sub(offset));
            self.block = Some((offset, self.read(offset, length)?));
        }
        let Some((start, bytes)) = &self.block else {
            return Ok(0);
        };
        let from = (offset - start) as usize;
        buffer[..wanted as usize].copy_from_slice(&bytes[from..from + wanted as usize]);
        Ok(wanted as usize)
    }
}

/// Makes the folder fit the listing, or joins another process that did. The lock lasts as long as the file.
fn prepare(url: &str, root: &Path, state: &Path, objects: &[Object]) -> io::Result<(File, Chunks)> {
    let (listed, journal) = (state.join("objects"), state.join("chunks"));
    let lock = File::create(state.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // Another process of this run makes it, or has made it.
            lock.lock_shared()?;
            if std::fs::read_to_string(&listed)? == listing::to_text(objects) {
                return Ok((lock, Chunks::join(&journal)?));
            }
            let reason = format!(
                "{url}: expected the objects that another run here is using, got a data set that changed since it began"
            );
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let old = listing::read(&listed)?;
    let mut places = vec![None; old.len()];
    let mut gone: HashSet<&str> = old.keys().map(String::as_str).collect();
    for (index, object) in objects.iter().enumerate() {
        let path = listing::path_of(root, object);
        if let Some((place, length, version)) = old.get(&object.key) {
            gone.remove(object.key.as_str());
            let is_same = *length == object.length && *version == object.version;
            let is_there = std::fs::metadata(&path).is_ok_and(|file| file.len() == object.length);
            if is_same && is_there {
                places[*place as usize] = Some(index as u32);
                continue;
            }
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(&path)?.set_len(object.length)?;
    }
    for key in gone {
        match std::fs::remove_file(root.join(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let renumbered = |place: u32| places.get(place as usize).copied().flatten();
    let chunks = Chunks::open(&journal, renumbered)?;
    model_core::atomic_file::write(&listed, listing::to_text(objects).as_bytes())
        .map_err(io::Error::other)?;
    lock.unlock()?;
    lock.lock_shared()?;
    Ok((lock, chunks))
}

/// The objects that stay, as far as `limit` bytes go: side files first, then by name.
fn kept(objects: &[Object], limit: u64) -> (Vec<bool>, u64) {
    let mut is_kept = vec![false; objects.len()];
    let mut sum = 0;
    let mut keep = |wanted: bool| {
        for (object, kept) in objects.iter().zip(&mut is_kept) {
            let fits = wanted || sum + object.length <= limit;
            if is_side_file(object) == wanted && fits {
                *kept = true;
                sum += object.length;
            }
        }
    };
    keep(true);
    keep(false);
    (is_kept, sum)
}

/// Whether an object is what other code reads as a plain file: a table, class names, an index, ground truth.
fn is_side_file(object: &Object) -> bool {
    let ending = object
        .key
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let is_container = matches!(ending.as_str(), "tar" | "parquet");
    !is_image_name(&object.key) && !is_container && object.length <= MAX_SIDE_FILE_BYTES
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
