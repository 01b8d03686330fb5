//! Which view fills the window, and what each is given to draw.

use egui::Ui;

use super::action::Actions;
use super::state::View;
use super::{App, empty_view, grid, photo_view, teaching};

impl App {
    /// Draws the view that fills the window.
    pub(super) fn show_view(&mut self, ui: &mut Ui, actions: &mut Actions) {
        match self.view {
            View::Photo(id) => {
                let neighbors = self.neighbors();
                let shown = photo_view::PhotoViewContent {
                    photo: self.photos.photo(id),
                    neighbors,
                    model: &self.model,
                    settings: &self.settings.current,
                    copied: self.copied_lately(),
                };
                photo_view::show(
                    ui,
                    shown,
                    &mut self.photo_view,
                    &mut self.thumbnails,
                    actions,
                );
            }
            View::Teach => {
                let mut pictures = teaching::Pictures {
                    thumbnails: &mut self.thumbnails,
                    workers: &self.workers,
                };
                let in_use = self.model.classifier().map(|model| model.card());
                teaching::show(ui, &mut self.teaching, &mut pictures, in_use, actions);
            }
            View::Grid if self.photos.photos().is_empty() && self.progress.scans == 0 => {
                let content = empty_view::EmptyViewContent {
                    window_system: self.environment.window_system,
                    model: &self.model,
                    history: &self.settings.current.history,
                };
                empty_view::show(ui, &content, actions);
            }
            View::Grid => {
                let content = grid::GridContent {
                    scanning: self.progress.scans > 0,
                    model_ready: self.model.classifier().is_some(),
                    threshold: self.settings.current.sure_from,
                    blocked: self.dialogs.is_open(),
                };
                let sources = grid::GridSources {
                    photos: &mut self.photos,
                    thumbnails: &mut self.thumbnails,
                    workers: &self.workers,
                };
                grid::show(ui, &content, sources, &mut self.grid, actions);
            }
        }
    }
}
