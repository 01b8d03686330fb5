//! The models: which one is in use, and which others there are.

use egui::{CollapsingHeader, RichText, TextStyle, Ui};

use crate::classify::{ModelCard, ModelChoice, distinct_names};
use crate::desktop::FileRequest;
use crate::problem::{file_size, thousands};
use crate::settings::Settings;
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::model_slot::ModelSlot;
use crate::ui::widgets;

pub(super) fn show(ui: &mut Ui, model: &ModelSlot, settings: &Settings, actions: &mut Actions) {
    let p = theme::palette(ui);
    if let Some(classifier) = model.classifier() {
        widgets::heading(ui, "In use", theme::strong());
        egui::Frame::new()
            .fill(p.accent_soft)
            .corner_radius(theme::radius::M)
            .inner_margin(14)
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                in_use(ui, classifier.card());
            });
    }
    if let Some(problem) = model.problem() {
        ui.label(RichText::new(&problem.what).color(p.error));
        ui.label(&problem.remedy);
    }
    if let Some((loading, _)) = &model.loading {
        ui.horizontal(|ui| {
            ui.add(egui::Spinner::new().size(16.0));
            widgets::muted(ui, &format!("Loading {}\u{2026}", loading.short_name()));
        });
    }
    others(ui, model, settings, actions);
    ui.add_space(space::M);
    if widgets::primary_button(ui, "Choose an ONNX file\u{2026}").clicked() {
        actions.push(Action::ChooseFiles(FileRequest::Model));
    }
    widgets::small(
        ui,
        "Or drop one on the window. The trainer of this toolkit makes such files.",
    );
}

fn in_use(ui: &mut Ui, card: &ModelCard) {
    let p = theme::palette(ui);
    ui.spacing_mut().item_spacing.y = 3.0;
    widgets::text(ui, &card.title, theme::title(), p.text);
    let kinds = thousands(card.classes);
    widgets::muted(ui, &format!("Tells {kinds} kinds of things apart."));
    if let Some(accuracy) = &card.accuracy {
        widgets::muted(ui, &format!("{accuracy}."));
    }
    if let ModelChoice::File(path) = &card.source {
        widgets::small(ui, &path.display().to_string());
    }
    CollapsingHeader::new(
        RichText::new("Technical details")
            .text_style(TextStyle::Small)
            .color(p.muted),
    )
    .show(ui, |ui| {
        let [width, height] = card.input;
        let mut lines = vec![
            format!("Name: {}", card.name),
            format!("Looks at {width} \u{00d7} {height} pixels"),
            format!("Size: {}", file_size(card.model_bytes)),
            format!("Computed by: {}", card.engine),
        ];
        lines.extend(card.license.iter().map(|name| format!("License: {name}")));
        for line in lines {
            widgets::small(ui, &line);
        }
    });
}

fn others(ui: &mut Ui, model: &ModelSlot, settings: &Settings, actions: &mut Actions) {
    let mut choices = vec![ModelChoice::Embedded];
    choices.extend(
        settings
            .recent_models
            .iter()
            .cloned()
            .map(ModelChoice::File),
    );
    for more in settings.model.iter().chain([&model.default]) {
        if !choices.contains(more) {
            choices.push(more.clone());
        }
    }
    let names = distinct_names(&choices);
    let in_use = model.classifier().map(|model| &model.card().source);
    let mut others: Vec<_> = choices
        .iter()
        .zip(&names)
        .filter(|(choice, _)| Some(*choice) != in_use)
        .collect();
    if others.is_empty() {
        return;
    }
    ui.add_space(space::M);
    widgets::heading(ui, "Others", theme::strong());
    for (choice, name) in others.drain(..) {
        let place = choice.path().map_or_else(
            || "Inside the program".to_owned(),
            |path| path.display().to_string(),
        );
        let response = ui
            .add(egui::Button::new(name).truncate())
            .on_hover_text(place);
        if response.accessible_name(format!("Use {name}")).clicked() {
            actions.push(Action::UseModel(choice.clone()));
        }
    }
}
