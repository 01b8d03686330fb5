//! The settings on disk: one JSON file, replaced atomically, shared by all windows that are open.
//!
//! Each value stands for itself. One that this version does not know (a newer version wrote it, or a hand did) leaves
//! its default in use and stays in the file. Saving writes only what this window changed, over what the file holds at
//! that moment, so that two windows do not undo each other's choices. A file that is no JSON at all is kept beside
//! the new one.

use std::fs::File;
use std::path::{Path, PathBuf};

use model_core::atomic_file::{self, WriteFileError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::path_text::PathText;
use crate::problem;
use crate::settings::{HISTORY_LENGTH, HistoryEntry, RECENT_MODELS, Settings};

/// Where the settings live; `None` keeps nothing (tests, or a system without a home).
#[derive(Clone, Debug, Default)]
pub struct SettingsStore {
    file: Option<PathBuf>,
}

/// What could not be used of the stored settings. The rest is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsWarning {
    /// The file is no settings file; it is kept here, and every setting has its default.
    Damaged {
        /// Where the old file is now.
        kept: PathBuf,
    },
    /// The file cannot be read, and nothing can be saved in its place.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// These settings have values that this version does not know.
    UnknownValues(Vec<&'static str>),
}

impl SettingsWarning {
    /// What happened, and what it means for the user: two sentences.
    pub fn sentences(&self) -> (String, String) {
        match self {
            Self::Damaged { kept } => (
                "The settings were damaged and start anew.".to_owned(),
                format!("The old ones are kept in {}.", kept.display()),
            ),
            Self::Unreadable { file, reason } => (
                format!("The settings could not be read: {reason}."),
                format!("Check that you may read {}.", file.display()),
            ),
            Self::UnknownValues(names) => (
                format!(
                    "Not understood in the settings: {}. The usual value is used instead.",
                    names.join(", ")
                ),
                "A newer version of this program may have written it. Choose a value in the settings to replace it."
                    .to_owned(),
            ),
        }
    }
}

impl SettingsStore {
    /// A store in `folder`.
    pub fn in_folder(folder: Option<PathBuf>) -> Self {
        Self {
            file: folder.map(|folder| folder.join("settings.json")),
        }
    }

    /// The folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.file.as_ref().and_then(|file| file.parent())
    }

    /// Reads the settings, and tells what of them could not be used.
    pub fn load(&self) -> (Settings, Option<SettingsWarning>) {
        let Some(file) = &self.file else {
            return (Settings::default(), None);
        };
        match std::fs::read(file) {
            Ok(bytes) => match parse(&bytes) {
                Some(values) => from_values(&values),
                None => (Settings::default(), Some(set_aside(file))),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (Settings::default(), None)
            }
            Err(error) => {
                let warning = SettingsWarning::Unreadable {
                    file: file.clone(),
                    reason: problem::reason(&error),
                };
                (Settings::default(), Some(warning))
            }
        }
    }

    /// The settings as they can be read, without touching the file.
    pub fn peek(&self) -> Settings {
        self.file
            .as_ref()
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|bytes| parse(&bytes))
            .map_or_else(Settings::default, |values| from_values(&values).0)
    }

    /// Writes what changed from `before` to `now` into the file; everything else in it stays as it is.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, before: &Settings, now: &Settings) -> Result<(), WriteFileError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|reason| WriteFileError {
                path: file.clone(),
                reason,
            })?;
        }
        // Another window may be saving; where the file system knows no locks, the last one wins.
        let _lock = File::create(file.with_extension("json.lock"))
            .and_then(|lock| lock.lock().map(|()| lock));
        let mut values = std::fs::read(file)
            .ok()
            .and_then(|bytes| parse(&bytes))
            .unwrap_or_default();
        merge(&mut values, before, now);
        let mut text = serde_json::to_vec_pretty(&Value::Object(values)).unwrap_or_default();
        text.push(b'\n');
        atomic_file::write(file, &text)
    }
}

fn parse(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(values)) => Some(values),
        Ok(_) | Err(_) => None,
    }
}

fn set_aside(file: &Path) -> SettingsWarning {
    let kept = file.with_extension("json.unreadable");
    match std::fs::rename(file, &kept) {
        Ok(()) => SettingsWarning::Damaged { kept },
        Err(error) => SettingsWarning::Unreadable {
            file: file.to_owned(),
            reason: problem::reason(&error),
        },
    }
}

