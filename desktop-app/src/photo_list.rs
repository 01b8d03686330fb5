//! The list of photos and everything the user can do to it: add, remove, undo, stop, go on. Filter and order are in [`crate::view`]. No
//! threads, no egui.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::photo::{Photo, PhotoAnswer, PhotoId, PhotoSource, PhotoState};
use crate::problem::Problem;
use crate::scan::FoundFile;
use crate::view::{PhotoFilter, SortOrder, order, passes};

/// How many photos are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhotoCounts {
    /// In the queue or with a worker.
    pub pending: usize,
    /// Answered.
    pub done: usize,
    /// Could not be read or classified.
    pub failed: usize,
    /// Stopped before their turn.
    pub stopped: usize,
}

/// What came of adding files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddedFiles {
    /// Photos that are new in the list.
    pub new: Vec<PhotoId>,
    /// Photos that were there, whose file has changed since or could not be read before: they wait again.
    pub again: Vec<PhotoId>,
    /// The photo of the first file, whatever came of it.
    pub first: Option<PhotoId>,
}

/// Photos that were taken out of the list, with their places, so that it can be undone.
#[derive(Debug)]
pub struct RemovedPhotos(Vec<(usize, Photo)>);

impl RemovedPhotos {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was removed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The list of photos.
#[derive(Debug, Default)]
pub struct PhotoList {
    photos: Vec<Photo>,
    places: HashMap<PhotoId, usize>,
    by_path: HashMap<PathBuf, PhotoId>,
    next_id: u64,
    counts: PhotoCounts,
    /// Changes with every change of the list or of an answer.
    revision: u64,
    view: Option<CachedView>,
}

#[derive(Debug)]
struct CachedView {
    revision: u64,
    filter: PhotoFilter,
    order: SortOrder,
    threshold: f32,
    shown: Vec<PhotoId>,
}

impl PhotoList {
    /// All photos, as added.
    pub fn photos(&self) -> &[Photo] {
        &self.photos
    }

    /// A photo by its id.
    pub fn photo(&self, id: PhotoId) -> Option<&Photo> {
        self.places.get(&id).map(|place| &self.photos[*place])
    }

    /// How many are in which state.
    pub fn counts(&self) -> PhotoCounts {
        self.counts
    }

    /// Adds files. One that is in the list already is not added twice: if its size or time is another than when it was classified, or if
    /// it could not be read, it waits again.
    pub fn add_files(&mut self, files: Vec<FoundFile>) -> AddedFiles {
        let mut added = AddedFiles::default();
        for file in files {
            let known = self.by_path.get(&file.path).copied();
            let id = match known {
                None => {
                    let id = self.add(PhotoSource::File(file.path));
                    added.new.push(id);
                    id
                }
                Some(id) => {
                    let again = match self.photo(id).map(|photo| &photo.state) {
                        Some(PhotoState::Done(answer)) => answer.content.may_differ_from(file.stamp),
                        Some(PhotoState::Failed(_) | PhotoState::Stopped) => true,
                        Some(PhotoState::Waiting | PhotoState::Working) | None => false,
                    };
                    if again && !added.new.contains(&id) && !added.again.contains(&id) {
                        self.set(id, PhotoState::Waiting);
                        added.again.push(id);
                    }
                    id
                }
            };
            added.first.get_or_insert(id);
        }
        added
    }

    /// Adds a photo.
    pub fn add(&mut self, source: PhotoSource) -> PhotoId {
        let id = PhotoId(self.next_id);
        self.next_id += 1;
        if let PhotoSource::File(path) = &source {
            self.by_path.insert(path.clone(), id);
        }
        self.places.insert(id, self.photos.len());
        self.photos.push(Photo {
            id,
            source,
            state: PhotoState::Waiting,
        });
        self.counts.pending += 1;
        self.revision += 1;
        id
    }

    /// The photo with this file, if it is in the list.
    pub fn with_file(&self, file: &Path) -> Option<PhotoId> {
        self.by_path.get(file).copied()
    }

    fn set(&mut self, id: PhotoId, state: PhotoState) {
        let Some(place) = self.places.get(&id) else {
            return;
        };
        let place = *place;
        *self.counter(&state) += 1;
        let old = std::mem::replace(&mut self.photos[place].state, state);
        *self.counter(&old) -= 1;
        self.revision += 1;
    }

