//! A classifier and a desktop that tests can foresee, and a window over them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use desktop_app::classify::{
    Cancel, Classify, ModelCard, ModelSource, OpenModel, Prediction, Problem,
};
use desktop_app::desk::{Answer, Desk, Pasted, Pick, Picked};
use desktop_app::heat::Heat;
use desktop_app::platform::WindowSystem;
use desktop_app::settings::Store;
use desktop_app::ui::{App, Parts};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use model_core::RgbImage;

/// Names a photo by its dominant color. Sees 32 x 32 pixels.
pub struct Colors {
    pub card: ModelCard,
    pub delay: Duration,
    pub asked: Arc<AtomicUsize>,
}

impl Classify for Colors {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn classify(&self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>, String> {
        std::thread::sleep(self.delay);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut sums = [1.0_f32; 3];
        for pixel in image.data.chunks_exact(3) {
            for (sum, byte) in sums.iter_mut().zip(pixel) {
                *sum += f32::from(*byte);
            }
        }
        let total: f32 = sums.iter().sum();
        let mut found: Vec<_> = ["red thing", "green thing", "blue thing"]
            .iter()
            .zip(sums)
            .enumerate()
            .map(|(index, (label, sum))| Prediction {
                index,
                id: None,
                label: (*label).to_owned(),
                probability: sum / total,
                present: None,
            })
            .collect();
        found.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        found.truncate(k);
        Ok(found)
    }

    fn crop(&self, _: &RgbImage) -> RgbImage {
        RgbImage::new(32, 32, vec![90; 32 * 32 * 3]).unwrap()
    }

    fn crop_in_photo(&self, width: u32, height: u32) -> [f64; 4] {
        let side = f64::from(width.min(height));
        [0.0, 0.0, side, side]
    }

    fn explain(&self, _: &RgbImage, index: usize, cancel: &Cancel) -> Result<Option<Heat>, String> {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let importance: Vec<f32> = (0..32 * 32).map(|i| i as f32 / 2048.0).collect();
        Heat::new(32, 32, &importance, index).map(Some)
    }
}

/// Opens `Colors`; a file must be called `good*.onnx`.
#[derive(Default)]
pub struct Opener {
    pub delay: Duration,
    pub asked: Arc<AtomicUsize>,
}

impl OpenModel for Opener {
    fn open(&self, source: &ModelSource) -> Result<Arc<dyn Classify>, Problem> {
        let name = source.short_name();
        if matches!(source, ModelSource::File(_)) && !name.starts_with("good") {
            return Err(Problem::new(
                "Expected an ONNX model, got something else.",
                "Choose a file made by export-onnx.",
            ));
        }
        let name = if *source == ModelSource::Embedded {
            "colors".to_owned()
        } else {
            name
        };
        let card = ModelCard {
            name,
            source: source.clone(),
            classes: 3,
            input: [32, 32],
            engine: "fake".to_owned(),
            ..ModelCard::default()
        };
        Ok(Arc::new(Colors {
            card,
            delay: self.delay,
            asked: Arc::clone(&self.asked),
        }))
    }
}

/// Answers dialogs and pastes with what was laid out, and notes what was asked.
#[derive(Clone, Default)]
pub struct FakeDesk(pub Arc<Mutex<Laid>>);

#[derive(Default)]
pub struct Laid {
    pub picked: Option<Picked>,
    pub pasted: Option<Pasted>,
    pub asked: Vec<Pick>,
}

impl Desk for FakeDesk {
    fn pick(&self, what: Pick, answer: Answer<Picked>) {
        let mut laid = self.0.lock().unwrap();
        laid.asked.push(what);
        answer(laid.picked.take().unwrap_or(Picked::Closed));
    }

    fn paste(&self, answer: Answer<Pasted>) {
        answer(
            self.0
                .lock()
                .unwrap()
                .pasted
                .take()
                .unwrap_or(Pasted::Nothing("the clipboard is empty".to_owned())),
        );
    }
}

/// How to open a window for a test.
#[derive(Default)]
pub struct Setup {
    pub delay: Duration,
    pub desk: FakeDesk,
    pub asked: Arc<AtomicUsize>,
    pub settings: Option<PathBuf>,
    pub paths: Vec<PathBuf>,
    pub model: Option<ModelSource>,
    pub default_model: ModelSource,
    pub window_system: Option<WindowSystem>,
    pub size: Option<[f32; 2]>,
    /// Draws with wgpu, so that pictures can be taken.
    pub drawn: bool,
    /// The appearance that the harness imposes.
    pub dark: bool,
}

impl Setup {
    pub fn open(self) -> Harness<'static, App> {
        let [width, height] = self.size.unwrap_or([1000.0, 700.0]);
        let builder = Harness::builder()
            .with_size(egui::vec2(width, height))
            .with_max_steps(64)
            .with_render_cursor(false)
            .with_theme(if self.dark {
                egui::Theme::Dark
            } else {
                egui::Theme::Light
            })
            .allow_missing_glyphs();
        let builder = if self.drawn { builder.wgpu() } else { builder };
        builder.build_eframe(move |creation| {
            let parts = Parts {
                opener: Arc::new(Opener {
                    delay: self.delay,
                    asked: self.asked,
                }),
                desk: Box::new(self.desk),
                store: Store::in_folder(self.settings),
                paths: self.paths,
                model: self.model,
                default_model: self.default_model,
                window_system: self.window_system.unwrap_or(WindowSystem::X11),
                renderer: "nothing".to_owned(),
                threads: 2,
                frame_log: None,
            };
            App::new(&creation.egui_ctx, parts).unwrap()
        })
    }
}

/// Steps until `done`, or fails after ten seconds saying what was waited for.
pub fn until(
    harness: &mut Harness<'static, App>,
    what: &str,
    done: impl Fn(&Harness<'static, App>) -> bool,
) {
    let begun = Instant::now();
    loop {
        harness.step();
        if done(harness) {
            harness.step();
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until every photo was looked at, and the search that found them has ended, which another thread says.
pub fn until_done(harness: &mut Harness<'static, App>, photos: usize) {
    until(harness, &format!("{photos} photos are done"), |harness| {
        let counts = harness.state().session().counts();
        let searching = harness
            .query_all_by_label_contains("Looking for photos")
            .next()
            .is_some();
        counts.done + counts.failed == photos && counts.pending == 0 && !searching
    });
}

/// A picture of one color.
pub fn picture(folder: &Path, name: &str, rgb: [u8; 3]) -> PathBuf {
    let path = folder.join(name);
    image::RgbImage::from_pixel(40, 30, image::Rgb(rgb))
        .save(&path)
        .unwrap();
    path
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

/// Drops files as the toolkit does.
pub fn drop_files(harness: &mut Harness<'static, App>, paths: &[PathBuf]) {
    for path in paths {
        harness
            .input_mut()
            .dropped_files
            .push(Arc::new(Dropped(path.clone())));
    }
    harness.step();
}
