//! A classifier and a desktop that tests can foresee, and a window over them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use desktop_app::classify::{
    Answers, Cancel, Classify, Found, ModelCard, ModelChoice, OpenModel, Prediction, Region,
};
use desktop_app::desktop::{
    ClipboardContent, ClipboardProblem, Desktop, FileRequest, FileResponse, ParentWindow, Reply,
};
use desktop_app::heat_map::HeatMap;
use desktop_app::platform::WindowSystem;
use desktop_app::problem::Problem;
use desktop_app::settings_store::SettingsStore;
use desktop_app::teach::Teach;
use desktop_app::ui::{App, AppParts};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use model_core::RgbImage;
use model_core::hierarchy::{DEFAULT_AT_LEAST, GroupSpec, Hierarchy};
use model_core::labels::Label;
use model_core::reading::ReadingConfig;

use super::fake_teacher::ColorTeacher;

/// Names a photo by its dominant color. Sees 32 x 32 pixels.
pub struct Colors {
    pub card: ModelCard,
    pub delay: Duration,
    pub asked: Arc<AtomicUsize>,
    /// Words above the colors.
    pub words: Option<Hierarchy>,
    /// How it was trained to read photos.
    pub reading: ReadingConfig,
}

fn color_labels() -> Vec<Label> {
    ["red thing", "green thing", "blue thing"]
        .map(|name| Label {
            id: None,
            name: name.to_owned(),
        })
        .to_vec()
}

/// "autumn thing" covers red and green.
fn color_words() -> Hierarchy {
    let autumn = GroupSpec {
        id: None,
        name: "autumn thing".to_owned(),
        members: ["red thing", "green thing"].map(str::to_owned).to_vec(),
    };
    Hierarchy::of(&color_labels(), Some(&[autumn]))
        .unwrap()
        .unwrap()
}

impl Classify for Colors {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn reading(&self) -> ReadingConfig {
        self.reading
    }

    fn classify(&self, image: &RgbImage, k: usize) -> Result<Found, Problem> {
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
        let probabilities = sums.map(|sum| sum / total);
        let everyday = self
            .words
            .as_ref()
            .and_then(|words| words.answer(&probabilities, &color_labels(), DEFAULT_AT_LEAST));
        Ok(Found {
            predictions: found,
            everyday,
        })
    }

    fn above(&self, classes: &[usize]) -> Vec<String> {
        let groups = self.words.as_ref().map(|words| words.path(classes));
        let groups = groups.unwrap_or_default();
        groups.into_iter().map(|group| group.name.clone()).collect()
    }

    fn crop(&self, image: &RgbImage) -> RgbImage {
        // The middle square of the photo, as the region says; a crop of another place would show.
        let region = self.crop_in_photo(image.width, image.height);
        let at = |row: u32, column: u32| {
            let part = |from: f64, length: f64, step: u32, size: u32| {
                let place = (from + length * (f64::from(step) + 0.5) / 32.0) * f64::from(size);
                (place as u32).min(size - 1)
            };
            let x = part(region.left, region.width, column, image.width);
            let y = part(region.top, region.height, row, image.height);
            let place = 3 * (y * image.width + x) as usize;
            image.data[place..place + 3].to_vec()
        };
        let pixels = (0..32).flat_map(|row| (0..32).flat_map(move |column| at(row, column)));
        RgbImage::new(32, 32, pixels.collect()).unwrap()
    }

    fn crop_in_photo(&self, width: u32, height: u32) -> Region {
        let side = f64::from(width.min(height));
        let (width, height) = (f64::from(width), f64::from(height));
        Region {
            left: (width - side) / 2.0 / width,
            top: (height - side) / 2.0 / height,
            width: side / width,
            height: side / height,
        }
    }

    fn explain(
        &self,
        image: &RgbImage,
        index: usize,
        cancel: &Cancel,
    ) -> Result<Option<HeatMap>, Problem> {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        // As the real one, it speaks only of classes that there are, and of pictures that it can classify.
        if !self
            .classify(image, 3)?
            .predictions
            .iter()
            .any(|found| found.index == index)
        {
            return Err(Problem::new("There is no such class.", "Report this."));
        }
        let importance: Vec<f32> = (0..32 * 32).map(|i| i as f32 / 2048.0).collect();
        Ok(Some(HeatMap::new(32, 32, &importance, index)))
    }
}

/// Opens `Colors`; a file must be called `good*.onnx`.
#[derive(Default)]
pub struct Opener {
    pub delay: Duration,
    pub asked: Arc<AtomicUsize>,
}

