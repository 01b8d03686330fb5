//! The card with the picture: the photo itself with zoom, what the network saw, and why.

use egui::{
    Color32, ColorImage, CursorIcon, Image, Rect, Sense, TextureOptions, Ui, Vec2, WidgetInfo, vec2,
};

use super::{HeatMapState, PhotoViewContent, PhotoViewState, Picture, Shown};
use crate::classify::Region;
use crate::photo::Photo;
use crate::theme::{self, radius, space};
use crate::thumbnails::{ThumbnailCache, ThumbnailState, color_image};
use crate::ui::action::{Action, Actions};
use crate::ui::icons::{self, Icon};
use crate::ui::widgets::{self, Segment};

/// What the card shows.
pub(super) struct CardContent<'a> {
    pub(super) photo: &'a Photo,
    pub(super) content: &'a PhotoViewContent<'a>,
    pub(super) size: Vec2,
    /// The wheel zooms; where it must scroll the page, only with Ctrl.
    pub(super) wheel_zooms: bool,
}

/// The textures of what has arrived.
pub(super) fn make_textures(ui: &Ui, state: &mut PhotoViewState) {
    let Some(shown) = &mut state.shown else {
        return;
    };
    let load = |name: &str, image| ui.ctx().load_texture(name, image, TextureOptions::LINEAR);
    if let Some(Ok(detail)) = &shown.detail {
        if shown.photo.is_none() {
            shown.photo = Some(load("shown", color_image(&detail.shown)));
        }
        if let (None, Some(crop)) = (&shown.crop, &detail.crop) {
            shown.crop = Some(load("crop", color_image(crop)));
        }
    }
    if let (HeatMapState::Ready(heat_map), None) = (&shown.heat_map, &shown.heat_texture) {
        let size = [heat_map.width, heat_map.height];
        let image = ColorImage::from_rgba_unmultiplied(size, &heat_map.overlay());
        shown.heat_texture = Some(load("heat map", image));
    }
}

pub(super) fn show(
    ui: &mut Ui,
    card: &CardContent<'_>,
    state: &mut PhotoViewState,
    thumbnails: &mut ThumbnailCache,
    actions: &mut Actions,
) {
    let p = theme::palette(ui);
    let margin = if card.size.x < 480.0 {
        space::S
    } else {
        space::L
    };
    theme::card(p)
        .inner_margin(egui::Margin::same(margin as i8))
        .show(ui, |ui| {
            let inner = card.size - Vec2::splat(2.0 * margin + 2.0);
            ui.set_width(inner.x);
            bar(ui, card.content, state, actions);
            ui.add_space(space::XS);
            let caption = 40.0;
            let room = vec2(inner.x, (inner.y - 52.0 - caption).max(150.0));
            let (rect, response) = ui.allocate_exact_size(room, Sense::click_and_drag());
            ui.painter().rect_filled(rect, radius::M, p.ground);
            let words = paint(ui, card.photo, rect, state, thumbnails);
            response.widget_info(|| {
                // Some captions begin with it.
                let name = card.photo.source.name();
                let name = match words.starts_with(&name) {
                    true => words.clone(),
                    false => format!("{name}: {words}"),
                };
                WidgetInfo::labeled(egui::Role::Image, true, name)
            });
            take_zoom(ui, &response, rect, card.wheel_zooms, state);
            ui.add_space(space::XS);
            widgets::small(ui, &words);
        });
}

