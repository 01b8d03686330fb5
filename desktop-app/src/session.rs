//! The list of photos and everything the user can do to it: add, remove, stop, go on; filter and order are in [`crate::view`]. No threads, no egui.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::classify::Problem;
use crate::photo::{Answer, Photo, PhotoId, Source, State};
use crate::view::{Filter, Sort, order, passes};

/// How many photos are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the queue or with a worker.
    pub pending: usize,
    /// Answered.
    pub done: usize,
    /// Could not be read or classified.
    pub failed: usize,
    /// Stopped before their turn.
    pub stopped: usize,
}

/// The list of photos.
#[derive(Debug, Default)]
pub struct Session {
    photos: Vec<Photo>,
    places: HashMap<PhotoId, usize>,
    known: HashSet<PathBuf>,
    next_id: u64,
    counts: Counts,
    /// Changes with every change of the list or of an answer.
    revision: u64,
    view: Option<CachedView>,
}

#[derive(Debug)]
struct CachedView {
    revision: u64,
    filter: Filter,
    sort: Sort,
    threshold: f32,
    shown: Vec<PhotoId>,
}

impl Session {
    /// All photos, as added.
    pub fn photos(&self) -> &[Photo] {
        &self.photos
    }

    /// A photo by its id.
    pub fn photo(&self, id: PhotoId) -> Option<&Photo> {
        self.places.get(&id).map(|place| &self.photos[*place])
    }

    /// How many are in which state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Adds files; the ones already there are not added twice. Gives the new ones, and how many were there already.
    pub fn add_files(&mut self, files: Vec<PathBuf>) -> (Vec<PhotoId>, usize) {
        let given = files.len();
        let mut added = Vec::with_capacity(given);
        for file in files {
            if self.known.insert(file.clone()) {
                added.push(self.add(Source::File(file)));
            }
        }
        let twice = given - added.len();
        (added, twice)
    }

    /// Adds a photo.
    pub fn add(&mut self, source: Source) -> PhotoId {
        let id = PhotoId(self.next_id);
        self.next_id += 1;
        self.places.insert(id, self.photos.len());
        self.photos.push(Photo {
            id,
            source,
            state: State::Waiting,
        });
        self.counts.pending += 1;
        self.revision += 1;
        id
    }

    /// The photo with this file, if it is in the list.
    pub fn with_file(&self, file: &std::path::Path) -> Option<PhotoId> {
        if !self.known.contains(file) {
            return None;
        }
        self.photos
            .iter()
            .find(|photo| photo.source.path() == Some(file))
            .map(|photo| photo.id)
    }

    fn set(&mut self, id: PhotoId, state: State) {
        let Some(place) = self.places.get(&id) else {
            return;
        };
        let place = *place;
        *self.counter(&state) += 1;
        let old = std::mem::replace(&mut self.photos[place].state, state);
        *self.counter(&old) -= 1;
        self.revision += 1;
    }

    fn counter(&mut self, state: &State) -> &mut usize {
        match state {
            State::Waiting | State::Working => &mut self.counts.pending,
            State::Done(_) => &mut self.counts.done,
            State::Failed(_) => &mut self.counts.failed,
            State::Stopped => &mut self.counts.stopped,
        }
    }

    /// A worker has taken it.
    pub fn started(&mut self, id: PhotoId) {
        if self
            .photo(id)
            .is_some_and(|photo| photo.state == State::Waiting)
        {
            self.set(id, State::Working);
        }
    }

    /// It was answered.
    pub fn answered(&mut self, id: PhotoId, answer: Answer) {
        self.set(id, State::Done(answer));
    }

    /// It could not be read or classified.
    pub fn failed(&mut self, id: PhotoId, problem: Problem) {
        self.set(id, State::Failed(problem));
    }

    /// Stops all that wait or are under way.
    pub fn stop(&mut self) {
        let pending =
            self.ids_where(|photo| matches!(photo.state, State::Waiting | State::Working));
        for id in pending {
            self.set(id, State::Stopped);
        }
    }

    /// Puts the stopped ones back in the queue and gives them.
    pub fn resume(&mut self) -> Vec<(PhotoId, Source)> {
        let stopped = self.ids_where(|photo| photo.state == State::Stopped);
        self.wait_again(stopped)
    }

    /// Puts one photo back in the queue: the file was repaired, or was in the way of something.
    pub fn retry(&mut self, id: PhotoId) -> Vec<(PhotoId, Source)> {
        self.wait_again(vec![id])
    }

    /// Puts all but the stopped back in the queue, for another model, and gives them.
    pub fn ask_again(&mut self) -> Vec<(PhotoId, Source)> {
        let all = self.ids_where(|photo| photo.state != State::Stopped);
        self.wait_again(all)
    }

    fn ids_where(&self, wanted: impl Fn(&Photo) -> bool) -> Vec<PhotoId> {
        self.photos
            .iter()
            .filter(|photo| wanted(photo))
            .map(|photo| photo.id)
            .collect()
    }

