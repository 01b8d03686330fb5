//! Teaching: classes from folders, drops, dialogs and the grid; accuracy and doubts; try, save, use; undo of each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{Setup, drop_files, picture, until, until_done};
use super::{Window, click, shows};

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [30, 200, 40];
pub const BLUE: [u8; 3] = [30, 40, 220];

/// Pictures near a color, no two alike.
pub fn shades(folder: &Path, name: &str, color: [u8; 3], count: usize) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    let shade = |n: usize| color.map(|channel| channel.saturating_add((7 * n % 23) as u8));
    (0..count)
        .map(|n| {
            let [r, g, b] = shade(n);
            picture(
                folder,
                &format!("{name} {n}.png"),
                [r, g, b.saturating_add(n as u8)],
            )
        })
        .collect()
}

pub fn open_teaching(window: &mut Window) {
    click(window, "Teach");
    assert!(shows(window, "Teach it your own things") || shows(window, "How well it does"));
}

/// Drops files while the pointer is on what has this name.
pub fn drop_on(window: &mut Window, label: &str, paths: &[PathBuf]) {
    let place = window.get_by_label(label).rect().center();
    window.hover_at(place);
    window.step();
    drop_files(window, paths);
}

pub fn learned(window: &mut Window) {
    until(window, "it is learned", |w| {
        shows(w, "Right for") && shows(w, "Try a photo") && !shows(w, "Learning\u{2026}")
    });
}

pub fn two_folders(folder: &Path) -> [PathBuf; 2] {
    two_folders_of(folder, 8)
}

pub fn two_folders_of(folder: &Path, photos: usize) -> [PathBuf; 2] {
    shades(&folder.join("apples"), "apple", RED, photos);
    shades(&folder.join("leaves"), "leaf", GREEN, photos);
    [folder.join("apples"), folder.join("leaves")]
}

#[test]
fn dropped_folders_become_classes_and_the_accuracy_is_told() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let mut window = Setup::default().open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders[..1]);
    until(&mut window, "the first class is there", |w| {
        shows(w, "Name of the class apples")
    });
    assert!(shows(
        &window,
        "Two classes with two photos each are needed"
    ));
    drop_files(&mut window, &folders[1..]);
    learned(&mut window);
    assert!(shows(&window, "Right for 100 % of new photos"));
    assert!(
        shows(&window, "Most likely between 81 and 100 %"),
        "Wilson, 16 of 16"
    );
    assert!(shows(&window, "8 photos, 100 % of them recognized"));
    assert!(shows(&window, "apple 3.png in apples"));
    // Everything is one undo away.
    click(&mut window, "Undo");
    assert!(!shows(&window, "Name of the class leaves"));
    assert!(shows(
        &window,
        "Two classes with two photos each are needed"
    ));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert!(shows(&window, "Teach it your own things"));
}

#[test]
fn a_folder_of_folders_becomes_its_classes() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    std::fs::write(folders[0].join("notes.txt"), "no photo").unwrap();
    let mut window = Setup::default().open();
    open_teaching(&mut window);
    drop_files(&mut window, &[dir.path().to_owned()]);
    learned(&mut window);
    assert!(shows(
        &window,
        "2 classes were made of the folders. 1 other file was passed over: no photo."
    ));
    for class in ["apples", "leaves"] {
        assert!(shows(&window, &format!("Name of the class {class}")));
    }
}

