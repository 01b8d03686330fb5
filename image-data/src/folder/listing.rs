//! The images below one class folder, directory by directory, and what tells later whether they are still the same.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model_core::platform::change_and_number;
use walkdir::WalkDir;

use super::{FolderError, is_image_name};
use crate::dataset::is_junk_file;

/// What a class folder holds, in the order of `sorted(os.walk(dir, followlinks=True))`: by the directory's path as a
/// string, then by file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassListing {
    /// Every directory, those without images too: something may come into them.
    pub directories: Vec<Directory>,
}

/// One directory, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub path: PathBuf,
    /// None where it may change without a trace: it was changed a moment ago.
    pub stamp: Option<Stamp>,
    /// Names of images, sorted.
    pub images: Names,
}

/// Sorted file names. A million of them are kept in few pieces of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Each with a zero byte behind it, which no name holds.
    Text(String),
    /// Where one is no Unicode.
    Other(Vec<OsString>),
}

impl Names {
    fn sorted(mut names: Vec<OsString>) -> Self {
        if names.iter().any(|name| name.to_str().is_none()) {
            names.sort_by(|a, b| {
                let order = a.to_string_lossy().cmp(&b.to_string_lossy());
                order.then_with(|| a.cmp(b))
            });
            return Self::Other(names);
        }
        names.sort_unstable();
        let mut text = String::new();
        for name in names.iter().filter_map(|name| name.to_str()) {
            text.push_str(name);
            text.push('\0');
        }
        Self::Text(text)
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => memchr::memchr_iter(0, text.as_bytes()).count(),
            Self::Other(names) => names.len(),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = &OsStr> + '_> {
        match self {
            Self::Text(text) => Box::new(text.split_terminator('\0').map(OsStr::new)),
            Self::Other(names) => Box::new(names.iter().map(OsString::as_os_str)),
        }
    }
}

/// What changes when a name in a directory comes or goes: the times of the last change, the size, and which directory
/// it is. A copy may bring its old time along, which is why there is more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Nanoseconds since 1970; nobody can set it. 0 where the system has none.
    pub changed: i64,
    /// Bytes.
    pub length: u64,
    /// Its number on its disk. 0 where the system has none.
    pub number: u64,
}

impl Stamp {
    /// None where the system says no time.
    pub fn of(directory: &Metadata) -> Option<Self> {
        let modified = nanoseconds(directory.modified().ok()?);
        let (changed, number) = change_and_number(directory)?;
        Some(Self {
            modified,
            changed,
            length: directory.len(),
            number,
        })
    }

    /// Whether nothing has changed since `time`. Another change at the very time of the last one leaves the stamp as it
    /// is, so a stamp is worth something only when it is older than the clock of the file system is coarse.
    fn is_older_than(&self, time: SystemTime) -> bool {
        self.modified.max(self.changed) < nanoseconds(time)
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

impl ClassListing {
    /// Lists `dir` and everything below it. Directories that changed after `settled` get no stamp.
    ///
    /// # Errors
    /// A directory cannot be read, or a link leads back to a directory above it.
    pub fn read(dir: &Path, settled: SystemTime) -> Result<Self, FolderError> {
        if let Some(directory) = flat(dir, settled) {
            return Ok(Self {
                directories: vec![directory],
            });
        }
        let mut directories: Vec<Directory> = Vec::new();
        let mut names: Vec<Vec<OsString>> = Vec::new();
        // The directories from `dir` down to where the walk is.
        let mut above: Vec<usize> = Vec::new();
        for entry in WalkDir::new(dir).follow_links(true) {
            let (depth, path, directory) = match entry {
                Ok(entry) => {
                    let is_directory = entry.file_type().is_dir();
                    let directory = is_directory.then(|| entry.metadata().ok());
                    (entry.depth(), entry.into_path(), directory)
                }
                // A dangling link: `os.walk` lists it as a file and opening it fails; we say so when it is opened.
                Err(error)
                    if error.loop_ancestor().is_none()
                        && error.path().is_some_and(Path::is_symlink) =>
                {
                    let path = error.path().unwrap_or(dir).to_owned();
                    (error.depth(), path, None)
                }
                Err(error) => {
                    let path = error.path().unwrap_or(dir).to_owned();
                    // The system's words alone: walkdir's name the path once more.
                    let reason = match error.loop_ancestor() {
                        None => error.into_io_error(),
                        Some(_) => Some(error.into()),
                    };
                    let reason = reason.unwrap_or_else(|| std::io::ErrorKind::Other.into());
                    return Err(FolderError::Io { path, reason });
                }
            };
            above.truncate(depth);
            if let Some(metadata) = directory {
                let stamp = metadata.as_ref().and_then(Stamp::of);
                above.push(directories.len());
                directories.push(Directory {
                    path,
                    stamp: stamp.filter(|stamp| stamp.is_older_than(settled)),
                    images: Names::Other(Vec::new()),
                });
                names.push(Vec::new());
                continue;
            }
            let name = path.file_name().unwrap_or_default();
            if is_image(name)
                && let Some(&parent) = above.last()
            {
                names[parent].push(name.to_owned());
            }
        }
        for (directory, names) in directories.iter_mut().zip(names) {
            directory.images = Names::sorted(names);
        }
        directories.sort_by(|a, b| {
            let text = |directory: &Directory| directory.path.to_string_lossy().into_owned();
            text(a).cmp(&text(b)).then_with(|| a.path.cmp(&b.path))
        });
        Ok(Self { directories })
    }

    /// The paths of its images.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.directories.iter().flat_map(|directory| {
            let images = directory.images.iter();
            images.map(move |name| directory.path.join(name))
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.directories.iter().map(|d| d.images.len()).sum()
    }

    /// Whether no name has come or gone since it was listed, as far as the directories tell.
    pub fn is_current(&self) -> bool {
        self.directories.iter().all(|directory| {
            let now = std::fs::metadata(&directory.path).ok();
            let now = now.filter(Metadata::is_dir).as_ref().and_then(Stamp::of);
            directory.stamp.is_some() && directory.stamp == now
        })
    }
}

fn is_image(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    is_image_name(&text) && !is_junk_file(&text)
}

/// A directory that holds nothing but files, as most class folders do: a name costs a fraction of what it costs in a
/// walk. None where there is anything else, or where it cannot be read: the walk says why.
fn flat(dir: &Path, settled: SystemTime) -> Option<Directory> {
    // Before the names: what comes in between changes it.
    let metadata = std::fs::metadata(dir).ok()?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).ok()? {
        let entry = entry.ok()?;
        if !entry.file_type().ok()?.is_file() {
            return None;
        }
        let name = entry.file_name();
        if is_image(&name) {
            names.push(name);
        }
    }
    Some(Directory {
        path: dir.to_owned(),
        stamp: Stamp::of(&metadata).filter(|stamp| stamp.is_older_than(settled)),
        images: Names::sorted(names),
    })
}
