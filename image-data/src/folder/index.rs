//! The names of a large data set of class folders, kept in a file: the next run asks only whether the directories are
//! still the same, which takes one look at each of them instead of one at every name. Whatever is stale or damaged
//! is listed anew, and said.
//!
//! The file: [`MAGIC`], the SHA-256 of what follows, the data set's path, and for every class folder its directories
//! with their stamps and the names in them, each with a zero byte behind it. Numbers are little-endian, texts have
//! their length in front.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use model_core::atomic_file;
use model_core::sync::lock;
use model_core::text::{hex, system_words};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::listing::{ClassListing, Directory, Names, Stamp};
use super::{FolderError, thousands};
use crate::remote;

/// Another number for another layout of the file.
const MAGIC: &[u8; 32] = b"ResNet50 Toolkit class folders 1";

/// A listing this small is faster than what is said about it.
const LEAST_IMAGES: usize = 20_000;

/// The coarsest clock of a file system ticks every two seconds (FAT).
const SETTLING: Duration = Duration::from_secs(3);

/// Where listings are kept, and what became of them.
#[derive(Debug)]
pub struct FolderIndex {
    dir: PathBuf,
    writes: bool,
    least_images: usize,
    settling: Duration,
    remarks: Mutex<Vec<String>>,
}

impl FolderIndex {
    /// Listings are kept in files in `dir`, which is made when there is one to keep.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            writes: true,
            least_images: LEAST_IMAGES,
            settling: SETTLING,
            remarks: Mutex::default(),
        }
    }

    /// The same, but nothing is written: of several processes that read the same data one writes.
    pub fn read_only(self) -> Self {
        Self {
            writes: false,
            ..self
        }
    }

    /// The same, for data sets of at least so many images; smaller ones are listed every time.
    pub fn for_images(self, least_images: usize) -> Self {
        Self {
            least_images,
            ..self
        }
    }

    /// The same, for a file system whose clock is known: a directory that changed less than `settling` before it was
    /// listed is listed again next time. 3 seconds by default.
    pub fn settling(self, settling: Duration) -> Self {
        Self { settling, ..self }
    }

    /// What became of the listings, a line each.
    pub fn remarks(&self) -> Vec<String> {
        lock(&self.remarks).clone()
    }

    fn remark(&self, text: String) {
        lock(&self.remarks).push(text);
    }

    /// The file for the data set at `root`.
    fn file(&self, root: &Path) -> PathBuf {
        let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let name = hex(&digest[..8]);
        self.dir.join(format!("{name}.index"))
    }
}

/// Lists class folders in parallel; those that `index` knows and that did not change are not read.
///
/// # Errors
/// As [`ClassListing::read`], for the first class in order.
pub(super) fn list(
    root: &Path,
    classes: &[String],
    index: Option<&FolderIndex>,
) -> Result<Vec<ClassListing>, FolderError> {
    // Of a mirror the store has made the list already.
    let index = index.filter(|_| remote::mirror_of(root).is_none());
    let settling = index.map_or(SETTLING, |index| index.settling);
    let now = SystemTime::now();
    let settled = now.checked_sub(settling).unwrap_or(now);
    // Another working directory must not make another data set of it.
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut known = index
        .map(|index| known(index, root, &absolute))
        .unwrap_or_default();
    let was_known = !known.is_empty();
    let old: Vec<Option<ClassListing>> = classes.iter().map(|name| known.remove(name)).collect();
    // What is left in `known` are classes that are gone.
    let lost_some = !known.is_empty();
    let listed: Vec<Result<(ClassListing, bool), FolderError>> = old
        .into_par_iter()
        .zip(classes)
        .map(|(old, name)| match old.filter(ClassListing::is_current) {
            Some(old) => Ok((old, true)),
            None => Ok((ClassListing::read(&root.join(name), settled)?, false)),
        })
        .collect();
    let mut listings = Vec::with_capacity(classes.len());
    let mut anew = 0;
    for result in listed {
        let (listing, is_old) = result?;
        anew += usize::from(!is_old);
        listings.push(listing);
    }
    if let Some(index) = index {
        let images: usize = listings.iter().map(ClassListing::len).sum();
        let file = index.file(&absolute);
        if was_known {
            let folders = thousands(classes.len());
            index.remark(match anew {
                0 => format!("names of {folders} class folders from {}", file.display()),
                anew => format!(
                    "names of {folders} class folders from {}, {} that changed listed anew",
                    file.display(),
                    thousands(anew)
                ),
            });
        }
        if index.writes && (anew > 0 || lost_some) && images >= index.least_images {
            keep(index, &file, root, &absolute, classes, &listings);
        }
    }
    Ok(listings)
}

