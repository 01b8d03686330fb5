//! What stands over the tiles: how many there are, filter and order, what to do with all or with the selected ones,
//! and the progress.

use egui::{Button, ComboBox, Rect, RichText, TextEdit, TextStyle, Ui, vec2};

use super::{GridContent, GridState};
use crate::desktop::FileRequest;
use crate::photo::PhotoId;
use crate::photo_list::PhotoList;
use crate::problem::thousands;
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::icons::{self, Icon};
use crate::ui::widgets;
use crate::view::{PhotoGroup, SortOrder};

/// In narrower windows filter and choices stand under each other.
const NARROW: f32 = 640.0;
/// In still narrower ones, what is done less often is in the menu.
const TIGHT: f32 = 560.0;

pub(super) fn show(
    ui: &mut Ui,
    photos: &PhotoList,
    shown: &[PhotoId],
    state: &mut GridState,
    actions: &mut Actions,
) {
    let narrow = ui.available_width() < NARROW;
    ui.horizontal(|ui| {
        if narrow {
            ui.spacing_mut().button_padding.x = 9.0;
        }
        if state.selection.ids().is_empty() {
            let tight = ui.available_width() < TIGHT;
            counts(ui, photos, tight);
            widgets::at_the_end(ui, "for all", |ui| {
                for_all(ui, photos, shown, tight, actions);
            });
        } else {
            let words = format!("{} selected", thousands(state.selection.ids().len()));
            let style = if narrow {
                theme::title()
            } else {
                TextStyle::Heading
            };
            widgets::heading(ui, &words, style);
            widgets::at_the_end(ui, "for some", |ui| {
                for_selected(ui, state, narrow, actions)
            });
        }
    });
    if narrow {
        filter(ui, state, f32::INFINITY);
        ui.horizontal(|ui| {
            let half = (ui.available_width() - space::S) / 2.0;
            group_choice(ui, photos, state, half);
            order_choice(ui, state, half);
        });
    } else {
        ui.horizontal(|ui| {
            filter(ui, state, 200.0);
            group_choice(ui, photos, state, 180.0);
            order_choice(ui, state, 160.0);
        });
    }
}

fn counts(ui: &mut Ui, photos: &PhotoList, tight: bool) {
    let counts = photos.counts();
    let words = match photos.photos().len() {
        1 => "1 photo".to_owned(),
        n => format!("{} photos", thousands(n)),
    };
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        widgets::heading(ui, &words, TextStyle::Heading);
        let mut parts = Vec::new();
        if counts.failed > 0 {
            parts.push(format!("{} could not be read", thousands(counts.failed)));
        }
        if counts.stopped > 0 {
            parts.push(format!("{} not looked at", thousands(counts.stopped)));
        }
        if tight {
            for part in &parts {
                widgets::small(ui, part);
            }
        } else if !parts.is_empty() {
            widgets::small(ui, &parts.join(", "));
        }
    });
}

fn for_all(ui: &mut Ui, photos: &PhotoList, shown: &[PhotoId], tight: bool, actions: &mut Actions) {
    let counts = photos.counts();
    let stopped = counts.stopped > 0 && counts.pending == 0;
    let answered = counts.done + counts.failed > 0;
    if stopped {
        let response = widgets::primary_button(ui, "Go on");
        if widgets::tip(response, "Look at the rest (Ctrl+G)").clicked() {
            actions.push(Action::Resume);
        }
    }
    // "Go on" takes the room of two others, and so do long numbers.
    let long = photos.photos().len() >= 1_000 || counts.failed >= 100;
    let in_menu = tight && (stopped || long);
    if !in_menu {
        export_button(ui, answered, actions);
    }
    more(ui, |ui| {
        if in_menu {
            export_button(ui, answered, actions);
        }
        sort_entries(ui, shown, actions);
        if in_menu {
            remove_all_button(ui, actions);
        }
    });
    if !in_menu {
        remove_all_button(ui, actions);
    }
}

fn remove_all_button(ui: &mut Ui, actions: &mut Actions) {
    if ui
        .button("Remove all")
        .on_hover_text("From this list; the files stay where they are")
        .clicked()
    {
        actions.push(Action::RemoveAll);
    }
}

fn export_button(ui: &mut Ui, enabled: bool, actions: &mut Actions) {
    if ui
        .add_enabled(enabled, Button::new("Export\u{2026}"))
        .on_hover_text("As CSV or JSON: the file\u{2019}s ending chooses (Ctrl+E)")
        .clicked()
    {
        actions.push(Action::ChooseFiles(FileRequest::Export(
            "answers.csv".to_owned(),
        )));
    }
}

