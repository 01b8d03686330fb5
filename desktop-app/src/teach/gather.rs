//! What is dropped on the board: photos, folders of one class, and folders of class folders.

use std::path::{Path, PathBuf};

use photos::teach::{NONE_NAME, find_classes};
use photos::walk::is_photo;

use crate::classify::Cancel;
use crate::problem;
use crate::scan::{is_model, scan};

/// What was found in dropped files and folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Photos that were dropped themselves.
    pub photos: Vec<PathBuf>,
    /// A class for every folder: its name and its photos.
    pub folders: Vec<(String, Vec<PathBuf>)>,
    /// Models among them.
    pub models: Vec<PathBuf>,
    /// Folders that could not be read, one sentence each.
    pub unreadable: Vec<String>,
    /// Files inside folders that are hidden or no pictures.
    pub passed_over: usize,
}

/// Looks through dropped files and folders. A folder without photos of its own whose folders have some is a folder of
/// classes.
pub fn gather(paths: &[PathBuf], cancel: &Cancel) -> Gathered {
    let mut gathered = Gathered::default();
    for path in paths {
        if cancel.is_cancelled() {
            break;
        }
        if !path.is_dir() {
            if is_model(path) {
                gathered.models.push(path.clone());
            } else {
                gathered.photos.push(path.clone());
            }
        } else if has_photos_itself(path) {
            gathered.add_folder(name_of(path), path, cancel);
        } else {
            match find_classes(path) {
                Ok(found) => {
                    gathered.passed_over += found.passed_over;
                    gathered
                        .folders
                        .extend(found.classes.into_iter().map(|folder| {
                            let name = folder.class.unwrap_or_else(|| NONE_NAME.to_owned());
                            (name, folder.photos)
                        }));
                }
                // No photo anywhere below it: said as a folder without photos.
                Err(_) => gathered.add_folder(name_of(path), path, cancel),
            }
        }
    }
    gathered
}

impl Gathered {
    fn add_folder(&mut self, name: String, folder: &Path, cancel: &Cancel) {
        let mut photos = Vec::new();
        let report = scan(
            &[folder.to_owned()],
            &|| !cancel.is_cancelled(),
            &mut |found| photos.extend(found.into_iter().map(|file| file.path)),
        );
        self.unreadable.extend(report.unreadable);
        self.passed_over += report.passed_over;
        if !photos.is_empty() {
            self.folders.push((name, photos));
        }
    }

    /// Every photo, whatever folder it lay in.
    pub fn all_photos(self) -> Vec<PathBuf> {
        let in_folders = self.folders.into_iter().flat_map(|(_, photos)| photos);
        self.photos.into_iter().chain(in_folders).collect()
    }
}

fn has_photos_itself(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return true;
    };
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.any(|path| path.is_file() && is_photo(&path))
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// What is said when nothing was found.
pub fn nothing_found(gathered: &Gathered) -> Option<String> {
    let empty = gathered.photos.is_empty() && gathered.folders.is_empty();
    let unreadable = gathered.unreadable.first();
    (empty && gathered.models.is_empty()).then(|| {
        let words = unreadable.map_or("No photos were found in that folder.", String::as_str);
        problem::sentence(words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_classes_and_files_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "only a name").unwrap();
            path
        };
        let loose = put("loose.jpg");
        for name in ["cat/2.jpg", "cat/10.jpg", "all/dog/x.jpg", "all/none/y.jpg"] {
            put(name);
        }
        let model = put("m.onnx");
        put("empty/notes.txt");
        put("cat/notes.txt");
        put("all/dog/.DS_Store");
        let at = |name: &str| dir.path().join(name);
        let paths = [loose.clone(), at("cat"), at("all"), model.clone()];
        let gathered = gather(&paths, &Cancel::default());
        assert_eq!(gathered.photos, [loose]);
        assert_eq!(gathered.models, [model]);
        let found: Vec<(&str, usize)> = gathered
            .folders
            .iter()
            .map(|(name, photos)| (name.as_str(), photos.len()))
            .collect();
        assert_eq!(found, [("cat", 2), ("dog", 1), (NONE_NAME, 1)]);
        assert_eq!(gathered.folders[0].1[0], at("cat/2.jpg"), "2 before 10");
        assert_eq!(nothing_found(&gathered), None);
        assert_eq!(gathered.passed_over, 2);
        assert_eq!(gathered.all_photos().len(), 5);
        let empty = gather(&[at("empty")], &Cancel::default());
        assert!(nothing_found(&empty).is_some_and(|words| words.contains("No photos")));
    }
}