/// What was kept of the data set; nothing where there is no file or it is of no use.
fn known(index: &FolderIndex, root: &Path, absolute: &Path) -> BTreeMap<String, ClassListing> {
    let file = index.file(absolute);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return BTreeMap::new(),
        Err(error) => {
            let name = file.display();
            index.remark(format!(
                "cannot read {name}: {}; the class folders are listed",
                system_words(error)
            ));
            return BTreeMap::new();
        }
    };
    read(&bytes, root, absolute).unwrap_or_else(|| {
        let name = file.display();
        index.remark(format!(
            "{name} is damaged or of another version; the class folders are listed"
        ));
        BTreeMap::new()
    })
}

/// Writes the file. That it cannot be written is said, and no reason to stop.
fn keep(
    index: &FolderIndex,
    file: &Path,
    root: &Path,
    absolute: &Path,
    classes: &[String],
    listings: &[ClassListing],
) {
    // Names that are no text are rare, and listed every time.
    let Some(bytes) = written(root, absolute, classes, listings) else {
        index.remark("names that are no Unicode are not kept".to_owned());
        return;
    };
    let made = std::fs::create_dir_all(&index.dir).map_err(system_words);
    let done = made.and_then(|()| {
        atomic_file::write(file, &bytes).map_err(|error| system_words(error.reason))
    });
    if let Err(reason) = done {
        let name = file.display();
        index.remark(format!(
            "cannot write {name}: {reason}; the next run lists the class folders"
        ));
    }
}

fn written(
    root: &Path,
    absolute: &Path,
    classes: &[String],
    listings: &[ClassListing],
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let text = |body: &mut Vec<u8>, text: &str| -> Option<()> {
        body.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
        body.extend(text.as_bytes());
        Some(())
    };
    let number = |body: &mut Vec<u8>, number: usize| body.extend((number as u64).to_le_bytes());
    text(&mut body, absolute.to_str()?)?;
    number(&mut body, classes.len());
    for (class, listing) in classes.iter().zip(listings) {
        let class_dir = root.join(class);
        text(&mut body, class)?;
        number(&mut body, listing.directories.len());
        for directory in &listing.directories {
            text(
                &mut body,
                directory.path.strip_prefix(&class_dir).ok()?.to_str()?,
            )?;
            body.push(u8::from(directory.stamp.is_some()));
            let stamp = directory.stamp.unwrap_or(Stamp {
                modified: 0,
                changed: 0,
                length: 0,
                number: 0,
            });
            body.extend(stamp.modified.to_le_bytes());
            body.extend(stamp.changed.to_le_bytes());
            body.extend(stamp.length.to_le_bytes());
            body.extend(stamp.number.to_le_bytes());
            match &directory.images {
                Names::Text(names) => text(&mut body, names)?,
                Names::Other(_) => return None,
            }
        }
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(Sha256::digest(&body));
    bytes.extend(body);
    Some(bytes)
}

/// None where the file is not what [`written`] made for this data set.
fn read(bytes: &[u8], root: &Path, absolute: &Path) -> Option<BTreeMap<String, ClassListing>> {
    let (digest, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut rest = Rest(body);
    if rest.text()? != absolute.to_str()? {
        return None;
    }
    let mut classes = BTreeMap::new();
    for _ in 0..rest.number()? {
        let class = rest.text()?;
        let class_dir = root.join(class);
        let mut directories = Vec::new();
        for _ in 0..rest.number()? {
            let path = match rest.text()? {
                "" => class_dir.clone(),
                below => class_dir.join(below),
            };
            let is_settled = rest.bytes::<1>()? == [1];
            let stamp = Stamp {
                modified: i64::from_le_bytes(rest.bytes()?),
                changed: i64::from_le_bytes(rest.bytes()?),
                length: u64::from_le_bytes(rest.bytes()?),
                number: u64::from_le_bytes(rest.bytes()?),
            };
            let names = rest.text()?;
            if !names.is_empty() && !names.ends_with('\0') {
                return None;
            }
            directories.push(Directory {
                path,
                stamp: is_settled.then_some(stamp),
                images: Names::Text(names.to_owned()),
            });
        }
        classes.insert(class.to_owned(), ClassListing { directories });
    }
    rest.0.is_empty().then_some(classes)
}

/// What is left of the file.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_le_bytes(self.bytes()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
