//! Many photos: a grid of tiles with filter, order, progress. Only the tiles in sight are drawn.

use egui::{
    Align, ComboBox, Id, Key, Layout, Modifiers, Rect, RichText, ScrollArea, TextEdit, TextStyle,
    Ui, vec2,
};

use super::icons::{self, Icon};
use super::tile::{WORDS, tile_id};
use super::{App, widgets};
use crate::desk::Pick;
use crate::photo::PhotoId;
use crate::theme::{self, space};
use crate::view::{Only, Sort};

/// The mark of a choice that opens.
fn chevron(ui: &Ui, rect: Rect, _: &egui::style::WidgetVisuals, _: bool) {
    icons::paint(
        ui.painter(),
        Rect::from_center_size(rect.center(), vec2(11.0, 11.0)),
        Icon::Down,
        theme::palette(ui).muted,
    );
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

impl App {
    pub(super) fn grid_view(&mut self, ui: &mut Ui) {
        egui::Frame::new()
            .inner_margin(egui::Margin {
                left: 24,
                right: 24,
                top: 4,
                bottom: 0,
            })
            .show(ui, |ui| {
                self.grid_header(ui);
                ui.add_space(space::S);
                self.grid_progress(ui);
                let ids = self
                    .session
                    .shown(&self.filter, self.sort, self.settings.sure_from)
                    .to_vec();
                if ids.is_empty() && self.gathering == 0 {
                    ui.add_space(space::XXL);
                    ui.vertical_centered(|ui| {
                        widgets::muted(ui, "No photo passes this filter.");
                        if ui.button("Show all photos").clicked() {
                            self.filter = crate::view::Filter::default();
                        }
                    });
                } else {
                    self.tiles(ui, &ids);
                }
            });
    }

    fn grid_header(&mut self, ui: &mut Ui) {
        let counts = self.session.counts();
        let total = self.session.photos().len();
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(count(total, "photo", "photos")).text_style(TextStyle::Heading));
            let mut parts = Vec::new();
            if counts.failed > 0 {
                parts.push(format!("{} could not be read", counts.failed));
            }
            if counts.stopped > 0 {
                parts.push(format!("{} not looked at", counts.stopped));
            }
            if !parts.is_empty() {
                widgets::muted(ui, parts.join(", "));
            }
        });
        ui.horizontal_wrapped(|ui| {
            let edit = TextEdit::singleline(&mut self.filter.text)
                .hint_text("Filter by label or name")
                .desired_width(190.0)
                .margin(egui::Margin::symmetric(10, 7));
            let response = ui.add(edit).accessible_name("Filter by label or name");
            if std::mem::take(&mut self.focus_filter) {
                response.request_focus();
            }
            self.group_choice(ui);
            ComboBox::from_id_salt("order")
                .icon(chevron)
                .width(150.0)
                .selected_text(self.sort.words())
                .show_ui(ui, |ui| {
                    for sort in Sort::ALL {
                        ui.selectable_value(&mut self.sort, sort, sort.words());
                    }
                })
                .response
                .accessible_name("Order");
            ui.add_space(space::S);
            if counts.stopped > 0
                && counts.pending == 0
                && ui
                    .button("Go on")
                    .on_hover_text("Look at the rest (Ctrl+G)")
                    .clicked()
            {
                self.resume();
            }
            let answered = counts.done + counts.failed > 0;
            if ui
                .add_enabled(answered, egui::Button::new("Export\u{2026}"))
                .on_hover_text("As CSV or JSON: the file's ending chooses (Ctrl+E)")
                .clicked()
            {
                self.pick(Pick::Save("answers.csv".to_owned()));
            }
            if ui
                .button("Remove all")
                .on_hover_text("From this list; the files stay where they are")
                .clicked()
            {
                self.remove_all();
            }
        });
    }

    fn group_choice(&mut self, ui: &mut Ui) {
        let words = match &self.filter.only {
            Only::All => "All".to_owned(),
            Only::NotSure => "Not sure".to_owned(),
            Only::Failed => "Could not be read".to_owned(),
            Only::Label(label) => label.clone(),
        };
        let labels = if ComboBox::is_open(ui.ctx(), ui.make_persistent_id("group")) {
            self.session.labels()
        } else {
            Vec::new()
        };
        ComboBox::from_id_salt("group")
            .icon(chevron)
            .width(170.0)
            .height(420.0)
            .truncate()
            .selected_text(words)
            .show_ui(ui, |ui| {
                let only = &mut self.filter.only;
                ui.selectable_value(only, Only::All, "All");
                ui.selectable_value(only, Only::NotSure, "Not sure");
                ui.selectable_value(only, Only::Failed, "Could not be read");
                if !labels.is_empty() {
                    ui.separator();
                }
                for (label, photos) in labels.iter().take(60) {
                    ui.selectable_value(
                        only,
                        Only::Label(label.clone()),
                        format!("{label}  ({photos})"),
                    );
                }
            })
            .response
            .accessible_name("Show");
    }

    fn grid_progress(&mut self, ui: &mut Ui) {
        let counts = self.session.counts();
        if counts.pending == 0 && self.gathering == 0 {
            return;
        }
        let total = self.session.photos().len();
        let seen = counts.done + counts.failed;
        let words = if self.gathering > 0 {
            format!("Looking for photos: {total} found, {seen} looked at")
        } else {
            format!("Looking at {} of {total}", (seen + 1).min(total))
        };
        let words = if self.classifier().is_none() {
            "Waiting for the model".to_owned()
        } else {
            words
        };
        ui.horizontal(|ui| {
            widgets::muted(ui, &words);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Cancel").on_hover_text("Esc").clicked() {
                    self.cancel();
                }
            });
        });
        widgets::progress(ui, seen as f32 / total.max(1) as f32, &words);
        ui.add_space(space::S);
    }

    fn tiles(&mut self, ui: &mut Ui, ids: &[PhotoId]) {
        let gap = space::M;
        let width = ui.available_width() - space::M;
        let columns = (((width + gap) / (theme::TILE + gap)).floor() as usize).max(1);
        let tile = (width - gap * (columns - 1) as f32) / columns as f32;
        let row = tile * 0.78 + WORDS + gap;
        let rows = ids.len().div_ceil(columns);
        self.move_cursor(ui, ids, columns);
        let mut scroll = ScrollArea::vertical().auto_shrink(false);
        if let Some(wanted) = self.focus_tile
            && let Some(place) = ids.iter().position(|id| *id == wanted)
        {
            let top = (place / columns) as f32 * row;
            let (view_top, view_height) = ui
                .data(|data| data.get_temp::<(f32, f32)>(Id::unique("grid view")))
                .unwrap_or((0.0, row));
            if top < view_top {
                scroll = scroll.vertical_scroll_offset(top);
            } else if top + row > view_top + view_height {
                scroll = scroll.vertical_scroll_offset(top + row - view_height);
            }
        }
        let output = scroll.show_viewport(ui, |ui, viewport| {
            ui.set_width(width);
            ui.set_height(rows as f32 * row + space::L);
            let origin = ui.max_rect().left_top();
            let first = (viewport.top() / row).floor().max(0.0) as usize;
            let last = ((viewport.bottom() / row).ceil() as usize + 1).min(rows);
            let in_sight = ids
                .iter()
                .enumerate()
                .take(last * columns)
                .skip(first * columns);
            for (place, id) in in_sight {
                let (x, y) = (
                    (place % columns) as f32 * (tile + gap),
                    (place / columns) as f32 * row,
                );
                let rect = Rect::from_min_size(origin + vec2(x, y), vec2(tile, row - gap));
                self.tile(ui, *id, rect);
            }
        });
        let view = (output.state.clamped_offset().y, output.inner_rect.height());
        ui.data_mut(|data| data.insert_temp(Id::unique("grid view"), view));
    }

    /// Arrows move through the grid, Enter opens, Delete removes.
    fn move_cursor(&mut self, ui: &Ui, ids: &[PhotoId], columns: usize) {
        if self.panel.is_some()
            || ui.ctx().text_edit_focused()
            || egui::Popup::is_any_open(ui.ctx())
            || ids.is_empty()
        {
            return;
        }
        let focused = ids
            .iter()
            .position(|id| ui.memory(|memory| memory.has_focus(tile_id(*id))));
        if focused.is_none() && ui.memory(|memory| memory.focused().is_some()) {
            return;
        }
        let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let here = focused.or_else(|| {
            self.cursor
                .and_then(|cursor| ids.iter().position(|id| *id == cursor))
        });
        let last = ids.len() - 1;
        let to = |step: isize| here.map_or(0, |place| place.saturating_add_signed(step).min(last));
        let place = if key(Key::ArrowRight) {
            to(1)
        } else if key(Key::ArrowLeft) {
            to(-1)
        } else if key(Key::ArrowDown) {
            to(columns as isize)
        } else if key(Key::ArrowUp) {
            to(-(columns as isize))
        } else if key(Key::Home) {
            0
        } else if key(Key::End) {
            last
        } else if key(Key::Delete) {
            if let Some(place) = focused {
                self.cursor = ids
                    .get(place + 1)
                    .or_else(|| place.checked_sub(1).and_then(|before| ids.get(before)))
                    .copied();
                self.focus_tile = self.cursor;
                self.remove(&[ids[place]]);
            }
            return;
        } else {
            return;
        };
        self.cursor = Some(ids[place]);
        self.focus_tile = Some(ids[place]);
        // The arrow was ours: egui must not move on from the tile that gets the focus now.
        ui.memory_mut(|memory| memory.move_focus(egui::FocusDirection::None));
    }
}
