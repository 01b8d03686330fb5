//! ImageNet's validation images as they are distributed: 50,000 files in one folder, the labels in another file.
//! The devkit numbers classes in an order of its own (`ILSVRC2012_ID`, not sorted), so its numbers go through
//! `meta.mat` (or `map_clsloc.txt`) to WordNet ids; sorted, those give torchvision's class indices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Folder, FolderError, matlab, some, thousands};
use crate::dataset::Sample;

const KAGGLE: &str = "LOC_val_solution.csv";
const DEVKIT: [&str; 2] = [
    "ILSVRC2012_validation_ground_truth.txt",
    "ILSVRC2015_clsloc_validation_ground_truth.txt",
];
/// The largest label file worth reading; Kaggle's CSV is 6 MB.
const MAX_LABEL_BYTES: u64 = 64 << 20;

/// `ILSVRC2012_val_00000001.JPEG` is number 1.
pub(super) fn validation_number(name: &str) -> Option<usize> {
    let stem = name
        .rsplit_once('.')
        .filter(|(_, e)| e.eq_ignore_ascii_case("jpeg") || e.eq_ignore_ascii_case("jpg"))?
        .0;
    let digits = stem.strip_prefix("ILSVRC2012_val_")?;
    (digits.len() == 8)
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|&n| n > 0)
}

/// Opens a folder that holds files and no class folders.
pub(super) fn open_flat(root: &Path, files: &[String]) -> Result<Folder, FolderError> {
    let images: Vec<(usize, &str)> = files
        .iter()
        .filter_map(|name| Some((validation_number(name)?, name.as_str())))
        .collect();
    if images.is_empty() {
        let pictures = files
            .iter()
            .filter(|name| super::is_image_name(name))
            .count();
        let found = match (files.len(), pictures) {
            (0, _) => "an empty folder".to_owned(),
            (n, 0) => format!("{n} files and no folder"),
            (_, n) => format!("{n} images without folders"),
        };
        return Err(FolderError::NoClasses {
            path: root.to_owned(),
            found,
        });
    }
    let members = images
        .into_iter()
        .map(|(_, name)| (name.to_owned(), Sample::file(root.join(name), 0)))
        .collect();
    open_flat_members(root, members)
}

/// Labels validation images by their file names, wherever their bytes lie.
pub(crate) fn open_flat_members(
    root: &Path,
    members: Vec<(String, Sample)>,
) -> Result<Folder, FolderError> {
    let mut images: Vec<(usize, String, Sample)> = members
        .into_iter()
        .filter_map(|(name, sample)| Some((validation_number(&name)?, name, sample)))
        .collect();
    images.sort_by_key(|(number, ..)| *number);
    let Some(labels) = find_labels(root)? else {
        return Err(FolderError::NoLabels {
            path: root.to_owned(),
            images: images.len(),
        });
    };
    let classes: Vec<String> = labels
        .by_number
        .values()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    let mut samples = Vec::with_capacity(images.len());
    let mut unlabeled = Vec::new();
    for (number, name, sample) in images {
        match labels
            .by_number
            .get(&number)
            .and_then(|wnid| classes.binary_search(wnid).ok())
        {
            Some(class) => samples.push(Sample { class, ..sample }),
            None => unlabeled.push(name),
        }
    }
    if !unlabeled.is_empty() {
        let names: Vec<&str> = unlabeled.iter().map(String::as_str).collect();
        let reason = format!(
            "expected a label for every image in {}, got none for {}: {}",
            root.display(),
            unlabeled.len(),
            some(&names)
        );
        return Err(FolderError::Labels {
            path: labels.path,
            reason,
        });
    }
    let description = format!(
        "{} images of a flat ImageNet val/ in {} classes, labeled by {}",
        thousands(samples.len()),
        thousands(classes.len()),
        labels.from
    );
    Ok(Folder {
        root: root.to_owned(),
        classes,
        samples,
        description,
        notes: Vec::new(),
    })
}

struct Labels {
    path: PathBuf,
    /// For the log.
    from: String,
    /// Number of the validation image -> WordNet id.
    by_number: BTreeMap<usize, String>,
}

