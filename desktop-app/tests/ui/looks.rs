//! Pictures of the main states, compared with the ones in `tests/snapshots`, so that no change of looks goes unseen.
//!
//! They are drawn by a software Vulkan driver (Mesa's lavapipe), which draws alike on every machine but for
//! roundings; where there is none, each test says that it was skipped. `UPDATE_SNAPSHOTS=1 cargo test -p desktop-app
//! --test ui looks` takes them anew: look at each.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eframe::wgpu;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::tempdir;

use super::common::{FakeDesktop, Setup, drop_files, until, until_done};
use super::{Window, click, shows};
use desktop_app::desktop::FileResponse;
use desktop_app::samples;
use desktop_app::settings::{Appearance, Settings};
use desktop_app::settings_store::SettingsStore;

/// A channel may differ by this much: another rounding of a blend.
const ROUNDING: u8 = 12;

/// Pixels that may differ by more, of half a million. A label moved by one pixel changes over a thousand.
const STRAY_PIXELS: usize = 60;

/// True when a software Vulkan driver is there; else says what is skipped, past the test harness's capture.
fn can_draw(what: &str) -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        let instance = pollster::block_on(egui_kittest::wgpu::default_wgpu_setup().new_instance());
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN))
            .iter()
            .any(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu)
    });
    if !found {
        let said = format!(
            "SKIPPED: the picture '{what}': no software Vulkan driver (Debian: mesa-vulkan-drivers)"
        );
        let mut past_the_capture = std::io::stderr();
        writeln!(past_the_capture, "{said}").unwrap();
    }
    found
}

/// How many pixels differ by more than a rounding; all of them when the sizes do.
fn different(a: &RgbaImage, b: &RgbaImage) -> usize {
    if a.dimensions() != b.dimensions() {
        return a.pixels().len().max(b.pixels().len());
    }
    a.pixels()
        .zip(b.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > ROUNDING))
        .count()
}

fn updating() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.png"))
}

/// Draws the window. What differs from run to run (times) is painted over.
fn draw(window: &mut Window) -> RgbaImage {
    window.run_steps(12);
    let times: Vec<_> = window
        .query_all_by_label_contains("Looked at in")
        .map(|node| node.rect())
        .collect();
    let mut image = window.render().unwrap();
    for rect in times {
        for y in rect.top() as u32..=rect.bottom() as u32 {
            // As wide as the longest: another number of digits must not matter.
            for x in rect.left() as u32..rect.left() as u32 + 320 {
                image.put_pixel(x, y, Rgba([128, 128, 128, 255]));
            }
        }
    }
    image
}

fn looks_as_before(window: &mut Window, name: &str) {
    let drawn = draw(window);
    let path = kept(name);
    if updating() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let rgb = image::DynamicImage::ImageRgba8(drawn).into_rgb8();
        let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive)
            .write_image(&rgb, rgb.width(), rgb.height(), ExtendedColorType::Rgb8)
            .unwrap();
        return;
    }
    let before = image::open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into_rgba8();
    let found = different(&drawn, &before);
    if found > STRAY_PIXELS {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        drawn.save(&out).unwrap();
        panic!(
            "{name}: {found} pixels are not as in {} (at most {STRAY_PIXELS} may differ). Now it looks like {}. If that is meant, take the \
             picture anew with UPDATE_SNAPSHOTS=1",
            path.display(),
            out.display()
        );
    }
}

/// A landscape whose strongest color is known: the sky shades into the ground, with a sun.
pub(super) fn landscape(folder: &Path, name: &str, [r, g, b]: [u8; 3], sun: f32) -> PathBuf {
    let path = folder.join(name);
    let picture = RgbImage::from_fn(320, 240, |x, y| {
        let (u, v) = (x as f32 / 320.0, y as f32 / 240.0);
        let round = (u - sun).hypot((v - 0.3) * 0.75) < 0.09;
        let ridge = 0.62 + 0.1 * (9.0 * u + 7.0 * sun).sin() + 0.04 * (23.0 * u).sin();
        let light = match (round, v > ridge) {
            (true, _) => 1.6,
            (_, true) => 0.35,
            _ => 0.65 + 0.5 * v,
        };
        Rgb([r, g, b].map(|channel| (f32::from(channel) * light).min(255.0) as u8))
    });
    picture.save(&path).unwrap();
    path
}

