//! One tile of the grid: the photo's small picture, what it shows, and how sure that is.

use egui::{
    EventFilter, Id, Key, Modifiers, Popup, PopupKind, Rect, Response, Sense, SetOpenCommand,
    Stroke, StrokeKind, TextStyle, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::{GridSources, GridState};
use crate::photo::{Confidence, Photo, PhotoId, PhotoState, percent};
use crate::theme::{self, Palette, radius, space};
use crate::thumbnails::ThumbnailState;
use crate::ui::action::{Action, Actions};
use crate::ui::icons::{self, Icon};
use crate::ui::widgets;

/// Height of the two lines of text under a tile's picture.
pub(super) const WORDS: f32 = 52.0;

/// Side of the mark that selects a tile.
const CHECK: f32 = 22.0;

/// A tile's place, and what it needs to know.
pub(super) struct TileContent<'a> {
    pub(super) id: PhotoId,
    pub(super) rect: Rect,
    /// All tiles, in their order.
    pub(super) shown: &'a [PhotoId],
    pub(super) threshold: f32,
}

/// The part of a picture that covers a frame of another shape, from its middle.
pub(in crate::ui) fn cover(picture: Vec2, frame: Vec2) -> Rect {
    let scale = (frame.x / picture.x).max(frame.y / picture.y);
    let part = vec2(frame.x / (picture.x * scale), frame.y / (picture.y * scale));
    Rect::from_center_size(pos2(0.5, 0.5), part)
}

/// The tile of a photo, as egui knows it.
pub(super) fn tile_id(id: PhotoId) -> Id {
    Id::unique(("tile", id.0))
}

pub(super) fn show(
    ui: &mut Ui,
    tile: &TileContent<'_>,
    sources: &mut GridSources<'_>,
    state: &mut GridState,
    actions: &mut Actions,
) {
    let p = theme::palette(ui);
    let Some(photo) = sources.photos.photo(tile.id) else {
        return;
    };
    let rect = tile.rect;
    let selected = state.selection.contains(tile.id);
    let response = ui.interact(rect, tile_id(tile.id), Sense::click());
    let spoken = photo.spoken(tile.threshold);
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &spoken));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_selected(selected);
    });
    take_focus(ui, &response, tile.id, state);
    let (fill, stroke) = if selected {
        (p.accent_soft, Stroke::new(2.0, p.accent))
    } else if response.hovered() {
        (p.raised, Stroke::new(1.0, p.edge))
    } else {
        (p.card, Stroke::new(1.0, p.line))
    };
    ui.painter()
        .rect(rect, radius::M, fill, stroke, StrokeKind::Inside);
    let picture =
        Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - WORDS)).shrink(1.0);
    paint_picture(ui, tile.id, sources, picture);
    let Some(photo) = sources.photos.photo(tile.id) else {
        return;
    };
    let words = Rect::from_min_max(pos2(rect.left(), picture.bottom()), rect.max);
    paint_words(ui, photo, words, tile.threshold, p);
    if photo.answer().is_some_and(|answer| answer.damage.is_some()) {
        let mark =
            Rect::from_center_size(picture.right_top() + vec2(-18.0, 18.0), Vec2::splat(24.0));
        ui.painter()
            .circle_filled(mark.center(), 12.0, p.doubt_soft);
        icons::paint(ui.painter(), mark.shrink(5.0), Icon::Warning, p.doubt);
    }
    let check = Rect::from_min_size(picture.min + vec2(8.0, 8.0), Vec2::splat(CHECK));
    let pointer_on_check = response
        .hover_pos()
        .is_some_and(|pointer| check.expand(4.0).contains(pointer));
    if response.hovered() || selected || !state.selection.ids().is_empty() {
        paint_check(ui, check, selected, pointer_on_check, p);
    }
    if response.has_focus() {
        widgets::focus_ring(ui, rect, p);
    }
    if response.clicked() {
        let modifiers = ui.input(|input| input.modifiers);
        if modifiers.shift {
            state.selection.extend_to(tile.id, tile.shown);
        } else if modifiers.command || pointer_on_check {
            state.selection.toggle(tile.id);
        } else {
            actions.push(Action::ShowPhoto(tile.id));
        }
    }
    context_menu(ui, &response, photo, state, actions);
    if let Some(reason) = reason(photo) {
        response.on_hover_text(reason);
    }
}

