//! What is seen while files hover over the window, and where drops come in.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use egui::{
    Align2, Context, CornerRadius, Id, LayerId, Order, Pos2, Rect, Sense, Stroke, TextStyle, Ui,
    pos2, vec2,
};

use super::icons::{self, Icon};
use super::widgets::{self, Live};
use crate::platform::DropEvent;
use crate::theme::{self, radius};

/// The state of a drag over the window.
pub(super) struct DropTarget {
    events: (Sender<DropEvent>, Receiver<DropEvent>),
    /// Something hovers: how many files, once known.
    hovering: Option<Option<usize>>,
    toolkit_hovered: bool,
    /// Where the drag is, in pixels of the window, where the platform's drop target says so.
    over: Option<[i32; 2]>,
}

impl Default for DropTarget {
    fn default() -> Self {
        Self {
            events: channel(),
            hovering: None,
            toolkit_hovered: false,
            over: None,
        }
    }
}

/// What was dropped: the files, and for every entry that is none, why.
pub(super) type DroppedFiles = (Vec<PathBuf>, Vec<String>);

impl DropTarget {
    /// For the platform's own drop target.
    pub(super) fn sender(&self) -> Sender<DropEvent> {
        self.events.0.clone()
    }

    pub(super) fn is_hovered(&self) -> bool {
        self.hovering.is_some()
    }

    /// Where the drag is, or where the drop was, in points of the window: as the drop target says it, else where the
    /// pointer was seen last.
    pub(super) fn place(&self, context: &Context) -> Option<Pos2> {
        match self.over {
            Some([x, y]) => Some(pos2(x as f32, y as f32) / context.pixels_per_point()),
            None => context.input(|input| input.pointer.latest_pos()),
        }
    }

    /// Takes in what the platform's drop target sent: `None` when there is nothing more, else what was dropped, if
    /// something was.
    pub(super) fn poll(&mut self) -> Option<Option<DroppedFiles>> {
        match self.events.1.try_recv().ok()? {
            DropEvent::Hover(files) => {
                if self.hovering.is_none() {
                    self.over = None;
                }
                self.hovering = Some(files);
                Some(None)
            }
            DropEvent::Over(place) => {
                self.over = Some(place);
                Some(None)
            }
            DropEvent::Leave => {
                self.hovering = None;
                Some(None)
            }
            DropEvent::Drop(files, refused) => {
                self.hovering = None;
                Some(Some((files, refused)))
            }
        }
    }

    /// Takes in what the toolkit says; gives what was dropped.
    pub(super) fn take_toolkit_input(&mut self, ui: &Ui) -> Vec<PathBuf> {
        let (dropped, hovered) = ui.input(|input| {
            let dropped: Vec<_> = input
                .raw
                .dropped_files
                .iter()
                .map(|file| file.path().to_owned())
                .collect();
            (dropped, input.raw.hovered_files.len())
        });
        if !dropped.is_empty() {
            self.hovering = None;
            self.over = None;
        } else if hovered > 0 {
            self.hovering = Some(Some(hovered));
        } else if self.toolkit_hovered {
            self.hovering = None;
        }
        self.toolkit_hovered = hovered > 0;
        dropped
    }

    /// Paints the target while something hovers: the window, or the part of it that takes the drop, with what it does.
    pub(super) fn show(&self, ui: &mut Ui, part: Option<(String, Option<Rect>)>) {
        let Some(files) = self.hovering else {
            return;
        };
        if let Some((words, rect)) = part {
            show_part(ui, &words, rect);
            return;
        }
        let p = theme::palette(ui);
        let screen = ui.ctx().content_rect();
        let painter = ui
            .ctx()
            .layer_painter(LayerId::new(Order::Foreground, Id::unique("drop target")));
        painter.rect_filled(screen, CornerRadius::ZERO, p.ground.gamma_multiply(0.92));
        let target = screen.shrink(20.0);
        painter.rect_filled(target, radius::L, p.accent_soft);
        dashed(&painter, target, Stroke::new(2.5, p.accent));
        let center = target.center();
        icons::paint(
            &painter,
            Rect::from_center_size(center - vec2(0.0, 62.0), vec2(72.0, 72.0)),
            Icon::Picture,
            p.accent,
        );
        let words = match files {
            None => "Drop to look at them".to_owned(),
            Some(0) => "Nothing in this can be used".to_owned(),
            Some(1) => "Drop to look at it".to_owned(),
            Some(n) => format!("Drop to look at {n} files"),
        };
        let mut font = theme::display().resolve(ui.style());
        font.size = font.size.min(target.width() / 14.0);
        painter.text(
            center + vec2(0.0, 14.0),
            Align2::CENTER_CENTER,
            &words,
            font,
            p.text,
        );
        painter.text(
            center + vec2(0.0, 52.0),
            Align2::CENTER_CENTER,
            "Photos, folders, or an ONNX model",
            TextStyle::Body.resolve(ui.style()),
            p.muted,
        );
        // A painted overlay says nothing to a screen reader; this does.
        let response = ui.interact(screen, Id::unique("drop target words"), Sense::hover());
        widgets::announce(ui, &response, &words, Live::Polite);
    }
}

/// The part that takes the drop, under the pointer, and the words at the window's foot.
fn show_part(ui: &mut Ui, words: &str, rect: Option<Rect>) {
    let p = theme::palette(ui);
    let screen = ui.ctx().content_rect();
    let painter = ui
        .ctx()
        .layer_painter(LayerId::new(Order::Foreground, Id::unique("drop target")));
    let target = rect.unwrap_or(screen.shrink(10.0)).intersect(screen);
    painter.rect_filled(target, radius::L, p.accent.gamma_multiply(0.1));
    dashed(&painter, target, Stroke::new(2.5, p.accent));
    let font = theme::title().resolve(ui.style());
    let galley = painter.layout_no_wrap(words.to_owned(), font, p.on_accent);
    let place = screen.center_bottom() - vec2(0.0, 40.0);
    let badge = Rect::from_center_size(place, galley.size() + vec2(36.0, 18.0));
    painter.rect_filled(badge, radius::M, p.accent);
    painter.galley(badge.center() - galley.size() / 2.0, galley, p.on_accent);
    let response = ui.interact(screen, Id::unique("drop target words"), Sense::hover());
    widgets::announce(ui, &response, words, Live::Polite);
}

/// A dashed rectangle with the corners of a card.
pub(super) fn dashed(painter: &egui::Painter, rect: Rect, stroke: Stroke) {
    let r = f32::from(radius::L);
    let mut points = Vec::new();
    for (corner, from) in [
        (rect.right_top(), -90.0_f32),
        (rect.right_bottom(), 0.0),
        (rect.left_bottom(), 90.0),
        (rect.left_top(), 180.0),
    ] {
        let center = egui::pos2(
            corner.x.clamp(rect.left() + r, rect.right() - r),
            corner.y.clamp(rect.top() + r, rect.bottom() - r),
        );
        for step in 0..=6 {
            let angle = (from + 15.0 * step as f32).to_radians();
            points.push(center + r * vec2(angle.cos(), angle.sin()));
        }
    }
    points.push(points[0]);
    painter.extend(egui::Shape::dashed_line(&points, stroke, 9.0, 6.0));
}