impl OpenModel for Opener {
    fn open(&self, choice: &ModelChoice) -> Result<Arc<dyn Classify>, Problem> {
        let name = choice.short_name();
        if matches!(choice, ModelChoice::File(_)) && !name.starts_with("good") {
            return Err(Problem::new(
                "Expected an ONNX model, got something else.",
                "Choose a file made by export-onnx.",
            ));
        }
        let name = if *choice == ModelChoice::Embedded {
            "colors".to_owned()
        } else {
            name
        };
        let card = ModelCard {
            title: name.clone(),
            name,
            source: choice.clone(),
            classes: 3,
            input: [32, 32],
            engine: "fake".to_owned(),
            answers: if name_says(choice, "any") {
                Answers::MultiLabel
            } else {
                Answers::SingleLabel
            },
            threshold: 0.3,
            ..ModelCard::default()
        };
        Ok(Arc::new(Colors {
            card,
            delay: self.delay,
            asked: Arc::clone(&self.asked),
            words: name_says(choice, "words").then(color_words),
            reading: if name_says(choice, "like PIL") {
                ReadingConfig::TORCHVISION
            } else {
                ReadingConfig::default()
            },
        }))
    }

    fn teacher(&self, base: &ModelChoice) -> Result<Arc<dyn Teach>, Problem> {
        if name_says(base, "round") {
            return Err(Problem::new(
                "Nothing can be taught on top of this.",
                "Build on another model.",
            ));
        }
        let kept = match name_says(base, "taught") {
            true => ColorTeacher::kept_plums(),
            false => Vec::new(),
        };
        let delay = self.delay;
        Ok(Arc::new(ColorTeacher { delay, kept }))
    }
}

fn name_says(choice: &ModelChoice, word: &str) -> bool {
    choice.short_name().contains(word)
}

/// Answers dialogs and pastes with what was laid out, and notes what was asked.
#[derive(Clone, Default)]
pub struct FakeDesktop(pub Arc<Mutex<Laid>>);

#[derive(Default)]
pub struct Laid {
    pub chosen: Option<FileResponse>,
    pub copied: Option<ClipboardContent>,
    pub asked: Vec<FileRequest>,
    pub shown_in_folder: Vec<PathBuf>,
    /// Dialogs stay open and pastes are slow, until they are answered through here.
    pub slow: bool,
    pub open_dialogs: Vec<Reply<FileResponse>>,
    pub open_pastes: Vec<Reply<ClipboardContent>>,
}

impl Desktop for FakeDesktop {
    fn choose_files(&self, request: FileRequest, _: &dyn ParentWindow, reply: Reply<FileResponse>) {
        let mut laid = self.0.lock().unwrap();
        laid.asked.push(request);
        if laid.slow {
            laid.open_dialogs.push(reply);
        } else {
            reply(laid.chosen.take().unwrap_or(FileResponse::Closed));
        }
    }

    fn read_clipboard(&self, reply: Reply<ClipboardContent>) {
        let mut laid = self.0.lock().unwrap();
        if laid.slow {
            laid.open_pastes.push(reply);
        } else {
            reply(
                laid.copied
                    .take()
                    .unwrap_or(ClipboardContent::Nothing(ClipboardProblem::Empty)),
            );
        }
    }

    fn show_in_folder(&self, file: &Path) {
        self.0.lock().unwrap().shown_in_folder.push(file.to_owned());
    }
}

/// How to open a window for a test.
#[derive(Default)]
pub struct Setup {
    pub delay: Duration,
    pub desktop: FakeDesktop,
    /// The real models in place of the colors.
    pub real_models: bool,
    pub asked: Arc<AtomicUsize>,
    pub settings: Option<PathBuf>,
    pub paths: Vec<PathBuf>,
    pub model: Option<ModelChoice>,
    pub default_model: ModelChoice,
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
            let parts = AppParts {
                opener: if self.real_models {
                    Arc::new(desktop_app::engine::ModelOpener::default())
                } else {
                    Arc::new(Opener {
                        delay: self.delay,
                        asked: self.asked,
                    })
                },
                desktop: Box::new(self.desktop),
                store: SettingsStore::in_folder(self.settings),
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

/// Steps until `done`, or fails after a minute saying what was waited for.
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
            begun.elapsed() < Duration::from_secs(60),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until every photo was looked at, and the search that found them has ended, which another thread says.
pub fn until_done(harness: &mut Harness<'static, App>, photos: usize) {
    until(harness, &format!("{photos} photos are done"), |harness| {
        let counts = harness.state().photos().counts();
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
