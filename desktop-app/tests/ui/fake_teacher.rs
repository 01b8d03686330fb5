//! A teacher that sees only colors, so that what it learns can be foreseen. The learning itself is the real one.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use desktop_app::classify::{Cancel, Classify, ModelCard};
use desktop_app::problem::{Problem, of_reading};
use desktop_app::teach::{Looked, Teach};
use model_core::reading::ReadingConfig;
use photos::teach::{Lesson, TrainingPhoto};

use super::common::Colors;

/// Sees the mean color of a photo.
pub struct ColorTeacher {
    /// How long it looks at each photo.
    pub delay: Duration,
    /// What its model was taught from.
    pub kept: Vec<TrainingPhoto>,
}

impl ColorTeacher {
    /// Six blue photos of plums and four gray ones of nothing that is taught.
    pub fn kept_plums() -> Vec<TrainingPhoto> {
        let photo = |n: u8, class: Option<&str>, color: [f32; 3]| TrainingPhoto {
            path: None,
            class: class.map(str::to_owned),
            sha256: format!("{n:064}"),
            print: u64::from(n) * 0x0123_4567_89ab_cdef,
            features: color.map(|channel| channel + f32::from(n) / 200.0).to_vec(),
        };
        let plums = (0..6).map(|n| photo(n, Some("plums"), [0.1, 0.15, 0.8]));
        let nothing = (6..10).map(|n| photo(n, None, [0.5, 0.5, 0.5]));
        plums.chain(nothing).collect()
    }
}

fn see(path: &Path) -> Result<TrainingPhoto, Problem> {
    let bytes = std::fs::read(path).map_err(|error| of_reading(&error))?;
    let picture = image::load_from_memory(&bytes)
        .map_err(|_| Problem::new("This is not a photo.", "Choose another file."))?
        .into_rgb8();
    let mut sums = [0.0_f32; 3];
    for pixel in picture.pixels() {
        for (sum, byte) in sums.iter_mut().zip(pixel.0) {
            *sum += f32::from(byte);
        }
    }
    let pixels = picture.pixels().len() as f32;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    let hash = hasher.finish();
    Ok(TrainingPhoto {
        path: Some(path.to_owned()),
        class: None,
        sha256: format!("{hash:064x}"),
        print: hash,
        features: sums.map(|sum| sum / pixels / 255.0).to_vec(),
    })
}

impl Teach for ColorTeacher {
    fn look(
        &self,
        photos: &[PathBuf],
        cancel: &Cancel,
        each: &mut dyn FnMut(&Path),
    ) -> Result<Option<Vec<Looked>>, Problem> {
        let mut looked = Vec::new();
        for path in photos {
            std::thread::sleep(self.delay);
            if cancel.is_cancelled() {
                return Ok(None);
            }
            looked.push((path.clone(), see(path)));
            each(path);
        }
        Ok(Some(looked))
    }

    fn kept(&self) -> &[TrainingPhoto] {
        &self.kept
    }

    fn to_onnx(&self, lesson: &Lesson, name: &str) -> Result<Vec<u8>, Problem> {
        let labels: Vec<String> = lesson
            .labels()
            .into_iter()
            .map(|label| label.name)
            .collect();
        Ok(format!("{name}: {}", labels.join(", ")).into_bytes())
    }

    fn open(&self, onnx: Vec<u8>) -> Result<Arc<dyn Classify>, Problem> {
        assert!(onnx.starts_with(b"taught: "), "what `to_onnx` made");
        Ok(Arc::new(Colors {
            card: ModelCard {
                name: "taught".to_owned(),
                classes: 3,
                input: [32, 32],
                ..ModelCard::default()
            },
            delay: Duration::ZERO,
            asked: Arc::default(),
            words: None,
            reading: ReadingConfig::default(),
        }))
    }
}