/// What a tile says under the pointer: what is wrong with its photo.
fn reason(photo: &Photo) -> Option<String> {
    if let Some(problem) = photo.problem() {
        return Some(format!("{} {}", problem.what, problem.remedy));
    }
    let damaged = photo.answer()?.damage.is_some();
    damaged.then(|| "The file is damaged: parts of the picture may be wrong.".to_owned())
}

fn take_focus(ui: &Ui, response: &Response, id: PhotoId, state: &mut GridState) {
    if state.wants_focus == Some(id) {
        response.request_focus();
        state.wants_focus = None;
    }
    if response.has_focus() {
        let arrows = EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(tile_id(id), arrows));
        state.cursor = Some(id);
    }
}

/// What can be done with a photo, or with all that are selected, at a click of the right button or by the keyboard.
fn context_menu(
    ui: &Ui,
    response: &Response,
    photo: &Photo,
    state: &mut GridState,
    actions: &mut Actions,
) {
    let menu_key = response.id.with("menu by keyboard");
    let asked_by_keyboard =
        response.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::SHIFT, Key::F10));
    if asked_by_keyboard || response.secondary_clicked() {
        ui.data_mut(|data| data.insert_temp(menu_key, asked_by_keyboard));
    }
    let by_keyboard = ui.data(|data| data.get_temp(menu_key)).unwrap_or(false);
    let popup = if by_keyboard {
        let open = asked_by_keyboard.then_some(SetOpenCommand::Bool(true));
        Popup::from_response(response)
            .kind(PopupKind::Menu)
            .layout(egui::Layout::top_down_justified(egui::Align::Min))
            .style(egui::containers::menu::menu_style)
            .open_memory(open)
            .at_position(response.rect.center())
    } else {
        Popup::context_menu(response)
    };
    popup.show(|ui| {
        let many = state.selection.contains(photo.id) && state.selection.ids().len() > 1;
        let ids = if many {
            state.selection.in_order()
        } else {
            vec![photo.id]
        };
        let mut entry = |ui: &mut Ui, words: &str, action: Action| {
            if ui.button(words).clicked() {
                actions.push(action);
                ui.close();
            }
        };
        if many {
            entry(ui, "Copy the answers", Action::Copy(ids.clone()));
        } else {
            entry(ui, "Open", Action::ShowPhoto(photo.id));
            if photo.answer().is_some() {
                entry(ui, "Copy the answer", Action::Copy(ids.clone()));
            }
            if photo.source.path().is_some() {
                entry(ui, "Show in folder", Action::ShowInFolder(photo.id));
            }
        }
        entry(ui, "This is a\u{2026}", Action::AskWhat(ids.clone()));
        if photo.said.is_some() {
            let words = "Take your label back";
            entry(ui, words, Action::TakeLabelBack(ids.clone()));
        }
        entry(ui, "Sort into folders\u{2026}", Action::Sort(ids.clone()));
        entry(
            ui,
            "Copy labels as keywords\u{2026}",
            Action::PlanKeywords(ids.clone()),
        );
        entry(ui, "Look again", Action::Retry(ids.clone()));
        let selected = state.selection.contains(photo.id);
        let words = if selected { "Deselect" } else { "Select" };
        if ui.button(words).clicked() {
            state.selection.toggle(photo.id);
            ui.close();
        }
        ui.separator();
        entry(ui, "Remove from the list", Action::Remove(ids));
    });
}

fn paint_check(ui: &Ui, rect: Rect, selected: bool, hovered: bool, p: &Palette) {
    let painter = ui.painter();
    let (fill, stroke) = if selected {
        (p.accent, Stroke::new(1.5, p.card))
    } else {
        let edge = if hovered { p.accent } else { p.edge };
        (p.card, Stroke::new(1.5, edge))
    };
    painter.circle(rect.center(), rect.width() / 2.0, fill, stroke);
    let color = match (selected, hovered) {
        (true, _) => p.on_accent,
        (false, true) => p.accent,
        (false, false) => return,
    };
    icons::paint(painter, rect.shrink(5.0), Icon::Tick, color);
}

