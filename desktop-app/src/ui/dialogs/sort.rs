//! Photos into folders: where each will go, before anything is done.

use egui::{CollapsingHeader, Grid, RichText, TextStyle, Ui, vec2};
use photos::sort::Plan;

use crate::problem::thousands;
use crate::sorting::{self, Mode};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets::{self, Segment};

/// Ways of single photos that are listed.
const LISTED: usize = 200;

/// What is planned, and what is left out of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct SortPreview {
    plan: Plan,
    folders: Vec<(String, usize)>,
    /// Photos without a file, or without an answer.
    left_out: usize,
}

impl SortPreview {
    pub(in crate::ui) fn new(plan: Plan, left_out: usize) -> Self {
        Self {
            folders: sorting::folders(&plan),
            plan,
            left_out,
        }
    }

    pub(super) fn show(&mut self, ui: &mut Ui, actions: &mut Actions) {
        let p = theme::palette(ui);
        widgets::muted(ui, &format!("Into {}", self.plan.into.display()));
        ui.add_space(space::XS);
        Grid::new("folders")
            .num_columns(2)
            .min_row_height(0.0)
            .spacing(vec2(28.0, 6.0))
            .show(ui, |ui| {
                for (folder, photos) in &self.folders {
                    ui.label(RichText::new(folder).text_style(theme::strong()));
                    ui.label(RichText::new(count(*photos)).color(p.muted));
                    ui.end_row();
                }
            });
        for line in self.notes() {
            widgets::small(ui, &line);
        }
        self.ways(ui);
        ui.add_space(space::S);
        if self.plan.steps.is_empty() {
            widgets::muted(ui, "There is nothing to do.");
            return;
        }
        let choices = [
            (Mode::Copy, "Copy", "Copy: the photos stay where they are"),
            (Mode::Move, "Move", "Move: the photos leave where they are"),
        ]
        .map(|(choice, words, name)| Segment {
            choice,
            words,
            name,
        });
        if let Some(mode) = widgets::segments(ui, self.plan.mode, &choices) {
            self.plan.mode = mode;
        }
        widgets::small(ui, "Nothing is overwritten, and it can be undone.");
        ui.add_space(space::XS);
        let verb = match self.plan.mode {
            Mode::Move => "Move",
            Mode::Copy | Mode::Link => "Copy",
        };
        let words = format!("{verb} {}", count(self.plan.steps.len()));
        if widgets::primary_button(ui, &words).clicked() {
            actions.push(Action::CarryOut(Box::new(self.plan.clone())));
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.plan.renamed > 0 {
            notes.push(match self.plan.renamed {
                1 => "1 photo gets a new name, because another file has its name.".to_owned(),
                n => format!(
                    "{} photos get new names, because other files have theirs.",
                    thousands(n)
                ),
            });
        }
        if !self.plan.same.is_empty() {
            notes.push(match self.plan.same.len() {
                1 => "1 photo is there already.".to_owned(),
                n => format!("{} photos are there already.", thousands(n)),
            });
        }
        if self.left_out > 0 {
            notes.push(match self.left_out {
                1 => "1 photo has no answer or no file, and stays.".to_owned(),
                n => format!(
                    "{} photos have no answer or no file, and stay.",
                    thousands(n)
                ),
            });
        }
        notes
    }

    /// Where each photo goes.
    fn ways(&self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let title = RichText::new("Each photo\u{2019}s way")
            .text_style(TextStyle::Small)
            .color(p.muted);
        CollapsingHeader::new(title).show(ui, |ui| {
            for step in self.plan.steps.iter().take(LISTED) {
                let to = step.to.strip_prefix(&self.plan.into).unwrap_or(&step.to);
                let line = format!("{} \u{2192} {}", step.from.display(), to.display());
                widgets::small(ui, &line);
            }
            if self.plan.steps.len() > LISTED {
                let more = thousands(self.plan.steps.len() - LISTED);
                widgets::small(ui, &format!("and {more} more"));
            }
        });
    }
}

fn count(photos: usize) -> String {
    match photos {
        1 => "1 photo".to_owned(),
        n => format!("{} photos", thousands(n)),
    }
}
