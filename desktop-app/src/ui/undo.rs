//! Everything that can be undone, in one order: what was done last is undone first, wherever the user is by then.

use std::collections::HashMap;
use std::path::PathBuf;

use super::App;
use super::action::Action;
use super::notices::Topic;
use crate::photo::PhotoId;
use crate::photo_list::RemovedPhotos;
use crate::teach::Arrangement;

/// Steps that can be undone.
const UNDO_STEPS: usize = 20;

/// Something that was done, and what it takes to undo it.
#[derive(Debug)]
pub(super) enum UndoStep {
    /// Photos were taken out of the list.
    Removed(RemovedPhotos),
    /// The classes were other ones.
    Board(Arrangement),
    /// Photos had other labels; and the classes as they were, where they changed with them.
    Labels(Vec<(PhotoId, Option<String>)>, Option<Arrangement>),
    /// Photos were sorted into a folder; and where those are now that were moved.
    Sorted(PathBuf, HashMap<PathBuf, PathBuf>),
    /// Keywords were written beside the photos of these folders.
    Keywords(Vec<PathBuf>),
}

impl App {
    /// Remembers what was done and says it, with a button that undoes it.
    pub(super) fn push_undo(&mut self, step: UndoStep, words: impl Into<String>) {
        self.undo_steps.push(step);
        if self.undo_steps.len() > UNDO_STEPS {
            self.undo_steps.remove(0);
        }
        // There is one such notice, so its button always undoes what it speaks of.
        self.notices
            .add_with_button(Topic::Undo, words.into(), "Undo", Action::Undo);
    }

    /// Undoes what was done last.
    pub(super) fn undo(&mut self) {
        // Files that are on their way have their turn first.
        if self.is_sorting() {
            return;
        }
        let Some(step) = self.undo_steps.pop() else {
            return;
        };
        self.notices.end(Topic::Undo);
        match step {
            UndoStep::Removed(removed) => {
                let waiting = self.photos.restore(removed);
                self.queue(waiting);
            }
            UndoStep::Board(classes) => self.restore_board(classes),
            UndoStep::Labels(labels, classes) => {
                for (id, said) in labels {
                    self.photos.say(id, said);
                }
                if let Some(classes) = classes {
                    self.restore_board(classes);
                }
            }
            UndoStep::Sorted(into, moves) => self.undo_sorting(into, moves),
            UndoStep::Keywords(folders) => self.undo_keywords(folders),
        }
    }
}
