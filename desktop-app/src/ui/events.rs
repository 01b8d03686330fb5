//! What reaches the window from its threads, its drop target and the desktop, taken in a little at a time.

use std::time::{Duration, Instant};

use super::notices::{Kind, Topic, Waiting};
use super::photo_view::HeatMapState;
use super::teach_base::KeptFor;
use super::teaching::DropPlace;
use super::{App, Message, View};
use crate::desktop::{ClipboardContent, FileResponse};
use crate::photo::percent;
use crate::samples;
use crate::teach::ClassBoard;
use crate::worker::WorkerEvent;

/// Time spent on the workers' events in one frame at most.
const TIME_PER_FRAME: Duration = Duration::from_millis(4);

/// What a picture from the clipboard is called.
const PASTED: &str = "Pasted picture";

/// A paste that takes longer than this is said to be waited for.
const PASTE_NOTICED: Duration = Duration::from_millis(400);

impl App {
    /// Takes in what came from the workers, the desktop and the drop target; true when something did.
    pub(super) fn take_events(&mut self) -> bool {
        let started = Instant::now();
        let mut any = false;
        while let Some(event) = self.workers.poll() {
            any = true;
            self.take_worker_event(event);
            if started.elapsed() > TIME_PER_FRAME {
                self.context.request_repaint();
                break;
            }
        }
        while let Ok(message) = self.messages.1.try_recv() {
            any = true;
            self.take_message(message);
        }
        while let Some(dropped) = self.drops.poll() {
            any = true;
            if let Some((files, refused)) = dropped {
                let kept = files.len();
                self.take_drop(files);
                self.say_refused(&refused, kept);
            }
        }
        any
    }

    /// True while something is awaited: an answer of some thread, the end of a drag, or the moment to save the
    /// settings.
    pub(super) fn is_waiting(&self) -> bool {
        self.photos.counts().pending > 0
            || self.progress.scans > 0
            || self.progress.pasting.is_some()
            || self.progress.choosing
            || self.model.loading.is_some()
            || self.drops.is_hovered()
            || self.settings.is_waiting()
            || self.photo_view.is_waiting()
            || self.teaching.is_waiting()
            || self.is_sorting()
    }

    fn take_worker_event(&mut self, event: WorkerEvent) {
        let current = self.workers.generation();
        match event {
            WorkerEvent::Started(id, generation) if generation == current => {
                self.photos.started(id);
            }
            WorkerEvent::Thumbnail(id, content, image) => {
                if ClassBoard::is_board_id(id) || self.photos.photo(id).is_some() {
                    self.thumbnails.put(id, image);
                    self.content_seen(id, &content);
                }
            }
            WorkerEvent::Answered(id, generation, answer) if generation == current => {
                self.answered(id, *answer);
            }
            WorkerEvent::Failed(id, generation, problem) if generation == current => {
                self.failed(id, problem);
            }
            WorkerEvent::Detail(id, detail) => {
                self.content_seen(id, &detail.content);
                self.photo_view.set_detail(id, Ok(*detail));
            }
            WorkerEvent::DetailFailed(id, problem) => self.photo_view.set_detail(id, Err(problem)),
            WorkerEvent::Changed(id) => self.photo_changed(id),
            WorkerEvent::HeatMapReady(id, result) => {
                self.photo_view.set_heat_map(
                    id,
                    result.map_or_else(HeatMapState::Failed, HeatMapState::Ready),
                );
            }
            WorkerEvent::ModelReady(model) => self.model_ready(model),
            WorkerEvent::ModelFailed(choice, problem) => self.model_failed(&choice, problem),
            WorkerEvent::Found(files) => self.add_files(files),
            WorkerEvent::Scanned(report) => self.scanned(report),
            // Of work the user stopped.
            WorkerEvent::Started(..) | WorkerEvent::Answered(..) | WorkerEvent::Failed(..) => {}
        }
    }