    fn counter(&mut self, state: &PhotoState) -> &mut usize {
        match state {
            PhotoState::Waiting | PhotoState::Working => &mut self.counts.pending,
            PhotoState::Done(_) => &mut self.counts.done,
            PhotoState::Failed(_) => &mut self.counts.failed,
            PhotoState::Stopped => &mut self.counts.stopped,
        }
    }

    /// A worker has taken it.
    pub fn started(&mut self, id: PhotoId) {
        if self
            .photo(id)
            .is_some_and(|photo| photo.state == PhotoState::Waiting)
        {
            self.set(id, PhotoState::Working);
        }
    }

    /// It was answered.
    pub fn answered(&mut self, id: PhotoId, answer: PhotoAnswer) {
        self.set(id, PhotoState::Done(answer));
    }

    /// It could not be read or classified.
    pub fn failed(&mut self, id: PhotoId, problem: Problem) {
        self.set(id, PhotoState::Failed(problem));
    }

    /// Stops all that wait or are under way.
    pub fn stop(&mut self) {
        let pending =
            self.ids_where(|photo| matches!(photo.state, PhotoState::Waiting | PhotoState::Working));
        for id in pending {
            self.set(id, PhotoState::Stopped);
        }
    }

    /// Puts the stopped ones back in the queue and gives them.
    pub fn resume(&mut self) -> Vec<(PhotoId, PhotoSource)> {
        let stopped = self.ids_where(|photo| photo.state == PhotoState::Stopped);
        self.wait_again(stopped)
    }

    /// Puts one photo back in the queue: the file was repaired, or was in the way of something.
    pub fn retry(&mut self, id: PhotoId) -> Vec<(PhotoId, PhotoSource)> {
        self.wait_again(vec![id])
    }

    /// Puts all but the stopped back in the queue, for another model, and gives them.
    pub fn ask_again(&mut self) -> Vec<(PhotoId, PhotoSource)> {
        let all = self.ids_where(|photo| photo.state != PhotoState::Stopped);
        self.wait_again(all)
    }

    fn ids_where(&self, wanted: impl Fn(&Photo) -> bool) -> Vec<PhotoId> {
        self.photos
            .iter()
            .filter(|photo| wanted(photo))
            .map(|photo| photo.id)
            .collect()
    }

    fn wait_again(&mut self, ids: Vec<PhotoId>) -> Vec<(PhotoId, PhotoSource)> {
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(photo) = self.photo(id) {
                jobs.push((id, photo.source.clone()));
                self.set(id, PhotoState::Waiting);
            }
        }
        jobs
    }

    /// Takes photos out of the list (the files stay where they are).
    pub fn remove(&mut self, ids: &[PhotoId]) -> RemovedPhotos {
        let gone: HashSet<_> = ids.iter().copied().collect();
        let mut removed = Vec::new();
        for (place, photo) in std::mem::take(&mut self.photos).into_iter().enumerate() {
            if gone.contains(&photo.id) {
                *self.counter(&photo.state) -= 1;
                if let PhotoSource::File(path) = &photo.source {
                    self.by_path.remove(path);
                }
                removed.push((place, photo));
            } else {
                self.photos.push(photo);
            }
        }
        if self.photos.is_empty() {
            // The tables of a long list are large themselves.
            self.photos = Vec::new();
            self.by_path = HashMap::new();
            self.view = None;
        }
        self.find_places();
        RemovedPhotos(removed)
    }

    /// Puts removed photos back where they were, and gives the ones that still have to be looked at. A file that was added again
    /// meanwhile is not added twice.
    pub fn restore(&mut self, removed: RemovedPhotos) -> Vec<(PhotoId, PhotoSource)> {
        let mut waiting = Vec::new();
        for (place, mut photo) in removed.0 {
            if let PhotoSource::File(path) = &photo.source {
                if self.by_path.contains_key(path) {
                    continue;
                }
                self.by_path.insert(path.clone(), photo.id);
            }
            if matches!(photo.state, PhotoState::Waiting | PhotoState::Working) {
                photo.state = PhotoState::Waiting;
                waiting.push((photo.id, photo.source.clone()));
            }
            *self.counter(&photo.state) += 1;
            self.photos.insert(place.min(self.photos.len()), photo);
        }
        self.find_places();
        waiting
    }

