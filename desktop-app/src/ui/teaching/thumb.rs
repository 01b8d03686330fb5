//! A small picture of a photo on the board.

use std::path::Path;

use egui::{Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, vec2};

use super::Pictures;
use crate::photo::{PhotoId, PhotoSource};
use crate::theme::{self, radius};
use crate::thumbnails::ThumbnailState;
use crate::ui::grid::cover;
use crate::ui::icons::{self, Icon};
use crate::ui::widgets;

/// Side of a small picture.
pub(super) const SIDE: f32 = 64.0;

/// What is to be known of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    None,
    /// It looks like another class.
    Doubt,
    /// It cannot be used.
    Broken,
}

/// A button that is a photo. `spoken` is its name for screen readers.
pub(super) fn show(
    ui: &mut Ui,
    id: Option<PhotoId>,
    path: &Path,
    mark: Mark,
    spoken: &str,
    pictures: &mut Pictures<'_>,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, spoken));
    if ui.is_rect_visible(rect) {
        let p = theme::palette(ui);
        ui.painter().rect_filled(rect, radius::S, p.raised);
        let icon = Rect::from_center_size(rect.center(), vec2(22.0, 22.0));
        if mark == Mark::Broken {
            icons::paint(ui.painter(), icon, Icon::Broken, p.edge);
        } else if let Some(id) = id {
            match pictures.thumbnails.get(ui.ctx(), id) {
                ThumbnailState::Texture(texture) => {
                    egui::Image::new(&texture)
                        .uv(cover(texture.size_vec2(), rect.size()))
                        .corner_radius(radius::S)
                        .paint_at(ui, rect);
                }
                missing => {
                    if matches!(missing, ThumbnailState::Missing) && pictures.thumbnails.request(id)
                    {
                        let source = PhotoSource::File(path.to_owned());
                        pictures.workers.make_thumbnail(id, source);
                    }
                    icons::paint(ui.painter(), icon, Icon::Picture, p.edge);
                }
            }
        }
        if mark == Mark::Doubt {
            let stroke = Stroke::new(2.0, p.doubt);
            ui.painter()
                .rect_stroke(rect, radius::S, stroke, StrokeKind::Inside);
            let place = rect.right_top() + vec2(-12.0, 12.0);
            let place = Rect::from_center_size(place, Vec2::splat(18.0));
            ui.painter()
                .circle_filled(place.center(), 9.0, p.doubt_soft);
            icons::paint(ui.painter(), place.shrink(3.0), Icon::Warning, p.doubt);
        }
        if response.has_focus() || response.hovered() {
            widgets::focus_ring(ui, rect, p);
        }
    }
    response
}
