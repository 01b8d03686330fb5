//! The one walk over a folder of photos: for answers in a terminal, in the window, and for teaching.
//!
//! Not here: which files are photos (`image_data::formats`), and the walk of `sort`, which moves files and so leaves links
//! alone.

use std::ffi::OsStr;
use std::path::Path;

use model_core::text::natural_order;
use walkdir::{DirEntry, WalkDir};

/// Everything below `dir`, in the natural order of names within each folder (`IMG_2` before `IMG_10`). Links are followed,
/// and one that leads back to a folder above is an error of its own; hidden folders are left out, hidden files are not.
pub fn walk(dir: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<> {
    WalkDir::new(dir)
        .follow_links(true)
        .sort_by(|a, b| natural_order(a.file_name(), b.file_name()))
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() == 0 || !entry.file_type().is_dir() || !is_hidden(entry.file_name())
        })
}

/// `.DS_Store`, `._photo.jpg`, `.git` and the like: leftovers no one means.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}
