//! What the user does to the classes that are taught, and what the school says of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::action::Action;
use super::arrivals::passed_over;
use super::dialogs::Subject;
use super::notices::{Kind, Topic};
use super::teaching::{DropPlace, Tried};
use super::undo::UndoStep;
use super::{App, Message, View};
use crate::classify::{Cancel, ModelChoice};
use crate::desktop::FileRequest;
use crate::problem::thousands;
use crate::scan::is_model;
use crate::teach::{
    Arrangement, ClassBoard, ClassId, Gathered, LearnState, PhotoClass, SchoolEvent, Tell, gather,
    nothing_found, taught_name,
};

impl App {
    pub(super) fn show_teaching(&mut self) {
        self.show_grid();
        self.view = View::Teach;
        // Classes of the last time wait until somebody looks at them.
        if matches!(self.teaching.state, LearnState::TooLittle) {
            self.learn();
        }
    }

    pub(super) fn tell(&self) -> Tell {
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        Arc::new(move |event| {
            // The window may be gone; then nobody waits for it.
            let _ = send.send(Message::School(event));
            waker.request_repaint();
        })
    }

    /// Changes the classes so that it can be undone, and learns them anew.
    pub(super) fn change_board(
        &mut self,
        change: impl FnOnce(&mut ClassBoard),
        words: impl FnOnce(&ClassBoard) -> String,
    ) {
        let before = self.teaching.board.snapshot();
        change(&mut self.teaching.board);
        if self.teaching.board.is(&before) {
            return;
        }
        let words = words(&self.teaching.board);
        self.push_undo(UndoStep::Board(before), words);
        self.board_changed();
    }

    pub(super) fn restore_board(&mut self, classes: Arrangement) {
        self.teaching.board.restore(classes);
        self.teaching.forget_typed_names();
        self.board_changed();
    }

    pub(super) fn board_changed(&mut self) {
        self.teaching.memory.changed();
        self.learn();
    }

    /// Learns the classes as they are, if there is enough to learn from.
    pub(super) fn learn(&mut self) {
        self.teaching.saved = None;
        self.teaching.tried = None;
        let thick = |class: &&PhotoClass| class.count() >= 2 && taught_name(&class.name).is_some();
        let classes = self.teaching.board.classes().iter();
        if classes.filter(thick).count() < 2 {
            self.teaching.school.stop();
            self.teaching.state = LearnState::TooLittle;
            self.teaching.outcome = None;
            return;
        }
        let photos = self.teaching.board.photos();
        self.teaching.state = LearnState::Looking(0, photos);
        let tell = self.tell();
        let classes = self.teaching.board.snapshot();
        self.teaching.school.learn(classes, &tell);
    }

    pub(super) fn stop_learning(&mut self) {
        self.teaching.school.stop();
        if let Some(gathering) = self.teaching.gathering.take() {
            gathering.cancel();
        }
        if self.teaching.is_learning() {
            self.teaching.state = LearnState::Stopped;
        }
    }

    pub(super) fn school_says(&mut self, event: SchoolEvent) {
        match event {
            SchoolEvent::Base(base, found) => self.considered(base, found),
            SchoolEvent::State(state) => {
                match &state {
                    LearnState::Learned(outcome) => {
                        self.teaching.outcome = Some(Arc::clone(outcome));
                    }
                    LearnState::Failed(..) => self.teaching.outcome = None,
                    _ => {}
                }
                self.teaching.state = state;
            }
            SchoolEvent::Tried(path, answer) => {
                if let Some(tried) = &mut self.teaching.tried
                    && tried.path == path
                {
                    tried.answer = Some(answer);
                }
            }
            SchoolEvent::Written(path, Ok(())) => {
                self.teaching.saving = false;
                let words = format!("The model is in {}.", path.display());
                self.notices.add_button(
                    Topic::Taught,
                    Kind::Success,
                    words,
                    "Use it now",
                    Action::UseModel(ModelChoice::File(path.clone())),
                );
                self.teaching.saved = Some(path);
            }
            SchoolEvent::Written(_, Err(problem)) => {
                self.teaching.saving = false;
                self.notices
                    .add(Topic::Taught, Kind::Error, problem.what, problem.remedy);
            }
        }
    }

    pub(super) fn add_class(&mut self) {
        let name = self.teaching.board.free_name();
        let mut added = None;
        self.change_board(
            |board| added = Some(board.add_class(&name)),
            |_| format!("\u{201c}{name}\u{201d} is new."),
        );
        self.teaching.wants_name = added;
    }

    pub(super) fn rename_class(&mut self, id: ClassId, name: &str) {
        let Some(old) = self.teaching.board.class(id).map(|c| c.name.clone()) else {
            return;
        };
        if name.trim() == old {
            return;
        }
        let taken = self
            .teaching
            .board
            .named(name)
            .is_some_and(|other| other != id);
        if taken || name.trim().is_empty() {
            let what = if taken {
                format!("Another class is called \u{201c}{}\u{201d}.", name.trim())
            } else {
                "A class needs a name.".to_owned()
            };
            let stays = format!("It stays \u{201c}{old}\u{201d}.");
            self.notices.add(Topic::Taught, Kind::Error, what, stays);
            return;
        }
        self.change_board(
            |board| {
                board.rename(id, name);
            },
            |_| {
                format!(
                    "\u{201c}{old}\u{201d} is called \u{201c}{}\u{201d} now.",
                    name.trim()
                )
            },
        );
    }