    fn take_message(&mut self, message: Message) {
        match message {
            Message::Files(request, response) => {
                self.progress.choosing = false;
                match response {
                    FileResponse::Chosen(paths) => self.files_chosen(&request, paths),
                    FileResponse::Closed => {}
                    FileResponse::NoDialog => self.offer_typing(request),
                }
            }
            Message::Clipboard(content) => {
                self.progress.pasting = None;
                self.take_pasted(content);
            }
            Message::Exported(path, Ok(photos)) => {
                let photos = match photos {
                    1 => "1 photo".to_owned(),
                    n => format!("{n} photos"),
                };
                self.notices.add(
                    Topic::Export,
                    Kind::Success,
                    format!("The answers for {photos} are in {}.", path.display()),
                    "",
                );
            }
            Message::Exported(path, Err(reason)) => self.notices.add(
                Topic::Export,
                Kind::Error,
                format!("{} could not be written: {reason}.", path.display()),
                "Choose another folder.",
            ),
            Message::SettingsSaved(Ok(())) => {
                self.settings.finish(true);
                self.notices.end(Topic::Settings);
            }
            Message::SettingsSaved(Err(reason)) => {
                self.settings.finish(false);
                self.notices.add(
                    Topic::Settings,
                    Kind::Error,
                    format!("The settings could not be saved: {reason}."),
                    "Check that your home folder can be written and is not full.",
                );
            }
            Message::ClassesSaved(saved) => self.classes_saved(saved),
            Message::PhotosGone(gone) => self.say_photos_gone(&gone),
            Message::PicturesKept(then, kept) => self.pictures_kept(then, kept),
            Message::SystemDark(dark) => {
                self.environment.system_theme = Some(if dark {
                    egui::Theme::Dark
                } else {
                    egui::Theme::Light
                });
            }
            Message::Sort(message) => self.sort_says(message),
            Message::School(event) => self.school_says(event),
            Message::Gathered(place, gathered) => self.gathered(place, gathered),
            Message::Sample(sample, image) => samples::keep(&self.context, sample, &image),
        }
    }

    /// Takes in what was pasted. Where classes are shown, it is meant for one of them.
    pub(super) fn take_pasted(&mut self, content: ClipboardContent) {
        let teaching = self.view == View::Teach;
        match content {
            ClipboardContent::Files(files) if teaching => self.gather(files, DropPlace::Anywhere),
            ClipboardContent::Picture(bytes) if teaching => {
                let picture = (PASTED.to_owned(), bytes);
                self.keep_pictures(vec![picture], KeptFor::Asking);
            }
            ClipboardContent::Files(files) => self.open_paths(files),
            ClipboardContent::Picture(bytes) => self.add_picture(PASTED, bytes),
            ClipboardContent::Nothing(problem) => self.cannot_paste(&problem),
        }
    }

    /// Says what is being waited for, once it takes long.
    pub(super) fn show_waiting(&mut self) {
        self.notices.waiting = match self.progress.pasting {
            Some(since) if since.elapsed() >= PASTE_NOTICED => Some(Waiting {
                words: "Waiting for the program you copied from\u{2026}",
                part: None,
                stop: None,
            }),
            Some(_) => {
                self.context.request_repaint_after(PASTE_NOTICED);
                None
            }
            None => self.sorting_waits(),
        };
    }

    pub(super) fn save_settings_soon(&mut self) {
        match self.settings.due() {
            Ok(job) => {
                let (send, waker) = (self.messages.0.clone(), self.context.clone());
                crate::desktop::in_thread("settings", move || {
                    // The window may be gone; then nobody waits for it.
                    let _ = send.send(Message::SettingsSaved(job()));
                    waker.request_repaint();
                });
            }
            Err(Some(left)) => self.context.request_repaint_after(left),
            Err(None) => {}
        }
    }

    /// What a screen reader says when a photo was answered alone, or a list is finished.
    pub(super) fn speak_progress(&mut self, id: crate::photo::PhotoId) {
        let counts = self.photos.counts();
        if counts.pending > 0 {
            return;
        }
        let threshold = self.settings.current.sure_from;
        self.spoken = if self.photos.photos().len() == 1 || self.view == View::Photo(id) {
            match self.photos.photo(id) {
                Some(photo) => match photo.answer() {
                    Some(answer) => {
                        let sureness = answer.certainty().zip(answer.confidence(threshold)).map(
                            |(certainty, confidence)| {
                                format!("{}, {}: ", confidence.words(), percent(certainty))
                            },
                        );
                        format!("{}{}", sureness.unwrap_or_default(), answer.headline())
                    }
                    None => photo.spoken(threshold),
                },
                None => return,
            }
        } else {
            let failed = match counts.failed {
                0 => String::new(),
                n => format!(", {n} could not be read"),
            };
            format!("Done: {} photos answered{failed}", counts.done)
        };
    }
}
