//! The place where the window learns: classes with their photos, and beside them how well they are told apart.

mod base;
mod card;
mod report;
mod thumb;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use egui::{Align, Layout, Pos2, Rect, ScrollArea, Stroke, TextStyle, Ui, vec2};

use super::action::{Action, Actions};
use super::saved_classes::SavedClasses;
use super::{drop_target, widgets};
use crate::classify::{Cancel, ModelCard, ModelChoice, OpenModel};
use crate::photo::PhotoAnswer;
use crate::problem::Problem;
use crate::teach::{ClassBoard, ClassId, LearnOutcome, LearnState, School};
use crate::theme::{self, radius, space};
use crate::thumbnails::ThumbnailCache;
use crate::worker::Workers;

/// Below this width, classes and report stand under each other.
const TWO_COLUMNS: f32 = 780.0;
const REPORT_WIDTH: f32 = 330.0;

/// Where dropped photos go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropPlace {
    /// Into this class.
    Class(ClassId),
    /// Onto the part where a photo is tried.
    Try,
    /// Nowhere in particular: folders become classes, and of photos it is asked what they show.
    Anywhere,
}

/// A photo that what was learned is tried on.
pub(super) struct Tried {
    pub(super) path: PathBuf,
    pub(super) answer: Option<Result<PhotoAnswer, Problem>>,
}

/// What is taught, how far the learning is, and how the view is used.
pub(super) struct Teaching {
    pub(super) board: ClassBoard,
    /// The classes on the disk.
    pub(super) memory: SavedClasses,
    pub(super) school: School,
    /// The model of which it is being looked at whether it can be built on.
    pub(super) considering: Option<ModelChoice>,
    pub(super) state: LearnState,
    /// The latest that was learned; while more is learned it is what held before.
    pub(super) outcome: Option<Arc<LearnOutcome>>,
    pub(super) tried: Option<Tried>,
    /// Where the model was saved, as long as it is what the board says.
    pub(super) saved: Option<PathBuf>,
    pub(super) saving: bool,
    /// Stops the search through dropped folders.
    pub(super) gathering: Option<Cancel>,
    /// The class whose name gets the keyboard in the next frame.
    pub(super) wants_name: Option<ClassId>,
    /// Names that are being typed.
    names: HashMap<ClassId, String>,
    /// Classes of which all photos are shown.
    opened: HashSet<ClassId>,
    /// Where drops go, as it was last drawn; the inner places come last.
    places: Vec<(DropPlace, Rect)>,
}

