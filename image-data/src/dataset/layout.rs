//! What a directory's names say about its layout. Nothing here opens an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::junk::{is_junk_file, is_junk_folder};
use super::part::Sample;
use crate::folder::{FolderError, is_image_name};

/// Names of the folder of training images.
pub(super) const TRAIN_NAMES: [&str; 2] = ["train", "training"];

/// Names of the folder of validation images, the first that is there counts.
pub const VAL_NAMES: [&str; 6] = ["val", "valid", "validation", "eval", "evaluation", "test"];

/// Files of class names beside shards whose labels are numbers: a name a line, in the order of the numbers.
pub(super) const CLASS_NAME_FILES: [&str; 3] = ["classes.txt", "class_names.txt", "labels.txt"];

/// Endings of files that hold many images each.
pub(super) const CONTAINERS: [&str; 2] = ["tar", "parquet"];

/// Endings of files that hold or name many images.
pub(super) const FILES_OF_IMAGES: [&str; 4] = ["tar", "parquet", "csv", "tsv"];

/// How deep wrappers are looked through: `archive/dataset/images/...`.
const MOST_WRAPPERS: usize = 3;

/// The names in a directory, without what nobody means as data.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Folders, sorted.
    pub folders: Vec<String>,
    /// Files, sorted.
    pub files: Vec<String>,
}

impl Listing {
    pub fn read(dir: &Path) -> Result<Self, FolderError> {
        let io = |reason| FolderError::Io {
            path: dir.to_owned(),
            reason,
        };
        let mut listing = Self::default();
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match std::fs::metadata(entry.path()) {
                Ok(kind) if kind.is_dir() && !is_junk_folder(&name) => listing.folders.push(name),
                Ok(kind) if !kind.is_dir() && !is_junk_file(&name) => listing.files.push(name),
                // Junk, or a dangling link.
                Ok(_) | Err(_) => {}
            }
        }
        listing.folders.sort();
        listing.files.sort();
        Ok(listing)
    }

    /// Whether there are images or files of images.
    fn holds_data(&self) -> bool {
        self.files.iter().any(|name| is_image_name(name))
            || !self.files_ending(&FILES_OF_IMAGES).is_empty()
    }

    /// The folder called by one of `names`, the first of them that is there; case does not matter.
    pub fn folder(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let found = self
                .folders
                .iter()
                .find(|folder| folder.eq_ignore_ascii_case(name));
            found.map(String::as_str)
        })
    }

    pub fn files_ending(&self, endings: &[&str]) -> Vec<&str> {
        let files = self.files.iter().map(String::as_str);
        files
            .filter(|name| endings.contains(&ending(Path::new(name)).as_str()))
            .collect()
    }
}

/// A file name's ending in lower case, without the dot.
pub(super) fn ending(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase()
}

/// `dir`, or what it only wraps: folders that hold nothing but one folder, down to one that holds several, or shards, or a
/// table. A split that holds one of its own name (`train/train/CLASS`) is such a wrapper.
pub(super) fn unwrapped(dir: &Path) -> Result<PathBuf, FolderError> {
    let mut inner = dir.to_owned();
    for _ in 0..MOST_WRAPPERS {
        let there = Listing::read(&inner)?;
        let [only] = there.folders.as_slice() else {
            break;
        };
        let is_split = TRAIN_NAMES.contains(&only.as_str()) || VAL_NAMES.contains(&only.as_str());
        let repeats = inner
            .file_name()
            .is_some_and(|name| name.to_string_lossy() == **only);
        if there.holds_data() || (is_split && !repeats) {
            break;
        }
        inner = inner.join(only);
    }
    let there = Listing::read(&inner)?;
    let is_worth = there.folders.len() > 1
        || there.folder(&TRAIN_NAMES).is_some()
        || !there.files_ending(&FILES_OF_IMAGES).is_empty();
    Ok(if is_worth { inner } else { dir.to_owned() })
}

/// Kaggle's ImageNet: `ILSVRC/Data/CLS-LOC/{train,val}`.
pub(super) fn kaggle(root: &Path) -> Option<PathBuf> {
    ["ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC"]
        .iter()
        .map(|inner| root.join(inner))
        .find(|path| path.join("train").is_dir())
}

/// ImageNet as it is downloaded.
pub(super) struct ImagenetTars {
    pub train: PathBuf,
    pub val: Option<PathBuf>,
}

pub(super) fn imagenet_tars(root: &Path, there: &Listing) -> Option<ImagenetTars> {
    let find = |part: &str| {
        let is_it = |name: &&String| {
            name.starts_with("ILSVRC201") && name.contains(part) && name.ends_with(".tar")
        };
        there.files.iter().find(is_it).map(|name| root.join(name))
    };
    Some(ImagenetTars {
        train: find("img_train")?,
        val: find("img_val"),
    })
}

