//! Photos into folders: where each will go, before anything is done.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{
    Button, CollapsingHeader, Grid, Label, RichText, TextEdit, TextStyle, TextWrapMode, Ui, vec2,
};
use photos::sort::{Plan, Template};

use crate::problem::thousands;
use crate::sorting::{self, Mode, Sortable};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets::{self, Live, Segment};

/// Single photos that are listed.
pub(super) const LISTED: usize = 200;

/// The folders of the first plan.
pub(in crate::ui) const LABEL: &str = "{label}";

/// Folders that people like, in words.
const TEMPLATES: [(&str, &str); 3] = [
    ("Label", LABEL),
    ("Label and day", "{label}/{date}"),
    ("Year and label", "{year}/{label}"),
];

/// What is to be planned.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct SortRequest {
    pub(in crate::ui) photos: Arc<Vec<Sortable>>,
    pub(in crate::ui) into: PathBuf,
    pub(in crate::ui) folders: Template,
    /// The folders as they were typed.
    pub(in crate::ui) typed: String,
    /// Photos without a file, or without an answer.
    pub(in crate::ui) left_out: usize,
}

/// What is planned, and for what.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct SortPreview {
    plan: Plan,
    request: SortRequest,
    folders: Vec<(String, usize)>,
    /// The folders as they are being typed.
    typed: String,
}

impl SortPreview {
    pub(in crate::ui) fn new(plan: Plan, request: SortRequest) -> Self {
        Self {
            folders: sorting::folders(&plan),
            typed: request.typed.clone(),
            plan,
            request,
        }
    }

    /// Takes the plan of another preview; what is being typed and chosen stays.
    pub(super) fn take_plan(&mut self, other: Self) {
        self.plan = Plan {
            mode: self.plan.mode,
            ..other.plan
        };
        self.folders = other.folders;
        self.request = other.request;
    }

    /// The folders are typed, or chosen; whether the plan is of these.
    fn template(&mut self, ui: &mut Ui, busy: bool, actions: &mut Actions) -> bool {
        let label = widgets::muted(ui, "Folders");
        let edit = TextEdit::singleline(&mut self.typed)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(10, 7));
        ui.add(edit).labelled_by(label.id);
        ui.horizontal_wrapped(|ui| {
            for (words, template) in TEMPLATES {
                let on = self.typed.trim() == template;
                let button = ui.add(Button::new(words).selected(on));
                if button
                    .accessible_name(format!("Folders: {words}"))
                    .clicked()
                {
                    template.clone_into(&mut self.typed);
                }
            }
        });
        if self.typed == self.request.typed {
            return !busy;
        }
        match Template::parse(&self.typed) {
            Ok(folders) => {
                if !busy {
                    actions.push(Action::PlanAgain(Box::new(SortRequest {
                        folders,
                        typed: self.typed.clone(),
                        ..self.request.clone()
                    })));
                }
            }
            Err(error) => {
                let p = theme::palette(ui);
                let words = sorting::words_for_template(&error);
                let response = widgets::text(ui, &words, TextStyle::Small, p.error);
                widgets::announce(ui, &response, &words, Live::Polite);
            }
        }
        false
    }

    /// Whether there is something to do, which a row below this carries out.
    pub(super) fn has_work(&self) -> bool {
        !self.plan.steps.is_empty()
    }

    /// Folders and photos; whether the plan is of the folders that are typed.
    pub(super) fn show(&mut self, ui: &mut Ui, busy: bool, actions: &mut Actions) -> bool {
        widgets::muted(ui, &format!("Into {}", self.plan.into.display()));
        let current = self.template(ui, busy, actions);
        ui.add_space(space::XS);
        table(ui, &self.folders);
        for line in self.notes() {
            widgets::small(ui, &line);
        }
        self.ways(ui);
        ui.add_space(space::S);
        if !self.has_work() {
            widgets::muted(ui, "There is nothing to do.");
            return current;
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
        current
    }

    /// The row that carries the plan out, if it is `current`.
    pub(super) fn show_action(&self, ui: &mut Ui, current: bool, actions: &mut Actions) {
        widgets::small(ui, "Nothing is overwritten, and it can be undone.");
        ui.add_space(space::XS);
        let verb = match self.plan.mode {
            Mode::Move => "Move",
            Mode::Copy | Mode::Link => "Copy",
        };
        let words = format!("{verb} {}", count(self.plan.steps.len()));
        let carry_out = ui.add_enabled_ui(current, |ui| widgets::primary_button(ui, &words));
        if carry_out.inner.clicked() {
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
        if self.request.left_out > 0 {
            notes.push(match self.request.left_out {
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

/// Names and how many photos each has: beside each other, or under each other where a name is too long for that.
pub(super) fn table(ui: &mut Ui, rows: &[(String, usize)]) {
    const GAP: f32 = 28.0;
    const COUNT: f32 = 100.0;
    let p = theme::palette(ui);
    let font = theme::strong().resolve(ui.style());
    let width = |name: &String| {
        let galley = ui
            .painter()
            .layout_no_wrap(name.clone(), font.clone(), p.text);
        galley.size().x
    };
    let widest = rows.iter().map(|(name, _)| width(name)).fold(0.0, f32::max);
    let row = |ui: &mut Ui, name: &str, photos: usize, wrap: TextWrapMode| {
        let name = RichText::new(name).text_style(theme::strong());
        ui.add(Label::new(name).wrap_mode(wrap));
        ui.label(RichText::new(count(photos)).color(p.muted));
    };
    if widest + GAP + COUNT > ui.available_width() {
        for (name, photos) in rows {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                row(ui, name, *photos, TextWrapMode::Wrap);
            });
        }
        return;
    }
    Grid::new("table")
        .num_columns(2)
        .min_row_height(0.0)
        .spacing(vec2(GAP, 6.0))
        .show(ui, |ui| {
            for (name, photos) in rows {
                row(ui, name, *photos, TextWrapMode::Extend);
                ui.end_row();
            }
        });
}

pub(super) fn count(photos: usize) -> String {
    match photos {
        1 => "1 photo".to_owned(),
        n => format!("{} photos", thousands(n)),
    }
}
