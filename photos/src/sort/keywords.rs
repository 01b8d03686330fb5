//! Keywords beside photos: XMP sidecars, which other photo programs read. The photos themselves stay untouched.
//!
//! A [`KeywordPlan`] reads the sidecars that are there and holds what they will be. [`write()`] puts old and new into a
//! journal first, so [`undo`] gives back every byte, and leaves alone what somebody changed since.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image_data::formats::looks_like_picture;
use model_core::atomic_file;
use model_core::text::{hex, system_words};
use sha2::{Digest, Sha256};

use super::journal::{self, decode, encode, not_written};
use super::packet::{PacketError, with_keywords};
use super::{SortError, Undone, problem};

pub use super::packet::KeywordPath;

const KIND: &str = "keywords";
const HEADER: &str = "infer-cli keywords 1";
/// Stands for a sidecar that was not there.
const NOTHING: &str = "-";

/// A photo and its keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The photo.
    pub photo: PathBuf,
    /// The keyword below wider ones, the widest first.
    pub keyword: KeywordPath,
}

/// One sidecar that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The photo.
    pub photo: PathBuf,
    /// Its sidecar.
    pub sidecar: PathBuf,
    /// What the sidecar held; none where there was none.
    old: Option<Vec<u8>>,
    new: Vec<u8>,
}

impl Edit {
    /// Whether there was a sidecar, which keeps all that it held.
    pub fn merges(&self) -> bool {
        self.old.is_some()
    }
}

/// All that will be written.
#[derive(Debug)]
pub struct KeywordPlan {
    /// The folder that keeps the journal.
    pub folder: PathBuf,
    /// Sidecars that change.
    pub edits: Vec<Edit>,
    /// Photos whose sidecars hold the keyword already.
    pub unchanged: usize,
    /// Sidecars that cannot be read or understood, with the reason; they stay as they are.
    pub refused: Vec<(PathBuf, SidecarError)>,
}

/// Why a photo gets no keyword.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The sidecar cannot be read.
    #[error("{}", system_words(.0))]
    Read(io::Error),
    /// It is not understood.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

impl KeywordPlan {
    /// Plans; reads sidecars and changes nothing.
    pub fn new(photos: &[Tagged], folder: &Path) -> Self {
        let mut plan = Self {
            folder: folder.to_owned(),
            edits: Vec::new(),
            unchanged: 0,
            refused: Vec::new(),
        };
        for tagged in photos {
            let sidecar = sidecar_of(&tagged.photo);
            match edit(&tagged.photo, &sidecar, &tagged.keyword) {
                Ok(Some(edit)) => plan.edits.push(edit),
                Ok(None) => plan.unchanged += 1,
                Err(error) => plan.refused.push((sidecar, error)),
            }
        }
        plan
    }
}

/// `photo.jpg.xmp`; a `photo.xmp` that is there already and can only mean this photo is taken instead.
fn sidecar_of(photo: &Path) -> PathBuf {
    let mut name = photo.file_name().unwrap_or_default().to_owned();
    name.push(".xmp");
    let full = photo.with_file_name(name);
    let short = photo.with_extension("xmp");
    if full.exists() || !short.is_file() {
        return full;
    }
    let stem = photo.file_stem();
    let namesake =
        |other: &Path| other != photo && other.file_stem() == stem && looks_like_picture(other);
    let folder = photo.parent().map(fs::read_dir);
    let shared = match folder {
        Some(Ok(entries)) => entries.flatten().any(|entry| namesake(&entry.path())),
        _ => true,
    };
    if shared { full } else { short }
}

fn edit(photo: &Path, sidecar: &Path, keyword: &KeywordPath) -> Result<Option<Edit>, SidecarError> {
    let old = read(sidecar).map_err(SidecarError::Read)?;
    let new = with_keywords(old.as_deref(), std::slice::from_ref(keyword))?;
    Ok(new.map(|new| Edit {
        photo: photo.to_owned(),
        sidecar: sidecar.to_owned(),
        old,
        new,
    }))
}

