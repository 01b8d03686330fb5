//! What the window does: take photos in, open models, move between views, export. Drawing calls these; so does the keyboard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{After, App, HeatState, Mail, ModelState, NoticeKind, Panel, Shown, View};
use crate::classify::{Classify, ModelSource, Problem};
use crate::desk::{Pasted, Pick, Picked};
use crate::intake::Report;
use crate::photo::{PhotoId, Source};
use crate::records::{self, Format};
use crate::samples;
use crate::settings::{self, Appearance};
use crate::worker::Detail;

/// How long the button says that it copied.
const COPIED_SHOWN: Duration = Duration::from_millis(1500);

impl App {
    /// Takes dropped, pasted, typed or opened files and folders in.
    pub(super) fn bring(&mut self, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        // One photo alone opens at once.
        let alone = paths.len() == 1 && !paths[0].is_dir();
        self.after = if alone { After::Open } else { After::List };
        if let Some(known) = alone.then(|| self.session.with_file(&paths[0])).flatten() {
            self.open_photo(known);
            return;
        }
        match self.workers.gather(paths) {
            Ok(()) => self.gathering += 1,
            Err(error) => self.notify(
                NoticeKind::Error,
                format!("The files could not be read: {error}."),
                "Close other programs and try again.",
            ),
        }
    }

    /// Says which entries of a drop were no files.
    pub(super) fn refused(&mut self, refused: &[String], kept: usize) {
        let Some(first) = refused.first() else {
            return;
        };
        let more = match refused.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let kept = match kept {
            0 => "Nothing else was in the drop.".to_owned(),
            1 => "The other file was taken.".to_owned(),
            n => format!("The other {n} files were taken."),
        };
        self.notify(
            NoticeKind::Error,
            format!("{first}{more}."),
            format!("Save it on this computer first. {kept}"),
        );
    }

    pub(super) fn add(&mut self, files: Vec<PathBuf>) {
        let (ids, _) = self.session.add_files(files);
        self.start(&ids);
    }

    /// Takes a picture in memory in.
    pub(super) fn add_memory(&mut self, name: &str, bytes: Arc<[u8]>) {
        let taken = self
            .session
            .photos()
            .iter()
            .filter(|photo| photo.source.name().starts_with(name))
            .count();
        let name = if taken == 0 {
            name.to_owned()
        } else {
            format!("{name} {}", taken + 1)
        };
        let id = self.session.add(Source::Memory { name, bytes });
        self.start(&[id]);
        self.open_photo(id);
    }

    fn start(&mut self, ids: &[PhotoId]) {
        self.queued += ids.len();
        let jobs: Vec<_> = ids
            .iter()
            .filter_map(|id| self.session.photo(*id))
            .map(|photo| (photo.id, photo.source.clone()))
            .collect();
        self.workers.look_at(jobs);
        match (std::mem::take(&mut self.after), ids.first()) {
            (After::Open, Some(first)) => self.open_photo(*first),
            (After::List, Some(_)) => self.show_list(),
            (after, None) => self.after = after,
            (After::Stay, _) => {}
        }
    }

    pub(super) fn gathered(&mut self, report: Report) {
        self.gathering = self.gathering.saturating_sub(1);
        self.after = After::Stay;
        for text in report.unreadable.iter().take(2) {
            self.notify(
                NoticeKind::Error,
                format!("A part of a folder could not be read: {text}."),
                "Check that you may read it.",
            );
        }
        if report.folders > 0 && report.photos == 0 && !report.stopped {
            self.notify(
                NoticeKind::Note,
                "No photos were found in that folder.",
                "JPEG, PNG, WebP, GIF, BMP, TIFF and PNM are known.",
            );
        } else if report.passed_over > 0 {
            let files = if report.passed_over == 1 {
                "1 other file was".to_owned()
            } else {
                format!("{} other files were", report.passed_over)
            };
            self.notify(
                NoticeKind::Note,
                format!("{files} passed over: no pictures."),
                "",
            );
        }
        if let Some(model) = report.models.first() {
            if report.models.len() > 1 {
                self.notify(
                    NoticeKind::Note,
                    format!(
                        "{} models were dropped; {} is tried.",
                        report.models.len(),
                        model.display()
                    ),
                    "",
                );
            }
            self.open_model(ModelSource::File(model.clone()));
        }
    }

    /// Begins to open a model; the old one works on meanwhile.
    pub(super) fn open_model(&mut self, source: ModelSource) {
        self.loading = Some(source.clone());
        if let Err(error) = self.workers.open_model(source.clone()) {
            self.model_failed(
                &source,
                Problem::new(
                    format!("No thread could be started: {error}."),
                    "Close other programs and try again.",
                ),
            );
        }
    }