    fn find_places(&mut self) {
        self.places = self
            .photos
            .iter()
            .enumerate()
            .map(|(place, photo)| (photo.id, place))
            .collect();
        self.revision += 1;
    }

    /// The photos the filter lets through, in order. Worked out again only when something changed.
    pub fn shown(&mut self, filter: &PhotoFilter, sort: SortOrder, threshold: f32) -> &[PhotoId] {
        let fresh = self.view.as_ref().is_some_and(|view| {
            view.revision == self.revision
                && view.filter == *filter
                && view.order == sort
                && view.threshold == threshold
        });
        if !fresh {
            let mut shown: Vec<&Photo> = self
                .photos
                .iter()
                .filter(|photo| passes(photo, filter, threshold))
                .collect();
            order(&mut shown, sort);
            self.view = Some(CachedView {
                revision: self.revision,
                filter: filter.clone(),
                order: sort,
                threshold,
                shown: shown.into_iter().map(|photo| photo.id).collect(),
            });
        }
        self.view
            .as_ref()
            .map_or(&[][..], |view| view.shown.as_slice())
    }

    /// The best labels found, with how many photos carry each: most frequent first.
    pub fn labels(&self) -> Vec<(String, usize)> {
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for label in self.photos.iter().filter_map(Photo::label) {
            *found.entry(label).or_default() += 1;
        }
        let mut labels: Vec<_> = found
            .into_iter()
            .map(|(label, count)| (label.to_owned(), count))
            .collect();
        labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        labels
    }

    /// Changes whenever a photo does.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::classify::Prediction;
    use crate::content::{ContentId, FileStamp};
    use crate::view::PhotoGroup;

    fn stamp() -> Option<FileStamp> {
        Some(FileStamp {
            size_bytes: 1,
            modified: None,
        })
    }

    fn files<const N: usize>(paths: [&str; N]) -> Vec<FoundFile> {
        paths
            .map(|path| FoundFile {
                path: path.into(),
                stamp: stamp(),
            })
            .into()
    }

    fn answer(label: &str, probability: f32) -> PhotoAnswer {
        PhotoAnswer {
            predictions: vec![Prediction {
                index: 0,
                id: None,
                label: label.to_owned(),
                probability,
            }],
            model: "m".to_owned(),
            took: Duration::from_millis(5),
            width: 4,
            height: 4,
            content: ContentId::of(label.as_bytes(), stamp()),
            damage: None,
        }
    }

    fn names(list: &mut PhotoList, filter: &PhotoFilter, sort: SortOrder) -> Vec<String> {
        let ids = list.shown(filter, sort, 0.4).to_vec();
        ids.iter()
            .map(|id| list.photo(*id).unwrap().source.name())
            .collect()
    }

    fn four() -> PhotoList {
        let mut list = PhotoList::default();
        let ids = list
            .add_files(files(["/p/c.jpg", "/p/a.jpg", "/p/B.jpg", "/p/d.txt"]))
            .new;
        list.answered(ids[0], answer("tabby", 0.9));
        list.answered(ids[1], answer("beagle", 0.3));
        list.answered(ids[2], answer("tabby", 0.95));
        list.failed(ids[3], Problem::new("no picture", "try another"));
        list
    }

