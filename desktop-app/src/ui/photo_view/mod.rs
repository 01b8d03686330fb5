//! One photo: what it is, how sure that is, what the network saw, and why.

mod answer;
mod picture;
mod zoom;

use egui::{Align, Layout, ScrollArea, TextureHandle, Ui, vec2};

use super::action::{Action, Actions};
use super::model_slot::ModelSlot;
use crate::content::ContentId;
use crate::heat_map::HeatMap;
use crate::photo::{Photo, PhotoId};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::theme::{self, space};
use crate::thumbnails::ThumbnailCache;
use crate::worker::PhotoDetail;
use zoom::Zoom;

/// Below this width, photo and answer stand under each other.
const TWO_COLUMNS: f32 = 820.0;
const ANSWER_WIDTH: f32 = 370.0;

/// Which picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Picture {
    #[default]
    Photo,
    /// The pixels the network saw.
    Crop,
    /// Those, and what the answer rests on.
    HeatMap,
}

/// How far the heat map is.
pub(super) enum HeatMapState {
    NotAsked,
    Working,
    Ready(HeatMap),
    Failed(Problem),
}

/// The photo that is shown, and its pictures.
struct Shown {
    id: PhotoId,
    detail: Option<Result<PhotoDetail, Problem>>,
    photo: Option<TextureHandle>,
    crop: Option<TextureHandle>,
    heat_map: HeatMapState,
    heat_texture: Option<TextureHandle>,
}

/// How the view is used.
#[derive(Default)]
pub(super) struct PhotoViewState {
    pub(super) picture: Picture,
    pub(super) zoom: Zoom,
    shown: Option<Shown>,
}

impl PhotoViewState {
    /// Shows a photo whose pictures are on their way.
    pub(super) fn open(&mut self, id: PhotoId) {
        if self.shown.as_ref().is_none_or(|shown| shown.id != id) {
            self.zoom.reset();
        }
        self.shown = Some(Shown {
            id,
            detail: None,
            photo: None,
            crop: None,
            heat_map: HeatMapState::NotAsked,
            heat_texture: None,
        });
    }

    /// Shows nothing; gives the memory of its pictures back.
    pub(super) fn close(&mut self) {
        self.shown = None;
    }

    fn shown(&mut self, id: PhotoId) -> Option<&mut Shown> {
        self.shown.as_mut().filter(|shown| shown.id == id)
    }

    pub(super) fn set_detail(&mut self, id: PhotoId, detail: Result<PhotoDetail, Problem>) {
        if let Some(shown) = self.shown(id) {
            shown.detail = Some(detail);
            shown.photo = None;
            shown.crop = None;
        }
    }

    pub(super) fn set_heat_map(&mut self, id: PhotoId, heat_map: HeatMapState) {
        if let Some(shown) = self.shown(id) {
            shown.heat_map = heat_map;
            shown.heat_texture = None;
        }
    }

    /// The photo whose heat map is wanted and was not asked for.
    pub(super) fn wants_heat_map(&self) -> Option<PhotoId> {
        let shown = self.shown.as_ref()?;
        let wanted =
            self.picture == Picture::HeatMap && matches!(shown.heat_map, HeatMapState::NotAsked);
        wanted.then_some(shown.id)
    }

    pub(super) fn heat_map_asked(&mut self) {
        if let Some(shown) = &mut self.shown {
            shown.heat_map = HeatMapState::Working;
        }
    }

    /// Whether the pixels on the screen are of another content than this one.
    pub(super) fn shows_other_than(&self, id: PhotoId, content: &ContentId) -> bool {
        self.shown.as_ref().is_some_and(|shown| {
            shown.id == id
                && matches!(&shown.detail, Some(Ok(detail)) if !detail.content.same_bytes(content))
        })
    }

    /// Something is on its way.
    pub(super) fn is_waiting(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| {
            shown.detail.is_none() || matches!(shown.heat_map, HeatMapState::Working)
        })
    }
}

/// What the view shows.
pub(super) struct PhotoViewContent<'a> {
    pub(super) photo: Option<&'a Photo>,
    /// The photos before and after it.
    pub(super) neighbors: [Option<PhotoId>; 2],
    pub(super) model: &'a ModelSlot,
    pub(super) settings: &'a Settings,
    /// The answer was copied a moment ago.
    pub(super) copied: bool,
}

pub(super) fn show(
    ui: &mut Ui,
    content: PhotoViewContent<'_>,
    state: &mut PhotoViewState,
    thumbnails: &mut ThumbnailCache,
    actions: &mut Actions,
) {
    let Some(photo) = content.photo else {
        actions.push(Action::ShowGrid);
        return;
    };
    picture::make_textures(ui, state);
    let margin = theme::page_margin(ui, 20);
    egui::Frame::new().inner_margin(margin).show(ui, |ui| {
        if ui.available_width() >= TWO_COLUMNS {
            let height = ui.available_height();
            let width = ui.available_width() - ANSWER_WIDTH - space::L;
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::L;
                let size = vec2(width, height);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    let frame = picture::CardContent {
                        photo,
                        content: &content,
                        size,
                        wheel_zooms: true,
                    };
                    picture::show(ui, &frame, state, thumbnails, actions);
                });
                let size = vec2(ANSWER_WIDTH, height);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    ScrollArea::vertical()
                        .auto_shrink([false, true])
                        .show(ui, |ui| answer::show(ui, photo, &content, actions));
                });
            });
        } else {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                let width = ui.available_width();
                // In a low window the answer is in sight under the photo.
                let most = (ui.ctx().content_rect().height() * 0.55).clamp(240.0, 520.0);
                let frame = picture::CardContent {
                    photo,
                    content: &content,
                    size: vec2(width, (width * 0.85).min(most)),
                    wheel_zooms: false,
                };
                picture::show(ui, &frame, state, thumbnails, actions);
                ui.add_space(space::M);
                answer::show(ui, photo, &content, actions);
            });
        }
    });
}
