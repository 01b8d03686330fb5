//! What the window needs from outside.

use std::path::PathBuf;
use std::sync::Arc;

use crate::classify::{ModelChoice, OpenModel};
use crate::desktop::Desktop;
use crate::frames::FrameLog;
use crate::platform::WindowSystem;
use crate::settings_store::SettingsStore;

/// What the window needs from outside.
pub struct AppParts {
    /// Opens models.
    pub opener: Arc<dyn OpenModel>,
    /// File dialogs, clipboard and file manager.
    pub desktop: Box<dyn Desktop>,
    /// Where the settings live.
    pub store: SettingsStore,
    /// Photos and folders from the command line.
    pub paths: Vec<PathBuf>,
    /// A model from the command line; wins over the remembered one.
    pub model: Option<ModelChoice>,
    /// The model where none was ever chosen.
    pub default_model: ModelChoice,
    /// The windowing system in use.
    pub window_system: WindowSystem,
    /// The renderer in use, in words.
    pub renderer: String,
    /// Threads for photos.
    pub threads: usize,
    /// Where to write the times of the frames.
    pub frame_log: Option<FrameLog>,
}
