//! The bar on top: where one is, the way back, opening photos; and at its end the model, help and settings.

use egui::{Button, Margin, Panel, RichText, TextStyle, Ui, vec2};

use super::action::{Action, Actions};
use super::dialogs::Dialog;
use super::icons::{self, Icon};
use super::model_slot::ModelSlot;
use super::{APP_NAME, View, widgets};
use crate::desktop::FileRequest;
use crate::theme::{self, space};

/// What the bar shows.
pub(super) struct TopBarContent<'a> {
    pub(super) view: View,
    pub(super) photos: usize,
    pub(super) model: &'a ModelSlot,
}

/// Side of the two icon buttons.
const ICON: f32 = 34.0;
/// Below this width the model is an icon without its name.
const LEAST_NAME: f32 = 110.0;
/// A model's name is never wider.
const MOST_NAME: f32 = 280.0;

pub(super) fn show(ui: &mut Ui, content: &TopBarContent<'_>, actions: &mut Actions) {
    let p = theme::palette(ui);
    let frame = egui::Frame::new()
        .fill(p.ground)
        .inner_margin(Margin::symmetric(theme::side_margin(ui) as i8, 12));
    Panel::top("top")
        .exact_size(theme::TOP_BAR)
        .show_separator_line(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                start(ui, content, actions);
                end(ui, content.model, actions);
            });
        });
}

fn start(ui: &mut Ui, content: &TopBarContent<'_>, actions: &mut Actions) {
    let narrow = ui.available_width() < 480.0;
    if content.view == View::Teach {
        let words = if content.photos == 0 {
            "Back"
        } else {
            "Photos"
        };
        let response = widgets::tip(back_button(ui, words), "Esc");
        if response.accessible_name("Back to the photos").clicked() {
            actions.push(Action::ShowGrid);
        }
        return;
    }
    if matches!(content.view, View::Photo(_)) {
        let words = match content.photos {
            0 | 1 => "Back".to_owned(),
            _ if narrow => "All photos".to_owned(),
            n => format!("All {} photos", crate::problem::thousands(n)),
        };
        let response = widgets::tip(back_button(ui, &words), "Esc");
        if response.accessible_name("Back to all photos").clicked() {
            actions.push(Action::ShowGrid);
        }
    } else {
        widgets::heading(ui, APP_NAME, theme::title());
    }
    if content.photos > 0 {
        ui.add_space(space::XS);
        if widgets::tip(ui.button("Open\u{2026}"), "Open photos (Ctrl+O)").clicked() {
            actions.push(Action::ChooseFiles(FileRequest::Photos));
        }
    }
    let tip = "Classes of your own, from a few photos of each (Ctrl+T)";
    let teach = if narrow {
        widgets::icon_button(ui, Icon::Tag, "Teach")
    } else {
        widgets::tip(ui.button("Teach"), tip)
    };
    if teach.clicked() {
        actions.push(Action::ShowTeaching);
    }
}

fn back_button(ui: &mut Ui, words: &str) -> egui::Response {
    let color = theme::palette(ui).text;
    let arrow = egui::Atom::paint(vec2(12.0, 12.0), move |ui, args| {
        icons::paint(ui.painter(), args.rect, Icon::Left, color)
    });
    ui.add(Button::new((arrow, RichText::new(words))))
}

fn end(ui: &mut Ui, model: &ModelSlot, actions: &mut Actions) {
    ui.spacing_mut().item_spacing.x = space::XS;
    let icons = 2.0 * ICON + 3.0 * space::XS + space::S;
    let room = (ui.available_width() - icons).min(MOST_NAME);
    let (words, color) = model_words(ui, model);
    let natural = {
        let font = TextStyle::Button.resolve(ui.style());
        let galley = ui.painter().layout_no_wrap(words.clone(), font, color);
        galley.size().x
            + 16.0
            + ui.spacing().icon_spacing
            + 2.0 * ui.spacing().button_padding.x
            + 2.0
    };
    let named = room >= natural.min(LEAST_NAME);
    let width = if named { natural.min(room) } else { ICON };
    let rest = ui.available_width() - icons - width;
    ui.add_space(rest.max(0.0));
    let response = if named {
        let mark = egui::Atom::paint(vec2(16.0, 16.0), move |ui, args| {
            icons::paint(ui.painter(), args.rect, Icon::Model, color)
        });
        ui.scope(|ui| {
            ui.set_max_width(width);
            ui.add(Button::new((mark, RichText::new(&words).color(color))).truncate())
        })
        .inner
    } else {
        widgets::icon_button(ui, Icon::Model, &words)
    };
    let response = widgets::tip(
        response,
        "What the program can tell apart. Click to choose something else (Ctrl+M).",
    );
    if response
        .accessible_name(format!("Model: {words}"))
        .clicked()
    {
        actions.push(Action::OpenDialog(Dialog::Models));
    }
    ui.add_space(space::S);
    if widgets::icon_button(ui, Icon::Help, "Keyboard and help").clicked() {
        actions.push(Action::OpenDialog(Dialog::Shortcuts));
    }
    if widgets::icon_button(ui, Icon::Settings, "Settings").clicked() {
        actions.push(Action::OpenDialog(Dialog::Settings));
    }
}

fn model_words(ui: &Ui, model: &ModelSlot) -> (String, egui::Color32) {
    let p = theme::palette(ui);
    match (model.title(), &model.loading) {
        (_, Some((choice, _))) => (format!("Loading {}\u{2026}", choice.short_name()), p.muted),
        (Some(title), None) => (title.to_owned(), p.text),
        (None, None) if model.problem().is_some() => ("No model".to_owned(), p.error),
        (None, None) => ("Loading\u{2026}".to_owned(), p.muted),
    }
}
