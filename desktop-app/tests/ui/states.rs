//! Pictures of every state of the window, at its least size, its first one and twice as fine, light and dark, for a
//! person to look at: `WINDOW_STATES=FOLDER cargo test -p desktop-app --test ui -- --ignored states`. Each picture also
//! fails where a control reaches over the window's edge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use egui::accesskit::Role;
use egui::{Key, Modifiers, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tempfile::{TempDir, tempdir};

use super::common::{FakeDesktop, Setup, drop_files, until, until_done};
use super::looks::{BLUE, GRAY, GREEN, RED, landscape};
use super::{Window, click, shows};
use desktop_app::classify::ModelChoice;
use desktop_app::desktop::{ClipboardContent, FileResponse};
use desktop_app::samples;

/// Names of the sizes, points of the window, pixels of a point.
const SIZES: [(&str, [f32; 2], f32); 3] = [
    ("420", [420.0, 420.0], 1.0),
    ("1120", [1120.0, 780.0], 1.0),
    ("fine", [560.0, 430.0], 2.0),
];

struct Shots {
    folder: PathBuf,
    faults: Vec<String>,
}

impl Shots {
    /// One state in all sizes and both appearances.
    fn take(&mut self, window: &mut Window, name: &str) {
        for (size, [width, height], scale) in SIZES {
            window.set_size(vec2(width, height));
            window.set_pixels_per_point(scale);
            for (theme, appearance) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
                window.input_mut().system_theme = Some(theme);
                window.run_steps(8);
                let file = format!("{name}-{size}-{appearance}.png");
                window
                    .render()
                    .unwrap()
                    .save(self.folder.join(&file))
                    .unwrap();
            }
            self.check_edges(window, &format!("{name}-{size}"), width);
        }
        window.set_size(vec2(1120.0, 780.0));
        window.set_pixels_per_point(1.0);
        window.run_steps(4);
    }

    fn check_edges(&mut self, window: &Window, name: &str, width: f32) {
        let controls = [
            Role::Button,
            Role::TextInput,
            Role::ComboBox,
            Role::CheckBox,
            Role::Dialog,
        ];
        for role in controls {
            for node in window.query_all_by_role(role) {
                let rect = node.rect();
                if rect.left() < -0.5 || rect.right() > width + 0.5 {
                    let label = node.accesskit_node().label().unwrap_or_default();
                    self.faults
                        .push(format!("{name}: {role:?} '{label}' at {rect}"));
                }
            }
        }
    }
}

/// Photos, and one file that is none.
fn photos(folder: &Path, count: usize) -> Vec<PathBuf> {
    let mut photos: Vec<_> = (0..count)
        .map(|n| {
            let color = [RED, GREEN, BLUE, GRAY][n % 4];
            let name = match n {
                1 => "a very long name of a photo of the walk on the last evening of May.png"
                    .to_owned(),
                n => format!("{n:02} walk.png"),
            };
            landscape(folder, &name, color, n as f32 / count as f32)
        })
        .collect();
    let text = folder.join("notes.jpg");
    std::fs::write(&text, "no picture").unwrap();
    photos.insert(1, text);
    photos
}

fn open(desktop: &FakeDesktop, model: Option<&str>, delay: Duration) -> (Window, TempDir) {
    let settings = tempdir().unwrap();
    let window = Setup {
        drawn: true,
        delay,
        desktop: desktop.clone(),
        settings: Some(settings.path().to_owned()),
        model: model.map(|name| ModelChoice::File(format!("/models/{name}.onnx").into())),
        size: Some([1120.0, 780.0]),
        ..Setup::default()
    }
    .open();
    (window, settings)
}