    pub(super) fn remove_class(&mut self, id: ClassId) {
        let Some(class) = self.teaching.board.class(id) else {
            return;
        };
        let words = format!("\u{201c}{}\u{201d} was removed.", class.name);
        self.change_board(|board| board.remove_class(id), |_| words);
    }

    pub(super) fn take_out(&mut self, photos: &[PathBuf]) {
        let words = match photos.len() {
            1 => "1 photo was taken out of its class.".to_owned(),
            n => format!("{} photos were taken out of their class.", thousands(n)),
        };
        self.change_board(|board| board.take_out(photos), |_| words);
    }

    pub(super) fn put_into_class(&mut self, id: ClassId, photos: &[PathBuf]) {
        let mut new = 0;
        self.change_board(
            |board| new = board.put(id, photos),
            |board| put_words(board, id, photos.len()),
        );
        if new == 0 && !photos.is_empty() {
            let words = "These photos are in that class already.";
            self.notices.add(Topic::Taught, Kind::Info, words, "");
        }
    }

    /// Looks through what was dropped or chosen, aside; it goes to `place`.
    pub(super) fn gather(&mut self, paths: Vec<PathBuf>, place: DropPlace) {
        if paths.is_empty() {
            return;
        }
        self.dialogs.close(&self.context);
        if place == DropPlace::Try {
            if let Some(path) = paths.into_iter().find(|path| !path.is_dir()) {
                self.try_on(path);
            }
            return;
        }
        let cancel = Cancel::default();
        if let Some(before) = self.teaching.gathering.replace(cancel.clone()) {
            before.cancel();
        }
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        crate::desktop::in_thread("gather", move || {
            let gathered = gather(&paths, &cancel);
            if !cancel.is_cancelled() {
                // The window may be gone; then nobody waits for it.
                let _ = send.send(Message::Gathered(place, gathered));
                waker.request_repaint();
            }
        });
    }

    pub(super) fn gathered(&mut self, place: DropPlace, gathered: Gathered) {
        self.teaching.gathering = None;
        if let Some(words) = nothing_found(&gathered) {
            let remedy = "JPEG, PNG, WebP, GIF, BMP and TIFF files are looked for.";
            self.notices.add(Topic::Taught, Kind::Info, words, remedy);
            return;
        }
        if let Some(first) = gathered.unreadable.first() {
            let what = format!("A part of a folder could not be read. {first}");
            let remedy = "Check that you may read it.";
            self.notices.add(Topic::Scan, Kind::Error, what, remedy);
        }
        if !gathered.models.is_empty() {
            self.open_paths(gathered.models.clone());
        }
        if let DropPlace::Class(id) = place {
            if gathered.passed_over > 0 {
                let words = passed_over(gathered.passed_over);
                self.notices.add(Topic::Scan, Kind::Info, words, "");
            }
            self.put_into_class(id, &gathered.all_photos());
            return;
        }
        let (loose, folders) = (gathered.photos, gathered.folders);
        if !folders.is_empty() {
            let mut words = match folders.len() {
                1 => "1 class was made of the folder.".to_owned(),
                n => format!("{n} classes were made of the folders."),
            };
            if gathered.passed_over > 0 {
                words = format!("{words} {}", passed_over(gathered.passed_over));
            }
            self.change_board(
                |board| {
                    for (name, photos) in &folders {
                        let id = board.add_class(name);
                        board.put(id, photos);
                    }
                },
                |_| words,
            );
        }
        if !loose.is_empty() {
            self.ask_what(Subject::Files(loose));
        }
    }

    pub(super) fn try_on(&mut self, path: PathBuf) {
        if let (LearnState::Learned(_), Some(outcome)) =
            (&self.teaching.state, &self.teaching.outcome)
        {
            let outcome = Arc::clone(outcome);
            let tell = self.tell();
            self.teaching.tried = Some(Tried {
                path: path.clone(),
                answer: None,
            });
            self.teaching.school.try_on(outcome, path, &tell);
        }
    }

    pub(super) fn save_model(&mut self, path: PathBuf) {
        let LearnState::Learned(outcome) = &self.teaching.state else {
            return;
        };
        let outcome = Arc::clone(outcome);
        self.notices.end(Topic::Taught);
        let path = match is_model(&path) {
            true => path,
            false => {
                let mut name = path.into_os_string();
                name.push(".onnx");
                let path = PathBuf::from(name);
                // The file dialog asked about another name, so nobody agreed to lose this file.
                if path.exists() {
                    let what = format!("{} is there already.", path.display());
                    let remedy = "Choose another name.";
                    self.notices.add(Topic::Taught, Kind::Error, what, remedy);
                    return;
                }
                path
            }
        };
        self.teaching.saving = true;
        let tell = self.tell();
        self.teaching.school.write(outcome, path, &tell);
    }

    /// The name suggested for a model's file: that of its classes.
    pub(super) fn save_request(&self) -> FileRequest {
        let classes = self.teaching.board.classes();
        let names: Vec<String> = classes
            .iter()
            .filter(|class| class.count() > 0)
            .take(3)
            .map(|class| photos::sort::folder_name(&class.name))
            .collect();
        FileRequest::SaveModel(format!("{}.onnx", names.join(" ")))
    }
}

pub(super) fn put_words(board: &ClassBoard, id: ClassId, photos: usize) -> String {
    let name = board.class(id).map_or("", |class| class.name.as_str());
    match photos {
        1 => format!("1 photo is in \u{201c}{name}\u{201d} now."),
        n => format!("{} photos are in \u{201c}{name}\u{201d} now.", thousands(n)),
    }
}
