//! The grid: arrivals, removal and undo, selection, menus, notices that end, and the least size.

use egui::accesskit::Role;
use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::{Window, click, shows};
use desktop_app::classify::ModelChoice;
use desktop_app::settings::Settings;
use desktop_app::settings_store::SettingsStore;

fn many(folder: &std::path::Path, from: usize, to: usize) -> Vec<std::path::PathBuf> {
    (from..to)
        .map(|n| picture(folder, &format!("IMG_{n}.png"), [250, 10, 10]))
        .collect()
}

#[test]
fn new_arrivals_are_scrolled_to() {
    let dir = tempdir().unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &many(dir.path(), 0, 40));
    until_done(&mut window, 40);
    assert!(shows(&window, "IMG_0.png: "));
    drop_files(&mut window, &many(dir.path(), 40, 60));
    until_done(&mut window, 60);
    window.run_steps(4);
    let first_new = window.get_by_label_contains("IMG_40.png: ").rect();
    assert!(
        first_new.top() > 100.0 && first_new.bottom() < 700.0,
        "{first_new}"
    );
    assert!(!shows(&window, "IMG_0.png: "), "the view went on");
}

#[test]
fn folders_come_in_the_order_a_person_expects() {
    let dir = tempdir().unwrap();
    for n in [1, 2, 9, 10, 11, 100] {
        picture(dir.path(), &format!("IMG_{n}.png"), [250, 10, 10]);
    }
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    until_done(&mut window, 6);
    let names: Vec<_> = window
        .state()
        .photos()
        .photos()
        .iter()
        .map(|photo| photo.source.name())
        .collect();
    let expected = [1, 2, 9, 10, 11, 100].map(|n| format!("IMG_{n}.png"));
    assert_eq!(names, expected);
}

#[test]
fn every_removal_can_be_undone_with_its_answers() {
    let dir = tempdir().unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &many(dir.path(), 0, 5));
    until_done(&mut window, 5);
    click(&mut window, "Remove all");
    assert!(window.state().photos().photos().is_empty());
    assert!(shows(&window, "5 photos were removed"));
    click(&mut window, "Undo");
    assert_eq!(
        window.state().photos().counts().done,
        5,
        "with their answers"
    );
    assert!(!shows(&window, "were removed"));
    window.get_by_label_contains("IMG_3.png: ").click();
    until(&mut window, "it is shown", |w| shows(w, "IMG_3.png, 40"));
    window.key_press(Key::Delete);
    window.run_steps(3);
    assert_eq!(window.state().photos().photos().len(), 4);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert_eq!(
        window.state().photos().photos()[3].source.name(),
        "IMG_3.png"
    );
}

#[test]
fn photos_are_selected_copied_removed_and_shown_in_their_folder() {
    let dir = tempdir().unwrap();
    let photos = many(dir.path(), 0, 6);
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &photos);
    until_done(&mut window, 6);
    window
        .get_by_label_contains("IMG_1.png: ")
        .click_modifiers(Modifiers::COMMAND);
    window.run_steps(3);
    window
        .get_by_label_contains("IMG_3.png: ")
        .click_modifiers(Modifiers::SHIFT);
    window.run_steps(3);
    assert!(shows(&window, "3 selected"));
    let node = window.get_by_label_contains("IMG_2.png: ");
    assert_eq!(node.accesskit_node().is_selected(), Some(true));
    click(&mut window, "Copy");
    assert!(shows(&window, "3 answers were copied"));
    window
        .get_by_label_contains("IMG_0.png: ")
        .click_secondary();
    window.run_steps(3);
    click(&mut window, "Show in folder");
    assert_eq!(
        desktop.0.lock().unwrap().shown_in_folder,
        [photos[0].clone()]
    );
    window
        .get_by_label_contains("IMG_2.png: ")
        .click_secondary();
    window.run_steps(3);
    click(&mut window, "Remove from the list");
    assert_eq!(window.state().photos().photos().len(), 3);
    assert!(!shows(&window, "selected"));
    window.key_press(Key::ArrowRight);
    window.run_steps(3);
    window.key_press(Key::Space);
    window.run_steps(3);
    assert!(shows(&window, "1 selected"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.run_steps(3);
    assert!(shows(&window, "3 selected"));
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(shows(&window, "3 photos"));
}

#[test]
fn notices_end_when_they_no_longer_hold() {
    let dir = tempdir().unwrap();
    let empty = tempdir().unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &[empty.path().to_owned()]);
    until(&mut window, "the empty folder is told", |w| {
        shows(w, "No photos were found")
    });
    drop_files(&mut window, &many(dir.path(), 0, 2));
    until_done(&mut window, 2);
    assert!(!shows(&window, "No photos were found"));
    drop_files(&mut window, &["/models/wrong.onnx".into()]);
    until(&mut window, "the model is refused", |w| {
        shows(w, "cannot be used")
    });
    drop_files(&mut window, &["/models/good.onnx".into()]);
    until(&mut window, "a good one is taken", |w| {
        shows(w, "Model: good")
    });
    assert!(!shows(&window, "cannot be used"));
}