    pub(super) fn model_ready(&mut self, model: Arc<dyn Classify>) {
        let first = matches!(self.model, ModelState::Loading | ModelState::Missing(_));
        let source = &model.card().source;
        // The default is no choice: should another one take its place, that one is wanted.
        if self.settings.model.is_some() || *source != self.default_model {
            self.settings.remember_model(source);
        }
        self.loading = None;
        self.model = ModelState::Ready(model);
        if !first {
            self.workers.forget_photos();
            let jobs = self.session.ask_again();
            self.queued = jobs.len();
            self.workers.look_at(jobs);
        }
        if let View::Photo(id) = self.view {
            self.open_photo(id);
        }
    }

    pub(super) fn model_failed(&mut self, source: &ModelSource, problem: Problem) {
        if self.loading.as_ref() == Some(source) {
            self.loading = None;
        }
        let kept = match &self.model {
            ModelState::Ready(model) => format!(" {} stays in use.", model.card().name),
            ModelState::Loading | ModelState::Missing(_) => String::new(),
        };
        self.notify(
            NoticeKind::Error,
            format!(
                "{} cannot be used as a model. {}",
                source.short_name(),
                problem.what
            ),
            format!("{}{kept}", problem.remedy),
        );
        if self.classifier().is_none() {
            self.model = ModelState::Missing(problem);
            // A remembered model that went away must not leave the window useless.
            if *source != ModelSource::Embedded {
                self.open_model(ModelSource::Embedded);
            }
        }
    }

    pub(super) fn show_list(&mut self) {
        if let View::Photo(id) = self.view {
            self.cursor = Some(id);
            self.focus_tile = Some(id);
        }
        self.workers.stop_explaining();
        self.view = View::List;
        self.shown = None;
    }

    pub(super) fn open_photo(&mut self, id: PhotoId) {
        let Some(photo) = self.session.photo(id) else {
            return;
        };
        self.workers.stop_explaining();
        self.workers.show(id, photo.source.clone());
        self.view = View::Photo(id);
        self.cursor = Some(id);
        self.shown = Some(Shown {
            id,
            detail: None,
            photo: None,
            crop: None,
            heat: HeatState::NotAsked,
            heat_texture: None,
        });
    }

