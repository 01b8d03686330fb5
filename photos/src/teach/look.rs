//! Photos of classes, and what the backbone sees in them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::f16;
use image_data::decode::DecodeOptions;
use image_data::formats::looks_like_picture;
use inference::stream::{Failure, Source, StreamOptions};
use inference::{Cancel, Classifier, Options};
use model_core::RgbImage;
use model_core::resample::{Filter, resize};

use super::{Backbone, NONE_ID, NONE_NAME, TeachError, hex};
use crate::walk::{is_hidden, walk};

/// A folder of photos of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolder {
    /// The class: the folder's name; none for a folder called `none`, whose photos show nothing that is taught.
    pub class: Option<String>,
    /// Its photos, in the natural order of names.
    pub photos: Vec<PathBuf>,
}

/// A photo as the backbone sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// The file; none for one that an earlier lesson kept.
    pub path: Option<PathBuf>,
    /// Its class; none for a photo of nothing that is taught.
    pub class: Option<String>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// A coarse picture in 64 bits: photos that differ in few of them look alike.
    pub print: u64,
    /// The backbone's numbers, exact in float16, so that they are the same once kept in a file.
    pub features: Vec<f32>,
}

/// What is told of each photo while it is looked at.
#[derive(Debug)]
pub struct Look<'a> {
    /// The photo.
    pub path: &'a Path,
    /// Why it could not be used, if it could not.
    pub failure: Option<Failure>,
}

/// The folders of `dir` with photos in them, sorted by name. Hidden folders and files are left out.
///
/// # Errors
/// [`TeachError::Folder`], or [`TeachError::NoClasses`] where no folder holds a photo.
pub fn find_classes(dir: &Path) -> Result<Vec<ClassFolder>, TeachError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |reason| TeachError::Folder { path, reason }
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let entry = entry.map_err(unreadable(dir))?;
        if !is_hidden(&entry.file_name()) && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    let mut classes = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut photos = Vec::new();
        for entry in walk(&folder) {
            let entry = entry.map_err(|error| TeachError::Folder {
                path: error.path().unwrap_or(&folder).to_owned(),
                reason: error.into(),
            })?;
            let is_meant = entry.file_type().is_file() && !is_hidden(entry.file_name());
            if is_meant && looks_like_picture(entry.path()) {
                photos.push(entry.into_path());
            }
        }
        if !photos.is_empty() {
            let none = [NONE_ID, NONE_NAME].contains(&name.replace('_', " ").as_str());
            classes.push(ClassFolder {
                class: (!none).then(|| name.into_owned()),
                photos,
            });
        }
    }
    let taught = classes.iter().filter(|folder| folder.class.is_some());
    match taught.count() {
        0 => Err(TeachError::NoClasses {
            path: dir.to_owned(),
            found: 0,
        }),
        _ => Ok(classes),
    }
}

/// Looks at photos.
pub struct Teacher {
    backbone: Backbone,
    network: Classifier,
}

impl Teacher {
    /// A teacher who sees photos as `classifier` does.
    ///
    /// # Errors
    /// [`TeachError::NoLinearEnd`], or what keeps the backbone from running.
    pub fn new(classifier: &Classifier, options: &Options) -> Result<Self, TeachError> {
        let backbone = Backbone::of(classifier)?;
        let network = backbone.classifier(options)?;
        Ok(Self { backbone, network })
    }

    /// The part of the model that is kept.
    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// The backbone's numbers for one preprocessed image.
    pub(super) fn features(&self, input: &[f32]) -> Result<Vec<f32>, TeachError> {
        Ok(self.network.logits_of(input)?)
    }

