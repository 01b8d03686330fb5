//! The dialogs over the window, one module each. A dialog has its own size and scroll place, takes the keyboard when
//! it opens and gives it back when it closes; what lies behind it is out of reach meanwhile.

mod input_methods;
mod keywords;
mod models;
mod path;
mod say_what;
mod settings;
mod shortcuts;
mod sort;

use egui::accesskit;
use egui::{Align2, Context, Id, Modal, Role, ScrollArea, Sense, TextStyle, Ui, UiKind};

use super::action::{Action, Actions};
use super::icons::Icon;
use super::model_slot::ModelSlot;
use super::{Environment, widgets};
use crate::desktop::FileRequest;
use crate::settings::Settings;
use crate::theme::{self, space};

pub(super) use keywords::KeywordsPreview;
pub(super) use say_what::Subject;
pub(super) use sort::{LABEL, SortPreview, SortRequest};

/// A dialog.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dialog {
    Models,
    Settings,
    Shortcuts,
    /// Which ways of bringing photos in work here.
    InputMethods,
    TypePath(path::TypePath),
    /// Where photos will go.
    Sort(Box<SortPreview>),
    /// Which keywords will be written.
    Keywords(Box<KeywordsPreview>),
    /// What photos show.
    SayWhat(say_what::SayWhat),
}

impl Dialog {
    /// Asks for a path to type: for what, and why if no file dialog came.
    pub(super) fn type_path(request: FileRequest, why: Option<String>) -> Self {
        Self::TypePath(path::TypePath::new(request, why))
    }

    /// Asks what photos show; `choices` are names to choose from.
    pub(super) fn say_what(subject: Subject, choices: Vec<String>) -> Self {
        Self::SayWhat(say_what::SayWhat::new(subject, choices))
    }

    /// Whether a line of text takes the keyboard when it opens.
    fn begins_with_text(&self) -> bool {
        matches!(self, Self::TypePath(_) | Self::SayWhat(_))
    }

    /// Whether it ends with a row that carries it out, which stays in sight while the rest is scrolled.
    fn has_action(&self) -> bool {
        match self {
            Self::Sort(preview) => preview.has_work(),
            Self::Keywords(preview) => preview.has_work(),
            _ => false,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Sort(_) => "Sort into folders",
            Self::Keywords(_) => "Labels as keywords",
            Self::SayWhat(_) => "This is\u{2026}",
            Self::Models => "Models",
            Self::Settings => "Settings",
            Self::Shortcuts => "Keyboard",
            Self::InputMethods => "Ways in",
            Self::TypePath(typing) => typing.title(),
        }
    }
}

/// Height of the row that carries a dialog out, with the space above it, in points.
const ACTION_ROW: f32 = 70.0;

/// What the dialogs show.
pub(super) struct DialogContent<'a> {
    pub(super) model: &'a ModelSlot,
    pub(super) environment: &'a Environment,
    /// Photos are being sorted, or it is being looked where they go.
    pub(super) sorting: bool,
}

/// The dialog that is open.
#[derive(Default)]
pub(super) struct Dialogs {
    open: Option<Dialog>,
    /// It has just opened and wants the keyboard.
    fresh: bool,
    /// What had the keyboard before.
    focused_before: Option<Id>,
    /// What gets the keyboard back, once nothing bars it any longer.
    gives_back: Option<Id>,
}

impl Dialogs {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Shows a dialog in place of what is open.
    pub(super) fn open(&mut self, context: &Context, dialog: Dialog) {
        if self.open.is_none() {
            self.focused_before = context.memory(|memory| memory.focused());
        }
        egui::Popup::close_all(context);
        self.open = Some(dialog);
        self.gives_back = None;
        self.fresh = true;
    }

    /// The same photos, planned with other folders, in the dialog that asked for it; nothing where it was closed.
    pub(super) fn show_other_plan(&mut self, preview: SortPreview) {
        if let Some(Dialog::Sort(open)) = &mut self.open {
            open.take_plan(preview);
        }
    }

    /// Closes the dialog; the keyboard goes back to where it was.
    pub(super) fn close(&mut self, context: &Context) {
        if self.open.take().is_none() {
            return;
        }
        context.memory_mut(|memory| {
            if let Some(id) = memory.focused() {
                memory.surrender_focus(id);
            }
        });
        self.gives_back = self.focused_before.take();
    }

