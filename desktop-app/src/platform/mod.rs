//! What differs between systems: which windowing system to use, how drops arrive, which ways in work.
//!
//! Everything Linux-only is in `linux` and its drop target; on other systems eframe's own drops are used.

#[cfg(target_os = "linux")]
mod appearance;
#[cfg(target_os = "linux")]
mod linux;
pub mod placement;
#[cfg(target_os = "linux")]
mod x11_clipboard;
#[cfg(target_os = "linux")]
mod x11_message;
#[cfg(target_os = "linux")]
mod xdnd;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use crate::desktop::{ClipboardContent, FileRequest, ParentWindow};

/// Whether a way in works here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Only trying tells.
    Perhaps,
}

/// One way of bringing photos in, and what to know of it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputMethod {
    /// "Drop files on the window".
    pub name: &'static str,
    /// Whether it works.
    pub support: Support,
    /// Why, or what to do.
    pub note: String,
}

/// The windowing system in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSystem {
    /// X11 itself.
    X11,
    /// X11 inside a Wayland session: chosen so that drops work.
    XWayland,
    /// Wayland itself, where the toolkit delivers no drops yet.
    Wayland,
    /// The system's own: Windows, macOS.
    Native,
}

impl WindowSystem {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::X11 => "X11",
            Self::XWayland => "X11 on Wayland (XWayland)",
            Self::Wayland => "Wayland",
            Self::Native => "the system's own windows",
        }
    }
}

/// What a drag over the window brings. Sent by a drop target of our own where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropEvent {
    /// Something hovers: how many files, once known.
    Hover(Option<usize>),
    /// It is at this place of the window, in pixels from its left and top.
    Over([i32; 2]),
    /// It left, or was given up.
    Leave,
    /// It was dropped: the files, and for every entry that is none, why.
    Drop(Vec<PathBuf>, Vec<String>),
}

/// Which windowing system this process will use.
pub fn window_system(prefer_xwayland: bool) -> WindowSystem {
    #[cfg(target_os = "linux")]
    return linux::window_system(prefer_xwayland);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = prefer_xwayland;
        WindowSystem::Native
    }
}

/// Tells eframe to use `system`.
pub fn apply(system: WindowSystem, options: &mut eframe::NativeOptions) {
    #[cfg(target_os = "linux")]
    linux::apply(system, options);
    #[cfg(not(target_os = "linux"))]
    let _ = (system, options);
}

/// Puts our own drop target on the window, where that is better than the toolkit's. Events come through `send`, and
/// `wake` follows each.
///
/// # Errors
/// Why the toolkit's own drops are used instead.
pub fn attach_drop_target(
    context: &eframe::CreationContext<'_>,
    system: WindowSystem,
    send: Sender<DropEvent>,
    wake: impl Fn() + Send + 'static,
) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    return linux::attach_drop_target(context, system, send, wake);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (context, system, send, wake);
        Err("the system delivers drops itself".to_owned())
    }
}

/// Tells `changed` whether the system is dark, now and whenever that changes, where the toolkit does not find out
/// itself.
pub fn watch_appearance(changed: impl Fn(bool) + Send + 'static) {
    #[cfg(target_os = "linux")]
    appearance::watch(changed);
    #[cfg(not(target_os = "linux"))]
    drop(changed);
}

