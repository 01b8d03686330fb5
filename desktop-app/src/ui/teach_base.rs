//! What the classes are learned on: the built-in model, or another one that is gone on from. And pictures that were
//! pasted, which get a file before they can join a class.

use std::path::PathBuf;
use std::sync::Arc;

use super::dialogs::Subject;
use super::notices::{Kind, Topic};
use super::{App, Message};
use crate::classify::ModelChoice;
use crate::problem::{Problem, reason, thousands};
use crate::teach::{KeptClass, pictures};

/// A picture without a file: its name and its bytes.
pub(super) type Picture = (String, Arc<[u8]>);

/// What follows when pictures have got files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeptFor {
    /// They join the class of this name.
    Class(String),
    /// It is asked what they show.
    Asking,
}

impl App {
    /// Looks whether classes can be learned on top of this model, and goes on from what it keeps.
    pub(super) fn build_on(&mut self, base: ModelChoice) {
        if base == ModelChoice::Embedded {
            self.teaching.considering = None;
            self.built_on(base, Vec::new());
        } else {
            self.teaching.considering = Some(base.clone());
            let tell = self.tell();
            self.teaching.school.consider(base, &tell);
        }
    }

    pub(super) fn considered(&mut self, base: ModelChoice, found: Result<Vec<KeptClass>, Problem>) {
        // The user chose another one meanwhile.
        if self.teaching.considering.as_ref() != Some(&base) {
            return;
        }
        self.teaching.considering = None;
        match found {
            Ok(kept) => self.built_on(base, kept),
            Err(problem) => {
                self.notices
                    .add(Topic::Taught, Kind::Error, problem.what, problem.remedy);
            }
        }
    }

    fn built_on(&mut self, base: ModelChoice, kept: Vec<KeptClass>) {
        let name = base.short_name();
        let photos: usize = kept.iter().map(|class| class.photos).sum();
        let words = match (&base, photos) {
            (ModelChoice::Embedded, _) => {
                format!("What you teach is learned on top of \u{201c}{name}\u{201d} again.")
            }
            (ModelChoice::File(_), 0) => format!(
                "What you teach is learned on top of \u{201c}{name}\u{201d} now. It keeps no photos, so its own classes are not \
                 among yours."
            ),
            (ModelChoice::File(_), photos) => format!(
                "\u{201c}{name}\u{201d} keeps what it saw in {} photos of {} classes. Add to them.",
                thousands(photos),
                thousands(kept.len())
            ),
        };
        self.change_board(|board| board.build_on(base, kept), |_| words);
    }

    pub(super) fn remove_all_classes(&mut self) {
        self.change_board(
            |board| board.clear(),
            |_| "All classes were removed.".to_owned(),
        );
    }

    /// Gives pictures files, aside.
    pub(super) fn keep_pictures(&mut self, found: Vec<Picture>, then: KeptFor) {
        let Some(folder) = self.settings.folder().map(PathBuf::from) else {
            let what = "There is no folder in which a pasted picture could be kept.";
            let remedy = "Save the picture as a file, and add the file.";
            self.notices.add(Topic::Taught, Kind::Error, what, remedy);
            return;
        };
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        crate::desktop::in_thread("keep pictures", move || {
            let kept: Result<Vec<PathBuf>, _> = found
                .iter()
                .map(|(name, bytes)| pictures::keep(&folder, name, bytes))
                .collect();
            let kept = kept.map_err(|error| {
                let (path, why) = (error.path.display(), reason(&error.reason));
                Problem::new(
                    format!("{path} could not be written: {why}."),
                    "Check that your home folder can be written and is not full.",
                )
            });
            // The window may be gone; then nobody waits for it.
            let _ = send.send(Message::PicturesKept(then, kept));
            waker.request_repaint();
        });
    }

    pub(super) fn pictures_kept(&mut self, then: KeptFor, kept: Result<Vec<PathBuf>, Problem>) {
        let files = match kept {
            Ok(files) => files,
            Err(problem) => {
                self.notices
                    .add(Topic::Taught, Kind::Error, problem.what, problem.remedy);
                return;
            }
        };
        match then {
            KeptFor::Class(name) => {
                let folder = self.settings.folder().map(pictures::folder);
                let folder = folder.unwrap_or_default();
                let pictures = match files.len() {
                    1 => "1 picture".to_owned(),
                    n => format!("{} pictures", thousands(n)),
                };
                let words = format!(
                    "{pictures} without a file got one in {}, for \u{201c}{name}\u{201d}.",
                    folder.display()
                );
                self.change_board(
                    |board| {
                        let class = board.add_class(&name);
                        board.put(class, &files);
                    },
                    |_| words,
                );
            }
            KeptFor::Asking => {
                let places: Vec<_> = files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect();
                let words = format!("What you pasted is kept in {}.", places.join(", "));
                self.notices.add(Topic::Taught, Kind::Info, words, "");
                self.ask_what(Subject::Files(files));
            }
        }
    }
}
