//! What is taught outlives the window; a taught model is gone on from; pasted pictures get a file and join a class.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::teach::{BLUE, learned, open_teaching, shades, two_folders};
use super::{Window, click, shows};
use desktop_app::classify::ModelChoice;
use desktop_app::desktop::{ClipboardContent, FileResponse};

const SIZE: Option<[f32; 2]> = Some([1000.0, 1200.0]);

fn open_in(settings: &Path) -> Window {
    Setup {
        settings: Some(settings.to_owned()),
        size: SIZE,
        ..Setup::default()
    }
    .open()
}

fn remembered(settings: &Path) -> String {
    std::fs::read_to_string(settings.join("classes.json")).unwrap_or_default()
}

/// A window that was given two folders of photos, in `dir`, and has written them down.
fn remembering(dir: &Path, settings: &Path) -> ([PathBuf; 2], Window) {
    let folders = two_folders(dir);
    let mut window = open_in(settings);
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    until(&mut window, "they are remembered", |_| {
        remembered(settings).contains("leaf 7.png")
    });
    (folders, window)
}

#[test]
fn classes_are_there_again_at_the_next_start() {
    let dir = tempdir().unwrap();
    let settings = dir.path().join("settings");
    let (folders, mut window) = remembering(dir.path(), &settings);
    learned(&mut window);
    drop(window);
    std::fs::remove_file(folders[0].join("apple 3.png")).unwrap();
    let mut window = open_in(&settings);
    until(&mut window, "the photo is missed", |w| {
        shows(
            w,
            "1 photo of your classes is not there any more: apple 3.png.",
        )
    });
    click(&mut window, "Show");
    learned(&mut window);
    assert!(shows(&window, "apple 2.png in apples"));
    // It stays where it was, should its drive come back.
    assert!(shows(
        &window,
        "apple 3.png in apples: The file is no longer there."
    ));
    assert!(remembered(&settings).contains("apple 3.png"));
    click(&mut window, "Take them out");
    until(&mut window, "it is forgotten", |_| {
        !remembered(&settings).contains("apple 3.png")
    });
    click(&mut window, "Remove all classes");
    assert!(shows(&window, "Teach it your own things"));
    click(&mut window, "Undo");
    assert!(shows(&window, "apple 2.png in apples"));
}

#[test]
fn classes_are_forgotten_when_the_user_wants_it_so() {
    let dir = tempdir().unwrap();
    let settings = dir.path().join("settings");
    let (_, mut window) = remembering(dir.path(), &settings);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    window.run_steps(3);
    click(&mut window, "Remember the classes you teach");
    until(&mut window, "they are forgotten", |_| {
        !settings.join("classes.json").exists()
    });
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(shows(&window, "apple 2.png in apples"), "here they stay");
    click(&mut window, "Remove the class leaves");
    window.run_steps(3);
    drop(window);
    assert!(!settings.join("classes.json").exists());
}

#[test]
fn classes_of_a_newer_version_are_kept_aside_with_a_word() {
    let dir = tempdir().unwrap();
    let newer = r#"{"version": 7}"#;
    std::fs::write(dir.path().join("classes.json"), newer).unwrap();
    let mut window = open_in(dir.path());
    until(&mut window, "it says so", |w| {
        shows(w, "A newer version of this program remembered your classes")
    });
    let kept = dir.path().join("classes.json.newer");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), newer);
}

fn with_model(name: &str) -> Window {
    let mut window = Setup {
        model: Some(ModelChoice::File(format!("/models/{name}.onnx").into())),
        size: SIZE,
        ..Setup::default()
    }
    .open();
    until(&mut window, "the model is there", |w| {
        shows(w, &format!("Model: {name}"))
    });
    open_teaching(&mut window);
    window
}