pub(super) const RED: [u8; 3] = [225, 70, 40];
pub(super) const GREEN: [u8; 3] = [60, 170, 80];
pub(super) const BLUE: [u8; 3] = [50, 90, 210];
pub(super) const GRAY: [u8; 3] = [120, 118, 121];

fn open() -> Window {
    open_in(Appearance::Light)
}

fn open_in(appearance: Appearance) -> Window {
    open_with(appearance, FakeDesktop::default())
}

fn open_with(appearance: Appearance, desktop: FakeDesktop) -> Window {
    let folder = tempdir().unwrap();
    let stored = Settings {
        appearance,
        ..Settings::default()
    };
    let path = Some(folder.path().to_owned());
    SettingsStore::in_folder(path.clone())
        .save(&Settings::default(), &stored)
        .unwrap();
    let mut window = Setup {
        drawn: true,
        desktop,
        dark: appearance == Appearance::Dark,
        size: Some([900.0, 620.0]),
        settings: path,
        ..Setup::default()
    }
    .open();
    until(&mut window, "the model and the samples are loaded", |w| {
        let samples = || samples::ALL.iter().map(|s| samples::texture(&w.ctx, s));
        shows(w, "Model: colors") && samples().all(|texture| texture.is_some())
    });
    window
}

fn with_a_photo(folder: &Path, color: [u8; 3]) -> Window {
    let mut window = open();
    drop_files(
        &mut window,
        &[landscape(folder, "evening walk.png", color, 0.3)],
    );
    until_done(&mut window, 1);
    until(&mut window, "the photo is shown", |w| {
        shows(w, "320 \u{00d7} 240 pixels")
    });
    window
}

fn with_a_grid(mut window: Window, folder: &Path) -> Window {
    let mut photos: Vec<_> = (0..11)
        .map(|n| {
            let color = [RED, GREEN, BLUE, GRAY][n % 4];
            landscape(folder, &format!("{n:02} walk.png"), color, n as f32 / 11.0)
        })
        .collect();
    let text = folder.join("notes.jpg");
    std::fs::write(&text, "no picture").unwrap();
    photos.insert(5, text);
    drop_files(&mut window, &photos);
    until_done(&mut window, 12);
    window
}

#[test]
fn empty() {
    if can_draw("empty") {
        looks_as_before(&mut open(), "empty");
    }
}

#[test]
fn hovering() {
    if can_draw("hovering") {
        let mut window = open();
        let file = egui::HoveredFile::default();
        window.input_mut().hovered_files = vec![file.clone(), file.clone(), file];
        looks_as_before(&mut window, "hovering");
    }
}

#[test]
fn one_result() {
    if can_draw("one-result") {
        let dir = tempdir().unwrap();
        looks_as_before(&mut with_a_photo(dir.path(), RED), "one-result");
    }
}

#[test]
fn not_sure() {
    if can_draw("not-sure") {
        let dir = tempdir().unwrap();
        looks_as_before(&mut with_a_photo(dir.path(), GRAY), "not-sure");
    }
}

#[test]
fn grid() {
    if can_draw("grid") {
        let dir = tempdir().unwrap();
        looks_as_before(&mut with_a_grid(open(), dir.path()), "grid");
    }
}

#[test]
fn error() {
    if can_draw("error") {
        let dir = tempdir().unwrap();
        let text = dir.path().join("letter.jpg");
        std::fs::write(&text, "no picture").unwrap();
        let mut window = open();
        drop_files(&mut window, &[text, "/models/wrong.onnx".into()]);
        until_done(&mut window, 1);
        until(&mut window, "the model is refused", |w| {
            shows(w, "\u{201c}colors\u{201d} stays in use")
        });
        // The same words are read aloud by the status line.
        let tile = "letter.jpg: This is not a photo, but text.";
        window.get_by_role_and_label(Role::Button, tile).click();
        until(&mut window, "the error is shown", |w| {
            shows(w, "This could not be looked at") && shows(w, "letter.jpg: could not be read")
        });
        looks_as_before(&mut window, "error");
    }
}