    fn wait_again(&mut self, ids: Vec<PhotoId>) -> Vec<(PhotoId, Source)> {
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(photo) = self.photo(id) {
                jobs.push((id, photo.source.clone()));
                self.set(id, State::Waiting);
            }
        }
        jobs
    }

    /// Takes photos out of the list (the files stay where they are).
    pub fn remove(&mut self, ids: &[PhotoId]) {
        let gone: HashSet<_> = ids.iter().copied().collect();
        let photos = std::mem::take(&mut self.photos);
        for photo in photos {
            if gone.contains(&photo.id) {
                *self.counter(&photo.state) -= 1;
                if let Source::File(path) = &photo.source {
                    self.known.remove(path);
                }
            } else {
                self.photos.push(photo);
            }
        }
        self.places = self
            .photos
            .iter()
            .enumerate()
            .map(|(place, photo)| (photo.id, place))
            .collect();
        self.revision += 1;
    }

    /// The photos the filter lets through, in order. Worked out again only when something changed.
    pub fn shown(&mut self, filter: &Filter, sort: Sort, threshold: f32) -> &[PhotoId] {
        let fresh = self.view.as_ref().is_some_and(|view| {
            view.revision == self.revision
                && view.filter == *filter
                && view.sort == sort
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
                sort,
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
    use crate::view::Only;

    fn answer(label: &str, probability: f32) -> Answer {
        Answer {
            predictions: vec![Prediction {
                index: 0,
                id: None,
                label: label.to_owned(),
                probability,
                present: None,
            }],
            model: "m".to_owned(),
            took: Duration::from_millis(5),
            width: 4,
            height: 4,
        }
    }

    fn names(session: &mut Session, filter: &Filter, sort: Sort) -> Vec<String> {
        let ids = session.shown(filter, sort, 0.4).to_vec();
        ids.iter()
            .map(|id| session.photo(*id).unwrap().source.name())
            .collect()
    }

    fn four() -> Session {
        let mut session = Session::default();
        let files = ["c.jpg", "a.jpg", "B.jpg", "d.txt"].map(|n| PathBuf::from("/p").join(n));
        let (ids, twice) = session.add_files(files.to_vec());
        assert_eq!(twice, 0);
        session.answered(ids[0], answer("tabby", 0.9));
        session.answered(ids[1], answer("beagle", 0.3));
        session.answered(ids[2], answer("tabby", 0.95));
        session.failed(ids[3], Problem::new("no picture", "try another"));
        session
    }

    #[test]
    fn orders() {
        let mut session = four();
        for (sort, expected) in [
            (Sort::Added, ["c.jpg", "a.jpg", "B.jpg", "d.txt"]),
            (Sort::Name, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
            (Sort::Label, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
            (Sort::Surest, ["B.jpg", "c.jpg", "a.jpg", "d.txt"]),
            (Sort::LeastSure, ["a.jpg", "c.jpg", "B.jpg", "d.txt"]),
        ] {
            let found = names(&mut session, &Filter::default(), sort);
            assert_eq!(found, expected, "{sort:?}");
        }
    }

    #[test]
    fn filters() {
        let mut session = four();
        let only = |only| Filter {
            only,
            ..Filter::default()
        };
        let text = |text: &str| Filter {
            text: text.to_owned(),
            ..Filter::default()
        };
        assert_eq!(
            names(&mut session, &only(Only::NotSure), Sort::Added),
            ["a.jpg"]
        );
        assert_eq!(
            names(&mut session, &only(Only::Failed), Sort::Added),
            ["d.txt"]
        );
        assert_eq!(
            names(
                &mut session,
                &only(Only::Label("tabby".into())),
                Sort::Added
            ),
            ["c.jpg", "B.jpg"]
        );
        assert_eq!(
            names(&mut session, &text(" TAB "), Sort::Added),
            ["c.jpg", "B.jpg"]
        );
        assert_eq!(names(&mut session, &text("d.tx"), Sort::Added), ["d.txt"]);
        assert_eq!(
            session.labels(),
            [("tabby".to_owned(), 2), ("beagle".to_owned(), 1)]
        );
    }

    #[test]
    fn counts_hold_through_everything() {
        let mut session = four();
        assert_eq!(
            session.counts(),
            Counts {
                pending: 0,
                done: 3,
                failed: 1,
                stopped: 0
            }
        );
        let (ids, twice) = session.add_files(vec![
            "/p/c.jpg".into(),
            "/p/e.jpg".into(),
            "/p/f.jpg".into(),
        ]);
        assert_eq!((ids.len(), twice), (2, 1));
        session.started(ids[0]);
        session.stop();
        assert_eq!(
            session.counts(),
            Counts {
                pending: 0,
                done: 3,
                failed: 1,
                stopped: 2
            }
        );
        session.started(ids[0]);
        assert_eq!(
            session.counts().stopped,
            2,
            "a late start does not wake a stopped photo"
        );
        assert_eq!(session.resume().len(), 2);
        assert_eq!(session.ask_again().len(), 6);
        assert_eq!(
            session.counts(),
            Counts {
                pending: 6,
                ..Counts::default()
            }
        );
        session.remove(&[ids[0]]);
        session.answered(ids[0], answer("late", 0.5));
        assert_eq!(session.counts().pending, 5);
        assert_eq!(session.photos().len(), 5);
        assert!(
            session
                .with_file(std::path::Path::new("/p/e.jpg"))
                .is_none()
        );
        assert_eq!(
            session.add_files(vec!["/p/e.jpg".into()]).0.len(),
            1,
            "removed files can come back"
        );
        assert_eq!(session.photo(ids[1]).unwrap().source.name(), "f.jpg");
    }
}
