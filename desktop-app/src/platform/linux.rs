//! Linux: X11, Wayland or XWayland; whether a file dialog is to be expected.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use eframe::NativeOptions;
use winit::platform::x11::EventLoopBuilderExtX11 as _;
use winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};

use super::{DialogJob, DropEvent, Support, WindowSystem, x11_clipboard, x11_message, xdnd};
use crate::desktop::{ClipboardContent, FileRequest, ParentWindow};
use crate::file_dialog;
use image_data::formats;

/// Whether a variable is there and says something.
fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

pub(super) fn window_system(prefer_xwayland: bool) -> WindowSystem {
    let wayland = set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET");
    // Only a display that answers counts: a stale DISPLAY must not keep the window from opening.
    choose(wayland, prefer_xwayland, || {
        set("DISPLAY") && x11rb::connect(None).is_ok()
    })
}

fn choose(wayland: bool, prefer_xwayland: bool, x11: impl Fn() -> bool) -> WindowSystem {
    match (wayland, prefer_xwayland) {
        (true, true) if x11() => WindowSystem::XWayland,
        (true, _) => WindowSystem::Wayland,
        (false, _) => WindowSystem::X11,
    }
}

pub(super) fn apply(system: WindowSystem, options: &mut NativeOptions) {
    if system == WindowSystem::XWayland {
        options.event_loop_builder = Some(Box::new(|builder| {
            builder.with_x11();
        }));
    }
}

pub(super) fn attach_drop_target(
    context: &eframe::CreationContext<'_>,
    system: WindowSystem,
    send: Sender<DropEvent>,
    wake: impl Fn() + Send + 'static,
) -> Result<(), String> {
    if system == WindowSystem::Wayland {
        return Err("Wayland has no drops for this toolkit".to_owned());
    }
    let handle = context
        .window_handle()
        .map_err(|error| format!("the window has no handle ({error})"))?;
    let window = match handle.as_raw() {
        RawWindowHandle::Xlib(handle) => {
            u32::try_from(handle.window).map_err(|error| error.to_string())?
        }
        RawWindowHandle::Xcb(handle) => handle.window.get(),
        _ => return Err("the window is no X11 window".to_owned()),
    };
    xdnd::attach(window, send, wake)
}

fn has_portal() -> bool {
    const DESKTOP_PORTALS: [&str; 4] = [
        "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/usr/local/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/run/current-system/sw/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/app/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
    ];
    set("DBUS_SESSION_BUS_ADDRESS") && DESKTOP_PORTALS.iter().any(|path| Path::new(path).exists())
}

fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).exists()))
}

pub(super) fn dialog() -> (Support, String) {
    if has_portal() {
        return (Support::Yes, "Through the desktop portal.".to_owned());
    }
    if has_program("zenity") {
        return (Support::Yes, "Through zenity.".to_owned());
    }
    let note = "Neither the desktop portal nor zenity was found. Install xdg-desktop-portal with a backend, or zenity; typing a path works without.";
    (Support::Perhaps, note.to_owned())
}

/// zenity, where it is what there is: run by ourselves, because it has to be told which window it belongs to.
pub(super) fn attached_dialog(
    request: &FileRequest,
    parent: &dyn ParentWindow,
) -> Option<DialogJob> {
    if has_portal() || !has_program("zenity") {
        return None;
    }
    let mut zenity = std::process::Command::new("zenity");
    zenity.args(["--file-selection", "--modal", "--title"]);
    zenity.arg(file_dialog::title(request));
    match request {
        FileRequest::Photos | FileRequest::ClassPhotos(_) | FileRequest::TryPhoto => {
            let patterns: Vec<_> = formats::decoded_extensions()
                .flat_map(|ending| {
                    [
                        format!("*.{ending}"),
                        format!("*.{}", ending.to_uppercase()),
                    ]
                })
                .collect();
            zenity.args(["--multiple", "--separator=\n"]);
            zenity.arg(format!("--file-filter=Photos | {}", patterns.join(" ")));
            zenity.arg("--file-filter=All files | *");
        }
        FileRequest::Folder => {
            zenity.args(["--directory", "--multiple", "--separator=\n"]);
        }
        FileRequest::SortInto => {
            zenity.arg("--directory");
        }
        FileRequest::Model => {
            zenity.arg("--file-filter=ONNX model | *.onnx *.ONNX");
        }
        FileRequest::Export(name) | FileRequest::SaveModel(name) => {
            zenity.args(["--save", "--confirm-overwrite"]);
            zenity.arg(format!("--filename={name}"));
        }
    }
    // zenity makes its dialog transient for the window named here, so it stays in front of it.
    if let Some(window) = x11_window(parent) {
        zenity.env("WINDOWID", window.to_string());
    }
    Some(Box::new(move || {
        let output = zenity.output().ok()?;
        let chosen: Vec<PathBuf> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| std::ffi::OsStr::from_bytes(line).into())
            .collect();
        (!chosen.is_empty()).then_some(chosen)
    }))
}

