//! "This is a ...": the user says what photos show.

use std::path::PathBuf;

use egui::{Key, TextEdit, Ui};

use crate::photo::PhotoId;
use crate::problem::thousands;
use crate::theme::space;
use crate::ui::action::{Action, Actions};
use crate::ui::widgets;

/// What it is said of.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) enum Subject {
    /// Photos of the list: their label is corrected, and they can be taught, too.
    Photos(Vec<PhotoId>),
    /// Files that are to be taught.
    Files(Vec<PathBuf>),
}

/// What is typed so far.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct SayWhat {
    subject: Subject,
    /// Names to choose from: the classes, and what the program thought.
    choices: Vec<String>,
    typed: String,
    teach: bool,
}

impl SayWhat {
    pub(super) fn new(subject: Subject, choices: Vec<String>) -> Self {
        Self {
            subject,
            choices,
            typed: String::new(),
            teach: true,
        }
    }

    pub(super) fn show(&mut self, ui: &mut Ui, fresh: bool, actions: &mut Actions) {
        let photos = match &self.subject {
            Subject::Photos(ids) => ids.len(),
            Subject::Files(files) => files.len(),
        };
        let words = match photos {
            1 => "What does this photo show?".to_owned(),
            n => format!("What do these {} photos show?", thousands(n)),
        };
        widgets::muted(ui, &words);
        let edit = TextEdit::singleline(&mut self.typed)
            .hint_text("cat, grandma, our boat\u{2026}")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(10, 8));
        let response = ui.add(edit).accessible_name("Name");
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let empty = self.typed.trim().is_empty();
        if fresh || (entered && empty) {
            response.request_focus();
        }
        let mut chosen = (entered && !empty).then(|| self.typed.clone());
        if !self.choices.is_empty() {
            ui.horizontal_wrapped(|ui| {
                for name in &self.choices {
                    let response = ui.add(egui::Button::new(name).truncate());
                    if response
                        .accessible_name(format!("This is: {name}"))
                        .clicked()
                    {
                        chosen = Some(name.clone());
                    }
                }
            });
        }
        if matches!(self.subject, Subject::Photos(_)) {
            ui.checkbox(&mut self.teach, "Learn from it, too");
            widgets::small(
                ui,
                "Then the photos also go to the class of this name in the teaching place.",
            );
        }
        ui.add_space(space::S);
        let named = ui
            .add_enabled_ui(!empty, |ui| widgets::primary_button(ui, "Name it"))
            .inner
            .clicked();
        if named {
            chosen = Some(self.typed.clone());
        }
        if let Some(name) = chosen {
            let subject = self.subject.clone();
            actions.push(Action::NameThem(subject, name, self.teach));
        }
    }
}