fn paint_picture(ui: &Ui, id: PhotoId, sources: &mut GridSources<'_>, rect: Rect) {
    let p = theme::palette(ui);
    let round = egui::CornerRadius {
        nw: radius::M,
        ne: radius::M,
        sw: 0,
        se: 0,
    };
    let Some(photo) = sources.photos.photo(id) else {
        return;
    };
    ui.painter().rect_filled(rect, round, p.raised);
    if photo.problem().is_some() {
        icons::paint(
            ui.painter(),
            Rect::from_center_size(rect.center(), vec2(34.0, 34.0)),
            Icon::Broken,
            p.edge,
        );
        return;
    }
    match sources.thumbnails.get(ui.ctx(), id) {
        ThumbnailState::Texture(texture) => {
            let uv = cover(texture.size_vec2(), rect.size());
            egui::Image::new(&texture)
                .uv(uv)
                .corner_radius(round)
                .paint_at(ui, rect);
        }
        missing => {
            // What waits has no thumbnail yet, and a worker will make it when its turn comes.
            let made_before = photo.answer().is_some();
            if made_before
                && matches!(missing, ThumbnailState::Missing)
                && sources.thumbnails.request(id)
            {
                sources.workers.make_thumbnail(id, photo.source.clone());
            }
            icons::paint(
                ui.painter(),
                Rect::from_center_size(rect.center(), vec2(30.0, 30.0)),
                Icon::Picture,
                p.edge,
            );
        }
    }
}

/// The mark of how sure an answer is: a full circle, a half one, or a question mark.
fn paint_confidence(ui: &Ui, rect: Rect, confidence: Confidence, p: &Palette) {
    let painter = ui.painter();
    match confidence {
        Confidence::Sure => icons::paint(painter, rect, Icon::Sure, p.accent),
        Confidence::Fairly => icons::paint(painter, rect, Icon::FairlySure, p.accent),
        Confidence::Not => icons::paint(painter, rect, Icon::NotSure, p.doubt),
    }
}

/// What the user said, with a tick in place of a number.
fn paint_said(ui: &Ui, said: &str, name: &str, rect: Rect, p: &Palette) {
    let first = widgets::line(ui, said, theme::strong(), p.text, rect.width());
    ui.painter().galley(rect.left_top(), first, p.text);
    let words = widgets::line(ui, "you said so", TextStyle::Small, p.accent, rect.width());
    let corner = rect.right_bottom() - words.size();
    let mark = Rect::from_center_size(
        pos2(corner.x - 11.0, corner.y + words.size().y / 2.0),
        Vec2::splat(13.0),
    );
    let room = rect.width() - words.size().x - 18.0 - space::S;
    ui.painter().galley(corner, words, p.accent);
    icons::paint(ui.painter(), mark, Icon::Tick, p.accent);
    let second = widgets::line(ui, name, TextStyle::Small, p.muted, room);
    let bottom = rect.bottom() - second.size().y;
    ui.painter()
        .galley(pos2(rect.left(), bottom), second, p.muted);
}

fn paint_words(ui: &Ui, photo: &Photo, rect: Rect, threshold: f32, p: &Palette) {
    let rect = rect.shrink2(vec2(10.0, 8.0));
    let name = photo.source.name();
    if let Some(said) = &photo.said {
        paint_said(ui, said, &name, rect, p);
        return;
    }
    let (first, first_color, second) = match &photo.state {
        PhotoState::Waiting => (name, p.muted, "Waiting".to_owned()),
        PhotoState::Working => (name, p.muted, "Looking\u{2026}".to_owned()),
        PhotoState::Stopped => (name, p.muted, "Not looked at".to_owned()),
        PhotoState::Failed(problem) => (problem.brief.clone(), p.muted, name),
        PhotoState::Done(answer) => (answer.headline(), p.text, name),
    };
    let mut room = rect.width();
    if let Some(answer) = photo.answer()
        && let (Some(certainty), Some(confidence)) =
            (answer.certainty(), answer.confidence(threshold))
    {
        let color = match confidence {
            Confidence::Not => p.doubt,
            Confidence::Sure | Confidence::Fairly => p.muted,
        };
        let number = widgets::line(
            ui,
            &percent(certainty),
            TextStyle::Small,
            color,
            rect.width(),
        );
        let corner = rect.right_bottom() - number.size();
        let mark = Rect::from_center_size(
            pos2(corner.x - 11.0, corner.y + number.size().y / 2.0),
            Vec2::splat(13.0),
        );
        room -= number.size().x + 18.0 + space::S;
        ui.painter().galley(corner, number, color);
        paint_confidence(ui, mark, confidence, p);
    }
    let first = widgets::line(ui, &first, theme::strong(), first_color, rect.width());
    ui.painter().galley(rect.left_top(), first, first_color);
    let second = widgets::line(ui, &second, TextStyle::Small, p.muted, room);
    let bottom = rect.bottom() - second.size().y;
    ui.painter()
        .galley(pos2(rect.left(), bottom), second, p.muted);
}
