//! What is doubtful or of no use: photos in the wrong class, copies, classes that are too thin, files that are no photos.

use tempfile::tempdir;

use super::common::{Setup, drop_files, until};
use super::teach::{BLUE, drop_on, learned, open_teaching, shades, two_folders, two_folders_of};
use super::{click, shows};

/// A red that no apple has.
const STRAY: [u8; 3] = [225, 34, 28];

#[test]
fn a_photo_in_the_wrong_class_is_doubted_and_moved_by_a_click() {
    let dir = tempdir().unwrap();
    let folders = two_folders_of(dir.path(), 22);
    let wrong = shades(&dir.path().join("leaves"), "stray", STRAY, 1);
    let mut window = Setup {
        size: Some([1000.0, 1400.0]),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    learned(&mut window);
    assert!(shows(&window, "Perhaps in the wrong class"));
    assert!(shows(
        &window,
        "stray 0.png is in leaves, but looks like apples"
    ));
    assert!(shows(&window, "1 photo of leaves taken for apples"));
    click(&mut window, "Move stray 0.png to apples");
    until(&mut window, "it fits now", |w| {
        shows(w, "stray 0.png in apples") && !shows(w, "Perhaps in the wrong class")
    });
    learned(&mut window);
    click(&mut window, "Undo");
    until(&mut window, "the doubt is back", |w| {
        shows(w, "Perhaps in the wrong class")
    });
    assert!(wrong[0].exists(), "files stay where they are");
}

#[test]
fn loose_photos_are_asked_about_and_bad_ones_named() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let text = dir.path().join("letter.jpg");
    std::fs::write(&text, "no picture").unwrap();
    let mut window = Setup {
        size: Some([1000.0, 1100.0]),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    learned(&mut window);
    window.hover_at(egui::pos2(300.0, 1050.0));
    window.step();
    drop_files(&mut window, &[text]);
    until(&mut window, "it asks", |w| {
        shows(w, "What does this photo show?")
    });
    click(&mut window, "This is: leaves");
    until(&mut window, "it is named", |w| {
        shows(w, "letter.jpg: This is not a photo.")
    });
    learned(&mut window);
    assert!(shows(&window, "letter.jpg in leaves: This is not a photo."));
    click(&mut window, "Take them out");
    until(&mut window, "it is gone", |w| !shows(w, "letter.jpg"));
}

#[test]
fn copies_thin_classes_and_the_same_photo_in_two_classes_are_told() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let [apples, leaves] = &folders;
    std::fs::copy(apples.join("apple 1.png"), apples.join("again.png")).unwrap();
    std::fs::copy(apples.join("apple 2.png"), leaves.join("both.png")).unwrap();
    let thin = shades(&dir.path().join("plums"), "plum", BLUE, 1);
    let mut window = Setup {
        size: Some([1000.0, 1400.0]),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &[dir.path().to_owned()]);
    learned(&mut window);
    for text in [
        "1 photo is a copy of another one and counts once.",
        "The same photo in several classes, left out",
        "apple 2.png, both.png",
        "Not learned yet, for want of photos",
        "1 photo \u{2013} 10 or more would be better",
    ] {
        assert!(shows(&window, text), "{text}");
    }
    std::fs::copy(&thin[0], dir.path().join("plum 1.png")).unwrap();
    drop_on(
        &mut window,
        "Name of the class plums",
        &[dir.path().join("plum 1.png")],
    );
    until(&mut window, "the copy is there", |w| {
        shows(w, "plum 1.png in plums")
    });
    learned(&mut window);
    assert!(shows(&window, "Not learned yet"), "a copy says nothing new");
}

#[test]
fn photos_of_nothing_that_is_taught_are_a_class_of_their_own_kind() {
    let dir = tempdir().unwrap();
    two_folders(dir.path());
    shades(&dir.path().join("none"), "sky", BLUE, 8);
    let mut window = Setup::default().open();
    open_teaching(&mut window);
    drop_files(&mut window, &[dir.path().to_owned()]);
    learned(&mut window);
    assert!(shows(&window, "sky 3.png in none of these"));
    assert!(shows(&window, "Of your 8 photos of none of them, "));
    assert!(
        shows(&window, "Right for 100 % of new photos"),
        "they are no class that could be mistaken"
    );
}
