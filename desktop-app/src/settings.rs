//! What the window remembers: choices, recent models, and (if wanted) the latest answers. How they are kept is in
//! [`crate::settings_store`].

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model_core::scores::DEFAULT_TOP_K;
use serde::{Deserialize, Serialize};

use crate::classify::ModelChoice;

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
#[derive(Clone, Debug, PartialEq)]
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
    pub model: Option<ModelChoice>,
    /// Models used before, newest first.
    pub recent_models: Vec<PathBuf>,
    /// Whether answers are remembered.
    pub keep_history: bool,
    /// Whether the classes that are taught are remembered.
    pub keep_classes: bool,
    /// The latest answers, newest first.
    pub history: Vec<HistoryEntry>,
}

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The photo.
    #[serde(with = "crate::path_text")]
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
            keep_classes: true,
            history: Vec::new(),
        }
    }
}

impl Settings {
    /// Brings hand-edited values back into their range.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.answers_shown = self.answers_shown.clamp(1, crate::classify::KEPT_ANSWERS);
        if !(0.0..=1.0).contains(&self.sure_from) {
            self.sure_from = Self::default().sure_from;
        }
        self.recent_models.truncate(RECENT_MODELS);
        self.history.truncate(HISTORY_LENGTH);
        self
    }

    /// Puts a model at the head of the recent ones.
    pub fn remember_model(&mut self, source: &ModelChoice) {
        self.model = Some(source.clone());
        if let ModelChoice::File(path) = source {
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
            HistoryEntry {
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

#[cfg(test)]
mod tests {
    use super::*;

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
