//! The list of keys.

use egui::{Grid, RichText, Ui, vec2};

use super::Dialog;
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::{input, widgets};

pub(super) fn show(ui: &mut Ui, actions: &mut Actions) {
    let p = theme::palette(ui);
    Grid::new("shortcuts")
        .num_columns(2)
        // Words and no controls: rows as high as their letters, so that the whole list is seen at once.
        .min_row_height(0.0)
        .spacing(vec2(28.0, 7.0))
        .show(ui, |ui| {
            for (keys, words) in input::SHORTCUTS {
                let keys = if cfg!(target_os = "macos") {
                    keys.replace("Ctrl", "\u{2318}")
                } else {
                    keys.to_owned()
                };
                ui.label(RichText::new(keys).text_style(theme::strong()));
                ui.add(egui::Label::new(RichText::new(words).color(p.muted)).wrap());
                ui.end_row();
            }
        });
    ui.add_space(space::S);
    if ui.button("Ways in\u{2026}").clicked() {
        actions.push(Action::OpenDialog(Dialog::InputMethods));
    }
    ui.add_space(space::S);
    widgets::small(
        ui,
        "For scripts and servers there is infer-cli: the same answers, in a terminal.",
    );
}
