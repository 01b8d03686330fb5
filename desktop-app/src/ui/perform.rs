//! Does what was clicked: every [`Action`] has its one place here.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use model_core::atomic_file;

use super::action::Action;
use super::dialogs::{Dialog, Subject};
use super::notices::{Kind, Topic};
use super::teaching::DropPlace;
use super::{App, LoadReason, Message, View};
use crate::classify::ModelChoice;
use crate::desktop::{FileRequest, ParentWindow};
use crate::export::{self, ExportFormat};
use crate::photo::PhotoId;
use crate::settings::Appearance;

/// How long the button says that it copied.
const COPIED_SHOWN: Duration = Duration::from_millis(1500);

impl App {
    pub(super) fn perform(&mut self, action: Action, window: &dyn ParentWindow) {
        match action {
            Action::ChooseFiles(request) => self.choose_files(request, window),
            Action::FilesChosen(request, paths) => self.files_chosen(&request, paths),
            Action::OpenPaths(paths) => self.open_paths(paths),
            Action::OpenSample(sample) => self.add_picture(sample.name, sample.bytes.into()),
            Action::Paste => self.paste(),
            Action::OpenDialog(dialog) => self.dialogs.open(&self.context, dialog),
            Action::CloseDialog => self.dialogs.close(&self.context),
            Action::ShowPhoto(id) => self.show_photo(id),
            Action::ShowNeighbor(step) => {
                let [before, after] = self.neighbors();
                if let Some(id) = if step < 0 { before } else { after } {
                    self.show_photo(id);
                }
            }
            Action::ShowGrid => self.show_grid(),
            Action::FocusFilter => {
                self.show_grid();
                self.grid.focus_filter();
            }
            Action::Remove(ids) => self.remove(&ids),
            Action::RemoveAll => self.remove_all(),
            Action::Undo => self.undo(),
            Action::Cancel => self.cancel(),
            Action::Resume => self.resume(),
            Action::Retry(ids) => self.retry(&ids),
            Action::Copy(ids) => self.copy_answers(&ids),
            Action::ShowInFolder(id) => {
                if let Some(path) = self.photos.photo(id).and_then(|photo| photo.source.path()) {
                    self.desktop.show_in_folder(path);
                }
            }
            Action::UseModel(choice) => self.load_model(choice, LoadReason::Chosen),
            Action::Sort(ids) => {
                if let Some(request) = self.sort_request(ids) {
                    self.choose_files(request, window);
                }
            }
            Action::CarryOut(plan) => self.carry_out(*plan),
            Action::StopSorting => self.stop_sorting(),
            Action::PlanAgain(request) => self.plan_again(*request),
            Action::PlanKeywords(ids) => self.plan_keywords(&ids),
            Action::WriteKeywords(tagged, left_out) => self.write_keywords(tagged, left_out),
            Action::Dropped(files) => self.take_drop(files),
            Action::AskWhat(ids) => self.ask_what(Subject::Photos(ids)),
            Action::NameThem(subject, name, teach) => self.name_them(&subject, &name, teach),
            Action::TakeLabelBack(ids) => self.take_label_back(&ids),
            Action::ShowTeaching => self.show_teaching(),
            Action::AddClass => self.add_class(),
            Action::RenameClass(id, name) => self.rename_class(id, &name),
            Action::RemoveClass(id) => self.remove_class(id),
            Action::RemoveAllClasses => self.remove_all_classes(),
            Action::BuildOn(base) => self.build_on(base),
            Action::PutIntoClass(id, photos) => self.put_into_class(id, &photos),
            Action::TakeOut(photos) => self.take_out(&photos),
            Action::StopLearning => self.stop_learning(),
            Action::Learn => self.learn(),
            Action::SaveModel => self.choose_files(self.save_request(), window),
            Action::Dismiss(topic) => self.notices.end(topic),
        }
    }

    fn choose_files(&mut self, request: FileRequest, window: &dyn ParentWindow) {
        // One at a time: a second would lie on the first one.
        if self.progress.choosing {
            return;
        }
        self.progress.choosing = true;
        let (send, waker, asked) = (
            self.messages.0.clone(),
            self.context.clone(),
            request.clone(),
        );
        self.desktop.choose_files(
            request,
            window,
            Box::new(move |response| {
                // The window may be gone; then nobody waits for it.
                let _ = send.send(Message::Files(asked, response));
                waker.request_repaint();
            }),
        );
    }

