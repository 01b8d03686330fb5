//! Where the window opens: where it was closed, unless that is on a monitor that is gone.

use egui::{Pos2, Rect, pos2, vec2};

/// The strip at the top of a window by which it is moved.
const TITLE_HEIGHT: f32 = 40.0;

/// So much of the strip must be in sight to be grabbed.
const TITLE_WIDTH: f32 = 120.0;

/// Where the window must go so that it can be seen and moved; `None` when it can already. All in pixels of the
/// screen; the first monitor is the one it goes to.
pub fn on_screen(window: Rect, monitors: &[Rect]) -> Option<Pos2> {
    let title = Rect::from_min_size(window.min, vec2(window.width(), TITLE_HEIGHT));
    let in_sight = |monitor: &Rect| {
        let common = title.intersect(*monitor);
        common.width() >= TITLE_WIDTH.min(window.width()) && common.height() >= TITLE_HEIGHT / 2.0
    };
    let first = monitors.first()?;
    if monitors.iter().any(in_sight) {
        return None;
    }
    let room = (first.size() - window.size()) / 2.0;
    Some(pos2(
        first.left() + room.x.max(0.0),
        first.top() + room.y.max(0.0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect::from_min_size(pos2(x, y), vec2(width, height))
    }

    #[test]
    fn a_window_on_a_monitor_that_is_gone_comes_back() {
        let one = [rect(0.0, 0.0, 1600.0, 1000.0)];
        let two = [one[0], rect(1600.0, 0.0, 1600.0, 1000.0)];
        let away = rect(2000.0, 100.0, 1120.0, 780.0);
        assert_eq!(on_screen(away, &two), None);
        assert_eq!(on_screen(away, &one), Some(pos2(240.0, 110.0)));
        let corner = rect(1490.0, 964.0, 1120.0, 780.0);
        assert_eq!(on_screen(corner, &one), Some(pos2(240.0, 110.0)));
        let above = rect(100.0, -300.0, 1120.0, 780.0);
        assert!(on_screen(above, &one).is_some());
        assert_eq!(on_screen(rect(-900.0, 10.0, 1120.0, 780.0), &one), None);
        assert_eq!(on_screen(rect(10.0, 10.0, 4000.0, 3000.0), &one), None);
        let larger = on_screen(rect(9000.0, 0.0, 4000.0, 3000.0), &one);
        assert_eq!(larger, Some(pos2(0.0, 0.0)));
        assert_eq!(on_screen(away, &[]), None, "nothing is known");
    }
}
