//! The small parts of the window's state that belong to no view.

use std::path::PathBuf;
use std::time::Instant;

use model_core::RgbImage;

use super::sort::SortMessage;
use super::teach_base::KeptFor;
use super::teaching::DropPlace;
use crate::desktop::{ClipboardContent, FileRequest, FileResponse};
use crate::photo::PhotoId;
use crate::platform::WindowSystem;
use crate::problem::Problem;
use crate::samples::SamplePhoto;
use crate::teach::{Gathered, SchoolEvent};

/// What comes back from threads of the window's own.
pub(super) enum Message {
    Files(FileRequest, FileResponse),
    Clipboard(ClipboardContent),
    Exported(PathBuf, Result<usize, String>),
    SettingsSaved(Result<(), String>),
    ClassesSaved(Result<(), String>),
    /// Photos of remembered classes that are not there any more.
    PhotosGone(Vec<PathBuf>),
    /// Pictures without a file have one now.
    PicturesKept(KeptFor, Result<Vec<PathBuf>, Problem>),
    SystemDark(bool),
    Sample(&'static SamplePhoto, RgbImage),
    School(SchoolEvent),
    Sort(SortMessage),
    Gathered(DropPlace, Gathered),
}

/// What fills the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The grid, or the empty state when there is no photo.
    Grid,
    /// One photo.
    Photo(PhotoId),
    /// The classes that are taught.
    Teach,
}

/// Where the photos that are being searched for will be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Where the user is.
    #[default]
    Stay,
    /// The first of them alone.
    OpenFirst,
    /// In the grid, scrolled to the first of them.
    Reveal,
}

/// Work under way that the window counts.
#[derive(Default)]
pub(super) struct Progress {
    /// Searches through dropped files.
    pub(super) scans: usize,
    pub(super) arrival: Arrival,
    /// Photos put into the queue since it was last empty.
    pub(super) queued: usize,
    /// When a paste began that has not ended.
    pub(super) pasting: Option<Instant>,
    /// A file dialog is open.
    pub(super) choosing: bool,
    /// When an answer was copied.
    pub(super) copied: Option<Instant>,
}

/// What the system offers, for the page that tells how photos can be brought in.
pub(super) struct Environment {
    pub(super) window_system: WindowSystem,
    pub(super) renderer: String,
    pub(super) own_drop_target: Option<Result<(), String>>,
    pub(super) system_theme: Option<egui::Theme>,
    /// When and where the window was first seen: the window manager may still move it.
    pub(super) placed: Option<(Instant, egui::Rect)>,
}
