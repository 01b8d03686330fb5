//! Making a mirror's folder fit what the store holds today; which of it stays.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::Object;
use super::chunks::Chunks;
use super::listing;
use crate::folder::is_image_name;

/// Tables, lists of classes, indexes: objects up to this long that are neither images nor files of images are fetched at once.
const MAX_SIDE_FILE_BYTES: u64 = 64 << 20;

/// Makes the folder fit the listing, or joins another process that did. The lock lasts as long as the file.
pub(super) fn prepare(
    url: &str,
    root: &Path,
    state: &Path,
    objects: &[Object],
) -> io::Result<(File, Chunks)> {
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
pub(super) fn kept(objects: &[Object], limit: u64) -> (Vec<bool>, u64) {
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
pub(super) fn is_side_file(object: &Object) -> bool {
    let ending = object
        .key
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let is_container = matches!(ending.as_str(), "tar" | "parquet");
    !is_image_name(&object.key) && !is_container && object.length <= MAX_SIDE_FILE_BYTES
}
