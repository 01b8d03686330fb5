//! What is done with what was learned: try it, save it, use it; in small windows, and with the real network.

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::teach::{BLUE, drop_on, learned, open_teaching, shades, two_folders};
use super::{click, shows};
use desktop_app::desktop::{FileRequest, FileResponse};

#[test]
fn what_was_learned_is_tried_saved_and_used() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let blue = picture(dir.path(), "blue.png", BLUE);
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    learned(&mut window);
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![blue.clone()]));
    click(&mut window, "Try a photo\u{2026}");
    until(&mut window, "it was tried", |w| {
        shows(w, "blue.png: blue thing, ")
    });
    // A photo that is dropped there is tried, and in no class.
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    drop_on(&mut window, "Try it", &[red]);
    until(&mut window, "it was tried", |w| {
        shows(w, "red.png: red thing, ")
    });
    assert!(!shows(&window, "red.png in "));
    let text = dir.path().join("letter.jpg");
    std::fs::write(&text, "no picture").unwrap();
    drop_on(&mut window, "Try it", &[text]);
    until(&mut window, "it is refused", |w| {
        shows(w, "letter.jpg: This is not a photo, but text.")
    });
    let model = dir.path().join("good fruit.onnx");
    let without_ending = dir.path().join("good fruit");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![without_ending]));
    click(&mut window, "Save as a model\u{2026}");
    until(&mut window, "it is saved", |w| shows(w, "The model is in "));
    let asked = desktop.0.lock().unwrap().asked.last().cloned();
    assert_eq!(
        asked,
        Some(FileRequest::SaveModel("apples leaves.onnx".to_owned()))
    );
    let written = std::fs::read_to_string(&model).unwrap();
    assert_eq!(written, "good fruit: apples, leaves, none of these");
    // The notice keeps within the narrowest window, however wide its button is.
    window.set_size(egui::vec2(420.0, 700.0));
    window.run_steps(4);
    for node in window.get_all_by_label("Dismiss") {
        assert!(node.rect().right() <= 412.0, "{}", node.rect());
    }
    window.set_size(egui::vec2(1000.0, 700.0));
    window.run_steps(4);
    window
        .get_all_by_role_and_label(Role::Button, "Use it now")
        .last()
        .unwrap()
        .click();
    until(&mut window, "it is in use", |w| {
        shows(w, "Model: good fruit")
    });
    // A name that the user did not see is not overwritten.
    let without_ending = dir.path().join("good fruit");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![without_ending]));
    click(&mut window, "Save again\u{2026}");
    until(&mut window, "it is refused", |w| {
        shows(w, "is there already")
    });
    desktop.0.lock().unwrap().chosen =
        Some(FileResponse::Chosen(vec!["/nowhere/at/all.onnx".into()]));
    click(&mut window, "Save again\u{2026}");
    until(&mut window, "the failure is told", |w| {
        shows(w, "could not be written")
    });
}

#[test]
fn a_small_window_teaches_too() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let mut window = Setup {
        size: Some([430.0, 430.0]),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    learned(&mut window);
    assert!(shows(&window, "16 photos, right for 100 % of new photos"));
    for label in [
        "New class",
        "Add photos to apples",
        "Remove the class apples",
        "Try a photo\u{2026}",
    ] {
        let rect = window.get_by_label(label).rect();
        assert!(
            rect.left() >= 0.0 && rect.right() <= 430.0,
            "{label}: {rect}"
        );
    }
}

/// The whole way with the real network: the file that is written is a model like any other.
#[test]
fn the_real_network_learns_and_its_file_is_used() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let other = dir.path().join("other apple.png");
    std::fs::copy(folders[0].join("apple 3.png"), &other).unwrap();
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        real_models: true,
        ..Setup::default()
    }
    .open();
    until(&mut window, "the model is there", |w| {
        shows(w, "Model: Everyday things")
    });
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    learned(&mut window);
    assert!(shows(&window, "Right for 100 % of new photos") || shows(&window, "Right for 9"));
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![other.clone()]));
    click(&mut window, "Try a photo\u{2026}");
    until(&mut window, "it was tried", |w| {
        shows(w, "other apple.png: apples, ")
    });
    let model = dir.path().join("fruit.onnx");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![model.clone()]));
    click(&mut window, "Save as a model\u{2026}");
    until(&mut window, "it is saved", |w| shows(w, "The model is in "));
    window
        .get_all_by_role_and_label(Role::Button, "Use it now")
        .last()
        .unwrap()
        .click();
    until(&mut window, "it is in use", |w| shows(w, "Model: fruit"));
    click(&mut window, "Back to the photos");
    drop_files(&mut window, &[other]);
    until_done(&mut window, 1);
    let photos = window.state().photos().photos();
    assert_eq!(photos[0].label().as_deref(), Some("apples"));
    // It keeps what it was taught from: a third class joins the two without their photos.
    for folder in &folders {
        std::fs::remove_dir_all(folder).unwrap();
    }
    shades(&dir.path().join("plums"), "plum", BLUE, 8);
    click(&mut window, "Teach");
    click(&mut window, "Remove all classes");
    click(&mut window, "Go on from \u{201c}fruit\u{201d}");
    until(&mut window, "its classes are there", |w| {
        shows(w, "keeps what it saw in 16 photos of 2 classes")
    });
    drop_files(&mut window, &[dir.path().join("plums")]);
    until(&mut window, "the third class is there", |w| {
        shows(w, "Name of the class plums")
    });
    learned(&mut window);
    assert!(shows(&window, "8 photos in the model"));
    let more = dir.path().join("more fruit.onnx");
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![more.clone()]));
    click(&mut window, "Save as a model\u{2026}");
    until(&mut window, "it is saved", |w| shows(w, "more fruit.onnx."));
    let config = inference::ClassifierConfig::default();
    let classifier = inference::Classifier::open(&more, &config).unwrap();
    let labels = &classifier.model().manifest.labels;
    let names: Vec<_> = labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["apples", "leaves", "plums", "none of these"]);
}