fn bar(
    ui: &mut Ui,
    content: &PhotoViewContent<'_>,
    state: &mut PhotoViewState,
    actions: &mut Actions,
) {
    ui.horizontal(|ui| {
        let narrow = ui.available_width() < 420.0;
        let seen = "What the network saw";
        let pictures = [
            (Picture::Photo, "Photo", "Photo"),
            (Picture::Crop, if narrow { "Seen" } else { seen }, seen),
            (Picture::HeatMap, "Why", "Why"),
        ]
        .map(|(choice, words, name)| Segment {
            choice,
            words,
            name,
        });
        if let Some(picture) = widgets::segments(ui, state.picture, &pictures) {
            state.picture = picture;
        }
        widgets::at_the_end(ui, "neighbors", |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            if state.picture == Picture::Photo && !narrow {
                zoom_buttons(ui, state);
                ui.add_space(space::S);
            }
            let [before, after] = content.neighbors;
            if before.is_none() && after.is_none() {
                return;
            }
            for (icon, name, step, there) in [
                (Icon::Left, "Previous photo", -1, before.is_some()),
                (Icon::Right, "Next photo", 1, after.is_some()),
            ] {
                let button = ui.add_enabled_ui(there, |ui| widgets::icon_button(ui, icon, name));
                if button.inner.clicked() {
                    actions.push(Action::ShowNeighbor(step));
                }
            }
        });
    });
}

fn zoom_buttons(ui: &mut Ui, state: &mut PhotoViewState) {
    let whole = state.zoom.is_whole();
    let smaller = ui.add_enabled_ui(!whole, |ui| {
        widgets::icon_button(ui, Icon::Minus, "Zoom out")
    });
    if smaller.inner.clicked() {
        state.zoom.step(-1);
    }
    if !whole {
        let words = state.zoom.words();
        let response = ui.add(egui::Button::new(&words).frame(false));
        if widgets::tip(response, "The whole photo (0)")
            .accessible_name(format!("Zoom {words}: show the whole photo"))
            .clicked()
        {
            state.zoom.reset();
        }
    }
    if widgets::icon_button(ui, Icon::Plus, "Zoom in").clicked() {
        state.zoom.step(1);
    }
}

fn take_zoom(
    ui: &Ui,
    response: &egui::Response,
    rect: Rect,
    wheel_zooms: bool,
    state: &mut PhotoViewState,
) {
    let Some(size) = state
        .shown
        .as_ref()
        .filter(|_| state.picture == Picture::Photo)
        .and_then(|shown| shown.photo.as_ref())
        .map(egui::TextureHandle::size_vec2)
    else {
        return;
    };
    let whole = fit(size, rect, false);
    if let Some(pointer) = response.hover_pos() {
        let (pinched, wheel) =
            ui.input(|input| (input.zoom_delta(), input.smooth_scroll_delta().y));
        let wheel = if wheel_zooms {
            (wheel / 200.0).exp()
        } else {
            1.0
        };
        let factor = pinched * wheel;
        if (factor - 1.0).abs() > 1e-4 {
            state.zoom.by(factor, pointer, whole);
        }
    }
    if response.double_clicked() {
        match response.interact_pointer_pos() {
            Some(pointer) if state.zoom.is_whole() => state.zoom.by(2.5, pointer, whole),
            _ => state.zoom.reset(),
        }
    }
    if !state.zoom.is_whole() {
        state.zoom.drag(response.drag_delta(), whole);
        let cursor = if response.dragged() {
            CursorIcon::Grabbing
        } else {
            CursorIcon::Grab
        };
        response.clone().on_hover_cursor(cursor);
    }
}

