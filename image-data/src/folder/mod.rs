//! Labeled images on disk: torchvision's `ImageFolder`, to the order of its samples, and ImageNet's flat `val/`.
//! Lists files; opens none of the images.

mod error;
mod imagenet;
mod index;
mod listing;
mod matlab;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model_core::labels::{ClassMatcher, Label};
use rayon::prelude::*;

use crate::dataset::{Sample, is_junk_folder};

pub use error::FolderError;
pub(crate) use imagenet::open_flat_members;
pub use index::FolderIndex;

/// torchvision's `IMG_EXTENSIONS`, compared without case.
pub const EXTENSIONS: [&str; 9] = [
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
];

/// A labeled data set.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it lies.
    pub root: PathBuf,
    /// Class names in Python's `sorted` order; a class's index is its place here.
    pub classes: Vec<String>,
    /// Every image, in torchvision's order.
    pub samples: Vec<Sample>,
    /// How the labels were found, one line for the log: `"1,281,167 images in 1,000 class folders"`.
    pub description: String,
    /// What is wrong with parts of it, a line each: a tar file that ends in the middle.
    pub notes: Vec<String>,
}

impl Folder {
    /// Opens `dir`: class folders as `torchvision.datasets.ImageFolder`, or a flat ImageNet `val/` with the devkit's
    /// or Kaggle's labels near it. [`Folder::description`] says which.
    ///
    /// # Errors
    /// [`FolderError`], naming what was expected and what is there.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, FolderError> {
        Self::open_indexed(dir, None)
    }

    /// [`Folder::open`]; what `index` knows of the class folders is not listed again, and what it does not is kept there.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_indexed(
        dir: impl AsRef<Path>,
        index: Option<&FolderIndex>,
    ) -> Result<Self, FolderError> {
        let root = dir.as_ref();
        let (mut classes, mut files, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for entry in read_dir(root)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            // `metadata` follows links, as `os.scandir(...).is_dir()` does.
            match std::fs::metadata(entry.path()) {
                Ok(kind) if kind.is_dir() && is_junk_folder(&name) => left_out.push(name),
                Ok(kind) if kind.is_dir() => classes.push(name),
                Ok(_) => files.push(name),
                // A dangling link is neither.
                Err(_) => {}
            }
        }
        classes.sort();
        if classes.is_empty() {
            return imagenet::open_flat(root, &files);
        }
        refuse_splits(root, &classes)?;
        let listings = index::list(root, &classes, index)?;
        let names = classes.iter().zip(&listings);
        let empty: Vec<&str> = names
            .filter(|(_, listing)| listing.len() == 0)
            .map(|(name, _)| name.as_str())
            .collect();
        if empty.len() == classes.len() {
            // Class folders beside flat images: a devkit folder next to the pictures, say.
            if files
                .iter()
                .any(|name| imagenet::validation_number(name).is_some())
            {
                return imagenet::open_flat(root, &files);
            }
        }
        if !empty.is_empty() {
            return Err(FolderError::EmptyClasses {
                path: root.to_owned(),
                count: empty.len(),
                classes: some(&empty),
                extensions: EXTENSIONS.join(" "),
            });
        }
        let samples: Vec<Sample> = listings
            .par_iter()
            .enumerate()
            .flat_map_iter(|(class, listing)| {
                listing.paths().map(move |path| Sample::file(path, class))
            })
            .collect();
        drop(listings);
        let mut description = format!(
            "{} images in {} class folders",
            thousands(samples.len()),
            thousands(classes.len())
        );
        if !left_out.is_empty() {
            left_out.sort();
            let names: Vec<&str> = left_out.iter().map(String::as_str).collect();
            description.push_str(&format!(" (left out: {})", some(&names)));
        }
        Ok(Self {
            root: root.to_owned(),
            classes,
            samples,
            description,
            notes: Vec::new(),
        })
    }

    /// The same images under a model's labels: each class is found among them (see [`ClassMatcher`]) and takes its index. There
    /// may be fewer classes than labels.
    ///
    /// # Errors
    /// [`FolderError::UnknownClasses`] where a class is none of the labels.
    pub fn with_labels(self, labels: &[Label]) -> Result<Self, FolderError> {
        let matcher = ClassMatcher::new(labels);
        let found: Vec<Option<usize>> = self
            .classes
            .iter()
            .map(|class| matcher.find(class).ok())
            .collect();
        let unknown: Vec<&str> = self
            .classes
            .iter()
            .zip(&found)
            .filter(|(_, index)| index.is_none())
            .map(|(class, _)| class.as_str())
            .collect();
        if !unknown.is_empty() {
            return Err(FolderError::UnknownClasses {
                path: self.root,
                count: unknown.len(),
                total: found.len(),
                classes: some(&unknown),
            });
        }
        let samples = self
            .samples
            .into_iter()
            .filter_map(|sample| {
                Some(Sample {
                    class: found[sample.class]?,
                    ..sample
                })
            })
            .collect();
        let classes = labels
            .iter()
            .map(|label| label.id.as_ref().unwrap_or(&label.name).clone())
            .collect();
        Ok(Self {
            classes,
            samples,
            ..self
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Images of each class, `[classes]`.
    pub fn images_per_class(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for sample in &self.samples {
            counts[sample.class] += 1;
        }
        counts
    }
}

/// Checks that training and validation data name the same classes, so that an index means the same in both.
///
/// # Errors
/// [`FolderError::ClassMismatch`] with the first classes missing on either side.
pub fn same_classes(train: &Folder, val: &Folder) -> Result<(), FolderError> {
    if train.classes == val.classes {
        return Ok(());
    }
    let a: BTreeSet<&str> = train.classes.iter().map(String::as_str).collect();
    let b: BTreeSet<&str> = val.classes.iter().map(String::as_str).collect();
    let only = |x: &BTreeSet<&str>, y: &BTreeSet<&str>, place: &Path| {
        let names: Vec<&str> = x.difference(y).copied().collect();
        (!names.is_empty()).then(|| format!("only in {}: {}", place.display(), some(&names)))
    };
    let parts: Vec<String> = [only(&a, &b, &train.root), only(&b, &a, &val.root)]
        .into_iter()
        .flatten()
        .collect();
    let mut difference = parts.join("; ");
    if a.is_disjoint(&b) {
        difference.push_str(" (not one name in common: is one of them the wrong folder, or named by words and not by WordNet ids?)");
    }
    Err(FolderError::ClassMismatch {
        train: train.root.clone(),
        train_classes: train.classes.len(),
        val: val.root.clone(),
        val_classes: val.classes.len(),
        difference,
    })
}

/// Whether torchvision would take this file name for an image.
pub fn is_image_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    EXTENSIONS
        .iter()
        .any(|extension| lower.ends_with(extension))
}

fn refuse_splits(root: &Path, classes: &[String]) -> Result<(), FolderError> {
    const SPLITS: [&str; 5] = ["train", "training", "val", "valid", "validation"];
    let splits: Vec<&str> = classes
        .iter()
        .map(String::as_str)
        .filter(|name| SPLITS.contains(name))
        .collect();
    let known = |name: &String| SPLITS.contains(&name.as_str()) || name == "test";
    if splits.len() >= 2 && classes.iter().all(known) {
        return Err(FolderError::Splits {
            path: root.to_owned(),
            splits: splits.join(", "),
            first: splits[0].to_owned(),
        });
    }
    Ok(())
}

fn read_dir(dir: &Path) -> Result<Vec<std::fs::DirEntry>, FolderError> {
    let fail = |reason| FolderError::Io {
        path: dir.to_owned(),
        reason,
    };
    std::fs::read_dir(dir)
        .map_err(fail)?
        .collect::<Result<_, _>>()
        .map_err(fail)
}

pub(crate) fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|g| std::str::from_utf8(g).ok())
        .collect();
    groups.join(",")
}
