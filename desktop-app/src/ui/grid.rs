//! Many photos: a grid of tiles with filter, order, progress. Only the tiles in sight are drawn.

use egui::{
    Align, ComboBox, EventFilter, Id, Key, Layout, Modifiers, Rect, RichText, ScrollArea, Sense,
    Stroke, StrokeKind, TextEdit, TextStyle, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::icons::{self, Icon};
use super::{App, widgets};
use crate::desk::Pick;
use crate::photo::{Photo, PhotoId, State, Sureness, percent};
use crate::pictures::Found;
use crate::session::{Only, Sort};
use crate::theme::{self, Palette, radius, space};

/// Height of the two lines of text under a tile's picture.
const WORDS: f32 = 50.0;

/// The part of a picture that covers a frame of another shape, from its middle.
pub(super) fn cover(picture: Vec2, frame: Vec2) -> Rect {
    let scale = (frame.x / picture.x).max(frame.y / picture.y);
    let part = vec2(frame.x / (picture.x * scale), frame.y / (picture.y * scale));
    Rect::from_center_size(pos2(0.5, 0.5), part)
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
                            self.filter = crate::session::Filter::default();
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
                    .on_hover_text("Look at the rest")
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

    fn tile(&mut self, ui: &mut Ui, id: PhotoId, rect: Rect) {
        let p = theme::palette(ui);
        let Some(photo) = self.session.photo(id) else {
            return;
        };
        let spoken = photo.spoken(self.settings.sure_from);
        let reason = photo
            .problem()
            .map(|problem| format!("{} {}", problem.what, problem.remedy));
        let response = ui.interact(rect, tile_id(id), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &spoken));
        if self.focus_tile == Some(id) {
            response.request_focus();
            self.focus_tile = None;
        }
        if response.has_focus() {
            let arrows = EventFilter {
                horizontal_arrows: true,
                vertical_arrows: true,
                ..EventFilter::default()
            };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(tile_id(id), arrows));
            self.cursor = Some(id);
        }
        let fill = if response.hovered() { p.raised } else { p.card };
        ui.painter().rect(
            rect,
            radius::M,
            fill,
            Stroke::new(1.0, p.line),
            StrokeKind::Inside,
        );
        let picture =
            Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - WORDS)).shrink(1.0);
        self.tile_picture(ui, id, picture);
        if let Some(photo) = self.session.photo(id) {
            tile_words(
                ui,
                photo,
                Rect::from_min_max(pos2(rect.left(), picture.bottom()), rect.max),
                self.settings.sure_from,
                p,
            );
        }
        if response.has_focus() {
            widgets::focus_ring(ui, rect, p);
        }
        if response.clicked() {
            self.open_photo(id);
        }
        if let Some(reason) = reason {
            response.on_hover_text(reason);
        }
    }

    fn tile_picture(&mut self, ui: &Ui, id: PhotoId, rect: Rect) {
        let p = theme::palette(ui);
        let round = egui::CornerRadius {
            nw: radius::M,
            ne: radius::M,
            sw: 0,
            se: 0,
        };
        let Some(photo) = self.session.photo(id) else {
            return;
        };
        if photo.problem().is_some() {
            ui.painter().rect_filled(rect, round, p.error_soft);
            icons::paint(
                ui.painter(),
                Rect::from_center_size(rect.center(), vec2(40.0, 40.0)),
                Icon::Broken,
                p.error,
            );
            return;
        }
        ui.painter().rect_filled(rect, round, p.raised);
        // What waits has no thumbnail yet, and a worker will make it when its turn comes.
        let answered = photo.answer().is_some();
        let source = photo.source.clone();
        match self.pictures.get(ui.ctx(), id) {
            Found::Texture(texture) => {
                let uv = cover(texture.size_vec2(), rect.size());
                egui::Image::new(&texture)
                    .uv(uv)
                    .corner_radius(round)
                    .paint_at(ui, rect);
            }
            found => {
                if answered && matches!(found, Found::Missing) && self.pictures.ask(id) {
                    self.workers.thumbnail(id, source);
                }
                icons::paint(
                    ui.painter(),
                    Rect::from_center_size(rect.center(), vec2(30.0, 30.0)),
                    Icon::Picture,
                    p.hovered,
                );
            }
        }
    }
}

fn tile_id(id: PhotoId) -> Id {
    Id::unique(("tile", id.0))
}

fn tile_words(ui: &Ui, photo: &Photo, rect: Rect, threshold: f32, p: &Palette) {
    let rect = rect.shrink2(vec2(10.0, 7.0));
    let (first, first_color, second, number) = match &photo.state {
        State::Waiting => (
            photo.source.name(),
            p.muted,
            "Waiting".to_owned(),
            String::new(),
        ),
        State::Working => (
            photo.source.name(),
            p.muted,
            "Looking\u{2026}".to_owned(),
            String::new(),
        ),
        State::Stopped => (
            photo.source.name(),
            p.muted,
            "Not looked at".to_owned(),
            String::new(),
        ),
        State::Failed(_) => (
            "Could not be read".to_owned(),
            p.error,
            photo.source.name(),
            String::new(),
        ),
        State::Done(answer) => match answer.best() {
            None => (
                "No answer".to_owned(),
                p.muted,
                photo.source.name(),
                String::new(),
            ),
            Some(best) => match Sureness::of(best.probability, threshold) {
                Sureness::Not => (
                    format!("Not sure: {}", best.label),
                    p.doubt,
                    photo.source.name(),
                    percent(best.probability),
                ),
                Sureness::Sure | Sureness::Fairly => (
                    best.label.clone(),
                    p.text,
                    photo.source.name(),
                    percent(best.probability),
                ),
            },
        },
    };
    let line = |text: String, style: TextStyle, color, room: f32| {
        let mut job =
            egui::text::LayoutJob::simple_singleline(text, style.resolve(ui.style()), color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(0.0));
        ui.painter().layout_job(job)
    };
    let number = line(number, TextStyle::Small, p.muted, rect.width());
    let room = rect.width()
        - if number.size().x > 0.0 {
            number.size().x + space::S
        } else {
            0.0
        };
    let first = line(first, theme::strong(), first_color, rect.width());
    let second = line(second, TextStyle::Small, p.muted, room);
    ui.painter().galley(rect.left_top(), first, p.text);
    ui.painter().galley(
        pos2(
            rect.right() - number.size().x,
            rect.bottom() - number.size().y,
        ),
        number,
        p.muted,
    );
    ui.painter().galley(
        pos2(rect.left(), rect.bottom() - second.size().y),
        second,
        p.muted,
    );
}
