//! The classes that are taught, from one start of the program to the next: read when the window opens, written aside a
//! moment after a change, and at the end. What was not changed here is not written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::action::Action;
use super::notices::{Kind, Topic};
use super::saved_settings::{DELAY, SaveJob};
use super::{App, Message};
use crate::photo::PhotoSource;
use crate::problem::{reason, thousands};
use crate::teach::{Arrangement, ClassBoard, ClassMemory, ClassMemoryWarning};

/// Photos that are named when they are gone.
const NAMED: usize = 3;

/// When the classes are written, and what of them is on the disk.
pub(super) struct SavedClasses {
    memory: ClassMemory,
    /// Whether the user wants them to be remembered.
    wanted: bool,
    /// They are not wanted, and gone from the disk.
    forgotten: bool,
    /// What the memory has of ours.
    saved: Arrangement,
    /// What is being written.
    saving: Option<Arrangement>,
    changed: Option<Instant>,
}

impl SavedClasses {
    /// Reads the classes of the last time, if they are wanted, and tells what of them could not be used.
    pub(super) fn load(
        folder: Option<&Path>,
        wanted: bool,
    ) -> (Self, ClassBoard, Option<ClassMemoryWarning>) {
        let memory = ClassMemory::in_folder(folder);
        let (board, warning) = match wanted {
            true => memory.load(),
            false => (ClassBoard::default(), None),
        };
        let saved = Self {
            memory,
            wanted,
            forgotten: !wanted,
            saved: board.snapshot(),
            saving: None,
            changed: None,
        };
        (saved, board, warning)
    }

    /// The classes may have changed.
    pub(super) fn changed(&mut self) {
        self.changed.get_or_insert_with(Instant::now);
    }

    /// Whether something waits to be written.
    pub(super) fn is_waiting(&self) -> bool {
        self.changed.is_some() || self.saving.is_some()
    }

    /// The job that is due, or how long to wait for it.
    fn due(&mut self, board: &ClassBoard) -> Result<SaveJob, Option<Duration>> {
        if self.saving.is_some() {
            return Err(None);
        }
        if !self.wanted {
            self.changed = None;
            if std::mem::replace(&mut self.forgotten, true) {
                return Err(None);
            }
            let memory = self.memory.clone();
            return Ok(Box::new(move || {
                memory.forget().map_err(|error| reason(&error.reason))
            }));
        }
        let Some(since) = self.changed else {
            return Err(None);
        };
        match DELAY.checked_sub(since.elapsed()) {
            Some(left) if !left.is_zero() => Err(Some(left)),
            _ => {
                self.changed = None;
                if board.is(&self.saved) {
                    return Err(None);
                }
                let (memory, before, now) =
                    (self.memory.clone(), self.saved.clone(), board.snapshot());
                self.saving = Some(now.clone());
                Ok(Box::new(move || {
                    let saved = memory.save(&before, &now);
                    saved.map_err(|error| reason(&error.reason))
                }))
            }
        }
    }

    /// The job is done. What could not be written stays to be written with the next change.
    fn finish(&mut self, written: bool) {
        if let Some(now) = self.saving.take()
            && written
        {
            self.saved = now;
        }
    }

    /// Writes what changed, at once: the window closes.
    pub(super) fn save_now(&mut self, board: &ClassBoard) {
        let wanted = self.wanted && !board.is(&self.saved);
        if wanted && self.memory.save(&self.saved, &board.snapshot()).is_ok() {
            self.saved = board.snapshot();
        }
        if !self.wanted && !self.forgotten {
            self.forgotten = self.memory.forget().is_ok();
        }
    }

    /// The user wants the classes to be remembered, or no longer.
    fn want(&mut self, wanted: bool) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.forgotten = false;
            self.saved = Arrangement::default();
            self.changed();
        }
    }
}

impl App {
    /// Says what of the remembered classes could not be used, and looks, aside, whether their photos are still there.
    pub(super) fn welcome_classes(&mut self, warning: Option<ClassMemoryWarning>) {
        if let Some(warning) = warning {
            let (what, remedy) = warning.sentences();
            self.notices.add(Topic::Taught, Kind::Error, what, remedy);
        }
        let classes = self.teaching.board.classes().iter();
        let photos: Vec<PathBuf> = classes.flat_map(|class| class.photos.clone()).collect();
        if photos.is_empty() {
            return;
        }
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        crate::desktop::in_thread("look for photos", move || {
            let is_gone = |path: &PathBuf| !path.exists();
            let gone: Vec<PathBuf> = photos.into_iter().filter(is_gone).collect();
            if !gone.is_empty() {
                // The window may be gone; then nobody waits for it.
                let _ = send.send(Message::PhotosGone(gone));
                waker.request_repaint();
            }
        });
    }

    /// Photos of remembered classes that are not there. They stay in their classes: their drive may come back.
    pub(super) fn say_photos_gone(&mut self, gone: &[PathBuf]) {
        let names: Vec<String> = gone
            .iter()
            .take(NAMED)
            .map(|path| PhotoSource::File(path.clone()).name())
            .collect();
        let more = match gone.len() - names.len() {
            0 => String::new(),
            n => format!(" and {} more", thousands(n)),
        };
        let photos = match gone.len() {
            1 => "1 photo of your classes is not there any more".to_owned(),
            n => format!(
                "{} photos of your classes are not there any more",
                thousands(n)
            ),
        };
        let words = format!("{photos}: {}{more}.", names.join(", "));
        let show = Action::ShowTeaching;
        self.notices
            .add_button(Topic::Taught, Kind::Info, words, "Show", show);
    }

    /// Writes the classes a moment after they changed.
    pub(super) fn save_classes_soon(&mut self) {
        let wanted = self.settings.current.keep_classes;
        self.teaching.memory.want(wanted);
        match self.teaching.memory.due(&self.teaching.board) {
            Ok(job) => {
                let (send, waker) = (self.messages.0.clone(), self.context.clone());
                crate::desktop::in_thread("classes", move || {
                    // The window may be gone; then nobody waits for it.
                    let _ = send.send(Message::ClassesSaved(job()));
                    waker.request_repaint();
                });
            }
            Err(Some(left)) => self.context.request_repaint_after(left),
            Err(None) => {}
        }
    }

    pub(super) fn classes_saved(&mut self, saved: Result<(), String>) {
        self.teaching.memory.finish(saved.is_ok());
        if let Err(reason) = saved {
            self.notices.add(
                Topic::Settings,
                Kind::Error,
                format!("Your classes could not be remembered: {reason}."),
                "Check that your home folder can be written and is not full. A saved model keeps them, too.",
            );
        }
    }
}
