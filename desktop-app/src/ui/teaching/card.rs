//! A class: its name, how many photos it has and how many of them are recognized, and the photos.

use std::path::PathBuf;

use egui::{Key, Popup, Stroke, TextEdit, Ui};
use photos::teach::FEW_PHOTOS;

use super::thumb::{self, Mark};
use super::{DropPlace, Pictures, Teaching};
use crate::desktop::FileRequest;
use crate::photo::{PhotoSource, percent};
use crate::problem::thousands;
use crate::teach::{ClassId, LearnOutcome, LearnState, PhotoClass};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::icons::Icon;
use crate::ui::widgets;

/// Photos shown of a class before it is opened.
const SHOWN: usize = 24;

pub(super) fn show(
    ui: &mut Ui,
    id: ClassId,
    state: &mut Teaching,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let Some(class) = state.board.class(id).cloned() else {
        return;
    };
    let p = theme::palette(ui);
    let card = theme::card(p).inner_margin(space::M as i8).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            name(ui, &class, state, actions);
            widgets::at_the_end(ui, "class", |ui| {
                let add = ui.button("Add photos\u{2026}");
                let add = add.accessible_name(format!("Add photos to {}", class.name));
                if add.clicked() {
                    actions.push(Action::ChooseFiles(FileRequest::ClassPhotos(id)));
                }
                let words = format!("Remove the class {}", class.name);
                if widgets::icon_button(ui, Icon::Close, &words).clicked() {
                    actions.push(Action::RemoveClass(id));
                }
            });
        });
        widgets::small(ui, &counts(&class, state));
        if class.photos.is_empty() {
            widgets::muted(ui, "Drop photos here, or mark some in the grid (F2).");
        } else {
            photos(ui, &class, state, pictures, actions);
        }
    });
    state
        .places
        .push((DropPlace::Class(id), card.response.rect));
}

fn name(ui: &mut Ui, class: &PhotoClass, state: &mut Teaching, actions: &mut Actions) {
    let typed = state.names.remove(&class.id);
    let mut typed = typed.unwrap_or_else(|| class.name.clone());
    let p = theme::palette(ui);
    let edit = TextEdit::singleline(&mut typed)
        .font(theme::title())
        .desired_width(180.0)
        .frame(
            egui::Frame::new()
                .stroke(Stroke::new(1.0, p.edge))
                .inner_margin(egui::Margin::symmetric(8, 5))
                .corner_radius(theme::radius::S),
        );
    let response = ui
        .add(edit)
        .accessible_name(format!("Name of the class {}", class.name));
    if state.wants_name == Some(class.id) {
        state.wants_name = None;
        response.request_focus();
        response.scroll_to_me(None);
    }
    if response.lost_focus() {
        // Esc takes back what was typed.
        if !ui.input(|input| input.key_pressed(Key::Escape)) {
            actions.push(Action::RenameClass(class.id, typed));
        }
    } else if response.has_focus() {
        state.names.insert(class.id, typed);
    }
}

fn counts(class: &PhotoClass, state: &Teaching) -> String {
    let kept = class.kept.as_ref().map_or(0, |kept| kept.photos);
    let photos = class.photos.len();
    let mut words = match (photos, kept) {
        (0, 0) => "No photos yet".to_owned(),
        (0, 1) => "1 photo in the model".to_owned(),
        (0, n) => format!("{} photos in the model", thousands(n)),
        (1, _) => "1 photo".to_owned(),
        (n, _) => format!("{} photos", thousands(n)),
    };
    if photos > 0 && kept > 0 {
        words += &format!(" and {} in the model", thousands(kept));
    }
    let of_class = |outcome: &LearnOutcome| {
        let classes = &outcome.findings().classes;
        let found = classes.iter().find(|found| found.class == class.name)?;
        Some(found.right_percent)
    };
    if let Some(right) = state.outcome.as_deref().and_then(of_class) {
        words += &format!(", {} of them recognized", whole_percent(right));
    }
    if (1..FEW_PHOTOS).contains(&class.count()) {
        words += &format!(" \u{2013} {FEW_PHOTOS} or more would be better");
    }
    words
}

/// "92 %", of 0 to 100.
pub(super) fn whole_percent(value: f64) -> String {
    format!("{value:.0} %")
}

fn photos(
    ui: &mut Ui,
    class: &PhotoClass,
    state: &mut Teaching,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let all = class.photos.len() <= SHOWN || state.opened.contains(&class.id);
    let shown = if all { class.photos.len() } else { SHOWN };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(6.0, 6.0);
        for path in &class.photos[..shown] {
            photo(ui, class, path, state, pictures, actions);
        }
    });
    let words = match (all, class.photos.len()) {
        (_, n) if n <= SHOWN => return,
        (true, _) => "Show fewer".to_owned(),
        (false, n) => format!("Show all {}", thousands(n)),
    };
    let toggle = ui.link(&words);
    if toggle
        .accessible_name(format!("{words} of {}", class.name))
        .clicked()
        && !state.opened.remove(&class.id)
    {
        state.opened.insert(class.id);
    }
}

fn photo(
    ui: &mut Ui,
    class: &PhotoClass,
    path: &PathBuf,
    state: &Teaching,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let file = PhotoSource::File(path.clone()).name();
    let shown = path.display().to_string();
    let suspect = state.outcome.as_deref().and_then(|outcome| {
        let suspects = &outcome.findings().suspects;
        suspects
            .iter()
            .find(|suspect| suspect.photo == shown && suspect.class == class.name)
    });
    let failed = failures(state).iter().find(|(failed, _)| failed == path);
    let (mark, note) = match (failed, suspect) {
        (Some((_, problem)), _) => (Mark::Broken, problem.what.clone()),
        (None, Some(suspect)) => {
            let sure = percent(suspect.probability as f32);
            (
                Mark::Doubt,
                format!("looks like {}, {sure}", suspect.looks_like),
            )
        }
        (None, None) => (Mark::None, String::new()),
    };
    let spoken = match note.as_str() {
        "" => format!("{file} in {}", class.name),
        note => format!("{file} in {}: {note}", class.name),
    };
    let response = thumb::show(
        ui,
        state.board.photo_id(path),
        path,
        mark,
        &spoken,
        pictures,
    );
    if response.has_focus() && ui.input(|input| input.key_pressed(Key::Delete)) {
        actions.push(Action::TakeOut(vec![path.clone()]));
    }
    Popup::menu(&response).show(|ui| {
        for other in state.board.classes() {
            if other.id != class.id && ui.button(format!("Move to {}", other.name)).clicked() {
                actions.push(Action::PutIntoClass(other.id, vec![path.clone()]));
                ui.close();
            }
        }
        if ui.button("Take out").clicked() {
            actions.push(Action::TakeOut(vec![path.clone()]));
            ui.close();
        }
    });
    if !Popup::is_any_open(ui.ctx()) {
        let tip = if note.is_empty() {
            file
        } else {
            format!("{file}: {note}")
        };
        widgets::tip(response, &tip);
    }
}

/// Photos that could not be used, and why.
pub(super) fn failures(state: &Teaching) -> &[(PathBuf, crate::problem::Problem)] {
    match (&state.state, &state.outcome) {
        (LearnState::Failed(_, failed), _) => failed,
        (_, Some(outcome)) => &outcome.failed,
        (_, None) => &[],
    }
}
