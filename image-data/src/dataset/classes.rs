//! Which classes of a set are meant, under which names and in which order; and the part of a set that is held out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::folder::{Folder, FolderError};
use crate::random::{Key, Purpose};

use super::part::Sample;

/// A class map: which folders are used, and as which class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMap {
    /// The classes, in the order of the labels.
    classes: Vec<String>,
    /// Folder name -> place in `classes`.
    folders: BTreeMap<String, usize>,
}

impl ClassMap {
    /// Reads a class map: a class a line in the order of the labels (`cat`), or a folder and the class it stands for with a
    /// tab or a comma between (`n02123045<tab>cat`); several folders may share a class. Empty lines and lines that begin
    /// with `#` are passed over.
    ///
    /// # Errors
    /// [`FolderError::Io`] when it cannot be read, [`FolderError::Labels`] when it names no class, or a folder twice.
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        let text = std::fs::read_to_string(path).map_err(|reason| FolderError::Io {
            path: path.to_owned(),
            reason,
        })?;
        Self::parse(&text).map_err(|reason| FolderError::Labels {
            path: path.to_owned(),
            reason,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut map = Self {
            classes: Vec::new(),
            folders: BTreeMap::new(),
        };
        for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (folder, class) = line.split_once(['\t', ',']).unwrap_or((line, line));
            let (folder, class) = (folder.trim(), class.trim());
            let known = map.classes.iter().position(|known| known == class);
            let index = known.unwrap_or_else(|| {
                map.classes.push(class.to_owned());
                map.classes.len() - 1
            });
            if map.folders.insert(folder.to_owned(), index).is_some() {
                return Err(format!("expected every folder once, got {folder} twice"));
            }
        }
        if map.classes.is_empty() {
            return Err("expected a class a line, got none".to_owned());
        }
        Ok(map)
    }
}

impl Folder {
    /// A set whose samples name their classes; classes are sorted, numbers by their value.
    pub(super) fn from_named(
        root: &Path,
        named: Vec<(String, Sample)>,
        description: String,
    ) -> Result<Self, FolderError> {
        let names: BTreeSet<&str> = named.iter().map(|(class, _)| class.as_str()).collect();
        let mut classes: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if classes.iter().all(|class| class.parse::<u64>().is_ok()) {
            classes.sort_by_key(|class| class.parse::<u64>().unwrap_or_default());
        }
        if classes.is_empty() {
            return Err(FolderError::NoClasses {
                path: root.to_owned(),
                found: "no labeled image".to_owned(),
            });
        }
        let index: BTreeMap<&str, usize> = classes
            .iter()
            .enumerate()
            .map(|(i, c)| (c.as_str(), i))
            .collect();
        let mut samples: Vec<Sample> = named
            .iter()
            .map(|(class, sample)| Sample {
                class: index[class.as_str()],
                ..sample.clone()
            })
            .collect();
        // The order of a folder of class folders, so that the same images give the same epochs from anywhere.
        samples.sort_by(|a, b| {
            let key =
                |sample: &Sample| (sample.class, sample.path.file_name().map(ToOwned::to_owned));
            key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
        });
        Ok(Self {
            root: root.to_owned(),
            classes,
            samples,
            description,
            notes: Vec::new(),
        })
    }

    /// The classes of `map` alone, in its order.
    ///
    /// # Errors
    /// [`FolderError::UnknownClasses`] when the map names folders that are not there.
    pub fn with_class_map(self, map: &ClassMap) -> Result<Self, FolderError> {
        let present: BTreeSet<&str> = self.classes.iter().map(String::as_str).collect();
        let missing: Vec<&str> = map
            .folders
            .keys()
            .map(String::as_str)
            .filter(|folder| !present.contains(folder))
            .collect();
        if !missing.is_empty() {
            return Err(FolderError::MissingClasses {
                path: self.root,
                count: missing.len(),
                classes: crate::folder::some(&missing),
            });
        }
        let places: Vec<Option<usize>> = self
            .classes
            .iter()
            .map(|class| map.folders.get(class).copied())
            .collect();
        let samples: Vec<Sample> = self
            .samples
            .into_iter()
            .filter_map(|sample| {
                Some(Sample {
                    class: places[sample.class]?,
                    ..sample
                })
            })
            .collect();
        let description = format!(
            "{} images in {} classes of the class map, of {}",
            crate::folder::thousands(samples.len()),
            crate::folder::thousands(map.classes.len()),
            self.description
        );
        Ok(Self {
            classes: map.classes.clone(),
            samples,
            description,
            ..self
        })
    }

