//! The settings in use, and when they are written: a moment after a change, aside, and at the end. What was not
//! changed here is not written.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::settings::Settings;
use crate::settings_store::{SettingsStore, SettingsWarning};

/// Changes within this time are written together.
pub(super) const DELAY: Duration = Duration::from_millis(700);

/// The settings and their store.
pub(super) struct SavedSettings {
    /// What is in use.
    pub(super) current: Settings,
    store: SettingsStore,
    /// What the store has of ours.
    saved: Settings,
    /// What is being written.
    saving: Option<Settings>,
    /// What could not be written; tried again only with the next change.
    failed: Option<Settings>,
    changed: Option<Instant>,
}

/// A job that writes the settings; to be run in a thread.
pub(super) type SaveJob = Box<dyn FnOnce() -> Result<(), String> + Send>;

impl SavedSettings {
    /// Reads the settings, and tells what of them could not be used.
    pub(super) fn load(store: SettingsStore) -> (Self, Option<SettingsWarning>) {
        let (current, warning) = store.load();
        let settings = Self {
            saved: current.clone(),
            current,
            store,
            saving: None,
            failed: None,
            changed: None,
        };
        (settings, warning)
    }

    /// The folder of the settings, if there is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.store.folder()
    }

    /// The job that is due, or how long to wait for it.
    pub(super) fn due(&mut self) -> Result<SaveJob, Option<Duration>> {
        let hopeless = self.failed.as_ref() == Some(&self.current);
        if self.saving.is_some() || self.current == self.saved || hopeless {
            self.changed = None;
            return Err(None);
        }
        let since = *self.changed.get_or_insert_with(Instant::now);
        match DELAY.checked_sub(since.elapsed()) {
            Some(left) if !left.is_zero() => Err(Some(left)),
            _ => {
                self.changed = None;
                let (store, before, now) =
                    (self.store.clone(), self.saved.clone(), self.current.clone());
                self.saving = Some(now.clone());
                Ok(Box::new(move || {
                    store
                        .save(&before, &now)
                        .map_err(|error| crate::problem::reason(&error.reason))
                }))
            }
        }
    }

    /// The job is done. What could not be written stays to be written with the next change.
    pub(super) fn finish(&mut self, written: bool) {
        if let Some(now) = self.saving.take() {
            if written {
                self.saved = now;
            } else {
                self.failed = Some(now);
            }
        }
    }

    /// Whether something waits to be written.
    pub(super) fn is_waiting(&self) -> bool {
        self.changed.is_some() || self.saving.is_some()
    }

    /// Writes what changed, at once: the window closes.
    pub(super) fn save_now(&mut self) {
        if self.current != self.saved && self.store.save(&self.saved, &self.current).is_ok() {
            self.saved = self.current.clone();
        }
    }
}
