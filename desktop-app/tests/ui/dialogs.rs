//! Dialogs: their size, keyboard and names; what closes them; and the system's own file dialogs.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::{Window, click, shows};
use desktop_app::desktop::{ClipboardContent, ClipboardProblem, FileRequest, FileResponse};
use desktop_app::platform::DropEvent;

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

#[test]
fn a_dialog_is_as_high_as_its_content_whatever_was_open_before() {
    for earlier in [None, Some(Key::L), Some(Key::M)] {
        let mut window = Setup {
            size: Some([1120.0, 780.0]),
            ..Setup::default()
        }
        .open();
        if let Some(key) = earlier {
            press(&mut window, Modifiers::COMMAND, key);
            press(&mut window, Modifiers::NONE, Key::Escape);
        }
        press(&mut window, Modifiers::COMMAND, Key::Comma);
        let dialog = window
            .get_by_role_and_label(Role::Dialog, "Settings")
            .rect();
        let last = window.get_by_label("Keyboard\u{2026}").rect();
        assert!(
            dialog.contains_rect(last),
            "{earlier:?}: {last} is cut off by {dialog}"
        );
        assert!(dialog.height() > 400.0, "{earlier:?}: {dialog}");
        press(&mut window, Modifiers::NONE, Key::Escape);
        press(&mut window, Modifiers::NONE, Key::F1);
        let dialog = window
            .get_by_role_and_label(Role::Dialog, "Keyboard")
            .rect();
        let last = window.get_by_label("Larger and smaller letters").rect();
        assert!(
            dialog.contains_rect(last),
            "{earlier:?}: {last} is cut off by {dialog}"
        );
    }
}

#[test]
fn a_dialog_is_modal_has_a_name_and_gives_the_keyboard_back() {
    let dir = tempdir().unwrap();
    let photos = [1, 2].map(|n| picture(dir.path(), &format!("{n}.png"), [250, 10, 10]));
    let mut window = Setup::default().open();
    drop_files(&mut window, &photos);
    until_done(&mut window, 2);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert!(window.get_by_label_contains("1.png: ").is_focused());
    press(&mut window, Modifiers::COMMAND, Key::Comma);
    let dialog = window.get_by_role_and_label(Role::Dialog, "Settings");
    assert!(dialog.accesskit_node().is_modal());
    assert!(
        window
            .get_by_role_and_label(Role::Heading, "Settings")
            .is_focused()
    );
    // Tab stays inside.
    for _ in 0..24 {
        press(&mut window, Modifiers::NONE, Key::Tab);
        let inside = window
            .get_by_role_and_label(Role::Dialog, "Settings")
            .rect()
            .expand(1.0);
        let focused = window
            .query_all_by(|node| node.is_focused())
            .map(|node| node.rect())
            .next_back();
        assert!(
            focused.is_none_or(|rect| inside.intersects(rect)),
            "{focused:?}"
        );
    }
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(
        window
            .query_by_role_and_label(Role::Dialog, "Settings")
            .is_none()
    );
    assert!(window.get_by_label_contains("1.png: ").is_focused());
}

#[test]
fn enter_submits_a_typed_path() {
    let dir = tempdir().unwrap();
    let blue = picture(dir.path(), "blue.png", [10, 10, 250]);
    let mut window = Setup::default().open();
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(window.get_by_label("Path").is_focused());
    window.get_by_label("Path").type_text("/not/here.png.");
    window.run_steps(2);
    window.get_by_label("Path").type_text(" no");
    window.run_steps(2);
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::L);
    window
        .get_by_label("Path")
        .type_text(&blue.display().to_string());
    window.run_steps(2);
    press(&mut window, Modifiers::NONE, Key::Enter);
    until_done(&mut window, 1);
    assert!(shows(&window, "blue thing: "));
    assert!(!shows(&window, "Type a path"));
}

#[test]
fn a_drop_under_a_dialog_closes_it() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let green = picture(dir.path(), "green.png", [10, 250, 10]);
    let mut window = Setup::default().open();
    press(&mut window, Modifiers::COMMAND, Key::Comma);
    let drops = window.state().drop_sender();
    drops.send(DropEvent::Drop(vec![red], Vec::new())).unwrap();
    until_done(&mut window, 1);
    assert!(window.query_by_role(Role::Dialog).is_none());
    press(&mut window, Modifiers::COMMAND, Key::M);
    drop_files(&mut window, &[green]);
    until_done(&mut window, 2);
    assert!(window.query_by_role(Role::Dialog).is_none());
}

#[test]
fn there_is_one_file_dialog_at_a_time() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let desktop = FakeDesktop::default();
    desktop.0.lock().unwrap().slow = true;
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    click(&mut window, "Open photos\u{2026}");
    click(&mut window, "Open photos\u{2026}");
    press(&mut window, Modifiers::COMMAND, Key::O);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::O);
    assert_eq!(desktop.0.lock().unwrap().asked, [FileRequest::Photos]);
    let reply = desktop.0.lock().unwrap().open_dialogs.remove(0);
    reply(FileResponse::Closed);
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::O);
    let reply = desktop.0.lock().unwrap().open_dialogs.remove(0);
    reply(FileResponse::Chosen(vec![red]));
    until_done(&mut window, 1);
    let asked = [FileRequest::Photos, FileRequest::Folder];
    assert_eq!(desktop.0.lock().unwrap().asked, asked);
}

#[test]
fn no_tooltip_of_what_lies_behind_a_dialog_is_seen() {
    let mut window = Setup::default().open();
    window.get_by_label("Open a folder\u{2026}").hover();
    until(&mut window, "the tooltip is there", |w| {
        shows(w, "Ctrl+Shift+O")
    });
    press(&mut window, Modifiers::COMMAND, Key::L);
    window.run_steps(10);
    assert!(!shows(&window, "Ctrl+Shift+O"));
}

#[test]
fn a_slow_paste_says_that_it_waits_and_why_it_failed() {
    let desktop = FakeDesktop::default();
    desktop.0.lock().unwrap().slow = true;
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    click(&mut window, "Paste");
    until(&mut window, "it says that it waits", |w| {
        shows(w, "Waiting for the program you copied from")
    });
    click(&mut window, "Paste");
    assert_eq!(desktop.0.lock().unwrap().open_pastes.len(), 1, "asked once");
    let reply = desktop.0.lock().unwrap().open_pastes.remove(0);
    let late = ClipboardProblem::TimedOut(std::time::Duration::from_secs(60));
    reply(ClipboardContent::Nothing(late));
    until(&mut window, "it says why", |w| {
        shows(w, "did not hand the picture over within 60 seconds")
    });
    assert!(!shows(&window, "Waiting for the program"));
    click(&mut window, "Paste");
    let reply = desktop.0.lock().unwrap().open_pastes.remove(0);
    let red = [250, 10, 10, 255].repeat(64);
    let png = desktop_app::clipboard::encode_png(8, 8, &red).unwrap();
    reply(ClipboardContent::Picture(png));
    until_done(&mut window, 1);
    assert!(
        !shows(&window, "did not hand"),
        "what no longer holds is gone"
    );
}