/// Looks beside the images and up to two folders above, the devkit's usual places included.
fn find_labels(root: &Path) -> Result<Option<Labels>, FolderError> {
    let absolute = std::path::absolute(root).map_err(|reason| FolderError::Io {
        path: root.to_owned(),
        reason,
    })?;
    let mut places = Vec::new();
    for base in absolute.ancestors().take(3) {
        places.push(base.to_owned());
        for inner in [
            "ILSVRC2012_devkit_t12/data",
            "ILSVRC2012_devkit_t12",
            "devkit/data",
            "devkit",
            "data",
        ] {
            places.push(base.join(inner));
        }
        // Kaggle's archive: ILSVRC/Data/CLS-LOC/val beside LOC_val_solution.csv.
        places.push(base.join("ILSVRC"));
    }
    // Kaggle keeps its CSV two folders higher than the others.
    places.extend(absolute.ancestors().skip(3).take(2).map(Path::to_owned));
    for place in &places {
        let csv = place.join(KAGGLE);
        if csv.is_file() {
            return kaggle(csv).map(Some);
        }
        for name in DEVKIT {
            let truth = place.join(name);
            if truth.is_file() {
                return devkit(truth).map(Some);
            }
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    use std::io::Read;
    let io = |reason| FolderError::Io {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_LABEL_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_LABEL_BYTES {
        let reason =
            format!("expected a label file of at most {MAX_LABEL_BYTES} bytes, got a larger one");
        return Err(FolderError::Labels {
            path: path.to_owned(),
            reason,
        });
    }
    Ok(bytes)
}

fn lines(path: &Path) -> Result<Vec<String>, FolderError> {
    let text = String::from_utf8(read(path)?).map_err(|_| FolderError::Labels {
        path: path.to_owned(),
        reason: "expected a text file, got bytes that are not UTF-8".to_owned(),
    })?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

/// `ImageId,PredictionString` with `ILSVRC2012_val_00048981,n03995372 85 1 499 272 ...`.
fn kaggle(path: PathBuf) -> Result<Labels, FolderError> {
    let mut by_number = BTreeMap::new();
    for (at, line) in lines(&path)?.iter().enumerate() {
        if line.is_empty() || (at == 0 && line.starts_with("ImageId")) {
            continue;
        }
        let parsed = line.split_once(',').and_then(|(image, boxes)| {
            let number = validation_number(&format!("{image}.JPEG"))?;
            let wnid = boxes.split_whitespace().next().filter(|w| is_wnid(w))?;
            Some((number, wnid.to_owned()))
        });
        let Some((number, wnid)) = parsed else {
            let reason = format!(
                "line {}: expected `ILSVRC2012_val_00000001,n01440764 ...`, got `{}`",
                at + 1,
                clip(line)
            );
            return Err(FolderError::Labels { path, reason });
        };
        by_number.insert(number, wnid);
    }
    Ok(Labels {
        from: path.display().to_string(),
        path,
        by_number,
    })
}

/// One `ILSVRC2012_ID` a line, image after image; the ids' names are in `meta.mat` or `map_clsloc.txt` beside it.
fn devkit(truth: PathBuf) -> Result<Labels, FolderError> {
    let place = truth.parent().unwrap_or(Path::new("")).to_owned();
    let (names_from, names) = synsets(&place, &truth)?;
    let mut by_number = BTreeMap::new();
    for (at, line) in lines(&truth)?.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        let Some(wnid) = line.parse::<u32>().ok().and_then(|id| names.get(&id)) else {
            let reason = format!(
                "line {}: expected one of the {} class ids in {}, got `{}`",
                at + 1,
                names.len(),
                names_from.display(),
                clip(line)
            );
            return Err(FolderError::Labels {
                path: truth,
                reason,
            });
        };
        by_number.insert(at + 1, wnid.clone());
    }
    let from = format!("{} through {}", truth.display(), names_from.display());
    Ok(Labels {
        path: truth,
        from,
        by_number,
    })
}

/// `ILSVRC2012_ID` -> WordNet id.
fn synsets(place: &Path, truth: &Path) -> Result<(PathBuf, BTreeMap<u32, String>), FolderError> {
    let meta = [place.join("meta.mat"), place.join("meta_clsloc.mat")]
        .into_iter()
        .find(|path| path.is_file());
    if let Some(path) = meta {
        let bytes = read(&path)?;
        let pairs = matlab::synsets(&bytes).map_err(|reason| FolderError::Labels {
            path: path.clone(),
            reason,
        })?;
        return checked(path, pairs);
    }
    let path = place.join("map_clsloc.txt");
    if path.is_file() {
        let mut pairs = Vec::new();
        for (at, line) in lines(&path)?
            .iter()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
        {
            let mut words = line.split_whitespace();
            let pair = words
                .next()
                .map(str::to_owned)
                .zip(words.next().and_then(|id| id.parse().ok()));
            let Some((wnid, id)) = pair else {
                let reason = format!(
                    "line {}: expected `n02119789 1 kit_fox`, got `{}`",
                    at + 1,
                    clip(line)
                );
                return Err(FolderError::Labels { path, reason });
            };
            pairs.push((id, wnid));
        }
        return checked(path, pairs);
    }
    let reason = "its numbers are no class names by themselves: expected meta.mat (in the same devkit) or map_clsloc.txt \
                  beside it, got neither"
        .to_owned();
    Err(FolderError::Labels {
        path: truth.to_owned(),
        reason,
    })
}

fn checked(
    path: PathBuf,
    pairs: Vec<(u32, String)>,
) -> Result<(PathBuf, BTreeMap<u32, String>), FolderError> {
    let count = pairs.len();
    let wrong = pairs
        .iter()
        .find(|(_, wnid)| !is_wnid(wnid))
        .map(|(id, wnid)| (*id, wnid.clone()));
    let map: BTreeMap<u32, String> = pairs.into_iter().collect();
    let reason = match wrong {
        Some((id, wnid)) => format!(
            "expected a WordNet id such as n01440764 for class {id}, got `{}`",
            clip(&wnid)
        ),
        None if map.len() != count => {
            format!("expected {count} different class ids, got {}", map.len())
        }
        None => return Ok((path, map)),
    };
    Err(FolderError::Labels { path, reason })
}

fn is_wnid(text: &str) -> bool {
    text.len() == 9 && text.starts_with('n') && text[1..].bytes().all(|b| b.is_ascii_digit())
}

fn clip(line: &str) -> String {
    line.chars().take(60).collect()
}
