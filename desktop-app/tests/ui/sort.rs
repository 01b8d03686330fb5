//! Sorting into folders with preview and undo, and labels as keywords.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, picture, until, until_done};
use super::{Window, click, shows};
use desktop_app::classify::ModelChoice;
use desktop_app::desktop::{FileRequest, FileResponse};

/// Two red photos, a blue one, and a gray one that the program is not sure of; shown, and a folder is chosen.
fn window_with_photos(folder: &Path, into: &Path) -> (Window, FakeDesktop, Vec<PathBuf>) {
    let photos = vec![
        picture(folder, "1.png", [250, 10, 10]),
        picture(folder, "2.png", [240, 20, 10]),
        picture(folder, "3.png", [10, 10, 250]),
        picture(folder, "4.png", [100, 100, 101]),
    ];
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &photos);
    until_done(&mut window, photos.len());
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![into.to_owned()]));
    (window, desktop, photos)
}

#[test]
fn photos_are_moved_after_a_preview_and_back() {
    let dir = tempdir().unwrap();
    let into = dir.path().join("sorted");
    let (mut window, desktop, photos) = window_with_photos(dir.path(), &into);
    click(&mut window, "More");
    click(&mut window, "Sort into folders\u{2026}");
    until(&mut window, "the plan is there", |w| {
        shows(w, "Nothing is overwritten")
    });
    assert_eq!(desktop.0.lock().unwrap().asked, [FileRequest::SortInto]);
    for text in [
        "red thing",
        "2 photos",
        "blue thing",
        "not sure",
        "Copy 4 photos",
    ] {
        assert!(shows(&window, text), "{text}");
    }
    assert!(!into.exists(), "nothing is done yet");
    click(&mut window, "Each photo\u{2019}s way");
    until(&mut window, "ways are shown", |w| {
        shows(w, "\u{2192} red thing/1.png")
    });
    click(&mut window, "Move: the photos leave where they are");
    click(&mut window, "Move 4 photos");
    until(&mut window, "they are moved", |w| {
        shows(w, "4 photos were moved into")
    });
    assert!(into.join("not sure/4.png").exists() && !photos[0].exists());
    // The list goes along: the photo is shown from where it is now.
    let now = window.state().photos().photos()[0]
        .source
        .path()
        .unwrap()
        .to_owned();
    assert_eq!(now, into.join("red thing/1.png"));
    click(&mut window, "Undo");
    until(&mut window, "they are back", |w| {
        shows(w, "4 photos were taken back")
    });
    assert!(photos.iter().all(|photo| photo.exists()));
    assert!(!into.exists(), "no folder is left");
    assert_eq!(
        window.state().photos().photos()[0].source.path(),
        Some(photos[0].as_path())
    );
}

#[test]
fn selected_photos_are_copied_by_what_the_user_said() {
    let dir = tempdir().unwrap();
    let into = dir.path().join("sorted");
    let (mut window, _, photos) = window_with_photos(dir.path(), &into);
    window
        .get_by_label_contains("4.png: ")
        .click_modifiers(Modifiers::COMMAND);
    window.run_steps(3);
    window.key_press(Key::F2);
    window.run_steps(3);
    window
        .input_mut()
        .events
        .push(egui::Event::Text("fog".to_owned()));
    window.step();
    window.key_press(Key::Enter);
    window.run_steps(3);
    window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    until(&mut window, "the plan is there", |w| {
        shows(w, "Copy 1 photo")
    });
    click(&mut window, "Copy 1 photo");
    until(&mut window, "it is copied", |w| {
        shows(w, "1 photo was copied into")
    });
    assert!(into.join("fog/4.png").exists() && photos[3].exists());
    // Undone in the order in which it was done: the copy, then the name.
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    until(&mut window, "it is taken back", |w| {
        shows(w, "1 photo was taken back")
    });
    assert!(!into.exists());
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert!(!shows(&window, "as you said"));
}

/// A red JPEG whose camera noted a day.
fn dated(folder: &Path, name: &str, day: &str) -> PathBuf {
    let path = folder.join(name);
    let picture = image::RgbImage::from_pixel(40, 30, image::Rgb([250, 10, 10]));
    picture.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // A TIFF directory with nothing but `DateTime` (306), as an APP1 segment after the first marker.
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\x14\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    tiff.extend_from_slice(format!("{day} 10:20:30\0").as_bytes());
    let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
    let app1 = [b"\xff\xe1".as_slice(), &length, b"Exif\0\0", &tiff].concat();
    std::fs::write(&path, [&bytes[..2], &app1, &bytes[2..]].concat()).unwrap();
    path
}