fn from_values(values: &Map<String, Value>) -> (Settings, Option<SettingsWarning>) {
    let mut settings = Settings::default();
    let mut unknown = Vec::new();
    let u = &mut unknown;
    read(
        values,
        "appearance",
        "light or dark",
        &mut settings.appearance,
        u,
    );
    read(
        values,
        "answers_shown",
        "number of answers",
        &mut settings.answers_shown,
        u,
    );
    read(
        values,
        "sure_from",
        "when to say \u{201c}not sure\u{201d}",
        &mut settings.sure_from,
        u,
    );
    read(
        values,
        "prefer_xwayland",
        "XWayland",
        &mut settings.prefer_xwayland,
        u,
    );
    read(values, "model", "the model in use", &mut settings.model, u);
    read(
        values,
        "keep_history",
        "whether answers are remembered",
        &mut settings.keep_history,
        u,
    );
    read(
        values,
        "keep_classes",
        "whether classes are remembered",
        &mut settings.keep_classes,
        u,
    );
    let mut recent: Vec<PathText> = Vec::new();
    read_list(values, "recent_models", "recent models", &mut recent, u);
    settings.recent_models = recent.into_iter().map(|path| path.0).collect();
    read_list(
        values,
        "history",
        "remembered answers",
        &mut settings.history,
        u,
    );
    let warning = (!unknown.is_empty()).then_some(SettingsWarning::UnknownValues(unknown));
    (settings.clamped(), warning)
}

fn read<T: DeserializeOwned>(
    values: &Map<String, Value>,
    key: &str,
    words: &'static str,
    place: &mut T,
    unknown: &mut Vec<&'static str>,
) {
    if let Some(value) = values.get(key) {
        match T::deserialize(value) {
            Ok(known) => *place = known,
            Err(_) => unknown.push(words),
        }
    }
}

/// As [`read`], one entry after the other: one that is not understood costs only itself.
fn read_list<T: DeserializeOwned>(
    values: &Map<String, Value>,
    key: &str,
    words: &'static str,
    place: &mut Vec<T>,
    unknown: &mut Vec<&'static str>,
) {
    match values.get(key) {
        None => {}
        Some(Value::Array(entries)) => {
            place.extend(
                entries
                    .iter()
                    .filter_map(|entry| T::deserialize(entry).ok()),
            );
            if place.len() < entries.len() {
                unknown.push(words);
            }
        }
        Some(_) => unknown.push(words),
    }
}

fn merge(values: &mut Map<String, Value>, before: &Settings, now: &Settings) {
    let (disk, _) = from_values(values);
    let old = scalars(before);
    for (key, value) in scalars(now) {
        if old.get(&key) != Some(&value) || !values.contains_key(&key) {
            values.insert(key, value);
        }
    }
    let recent = merge_list(
        &before.recent_models,
        &now.recent_models,
        &disk.recent_models,
        |a, b| a == b,
    );
    let recent: Vec<_> = recent
        .into_iter()
        .take(RECENT_MODELS)
        .map(PathText)
        .collect();
    values.insert("recent_models".to_owned(), json!(recent));
    let same_photo = |a: &HistoryEntry, b: &HistoryEntry| a.path == b.path;
    let mut history = merge_list(&before.history, &now.history, &disk.history, same_photo);
    history.sort_by_key(|entry| std::cmp::Reverse(entry.unix_secs));
    history.truncate(HISTORY_LENGTH);
    values.insert("history".to_owned(), json!(history));
}

/// What this window has now, then what another window added meanwhile and this one did not remove.
fn merge_list<T: Clone + PartialEq>(
    before: &[T],
    now: &[T],
    disk: &[T],
    same: impl Fn(&T, &T) -> bool,
) -> Vec<T> {
    let mut merged: Vec<T> = Vec::new();
    for entry in now {
        // What this window only carries along, and is no longer on disk, another window removed or replaced.
        if disk.contains(entry) || !before.contains(entry) {
            merged.push(entry.clone());
        }
    }
    for entry in disk {
        let known = merged.iter().any(|other| same(other, entry));
        let removed_here = before.contains(entry) && !now.contains(entry);
        if !known && !removed_here {
            merged.push(entry.clone());
        }
    }
    merged
}

fn scalars(settings: &Settings) -> Map<String, Value> {
    let Settings {
        appearance,
        answers_shown,
        sure_from,
        prefer_xwayland,
        model,
        recent_models: _,
        keep_history,
        keep_classes,
        history: _,
    } = settings;
    let values = json!({
        "appearance": appearance,
        "answers_shown": answers_shown,
        "sure_from": sure_from,
        "prefer_xwayland": prefer_xwayland,
        "model": model,
        "keep_history": keep_history,
        "keep_classes": keep_classes,
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