    pub(super) fn files_chosen(&mut self, request: &FileRequest, mut paths: Vec<PathBuf>) {
        self.dialogs.close(&self.context);
        match request {
            FileRequest::Photos | FileRequest::Folder => self.open_paths(paths),
            FileRequest::Model => {
                if let Some(path) = paths.pop() {
                    self.load_model(ModelChoice::File(path), LoadReason::Chosen);
                }
            }
            FileRequest::ClassPhotos(id) => self.gather(paths, DropPlace::Class(*id)),
            FileRequest::TryPhoto => self.gather(paths, DropPlace::Try),
            FileRequest::SaveModel(_) => {
                if let Some(path) = paths.pop() {
                    self.save_model(path);
                }
            }
            FileRequest::SortInto => {
                if let Some(path) = paths.pop() {
                    self.plan_sorting(path);
                }
            }
            FileRequest::Export(_) => {
                if let Some(path) = paths.pop() {
                    self.export(path);
                }
            }
        }
    }

    /// No file dialog opened: a path can be typed.
    pub(super) fn offer_typing(&mut self, request: FileRequest) {
        let why = "No file dialog opened. On Linux it needs xdg-desktop-portal or zenity. You can type the path instead.";
        self.dialogs.open(
            &self.context,
            Dialog::type_path(request, Some(why.to_owned())),
        );
    }

    fn paste(&mut self) {
        // A program that hands a large picture over slowly is asked once.
        if self.progress.pasting.is_some() {
            return;
        }
        self.notices.end(Topic::Paste);
        self.progress.pasting = Some(Instant::now());
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        self.desktop.read_clipboard(Box::new(move |content| {
            // The window may be gone; then nobody waits for it.
            let _ = send.send(Message::Clipboard(content));
            waker.request_repaint();
        }));
    }

    fn copy_answers(&mut self, ids: &[PhotoId]) {
        let texts: Vec<_> = ids
            .iter()
            .filter_map(|id| self.photos.photo(*id))
            .map(|photo| export::text(photo, self.settings.current.answers_shown))
            .collect();
        if texts.is_empty() {
            return;
        }
        self.context.copy_text(texts.join("\n\n"));
        self.progress.copied = Some(Instant::now());
        self.context.request_repaint_after(COPIED_SHOWN);
        if self.view == View::Grid {
            let words = match texts.len() {
                1 => "The answer was copied.".to_owned(),
                n => format!("{n} answers were copied."),
            };
            self.notices.add(Topic::Export, Kind::Success, words, "");
        }
    }

    /// True for a moment after something was copied.
    pub(super) fn copied_lately(&self) -> bool {
        self.progress
            .copied
            .is_some_and(|since| since.elapsed() < COPIED_SHOWN)
    }

    /// Writes the answers of the selected photos, or of those the grid shows, in its order, aside.
    fn export(&mut self, path: PathBuf) {
        self.notices.end(Topic::Export);
        let selected = self.grid.selection();
        let ids: Vec<_> = self
            .photos
            .shown(
                &self.grid.filter,
                self.grid.order,
                self.settings.current.sure_from,
            )
            .iter()
            .copied()
            .filter(|id| selected.is_empty() || selected.contains(id))
            .collect();
        let photos: Vec<_> = ids
            .iter()
            .filter_map(|id| self.photos.photo(*id))
            .cloned()
            .collect();
        let (k, send, waker) = (
            self.settings.current.answers_shown,
            self.messages.0.clone(),
            self.context.clone(),
        );
        crate::desktop::in_thread("export", move || {
            let done = photos
                .iter()
                .filter(|photo| photo.answer().is_some() || photo.problem().is_some())
                .count();
            let written = export::write(&photos, k, ExportFormat::of(&path))
                .map_err(|error| error.to_string())
                .and_then(|bytes| {
                    atomic_file::write(&path, &bytes)
                        .map_err(|error| crate::problem::reason(&error.reason))
                });
            let _ = send.send(Message::Exported(path, written.map(|()| done)));
            waker.request_repaint();
        });
    }

    pub(super) fn apply_appearance(&self) {
        let wanted = match self.settings.current.appearance {
            Appearance::System => egui::ThemePreference::System,
            Appearance::Light => egui::ThemePreference::Light,
            Appearance::Dark => egui::ThemePreference::Dark,
        };
        if self.context.options(|options| options.theme_preference) != wanted {
            self.context.set_theme(wanted);
        }
    }
}