#[test]
fn photos_that_cannot_be_read_get_tiles_with_their_reason() {
    let dir = tempdir().unwrap();
    let heic = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic".as_slice();
    std::fs::write(dir.path().join("IMG_1.HEIC"), heic).unwrap();
    std::fs::write(dir.path().join("IMG_2.HEIC"), heic).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "hello").unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    until_done(&mut window, 2);
    let counts = window.state().photos().counts();
    // Where HEIC is read one day, these two are damaged ones.
    assert_eq!((counts.failed, counts.done), (2, 0));
    assert!(!shows(&window, "No photos were found"));
    until(&mut window, "the rest is told", |w| {
        shows(w, "1 other file was passed over")
    });
}

#[test]
fn a_model_that_is_away_once_stays_remembered() {
    let dir = tempdir().unwrap();
    let store = SettingsStore::in_folder(Some(dir.path().to_owned()));
    let away = Some(ModelChoice::File("/stick/pets/model.onnx".into()));
    let stored = Settings {
        model: away.clone(),
        ..Settings::default()
    };
    store.save(&Settings::default(), &stored).unwrap();
    let mut window = Setup {
        settings: Some(dir.path().to_owned()),
        ..Setup::default()
    }
    .open();
    until(&mut window, "the built-in model is used meanwhile", |w| {
        shows(w, "Model: colors")
    });
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    until(&mut window, "the answer is remembered", |_| {
        !store.load().0.history.is_empty()
    });
    assert_eq!(store.load().0.model, away);
}

#[test]
fn models_of_one_name_are_told_apart() {
    let dir = tempdir().unwrap();
    let stored = Settings {
        recent_models: vec![
            "/m/good pets/model.onnx".into(),
            "/m/good birds/model.onnx".into(),
        ],
        ..Settings::default()
    };
    SettingsStore::in_folder(Some(dir.path().to_owned()))
        .save(&Settings::default(), &stored)
        .unwrap();
    let mut window = Setup {
        settings: Some(dir.path().to_owned()),
        ..Setup::default()
    }
    .open();
    until(&mut window, "the model is loaded", |w| {
        shows(w, "Model: colors")
    });
    click(&mut window, "Model: colors");
    assert!(shows(&window, "Use good pets"));
    click(&mut window, "Use good birds");
    until(&mut window, "it is used", |w| shows(w, "Model: good birds"));
}

/// What can be clicked or typed into, with its place.
fn controls(window: &Window) -> Vec<(String, Rect)> {
    let roles = [
        Role::Button,
        Role::ComboBox,
        Role::TextInput,
        Role::RadioButton,
        Role::CheckBox,
        Role::Slider,
        Role::Link,
    ];
    window
        .query_all_by(move |node| roles.contains(&node.role()))
        .map(|node| {
            let node_label = node.accesskit_node().label().unwrap_or_default();
            (node_label, node.rect())
        })
        .filter(|(label, _)| !label.contains(".png: "))
        .collect()
}