fn for_selected(ui: &mut Ui, state: &mut GridState, narrow: bool, actions: &mut Actions) {
    if widgets::tip(ui.button("Copy"), "Copy the answers (Ctrl+C)").clicked() {
        actions.push(Action::Copy(state.meant()));
    }
    let meant = state.meant();
    if !narrow {
        let tip = "Say what they show, and let the window learn it (F2)";
        if widgets::tip(ui.button("This is a\u{2026}"), tip).clicked() {
            actions.push(Action::AskWhat(meant.clone()));
        }
        export_button(ui, true, actions);
    }
    more(ui, |ui| {
        if narrow {
            if ui.button("This is a\u{2026}").clicked() {
                actions.push(Action::AskWhat(meant.clone()));
            }
            export_button(ui, true, actions);
        }
        sort_entries(ui, &meant, actions);
    });
    if widgets::tip(
        ui.button("Remove"),
        "From this list; the files stay where they are (Delete)",
    )
    .clicked()
    {
        actions.push(Action::Remove(state.meant()));
    }
    if widgets::icon_button(ui, Icon::Close, "Select nothing").clicked() {
        state.selection.clear();
    }
}

/// A button that opens a menu of what is done less often.
fn more(ui: &mut Ui, entries: impl FnOnce(&mut Ui)) {
    ui.menu_button("More", entries);
}

/// What can be done with the files of these photos.
fn sort_entries(ui: &mut Ui, ids: &[PhotoId], actions: &mut Actions) {
    let sort = ui.button("Sort into folders\u{2026}");
    if widgets::tip(sort, "One folder for each label (Ctrl+S)").clicked() {
        actions.push(Action::Sort(ids.to_vec()));
    }
    let keywords = ui.button("Copy labels as keywords\u{2026}");
    let tip = "Into a file beside each photo (XMP), which other photo programs read";
    if widgets::tip(keywords, tip).clicked() {
        actions.push(Action::PlanKeywords(ids.to_vec()));
    }
}

fn filter(ui: &mut Ui, state: &mut GridState, width: f32) {
    let edit = TextEdit::singleline(&mut state.filter.text)
        .hint_text("Filter by label or name")
        .desired_width(width)
        .margin(egui::Margin::symmetric(10, 7));
    let response = ui.add(edit).accessible_name("Filter by label or name");
    if std::mem::take(&mut state.wants_filter_focus) {
        response.request_focus();
    }
}

/// The mark of a choice that opens.
fn chevron(ui: &Ui, rect: Rect, _: &egui::style::WidgetVisuals, _: bool) {
    icons::paint(
        ui.painter(),
        Rect::from_center_size(rect.center(), vec2(11.0, 11.0)),
        Icon::Down,
        theme::palette(ui).muted,
    );
}

fn order_choice(ui: &mut Ui, state: &mut GridState, width: f32) {
    let words = state.order.words();
    ComboBox::from_id_salt("order")
        .icon(chevron)
        .width(width)
        .truncate()
        .selected_text(words)
        .show_ui(ui, |ui| {
            for order in SortOrder::ALL {
                ui.selectable_value(&mut state.order, order, order.words());
            }
        })
        .response
        .accessible_name(format!("Order: {words}"));
}

fn group_choice(ui: &mut Ui, photos: &PhotoList, state: &mut GridState, width: f32) {
    let words = match &state.filter.only {
        PhotoGroup::All => "All".to_owned(),
        PhotoGroup::NotSure => "Not sure".to_owned(),
        PhotoGroup::Failed => "Could not be read".to_owned(),
        PhotoGroup::Label(label) => label.clone(),
    };
    let labels = if ComboBox::is_open(ui.ctx(), ui.make_persistent_id("group")) {
        photos.labels()
    } else {
        Vec::new()
    };
    ComboBox::from_id_salt("group")
        .icon(chevron)
        .width(width)
        .height(420.0)
        .truncate()
        .selected_text(RichText::new(&words))
        .show_ui(ui, |ui| {
            let only = &mut state.filter.only;
            ui.selectable_value(only, PhotoGroup::All, "All");
            ui.selectable_value(only, PhotoGroup::NotSure, "Not sure");
            ui.selectable_value(only, PhotoGroup::Failed, "Could not be read");
            if !labels.is_empty() {
                ui.separator();
            }
            for (label, count) in labels.iter().take(60) {
                ui.selectable_value(
                    only,
                    PhotoGroup::Label(label.clone()),
                    format!("{label}  ({count})"),
                );
            }
        })
        .response
        .accessible_name(format!("Show: {words}"));
}

/// How far the work is, while there is some.
pub(super) fn progress(
    ui: &mut Ui,
    photos: &PhotoList,
    content: &GridContent,
    actions: &mut Actions,
) {
    let counts = photos.counts();
    if counts.pending == 0 && !content.scanning {
        return;
    }
    let total = photos.photos().len();
    let seen = counts.done + counts.failed;
    let words = if !content.model_ready {
        "Waiting for the model".to_owned()
    } else if content.scanning {
        format!(
            "Looking for photos: {} found, {} looked at",
            thousands(total),
            thousands(seen)
        )
    } else {
        format!(
            "Looking at {} of {}",
            thousands((seen + 1).min(total)),
            thousands(total)
        )
    };
    ui.horizontal(|ui| {
        widgets::muted(ui, &words);
        widgets::at_the_end(ui, "cancel", |ui| {
            if widgets::tip(ui.button("Cancel"), "Esc").clicked() {
                actions.push(Action::Cancel);
            }
        });
    });
    widgets::progress(ui, seen as f32 / total.max(1) as f32, &words);
    ui.add_space(space::S);
}
