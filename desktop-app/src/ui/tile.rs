//! One tile of the grid: the photo's small picture, what it shows, and how sure that is.

use egui::{
    EventFilter, Id, Rect, Sense, Stroke, StrokeKind, TextStyle, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::icons::{self, Icon};
use super::{App, widgets};
use crate::photo::{Photo, PhotoId, State, Sureness, percent};
use crate::pictures::Found;
use crate::theme::{self, Palette, radius, space};

/// Height of the two lines of text under a tile's picture.
pub(super) const WORDS: f32 = 50.0;

/// The part of a picture that covers a frame of another shape, from its middle.
pub(super) fn cover(picture: Vec2, frame: Vec2) -> Rect {
    let scale = (frame.x / picture.x).max(frame.y / picture.y);
    let part = vec2(frame.x / (picture.x * scale), frame.y / (picture.y * scale));
    Rect::from_center_size(pos2(0.5, 0.5), part)
}

impl App {
    pub(super) fn tile(&mut self, ui: &mut Ui, id: PhotoId, rect: Rect) {
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

/// The tile of a photo, as egui knows it.
pub(super) fn tile_id(id: PhotoId) -> Id {
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
