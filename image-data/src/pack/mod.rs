//! A data set as tar shards that WebDataset reads: images resized once, their classes beside them, an index for random
//! access. The same data and settings give the same bytes; a pack that was interrupted goes on where it stopped.

mod index;
mod shard;
mod verify;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use model_core::atomic_file;
use model_core::atomic_file::WriteFileError;
use model_core::text::{hex, system_words};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::Dataset;
use crate::folder::Folder;
use crate::random::{Key, Purpose};

pub use index::is_packed;
pub(crate) use index::read_index;
pub(crate) use verify::changed_shards;

/// What is written beside the shards, so that a pack goes on only with the data and settings it was begun with.
const RECORD: &str = "pack.json";
/// Locked by the process that packs.
const LOCK: &str = ".lock";
/// The class names, in the order of the numbers in the shards.
const CLASSES: &str = "classes.txt";

/// How a data set is packed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackConfig {
    /// Images whose short side is longer are scaled down to it, in pixels; none: every file stays as it is.
    pub short_side: Option<u32>,
    /// Quality of the JPEGs that are written, 1 to 100.
    pub quality: u8,
    /// Images in a shard.
    pub shard_images: usize,
    /// How images that are written anew are read; their orientation and colors are then those of the pixels.
    pub reading: model_core::ReadingConfig,
    /// Decides which images share a shard, so that a shard read from front to back is not sorted by class.
    pub seed: u64,
    /// Threads; 0 for one per core.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            short_side: Some(256),
            quality: 92,
            shard_images: 1024,
            reading: model_core::ReadingConfig::default(),
            seed: 0,
            threads: 0,
        }
    }
}

/// What a pack came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackReport {
    /// Images in the shards.
    pub images: usize,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Shards, those of an earlier call included.
    pub shards: usize,
    /// Shards that an earlier call had written.
    pub kept: usize,
    /// Images that could not be read and are in no shard: path and reason.
    pub left_out: Vec<(PathBuf, String)>,
}

/// How far a pack is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackProgress {
    /// Images done, those left out included.
    pub images: usize,
    /// Bytes of the shards that hold them.
    pub bytes: u64,
}

impl PackProgress {
    /// The bytes that all shards of `images` will have, where the rest is like what is done; none before anything is.
    pub fn estimate(&self, images: usize) -> Option<u64> {
        let whole = u128::from(self.bytes) * images as u128;
        u64::try_from(whole.checked_div(self.images as u128)?).ok()
    }
}

/// Why a data set cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The output cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFileError),
    /// The output directory cannot be made or written.
    #[error("cannot write {path}: {}", system_words(reason))]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// The directory holds a pack of other data, or of other settings.
    #[error("{path} holds a pack of {was}, expected one of {wanted}")]
    OtherPack {
        /// The directory.
        path: PathBuf,
        /// What it was made of.
        was: String,
        /// What was to be packed.
        wanted: String,
    },
    /// Another process packs into the directory.
    #[error("{path} is being written by another pack")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A setting out of range.
    #[error("{key}: expected {expected}, got {got}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// No threads.
    #[error("cannot start threads to pack with: {0}")]
    Threads(String),
}

/// The settings and the data of a pack, as they are compared.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    config: PackConfig,
    /// SHA-256 over the classes and the paths and classes of all samples.
    data_sha256: String,
    description: String,
}