#[test]
fn a_taught_model_is_gone_on_from() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let mut window = with_model("good taught");
    drop_files(&mut window, &folders[..1]);
    until(&mut window, "the class is there", |w| {
        shows(w, "Name of the class apples")
    });
    click(&mut window, "Go on from \u{201c}good taught\u{201d}");
    until(&mut window, "its photos are there", |w| {
        shows(w, "keeps what it saw in 10 photos of 2 classes")
    });
    learned(&mut window);
    assert!(shows(&window, "6 photos in the model, "));
    assert!(shows(&window, "4 photos in the model"));
    assert!(shows(
        &window,
        "Learned on top of \u{201c}good taught\u{201d}."
    ));
    // More photos of a class that the model knows.
    let more = shades(&dir.path().join("plums"), "plum", BLUE, 3);
    drop_files(&mut window, &[dir.path().join("plums")]);
    until(&mut window, "they join it", |w| {
        shows(w, "3 photos and 6 in the model")
    });
    learned(&mut window);
    click(&mut window, "Back to \u{201c}Everyday things\u{201d}");
    learned(&mut window);
    assert!(!shows(&window, "in the model"));
    assert!(!shows(&window, "Name of the class none of these"));
    assert!(shows(&window, "plum 2.png in plums"));
    click(&mut window, "Undo");
    until(&mut window, "it is built on again", |w| {
        shows(w, "3 photos and 6 in the model")
    });
    assert!(more[0].exists());
}

#[test]
fn what_a_taught_model_keeps_is_part_of_what_is_saved() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        model: Some(ModelChoice::File("/models/good taught.onnx".into())),
        size: SIZE,
        ..Setup::default()
    }
    .open();
    until(&mut window, "the model is there", |w| {
        shows(w, "Model: good taught")
    });
    open_teaching(&mut window);
    click(&mut window, "Go on from \u{201c}good taught\u{201d}");
    until(&mut window, "its photos are there", |w| {
        shows(w, "Name of the class plums")
    });
    drop_files(&mut window, &folders);
    learned(&mut window);
    let file = dir.path().join("good more.onnx");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![file.clone()]));
    click(&mut window, "Save as a model\u{2026}");
    until(&mut window, "it is saved", |w| shows(w, "The model is in "));
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(written, "good more: apples, leaves, plums, none of these");
}

#[test]
fn a_model_that_keeps_nothing_or_cannot_be_built_on_says_so() {
    let mut window = with_model("good plain");
    click(&mut window, "Go on from \u{201c}good plain\u{201d}");
    until(&mut window, "it is built on", |w| {
        shows(
            w,
            "It keeps no photos, so its own classes are not among yours",
        )
    });
    let mut window = with_model("good round");
    click(&mut window, "Go on from \u{201c}good round\u{201d}");
    until(&mut window, "it says why not", |w| {
        shows(w, "Nothing can be taught on top of this.")
    });
    assert!(shows(
        &window,
        "Learned on top of \u{201c}Everyday things\u{201d}."
    ));
}

#[test]
fn a_pasted_picture_gets_a_file_and_joins_a_class() {
    let dir = tempdir().unwrap();
    let settings = dir.path().join("settings");
    let bytes = std::fs::read(picture(dir.path(), "blue.png", BLUE)).unwrap();
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        settings: Some(settings.clone()),
        size: SIZE,
        ..Setup::default()
    }
    .open();
    let copied = ClipboardContent::Picture(bytes.clone().into());
    desktop.0.lock().unwrap().copied = Some(copied);
    click(&mut window, "Paste");
    until_done(&mut window, 1);
    window.key_press(Key::F2);
    window.run_steps(3);
    let name = egui::Event::Text("plum".to_owned());
    window.input_mut().events.push(name);
    window.step();
    window.key_press(Key::Enter);
    until(&mut window, "it has a file", |w| {
        shows(w, "1 picture without a file got one in ")
    });
    let file = settings.join("pasted pictures/Pasted picture.png");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    click(&mut window, "Teach");
    assert!(shows(&window, "Pasted picture.png in plum"));
    click(&mut window, "Undo");
    assert!(!shows(&window, "Pasted picture.png in plum"));
    // Another one, pasted where classes are shown, is asked about.
    let other = egui::ColorImage::filled([40, 30], egui::Color32::GREEN);
    let pasted = egui::Event::PasteImage(other.into());
    window.input_mut().events.push(pasted);
    until(&mut window, "it asks", |w| {
        shows(w, "What does this photo show?")
    });
    let second = settings.join("pasted pictures/Pasted picture (2).png");
    assert!(shows(
        &window,
        &format!("What you pasted is kept in {}", second.display())
    ));
    assert!(second.exists());
    window.key_press(Key::Escape);
    window.run_steps(3);
}
