//! What reaches the window from its threads, its drop target and the desktop, taken in a little at a time; and saving the settings.

use std::time::{Duration, Instant};

use super::{App, HeatState, Mail};
use crate::platform::DropEvent;
use crate::worker::Event;

/// Time spent on the workers' news in one frame at most.
const NEWS_TIME: Duration = Duration::from_millis(4);

impl App {
    /// Takes in what came from the workers, the desktop and the drop target; true when something did.
    pub(super) fn news(&mut self) -> bool {
        let begun = Instant::now();
        let mut any = false;
        while let Some(event) = self.workers.poll() {
            any = true;
            self.hear(event);
            if begun.elapsed() > NEWS_TIME {
                self.context.request_repaint();
                break;
            }
        }
        while let Ok(mail) = self.mail.try_recv() {
            any = true;
            self.open_mail(mail);
        }
        while let Ok(event) = self.drops.try_recv() {
            any = true;
            match event {
                DropEvent::Hover(files) => self.hovering = Some(files),
                DropEvent::Leave => self.hovering = None,
                DropEvent::Drop(files, refused) => {
                    self.hovering = None;
                    self.refused(&refused, files.len());
                    self.bring(files);
                }
            }
        }
        any
    }

    /// True while something is awaited: an answer of some thread, the end of a drag, or the moment to save the settings.
    pub(super) fn awaits(&self) -> bool {
        let detail = self.shown.as_ref();
        self.session.counts().pending > 0
            || self.gathering > 0
            || self.loading.is_some()
            || self.hovering.is_some()
            || self.settings_changed.is_some()
            || detail.is_some_and(|shown| {
                shown.detail.is_none() || matches!(shown.heat, HeatState::Working)
            })
    }

    fn hear(&mut self, event: Event) {
        let current = self.workers.generation();
        match event {
            Event::Started(id, generation) if generation == current => self.session.started(id),
            Event::Thumbnail(id, image) if self.session.photo(id).is_some() => {
                self.pictures.put(id, image)
            }
            Event::Answered(id, generation, answer) if generation == current => {
                if let Some((photo, best)) = self.session.photo(id).zip(answer.best())
                    && let Some(path) = photo.source.path()
                    && self.queued <= 20
                {
                    self.settings.remember_answer(
                        path,
                        &best.label,
                        best.probability,
                        &answer.model,
                    );
                }
                self.session.answered(id, answer);
                self.count_down();
            }
            Event::Failed(id, generation, problem) if generation == current => {
                self.session.failed(id, problem);
                self.count_down();
            }
            Event::Detail(id, detail) => self.show_detail(id, Ok(*detail)),
            Event::DetailFailed(id, problem) => self.show_detail(id, Err(problem)),
            Event::HeatReady(id, result) => {
                if let Some(shown) = self.shown.as_mut().filter(|shown| shown.id == id) {
                    shown.heat = result.map_or_else(HeatState::Failed, HeatState::Ready);
                }
            }
            Event::ModelReady(model) => self.model_ready(model),
            Event::ModelFailed(source, problem) => self.model_failed(&source, problem),
            Event::Found(files) => self.add(files),
            Event::Gathered(report) => self.gathered(report),
            // Of a photo that was removed, or of work the user stopped.
            Event::Started(..) | Event::Thumbnail(..) | Event::Answered(..) | Event::Failed(..) => {
            }
        }
    }

    /// When a long list is done, the next answers are single ones again and worth remembering.
    fn count_down(&mut self) {
        if self.session.counts().pending == 0 {
            self.queued = 0;
        }
    }

    pub(super) fn save_settings_soon(&mut self) {
        if self.settings == self.saved {
            self.settings_changed = None;
            return;
        }
        match self.settings_changed {
            None => {
                self.settings_changed = Some(Instant::now());
                self.context
                    .request_repaint_after(Duration::from_millis(800));
            }
            Some(since) if since.elapsed() >= Duration::from_millis(700) => {
                self.save_settings(true)
            }
            Some(_) => {}
        }
    }

    pub(super) fn save_settings(&mut self, aside: bool) {
        self.saved = self.settings.clone();
        self.settings_changed = None;
        let (store, settings, post) =
            (self.store.clone(), self.settings.clone(), self.post.clone());
        let save = move || {
            if let Err(error) = store.save(&settings) {
                // The window may be gone; then no one is left to tell.
                let _ = post.send(Mail::SettingsNotSaved(error.to_string()));
            }
        };
        if aside {
            drop(
                std::thread::Builder::new()
                    .name("settings".into())
                    .spawn(save),
            );
        } else {
            save();
        }
    }
}
