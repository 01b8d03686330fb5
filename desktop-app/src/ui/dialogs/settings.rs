//! The settings.

use egui::{Button, Response, Slider, Ui};

use super::Dialog;
use crate::classify::KEPT_ANSWERS;
use crate::settings::{Appearance, Settings};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets::{self, Segment};

pub(super) fn show(ui: &mut Ui, settings: &mut Settings, actions: &mut Actions) {
    let heading = |ui: &mut Ui, words: &str| {
        ui.add_space(space::S);
        widgets::heading(ui, words, theme::strong());
    };
    heading(ui, "Appearance");
    let choices = [
        (Appearance::System, "As the system"),
        (Appearance::Light, "Light"),
        (Appearance::Dark, "Dark"),
    ]
    .map(|(choice, words)| Segment {
        choice,
        words,
        name: words,
    });
    if let Some(appearance) = widgets::segments(ui, settings.appearance, &choices) {
        settings.appearance = appearance;
    }
    heading(ui, "Answers");
    let label = widgets::muted(ui, "Answers shown for a photo");
    let slider = Slider::new(&mut settings.answers_shown, 1..=KEPT_ANSWERS);
    add_slider(ui, slider).labelled_by(label.id);
    let label = widgets::muted(ui, "Say \u{201c}not sure\u{201d} below");
    let mut threshold = (100.0 * settings.sure_from).round();
    let slider = Slider::new(&mut threshold, 0.0..=95.0)
        .step_by(5.0)
        .suffix(" %");
    if add_slider(ui, slider).labelled_by(label.id).changed() {
        settings.sure_from = threshold / 100.0;
    }
    heading(ui, "Memory");
    ui.checkbox(&mut settings.keep_history, "Remember the latest answers");
    let entries = settings.history.len();
    let words = match entries {
        1 => "Forget 1 answer".to_owned(),
        n => format!("Forget {n} answers"),
    };
    if ui.add_enabled(entries > 0, Button::new(words)).clicked() {
        settings.history.clear();
    }
    ui.checkbox(&mut settings.keep_classes, "Remember the classes you teach");
    widgets::small(
        ui,
        "Their names, and where their photos are. The photos themselves stay where they are.",
    );
    if cfg!(target_os = "linux") {
        heading(ui, "Window");
        ui.checkbox(
            &mut settings.prefer_xwayland,
            "Use XWayland, so that dropping files works",
        );
        widgets::small(
            ui,
            "Without it, files cannot be dropped on Wayland desktops. With it, letters may look blurred on displays scaled by fractions. Takes effect at the next start.",
        );
    }
    ui.add_space(space::M);
    ui.horizontal_wrapped(|ui| {
        if ui
            .button("Ways in\u{2026}")
            .on_hover_text("Which ways of bringing photos in work on this system")
            .clicked()
        {
            actions.push(Action::OpenDialog(Dialog::InputMethods));
        }
        if ui.button("Keyboard\u{2026}").clicked() {
            actions.push(Action::OpenDialog(Dialog::Shortcuts));
        }
    });
}

/// A slider whose rail is seen: it is drawn with the fill of a button, which is the color of the dialog.
fn add_slider(ui: &mut Ui, slider: Slider<'_>) -> Response {
    let p = theme::palette(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        widgets.inactive.bg_fill = p.edge;
        widgets.hovered.bg_fill = p.muted;
        widgets.active.bg_fill = p.accent;
        ui.add(slider)
    })
    .inner
}
