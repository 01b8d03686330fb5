//! What the window remembers: choices, recent models, and (if wanted) the latest answers. One JSON file, replaced atomically.
//!
//! A file that cannot be read is kept beside the new one, and the window says so: nothing the user had is silently lost.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model_core::scores::DEFAULT_TOP_K;
use serde::{Deserialize, Serialize};

use crate::classify::ModelSource;

/// Models remembered.
pub const RECENT_MODELS: usize = 8;

/// Answers remembered.
pub const HISTORY_LENGTH: usize = 200;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Appearance {
    /// What the system says.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// Everything remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light or dark.
    pub appearance: Appearance,
    /// Answers shown for a photo, 1 to 10.
    pub answers_shown: usize,
    /// Below this probability (0..=1) an answer is called "not sure".
    pub sure_from: f32,
    /// On Wayland, run through XWayland so that dropping files works.
    pub prefer_xwayland: bool,
    /// The model in use.
    pub model: Option<ModelSource>,
    /// Models used before, newest first.
    pub recent_models: Vec<PathBuf>,
    /// Whether answers are remembered.
    pub keep_history: bool,
    /// The latest answers, newest first.
    pub history: Vec<Remembered>,
}

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The photo.
    pub path: PathBuf,
    /// The best label.
    pub label: String,
    /// Its probability, 0..=1.
    pub probability: f32,
    /// The model's name.
    pub model: String,
    /// Seconds since 1970.
    pub unix_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            appearance: Appearance::default(),
            answers_shown: DEFAULT_TOP_K,
            sure_from: 0.4,
            prefer_xwayland: true,
            model: None,
            recent_models: Vec::new(),
            keep_history: true,
            history: Vec::new(),
        }
    }
}

impl Settings {
    /// Brings hand-edited values back into their range.
    fn tidy(mut self) -> Self {
        self.answers_shown = self.answers_shown.clamp(1, crate::classify::KEPT_ANSWERS);
        if !(0.0..=1.0).contains(&self.sure_from) {
            self.sure_from = Self::default().sure_from;
        }
        self.recent_models.truncate(RECENT_MODELS);
        self.history.truncate(HISTORY_LENGTH);
        self
    }

    /// Puts a model at the head of the recent ones.
    pub fn remember_model(&mut self, source: &ModelSource) {
        self.model = Some(source.clone());
        if let ModelSource::File(path) = source {
            self.recent_models.retain(|known| known != path);
            self.recent_models.insert(0, path.clone());
            self.recent_models.truncate(RECENT_MODELS);
        }
    }

    /// Puts an answer at the head of the history, if one is wanted; a photo appears once.
    pub fn remember_answer(&mut self, path: &Path, label: &str, probability: f32, model: &str) {
        if !self.keep_history {
            return;
        }
        self.history.retain(|known| known.path != path);
        self.history.insert(
            0,
            Remembered {
                path: path.to_owned(),
                label: label.to_owned(),
                probability,
                model: model.to_owned(),
                unix_secs: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs()),
            },
        );
        self.history.truncate(HISTORY_LENGTH);
    }
}

/// Where the settings live; `None` keeps nothing (tests, or a system without a home).
#[derive(Clone, Debug, Default)]
pub struct Store {
    file: Option<PathBuf>,
}

impl Store {
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

    /// Reads the settings. The text, if any, tells the user that the old file could not be read and where it is kept.
    pub fn load(&self) -> (Settings, Option<String>) {
        let Some(file) = &self.file else {
            return (Settings::default(), None);
        };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return (Settings::default(), None);
            }
            Err(error) => {
                let said = format!(
                    "The settings could not be read ({error}): {}",
                    file.display()
                );
                return (Settings::default(), Some(said));
            }
        };
        match serde_json::from_str::<Settings>(&text) {
            Ok(settings) => (settings.tidy(), None),
            Err(error) => {
                let kept = file.with_extension("json.unreadable");
                let said = match std::fs::rename(file, &kept) {
                    Ok(()) => format!(
                        "The settings were damaged ({error}). They start anew; the old ones are kept in {}",
                        kept.display()
                    ),
                    Err(_) => format!("The settings are damaged ({error}): {}", file.display()),
                };
                (Settings::default(), Some(said))
            }
        }
    }

    /// The settings as they can be read, without touching the file.
    pub fn peek(&self) -> Settings {
        self.file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok())
            .and_then(|text| serde_json::from_str::<Settings>(&text).ok())
            .map_or_else(Settings::default, Settings::tidy)
    }

    /// Writes the settings: a temporary file beside, then a rename.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, settings: &Settings) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_atomically(file, serde_json::to_string_pretty(settings)?.as_bytes())
    }
}

/// Writes a whole file or nothing.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_atomically(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    let written = std::fs::File::create(&part).and_then(|mut out| {
        out.write_all(bytes)?;
        out.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&part, file))
        .inspect_err(|_| drop(std::fs::remove_file(&part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_folder(Some(dir.path().join("deep/er")));
        assert_eq!(store.load(), (Settings::default(), None));
        let mut settings = Settings {
            appearance: Appearance::Dark,
            ..Settings::default()
        };
        settings.remember_model(&ModelSource::File("/m/a.onnx".into()));
        settings.remember_answer(Path::new("/p/cat.jpg"), "tabby", 0.7, "lite0");
        settings.remember_answer(Path::new("/p/dog.jpg"), "beagle", 0.9, "lite0");
        settings.remember_answer(Path::new("/p/cat.jpg"), "tiger cat", 0.8, "lite0");
        store.save(&settings).unwrap();
        assert_eq!(store.load(), (settings.clone(), None));
        assert_eq!(settings.history.len(), 2);
        assert_eq!(settings.history[0].label, "tiger cat");
    }

    #[test]
    fn damaged_settings_are_kept_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_folder(Some(dir.path().to_owned()));
        std::fs::write(dir.path().join("settings.json"), "{ not json").unwrap();
        let (settings, said) = store.load();
        assert_eq!(settings, Settings::default());
        assert!(said.unwrap().contains("settings.json.unreadable"));
        assert_eq!(
            std::fs::read_to_string(dir.path().join("settings.json.unreadable")).unwrap(),
            "{ not json"
        );
    }

    #[test]
    fn values_out_of_range_are_brought_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_folder(Some(dir.path().to_owned()));
        std::fs::write(
            dir.path().join("settings.json"),
            r#"{"answers_shown": 999, "sure_from": 7}"#,
        )
        .unwrap();
        let (settings, said) = store.load();
        assert_eq!(
            (settings.answers_shown, settings.sure_from, said),
            (10, 0.4, None)
        );
    }

    #[test]
    fn history_is_kept_only_when_wanted() {
        let mut settings = Settings {
            keep_history: false,
            ..Settings::default()
        };
        settings.remember_answer(Path::new("/p/cat.jpg"), "tabby", 0.7, "lite0");
        assert!(settings.history.is_empty());
    }
}
