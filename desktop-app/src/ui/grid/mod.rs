//! Many photos: a grid of tiles with filter, order, selection and progress.

mod header;
mod selection;
mod tile;
mod tiles;

use std::collections::HashSet;

use egui::Ui;

use super::action::Actions;
use super::widgets;
use crate::photo::PhotoId;
use crate::photo_list::PhotoList;
use crate::theme::{self, space};
use crate::thumbnails::ThumbnailCache;
use crate::view::{PhotoFilter, SortOrder};
use crate::worker::Workers;
use selection::Selection;
pub(super) use tile::cover;

/// How the grid is used: what it shows, where the keyboard is, what is selected.
#[derive(Default)]
pub(super) struct GridState {
    pub(super) filter: PhotoFilter,
    pub(super) order: SortOrder,
    /// Where the arrows go on from.
    cursor: Option<PhotoId>,
    /// The tile that gets the keyboard in the next frame, and is scrolled to.
    wants_focus: Option<PhotoId>,
    /// The tile to scroll to, once.
    reveal: Option<PhotoId>,
    wants_filter_focus: bool,
    selection: Selection,
    /// Top and height of the part in sight.
    in_sight: Option<(f32, f32)>,
    /// How high all tiles together were in the last frame.
    height_before: Option<f32>,
}

impl GridState {
    /// Scrolls to a photo that has just arrived.
    pub(super) fn reveal(&mut self, id: PhotoId) {
        self.reveal = Some(id);
        self.wants_focus = None;
    }

    /// Puts the keyboard on a tile.
    pub(super) fn focus(&mut self, id: PhotoId) {
        self.cursor = Some(id);
        self.wants_focus = Some(id);
    }

    pub(super) fn set_cursor(&mut self, id: PhotoId) {
        self.cursor = Some(id);
    }

    pub(super) fn focus_filter(&mut self) {
        self.wants_filter_focus = true;
    }

    /// Forgets photos that were removed; the keyboard goes to the next one where it was on one of them.
    pub(super) fn forget(&mut self, ids: &[PhotoId]) {
        self.selection.forget(ids);
    }

    /// The selected photos, or the one the keyboard is on.
    pub(super) fn meant(&self) -> Vec<PhotoId> {
        if self.selection.ids().is_empty() {
            self.cursor.into_iter().collect()
        } else {
            self.selection.in_order()
        }
    }

    pub(super) fn selection(&self) -> &HashSet<PhotoId> {
        self.selection.ids()
    }

    /// Selects nothing; false when nothing was selected.
    pub(super) fn clear_selection(&mut self) -> bool {
        self.selection.clear()
    }
}

/// What the grid shows beside the photos.
pub(super) struct GridContent {
    pub(super) scanning: bool,
    pub(super) model_ready: bool,
    pub(super) threshold: f32,
    /// A dialog is open, so the keyboard is not ours.
    pub(super) blocked: bool,
}

/// Where the grid's photos come from.
pub(super) struct GridSources<'a> {
    pub(super) photos: &'a mut PhotoList,
    pub(super) thumbnails: &'a mut ThumbnailCache,
    pub(super) workers: &'a Workers,
}

pub(super) fn show(
    ui: &mut Ui,
    content: &GridContent,
    mut sources: GridSources<'_>,
    state: &mut GridState,
    actions: &mut Actions,
) {
    let margin = theme::page_margin(ui, 0);
    egui::Frame::new().inner_margin(margin).show(ui, |ui| {
        let ids = sources
            .photos
            .shown(&state.filter, state.order, content.threshold)
            .to_vec();
        header::show(ui, sources.photos, &ids, state, actions);
        ui.add_space(space::S);
        header::progress(ui, sources.photos, content, actions);
        if ids.is_empty() && !content.scanning {
            ui.add_space(space::XXL);
            ui.vertical_centered(|ui| {
                widgets::muted(ui, "No photo passes this filter.");
                if ui.button("Show all photos").clicked() {
                    state.filter = PhotoFilter::default();
                }
            });
        } else {
            tiles::show(ui, &ids, content, &mut sources, state, actions);
        }
    });
}