    pub(super) fn show_detail(&mut self, id: PhotoId, detail: Result<Detail, Problem>) {
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.id == id) {
            shown.detail = Some(detail);
        }
    }

    /// Asks for the heat map of the photo shown, once.
    pub(super) fn explain(&mut self) {
        let Some(shown) = &mut self.shown else {
            return;
        };
        let Some(photo) = self.session.photo(shown.id) else {
            return;
        };
        if let (HeatState::NotAsked, Some(best)) =
            (&shown.heat, photo.answer().and_then(|answer| answer.best()))
        {
            shown.heat = HeatState::Working;
            self.workers
                .explain(shown.id, photo.source.clone(), best.index);
        }
    }

    /// The photo before or after the one shown, in the order of the grid.
    pub(super) fn neighbor(&mut self, step: isize) -> Option<PhotoId> {
        let View::Photo(id) = self.view else {
            return None;
        };
        let shown = self
            .session
            .shown(&self.filter, self.sort, self.settings.sure_from);
        let place = shown.iter().position(|other| *other == id)?;
        shown.get(place.checked_add_signed(step)?).copied()
    }

    pub(super) fn go(&mut self, step: isize) {
        if let Some(id) = self.neighbor(step) {
            self.open_photo(id);
        }
    }

    pub(super) fn remove(&mut self, ids: &[PhotoId]) {
        let next = self.neighbor(1).or_else(|| self.neighbor(-1));
        self.workers.forget(ids);
        self.session.remove(ids);
        self.pictures.forget(ids);
        if let View::Photo(id) = self.view
            && ids.contains(&id)
        {
            match next {
                Some(next) => self.open_photo(next),
                None => self.show_list(),
            }
        }
        if self.session.photos().is_empty() {
            self.filter = crate::view::Filter::default();
            self.show_list();
        }
    }

    pub(super) fn remove_all(&mut self) {
        self.workers.stop();
        let all: Vec<_> = self.session.photos().iter().map(|photo| photo.id).collect();
        self.show_list();
        self.remove(&all);
    }

    /// Stops the work; what waits can be taken up again.
    pub(super) fn cancel(&mut self) {
        self.workers.stop();
        self.session.stop();
        self.queued = 0;
    }

    pub(super) fn resume(&mut self) {
        let jobs = self.session.resume();
        self.queued = jobs.len();
        self.workers.look_at(jobs);
    }

    pub(super) fn retry(&mut self, id: PhotoId) {
        let jobs = self.session.retry(id);
        self.workers.look_at(jobs);
        if self.view == View::Photo(id) {
            self.open_photo(id);
        }
    }

    pub(super) fn copy_answer(&mut self) {
        let id = match self.view {
            View::Photo(id) => Some(id),
            View::List => self.cursor,
        };
        if let Some(photo) = id.and_then(|id| self.session.photo(id)) {
            self.context
                .copy_text(records::text(photo, self.settings.answers_shown));
            self.copied = Some(Instant::now());
            self.context.request_repaint_after(COPIED_SHOWN);
        }
    }

    /// True for a moment after something was copied.
    pub(super) fn copied_lately(&self) -> bool {
        self.copied.is_some_and(|at| at.elapsed() < COPIED_SHOWN)
    }

    pub(super) fn pick(&mut self, what: Pick) {
        let (post, waker) = (self.post.clone(), self.context.clone());
        let asked = what.clone();
        self.desk.pick(
            what,
            Box::new(move |picked| {
                // The window may be gone; then no one is left to tell.
                let _ = post.send(Mail::Picked(asked, picked));
                waker.request_repaint();
            }),
        );
    }

    pub(super) fn paste(&mut self) {
        let (post, waker) = (self.post.clone(), self.context.clone());
        self.desk.paste(Box::new(move |pasted| {
            let _ = post.send(Mail::Pasted(pasted));
            waker.request_repaint();
        }));
    }

    pub(super) fn type_path(&mut self, what: Pick, why: Option<String>) {
        self.typed = match &what {
            Pick::Save(name) => std::env::home_dir()
                .unwrap_or_default()
                .join(name)
                .display()
                .to_string(),
            Pick::Photos | Pick::Folder | Pick::Model => String::new(),
        };
        self.panel = Some(Panel::TypePath(what, why));
    }

    pub(super) fn open_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Picked(what, Picked::Chosen(paths)) => self.picked(&what, paths),
            Mail::Picked(_, Picked::Closed) => {}
            Mail::Picked(what, Picked::NoDialog) => {
                let why = "No file dialog opened. On Linux it needs xdg-desktop-portal or zenity. You can type the path instead.";
                self.type_path(what, Some(why.to_owned()));
            }
            Mail::Pasted(Pasted::Files(files)) => self.bring(files),
            Mail::Pasted(Pasted::Picture(bytes)) => self.add_memory("Pasted picture", bytes),
            Mail::Pasted(Pasted::Nothing(why)) => {
                self.notify(
                    NoticeKind::Note,
                    format!("Nothing to paste: {why}."),
                    "Copy a picture or a file first.",
                );
            }
            Mail::Exported(path, Ok(photos)) => {
                let photos = if photos == 1 {
                    "1 photo".to_owned()
                } else {
                    format!("{photos} photos")
                };
                self.notify(
                    NoticeKind::Note,
                    format!("The answers for {photos} are in {}.", path.display()),
                    "",
                );
            }
            Mail::Exported(path, Err(error)) => {
                let what = format!("{} could not be written: {error}.", path.display());
                self.notify(NoticeKind::Error, what, "Choose another folder.");
            }
            Mail::SystemDark(dark) => {
                self.system_theme = Some(if dark {
                    egui::Theme::Dark
                } else {
                    egui::Theme::Light
                })
            }
            Mail::Sample(sample, image) => samples::keep(&self.context, sample, &image),
            Mail::SettingsNotSaved(error) => {
                let what = format!("The settings could not be saved: {error}.");
                self.notify(
                    NoticeKind::Error,
                    what,
                    "Check that your home folder can be written and is not full.",
                );
            }
        }
    }

    pub(super) fn picked(&mut self, what: &Pick, mut paths: Vec<PathBuf>) {
        match what {
            Pick::Photos | Pick::Folder => self.bring(paths),
            Pick::Model => {
                if let Some(path) = paths.pop() {
                    self.open_model(ModelSource::File(path));
                }
            }
            Pick::Save(_) => {
                if let Some(path) = paths.pop() {
                    self.export(path);
                }
            }
        }
    }

    /// Writes the answers of the photos the grid shows, in its order, aside.
    pub(super) fn export(&mut self, path: PathBuf) {
        let ids = self
            .session
            .shown(&self.filter, self.sort, self.settings.sure_from)
            .to_vec();
        let photos: Vec<_> = ids
            .iter()
            .filter_map(|id| self.session.photo(*id))
            .cloned()
            .collect();
        let (k, post, waker) = (
            self.settings.answers_shown,
            self.post.clone(),
            self.context.clone(),
        );
        let write = move || {
            let done = photos
                .iter()
                .filter(|photo| photo.answer().is_some() || photo.problem().is_some())
                .count();
            let written = records::write(&photos, k, Format::of(&path))
                .map_err(|error| error.to_string())
                .and_then(|bytes| {
                    settings::write_atomically(&path, &bytes).map_err(|error| error.to_string())
                });
            let _ = post.send(Mail::Exported(path, written.map(|()| done)));
            waker.request_repaint();
        };
        drop(
            std::thread::Builder::new()
                .name("export".into())
                .spawn(write),
        );
    }

    pub(super) fn apply_appearance(&self) {
        self.context.set_theme(match self.settings.appearance {
            Appearance::System => egui::ThemePreference::System,
            Appearance::Light => egui::ThemePreference::Light,
            Appearance::Dark => egui::ThemePreference::Dark,
        });
    }
}
