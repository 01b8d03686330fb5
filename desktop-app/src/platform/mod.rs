//! What differs between systems: which windowing system to use, how drops arrive, which ways in work.
//!
//! Everything Linux-only is in `linux` and its drop target; on other systems eframe's own drops are used.

#[cfg(target_os = "linux")]
mod appearance;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod xdnd;

use std::path::PathBuf;
use std::sync::mpsc::Sender;

/// Whether a way in works here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Works {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Only trying tells.
    Perhaps,
}

/// One way of bringing photos in, and what to know of it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// "Drop files on the window".
    pub name: &'static str,
    /// Whether it works.
    pub works: Works,
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

/// Puts our own drop target on the window, where that is better than the toolkit's. Events come through `send`, and `wake` follows each.
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

/// Tells `changed` whether the system is dark, now and whenever that changes, where the toolkit does not find out itself.
pub fn watch_appearance(changed: impl Fn(bool) + Send + 'static) {
    #[cfg(target_os = "linux")]
    appearance::watch(changed);
    #[cfg(not(target_os = "linux"))]
    drop(changed);
}

/// Which ways in work here. `own_target` is what [`attach_drop_target`] said, `None` before it was tried.
pub fn ways_in(
    system: WindowSystem,
    prefer_xwayland: bool,
    own_target: Option<&Result<(), String>>,
) -> Vec<Way> {
    let drop = match system {
        WindowSystem::Wayland if prefer_xwayland => Way {
            name: "Drop files on the window",
            works: Works::No,
            note: "On Wayland the toolkit delivers no drops, and XWayland is not there (DISPLAY is not set). Install XWayland, or use Open or paste.".to_owned(),
        },
        WindowSystem::Wayland => Way {
            name: "Drop files on the window",
            works: Works::No,
            note: "On Wayland the toolkit delivers no drops. Turn on \u{201c}Use XWayland\u{201d} in the settings and start again.".to_owned(),
        },
        _ => Way {
            name: "Drop files on the window",
            works: Works::Yes,
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
        Way {
            name: "Open dialog",
            works: dialog,
            note: dialog_note,
        },
        Way {
            name: "Paste",
            works: Works::Yes,
            note: "A copied picture, copied files, or a path as text.".to_owned(),
        },
        Way {
            name: "Type a path",
            works: Works::Yes,
            note: "Always works, also for folders and models.".to_owned(),
        },
        Way {
            name: "Command line",
            works: Works::Yes,
            note: "desktop-app photo.jpg folder/ --model model.onnx".to_owned(),
        },
    ]
}

/// Whether this system has a file dialog, as far as can be seen without opening one, and through what.
pub fn dialog() -> (Works, String) {
    #[cfg(target_os = "linux")]
    return linux::dialog();
    #[cfg(not(target_os = "linux"))]
    (Works::Yes, "The system's own.".to_owned())
}