fn read(sidecar: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(sidecar) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the sidecars; `each` hears of each that is written. The journal is on the disk before the first of them.
///
/// # Errors
/// The first sidecar that cannot be written, or that changed since the plan was made. What is done can be undone.
pub fn write(plan: &KeywordPlan, mut each: impl FnMut(&Edit)) -> Result<(), SortError> {
    if plan.edits.is_empty() {
        return Ok(());
    }
    let path = journal::next(&plan.folder, KIND)?;
    let written = atomic_file::write_with(&path, |file| {
        writeln!(file, "{HEADER}")?;
        for edit in &plan.edits {
            let old = edit.old.as_ref();
            let old = old.map_or_else(|| NOTHING.to_owned(), |bytes| STANDARD.encode(bytes));
            let sidecar = encode(&edit.sidecar);
            writeln!(file, "sidecar {sidecar} {} {old}", digest(&edit.new))?;
        }
        writeln!(file, "end")
    });
    written.map_err(not_written)?;
    for edit in &plan.edits {
        let now = read(&edit.sidecar).map_err(problem("read", &edit.sidecar))?;
        if now != edit.old {
            return Err(SortError::SidecarChanged {
                path: edit.sidecar.clone(),
            });
        }
        atomic_file::write(&edit.sidecar, &edit.new).map_err(not_written)?;
        each(edit);
    }
    Ok(())
}

/// Takes back the newest keywords in `folder`, however far they came. A sidecar that was changed since stays.
///
/// # Errors
/// [`SortError::NothingToUndo`], a damaged journal, or the first sidecar that cannot be written or removed.
pub fn undo(folder: &Path) -> Result<Undone, SortError> {
    let (path, text) = journal::newest_text(folder, KIND)?;
    let entries = parse(&text).map_err(|line| SortError::Journal {
        path: path.clone(),
        line,
    })?;
    let mut undone = Undone::default();
    let mut cleared: HashSet<PathBuf> = HashSet::new();
    for entry in entries.iter().rev() {
        let sidecar = &entry.sidecar;
        if let Some(parent) = sidecar.parent()
            && cleared.insert(parent.to_owned())
            && parent.is_dir()
        {
            remove_halves(parent, &entries)?;
        }
        let now = read(sidecar).map_err(problem("read", sidecar))?;
        if now == entry.old {
            continue;
        }
        let ours = now
            .as_deref()
            .is_some_and(|now| digest(now) == entry.new_sha256);
        match (&entry.old, ours) {
            (_, false) => {
                let why = "it is no longer what was written there";
                undone.left.push((sidecar.clone(), why));
                continue;
            }
            (Some(old), true) => atomic_file::write(sidecar, old).map_err(not_written)?,
            (None, true) => fs::remove_file(sidecar).map_err(problem("remove", sidecar))?,
        }
        undone.files += 1;
    }
    journal::remove(&path)?;
    Ok(undone)
}

/// Removes what a kill left of a sidecar that was being written.
fn remove_halves(folder: &Path, entries: &[Entry]) -> Result<(), SortError> {
    for found in fs::read_dir(folder).map_err(problem("read", folder))? {
        let found = found.map_err(problem("read", folder))?;
        let name = found.file_name();
        let name = name.to_string_lossy();
        // `atomic_file` writes `photo.jpg.xmp` as `.photo.jpg.xmp.RANDOM.partial`.
        let Some(middle) = name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(".partial"))
        else {
            continue;
        };
        let of = |sidecar: &str| {
            let rest = middle.strip_prefix(sidecar);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let ours = entries.iter().any(|entry| {
            let sidecar = entry.sidecar.file_name().unwrap_or_default();
            entry.sidecar.parent() == Some(folder) && of(&sidecar.to_string_lossy())
        });
        if ours {
            fs::remove_file(found.path()).map_err(problem("remove", &found.path()))?;
        }
    }
    Ok(())
}

struct Entry {
    sidecar: PathBuf,
    new_sha256: String,
    old: Option<Vec<u8>>,
}

/// The number of the line at fault, counted from 1, is the error.
fn parse(text: &str) -> Result<Vec<Entry>, usize> {
    let lines: Vec<&str> = text.lines().collect();
    let [HEADER, entries @ .., "end"] = &lines[..] else {
        return Err(lines.len().max(1));
    };
    let entry = |line: &&str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let ["sidecar", path, new, old] = fields[..] else {
            return None;
        };
        let old = match old {
            NOTHING => None,
            old => Some(STANDARD.decode(old).ok()?),
        };
        Some(Entry {
            sidecar: decode(path)?,
            new_sha256: new.to_owned(),
            old,
        })
    };
    let entries = entries.iter().enumerate();
    entries
        .map(|(index, line)| entry(line).ok_or(index + 2))
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
#[path = "keywords_tests.rs"]
mod tests;
