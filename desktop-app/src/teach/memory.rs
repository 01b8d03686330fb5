//! The classes on disk: one JSON file beside the settings, replaced atomically, shared by all windows that are open.
//!
//! Saving writes only what this window changed, over what the file holds at that moment: of each photo, in which class
//! it is. A file that is damaged or that a newer version wrote is kept beside the new one, and said. Photos are named,
//! not copied; one that is away stays in its class, because its drive may come back.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use model_core::atomic_file::{self, WriteFileError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::board::{Arrangement, ClassBoard, KeptClass, PhotoClass};
use crate::classify::ModelChoice;
use crate::path_text::PathText;
use crate::problem;

/// The newest form that is read.
const VERSION: u64 = 1;

/// Where the classes are kept; `None` keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct ClassMemory {
    file: Option<PathBuf>,
}

/// What could not be used of the classes on disk. The board is empty then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassMemoryWarning {
    /// The file is damaged; it is kept here.
    Damaged {
        /// Where the old file is now.
        kept: PathBuf,
    },
    /// A newer version of the program wrote it; it is kept here.
    Newer {
        /// Where the old file is now.
        kept: PathBuf,
    },
    /// It cannot be read, and nothing can be saved in its place.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl ClassMemoryWarning {
    /// What happened, and what it means for the user: two sentences.
    pub fn sentences(&self) -> (String, String) {
        match self {
            Self::Damaged { kept } => (
                "What was remembered of your classes is damaged, so the teaching place is empty."
                    .to_owned(),
                format!("The damaged file is kept in {}.", kept.display()),
            ),
            Self::Newer { kept } => (
                "A newer version of this program remembered your classes, so the teaching place is empty."
                    .to_owned(),
                format!("Its file is kept in {}.", kept.display()),
            ),
            Self::Unreadable { file, reason } => (
                format!("What was remembered of your classes could not be read: {reason}."),
                format!("Check that you may read {}.", file.display()),
            ),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    base: ModelChoice,
    classes: Vec<StoredClass>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClass {
    name: String,
    photos: Vec<PathText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<KeptClass>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    Damaged,
    Newer,
}

impl ClassMemory {
    /// A memory in `folder`.
    pub fn in_folder(folder: Option<&Path>) -> Self {
        Self {
            file: folder.map(|folder| folder.join("classes.json")),
        }
    }

    /// The classes of the last time, and what of them could not be used.
    pub fn load(&self) -> (ClassBoard, Option<ClassMemoryWarning>) {
        let Some(file) = &self.file else {
            return (ClassBoard::default(), None);
        };
        match std::fs::read(file) {
            Ok(bytes) => match parse(&bytes) {
                Ok(board) => (board, None),
                Err(why) => (ClassBoard::default(), Some(warning(file, why))),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (ClassBoard::default(), None)
            }
            Err(error) => {
                let reason = problem::reason(&error);
                let file = file.clone();
                let warning = ClassMemoryWarning::Unreadable { file, reason };
                (ClassBoard::default(), Some(warning))
            }
        }
    }

    /// Writes what changed from `before` to `now` into the file; everything else in it stays as it is.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, before: &Arrangement, now: &Arrangement) -> Result<(), WriteFileError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let _lock = lock(file)?;
        let disk = match std::fs::read(file).map(|bytes| parse(&bytes)) {
            Ok(Ok(board)) => board.snapshot(),
            // Written since this window opened; it is kept, and what this window knows takes its place.
            Ok(Err(why)) => {
                set_aside(file, why).map_err(|reason| WriteFileError {
                    path: file.clone(),
                    reason,
                })?;
                before.clone()
            }
            Err(_) => Arrangement::default(),
        };
        let document = merged(before, now, &disk);
        let mut text = serde_json::to_vec_pretty(&document).map_err(|error| WriteFileError {
            path: file.clone(),
            reason: error.into(),
        })?;
        text.push(b'\n');
        atomic_file::write(file, &text)
    }

    /// Forgets the classes.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(&self) -> Result<(), WriteFileError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let _lock = lock(file)?;
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(WriteFileError {
                path: file.clone(),
                reason: error,
            }),
            _ => Ok(()),
        }
    }
}

