//! The window as a user meets it, without a screen: every step through the accessibility tree, by label.

#![allow(clippy::unwrap_used)] // also in helpers: a test that panics is a test that fails

mod common;
mod content;
mod dialogs;
mod fake_teacher;
mod grid;
mod hostile;
mod looks;
mod models;
mod sort;
mod states;
mod teach;
mod teach_again;
mod teach_doubts;
mod teach_use;
mod walls;
mod ways_in;

use std::time::{Duration, Instant};

use common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use desktop_app::desktop::FileResponse;
use desktop_app::settings::{Appearance, Settings};
use desktop_app::settings_store::SettingsStore;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

type Window = egui_kittest::Harness<'static, desktop_app::ui::App>;

fn shows(window: &Window, text: &str) -> bool {
    window.query_all_by_label_contains(text).next().is_some()
}

fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run_steps(3);
}

#[test]
fn the_empty_window_teaches() {
    let mut window = Setup::default().open();
    until(&mut window, "the model is loaded", |w| {
        shows(w, "Model: colors")
    });
    for text in [
        "Drop a photo, know what it is",
        "Open photos\u{2026}",
        "Open a folder\u{2026}",
        "Paste",
        "Try the sample: Cat",
        "no photo leaves it",
    ] {
        assert!(shows(&window, text), "{text} is not there");
    }
    click(&mut window, "Try the sample: Cat");
    until_done(&mut window, 1);
    assert!(shows(&window, "Looked at in"));
}

#[test]
fn one_dropped_photo_is_named() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "a red one.png", [250, 20, 10]);
    let mut window = Setup::default().open();
    window.input_mut().hovered_files.push(egui::HoveredFile {
        path: Some(red.clone()),
        ..Default::default()
    });
    window.step();
    assert!(
        shows(&window, "Drop to look at it"),
        "the target is not shown while hovering"
    );
    window.input_mut().hovered_files.clear();
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    assert!(shows(&window, "red thing: 89 %"));
    assert!(shows(&window, "Sure  89 %"));
    assert!(shows(&window, "by colors"));
    assert!(!shows(&window, "Drop to look"));
    until(&mut window, "the photo is shown", |w| {
        shows(w, "a red one.png, 40 \u{00d7} 30 pixels")
    });
    click(&mut window, "What the network saw");
    assert!(shows(&window, "Exactly these 32 \u{00d7} 32 pixels"));
    click(&mut window, "Why");
    until(&mut window, "the heat map is there", |w| {
        shows(w, "what speaks for \u{201c}red thing\u{201d}")
    });
}

#[test]
fn a_doubtful_answer_says_so() {
    let dir = tempdir().unwrap();
    let gray = picture(dir.path(), "gray.png", [100, 100, 101]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &[gray]);
    until_done(&mut window, 1);
    assert!(shows(&window, "Not sure"));
    assert!(shows(&window, "Perhaps blue thing"));
}

#[test]
fn many_photos_make_a_grid_that_filters_sorts_and_opens() {
    let dir = tempdir().unwrap();
    let photos = [
        picture(dir.path(), "one.png", [250, 10, 10]),
        picture(dir.path(), "two.png", [10, 250, 10]),
        picture(dir.path(), "three.png", [240, 30, 10]),
    ];
    let text = dir.path().join("not a photo.jpg");
    std::fs::write(&text, "hello").unwrap();
    let mut window = Setup::default().open();
    let mut all = photos.to_vec();
    all.push(text);
    drop_files(&mut window, &all);
    until_done(&mut window, 4);
    assert!(shows(&window, "4 photos"));
    assert!(shows(&window, "1 could not be read"));
    assert!(shows(&window, "one.png: red thing, 93 %"));
    assert!(shows(&window, "not a photo.jpg: "));

    window.get_by_label("Filter by label or name").focus();
    window.run_steps(2);
    window
        .get_by_label("Filter by label or name")
        .type_text("green");
    window.run_steps(3);
    assert!(shows(&window, "two.png: green thing"));
    assert!(!shows(&window, "one.png: red thing"));
    window
        .get_by_label("Filter by label or name")
        .type_text(" nowhere");
    window.run_steps(3);
    assert!(shows(&window, "No photo passes this filter."));
    click(&mut window, "Show all photos");
    assert!(shows(&window, "one.png: red thing"));

    window.get_by_label_contains("not a photo.jpg: ").click();
    window.run_steps(3);
    assert!(shows(&window, "This could not be looked at"));
}

#[test]
fn cancel_is_quick_and_nothing_is_lost() {
    let dir = tempdir().unwrap();
    let photos: Vec<_> = (0..60)
        .map(|n| picture(dir.path(), &format!("{n:02}.png"), [250, 10, 10]))
        .collect();
    let mut window = Setup {
        delay: Duration::from_millis(30),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &photos);
    until(&mut window, "some are done", |w| {
        w.state().photos().counts().done >= 3
    });
    window.get_by_label("Cancel").click();
    // One frame for the press and one for the release: no worker is waited for.
    window.step();
    window.step();
    let counts = window.state().photos().counts();
    assert_eq!(counts.pending, 0);
    assert!(counts.stopped > 0);
    std::thread::sleep(Duration::from_millis(100));
    window.run_steps(2);
    assert_eq!(
        window.state().photos().counts(),
        counts,
        "answers still under way do not change what was stopped"
    );
    click(&mut window, "Go on");
    until_done(&mut window, 60);
    assert_eq!(window.state().photos().counts().done, 60);
}

