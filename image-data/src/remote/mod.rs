//! Data sets in an object store, seen as a folder: the names of all objects as empty files of the right length, in a local
//! folder (a [`Mirror`]). What knows data sets by their names works on it as on any folder; what reads contents asks
//! [`RemoteFile`], which fetches what is not here yet. How a store is reached is not here: see the crate `cloud-data`.

mod ahead;
mod chunks;
mod fetch;
mod file;
mod listing;
mod mirror;
mod prepare;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rayon::prelude::*;

pub use file::RemoteFile;
pub use mirror::{Mirror, MirrorConfig};

/// One object of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name below the prefix of the data set, parts separated by `/`.
    pub key: String,
    /// Its length in bytes.
    pub length: u64,
    /// Changes whenever the object does: an `ETag`, or a time.
    pub version: String,
}

/// A prefix of an object store. Called from many threads at once.
pub trait ObjectStore: Send + Sync {
    /// Every object below the prefix, in any order.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    fn list(&self) -> io::Result<Vec<Object>>;

    /// One object by its key; none where it is not there.
    ///
    /// # Errors
    /// As [`ObjectStore::list`].
    fn find(&self, key: &str) -> io::Result<Option<Object>>;

    /// `length` bytes of an object from `offset` on.
    ///
    /// # Errors
    /// The store cannot be reached or refuses, or the object is no longer of the version that was listed.
    fn read(&self, object: &Object, offset: u64, length: u64) -> io::Result<Vec<u8>>;
}

/// How data sets in object stores are opened by this process.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where mirrors are.
    pub mirrors: MirrorConfig,
    /// Makes a store of a URL.
    pub connect: fn(&str) -> io::Result<Arc<dyn ObjectStore>>,
}

static CONFIG: OnceLock<RemoteConfig> = OnceLock::new();
static MIRRORS: RwLock<Vec<(PathBuf, Arc<Mirror>)>> = RwLock::new(Vec::new());

/// Says how URLs are opened from here on. The first call of a process counts.
pub fn configure(config: RemoteConfig) {
    let _ = CONFIG.set(config);
}

/// Whether this names a place in an object store and none on this machine: `s3://bucket/prefix`.
pub fn is_url(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| match text.split_once("://") {
            Some((scheme, _)) => {
                scheme.len() > 1
                    && scheme
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '+')
            }
            None => false,
        })
}

/// The mirror of the data set at `url`; the one that is open, where there is one. Where `names` are given, it holds those
/// objects and no others: they must be there, and `perhaps` may be.
///
/// # Errors
/// This program reads no object store, or the store cannot be listed, or the cache cannot be written.
pub fn open(url: &str, names: &[String], perhaps: &[String]) -> io::Result<Arc<Mirror>> {
    let config = CONFIG.get().ok_or_else(|| {
        let reason = format!(
            "{url}: expected a path, got a URL, and this program reads no object store (`train` does)"
        );
        io::Error::new(io::ErrorKind::Unsupported, reason)
    })?;
    let place = place(url, names);
    let root = config.mirrors.root(&place)?;
    if let Some(mirror) = mirror_of(&root) {
        return Ok(mirror);
    }
    let store = (config.connect)(url)?;
    let objects = match names.is_empty() {
        true => store.list()?,
        false => find(url, &*store, names, perhaps, config.mirrors.connections)?,
    };
    let mirror = Mirror::open(url, &root, objects, store, &config.mirrors)?;
    Ok(add(mirror))
}

/// What the mirror is called: a part of a folder has one of its own, so that two parts do not exchange their files.
fn place(url: &str, names: &[String]) -> String {
    match names {
        [] => url.to_owned(),
        [only] => format!("{url}/{only}.part"),
        [first, .., last] => format!("{url}/{first}-to-{last}.part"),
    }
}

/// Objects by their names, without listing what else is there.
fn find(
    url: &str,
    store: &dyn ObjectStore,
    names: &[String],
    perhaps: &[String],
    connections: usize,
) -> io::Result<Vec<Object>> {
    let pool = pool(connections)?;
    let find = |name: &String| store.find(name);
    let found: io::Result<Vec<Option<Object>>> =
        pool.install(|| names.par_iter().chain(perhaps).map(find).collect());
    let mut found = found?;
    if let Some(at) = found[..names.len()].iter().position(Option::is_none) {
        let reason = format!("{url}/{}: no such object", names[at]);
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    Ok(found.drain(..).flatten().collect())
}

/// Threads that wait for a store, at least one.
fn pool(threads: usize) -> io::Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(io::Error::other)
}

/// Makes a mirror known to everything that reads files below its root.
pub fn add(mirror: Mirror) -> Arc<Mirror> {
    let mirror = Arc::new(mirror);
    let mut mirrors = MIRRORS.write().unwrap_or_else(PoisonError::into_inner);
    mirrors.push((mirror.root().to_owned(), mirror.clone()));
    mirror
}

/// The mirror in which a path lies.
pub fn mirror_of(path: &Path) -> Option<Arc<Mirror>> {
    let mirrors = MIRRORS.read().unwrap_or_else(PoisonError::into_inner);
    let found = mirrors.iter().find(|(root, _)| path.starts_with(root));
    found.map(|(_, mirror)| mirror.clone())
}

/// What a path is called in a report: the object's URL where it lies in a mirror.
pub fn name(path: &Path) -> String {
    match mirror_of(path) {
        Some(mirror) => mirror.name(path),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_path() {
        for url in ["s3://bucket", "gs://b/a", "https://host/a", "az://c/x"] {
            assert!(is_url(Path::new(url)), "{url}");
        }
        for path in [
            "data", "/data", "C:\\data", "c://data", "a b://c", "./s3:/x",
        ] {
            assert!(!is_url(Path::new(path)), "{path}");
        }
    }
}
