//! The mirror of a data set: a folder with a file for every object, of the object's length and at first without its bytes.
//! As many objects as the cache has room for are kept: a chunk that is read once is there from then on. What lies beyond is
//! fetched whenever it is read and never kept, so a cache of any size is used to the full and nothing is thrown out.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};

use rayon::prelude::*;

use super::ahead::{Ahead, Stretch};
use super::fetch::Shared;
use super::file::RemoteFile;
use super::listing;
use super::prepare::{is_side_file, kept, prepare};
use super::{Object, ObjectStore};
use crate::folder::thousands;

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
    /// The folder of the data set at `url`. No two are within each other: a prefix of a prefix has files of its own.
    ///
    /// # Errors
    /// The URL names no place.
    pub fn root(&self, url: &str) -> io::Result<PathBuf> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            let reason = format!("{url}: expected a bucket or host and a prefix");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let escape = |c: char| match c {
            '%' | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => {
                format!("%{:02X}", c as u32)
            }
            c => c.to_string(),
        };
        let name: String = parts.join("/").chars().map(escape).collect();
        Ok(self.cache.join(scheme).join(name).join("data"))
    }
}

/// A data set in an object store as a local folder.
pub struct Mirror {
    pub(super) shared: Arc<Shared>,
    pub(super) ahead: Ahead,
    notes: Vec<String>,
    /// Held, shared, as long as the mirror is in use.
    _lock: File,
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
        let state = root.with_file_name("state");
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
        let key = listing::key_of(&self.shared.root, path);
        let key = key.unwrap_or_else(|| path.display().to_string());
        format!("{}/{key}", self.shared.url)
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
        let pool = super::pool(connections.min(missing.len()))?;
        pool.install(|| {
            missing.par_iter().try_for_each(|&index| {
                let length = shared.objects[index as usize].length;
                shared.keep(index, 0, length)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_set_lies_within_another() {
        let config = MirrorConfig {
            cache: PathBuf::from("cache"),
            cache_bytes: 0,
            connections: 1,
            ahead_bytes: 0,
        };
        let urls = [
            "s3://b",
            "s3://b/x",
            "s3://b/x/y",
            "s3://b%2Fx",
            "s3://b/x.state",
            "http://h:1/b",
            "http://h_1/b",
        ];
        let roots: Vec<PathBuf> = urls.iter().map(|url| config.root(url).unwrap()).collect();
        for (i, root) in roots.iter().enumerate() {
            let within = roots
                .iter()
                .enumerate()
                .filter(|(j, other)| i != *j && root.starts_with(other));
            assert_eq!(within.count(), 0, "{}", root.display());
        }
        assert_eq!(
            config.root("s3://b/x/").unwrap(),
            config.root("s3://b//x").unwrap()
        );
        assert!(config.root("s3://").is_err());
    }
}