#[test]
fn a_thousand_photos_do_not_hold_a_frame_up() {
    let dir = tempdir().unwrap();
    for n in 0..1000 {
        picture(
            dir.path(),
            &format!("{n:04}.png"),
            [(n % 250) as u8, 100, 10],
        );
    }
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    let begun = Instant::now();
    while window.state().photos().counts().done < 1000 {
        window.step();
        assert!(begun.elapsed() < Duration::from_secs(120));
    }
    assert_eq!(window.state().photos().photos().len(), 1000, "none is lost");
    let (bytes, textures) = window.state().thumbnails_held();
    assert!(
        bytes <= 96 << 20 && textures <= 320,
        "{bytes} bytes, {textures} textures"
    );
    // Tiles out of sight are not drawn.
    assert!(window.query_all_by_label_contains(".png: ").count() < 60);
}

#[test]
fn keyboard_alone_goes_everywhere() {
    let dir = tempdir().unwrap();
    let photos: Vec<_> = (0..9)
        .map(|n| picture(dir.path(), &format!("{n}.png"), [10, 10, 200]))
        .collect();
    let mut window = Setup::default().open();
    drop_files(&mut window, &photos);
    until_done(&mut window, 9);
    let press = |window: &mut Window, key| {
        window.key_press(key);
        window.run_steps(3);
    };
    press(&mut window, Key::ArrowRight);
    assert!(window.get_by_label_contains("0.png: ").is_focused());
    press(&mut window, Key::ArrowRight);
    assert!(window.get_by_label_contains("1.png: ").is_focused());
    press(&mut window, Key::End);
    assert!(window.get_by_label_contains("8.png: ").is_focused());
    press(&mut window, Key::Enter);
    until(&mut window, "photo 8 is open", |w| shows(w, "8.png, 40"));
    press(&mut window, Key::PageUp);
    until(&mut window, "photo 7 is open", |w| shows(w, "7.png, 40"));
    press(&mut window, Key::Num2);
    assert!(shows(&window, "Exactly these"));
    press(&mut window, Key::Delete);
    assert_eq!(window.state().photos().photos().len(), 8);
    press(&mut window, Key::Escape);
    assert!(shows(&window, "8 photos"));
    press(&mut window, Key::F1);
    assert!(shows(&window, "Copy the answer"));
    press(&mut window, Key::Escape);
    window.key_press_modifiers(Modifiers::COMMAND, Key::M);
    window.run_steps(3);
    assert!(shows(&window, "Choose an ONNX file"));
    press(&mut window, Key::Escape);
    assert!(!shows(&window, "Choose an ONNX file"));
}

#[test]
fn answers_are_exported_and_copied() {
    let dir = tempdir().unwrap();
    let photos = [
        picture(dir.path(), "a.png", [250, 10, 10]),
        picture(dir.path(), "b.png", [10, 10, 250]),
    ];
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &photos);
    until_done(&mut window, 2);
    let out = dir.path().join("answers.json");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![out.clone()]));
    click(&mut window, "Export\u{2026}");
    until(&mut window, "the export is told", |w| {
        shows(w, "The answers for 2 photos are in")
    });
    let lines = std::fs::read_to_string(&out).unwrap();
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["path"], photos[0].display().to_string());
    assert_eq!(first["predictions"][0]["label"], "red thing");
    assert_eq!(lines.lines().count(), 2);
    window.get_by_label_contains("b.png: blue").click();
    window.run_steps(3);
    window.get_by_label("Copy").click();
    window.step();
    let copied =
        window
            .output()
            .platform_output
            .commands
            .iter()
            .find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            });
    assert!(
        copied.unwrap().contains("blue thing"),
        "the answer is on the clipboard"
    );
    desktop.0.lock().unwrap().chosen =
        Some(FileResponse::Chosen(vec!["/nowhere/at/all.csv".into()]));
    click(&mut window, "Export\u{2026}");
    until(&mut window, "the failure is told", |w| {
        shows(w, "could not be written")
    });
}

#[test]
fn settings_and_history_outlive_the_window() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("settings");
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let mut window = Setup {
        settings: Some(folder.clone()),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    click(&mut window, "Settings");
    click(&mut window, "Dark");
    until(&mut window, "the settings are saved", |_| {
        SettingsStore::in_folder(Some(folder.clone()))
            .load()
            .0
            .appearance
            == Appearance::Dark
    });
    drop(window);
    let mut window = Setup {
        settings: Some(folder),
        ..Setup::default()
    }
    .open();
    until(&mut window, "the history is back", |w| {
        shows(w, "Seen before") && shows(w, "red thing, 93 %")
    });
    assert_eq!(window.state().settings().appearance, Appearance::Dark);
    click(&mut window, "Settings");
    click(&mut window, "Forget 1 answer");
    assert!(window.state().settings().history.is_empty());
}

#[test]
fn small_windows_show_everything_too() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let mut window = Setup {
        size: Some([430.0, 430.0]),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    for label in ["What the network saw", "Settings", "Back to all photos"] {
        assert!(shows(&window, label), "{label}");
    }
    assert_eq!(
        window.state().settings().answers_shown,
        Settings::default().answers_shown
    );
}