#[test]
fn drops_go_to_the_class_under_the_pointer() {
    let dir = tempdir().unwrap();
    let red = shades(dir.path(), "red", RED, 2);
    let green = shades(dir.path(), "green", GREEN, 3);
    let mut window = Setup::default().open();
    open_teaching(&mut window);
    click(&mut window, "Make the first class");
    // The name has the keyboard: typing renames it.
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    type_text(&mut window, "tomato");
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert!(shows(&window, "Name of the class tomato"));
    click(&mut window, "New class");
    window.key_press(Key::Enter);
    window.run_steps(3);
    drop_on(&mut window, "Name of the class tomato", &red);
    until(&mut window, "red is there", |w| {
        shows(w, "red 1.png in tomato")
    });
    drop_on(&mut window, "Name of the class Class 2", &green);
    until(&mut window, "green is there", |w| {
        shows(w, "green 2.png in Class 2")
    });
    learned(&mut window);
    // A photo is in one class: dropped on another one, it moves.
    drop_on(&mut window, "Name of the class tomato", &green[..1]);
    until(&mut window, "it moved", |w| {
        shows(w, "green 0.png in tomato")
    });
    assert!(!shows(&window, "green 0.png in Class 2"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert!(shows(&window, "green 0.png in Class 2"));
}

fn type_text(window: &mut Window, text: &str) {
    window
        .input_mut()
        .events
        .push(egui::Event::Text(text.to_owned()));
    window.step();
}

#[test]
fn names_that_are_taken_or_empty_are_refused() {
    let mut window = Setup::default().open();
    open_teaching(&mut window);
    click(&mut window, "Make the first class");
    window.key_press(Key::Enter);
    window.run_steps(3);
    click(&mut window, "New class");
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    type_text(&mut window, "class 1");
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert!(shows(&window, "Another class is called"));
    assert!(shows(&window, "Name of the class Class 2"));
    // Esc takes back what was typed, and goes nowhere.
    window.get_by_label("Name of the class Class 2").focus();
    window.run_steps(2);
    type_text(&mut window, "something");
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(shows(&window, "Name of the class Class 2"));
    click(&mut window, "Remove the class Class 1");
    assert!(!shows(&window, "Name of the class Class 1"));
    click(&mut window, "Undo");
    assert!(shows(&window, "Name of the class Class 1"));
}

#[test]
fn photos_are_taken_out_and_moved_by_keyboard() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let mut window = Setup {
        size: Some([1000.0, 1100.0]),
        ..Setup::default()
    }
    .open();
    window.key_press_modifiers(Modifiers::COMMAND, Key::T);
    window.run_steps(3);
    drop_files(&mut window, &folders);
    learned(&mut window);
    window.get_by_label("apple 2.png in apples").focus();
    window.run_steps(2);
    window.key_press(Key::Enter);
    window.run_steps(3);
    click(&mut window, "Move to leaves");
    assert!(shows(&window, "apple 2.png in leaves"));
    window.get_by_label("apple 1.png in apples").focus();
    window.run_steps(2);
    window.key_press(Key::Delete);
    window.run_steps(3);
    assert!(!shows(&window, "apple 1.png in"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert!(shows(&window, "apple 1.png in apples"));
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(
        shows(&window, "Drop a photo, know what it is"),
        "back to the photos"
    );
}

#[test]
fn photos_of_the_grid_are_named_and_taught() {
    let dir = tempdir().unwrap();
    shades(dir.path(), "x", BLUE, 4);
    let mut window = Setup::default().open();
    drop_files(&mut window, &[dir.path().to_owned()]);
    until_done(&mut window, 4);
    window
        .get_by_label_contains("x 1.png: ")
        .click_modifiers(Modifiers::COMMAND);
    window.run_steps(3);
    window
        .get_by_label_contains("x 2.png: ")
        .click_modifiers(Modifiers::SHIFT);
    window.run_steps(3);
    window.key_press(Key::F2);
    window.run_steps(3);
    assert!(shows(&window, "What do these 2 photos show?"));
    type_text(&mut window, "plum");
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert!(shows(
        &window,
        "2 photos are called \u{201c}plum\u{201d} now."
    ));
    assert!(shows(&window, "x 1.png: plum, as you said"));
    assert!(shows(&window, "x 0.png: blue thing"));
    window.get_by_label_contains("x 1.png: plum").click();
    until(&mut window, "it is shown", |w| shows(w, "You said: plum"));
    window.key_press(Key::Escape);
    window.run_steps(3);
    // The photos are taught, too.
    click(&mut window, "Teach");
    assert!(shows(&window, "x 2.png in plum"));
    click(&mut window, "Back to the photos");
    window.get_by_label_contains("x 0.png: ").click_secondary();
    window.run_steps(3);
    // The same words are on the button for the selected photos.
    let entry = window.get_all_by_label("This is a\u{2026}").last();
    entry.unwrap().click();
    window.run_steps(3);
    assert!(
        shows(&window, "This is: blue thing"),
        "what the program thought"
    );
    window.get_by_label("Learn from it, too").click();
    window.run_steps(2);
    click(&mut window, "This is: plum");
    assert!(shows(&window, "x 0.png: plum, as you said"));
    click(&mut window, "Teach");
    assert!(!shows(&window, "x 0.png in plum"), "only named");
    click(&mut window, "Back to the photos");
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert!(shows(&window, "x 0.png: blue thing"));
    window.get_by_label_contains("x 1.png: ").click_secondary();
    window.run_steps(3);
    click(&mut window, "Take your label back");
    assert!(!shows(&window, "as you said"), "both were selected");
    for _ in 0..2 {
        window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        window.run_steps(3);
    }
    assert!(shows(&window, "x 1.png: blue thing"));
    click(&mut window, "Teach");
    assert!(!shows(&window, "in plum"), "an undo takes both back");
}

#[test]
fn learning_can_be_stopped_and_taken_up_again() {
    let dir = tempdir().unwrap();
    let folders = two_folders(dir.path());
    let mut window = Setup {
        delay: Duration::from_millis(50),
        ..Setup::default()
    }
    .open();
    open_teaching(&mut window);
    drop_files(&mut window, &folders);
    until(&mut window, "it looks", |w| shows(w, "Looking at photos: "));
    click(&mut window, "Stop");
    assert!(shows(&window, "You stopped the learning"));
    click(&mut window, "Go on learning");
    learned(&mut window);
}
