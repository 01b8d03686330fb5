//! Linux: X11, Wayland or XWayland; whether a file dialog is to be expected.

use std::path::Path;
use std::sync::mpsc::Sender;

use eframe::NativeOptions;
use winit::platform::x11::EventLoopBuilderExtX11 as _;
use winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};

use super::{DropEvent, WindowSystem, Works, xdnd};

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

pub(super) fn dialog() -> (Works, String) {
    const DESKTOP_PORTALS: [&str; 4] = [
        "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/usr/local/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/run/current-system/sw/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        "/app/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
    ];
    let portal = set("DBUS_SESSION_BUS_ADDRESS")
        && DESKTOP_PORTALS.iter().any(|path| Path::new(path).exists());
    if portal {
        return (Works::Yes, "Through the desktop portal.".to_owned());
    }
    let zenity = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("zenity").exists()));
    if zenity {
        return (Works::Yes, "Through zenity.".to_owned());
    }
    let note = "Neither the desktop portal nor zenity was found. Install xdg-desktop-portal with a backend, or zenity; typing a path works without.";
    (Works::Perhaps, note.to_owned())
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