#[test]
fn folders_are_named_by_label_and_day_as_the_user_types() {
    let dir = tempdir().unwrap();
    let into = dir.path().join("sorted");
    let photos = [
        dated(dir.path(), "1.jpg", "2026:03:07"),
        dated(dir.path(), "2.jpg", "2025:12:24"),
        picture(dir.path(), "3.png", [250, 10, 10]),
    ];
    let desktop = FakeDesktop::default();
    let mut window = Setup {
        desktop: desktop.clone(),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &photos);
    until_done(&mut window, photos.len());
    desktop.0.lock().unwrap().chosen = Some(FileResponse::Chosen(vec![into.clone()]));
    window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    until(&mut window, "the plan is there", |w| {
        shows(w, "Copy 3 photos")
    });
    click(&mut window, "Move: the photos leave where they are");
    click(&mut window, "Folders: Label and day");
    let day = Path::new("red thing").join("2026-03-07");
    until(&mut window, "the days are there", |w| {
        shows(w, &day.display().to_string()) && shows(w, "no date")
    });
    // Something that means nothing is said, and nothing can be done with it.
    window.get_by_label("Folders").focus();
    window.run_steps(2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    let type_text = |window: &mut Window, text: &str| {
        let event = egui::Event::Text(text.to_owned());
        window.input_mut().events.push(event);
        window.run_steps(2);
    };
    type_text(&mut window, "{year}/{kind}");
    assert!(shows(&window, "{kind} means nothing here."));
    click(&mut window, "Move 3 photos");
    assert!(
        shows(&window, "Nothing is overwritten"),
        "it cannot be done"
    );
    window.get_by_label("Folders").focus();
    window.run_steps(2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    type_text(&mut window, "{year} {label}");
    until(&mut window, "the years are there", |w| {
        shows(w, "2025 red thing")
    });
    until(&mut window, "they are moved", |w| {
        if let Some(button) = w.query_by_label("Move 3 photos") {
            button.click();
        }
        shows(w, "3 photos were moved into")
    });
    for name in [
        "2026 red thing/1.jpg",
        "2025 red thing/2.jpg",
        "no date red thing/3.png",
    ] {
        assert!(into.join(name).exists(), "{name}");
    }
}

#[test]
fn long_labels_keep_within_the_narrowest_window() {
    let dir = tempdir().unwrap();
    let into = dir.path().join("sorted");
    let (mut window, _, _) = window_with_photos(dir.path(), &into);
    window
        .get_by_label_contains("4.png: ")
        .click_modifiers(Modifiers::COMMAND);
    window.run_steps(3);
    window.key_press(Key::F2);
    window.run_steps(3);
    let label = "our boat on the long lake between the two high mountains";
    let typed = egui::Event::Text(label.to_owned());
    window.input_mut().events.push(typed);
    window.step();
    window.key_press(Key::Enter);
    window.run_steps(3);
    window.set_size(egui::vec2(420.0, 420.0));
    window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    until(&mut window, "the plan is there", |w| {
        shows(w, "Copy 1 photo")
    });
    window.run_steps(3);
    for text in ["1 photo", label] {
        for node in window.get_all_by_label(text) {
            assert!(node.rect().right() <= 400.0, "{text}: {}", node.rect());
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("a file");
    std::fs::write(&file, "in the way").unwrap();
    let (mut window, _, photos) = window_with_photos(dir.path(), &file.join("sorted"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    until(&mut window, "the plan is there", |w| {
        shows(w, "Copy 4 photos")
    });
    click(&mut window, "Copy 4 photos");
    until(&mut window, "the failure is told", |w| {
        shows(w, "Could not make the folder")
    });
    assert!(!shows(&window, "Undo"), "there is nothing to undo");
    assert!(photos.iter().all(|photo| photo.exists()));
}

#[test]
fn labels_become_keywords_with_the_words_above_and_are_taken_back() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let gray = picture(dir.path(), "gray.png", [100, 100, 101]);
    let kept = dir.path().join("red.png.xmp");
    let mut window = Setup {
        model: Some(ModelChoice::File("/models/good words.onnx".into())),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &[red, gray]);
    until_done(&mut window, 2);
    click(&mut window, "More");
    click(&mut window, "Copy labels as keywords\u{2026}");
    until(&mut window, "they are shown first", |w| {
        shows(w, "Write 1 keyword")
    });
    assert!(shows(&window, "autumn thing \u{203a} red thing"));
    assert!(shows(
        &window,
        "1 photo has no file, or no single sure label"
    ));
    assert!(!kept.exists(), "nothing is written yet");
    click(&mut window, "Each photo\u{2019}s keyword");
    until(&mut window, "each is shown", |w| {
        shows(w, "\u{2192} red.png.xmp")
    });
    click(&mut window, "Write 1 keyword");
    until(&mut window, "they are written", |w| {
        shows(w, "as a keyword, in a file beside")
    });
    let sidecar = std::fs::read_to_string(&kept).unwrap();
    assert!(sidecar.contains("red thing"), "{sidecar}");
    assert!(sidecar.contains("autumn thing|red thing"), "{sidecar}");
    click(&mut window, "Undo");
    until(&mut window, "they are taken back", |w| {
        shows(w, "taken back")
    });
    assert!(!kept.exists());
    assert!(!dir.path().join("gray.png.xmp").exists());
}