fn x11_window(parent: &dyn ParentWindow) -> Option<u32> {
    match parent.window_handle().ok()?.as_raw() {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok(),
        RawWindowHandle::Xcb(handle) => Some(handle.window.get()),
        _ => None,
    }
}

/// What was copied, where an X server is the one to ask.
pub(super) fn read_clipboard(system: WindowSystem) -> Option<ClipboardContent> {
    match system {
        WindowSystem::X11 | WindowSystem::XWayland => x11_clipboard::read(),
        WindowSystem::Wayland | WindowSystem::Native => None,
    }
}

/// Shows a file in the file manager, selected where it can (`org.freedesktop.FileManager1`), else its folder.
pub(super) fn show_in_folder(file: &Path) {
    let uri = format!(
        "file://{}",
        percent_encoding::percent_encode(file.as_os_str().as_bytes(), PATH_IN_URI)
    );
    let selected = pollster::block_on(async {
        let bus = zbus::Connection::session().await?;
        bus.call_method(
            Some("org.freedesktop.FileManager1"),
            "/org/freedesktop/FileManager1",
            Some("org.freedesktop.FileManager1"),
            "ShowItems",
            &(vec![uri], ""),
        )
        .await
    });
    if selected.is_err()
        && let Some(folder) = file.parent()
    {
        // Where not even that is there, nothing can be shown.
        drop(std::process::Command::new("xdg-open").arg(folder).status());
    }
}

/// Everything but what RFC 3986 leaves as it is, and the slashes between folders.
const PATH_IN_URI: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// With zenity where there is one, else in a window drawn by the X server itself, which needs no renderer; the
/// desktop's notifications last.
pub(super) fn show_message(title: &str, words: &str) {
    let zenity = has_program("zenity")
        && std::process::Command::new("zenity")
            .args(["--error", "--no-markup", "--width=420", "--title", title])
            .arg(format!("--text={words}"))
            .status()
            .is_ok_and(|status| status.success());
    if !zenity && x11_message::show(title, words).is_err() {
        // Without a display and without a desktop there is nobody to show it to.
        drop(notify(title, words));
    }
}

fn notify(title: &str, words: &str) -> zbus::Result<()> {
    pollster::block_on(async {
        let bus = zbus::Connection::session().await?;
        let no_actions: Vec<&str> = Vec::new();
        let no_hints = std::collections::HashMap::<&str, zbus::zvariant::Value<'_>>::new();
        bus.call_method(
            Some("org.freedesktop.Notifications"),
            "/org/freedesktop/Notifications",
            Some("org.freedesktop.Notifications"),
            "Notify",
            &(
                title,
                0_u32,
                "dialog-error",
                title,
                words,
                no_actions,
                no_hints,
                0_i32,
            ),
        )
        .await?;
        Ok(())
    })
}

/// On Wayland windows cannot place themselves, and are never lost.
pub(super) fn monitors(system: WindowSystem) -> Vec<egui::Rect> {
    match system {
        WindowSystem::X11 | WindowSystem::XWayland => x11_monitors().unwrap_or_default(),
        WindowSystem::Wayland | WindowSystem::Native => Vec::new(),
    }
}

fn x11_monitors() -> Option<Vec<egui::Rect>> {
    use x11rb::connection::Connection as _;
    use x11rb::protocol::randr::ConnectionExt as _;
    let (connection, screen) = x11rb::connect(None).ok()?;
    let root = connection.setup().roots.get(screen)?.root;
    let mut monitors = connection
        .randr_get_monitors(root, true)
        .ok()?
        .reply()
        .ok()?
        .monitors;
    monitors.sort_by_key(|monitor| !monitor.primary);
    let rect = |monitor: &x11rb::protocol::randr::MonitorInfo| {
        egui::Rect::from_min_size(
            egui::pos2(f32::from(monitor.x), f32::from(monitor.y)),
            egui::vec2(f32::from(monitor.width), f32::from(monitor.height)),
        )
    };
    Some(monitors.iter().map(rect).collect())
}

/// glibc keeps what threads have freed for the next allocation of that thread. After a long list was removed that is
/// most of the memory.
#[cfg(target_env = "gnu")]
pub(super) fn give_memory_back() {
    // SAFETY: malloc_trim may be called at any time from any thread; it only walks the allocator's own free lists
    // under its locks.
    let _ = unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xwayland_is_chosen_only_when_wanted_and_there() {
        assert_eq!(choose(true, true, || true), WindowSystem::XWayland);
        assert_eq!(choose(true, true, || false), WindowSystem::Wayland);
        assert_eq!(choose(true, false, || true), WindowSystem::Wayland);
        assert_eq!(
            choose(false, true, || panic!("no need to ask")),
            WindowSystem::X11
        );
    }
}