/// Another window may be saving; where the file system knows no locks, the last one wins.
fn lock(file: &Path) -> Result<Option<File>, WriteFileError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|reason| WriteFileError {
            path: file.to_owned(),
            reason,
        })?;
    }
    let lock = File::create(file.with_extension("json.lock"));
    Ok(lock.and_then(|lock| lock.lock().map(|()| lock)).ok())
}

fn parse(bytes: &[u8]) -> Result<ClassBoard, Unusable> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION => return Err(Unusable::Newer),
        _ => {}
    }
    let stored: Document = serde_json::from_value(value).map_err(|_| Unusable::Damaged)?;
    let mut board = ClassBoard::default();
    board.build_on(stored.base, Vec::new());
    for class in stored.classes {
        if class.name.trim().is_empty() {
            return Err(Unusable::Damaged);
        }
        let photos: Vec<PathBuf> = class.photos.into_iter().map(|path| path.0).collect();
        board.take_in(&class.name, &photos, class.kept);
    }
    Ok(board)
}

/// Keeps a file that cannot be used beside the new one; gives its place.
fn set_aside(file: &Path, why: Unusable) -> std::io::Result<PathBuf> {
    let kept = file.with_extension(match why {
        Unusable::Damaged => "json.unreadable",
        Unusable::Newer => "json.newer",
    });
    std::fs::rename(file, &kept).map(|()| kept)
}

fn warning(file: &Path, why: Unusable) -> ClassMemoryWarning {
    match (set_aside(file, why), why) {
        (Ok(kept), Unusable::Damaged) => ClassMemoryWarning::Damaged { kept },
        (Ok(kept), Unusable::Newer) => ClassMemoryWarning::Newer { kept },
        (Err(error), _) => ClassMemoryWarning::Unreadable {
            file: file.to_owned(),
            reason: problem::reason(&error),
        },
    }
}

fn class_of<'a>(side: &'a Arrangement, name: &str) -> Option<&'a PhotoClass> {
    let wanted = name.to_lowercase();
    let mut classes = side.classes.iter();
    classes.find(|class| class.name.to_lowercase() == wanted)
}

/// In which class each photo is.
fn places(side: &Arrangement) -> HashMap<&Path, &str> {
    let mut places = HashMap::new();
    for class in &side.classes {
        for photo in &class.photos {
            places.insert(photo.as_path(), class.name.as_str());
        }
    }
    places
}

/// What the file held, with what this window changed.
fn merged(before: &Arrangement, now: &Arrangement, disk: &Arrangement) -> Document {
    let base = if now.base == before.base {
        &disk.base
    } else {
        &now.base
    };
    let has = |side: &Arrangement, class: &PhotoClass| class_of(side, &class.name).is_some();
    let removed_here = |class: &PhotoClass| has(before, class) && !has(now, class);
    let is_new = |class: &PhotoClass| !has(before, class) && !has(disk, class);
    let stay = disk.classes.iter().filter(|class| !removed_here(class));
    let come = now.classes.iter().filter(|class| is_new(class));
    let mut classes: Vec<StoredClass> = stay
        .chain(come)
        .map(|class| StoredClass {
            name: class.name.clone(),
            photos: Vec::new(),
            kept: [now, disk]
                .into_iter()
                .filter(|side| side.base == *base)
                .find_map(|side| class_of(side, &class.name)?.kept.clone()),
        })
        .collect();
    let (was, is, there) = (places(before), places(now), places(disk));
    let mut done: HashSet<&Path> = HashSet::new();
    let photos = disk.classes.iter().chain(&now.classes);
    for photo in photos.flat_map(|class| &class.photos) {
        let photo = photo.as_path();
        if !done.insert(photo) {
            continue;
        }
        let changed_here = is.get(photo) != was.get(photo);
        let side = if changed_here { &is } else { &there };
        let Some(name) = side.get(photo) else {
            continue;
        };
        let path = PathText(photo.to_owned());
        match classes.iter_mut().find(|class| class.name == *name) {
            Some(class) => class.photos.push(path),
            // Removed here, and filled in another window.
            None => classes.push(StoredClass {
                name: (*name).to_owned(),
                photos: vec![path],
                kept: None,
            }),
        }
    }
    Document {
        version: VERSION,
        base: base.clone(),
        classes,
    }
}

#[cfg(test)]
mod tests;
