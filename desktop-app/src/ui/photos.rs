//! The list of photos and the workers behind it: answering, removing, undoing, showing, and noticing that a file
//! changed.

use super::notices::{Kind, Topic};
use super::undo::UndoStep;
use super::{App, View};
use crate::content::ContentId;
use crate::photo::{PhotoAnswer, PhotoId, PhotoSource};
use crate::problem::{Problem, thousands};
use crate::view::PhotoFilter;

/// Answers of longer lists are not remembered: nobody looks for them one by one.
const REMEMBERED_AT_ONCE: usize = 20;

/// When textures and thumbnails of removed photos are freed for certain.
const MEMORY_DELAY: std::time::Duration = std::time::Duration::from_millis(1500);

impl App {
    /// Puts photos that wait into the queue.
    pub(super) fn start(&mut self, ids: &[PhotoId]) {
        let jobs: Vec<_> = ids
            .iter()
            .filter_map(|id| self.photos.photo(*id))
            .map(|photo| (photo.id, photo.source.clone()))
            .collect();
        self.queue(jobs);
    }

    pub(super) fn queue(&mut self, jobs: Vec<(PhotoId, PhotoSource)>) {
        if !jobs.is_empty() {
            self.progress.queued += jobs.len();
            self.workers.classify(jobs);
        }
    }

    pub(super) fn answered(&mut self, id: PhotoId, answer: PhotoAnswer) {
        if let Some((photo, best)) = self.photos.photo(id).zip(answer.best())
            && let Some(path) = photo.source.path()
            && self.progress.queued <= REMEMBERED_AT_ONCE
        {
            let certainty = answer.certainty().unwrap_or(best.probability);
            self.settings.current.remember_answer(
                path,
                &answer.headline(),
                certainty,
                &answer.model,
            );
        }
        // The picture that is shown was read before the file changed.
        let shows_another = self.photo_view.shows_other_than(id, &answer.content);
        self.photos.answered(id, answer);
        if shows_another {
            self.show_photo(id);
        }
        self.finished_one(id);
    }

    pub(super) fn failed(&mut self, id: PhotoId, problem: Problem) {
        self.photos.failed(id, problem);
        self.finished_one(id);
    }

    /// When a long list is done, the next answers are single ones again and worth remembering.
    fn finished_one(&mut self, id: PhotoId) {
        self.speak_progress(id);
        if self.photos.counts().pending == 0 {
            self.progress.queued = 0;
        }
    }

    /// Pixels of this content are on the screen now: an answer to another content must not stand beside them.
    pub(super) fn content_seen(&mut self, id: PhotoId, content: &ContentId) {
        let outdated = self
            .photos
            .photo(id)
            .and_then(|photo| photo.answer())
            .is_some_and(|answer| !answer.content.same_bytes(content));
        if outdated {
            self.ask_again_about(id);
        }
    }

    /// The file of a photo is not the one that was answered, or may not be.
    pub(super) fn photo_changed(&mut self, id: PhotoId) {
        if self
            .photos
            .photo(id)
            .is_some_and(|photo| photo.answer().is_some() || photo.problem().is_some())
        {
            self.forget_pixels(id);
            self.ask_again_about(id);
            if self.view == View::Photo(id) {
                self.show_photo(id);
            }
        }
    }

    fn ask_again_about(&mut self, id: PhotoId) {
        if let Some(photo) = self.photos.photo(id) {
            let name = photo.source.name();
            self.notices.add(
                Topic::Changed,
                Kind::Info,
                format!("{name} has changed on disk and is looked at again."),
                "",
            );
        }
        let jobs = self.photos.retry(&[id]);
        self.queue(jobs);
    }

    pub(super) fn forget_pixels(&mut self, id: PhotoId) {
        self.thumbnails.remove(&[id]);
    }

    /// Looks whether the photo that is shown is still the one on the disk: the user may come back from an editor.
    pub(super) fn check_shown_photo(&mut self) {
        if let View::Photo(id) = self.view
            && let Some(photo) = self.photos.photo(id)
            && let (Some(path), Some(answer)) = (photo.source.path(), photo.answer())
        {
            self.workers
                .check_unchanged(id, path.to_owned(), answer.content);
        }
    }

