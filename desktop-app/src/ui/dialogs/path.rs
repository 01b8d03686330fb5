//! A path to type, for whoever has no file dialog or no mouse.

use egui::{Key, TextEdit, Ui};

use crate::desktop::FileRequest;
use crate::paths::paths_in_text;
use crate::theme::space;
use crate::ui::action::{Action, Actions};
use crate::ui::widgets;

/// What is typed so far, and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct TypePath {
    request: FileRequest,
    why: Option<String>,
    typed: String,
}

impl TypePath {
    pub(super) fn new(request: FileRequest, why: Option<String>) -> Self {
        let typed = request.suggested_name().map_or_else(String::new, |name| {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(name).display().to_string()
        });
        Self {
            request,
            why,
            typed,
        }
    }

    pub(super) fn title(&self) -> &'static str {
        match self.request {
            FileRequest::Export(_) => "Export to",
            FileRequest::SaveModel(_) => "Save to",
            _ => "Type a path",
        }
    }

    pub(super) fn show(&mut self, ui: &mut Ui, fresh: bool, actions: &mut Actions) {
        if let Some(why) = &self.why {
            ui.label(why);
            ui.add_space(space::S);
        }
        let (hint, done) = match &self.request {
            FileRequest::Photos | FileRequest::Folder | FileRequest::ClassPhotos(_) => {
                ("/home/me/photo.jpg, or a folder", "Open")
            }
            FileRequest::TryPhoto => ("/home/me/photo.jpg", "Try"),
            FileRequest::SaveModel(_) => ("/home/me/mine.onnx", "Save"),
            FileRequest::SortInto => ("/home/me/sorted", "Choose"),
            FileRequest::Model => ("/home/me/model.onnx", "Open"),
            FileRequest::Export(_) => ("/home/me/answers.csv, or .json", "Export"),
        };
        let edit = TextEdit::singleline(&mut self.typed)
            .hint_text(hint)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(10, 8));
        let response = ui.add(edit).accessible_name("Path");
        // A line of text gives the keyboard up when Enter is pressed in it.
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let paths = paths_in_text(&self.typed);
        if fresh || (entered && paths.is_empty()) {
            response.request_focus();
        }
        ui.add_space(space::S);
        let clicked = ui
            .add_enabled_ui(!paths.is_empty(), |ui| widgets::primary_button(ui, done))
            .inner
            .clicked();
        let typed = self.typed.trim();
        if paths.is_empty() && !typed.is_empty() {
            widgets::small(ui, "No file or folder of this name is here.");
        }
        if (entered || clicked) && !paths.is_empty() {
            actions.push(Action::FilesChosen(self.request.clone(), paths));
        }
    }
}