    #[test]
    fn orders() {
        let mut list = four();
        for (sort, expected) in [
            (SortOrder::Added, ["c.jpg", "a.jpg", "B.jpg", "d.txt"]),
            (SortOrder::Name, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
            (SortOrder::Label, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
            (SortOrder::Surest, ["B.jpg", "c.jpg", "a.jpg", "d.txt"]),
            (SortOrder::LeastSure, ["a.jpg", "c.jpg", "B.jpg", "d.txt"]),
        ] {
            let found = names(&mut list, &PhotoFilter::default(), sort);
            assert_eq!(found, expected, "{sort:?}");
        }
    }

    #[test]
    fn filters() {
        let mut list = four();
        let only = |only| PhotoFilter {
            only,
            ..PhotoFilter::default()
        };
        let text = |text: &str| PhotoFilter {
            text: text.to_owned(),
            ..PhotoFilter::default()
        };
        assert_eq!(
            names(&mut list, &only(PhotoGroup::NotSure), SortOrder::Added),
            ["a.jpg"]
        );
        assert_eq!(
            names(&mut list, &only(PhotoGroup::Failed), SortOrder::Added),
            ["d.txt"]
        );
        assert_eq!(
            names(
                &mut list,
                &only(PhotoGroup::Label("tabby".into())),
                SortOrder::Added
            ),
            ["c.jpg", "B.jpg"]
        );
        assert_eq!(
            names(&mut list, &text(" TAB "), SortOrder::Added),
            ["c.jpg", "B.jpg"]
        );
        assert_eq!(names(&mut list, &text("d.tx"), SortOrder::Added), ["d.txt"]);
        assert_eq!(
            list.labels(),
            [("tabby".to_owned(), 2), ("beagle".to_owned(), 1)]
        );
    }

    #[test]
    fn counts_hold_through_everything() {
        let mut list = four();
        assert_eq!(
            list.counts(),
            PhotoCounts {
                pending: 0,
                done: 3,
                failed: 1,
                stopped: 0
            }
        );
        let added = list.add_files(files(["/p/c.jpg", "/p/e.jpg", "/p/f.jpg"]));
        let ids = added.new;
        assert_eq!((ids.len(), added.again.len()), (2, 0));
        list.started(ids[0]);
        list.stop();
        assert_eq!(
            list.counts(),
            PhotoCounts {
                pending: 0,
                done: 3,
                failed: 1,
                stopped: 2
            }
        );
        list.started(ids[0]);
        assert_eq!(
            list.counts().stopped,
            2,
            "a late start does not wake a stopped photo"
        );
        assert_eq!(list.resume().len(), 2);
        assert_eq!(list.ask_again().len(), 6);
        assert_eq!(
            list.counts(),
            PhotoCounts {
                pending: 6,
                ..PhotoCounts::default()
            }
        );
        list.remove(&[ids[0]]);
        list.answered(ids[0], answer("late", 0.5));
        assert_eq!(list.counts().pending, 5);
        assert_eq!(list.photos().len(), 5);
        assert!(
            list
                .with_file(std::path::Path::new("/p/e.jpg"))
                .is_none()
        );
        assert_eq!(
            list.add_files(files(["/p/e.jpg"])).new.len(),
            1,
            "removed files can come back"
        );
        assert_eq!(list.photo(ids[1]).unwrap().source.name(), "f.jpg");
    }

    #[test]
    fn a_file_that_changed_or_failed_is_looked_at_again() {
        let mut list = four();
        let mut dropped = files(["/p/c.jpg", "/p/a.jpg", "/p/d.txt"]);
        dropped[1].stamp = Some(FileStamp {
            size_bytes: 2,
            modified: None,
        });
        let added = list.add_files(dropped.clone());
        let id = |path: &str| list.with_file(Path::new(path)).unwrap();
        assert_eq!(added.new, []);
        assert_eq!(added.again, [id("/p/a.jpg"), id("/p/d.txt")]);
        assert_eq!(added.first, Some(id("/p/c.jpg")));
        assert_eq!((list.counts().pending, list.counts().done), (2, 2));
        assert!(
            list.add_files(dropped).again.is_empty(),
            "they wait already"
        );
    }

    #[test]
    fn every_removal_can_be_undone() {
        let mut list = four();
        let before = list.photos().to_vec();
        let ids: Vec<_> = before.iter().map(|photo| photo.id).collect();
        let some = list.remove(&[ids[1], ids[3]]);
        assert_eq!((some.len(), list.photos().len()), (2, 2));
        assert_eq!(list.restore(some), []);
        assert_eq!(list.photos(), before);
        list.ask_again();
        let all = list.remove(&ids);
        assert_eq!(list.counts(), PhotoCounts::default());
        list.add_files(files(["/p/a.jpg"]));
        let waiting = list.restore(all);
        assert_eq!(waiting.len(), 3, "one came back by itself meanwhile");
        assert_eq!(list.counts().pending, 4);
        assert_eq!(list.photo(ids[2]).unwrap().source.name(), "B.jpg");
    }
}
