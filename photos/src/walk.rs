//! The one walk over a folder of photos: for answers in a terminal, in the window, for teaching and sorting. Nothing is
//! passed over without being told.
//!
//! Not here: which files are pictures (`image_data::formats`).

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
    entries(WalkDir::new(dir).follow_links(true), dir, None)
}

/// The same for who moves what is found: links are passed over, their file has a place of its own. The folder `aside` is
/// left out.
pub fn walk_own(dir: &Path, aside: Option<&Path>) -> impl Iterator<Item = WalkEntry> + use<> {
    entries(WalkDir::new(dir), dir, aside.map(Path::to_owned))
}

fn entries(
    walk: WalkDir,
    dir: &Path,
    aside: Option<PathBuf>,
) -> impl Iterator<Item = WalkEntry> + use<> {
    let dir = dir.to_owned();
    walk.sort_by(|a, b| natural_order(a.file_name(), b.file_name()))
        .into_iter()
        .filter_entry(move |entry| {
            let is_hidden_folder = entry.file_type().is_dir() && is_hidden(entry.file_name());
            entry.depth() == 0 || !is_hidden_folder && Some(entry.path()) != aside.as_deref()
        })
        .filter_map(move |entry| classified(entry, &dir))
}

/// What an entry is; none for a folder, whose content comes by itself.
fn classified(entry: walkdir::Result<DirEntry>, dir: &Path) -> Option<WalkEntry> {
    match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => {
            // A file that is itself where the walk begins was named, and is meant.
            let is_meant = entry.depth() == 0 || !is_hidden(entry.file_name());
            let is_photo =
                entry.file_type().is_file() && is_meant && looks_like_picture(entry.path());
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

/// Whether a file is meant as a photo: not hidden, and a picture by its name or its first bytes.
pub fn is_photo(file: &Path) -> bool {
    !file.file_name().is_some_and(is_hidden) && looks_like_picture(file)
}

/// `.DS_Store`, `._photo.jpg`, `.git` and the like: leftovers no one means.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}
