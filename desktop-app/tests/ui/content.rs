//! An answer belongs to what was looked at: files that change, damage, and how often and how much of a photo is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use tempfile::tempdir;

use super::common::{Setup, drop_files, picture, until, until_done};
use super::{click, shows};

#[test]
fn a_file_that_was_overwritten_and_dropped_again_is_looked_at_again() {
    let dir = tempdir().unwrap();
    let photo = picture(dir.path(), "IMG_1.png", [250, 10, 10]);
    let other = picture(dir.path(), "other.png", [250, 10, 10]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &[photo.clone(), other.clone()]);
    until_done(&mut window, 2);
    picture(dir.path(), "IMG_1.png", [10, 10, 250]);
    drop_files(&mut window, &[photo.clone(), other]);
    until(&mut window, "the changed one is named anew", |w| {
        shows(w, "IMG_1.png: blue thing")
    });
    assert!(shows(&window, "other.png: red thing"));
    assert_eq!(window.state().photos().photos().len(), 2);
    picture(dir.path(), "IMG_1.png", [10, 250, 10]);
    drop_files(&mut window, &[photo]);
    until(&mut window, "alone it opens, with the new answer", |w| {
        shows(w, "green thing: ") && shows(w, "IMG_1.png, 40")
    });
}

#[test]
fn a_file_that_changed_before_it_was_opened_gets_no_old_answer() {
    let dir = tempdir().unwrap();
    let photos = ["a.png", "b.png"].map(|name| picture(dir.path(), name, [250, 10, 10]));
    let mut window = Setup::default().open();
    drop_files(&mut window, &photos);
    until_done(&mut window, 2);
    // As large as before, and as old: only the bytes tell.
    let modified = std::fs::metadata(&photos[0]).unwrap().modified().unwrap();
    let before = std::fs::metadata(&photos[0]).unwrap().len();
    picture(dir.path(), "a.png", [10, 10, 250]);
    assert_eq!(std::fs::metadata(&photos[0]).unwrap().len(), before);
    let file = std::fs::File::options()
        .append(true)
        .open(&photos[0])
        .unwrap();
    file.set_modified(modified).unwrap();
    drop(file);
    window.get_by_label_contains("a.png: red thing").click();
    until(&mut window, "it is looked at again", |w| {
        shows(w, "blue thing: ") && shows(w, "a.png has changed on disk")
    });
    assert!(!shows(&window, "red thing: 9"));
    // An editor saves it while it is open here; the user comes back to this window.
    picture(dir.path(), "a.png", [10, 250, 10]);
    window.event(egui::Event::WindowFocused(true));
    until(&mut window, "it is looked at once more", |w| {
        shows(w, "green thing: ")
    });
    // The heat map of an answer is made for the picture that was answered.
    window.key_press(Key::Num3);
    until(&mut window, "the heat map is there", |w| {
        shows(w, "what speaks for \u{201c}green thing\u{201d}")
    });
}

#[test]
fn one_photo_is_decoded_once_for_answer_picture_crop_and_heat_map() {
    let dir = tempdir().unwrap();
    let photo = picture(dir.path(), "a.png", [250, 10, 10]);
    let asked = Arc::default();
    let mut window = Setup {
        asked: Arc::clone(&asked),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &[photo]);
    until_done(&mut window, 1);
    until(&mut window, "the photo is shown", |w| shows(w, "a.png, 40"));
    click(&mut window, "Why");
    until(&mut window, "the heat map is there", |w| {
        shows(w, "what speaks for")
    });
    assert_eq!(window.state().decodes(), 1);
    assert!(asked.load(Ordering::Relaxed) >= 1);
}

#[test]
fn how_much_of_the_photo_was_seen_is_right_for_every_shape() {
    let dir = tempdir().unwrap();
    let mut window = Setup {
        real_models: true,
        ..Setup::default()
    }
    .open();
    // The built-in model: short side to 256 (or what it says), the middle square of 224.
    let manifest = inference::Classifier::embedded(&inference::ClassifierConfig::default())
        .unwrap()
        .model()
        .manifest
        .clone();
    let preprocessing = &manifest.preprocessing;
    for (width, height) in [(500_u32, 375_u32), (300, 300), (120, 480)] {
        let path = dir.path().join(format!("{width}x{height}.png"));
        image::RgbImage::from_pixel(width, height, image::Rgb([200, 90, 20]))
            .save(&path)
            .unwrap();
        let geometry = preprocessing.geometry(width, height);
        let seen = |crop: u32, resized: u32| (f64::from(crop) / f64::from(resized)).min(1.0);
        let part = seen(geometry.crop_width, geometry.resized_width)
            * seen(geometry.crop_height, geometry.resized_height);
        drop_files(&mut window, &[path]);
        until(&mut window, "the photo is shown", |w| {
            shows(w, &format!("{width}x{height}.png, {width}"))
        });
        window.key_press(Key::Num2);
        let words = format!("the middle {:.0} % of the photo", 100.0 * part);
        until(&mut window, &words, |w| shows(w, &words));
        window.key_press(Key::Num1);
        window.run_steps(2);
    }
}

