//! Photos of classes, and what the backbone sees in them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::f16;
use image_data::decode::{DecodeConfig, read_file};
use inference::stream::{Failure, Source, StreamConfig};
use inference::{Cancel, Classifier, ClassifierConfig};
use model_core::RgbImage;
use model_core::resample::{Filter, resize};

use super::{Backbone, NONE_ID, NONE_NAME, TeachError, digest};
use crate::walk::{WalkEntry, is_hidden, is_photo, walk};

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
pub struct TrainingPhoto {
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

/// The class folders of a folder, and what of it is not taught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundClasses {
    /// The folders with photos in them, sorted by name.
    pub classes: Vec<ClassFolder>,
    /// Pictures beside the class folders: nothing says what they show.
    pub without_class: usize,
    /// Files that are hidden or no pictures.
    pub passed_over: usize,
}

/// The folders of `dir` with photos in them. Hidden folders are left out.
///
/// # Errors
/// [`TeachError::Folder`], or [`TeachError::NoClasses`] where no folder holds a photo.
pub fn find_classes(dir: &Path) -> Result<FoundClasses, TeachError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |reason| TeachError::Folder { path, reason }
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut found = FoundClasses::default();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let entry = entry.map_err(unreadable(dir))?;
        let path = entry.path();
        if !path.is_dir() {
            let is_photo = is_photo(&path);
            found.without_class += usize::from(is_photo);
            found.passed_over += usize::from(!is_photo);
        } else if !is_hidden(&entry.file_name()) {
            folders.push(path);
        }
    }
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut photos = Vec::new();
        for one in walk(&folder) {
            match one {
                WalkEntry::Photo(path) => photos.push(path),
                WalkEntry::PassedOver(_) => found.passed_over += 1,
                WalkEntry::Unreadable { path, reason } => {
                    let circle = || std::io::Error::other("it leads back to a folder above");
                    let reason = reason.unwrap_or_else(circle);
                    return Err(TeachError::Folder { path, reason });
                }
            }
        }
        if !photos.is_empty() {
            let none = [NONE_ID, NONE_NAME].contains(&name.replace('_', " ").as_str());
            found.classes.push(ClassFolder {
                class: (!none).then(|| name.into_owned()),
                photos,
            });
        }
    }
    if found.classes.iter().all(|folder| folder.class.is_none()) {
        return Err(TeachError::NoClasses {
            path: dir.to_owned(),
            found: 0,
        });
    }
    Ok(found)
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
    pub fn new(classifier: &Classifier, config: &ClassifierConfig) -> Result<Self, TeachError> {
        let backbone = Backbone::of(classifier)?;
        let network = backbone.classifier(config)?;
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
        decode: &DecodeConfig,
        cancel: &Cancel,
        mut each: impl FnMut(&Look<'_>),
    ) -> Result<Vec<TrainingPhoto>, TeachError> {
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
            match read_file(path, &decode.limits) {
                Ok(bytes) => {
                    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
                    hashes[index] = digest(&bytes);
                    Source::Bytes { name, bytes }
                }
                // The stream reads it once more, and says why it cannot.
                Err(_) => Source::File(path.to_path_buf()),
            }
        });
        let config = StreamConfig {
            top_k: 1,
            keep_input: true,
            decode: Some(*decode),
            cancel: cancel.clone(),
            ..StreamConfig::default()
        };
        let mut photos = Vec::with_capacity(list.len());
        self.network.stream(sources, &config, |answer| {
            let (folder, path) = list[answer.index];
            let failure = match answer.result {
                Ok(outcome) => {
                    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
                    let sha256 = std::mem::take(&mut hashes[answer.index]);
                    drop(hashes);
                    if sha256.is_empty() {
                        let changed = "it could be read the second time only: look again";
                        let failure = Some(Failure::Listing(changed.to_owned()));
                        each(&Look { path, failure });
                        return ControlFlow::Continue(());
                    }
                    photos.push(TrainingPhoto {
                        path: Some(path.to_owned()),
                        class: folder.class.clone(),
                        sha256,
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
        assert_eq!((found.without_class, found.passed_over), (1, 2));
        let names: Vec<_> = found
            .classes
            .iter()
            .map(|folder| (folder.class.as_deref(), folder.photos.len()))
            .collect();
        assert_eq!(names, [(Some("cat"), 1), (Some("dog"), 2), (None, 1)]);
        let error = find_classes(&dir.path().join("empty")).unwrap_err();
        assert!(matches!(error, TeachError::NoClasses { .. }), "{error}");
        let error = find_classes(&dir.path().join("missing")).unwrap_err();
        assert!(!error.to_string().contains("os error"), "{error}");
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
