//! Looks through dropped, pasted or opened files and folders for photos and models.
//!
//! It decides what is a photo to try, what is a model and what is passed over, and says so; it decodes nothing and
//! knows no window. What the clipboard or a drag holds becomes paths in [`crate::paths`].

use std::path::{Path, PathBuf};

use photos::walk::{WalkEntry, walk};

use crate::content::FileStamp;
use crate::problem;

/// A file to look at, and what the file system says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size and time; `None` when it cannot be asked for.
    pub stamp: Option<FileStamp>,
}

impl FoundFile {
    /// The file at `path` as it is now.
    pub fn at(path: PathBuf) -> Self {
        let stamp = FileStamp::of(&path);
        Self { path, stamp }
    }
}

/// What [`scan`] found, apart from the photos it handed out on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// Photos handed out.
    pub photos: usize,
    /// `.onnx` files.
    pub models: Vec<PathBuf>,
    /// Files inside folders that are no pictures.
    pub passed_over: usize,
    /// Folders and entries that could not be read, one sentence each.
    pub unreadable: Vec<String>,
    /// Folders looked through.
    pub folders: usize,
    /// True when it was stopped before the end.
    pub stopped: bool,
}

/// Files handed out at once.
const CHUNK: usize = 256;

/// Looks through `paths`: a file is handed to `found` whatever it is (if it is no picture, its tile will say so), a
/// folder is searched for pictures in the natural order of their names (2 before 10). `go_on` is asked often.
pub fn scan(
    paths: &[PathBuf],
    go_on: &dyn Fn() -> bool,
    found: &mut dyn FnMut(Vec<FoundFile>),
) -> ScanReport {
    let mut report = ScanReport::default();
    let mut chunk = Vec::new();
    'paths: for path in paths {
        if !path.is_dir() {
            if is_model(path) {
                report.models.push(path.clone());
            } else {
                chunk.push(FoundFile::at(path.clone()));
            }
            continue;
        }
        report.folders += 1;
        for entry in walk(path) {
            if !go_on() {
                report.stopped = true;
                break 'paths;
            }
            match entry {
                WalkEntry::Photo(file) => chunk.push(FoundFile::at(file)),
                WalkEntry::PassedOver(_) => report.passed_over += 1,
                WalkEntry::Unreadable { path, reason } => {
                    report.unreadable.push(match reason {
                        Some(reason) => problem::of_scanning(&path, &reason),
                        None => format!("{} leads back to itself.", path.display()),
                    });
                }
            }
            if chunk.len() >= CHUNK {
                report.photos += chunk.len();
                found(std::mem::take(&mut chunk));
            }
        }
    }
    if !chunk.is_empty() && !report.stopped {
        report.photos += chunk.len();
        found(chunk);
    }
    report
}

/// True for a file that is a model by its name.
pub fn is_model(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";

    #[cfg(unix)]
    #[test]
    fn folders_are_searched_for_pictures_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("deep")).unwrap();
        std::fs::write(at("b.jpg"), b"not really").unwrap();
        std::fs::write(at("a.png"), PNG).unwrap();
        std::fs::write(at("deep/no-extension"), PNG).unwrap();
        std::fs::write(at("notes.txt"), b"hello").unwrap();
        std::fs::write(at("._b.jpg"), b"leftover").unwrap();
        let mut found = Vec::new();
        let paths = [
            dir.path().to_owned(),
            at("notes.txt"),
            PathBuf::from("/m/net.ONNX"),
        ];
        let report = scan(&paths, &|| true, &mut |chunk| {
            found.extend(chunk.into_iter().map(|file| file.path))
        });
        assert_eq!(
            found,
            [
                at("a.png"),
                at("b.jpg"),
                at("deep/no-extension"),
                at("notes.txt")
            ]
        );
        assert_eq!(report.passed_over, 2);
        assert_eq!(report.models, [PathBuf::from("/m/net.ONNX")]);
        assert_eq!((report.photos, report.folders), (4, 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_circles_are_told() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(dir.path().join("real"), PNG).unwrap();
        symlink(dir.path().join("real"), inside.join("link.png")).unwrap();
        symlink(dir.path(), inside.join("circle")).unwrap();
        let mut found = Vec::new();
        let report = scan(std::slice::from_ref(&inside), &|| true, &mut |chunk| {
            found.extend(chunk.into_iter().map(|file| file.path))
        });
        // The way around ends where it comes to a folder that it is in.
        let names = ["circle/inside/link.png", "circle/real", "link.png"];
        assert_eq!(found, names.map(|name| inside.join(name)));
        let circle = inside.join("circle/inside/circle");
        let expected = format!("{} leads back to itself.", circle.display());
        assert_eq!(report.unreadable, [expected]);
    }

    #[test]
    fn a_search_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.png"), PNG).unwrap();
        let report = scan(&[dir.path().to_owned()], &|| false, &mut |_| {
            panic!("nothing was asked for")
        });
        assert!(report.stopped);
    }
}
