//! The few icons of the window, drawn with lines so that they are sharp at every scale.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, vec2};

/// An icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A picture: frame, sun, hill.
    Picture,
    /// A picture that cannot be read.
    Broken,
    /// A gear.
    Settings,
    /// A question mark in a circle.
    Help,
    /// A cross.
    Close,
    /// Back.
    Left,
    /// On.
    Right,
    /// More below.
    Down,
    /// Layers: the model.
    Model,
    /// A tick.
    Tick,
    /// An exclamation mark in a triangle.
    Warning,
    /// An i in a circle.
    Info,
    /// A full circle with a tick.
    Sure,
    /// A circle, half full.
    FairlySure,
    /// A question mark in a circle.
    NotSure,
    /// A label on a string: teaching.
    Tag,
    /// Larger.
    Plus,
    /// Smaller.
    Minus,
}

/// Paints `icon` into the square around the center of `rect`.
pub fn paint(painter: &Painter, rect: Rect, icon: Icon, color: Color32) {
    let side = rect.width().min(rect.height());
    let square = Rect::from_center_size(rect.center(), vec2(side, side));
    let at = |x: f32, y: f32| square.lerp_inside(vec2(x, y));
    let width = (side / 14.0).clamp(1.3, 3.5);
    let stroke = Stroke::new(width, color);
    let line = |points: &[(f32, f32)]| {
        let points: Vec<Pos2> = points.iter().map(|(x, y)| at(*x, *y)).collect();
        painter.add(Shape::line(points, stroke));
    };
    match icon {
        Icon::Picture | Icon::Broken => {
            let frame = Rect::from_min_max(at(0.06, 0.14), at(0.94, 0.86));
            painter.rect_stroke(frame, side * 0.12, stroke, StrokeKind::Middle);
            if icon == Icon::Picture {
                painter.circle_stroke(at(0.32, 0.37), side * 0.085, stroke);
                line(&[
                    (0.1, 0.77),
                    (0.38, 0.55),
                    (0.54, 0.68),
                    (0.74, 0.46),
                    (0.91, 0.62),
                ]);
            } else {
                line(&[(0.36, 0.36), (0.64, 0.64)]);
                line(&[(0.64, 0.36), (0.36, 0.64)]);
            }
        }
        Icon::Settings => {
            painter.circle_stroke(square.center(), side * 0.15, stroke);
            painter.circle_stroke(square.center(), side * 0.31, stroke);
            for tooth in 0..8 {
                let angle = std::f32::consts::TAU * tooth as f32 / 8.0;
                let way = vec2(angle.cos(), angle.sin());
                let ends = [
                    square.center() + way * side * 0.31,
                    square.center() + way * side * 0.43,
                ];
                painter.line_segment(ends, Stroke::new(width * 1.5, color));
            }
        }
        Icon::Help | Icon::NotSure => {
            painter.circle_stroke(square.center(), side * 0.42, stroke);
            line(&[
                (0.38, 0.4),
                (0.4, 0.31),
                (0.5, 0.27),
                (0.6, 0.31),
                (0.62, 0.4),
                (0.57, 0.48),
                (0.5, 0.53),
                (0.5, 0.61),
            ]);
            painter.circle_filled(at(0.5, 0.73), width * 0.75, color);
        }
        Icon::Close => {
            line(&[(0.24, 0.24), (0.76, 0.76)]);
            line(&[(0.76, 0.24), (0.24, 0.76)]);
        }
        Icon::Left => line(&[(0.62, 0.2), (0.34, 0.5), (0.62, 0.8)]),
        Icon::Right => line(&[(0.38, 0.2), (0.66, 0.5), (0.38, 0.8)]),
        Icon::Down => line(&[(0.1, 0.3), (0.5, 0.72), (0.9, 0.3)]),
        Icon::Model => {
            let top = vec![at(0.5, 0.12), at(0.92, 0.34), at(0.5, 0.56), at(0.08, 0.34)];
            painter.add(Shape::closed_line(top, stroke));
            line(&[(0.08, 0.52), (0.5, 0.74), (0.92, 0.52)]);
            line(&[(0.08, 0.7), (0.5, 0.92), (0.92, 0.7)]);
        }
        Icon::Tick => line(&[(0.18, 0.54), (0.42, 0.76), (0.84, 0.26)]),
        Icon::Info => {
            painter.circle_stroke(square.center(), side * 0.42, stroke);
            line(&[(0.5, 0.46), (0.5, 0.7)]);
            painter.circle_filled(at(0.5, 0.31), width * 0.75, color);
        }
        Icon::Sure => {
            painter.circle_filled(square.center(), side * 0.48, color);
        }
        Icon::FairlySure => {
            painter.circle_stroke(square.center(), side * 0.42, stroke);
            let mut half: Vec<Pos2> = (0..=16)
                .map(|step| {
                    let angle = std::f32::consts::PI * (0.5 + step as f32 / 16.0);
                    square.center() + vec2(angle.cos(), angle.sin()) * side * 0.42
                })
                .collect();
            half.dedup();
            painter.add(Shape::convex_polygon(half, color, Stroke::NONE));
        }
        Icon::Tag => {
            let outline = [
                (0.1, 0.1),
                (0.52, 0.1),
                (0.92, 0.5),
                (0.5, 0.92),
                (0.1, 0.52),
            ];
            let outline = outline.map(|(x, y)| at(x, y)).to_vec();
            painter.add(Shape::closed_line(outline, stroke));
            painter.circle_filled(at(0.31, 0.31), width * 0.9, color);
        }
        Icon::Plus => {
            line(&[(0.5, 0.2), (0.5, 0.8)]);
            line(&[(0.2, 0.5), (0.8, 0.5)]);
        }
        Icon::Minus => line(&[(0.2, 0.5), (0.8, 0.5)]),
        Icon::Warning => {
            let corners = vec![at(0.5, 0.14), at(0.93, 0.86), at(0.07, 0.86)];
            painter.add(Shape::closed_line(corners, stroke));
            line(&[(0.5, 0.42), (0.5, 0.62)]);
            painter.circle_filled(at(0.5, 0.74), width * 0.7, color);
        }
    }
}
