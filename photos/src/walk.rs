//! The one walk over a folder of photos: for answers in a terminal, in the window, and for teaching. Nothing is passed over
//! without being told.
//!
//! Not here: which files are photos (`image_data::formats`), and the walk of `sort`, which moves files and so leaves links
//! alone.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use image_data::formats::looks_like_picture;
use model_core::text::natural_order;
use walkdir::{DirEntry, WalkDir};

/// What lies below a folder.
#[derive(Debug)]
pub enum WalkEntry {
    /// A picture by its name or its first bytes. A link that leads nowhere is one, too: opening it says so.
    Photo(PathBuf),
    /// Hidden, or no picture, or nothing to open (a pipe, a device).
    PassedOver(PathBuf),
    /// What cannot be looked into.
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system says; none for a link that leads back to a folder above.
        reason: Option<io::Error>,
    },
}

/// Everything below `dir` but folders, in the natural order of names within each folder (`IMG_2` before `IMG_10`). Links are
/// followed; hidden folders are left out.
pub fn walk(dir: &Path) -> impl Iterator<Item = WalkEntry> + use<> {
    let dir = dir.to_owned();
    WalkDir::new(&dir)
        .follow_links(true)
        .sort_by(|a, b| natural_order(a.file_name(), b.file_name()))
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden_folder(entry))
        .filter_map(move |entry| classify_entry(entry, &dir))
}

/// What an entry of a walk that began at `dir` is; none for a folder, whose content comes by itself.
pub fn classify_entry(entry: walkdir::Result<DirEntry>, dir: &Path) -> Option<WalkEntry> {
    match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => {
            let is_meant = entry.file_type().is_file() && !is_hidden(entry.file_name());
            let is_photo = is_meant && looks_like_picture(entry.path());
            let path = entry.into_path();
            Some(if is_photo {
                WalkEntry::Photo(path)
            } else {
                WalkEntry::PassedOver(path)
            })
        }
        Err(error) => {
            let path = error.path().unwrap_or(dir).to_owned();
            let is_circle = error.loop_ancestor().is_some();
            if !is_circle && path.is_symlink() {
                return Some(WalkEntry::Photo(path));
            }
            let reason = (!is_circle).then(|| error.into());
            Some(WalkEntry::Unreadable { path, reason })
        }
    }
}

/// `.DS_Store`, `._photo.jpg`, `.git` and the like: leftovers no one means.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// Whether a walk leaves it out with all that is in it.
pub fn is_hidden_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && is_hidden(entry.file_name())
}
