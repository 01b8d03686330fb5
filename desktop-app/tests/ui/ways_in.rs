//! Every way in: dialogs, drops, pastes, paths, folders, the command line.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::{click, shows};
use desktop_app::clipboard::encode_png;
use desktop_app::desktop::{ClipboardContent, FileRequest, FileResponse};
use desktop_app::platform::{DropEvent, WindowSystem};

#[test]
fn a_bad_file_gets_a_tile_with_a_remedy() {
    let dir = tempdir().unwrap();
    let bad = dir.path().join("bad.jpg");
    std::fs::write(&bad, "plain text").unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, std::slice::from_ref(&bad));
    until_done(&mut window, 1);
    assert!(shows(&window, "This could not be looked at"));
    picture(dir.path(), "bad.png", [1, 200, 1]);
    std::fs::rename(dir.path().join("bad.png"), &bad).unwrap();
    click(&mut window, "Try again");
    until(&mut window, "the repaired file is named", |w| {
        shows(w, "green thing: ")
    });
    drop_files(&mut window, &[dir.path().join("missing.png")]);
    until_done(&mut window, 2);
    assert!(shows(&window, "Check that it was not moved"));
}

#[test]
fn a_folder_is_searched_and_the_rest_is_told() {
    let dir = tempdir().unwrap();
    picture(dir.path(), "a.png", [200, 10, 10]);
    picture(dir.path(), "b.png", [10, 10, 200]);
    std::fs::write(dir.path().join("notes.txt"), "hello").unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    until_done(&mut window, 2);
    until(&mut window, "the rest is told", |w| {
        shows(w, "1 other file was passed over")
    });
    click(&mut window, "Dismiss");
    assert!(!shows(&window, "passed over"));
    let empty = tempdir().unwrap();
    drop_files(&mut window, &[empty.path().to_owned()]);
    until(&mut window, "the empty folder is told", |w| {
        shows(w, "No photos were found")
    });
}

#[test]
fn a_drop_that_partly_fails_keeps_the_rest() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 20, 10]);
    let mut window = Setup::default().open();
    let drops = window.state().drop_sender();
    drops.send(DropEvent::Hover(Some(2))).unwrap();
    window.run_steps(2);
    assert!(shows(&window, "Drop to look at 2 files"));
    drops.send(DropEvent::Leave).unwrap();
    window.run_steps(2);
    assert!(!shows(&window, "Drop to look"));
    drops
        .send(DropEvent::Drop(
            vec![red],
            vec![
                "http://example.org/a.jpg is a link (http), not a file on this computer".to_owned(),
            ],
        ))
        .unwrap();
    until_done(&mut window, 1);
    assert!(shows(&window, "is a link"));
    assert!(shows(&window, "The other file was taken"));
}

#[test]
fn dialogs_open_photos_and_a_missing_dialog_offers_a_path() {
    let dir = tempdir().unwrap();
    let blue = picture(dir.path(), "blue.png", [10, 10, 250]);
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    desktop.0.lock().unwrap().chosen = Some(FileResponse::NoDialog);
    click(&mut window, "Open photos\u{2026}");
    assert!(shows(&window, "No file dialog opened"));
    window
        .get_by_label("Path")
        .type_text(&blue.display().to_string());
    window.run_steps(3);
    click(&mut window, "Open");
    until_done(&mut window, 1);
    assert!(shows(&window, "blue thing: "));

    let green = picture(dir.path(), "green.png", [10, 250, 10]);
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![green]));
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.run_steps(3);
    until_done(&mut window, 2);
    assert_eq!(
        desktop.0.lock().unwrap().asked,
        [FileRequest::Photos, FileRequest::Photos]
    );
}

#[test]
fn pictures_files_and_paths_can_be_pasted() {
    let dir = tempdir().unwrap();
    let blue = picture(dir.path(), "blue.png", [10, 10, 250]);
    let green = picture(dir.path(), "green one.png", [10, 250, 10]);
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    let red = [250, 10, 10, 255].repeat(64);
    desktop.0.lock().unwrap().copied =
        Some(ClipboardContent::Picture(encode_png(8, 8, &red).unwrap()));
    click(&mut window, "Paste");
    until_done(&mut window, 1);
    assert!(shows(&window, "red thing: "));
    window.event(egui::Event::Paste(format!(
        "file://{}",
        green.display().to_string().replace(' ', "%20")
    )));
    window.run_steps(2);
    until_done(&mut window, 2);
    window.event(egui::Event::Paste(blue.display().to_string()));
    window.run_steps(2);
    until_done(&mut window, 3);
    assert!(shows(&window, "blue thing: "));
    let image = egui::ColorImage::filled([4, 4], egui::Color32::from_rgb(0, 200, 0));
    window.event(egui::Event::PasteImage(Arc::new(image)));
    window.run_steps(2);
    until_done(&mut window, 4);
    assert!(shows(&window, "green thing: "));
    window.event(egui::Event::Paste("what a lovely cat".to_owned()));
    window.run_steps(2);
    assert!(shows(&window, "text that names no file"));
}

#[test]
fn wayland_without_drops_says_so() {
    let mut window = Setup {
        window_system: Some(WindowSystem::Wayland),
        ..Setup::default()
    }
    .open();
    window.run_steps(2);
    assert!(shows(&window, "Open a photo, know what it is"));
    click(&mut window, "Why dropping files does not work here");
    assert!(shows(&window, "Drop files on the window: does not work"));
    assert!(shows(&window, "Command line: works"));
}

#[test]
fn photos_on_the_command_line_are_looked_at_once_the_model_is_there() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let asked = Arc::default();
    let mut window = Setup {
        paths: vec![red.clone(), red],
        asked: Arc::clone(&asked),
        ..Setup::default()
    }
    .open();
    until_done(&mut window, 1);
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "the same file twice is looked at once"
    );
    assert!(window.state().photos().photos().len() == 1);
}