    /// What lies behind a dialog cannot have the keyboard until a frame has passed without the dialog.
    fn give_keyboard_back(&mut self, context: &Context) {
        if self.gives_back.is_none() {
            return;
        }
        if context.memory(|memory| memory.top_modal_layer().is_some()) {
            context.request_repaint();
        } else if let Some(id) = self.gives_back.take() {
            context.memory_mut(|memory| memory.request_focus(id));
        }
    }

    /// Draws the dialog that is open.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        content: &DialogContent<'_>,
        settings: &mut Settings,
        actions: &mut Actions,
    ) {
        let Some(dialog) = &mut self.open else {
            self.give_keyboard_back(ui.ctx());
            return;
        };
        let p = theme::palette(ui);
        let title = dialog.title();
        let id = Id::unique(("dialog", title));
        let screen = ui.ctx().content_rect().size();
        let margin = if screen.x < 520.0 { 16.0 } else { 24.0 };
        let width = (screen.x - 2.0 * margin - 32.0).clamp(240.0, 520.0);
        let height = (screen.y - 2.0 * margin - 96.0).max(160.0);
        let action = if dialog.has_action() { ACTION_ROW } else { 0.0 };
        let fresh = std::mem::take(&mut self.fresh);
        let area = Modal::default_area(id)
            .role(Role::Dialog)
            .accessible_name(title)
            .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO);
        let shown = Modal::new(id)
            .area(area)
            .backdrop_color(p.veil)
            .frame(egui::Frame::window(ui.style()).inner_margin(margin))
            .show(ui.ctx(), |ui| {
                // Not the height it had the last time: as high as its content, as far as the window goes.
                ui.set_width(width);
                ui.set_max_height(height + 56.0);
                let close = widgets::title_row(
                    ui,
                    |ui| {
                        // It can have the keyboard, so that a screen reader begins with it.
                        let words = egui::RichText::new(title).text_style(TextStyle::Heading);
                        let label =
                            egui::Label::new(words).sense(Sense::focusable_noninteractive());
                        let heading = ui.add(label);
                        heading
                            .widget_info(|| egui::WidgetInfo::labeled(Role::Heading, true, title));
                        if fresh && !dialog.begins_with_text() {
                            heading.request_focus();
                        }
                    },
                    |ui| widgets::icon_button(ui, Icon::Close, "Close"),
                );
                ui.add_space(space::S);
                let mut current = true;
                ScrollArea::vertical()
                    .id_salt(title)
                    .max_height(height - action)
                    .auto_shrink([false, true])
                    .show(ui, |ui| match dialog {
                        Dialog::Models => models::show(ui, content.model, settings, actions),
                        Dialog::Settings => settings::show(ui, settings, actions),
                        Dialog::Shortcuts => shortcuts::show(ui, actions),
                        Dialog::InputMethods => {
                            input_methods::show(ui, content, settings);
                        }
                        Dialog::TypePath(typing) => typing.show(ui, fresh, actions),
                        Dialog::Sort(preview) => {
                            current = preview.show(ui, content.sorting, actions);
                        }
                        Dialog::Keywords(preview) => preview.show(ui),
                        Dialog::SayWhat(saying) => saying.show(ui, fresh, actions),
                    });
                if dialog.has_action() {
                    ui.add_space(space::S);
                    match dialog {
                        Dialog::Sort(preview) => preview.show_action(ui, current, actions),
                        Dialog::Keywords(preview) => preview.show_action(ui, actions),
                        _ => {}
                    }
                }
                mark_modal(ui, margin);
                close.clicked()
            });
        if shown.inner || shown.should_close() {
            actions.push(Action::CloseDialog);
        }
    }
}

/// Says to screen readers that what lies behind this dialog is out of reach, and where the dialog lies.
fn mark_modal(ui: &Ui, margin: f32) {
    let dialog = ui
        .stack()
        .iter()
        .find(|outer| outer.kind() == Some(UiKind::Modal));
    if let Some(dialog) = dialog {
        let place = ui.min_rect().expand(margin);
        ui.ctx().accesskit_node_builder(dialog.unique_id, |node| {
            node.set_modal();
            node.set_bounds(accesskit::Rect {
                x0: place.left().into(),
                y0: place.top().into(),
                x1: place.right().into(),
                y1: place.bottom().into(),
            });
        });
    }
}