/// Which ways in work here. `own_target` is what [`attach_drop_target`] said, `None` before it was tried.
pub fn input_methods(
    system: WindowSystem,
    prefer_xwayland: bool,
    own_target: Option<&Result<(), String>>,
) -> Vec<InputMethod> {
    let drop = match system {
        WindowSystem::Wayland if prefer_xwayland => InputMethod {
            name: "Drop files on the window",
            support: Support::No,
            note: "On Wayland the toolkit delivers no drops, and XWayland is not there (DISPLAY is not set). Install XWayland, or use Open or paste.".to_owned(),
        },
        WindowSystem::Wayland => InputMethod {
            name: "Drop files on the window",
            support: Support::No,
            note: "On Wayland the toolkit delivers no drops. Turn on \u{201c}Use XWayland\u{201d} in the settings and start again.".to_owned(),
        },
        _ => InputMethod {
            name: "Drop files on the window",
            support: Support::Yes,
            note: match own_target {
                Some(Ok(())) => format!("Through {}. Entries that cannot be used are named, the others kept.", system.words()),
                Some(Err(reason)) if system != WindowSystem::Native => {
                    format!("Through the toolkit, because {reason}. One unusable entry may spoil a drop.")
                }
                _ => format!("Through {}.", system.words()),
            },
        },
    };
    let (dialog, dialog_note) = dialog();
    vec![
        drop,
        InputMethod {
            name: "Open dialog",
            support: dialog,
            note: dialog_note,
        },
        InputMethod {
            name: "Paste",
            support: Support::Yes,
            note: "A copied picture, copied files, or a path as text.".to_owned(),
        },
        InputMethod {
            name: "Type a path",
            support: Support::Yes,
            note: "Always works, also for folders and models.".to_owned(),
        },
        InputMethod {
            name: "Command line",
            support: Support::Yes,
            note: "desktop-app photo.jpg folder/ --model model.onnx".to_owned(),
        },
    ]
}

/// Whether this system has a file dialog, as far as can be seen without opening one, and through what.
pub fn dialog() -> (Support, String) {
    #[cfg(target_os = "linux")]
    return linux::dialog();
    #[cfg(not(target_os = "linux"))]
    (Support::Yes, "The system's own.".to_owned())
}

/// Shows a dialog and blocks until the user has chosen files, or none.
pub type DialogJob = Box<dyn FnOnce() -> Option<Vec<PathBuf>> + Send>;

/// A file dialog of our own making that belongs to `parent`, where the usual ones do not; it blocks until the user
/// has chosen.
pub fn attached_dialog(request: &FileRequest, parent: &dyn ParentWindow) -> Option<DialogJob> {
    #[cfg(target_os = "linux")]
    return linux::attached_dialog(request, parent);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (request, parent);
        None
    }
}

/// What was copied, where the platform has a reader of its own.
pub fn read_clipboard(system: WindowSystem) -> Option<ClipboardContent> {
    #[cfg(target_os = "linux")]
    return linux::read_clipboard(system);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = system;
        None
    }
}

/// Shows a file in the file manager. Where there is none, nothing happens.
pub fn show_in_folder(file: &Path) {
    #[cfg(target_os = "linux")]
    linux::show_in_folder(file);
    #[cfg(target_os = "macos")]
    drop(
        std::process::Command::new("open")
            .arg("-R")
            .arg(file)
            .status(),
    );
    #[cfg(windows)]
    drop(
        std::process::Command::new("explorer")
            .arg(format!("/select,{}", file.display()))
            .status(),
    );
}

/// Gives memory that was freed back to the system. Where the allocator does so by itself, nothing happens.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    linux::give_memory_back();
}

/// Shows `words` to someone who started the program by an icon and sees no terminal. Returns when they are read.
pub fn show_message(title: &str, words: &str) {
    use std::io::IsTerminal as _;
    if std::io::stderr().is_terminal() {
        return;
    }
    #[cfg(target_os = "linux")]
    linux::show_message(title, words);
    #[cfg(not(target_os = "linux"))]
    {
        rfd::MessageDialog::new()
            .set_title(title)
            .set_description(words)
            .set_level(rfd::MessageLevel::Error)
            .show();
    }
}

/// The monitors there are, the main one first, in pixels of the screen; empty where that cannot be asked or the
/// system takes care itself.
pub fn monitors(system: WindowSystem) -> Vec<egui::Rect> {
    #[cfg(target_os = "linux")]
    return linux::monitors(system);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = system;
        Vec::new()
    }
}
