//! What a teacher saw in each photo, by file, and which of it a lesson gets. Each photo is looked at once, until its
//! file changes. No threads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use photos::teach::TrainingPhoto;

use super::{PhotoClass, kept_name, taught_name};
use crate::content::FileStamp;
use crate::problem::{Problem, of_reading};

struct Seen {
    stamp: Option<FileStamp>,
    photo: Result<TrainingPhoto, Problem>,
}

/// What was seen, by file.
#[derive(Default)]
pub(super) struct SeenPhotos(HashMap<PathBuf, Seen>);

impl SeenPhotos {
    /// Whether a photo was seen as it is now.
    pub(super) fn knows(&self, path: &Path) -> bool {
        let known = self.0.get(path);
        known.is_some_and(|known| known.stamp.is_some() && known.stamp == FileStamp::of(path))
    }

    /// Notes what was seen in a photo whose file had this stamp before.
    pub(super) fn note(
        &mut self,
        path: PathBuf,
        stamp: Option<FileStamp>,
        photo: Result<TrainingPhoto, Problem>,
    ) {
        self.0.insert(path, Seen { stamp, photo });
    }

    /// The photos whose files are there; of the others it is noted why they are not.
    pub(super) fn note_gone(&mut self, photos: &[PathBuf]) -> Vec<PathBuf> {
        let mut there = Vec::new();
        for path in photos {
            match std::fs::metadata(path) {
                Ok(_) => there.push(path.clone()),
                Err(error) => self.note(path.clone(), None, Err(of_reading(&error))),
            }
        }
        there
    }

    /// What was seen in the photos of these classes, and which of them could not be used.
    pub(super) fn of_classes(
        &self,
        classes: &[PhotoClass],
    ) -> (Vec<TrainingPhoto>, Vec<(PathBuf, Problem)>) {
        let (mut photos, mut failed) = (Vec::new(), Vec::new());
        for class in classes {
            for path in &class.photos {
                match self.0.get(path).map(|seen| &seen.photo) {
                    Some(Ok(photo)) => photos.push(TrainingPhoto {
                        class: taught_name(&class.name),
                        ..photo.clone()
                    }),
                    Some(Err(problem)) => failed.push((path.clone(), problem.clone())),
                    None => {}
                }
            }
        }
        (photos, failed)
    }
}

/// What a model keeps of these classes, under their names of today. A class that was taken away is left out.
pub(super) fn kept_of_classes(
    kept: &[TrainingPhoto],
    classes: &[PhotoClass],
) -> Vec<TrainingPhoto> {
    let names: HashMap<&str, Option<String>> = classes
        .iter()
        .filter_map(|class| {
            let kept = class.kept.as_ref()?;
            Some((kept.name.as_str(), taught_name(&class.name)))
        })
        .collect();
    let renamed = |photo: &TrainingPhoto| {
        let class = names.get(kept_name(photo))?.clone();
        Some(TrainingPhoto {
            class,
            ..photo.clone()
        })
    };
    kept.iter().filter_map(renamed).collect()
}

/// One photo, or copies of it, says nothing of a class: such classes wait for more. Gives their names.
pub(super) fn leave_out_thin_classes(photos: &mut Vec<TrainingPhoto>) -> Vec<String> {
    let mut contents: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for photo in photos.iter() {
        if let Some(class) = &photo.class {
            let of_class = contents.entry(class.clone()).or_default();
            of_class.insert(photo.sha256.clone());
        }
    }
    contents.retain(|_, photos| photos.len() < 2);
    let thin = |photo: &TrainingPhoto| {
        photo
            .class
            .as_ref()
            .is_some_and(|c| contents.contains_key(c))
    };
    photos.retain(|photo| !thin(photo));
    contents.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::ModelChoice;
    use crate::teach::{ClassBoard, KeptClass, kept_classes};

    #[test]
    fn kept_photos_follow_their_class_when_it_is_renamed_or_removed() {
        let photo = |class: Option<&str>, sha256: &str| TrainingPhoto {
            path: None,
            class: class.map(str::to_owned),
            sha256: sha256.to_owned(),
            print: 0,
            features: vec![0.0],
        };
        let kept = [
            photo(Some("cat"), "1"),
            photo(Some("dog"), "2"),
            photo(None, "3"),
            photo(Some("cat"), "4"),
        ];
        let classes = kept_classes(&kept);
        let named = |name: &str, photos| KeptClass {
            name: name.to_owned(),
            photos,
        };
        assert_eq!(
            classes,
            [named("cat", 2), named("dog", 1), named("none of these", 1)]
        );
        let mut board = ClassBoard::default();
        board.build_on(ModelChoice::Embedded, classes);
        let (cat, dog) = (board.named("cat").unwrap(), board.named("dog").unwrap());
        board.rename(cat, "kitten");
        board.remove_class(dog);
        let found = kept_of_classes(&kept, board.classes());
        let found: Vec<_> = found
            .iter()
            .map(|p| (p.class.as_deref(), &*p.sha256))
            .collect();
        assert_eq!(
            found,
            [(Some("kitten"), "1"), (None, "3"), (Some("kitten"), "4")]
        );
    }
}