    /// Takes dropped files: into a class where classes are shown, else into the list.
    pub(super) fn take_drop(&mut self, files: Vec<std::path::PathBuf>) {
        match self.view {
            View::Teach => {
                let place = self.teaching.place_at(self.drops.place(&self.context));
                self.gather(files, place);
            }
            View::Grid | View::Photo(_) => self.open_paths(files),
        }
    }

    pub(super) fn show_grid(&mut self) {
        if let View::Photo(id) = self.view {
            self.grid.focus(id);
        }
        self.workers.cancel_explaining();
        self.workers.hide();
        self.view = View::Grid;
        self.photo_view.close();
    }

    pub(super) fn show_photo(&mut self, id: PhotoId) {
        let Some(photo) = self.photos.photo(id) else {
            return;
        };
        self.workers.cancel_explaining();
        self.workers.show(id, photo.source.clone());
        self.view = View::Photo(id);
        self.grid.set_cursor(id);
        self.photo_view.open(id);
    }

    /// Asks for the heat map of the photo shown, once it is wanted and there is an answer.
    pub(super) fn explain_if_wanted(&mut self) {
        let Some(id) = self.photo_view.wants_heat_map() else {
            return;
        };
        let Some(photo) = self.photos.photo(id) else {
            return;
        };
        if let Some((answer, best)) = photo
            .answer()
            .and_then(|answer| answer.best().map(|best| (answer, best)))
        {
            self.workers
                .explain(id, photo.source.clone(), answer.content, best.index);
            self.photo_view.heat_map_asked();
        }
    }

    /// The photos before and after the one shown, in the order of the grid.
    pub(super) fn neighbors(&mut self) -> [Option<PhotoId>; 2] {
        let View::Photo(id) = self.view else {
            return [None, None];
        };
        let shown = self.photos.shown(
            &self.grid.filter,
            self.grid.order,
            self.settings.current.sure_from,
        );
        match shown.iter().position(|other| *other == id) {
            Some(place) => [
                place.checked_sub(1).map(|before| shown[before]),
                shown.get(place + 1).copied(),
            ],
            None => [None, None],
        }
    }

    pub(super) fn remove(&mut self, ids: &[PhotoId]) {
        let [before, after] = self.neighbors();
        self.workers.remove(ids);
        let removed = self.photos.remove(ids);
        self.thumbnails.remove(ids);
        self.grid.forget(ids);
        if removed.is_empty() {
            return;
        }
        let words = match removed.len() {
            1 => "1 photo was removed from the list.".to_owned(),
            n => format!("{} photos were removed from the list.", thousands(n)),
        };
        self.push_undo(UndoStep::Removed(removed), words);
        if let View::Photo(id) = self.view
            && ids.contains(&id)
        {
            match after.or(before) {
                Some(next) => self.show_photo(next),
                None => self.show_grid(),
            }
        }
        if self.photos.photos().is_empty() {
            self.grid.filter = PhotoFilter::default();
            self.show_grid();
            for topic in [Topic::Drop, Topic::Scan, Topic::Changed] {
                self.notices.end(topic);
            }
        }
        if ids.len() > 1 {
            // The textures go with the next frames.
            crate::desktop::in_thread("memory", || {
                std::thread::sleep(MEMORY_DELAY);
                crate::platform::give_memory_back();
            });
        }
    }

    pub(super) fn remove_all(&mut self) {
        self.workers.cancel();
        let all: Vec<_> = self.photos.photos().iter().map(|photo| photo.id).collect();
        self.show_grid();
        self.remove(&all);
    }

    /// Stops the work; what waits can be taken up again.
    pub(super) fn cancel(&mut self) {
        self.workers.cancel();
        self.photos.stop();
        self.progress.queued = 0;
    }

    pub(super) fn resume(&mut self) {
        let jobs = self.photos.resume();
        self.queue(jobs);
    }

    pub(super) fn retry(&mut self, ids: &[PhotoId]) {
        let jobs = self.photos.retry(ids);
        self.queue(jobs);
        if let View::Photo(id) = self.view
            && ids.contains(&id)
        {
            self.show_photo(id);
        }
    }
}
