//! How large the photo is shown, and which part of it.

use egui::{Rect, Vec2, vec2};

/// Times the size at which the whole photo is in sight.
const MOST: f32 = 12.0;
const STEP: f32 = 1.5;

/// A scale over "the whole photo in sight", and how far its middle is moved, as a part of its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ui) struct Zoom {
    scale: f32,
    moved: Vec2,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            scale: 1.0,
            moved: Vec2::ZERO,
        }
    }
}

impl Zoom {
    /// The whole photo in sight.
    pub(in crate::ui) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_whole(&self) -> bool {
        self.scale <= 1.001
    }

    /// "Fit", or "150 %" of that.
    pub(super) fn words(&self) -> String {
        format!("{:.0} %", 100.0 * self.scale)
    }

    /// One step larger (1) or smaller (-1), around the middle.
    pub(in crate::ui) fn step(&mut self, direction: i32) {
        let factor = if direction > 0 { STEP } else { 1.0 / STEP };
        self.scale = (self.scale * factor).clamp(1.0, MOST);
        if self.is_whole() {
            self.reset();
        }
    }

    /// Larger by `factor`, so that what is under `pointer` stays there. `whole` is where the photo lies when all of
    /// it is in sight.
    pub(super) fn by(&mut self, factor: f32, pointer: egui::Pos2, whole: Rect) {
        let before = self.place(whole);
        let at = (pointer - before.min) / before.size();
        self.scale = (self.scale * factor).clamp(1.0, MOST);
        let after = self.place(whole);
        let shift = pointer - (after.min + at * after.size());
        self.drag(shift, whole);
    }

    /// Moves the photo by some points.
    pub(super) fn drag(&mut self, by: Vec2, whole: Rect) {
        let size = whole.size() * self.scale;
        self.moved += vec2(by.x / size.x, by.y / size.y);
        // Its edge never leaves the place where it was when all was in sight.
        let most = 0.5 * (1.0 - 1.0 / self.scale);
        self.moved = self.moved.clamp(Vec2::splat(-most), Vec2::splat(most));
    }

    /// Where the photo is painted.
    pub(super) fn place(&self, whole: Rect) -> Rect {
        let size = whole.size() * self.scale;
        Rect::from_center_size(whole.center() + self.moved * size, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn what_is_under_the_pointer_stays_and_the_edges_stay_outside() {
        let whole = Rect::from_min_size(pos2(100.0, 50.0), vec2(400.0, 300.0));
        let mut zoom = Zoom::default();
        assert_eq!(zoom.place(whole), whole);
        let pointer = pos2(200.0, 125.0);
        zoom.by(2.0, pointer, whole);
        let place = zoom.place(whole);
        assert_eq!(place.size(), vec2(800.0, 600.0));
        let at = (pointer - place.min) / place.size();
        assert!((at - vec2(0.25, 0.25)).length() < 1e-4, "{at}");
        zoom.drag(vec2(9999.0, 9999.0), whole);
        assert!((zoom.place(whole).min - whole.min).length() < 1e-2);
        for _ in 0..20 {
            zoom.step(1);
        }
        assert!(zoom.place(whole).width() <= 400.0 * MOST + 1.0);
        for _ in 0..20 {
            zoom.step(-1);
        }
        assert_eq!(zoom, Zoom::default());
    }
}