/// Paints what was chosen into `rect`; gives the caption.
fn paint(
    ui: &Ui,
    photo: &Photo,
    rect: Rect,
    state: &PhotoViewState,
    thumbnails: &mut ThumbnailCache,
) -> String {
    let p = theme::palette(ui);
    let name = photo.source.name();
    let Some(shown) = state.shown.as_ref().filter(|shown| shown.id == photo.id) else {
        return name;
    };
    let detail = match &shown.detail {
        None => {
            // Its thumbnail, if there is one, until the whole is read.
            if let ThumbnailState::Texture(small) = thumbnails.get(ui.ctx(), photo.id) {
                Image::new(&small)
                    .corner_radius(radius::M)
                    .paint_at(ui, fit(small.size_vec2(), rect, true));
            }
            return name;
        }
        Some(Err(_)) => {
            icons::paint(
                ui.painter(),
                Rect::from_center_size(rect.center(), Vec2::splat(64.0)),
                Icon::Broken,
                p.edge,
            );
            return format!("{name}: could not be read");
        }
        Some(Ok(detail)) => detail,
    };
    match state.picture {
        Picture::Photo => {
            if let Some(texture) = &shown.photo {
                let place = state.zoom.place(fit(texture.size_vec2(), rect, false));
                if state.zoom.is_whole() {
                    Image::new(texture)
                        .corner_radius(radius::M)
                        .paint_at(ui, place);
                } else {
                    let whole = Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
                    ui.painter()
                        .with_clip_rect(ui.clip_rect().intersect(rect))
                        .image(texture.id(), place, whole, Color32::WHITE);
                }
            }
            format!("{name}, {} \u{00d7} {} pixels", detail.width, detail.height)
        }
        Picture::Crop => {
            let Some(texture) = &shown.crop else {
                return "The model is still being loaded.".to_owned();
            };
            Image::new(texture)
                .corner_radius(radius::M)
                .paint_at(ui, fit(texture.size_vec2(), rect, true));
            let [w, h] = texture.size();
            format!(
                "Exactly these {w} \u{00d7} {h} pixels were looked at: {}",
                region_words(detail.crop_region)
            )
        }
        Picture::HeatMap => paint_heat_map(ui, photo, shown, rect),
    }
}

/// How much of the photo the network saw.
pub(super) fn region_words(region: Option<Region>) -> String {
    let percent = region.map_or(100.0, |region| 100.0 * region.covered());
    if percent > 99.5 {
        "the whole photo.".to_owned()
    } else {
        format!("the middle {percent:.0} % of the photo. What lies outside was not seen.")
    }
}

fn paint_heat_map(ui: &Ui, photo: &Photo, shown: &Shown, rect: Rect) -> String {
    let Some(texture) = &shown.crop else {
        return "The model is still being loaded.".to_owned();
    };
    let place = fit(texture.size_vec2(), rect, true);
    Image::new(texture)
        .corner_radius(radius::M)
        .paint_at(ui, place);
    match &shown.heat_map {
        HeatMapState::Ready(heat_map) => {
            if let Some(overlay) = &shown.heat_texture {
                Image::new(overlay)
                    .corner_radius(radius::M)
                    .paint_at(ui, place);
            }
            let label = photo.answer().and_then(|answer| {
                answer
                    .predictions
                    .iter()
                    .find(|found| found.index == heat_map.index)
            });
            let label = label.map_or("this", |found| found.label.as_str());
            match heat_map.largest_drop {
                None => format!("Bright and warm: what speaks for \u{201c}{label}\u{201d}."),
                Some(drop) if drop < 0.02 => format!(
                    "No single part decides: hiding any of them hardly changes \u{201c}{label}\u{201d}."
                ),
                Some(drop) => format!(
                    "Bright and warm: what speaks for \u{201c}{label}\u{201d}. Hiding the hottest part lowers its probability by {:.0} points.",
                    100.0 * drop
                ),
            }
        }
        HeatMapState::Failed(problem) => {
            format!("This could not be found out. {}", problem.what)
        }
        HeatMapState::Working => {
            ui.painter()
                .rect_filled(place, radius::M, Color32::from_black_alpha(120));
            egui::Spinner::new().color(Color32::WHITE).paint_at(
                ui,
                Rect::from_center_size(place.center(), Vec2::splat(36.0)),
            );
            "Finding out which parts matter\u{2026}".to_owned()
        }
        HeatMapState::NotAsked => {
            "As soon as there is an answer, this shows what it rests on.".to_owned()
        }
    }
}

/// `picture` as large as it fits into `rect`, in its middle; enlarged only when `enlarge` says so.
fn fit(picture: Vec2, rect: Rect, enlarge: bool) -> Rect {
    let scale = (rect.width() / picture.x).min(rect.height() / picture.y);
    let scale = if enlarge { scale } else { scale.min(2.0) };
    Rect::from_center_size(rect.center(), picture * scale)
}
