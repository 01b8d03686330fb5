//! A data set at a URL: its mirror is opened, and what is said of it names the store.

use std::path::{Path, PathBuf};

use super::layout;
use crate::folder::{Folder, FolderError};
use crate::remote;

/// Where a URL's data set is on this machine.
pub(super) struct Mirrored {
    /// The local path to open: the mirror's root, or a file or a pattern in it.
    pub path: PathBuf,
    description: String,
    notes: Vec<String>,
}

/// Opens the mirror of `url`. Of a URL that ends in the name of a file, or in a pattern of names, only those files are
/// looked at.
pub(super) fn mirrored(url: &Path) -> Result<Mirrored, FolderError> {
    let text = url.to_string_lossy();
    let (folder, name) = match text.rsplit_once('/') {
        Some((folder, name)) if is_file_name(name) && !folder.ends_with('/') => {
            (folder, Some(name))
        }
        _ => (text.trim_end_matches('/'), None),
    };
    let names = name.map(names).unwrap_or_default();
    let perhaps = match names.is_empty() {
        true => Vec::new(),
        false => beside(&names),
    };
    let mirror = remote::open(folder, &names, &perhaps).map_err(|reason| FolderError::Io {
        path: url.to_owned(),
        reason,
    })?;
    let root = mirror.root();
    Ok(Mirrored {
        path: name.map_or_else(|| root.to_owned(), |name| root.join(name)),
        description: mirror.describe(),
        notes: mirror.notes().to_vec(),
    })
}

impl Mirrored {
    /// Says in a folder's description and notes where it came from.
    pub fn note(&self, folder: &mut Folder) {
        folder.description.push_str(" of ");
        folder.description.push_str(&self.description);
        folder.notes.extend(self.notes.iter().cloned());
    }
}

/// The files that a name or a pattern of names means.
fn names(name: &str) -> Vec<String> {
    match layout::expand(Path::new(name)) {
        Some(paths) => paths
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        None => vec![name.to_owned()],
    }
}

/// What may lie beside files of images and is of use: the index of a shard, the names of the classes.
fn beside(names: &[String]) -> Vec<String> {
    let shards = names
        .iter()
        .map(Path::new)
        .filter(|name| layout::ending(name) == "tar");
    let indexes = shards.map(|name| name.with_extension("index").display().to_string());
    indexes
        .chain(layout::CLASS_NAME_FILES.map(str::to_owned))
        .collect()
}

fn is_file_name(name: &str) -> bool {
    let ending = layout::ending(Path::new(name));
    layout::FILES_OF_IMAGES.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_a_pattern_is_told_from_a_folder() {
        assert!(is_file_name("train-{000..146}.tar") && is_file_name("x.Parquet"));
        assert!(!is_file_name("imagenet") && !is_file_name("v1.2"));
    }

    #[test]
    fn a_pattern_names_its_files_and_what_may_lie_beside() {
        let files = names("a-{08..10}.tar");
        assert_eq!(files, ["a-08.tar", "a-09.tar", "a-10.tar"]);
        let may = beside(&files[..1]);
        assert_eq!(may[0], "a-08.index");
        assert!(may.contains(&"classes.txt".to_owned()));
    }
}
