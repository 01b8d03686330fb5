//! "This is a ...": the user says what photos show. Their label is corrected, and they can be taught with it.

use std::path::PathBuf;
use std::sync::Arc;

use super::App;
use super::dialogs::{Dialog, Subject};
use super::teach::put_words;
use super::teach_base::{KeptFor, Picture};
use super::undo::UndoStep;
use crate::photo::{PhotoId, PhotoSource};
use crate::problem::thousands;

impl App {
    /// Asks what photos show.
    pub(super) fn ask_what(&mut self, subject: Subject) {
        if let Subject::Photos(ids) = &subject
            && ids.is_empty()
        {
            return;
        }
        let classes = self.teaching.board.classes();
        let mut choices: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
        if let Subject::Photos(ids) = &subject
            && let [id] = ids[..]
            && let Some(answer) = self.photos.photo(id).and_then(|photo| photo.answer())
        {
            let labels = answer.predictions.iter().map(|found| &found.label);
            let words = [answer.headline()];
            for label in words.iter().chain(labels).take(4) {
                if !choices.contains(label) {
                    choices.push(label.clone());
                }
            }
        }
        self.dialogs
            .open(&self.context, Dialog::say_what(subject, choices));
    }

    /// The user says what photos show. With `teach`, they become photos of the class of that name.
    pub(super) fn name_them(&mut self, subject: &Subject, name: &str, teach: bool) {
        self.dialogs.close(&self.context);
        let name = name.trim();
        match subject {
            Subject::Files(files) => {
                let mut id = None;
                self.change_board(
                    |board| {
                        let class = board.add_class(name);
                        board.put(class, files);
                        id = Some(class);
                    },
                    |board| {
                        board
                            .named(name)
                            .map_or_else(String::new, |id| put_words(board, id, files.len()))
                    },
                );
            }
            Subject::Photos(ids) => self.name_photos(ids, name, teach),
        }
    }

    fn name_photos(&mut self, ids: &[PhotoId], name: &str, teach: bool) {
        let mut old = Vec::new();
        for id in ids {
            if let Some(photo) = self.photos.photo(*id) {
                old.push((*id, photo.said.clone()));
                self.photos.say(*id, Some(name.to_owned()));
            }
        }
        let (mut files, mut pictures): (Vec<PathBuf>, Vec<Picture>) = (Vec::new(), Vec::new());
        for photo in ids.iter().filter_map(|id| self.photos.photo(*id)) {
            match &photo.source {
                PhotoSource::File(path) => files.push(path.clone()),
                PhotoSource::Memory { name, bytes } => {
                    pictures.push((name.clone(), Arc::clone(bytes)));
                }
            }
        }
        let board = (teach && !files.is_empty()).then(|| self.teaching.board.snapshot());
        let words = match ids.len() {
            1 => format!("1 photo is called \u{201c}{name}\u{201d} now."),
            n => format!(
                "{} photos are called \u{201c}{name}\u{201d} now.",
                thousands(n)
            ),
        };
        let teaches = board.is_some();
        if teaches {
            let class = self.teaching.board.add_class(name);
            self.teaching.board.put(class, &files);
        }
        self.push_undo(UndoStep::Labels(old, board), words);
        if teaches {
            self.board_changed();
        }
        if teach && !pictures.is_empty() {
            self.keep_pictures(pictures, KeptFor::Class(name.to_owned()));
        }
    }

    /// The program's own labels hold again.
    pub(super) fn take_label_back(&mut self, ids: &[PhotoId]) {
        let mut old = Vec::new();
        for id in ids {
            if let Some(said) = self.photos.photo(*id).and_then(|photo| photo.said.clone()) {
                old.push((*id, Some(said)));
                self.photos.say(*id, None);
            }
        }
        if !old.is_empty() {
            let words = "The program\u{2019}s own answer holds again.";
            self.push_undo(UndoStep::Labels(old, None), words);
        }
    }
}