/// Tar or Parquet files that name their split (`imagenet1k-validation-07.tar`, `train-00000-of-00294.parquet`), here or in
/// `data/`: those for training and those for validation.
pub(super) fn split_files(root: &Path, there: &Listing) -> Option<(Vec<PathBuf>, Vec<PathBuf>)> {
    let of = |dir: &Path, listing: &Listing| -> Vec<PathBuf> {
        let mut kinds = CONTAINERS
            .iter()
            .map(|ending| listing.files_ending(&[*ending]));
        let found = kinds.find(|names| !names.is_empty());
        let names = found.unwrap_or_default().into_iter();
        names.map(|name| dir.join(name)).collect()
    };
    let mut files = of(root, there);
    if files.is_empty() && there.folders.iter().any(|name| name == "data") {
        let data = root.join("data");
        files = of(&data, &Listing::read(&data).ok()?);
    }
    if files.is_empty() {
        return None;
    }
    let has_word = |path: &Path, words: &[&str]| {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
        parts.any(|part| words.contains(&part))
    };
    let is_train = |path: &&PathBuf| has_word(path, &TRAIN_NAMES);
    let train: Vec<PathBuf> = files.iter().filter(is_train).cloned().collect();
    let of_split = |names: &[&str]| -> Vec<PathBuf> {
        files
            .iter()
            .filter(|path| has_word(path, names))
            .cloned()
            .collect()
    };
    let val = VAL_NAMES
        .iter()
        .map(|name| of_split(&[name]))
        .find(|found| !found.is_empty())
        .unwrap_or_default();
    if !train.is_empty() {
        return Some((train, val));
    }
    val.is_empty().then_some((files, Vec::new()))
}

/// The table of a directory that holds no class folders: one of the usual names, or the only one.
pub(super) fn table(root: &Path, there: &Listing) -> Option<PathBuf> {
    let tables = there.files_ending(&["csv", "tsv"]);
    let usual = [
        "labels",
        "metadata",
        "data",
        "dataset",
        "train",
        "images",
        "annotations",
    ];
    let is_usual = |name: &&&str| {
        let stem = Path::new(name)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        usual.contains(&stem.as_str())
    };
    let found = tables.iter().find(is_usual).copied();
    let only = match tables.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    // ImageNet's own tables name boxes and solutions, not images.
    let name = found.or(only).filter(|name| !name.starts_with("LOC_"))?;
    Some(root.join(name))
}

/// `shards-{000000..000146}.tar` as its files; none where the name is no pattern.
pub(super) fn expand(path: &Path) -> Option<Vec<PathBuf>> {
    let text = path.to_str()?;
    let (before, rest) = text.split_once('{')?;
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let width = first.len();
    let (low, high): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    if high < low || high - low > 1_000_000 {
        return None;
    }
    Some(
        (low..=high)
            .map(|n| PathBuf::from(format!("{before}{n:0width$}{after}")))
            .collect(),
    )
}

/// Shards say their classes as numbers. A file of names beside them, or ImageNet's thousand, says what they are called.
pub(super) fn with_class_names(root: &Path, named: Vec<(String, Sample)>) -> Vec<(String, Sample)> {
    let numbers: Option<Vec<usize>> = named.iter().map(|(class, _)| class.parse().ok()).collect();
    let Some(numbers) = numbers else {
        return named;
    };
    let most = numbers.iter().max().copied().unwrap_or_default();
    let names = CLASS_NAME_FILES
        .iter()
        .filter_map(|name| std::fs::read_to_string(root.join(name)).ok())
        .map(|text| {
            text.lines()
                .map(|line| line.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .find(|names| names.len() > most);
    let counts: BTreeMap<usize, usize> = numbers.iter().fold(BTreeMap::new(), |mut counts, &n| {
        *counts.entry(n).or_default() += 1;
        counts
    });
    let names = names.or_else(|| {
        let imagenet = model_core::labels::imagenet1k();
        (counts.len() == imagenet.len() && most == imagenet.len() - 1).then(|| {
            imagenet
                .iter()
                .filter_map(|label| label.id.clone())
                .collect()
        })
    });
    let Some(names) = names else {
        return named;
    };
    let renamed = named.into_iter().zip(numbers);
    renamed
        .map(|((_, sample), number)| (names[number].clone(), sample))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_shards_are_expanded() {
        let shards = expand(Path::new("a/x-{008..010}.tar")).unwrap();
        let names: Vec<&str> = shards.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(names, ["a/x-008.tar", "a/x-009.tar", "a/x-010.tar"]);
        assert_eq!(expand(Path::new("a/x.tar")), None);
        assert_eq!(expand(Path::new("a/{1..0}.tar")), None);
    }
}