/// Packs `dataset` into `output`. `progress` is called behind each shard, from any thread.
///
/// # Errors
/// [`PackError`]; what was written stays, and the same call goes on from there.
pub fn pack(
    dataset: &Dataset,
    output: &Path,
    config: &PackConfig,
    progress: &(dyn Fn(PackProgress) + Sync),
) -> Result<PackReport, PackError> {
    validate(config)?;
    std::fs::create_dir_all(output).map_err(|reason| PackError::Create {
        path: output.to_owned(),
        reason,
    })?;
    let record = Record {
        config: PackConfig {
            threads: 0,
            ..config.clone()
        },
        data_sha256: fingerprint(dataset),
        description: dataset.describe(),
    };
    // Held until the end; the operating system lets go of it when the process is killed.
    let _lock = lock(output)?;
    claim(output, &record)?;
    atomic_file::remove_leftovers(output).map_err(|reason| PackError::Create {
        path: output.to_owned(),
        reason,
    })?;
    let sets: Vec<(&str, &Folder)> = [("train", &dataset.train), ("val", &dataset.val)]
        .into_iter()
        .filter_map(|(name, set)| Some((name, set.as_ref()?)))
        .collect();
    if let Some((_, first)) = sets.first() {
        let names: String = first
            .classes
            .iter()
            .map(|name| format!("{name}\n"))
            .collect();
        atomic_file::write(&output.join(CLASSES), names.as_bytes())?;
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.threads)
        .build()
        .map_err(|error| PackError::Threads(system_words(error)))?;
    let state = Mutex::new((PackReport::default(), 0));
    for (name, set) in sets {
        let mut order: Vec<usize> = (0..set.len()).collect();
        Key::new(config.seed, 0, 0, Purpose::Other)
            .stream()
            .shuffle(&mut order);
        let shards: Vec<(usize, &[usize])> =
            order.chunks(config.shard_images).enumerate().collect();
        pool.install(|| {
            shards.par_iter().try_for_each(|&(number, members)| {
                let path = output.join(format!("{name}-{number:06}.tar"));
                let shard = shard::write(&path, set, members, config)?;
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let (report, done) = &mut *state;
                report.images += shard.images;
                report.bytes += shard.bytes;
                report.shards += 1;
                report.kept += usize::from(shard.was_there);
                report.left_out.extend(shard.left_out);
                *done += members.len();
                let now = PackProgress {
                    images: *done,
                    bytes: report.bytes,
                };
                drop(state);
                progress(now);
                Ok::<(), PackError>(())
            })
        })?;
    }
    let (mut report, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.left_out.sort();
    Ok(report)
}

fn validate(config: &PackConfig) -> Result<(), PackError> {
    let refuse = |key, expected, got: String| Err(PackError::Value { key, expected, got });
    if !(1..=100).contains(&config.quality) {
        return refuse("quality", "1 to 100", config.quality.to_string());
    }
    if let Some(side) = config.short_side
        && !(16..=8192).contains(&side)
    {
        return refuse("short side", "16 to 8192 pixels", side.to_string());
    }
    if config.shard_images == 0 {
        return refuse("images of a shard", "1 or more", "0".to_owned());
    }
    Ok(())
}

/// Keeps a second pack out of the directory.
fn lock(output: &Path) -> Result<File, PackError> {
    let path = output.join(LOCK);
    let create = |reason| PackError::Create {
        path: path.clone(),
        reason,
    };
    let file = File::create(&path).map_err(create)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PackError::InUse {
            path: output.to_owned(),
        }),
        Err(TryLockError::Error(reason)) => Err(create(reason)),
    }
}

/// Takes the directory for this pack, or sees that it was begun as this one.
fn claim(output: &Path, record: &Record) -> Result<(), PackError> {
    let path = output.join(RECORD);
    if let Ok(text) = std::fs::read_to_string(&path) {
        let was: Option<Record> = serde_json::from_str(&text).ok();
        let is_same = was.as_ref().is_some_and(|was| was == record);
        if is_same {
            return Ok(());
        }
        return Err(PackError::OtherPack {
            path: output.to_owned(),
            was: was.map_or_else(|| "something else".to_owned(), |was| said(&was)),
            wanted: said(record),
        });
    }
    let text = serde_json::to_string_pretty(record).unwrap_or_default();
    Ok(atomic_file::write(&path, text.as_bytes())?)
}

fn said(record: &Record) -> String {
    let size = match record.config.short_side {
        Some(side) => format!("{side} pixels, quality {}", record.config.quality),
        None => "originals".to_owned(),
    };
    format!(
        "{} ({size}, {} images a shard)",
        record.description, record.config.shard_images
    )
}

fn fingerprint(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    for set in [&dataset.train, &dataset.val].into_iter().flatten() {
        for class in &set.classes {
            hash.update(class.as_bytes());
            hash.update([0]);
        }
        for sample in &set.samples {
            hash.update(sample.path.to_string_lossy().as_bytes());
            hash.update((sample.class as u64).to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_estimated_from_what_is_done() {
        let progress = |images, bytes| PackProgress { images, bytes };
        assert_eq!(progress(0, 0).estimate(100), None);
        assert_eq!(progress(25, 1000).estimate(100), Some(4000));
        let imagenet = progress(200, 6_782_976).estimate(1_281_167).unwrap();
        assert_eq!(imagenet / 100_000_000, 434);
    }
}