#[test]
fn dark() {
    if can_draw("dark") {
        let dir = tempdir().unwrap();
        looks_as_before(
            &mut with_a_grid(open_in(Appearance::Dark), dir.path()),
            "dark",
        );
    }
}

#[test]
fn teach_empty() {
    if can_draw("teach-empty") {
        let mut window = open();
        click(&mut window, "Teach");
        looks_as_before(&mut window, "teach-empty");
    }
}

/// Three classes, of which one has a photo of another.
#[test]
fn teach() {
    if can_draw("teach") {
        let dir = tempdir().unwrap();
        let classes = [
            ("autumn", RED, 12),
            ("summer", GREEN, 11),
            ("winter", BLUE, 5),
        ];
        for (name, color, count) in classes {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            for n in 0..count {
                let shade = color.map(|c| c.saturating_add((n * 3) as u8));
                landscape(&folder, &format!("{name} {n}.png"), shade, n as f32 / 14.0);
            }
        }
        landscape(&dir.path().join("summer"), "stray.png", RED, 0.72);
        let mut window = open();
        click(&mut window, "Teach");
        drop_files(&mut window, &[dir.path().to_owned()]);
        super::teach::learned(&mut window);
        click(&mut window, "Dismiss");
        until(&mut window, "the pictures are there", |w| {
            w.state().thumbnails_held().1 >= 24
        });
        looks_as_before(&mut window, "teach");
    }
}

#[test]
fn sort() {
    if can_draw("sort") {
        let dir = tempdir().unwrap();
        let desktop = FakeDesktop::default();
        let into = FileResponse::Chosen(vec!["/home/me/sorted".into()]);
        desktop.0.lock().unwrap().chosen = Some(into);
        let mut window = with_a_grid(open_with(Appearance::Light, desktop), dir.path());
        window.key_press_modifiers(Modifiers::COMMAND, Key::S);
        until(&mut window, "the plan is there", |w| {
            shows(w, "Nothing is overwritten")
        });
        looks_as_before(&mut window, "sort");
    }
}

#[test]
fn settings() {
    if can_draw("settings") {
        let mut window = open_in(Appearance::Dark);
        window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
        looks_as_before(&mut window, "settings");
    }
}

/// The comparison can fail: a button that moved by one pixel, a word that changed its weight of color, a view that is
/// not there.
#[test]
fn a_broken_layout_is_seen() {
    // While the pictures are taken anew there is nothing to compare with.
    if updating() {
        return;
    }
    let whole = image::open(kept("empty")).unwrap().into_rgba8();
    assert_eq!(different(&whole, &whole), 0);
    let (width, height) = whole.dimensions();
    assert!(
        different(&whole, &RgbaImage::new(width, height + 1)) > 100 * STRAY_PIXELS,
        "another size"
    );
    // Everything below the top bar, one pixel lower.
    let mut lower = whole.clone();
    for y in 61..height {
        for x in 0..width {
            lower.put_pixel(x, y, *whole.get_pixel(x, y - 1));
        }
    }
    assert!(different(&whole, &lower) > 10 * STRAY_PIXELS);
    if can_draw("a broken layout") {
        let mut window = open();
        assert!(different(&draw(&mut window), &whole) <= STRAY_PIXELS);
        window.get_by_label("Open photos\u{2026}").hover();
        let hovered = different(&draw(&mut window), &whole);
        assert!(
            hovered > STRAY_PIXELS,
            "a button under the pointer: {hovered}"
        );
        let dir = tempdir().unwrap();
        drop_files(&mut window, &[landscape(dir.path(), "x.png", RED, 0.5)]);
        until_done(&mut window, 1);
        click(&mut window, "Back to all photos");
        assert!(different(&draw(&mut window), &whole) > 100 * STRAY_PIXELS);
    }
}