impl Teaching {
    pub(super) fn new(opener: Arc<dyn OpenModel>, board: ClassBoard, memory: SavedClasses) -> Self {
        Self {
            board,
            memory,
            school: School::new(opener),
            considering: None,
            state: LearnState::default(),
            outcome: None,
            tried: None,
            saved: None,
            saving: false,
            gathering: None,
            wants_name: None,
            names: HashMap::new(),
            opened: HashSet::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn is_learning(&self) -> bool {
        matches!(self.state, LearnState::Looking(..) | LearnState::Learning)
    }

    /// True while something is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        let trying = self
            .tried
            .as_ref()
            .is_some_and(|tried| tried.answer.is_none());
        let looking = self.considering.is_some() || self.gathering.is_some();
        self.is_learning() || self.saving || trying || looking || self.memory.is_waiting()
    }

    /// What was learned, if it is what the board says.
    fn learned(&self) -> Option<&Arc<LearnOutcome>> {
        match &self.state {
            LearnState::Learned(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether a name has the keyboard.
    pub(super) fn is_typing(&self) -> bool {
        !self.names.is_empty()
    }

    /// Names come from the board again, which was changed by something else than typing.
    pub(super) fn forget_typed_names(&mut self) {
        self.names.clear();
    }

    /// Where a drop at this place of the window goes.
    pub(super) fn place_at(&self, pointer: Option<Pos2>) -> DropPlace {
        let under = |place: &&(DropPlace, Rect)| pointer.is_some_and(|at| place.1.contains(at));
        let found = self.places.iter().rev().find(under);
        found.map_or(DropPlace::Anywhere, |(place, _)| *place)
    }

    /// What a drop at this place of the window does, in words, and the part of the window that takes it.
    pub(super) fn drop_words(&self, pointer: Option<Pos2>) -> (String, Option<Rect>) {
        let place = self.place_at(pointer);
        let rect = self.places.iter().find(|(known, _)| *known == place);
        let words = match place {
            DropPlace::Class(id) => {
                let name = self.board.class(id).map_or("", |class| class.name.as_str());
                format!("Drop to add to \u{201c}{name}\u{201d}")
            }
            DropPlace::Try => "Drop to try it on this photo".to_owned(),
            DropPlace::Anywhere => "Drop: a folder becomes a class".to_owned(),
        };
        (words, rect.map(|(_, rect)| *rect))
    }
}

/// Where the small pictures come from.
pub(super) struct Pictures<'a> {
    pub(super) thumbnails: &'a mut ThumbnailCache,
    pub(super) workers: &'a Workers,
}

pub(super) fn show(
    ui: &mut Ui,
    state: &mut Teaching,
    pictures: &mut Pictures<'_>,
    in_use: Option<&ModelCard>,
    actions: &mut Actions,
) {
    state.places.clear();
    let margin = theme::page_margin(ui, 0);
    egui::Frame::new().inner_margin(margin).show(ui, |ui| {
        header(ui, state, actions);
        ui.add_space(space::S);
        let scroll = ScrollArea::vertical()
            .id_salt("teaching")
            .auto_shrink(false);
        scroll.show(ui, |ui| {
            let width = ui.available_width() - space::M;
            ui.set_width(width);
            base::show(ui, state, in_use, actions);
            if width < TWO_COLUMNS {
                classes(ui, state, pictures, actions);
                ui.add_space(space::M);
                report::show(ui, state, pictures, actions);
            } else {
                ui.horizontal_top(|ui| {
                    let left = width - REPORT_WIDTH - space::L;
                    column(ui, left, |ui| classes(ui, state, pictures, actions));
                    ui.add_space(space::L - space::S);
                    column(ui, REPORT_WIDTH, |ui| {
                        report::show(ui, state, pictures, actions);
                    });
                });
            }
            ui.add_space(space::L);
        });
    });
}

fn column(ui: &mut Ui, width: f32, contents: impl FnOnce(&mut Ui)) {
    let layout = Layout::top_down(Align::Min);
    ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
        ui.set_width(width);
        contents(ui);
    });
}

fn header(ui: &mut Ui, state: &Teaching, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            widgets::heading(ui, "Teach", TextStyle::Heading);
            let photos = state.board.count();
            if photos > 0 {
                let mut words = match photos {
                    1 => "1 photo".to_owned(),
                    n => format!("{} photos", crate::problem::thousands(n)),
                };
                // In a narrow window the report stands below all classes.
                if ui.ctx().content_rect().width() < TWO_COLUMNS
                    && let Some(outcome) = state.learned()
                {
                    let right = card::whole_percent(outcome.findings().accuracy_percent);
                    words += &format!(", right for {right} of new photos");
                }
                widgets::small(ui, &words);
            }
        });
        widgets::at_the_end(ui, "board", |ui| {
            if ui.button("New class").clicked() {
                actions.push(Action::AddClass);
            }
        });
    });
}

fn classes(ui: &mut Ui, state: &mut Teaching, pictures: &mut Pictures<'_>, actions: &mut Actions) {
    let ids: Vec<ClassId> = state.board.classes().iter().map(|class| class.id).collect();
    if ids.is_empty() {
        empty(ui, actions);
        return;
    }
    for id in ids {
        card::show(ui, id, state, pictures, actions);
        ui.add_space(space::S);
    }
    let remove = ui.button("Remove all classes");
    let tip = "The photos stay where they are, and it can be undone";
    if widgets::tip(remove, tip).clicked() {
        actions.push(Action::RemoveAllClasses);
    }
}

/// What is shown before there is a class.
fn empty(ui: &mut Ui, actions: &mut Actions) {
    let p = theme::palette(ui);
    let frame = egui::Frame::new()
        .fill(p.card)
        .corner_radius(radius::L)
        .inner_margin(egui::Margin::symmetric(24, 28));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        widgets::heading(ui, "Teach it your own things", theme::title());
        for line in [
            "Drop a folder of photos here: it becomes a class, called as the folder is. Then a second one.",
            "Or make a class and drop photos on it. Or mark photos in the grid: \u{201c}This is a\u{2026}\u{201d} (F2).",
            "Ten photos of each are a good beginning. It learns in seconds, on this computer; no photo leaves it.",
        ] {
            widgets::muted(ui, line);
        }
        ui.add_space(space::S);
        if widgets::primary_button(ui, "Make the first class").clicked() {
            actions.push(Action::AddClass);
        }
    });
    drop_target::dashed(ui.painter(), shown.response.rect, Stroke::new(1.5, p.edge));
}
