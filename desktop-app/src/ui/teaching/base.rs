//! Which model the classes are learned on top of: said where it is not the built-in one, and offered where another
//! one is in use.

use egui::Ui;

use super::Teaching;
use crate::classify::{ModelCard, ModelChoice};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets;

pub(super) fn show(
    ui: &mut Ui,
    state: &Teaching,
    in_use: Option<&ModelCard>,
    actions: &mut Actions,
) {
    let base = state.board.base();
    let in_use = in_use.map_or(&ModelChoice::Embedded, |card| &card.source);
    let mut others: Vec<&ModelChoice> = vec![in_use, &ModelChoice::Embedded];
    others.dedup();
    others.retain(|other| *other != base);
    if others.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        let name = base.short_name();
        widgets::muted(ui, &format!("Learned on top of \u{201c}{name}\u{201d}."));
        if let Some(considered) = &state.considering {
            let p = theme::palette(ui);
            ui.add(egui::Spinner::new().size(16.0).color(p.accent));
            let name = considered.short_name();
            widgets::muted(ui, &format!("Looking at \u{201c}{name}\u{201d}\u{2026}"));
            return;
        }
        for other in others {
            let name = other.short_name();
            let (words, tip) = match other {
                ModelChoice::Embedded => (
                    format!("Back to \u{201c}{name}\u{201d}"),
                    "Your classes stay, but not those of the model.",
                ),
                ModelChoice::File(_) => (
                    format!("Go on from \u{201c}{name}\u{201d}"),
                    "Adds to what it was taught, if it keeps its photos. Else only what its network sees is used.",
                ),
            };
            let button = ui.add(egui::Button::new(&words).truncate());
            if widgets::tip(button, tip).clicked() {
                actions.push(Action::BuildOn(other.clone()));
            }
        }
    });
    ui.add_space(space::S);
}