fn nothing_overlaps(window: &Window, state: &str) {
    let screen = window.ctx.content_rect();
    let controls = controls(window);
    assert!(controls.len() >= 3, "{state}: {controls:?}");
    for (place, (name, rect)) in controls.iter().enumerate() {
        assert!(
            rect.left() >= screen.left() - 0.5 && rect.right() <= screen.right() + 0.5,
            "{state}: {name} at {rect} leaves the window"
        );
        for (other, other_rect) in &controls[place + 1..] {
            let common = rect.intersect(*other_rect);
            let within = rect.contains_rect(*other_rect) || other_rect.contains_rect(*rect);
            assert!(
                within || common.width() <= 1.0 || common.height() <= 1.0,
                "{state}: {name} at {rect} lies on {other} at {other_rect}"
            );
        }
    }
}

#[test]
fn nothing_overlaps_at_the_least_size() {
    let dir = tempdir().unwrap();
    for size in [
        [420.0, 420.0],
        [480.0, 420.0],
        [640.0, 480.0],
        [1120.0, 780.0],
    ] {
        let mut window = Setup {
            size: Some(size),
            ..Setup::default()
        }
        .open();
        until(&mut window, "the model is loaded", |w| {
            shows(w, "Model: colors")
        });
        window.run_steps(3);
        nothing_overlaps(&window, "empty");
        drop_files(&mut window, &many(dir.path(), 0, 9));
        until_done(&mut window, 9);
        window.run_steps(3);
        nothing_overlaps(&window, "grid");
        window.key_press_modifiers(Modifiers::COMMAND, Key::A);
        window.run_steps(3);
        nothing_overlaps(&window, "selected");
        window.get_by_label_contains("IMG_0.png: ").click();
        until(&mut window, "the photo is shown", |w| {
            shows(w, "IMG_0.png, 40")
        });
        window.run_steps(3);
        nothing_overlaps(&window, "photo");
    }
}

#[test]
fn nothing_overlaps_where_the_work_was_stopped() {
    let dir = tempdir().unwrap();
    let mut window = Setup {
        size: Some([420.0, 420.0]),
        delay: std::time::Duration::from_millis(300),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &many(dir.path(), 0, 40));
    until(&mut window, "they are looked at", |w| shows(w, " of 40"));
    click(&mut window, "Cancel");
    until(&mut window, "it has stopped", |w| shows(w, "not looked at"));
    window.run_steps(3);
    nothing_overlaps(&window, "stopped");
    for label in ["Go on", "More", "Order: As added"] {
        let rect = window.get_by_label(label).rect();
        assert!(rect.right() <= 412.0, "{label}: {rect}");
    }
    click(&mut window, "More");
    click(&mut window, "Remove all");
    assert!(shows(&window, "40 photos were removed"));
}

#[test]
fn the_keyboard_goes_from_left_to_right_and_readers_hear_what_is_chosen() {
    let dir = tempdir().unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &many(dir.path(), 0, 3));
    until_done(&mut window, 3);
    assert!(shows(&window, "Order: As added"));
    assert!(shows(&window, "Show: All"));
    window.get_by_label("Open\u{2026}").focus();
    window.run_steps(2);
    for expected in ["Teach", "Model: colors", "Keyboard and help", "Settings"] {
        window.key_press(Key::Tab);
        window.run_steps(2);
        assert!(window.get_by_label(expected).is_focused(), "{expected}");
    }
    window.get_by_label_contains("IMG_1.png: ").click();
    until(&mut window, "the photo is shown", |w| {
        shows(w, "IMG_1.png, 40")
    });
    let before = window.get_by_label("Previous photo").rect();
    window.get_by_label("Previous photo").focus();
    window.run_steps(2);
    window.key_press(Key::Tab);
    window.run_steps(2);
    assert!(window.get_by_label("Next photo").is_focused());
    assert!(window.get_by_label("Next photo").rect().left() >= before.right() - 1.0);
    let root = window.root();
    assert_eq!(
        root.accesskit_node().label().as_deref(),
        Some("Photo Classifier")
    );
}

#[test]
fn answers_are_announced_and_meters_have_numbers() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 20, 10]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    window.run_steps(2);
    let spoken = window.get_by_label("Sure, 89 %: red thing");
    assert_eq!(spoken.accesskit_node().role(), Role::Status);
    assert_eq!(
        spoken.accesskit_node().live(),
        egui::accesskit::Live::Polite
    );
    let meter = window.get_by_label("red thing: 89 %");
    assert_eq!(meter.accesskit_node().numeric_value(), Some(89.0));
}
