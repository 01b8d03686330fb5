//! The list of photos and everything the user can do to it: add, remove, undo, stop, go on. Filter and order are in
//! [`crate::view`]. No threads, no egui.

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

    /// Adds files. One that is in the list already is not added twice: if its size or time is another than when it
    /// was classified, or if it could not be read, it waits again.
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
                        Some(PhotoState::Done(answer)) => {
                            answer.content.may_differ_from(file.stamp)
                        }
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
            said: None,
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

    /// The user says what a photo shows, or that the answer holds again.
    pub fn say(&mut self, id: PhotoId, said: Option<String>) {
        if let Some(place) = self.places.get(&id) {
            self.photos[*place].said = said;
            self.revision += 1;
        }
    }

    /// Files of photos that were moved on the disk.
    pub fn relocate(&mut self, moves: &HashMap<PathBuf, PathBuf>) {
        for photo in &mut self.photos {
            if let PhotoSource::File(path) = &mut photo.source
                && let Some(to) = moves.get(path)
            {
                self.by_path.remove(path);
                self.by_path.insert(to.clone(), photo.id);
                path.clone_from(to);
            }
        }
        self.revision += 1;
    }

    /// Stops all that wait or are under way.
    pub fn stop(&mut self) {
        let pending = self
            .ids_where(|photo| matches!(photo.state, PhotoState::Waiting | PhotoState::Working));
        for id in pending {
            self.set(id, PhotoState::Stopped);
        }
    }

    /// Puts the stopped ones back in the queue and gives them.
    pub fn resume(&mut self) -> Vec<(PhotoId, PhotoSource)> {
        let stopped = self.ids_where(|photo| photo.state == PhotoState::Stopped);
        self.wait_again(stopped)
    }

    /// Puts photos back in the queue: a file was repaired, or changed.
    pub fn retry(&mut self, ids: &[PhotoId]) -> Vec<(PhotoId, PhotoSource)> {
        let settled = ids.iter().copied().filter(|id| {
            self.photo(*id).is_some_and(|photo| {
                !matches!(photo.state, PhotoState::Waiting | PhotoState::Working)
            })
        });
        let settled = settled.collect();
        self.wait_again(settled)
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

    /// Puts removed photos back where they were, and gives the ones that still have to be looked at. A file that was
    /// added again meanwhile is not added twice.
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
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for label in self.photos.iter().filter_map(Photo::label) {
            *found.entry(label).or_default() += 1;
        }
        let mut labels: Vec<_> = found.into_iter().collect();
        labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        labels
    }

    /// Changes whenever a photo does.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests;
