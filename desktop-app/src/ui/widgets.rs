//! The window's own small widgets. Each has a name for screen readers.

use egui::{
    Align, Button, Color32, CornerRadius, Layout, Rect, Response, RichText, Role, Sense, Stroke,
    StrokeKind, TextStyle, Ui, WidgetInfo, vec2,
};

use super::icons::{self, Icon};
use crate::theme::{self, Palette, radius, space};

/// The button for what one most likely wants.
pub fn primary_button(ui: &mut Ui, text: &str) -> Response {
    let p = theme::palette(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for widget in [
            &mut widgets.inactive,
            &mut widgets.hovered,
            &mut widgets.active,
        ] {
            widget.weak_bg_fill = p.accent;
            widget.fg_stroke.color = p.on_accent;
            widget.bg_stroke = Stroke::NONE;
        }
        widgets.hovered.weak_bg_fill = p.accent.lerp_to_gamma(p.text, 0.12);
        widgets.active.bg_stroke = Stroke::new(2.0, p.text);
        ui.add(Button::new(RichText::new(text).text_style(theme::strong())))
    })
    .inner
}

/// A button that is only an icon; `name` is its tooltip and its name for screen readers.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    icon_button_sized(ui, icon, name, 34.0)
}

/// [`icon_button`] of another size.
pub fn icon_button_sized(ui: &mut Ui, icon: Icon, name: &str, side: f32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    if ui.is_rect_visible(rect) {
        let p = theme::palette(ui);
        let visuals = ui.style().interact(&response);
        if response.hovered() || response.has_focus() {
            ui.painter().rect(
                rect,
                radius::M,
                visuals.weak_bg_fill,
                visuals.bg_stroke,
                StrokeKind::Inside,
            );
        }
        let color = if response.hovered() || response.has_focus() {
            p.text
        } else {
            p.muted
        };
        icons::paint(ui.painter(), rect.shrink(side * 0.24), icon, color);
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response.on_hover_text(name)
}

/// Text of less weight.
pub fn muted(ui: &mut Ui, text: impl Into<String>) -> Response {
    let p = theme::palette(ui);
    ui.label(RichText::new(text).color(p.muted))
}

/// Small text of less weight.
pub fn small(ui: &mut Ui, text: impl Into<String>) -> Response {
    let p = theme::palette(ui);
    ui.label(
        RichText::new(text)
            .text_style(TextStyle::Small)
            .color(p.muted),
    )
}

/// A short word on a colored ground.
pub fn badge(ui: &mut Ui, text: &str, color: Color32, ground: Color32) -> Response {
    egui::Frame::new()
        .fill(ground)
        .corner_radius(radius::S)
        .inner_margin(egui::Margin::symmetric(9, 4))
        .show(ui, |ui| {
            ui.label(RichText::new(text).text_style(theme::strong()).color(color))
        })
        .inner
}

/// An answer: its label, its probability and a bar as long as it is probable.
pub fn answer_bar(
    ui: &mut Ui,
    label: &str,
    probability: f32,
    percent: &str,
    best: bool,
) -> Response {
    let p = theme::palette(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, 40.0), Sense::hover());
    if ui.is_rect_visible(rect) {
        let style = if best {
            theme::strong()
        } else {
            TextStyle::Body
        };
        let font = style.resolve(ui.style());
        let number = ui
            .painter()
            .layout_no_wrap(percent.to_owned(), font.clone(), p.text);
        let room = width - number.size().x - space::M;
        let mut job = egui::text::LayoutJob::simple_singleline(label.to_owned(), font, p.text);
        job.wrap = egui::text::TextWrapping::truncate_at_width(room);
        let name = ui.painter().layout_job(job);
        let number_at = egui::pos2(rect.right() - number.size().x, rect.top() + 3.0);
        ui.painter()
            .galley(rect.left_top() + vec2(0.0, 3.0), name, p.text);
        ui.painter().galley(number_at, number, p.text);
        let track = Rect::from_min_max(
            egui::pos2(rect.left(), rect.bottom() - 11.0),
            egui::pos2(rect.right(), rect.bottom() - 4.0),
        );
        let round = CornerRadius::same(4);
        ui.painter().rect_filled(track, round, p.raised);
        let part = probability.clamp(0.0, 1.0);
        if part > 0.0 {
            let filled = track.with_max_x(track.left() + (track.width() * part).max(4.0));
            ui.painter()
                .rect_filled(filled, round, if best { p.accent } else { p.accent_quiet });
        }
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, format!("{label}: {percent}")));
    response
}

/// A thin bar of progress.
pub fn progress(ui: &mut Ui, part: f32, name: &str) -> Response {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 6.0), Sense::hover());
    let round = CornerRadius::same(3);
    ui.painter().rect_filled(rect, round, p.raised);
    let filled = rect.with_max_x(rect.left() + rect.width() * part.clamp(0.0, 1.0));
    ui.painter().rect_filled(filled, round, p.accent);
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, name));
    response
}

/// Choices beside each other, of which one holds. Gives the one chosen now.
pub fn segments<T: Copy + PartialEq>(ui: &mut Ui, chosen: T, choices: &[(T, &str)]) -> Option<T> {
    let p = theme::palette(ui);
    let mut clicked = None;
    egui::Frame::new()
        .fill(p.raised)
        .corner_radius(radius::M)
        .inner_margin(3)
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                for (choice, text) in choices {
                    let on = *choice == chosen;
                    let color = if on { p.text } else { p.muted };
                    let fill = if on { p.card } else { Color32::TRANSPARENT };
                    let style = if on {
                        theme::strong()
                    } else {
                        TextStyle::Button
                    };
                    let response = ui
                        .scope(|ui| {
                            let widgets = &mut ui.visuals_mut().widgets;
                            widgets.inactive.weak_bg_fill = fill;
                            widgets.hovered.weak_bg_fill = if on { p.card } else { p.hovered };
                            ui.add(
                                Button::new(RichText::new(*text).text_style(style).color(color))
                                    .corner_radius(radius::S),
                            )
                        })
                        .inner;
                    response
                        .widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, *text));
                    if response.clicked() {
                        clicked = Some(*choice);
                    }
                }
            });
        });
    clicked
}

/// A line with something on its left and something on its right.
pub fn ends(ui: &mut Ui, left: impl FnOnce(&mut Ui), right: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        left(ui);
        ui.with_layout(Layout::right_to_left(Align::Center), right);
    });
}

/// A ring around what has the keyboard.
pub fn focus_ring(ui: &Ui, rect: Rect, p: &Palette) {
    ui.painter().rect_stroke(
        rect,
        radius::M,
        Stroke::new(2.5, p.accent),
        StrokeKind::Inside,
    );
}