#[test]
fn a_damaged_file_says_so_on_its_tile_and_beside_its_answer() {
    let dir = tempdir().unwrap();
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/cat.jpg");
    let mut bytes = std::fs::read(sample).unwrap();
    // Noise in the middle of the compressed data, which a decoder gets over.
    let middle = bytes.len() / 2;
    for (place, byte) in bytes[middle..middle + 400].iter_mut().enumerate() {
        *byte = (place * 37 % 251) as u8;
    }
    let damaged = dir.path().join("damaged.jpg");
    std::fs::write(&damaged, bytes).unwrap();
    let sound = picture(dir.path(), "sound.png", [250, 10, 10]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &[damaged, sound]);
    until_done(&mut window, 2);
    assert!(shows(&window, "damaged file"), "its tile says so");
    window.get_by_label_contains("damaged.jpg: ").click();
    until(&mut window, "it is shown", |w| shows(w, "Damaged file"));
    assert!(shows(&window, "Parts of the picture may be wrong"));
}

#[test]
fn an_answer_from_a_cameras_preview_says_so() {
    let dir = tempdir().unwrap();
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/samples/cat.jpg");
    let jpeg = std::fs::read(sample).unwrap();
    let raw = dir.path().join("P1010001.ORF");
    std::fs::write(&raw, [&b"IIRO\x08\0\0\0\0\0"[..], &jpeg].concat()).unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, &[raw]);
    until_done(&mut window, 1);
    assert!(shows(
        &window,
        "From the preview inside the camera's raw file."
    ));
}

#[test]
fn a_model_whose_classes_are_independent_names_all_that_are_there() {
    let dir = tempdir().unwrap();
    let yellow = picture(dir.path(), "yellow.png", [200, 190, 0]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &["/models/good any.onnx".into()]);
    until(&mut window, "the model is in use", |w| {
        shows(w, "Model: good any")
    });
    drop_files(&mut window, &[yellow]);
    until_done(&mut window, 1);
    assert!(shows(&window, "red thing, green thing"));
    assert!(shows(&window, "Each has a probability of its own"));
    assert!(!shows(&window, "Sure"));
    click(&mut window, "Back to all photos");
    assert!(shows(&window, "yellow.png: red thing, green thing"));
}

#[test]
fn where_fine_classes_disagree_the_word_above_them_answers() {
    let dir = tempdir().unwrap();
    let yellow = picture(dir.path(), "yellow.png", [200, 180, 20]);
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let mut window = Setup::default().open();
    drop_files(&mut window, &["/models/good words.onnx".into()]);
    until(&mut window, "the model is in use", |w| {
        shows(w, "Model: good words")
    });
    drop_files(&mut window, &[yellow, red]);
    until_done(&mut window, 2);
    assert!(shows(&window, "yellow.png: autumn thing"));
    assert!(
        shows(&window, "red.png: red thing"),
        "a class that is likely enough answers itself"
    );
    window.get_by_label_contains("yellow.png: ").click();
    until(&mut window, "it is open", |w| shows(w, "yellow.png, 40"));
    assert!(
        shows(&window, "Sure  95"),
        "the sum, and not the half of it"
    );
    assert!(
        shows(&window, "red thing: 50") && shows(&window, "green thing: 45"),
        "the classes below it stay in sight"
    );
}

#[test]
fn photos_are_read_as_the_model_was_trained_to() {
    let dir = tempdir().unwrap();
    // Blue that is transparent: white paper for a person, blue for PIL.
    let photo = dir.path().join("glass.png");
    image::RgbaImage::from_pixel(40, 30, image::Rgba([10, 10, 250, 0]))
        .save(&photo)
        .unwrap();
    let mut window = Setup::default().open();
    drop_files(&mut window, std::slice::from_ref(&photo));
    until_done(&mut window, 1);
    assert!(!shows(&window, "blue thing: 9"), "white is all colors");
    drop_files(&mut window, &["/models/good like PIL.onnx".into()]);
    until(&mut window, "the model is in use", |w| {
        shows(w, "Model: good like PIL")
    });
    drop_files(&mut window, &[photo]);
    until(&mut window, "it is looked at by that model", |w| {
        shows(w, "blue thing: 9")
    });
}