    /// Holds out `share` of each class's images (at least one where a class has two), drawn by `seed`: the rest and what is
    /// held out.
    pub fn split(self, share: f64, seed: u64) -> (Self, Self) {
        let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); self.classes.len()];
        for (index, sample) in self.samples.iter().enumerate() {
            by_class[sample.class].push(index);
        }
        let mut is_held_out = vec![false; self.samples.len()];
        for (class, mut indices) in by_class.into_iter().enumerate() {
            let images = indices.len();
            if images < 2 {
                continue;
            }
            let count = ((images as f64 * share).round() as usize).clamp(1, images - 1);
            let key = Key::new(seed, 0, class as u64, Purpose::Other);
            key.stream().shuffle(&mut indices);
            for index in &indices[..count] {
                is_held_out[*index] = true;
            }
        }
        let part = |held_out: bool| -> Vec<Sample> {
            let chosen = self.samples.iter().zip(&is_held_out);
            chosen
                .filter(|(_, is)| **is == held_out)
                .map(|(sample, _)| sample.clone())
                .collect()
        };
        let (train, val) = (part(false), part(true));
        let describe = |count: usize, what: &str| {
            format!(
                "{} of {} ({what}, {} % of each class held out, seed {seed})",
                crate::folder::thousands(count),
                self.description,
                100.0 * share
            )
        };
        let val = Self {
            description: describe(val.len(), "validation"),
            samples: val,
            root: self.root.clone(),
            classes: self.classes.clone(),
            notes: Vec::new(),
        };
        let train = Self {
            description: describe(train.len(), "training"),
            samples: train,
            ..self
        };
        (train, val)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn folder(counts: &[usize]) -> Folder {
        let named = counts.iter().enumerate().flat_map(|(class, &count)| {
            (0..count).map(move |i| {
                let path = PathBuf::from(format!("c{class}/{i:03}.jpg"));
                (format!("c{class}"), Sample::file(path, 0))
            })
        });
        Folder::from_named(Path::new("set"), named.collect(), "made up".to_owned()).unwrap()
    }

    #[test]
    fn a_share_of_every_class_is_held_out_and_nothing_lost() {
        let (train, val) = folder(&[100, 10, 2, 1]).split(0.1, 7);
        assert_eq!(val.images_per_class(), [10, 1, 1, 0]);
        assert_eq!(train.images_per_class(), [90, 9, 1, 1]);
        let mut all: Vec<PathBuf> = train
            .samples
            .iter()
            .chain(&val.samples)
            .map(|s| s.path.clone())
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 113);
        let again = folder(&[100, 10, 2, 1]).split(0.1, 7).1;
        assert_eq!(val.samples, again.samples);
        assert_ne!(
            val.samples,
            folder(&[100, 10, 2, 1]).split(0.1, 8).1.samples
        );
    }

    #[test]
    fn a_class_map_chooses_renames_and_joins() {
        let map = ClassMap::parse("# pets\nc2\tdog\nc0,cat\n\nc1\tdog\n").unwrap();
        let mapped = folder(&[3, 4, 5, 6]).with_class_map(&map).unwrap();
        assert_eq!(mapped.classes, ["dog", "cat"]);
        assert_eq!(mapped.images_per_class(), [9, 3]);
        let unknown = ClassMap::parse("c0\nc9").unwrap();
        let error = folder(&[1])
            .with_class_map(&unknown)
            .unwrap_err()
            .to_string();
        assert!(error.contains("c9"), "{error}");
        assert!(ClassMap::parse("a\na").is_err() && ClassMap::parse("\n#").is_err());
    }

    #[test]
    fn classes_that_are_numbers_are_in_their_order() {
        let named =
            ["10", "9", "2"].map(|class| (class.to_owned(), Sample::file(PathBuf::from(class), 0)));
        let set = Folder::from_named(Path::new("set"), named.into(), String::new()).unwrap();
        assert_eq!(set.classes, ["2", "9", "10"]);
    }
}