fn ready(desktop: &FakeDesktop, model: Option<&str>) -> (Window, TempDir) {
    let (mut window, settings) = open(desktop, model, Duration::ZERO);
    until(&mut window, "model and samples are there", |w| {
        let samples = || samples::ALL.iter().map(|s| samples::texture(&w.ctx, s));
        shows(w, "Model: ") && !shows(w, "Loading") && samples().all(|texture| texture.is_some())
    });
    (window, settings)
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

fn choose(desktop: &FakeDesktop, path: &Path) {
    let chosen = FileResponse::Chosen(vec![path.to_owned()]);
    desktop.0.lock().unwrap().chosen = Some(chosen);
}

#[test]
#[ignore = "takes pictures for a person to look at"]
fn states() {
    let folder = std::env::var_os("WINDOW_STATES").expect("WINDOW_STATES=FOLDER");
    let mut shots = Shots {
        folder: folder.into(),
        faults: Vec::new(),
    };
    std::fs::create_dir_all(&shots.folder).unwrap();
    let dir = tempdir().unwrap();
    let desktop = FakeDesktop::default();
    empty_and_dialogs(&mut shots, &desktop);
    one_photo(&mut shots, &desktop, dir.path());
    grid(&mut shots, &desktop, dir.path());
    sorting(&mut shots, &desktop, dir.path());
    teaching(&mut shots, &desktop, dir.path());
    work_under_way(&mut shots, &desktop, dir.path());
    assert!(shots.faults.is_empty(), "{:#?}", shots.faults);
}

fn empty_and_dialogs(shots: &mut Shots, desktop: &FakeDesktop) {
    let (mut window, _settings) = ready(desktop, None);
    shots.take(&mut window, "01-empty");
    let file = egui::HoveredFile::default();
    window.input_mut().hovered_files = vec![file.clone(), file];
    window.step();
    shots.take(&mut window, "02-hovering");
    window.input_mut().hovered_files.clear();
    window.run_steps(4);
    for (name, modifiers, key) in [
        ("03-settings", Modifiers::COMMAND, Key::Comma),
        ("04-models", Modifiers::COMMAND, Key::M),
        ("05-keyboard", Modifiers::NONE, Key::F1),
        ("06-type-path", Modifiers::COMMAND, Key::L),
    ] {
        press(&mut window, modifiers, key);
        shots.take(&mut window, name);
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    press(&mut window, Modifiers::COMMAND, Key::Comma);
    click(&mut window, "Ways in\u{2026}");
    shots.take(&mut window, "07-ways-in");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::T);
    shots.take(&mut window, "08-teach-empty");
}

fn one_photo(shots: &mut Shots, desktop: &FakeDesktop, dir: &Path) {
    let (mut window, _settings) = ready(desktop, None);
    let sure = landscape(dir, "evening walk.png", RED, 0.3);
    drop_files(&mut window, &[sure]);
    until_done(&mut window, 1);
    until(&mut window, "it is shown", |w| shows(w, "320 \u{00d7} 240"));
    shots.take(&mut window, "10-photo");
    press(&mut window, Modifiers::NONE, Key::Num2);
    shots.take(&mut window, "11-what-it-saw");
    press(&mut window, Modifiers::NONE, Key::Num3);
    until(&mut window, "the heat map is there", |w| {
        shows(w, "what speaks for")
    });
    shots.take(&mut window, "12-why");
    press(&mut window, Modifiers::NONE, Key::F2);
    shots.take(&mut window, "13-this-is-a");
    press(&mut window, Modifiers::NONE, Key::Escape);
    let gray = landscape(dir, "fog.png", GRAY, 0.6);
    drop_files(&mut window, &[gray]);
    until_done(&mut window, 2);
    shots.take(&mut window, "14-not-sure");
    let text = dir.join("letter.jpg");
    std::fs::write(&text, "no picture").unwrap();
    drop_files(&mut window, &[text, "/models/wrong.onnx".into()]);
    until_done(&mut window, 3);
    window
        .get_by_role_and_label(Role::Button, "letter.jpg: This is not a photo, but text.")
        .click();
    window.run_steps(6);
    shots.take(&mut window, "15-error");
}

fn grid(shots: &mut Shots, desktop: &FakeDesktop, dir: &Path) {
    let (mut window, _settings) = ready(desktop, None);
    let folder = dir.join("grid");
    std::fs::create_dir(&folder).unwrap();
    drop_files(&mut window, &photos(&folder, 24));
    until_done(&mut window, 25);
    window.run_steps(10);
    shots.take(&mut window, "20-grid");
    click(&mut window, "More");
    shots.take(&mut window, "21-more");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_label("Show: All").click();
    window.run_steps(4);
    shots.take(&mut window, "22-group-choice");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window
        .get_by_label_contains("02 walk.png: ")
        .click_secondary();
    window.run_steps(4);
    shots.take(&mut window, "23-tile-menu");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::A);
    shots.take(&mut window, "24-selected");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::F);
    window
        .input_mut()
        .events
        .push(egui::Event::Text("unicorn".to_owned()));
    window.run_steps(4);
    shots.take(&mut window, "25-nothing-passes");
    click(&mut window, "Remove all");
    shots.take(&mut window, "26-removed");
}