    /// Looks at every photo; `each` hears of each in turn. Photos that cannot be read are left out.
    ///
    /// # Errors
    /// When the network fails or somebody asks to stop.
    pub fn look(
        &self,
        classes: &[ClassFolder],
        decode: &DecodeOptions,
        cancel: &Cancel,
        mut each: impl FnMut(&Look<'_>),
    ) -> Result<Vec<Photo>, TeachError> {
        let list: Vec<(&ClassFolder, &Path)> = classes
            .iter()
            .flat_map(|folder| {
                folder
                    .photos
                    .iter()
                    .map(move |path| (folder, path.as_path()))
            })
            .collect();
        // Files are hashed where they are read; the answers come later, in the same order.
        let hashes = Mutex::new(vec![String::new(); list.len()]);
        let sources = list.iter().enumerate().map(|(index, (_, path))| {
            let name = path.display().to_string();
            match std::fs::read(path) {
                Ok(bytes) => {
                    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
                    hashes[index] = hex(&bytes);
                    Source::Bytes { name, bytes }
                }
                Err(error) => Source::Failed {
                    name,
                    error: format!("cannot be read: {error}"),
                },
            }
        });
        let options = StreamOptions {
            top_k: 1,
            keep_input: true,
            decode: Some(*decode),
            cancel: cancel.clone(),
            ..StreamOptions::default()
        };
        let mut photos = Vec::with_capacity(list.len());
        self.network.stream(sources, &options, |answer| {
            let (folder, path) = list[answer.index];
            let failure = match answer.result {
                Ok(outcome) => {
                    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
                    photos.push(Photo {
                        path: Some(path.to_owned()),
                        class: folder.class.clone(),
                        sha256: std::mem::take(&mut hashes[answer.index]),
                        print: outcome.input.map_or(0, |(crop, _)| print(&crop)),
                        features: outcome.output.into_iter().map(round).collect(),
                    });
                    None
                }
                Err(failure) => Some(failure),
            };
            each(&Look { path, failure });
            ControlFlow::Continue(())
        })?;
        Ok(photos)
    }
}

/// To float16 and back.
fn round(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}

/// Whether each of 8 x 8 spots is brighter than its right neighbor ("dHash", Krawetz 2013).
fn print(crop: &RgbImage) -> u64 {
    let small = resize(crop, 9, 8, Filter::Bilinear);
    let bright = |x: u32, y: u32| {
        let pixel = &small.row(y)[3 * x as usize..][..3];
        299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2])
    };
    (0..64).fold(0, |bits, at| {
        let (x, y) = (at % 8, at / 8);
        bits << 1 | u64::from(bright(x, y) > bright(x + 1, y))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_photos_are_classes() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "only a name").unwrap();
        };
        for name in [
            "dog/b.jpg",
            "dog/sub/a.png",
            "dog/notes.txt",
            "cat/x.jpg",
            ".git/y.jpg",
        ] {
            put(name);
        }
        put("none/z.jpg");
        put("empty/notes.txt");
        put("loose.jpg");
        let found = find_classes(dir.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|folder| (folder.class.as_deref(), folder.photos.len()))
            .collect();
        assert_eq!(names, [(Some("cat"), 1), (Some("dog"), 2), (None, 1)]);
        let error = find_classes(&dir.path().join("empty")).unwrap_err();
        assert!(matches!(error, TeachError::NoClasses { .. }), "{error}");
        assert!(find_classes(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn a_picture_and_its_brighter_copy_have_one_print() {
        let mut image = RgbImage::filled(64, 48, [0; 3]).unwrap();
        for (at, value) in image.data.iter_mut().enumerate() {
            *value = ((at / 3) * 7 % 101) as u8;
        }
        let brighter = RgbImage {
            data: image.data.iter().map(|value| value + 60).collect(),
            ..image.clone()
        };
        let flipped = RgbImage {
            data: image.data.iter().rev().copied().collect(),
            ..image.clone()
        };
        let distance = |a: &RgbImage, b: &RgbImage| (print(a) ^ print(b)).count_ones();
        assert!(distance(&image, &brighter) <= 3);
        assert!(distance(&image, &flipped) > 10);
    }
}
