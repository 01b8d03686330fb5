//! The desktop around the window: its file dialogs, its clipboard, its file manager, always asked off the window's
//! thread.
//!
//! Behind a trait, so that tests answer in the user's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use raw_window_handle::{HasDisplayHandle, HasWindowHandle};

use crate::platform::{self, WindowSystem};
use crate::teach::ClassId;
use crate::{clipboard, file_dialog};

/// What a file dialog is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRequest {
    /// Photos to look at.
    Photos,
    /// A folder of photos.
    Folder,
    /// An ONNX model.
    Model,
    /// Where to write an export; the suggested name.
    Export(String),
    /// Photos of a class that is taught.
    ClassPhotos(ClassId),
    /// A photo to try what was taught on.
    TryPhoto,
    /// Where to write what was taught; the suggested name.
    SaveModel(String),
    /// The folder that photos are sorted into.
    SortInto,
}

impl FileRequest {
    /// The name suggested for a file that is to be written.
    pub fn suggested_name(&self) -> Option<&str> {
        match self {
            Self::Export(name) | Self::SaveModel(name) => Some(name),
            _ => None,
        }
    }
}

/// What came of a file dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileResponse {
    /// The user chose these.
    Chosen(Vec<PathBuf>),
    /// The user closed it.
    Closed,
    /// None is known on this system, or it closed at once.
    NoDialog,
}

/// What was on the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipboardContent {
    /// Files, or paths as text.
    Files(Vec<PathBuf>),
    /// A picture: the bytes of a PNG, JPEG, ... file.
    Picture(Arc<[u8]>),
    /// Nothing that could be used.
    Nothing(ClipboardProblem),
}

/// Why nothing could be pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipboardProblem {
    /// There is nothing on it.
    Empty,
    /// Text that names no file.
    OnlyText,
    /// Something else than pictures, files and text.
    OtherKind,
    /// The program that copied does not hand the content over.
    TimedOut(Duration),
    /// More than can be taken.
    TooLarge,
    /// The clipboard itself cannot be asked.
    Unavailable,
}

impl ClipboardProblem {
    /// What happened, and what to do about it: two sentences.
    pub fn sentences(&self) -> (String, &'static str) {
        const COPY_FIRST: &str = "Copy a picture or a file first.";
        let what = match self {
            Self::Empty => "Nothing to paste: the clipboard is empty.".to_owned(),
            Self::OnlyText => {
                "Nothing to paste: the clipboard holds text that names no file.".to_owned()
            }
            Self::OtherKind => {
                "Nothing to paste: the clipboard holds no picture, no file and no path.".to_owned()
            }
            Self::TimedOut(after) => {
                let what = format!(
                    "The program you copied from did not hand the picture over within {} seconds.",
                    after.as_secs()
                );
                return (what, "Save the picture as a file there, and open the file.");
            }
            Self::TooLarge => {
                return (
                    "The copied picture is too large to be pasted.".to_owned(),
                    "Save it as a file, and open the file.",
                );
            }
            Self::Unavailable => {
                return (
                    "The clipboard could not be read.".to_owned(),
                    "Save the picture as a file, and open the file.",
                );
            }
        };
        (what, COPY_FIRST)
    }
}

/// Called from another thread with the answer.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// A window that a dialog can belong to.
pub trait ParentWindow: HasWindowHandle + HasDisplayHandle {}
impl<T: HasWindowHandle + HasDisplayHandle> ParentWindow for T {}

/// The desktop.
pub trait Desktop {
    /// Opens a file dialog in front of `parent`; returns at once.
    fn choose_files(
        &self,
        request: FileRequest,
        parent: &dyn ParentWindow,
        reply: Reply<FileResponse>,
    );
    /// Reads the clipboard; returns at once.
    fn read_clipboard(&self, reply: Reply<ClipboardContent>);
    /// Shows a file in the file manager; returns at once.
    fn show_in_folder(&self, file: &Path);
}

/// The real desktop.
#[derive(Clone, Copy, Debug)]
pub struct SystemDesktop {
    /// Whose clipboard is asked.
    pub window_system: WindowSystem,
}

impl Desktop for SystemDesktop {
    fn choose_files(
        &self,
        request: FileRequest,
        parent: &dyn ParentWindow,
        reply: Reply<FileResponse>,
    ) {
        file_dialog::open(request, parent, reply);
    }

    fn read_clipboard(&self, reply: Reply<ClipboardContent>) {
        let system = self.window_system;
        in_thread("clipboard", move || reply(clipboard::read(system)));
    }

    fn show_in_folder(&self, file: &Path) {
        let file = file.to_owned();
        in_thread("file manager", move || platform::show_in_folder(&file));
    }
}

/// Runs `work` in a thread of its own. Without a thread the answer never comes, and the window goes on.
pub(crate) fn in_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    drop(
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work),
    );
}