fn sorting(shots: &mut Shots, desktop: &FakeDesktop, dir: &Path) {
    let (mut window, _settings) = ready(desktop, Some("good words"));
    let folder = dir.join("sorting");
    std::fs::create_dir(&folder).unwrap();
    drop_files(&mut window, &photos(&folder, 12));
    until_done(&mut window, 13);
    choose(desktop, Path::new("/home/me/sorted"));
    press(&mut window, Modifiers::COMMAND, Key::S);
    until(&mut window, "the plan is there", |w| {
        shows(w, "Nothing is overwritten")
    });
    shots.take(&mut window, "30-sort");
    click(&mut window, "Each photo\u{2019}s way");
    window.run_steps(20);
    shots.take(&mut window, "31-sort-ways");
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "More");
    click(&mut window, "Copy labels as keywords\u{2026}");
    until(&mut window, "the keywords are there", |w| {
        shows(w, "Labels as keywords")
    });
    shots.take(&mut window, "32-keywords");
    press(&mut window, Modifiers::NONE, Key::Escape);
}

fn teaching(shots: &mut Shots, desktop: &FakeDesktop, dir: &Path) {
    let (mut window, _settings) = ready(desktop, Some("good taught"));
    let folder = dir.join("seasons");
    let classes = [
        ("autumn", RED, 12),
        ("summer", GREEN, 30),
        ("winter", BLUE, 5),
    ];
    for (name, color, count) in classes {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..count {
            let shade = color.map(|c| c.saturating_add((n * 3) as u8));
            landscape(&folder, &format!("{name} {n}.png"), shade, n as f32 / 31.0);
        }
    }
    landscape(&folder.join("summer"), "stray.png", RED, 0.72);
    std::fs::write(folder.join("winter/broken.jpg"), "no picture").unwrap();
    press(&mut window, Modifiers::COMMAND, Key::T);
    drop_files(&mut window, std::slice::from_ref(&folder));
    super::teach::learned(&mut window);
    let thumbnails = |w: &Window| w.state().thumbnails_held().1 >= 30;
    until(&mut window, "the pictures are there", thumbnails);
    shots.take(&mut window, "40-teach");
    click(&mut window, "Dismiss");
    click(&mut window, "Go on from \u{201c}good taught\u{201d}");
    until(&mut window, "its classes are there", |w| {
        shows(w, "Name of the class plums")
    });
    super::teach::learned(&mut window);
    choose(desktop, &folder.join("autumn/autumn 3.png"));
    window.set_size(vec2(1120.0, 2400.0));
    window.run_steps(4);
    click(&mut window, "Try a photo\u{2026}");
    until(&mut window, "it was tried", |w| shows(w, "autumn 3.png: "));
    shots.take(&mut window, "41-teach-on");
    window.run_steps(8);
    window
        .get_by_label_contains("autumn 2.png in autumn")
        .click();
    window.run_steps(4);
    shots.take(&mut window, "42-teach-menu");
    // Another size may have closed the menu; then Esc leads away from here.
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::T);
    choose(desktop, &folder.join("good seasons.onnx"));
    click(&mut window, "Save as a model\u{2026}");
    until(&mut window, "it is saved", |w| shows(w, "The model is in "));
    shots.take(&mut window, "43-teach-saved");
}

fn work_under_way(shots: &mut Shots, desktop: &FakeDesktop, dir: &Path) {
    let (mut window, _settings) = open(desktop, None, Duration::from_secs(5));
    let folder = dir.join("slow");
    std::fs::create_dir(&folder).unwrap();
    desktop.0.lock().unwrap().slow = true;
    click(&mut window, "Paste");
    until(&mut window, "it waits", |w| {
        shows(w, "Waiting for the program")
    });
    drop_files(&mut window, &photos(&folder, 24));
    until(&mut window, "they are looked at", |w| {
        shows(w, "Looking at 2 of")
    });
    shots.take(&mut window, "50-looking-and-waiting");
    let empty = desktop_app::desktop::ClipboardProblem::TooLarge;
    let reply = desktop.0.lock().unwrap().open_pastes.pop().unwrap();
    reply(ClipboardContent::Nothing(empty));
    until(&mut window, "it says why", |w| {
        shows(w, "too large to be pasted")
    });
    click(&mut window, "Cancel");
    until(&mut window, "it has stopped", |w| shows(w, "not looked at"));
    shots.take(&mut window, "51-stopped-with-a-notice");
}
