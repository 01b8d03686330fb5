//! The window's own small widgets. Each has a name for screen readers.

use egui::accesskit;
use egui::{
    Align, Button, Color32, CornerRadius, Id, Layout, Rect, Response, RichText, Role, Sense,
    Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, vec2,
};

use super::icons::{self, Icon};
use super::text_order::visual_order;
use crate::theme::{self, Palette, radius, space};

/// How urgently a screen reader speaks what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// When it has finished what it says.
    Polite,
    /// At once.
    Assertive,
}

/// Makes a widget speak `words` when they change.
pub(super) fn announce(ui: &Ui, response: &Response, words: &str, live: Live) {
    response.widget_info(|| WidgetInfo::labeled(Role::Status, true, words));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_live(match live {
            Live::Polite => accesskit::Live::Polite,
            Live::Assertive => accesskit::Live::Assertive,
        });
        if live == Live::Assertive {
            node.set_role(Role::Alert);
        }
    });
}

/// Text in the order it is read, also where it runs from right to left. Screen readers get it as it was written.
pub(super) fn text(ui: &mut Ui, words: &str, style: TextStyle, color: Color32) -> Response {
    let ordered = visual_order(words);
    let reordered = matches!(ordered, std::borrow::Cow::Owned(_));
    let response = ui.label(
        RichText::new(ordered.into_owned())
            .text_style(style)
            .color(color),
    );
    if reordered {
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
    }
    response
}

/// A heading, and for screen readers too.
pub(super) fn heading(ui: &mut Ui, words: &str, style: TextStyle) -> Response {
    let response = ui.label(RichText::new(words).text_style(style));
    response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, words));
    response
}

/// The button for what one most likely wants.
pub(super) fn primary_button(ui: &mut Ui, text: &str) -> Response {
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
pub(super) fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    icon_button_sized(ui, icon, name, 34.0)
}

/// [`icon_button`] of another size.
pub(super) fn icon_button_sized(ui: &mut Ui, icon: Icon, name: &str, side: f32) -> Response {
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
        if response.has_focus() {
            focus_ring(ui, rect, p);
        }
        let color = if !ui.is_enabled() {
            p.edge
        } else if response.hovered() || response.has_focus() {
            p.text
        } else {
            p.muted
        };
        icons::paint(ui.painter(), rect.shrink(side * 0.24), icon, color);
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    tip(response, name)
}

/// A tooltip that screen readers do not hear, because it says what the widget is called anyway, or names its keys.
pub(super) fn tip(response: Response, words: &str) -> Response {
    response.on_hover_ui(|ui| {
        ui.label(words);
    })
}

/// Text of less weight.
pub(super) fn muted(ui: &mut Ui, words: &str) -> Response {
    let p = theme::palette(ui);
    text(ui, words, TextStyle::Body, p.muted)
}

/// Small text of less weight.
pub(super) fn small(ui: &mut Ui, words: &str) -> Response {
    let p = theme::palette(ui);
    text(ui, words, TextStyle::Small, p.muted)
}

/// A line of text cut to the room there is, in the order it is read; for painting.
pub(super) fn line(
    ui: &Ui,
    words: &str,
    style: TextStyle,
    color: Color32,
    room: f32,
) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(
        visual_order(words).into_owned(),
        style.resolve(ui.style()),
        color,
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(0.0));
    ui.painter().layout_job(job)
}

/// A short word on a colored ground.
pub(super) fn badge(
    ui: &mut Ui,
    icon: Option<Icon>,
    words: &str,
    color: Color32,
    ground: Color32,
) -> Response {
    egui::Frame::new()
        .fill(ground)
        .corner_radius(radius::S)
        .inner_margin(egui::Margin::symmetric(9, 4))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                if let Some(icon) = icon {
                    let (rect, _) = ui.allocate_exact_size(vec2(15.0, 15.0), Sense::hover());
                    icons::paint(ui.painter(), rect, icon, color);
                }
                ui.label(
                    RichText::new(words)
                        .text_style(theme::strong())
                        .color(color),
                )
            })
            .inner
        })
        .inner
}

/// An answer: its label, its probability and a bar as long as it is probable.
pub(super) fn answer_bar(
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
        let number = line(ui, percent, style.clone(), p.text, width);
        let room = width - number.size().x - space::M;
        let name = line(ui, label, style, p.text, room);
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
    meter(
        ui,
        &response,
        Role::Meter,
        &format!("{label}: {percent}"),
        probability,
    );
    response
}

/// A thin bar of progress.
pub(super) fn progress(ui: &mut Ui, part: f32, name: &str) -> Response {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 6.0), Sense::hover());
    let round = CornerRadius::same(3);
    ui.painter().rect(
        rect,
        round,
        p.raised,
        Stroke::new(1.0, p.edge),
        StrokeKind::Inside,
    );
    let filled = rect.with_max_x(rect.left() + rect.width() * part.clamp(0.0, 1.0));
    ui.painter().rect_filled(filled, round, p.accent);
    meter(ui, &response, Role::ProgressIndicator, name, part);
    response
}

/// A widget with a number of percent, which screen readers get as a number too.
fn meter(ui: &Ui, response: &Response, role: Role, name: &str, part: f32) {
    response.widget_info(|| WidgetInfo::labeled(role, true, name));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_numeric_value((100.0 * f64::from(part)).round());
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(100.0);
    });
}

/// One of the choices of [`segments`].
pub(super) struct Segment<T> {
    pub(super) choice: T,
    pub(super) words: &'static str,
    /// What screen readers call it: the whole of it where the words are cut short.
    pub(super) name: &'static str,
}

/// Choices beside each other, of which one holds. Gives the one chosen now.
pub(super) fn segments<T: Copy + PartialEq>(
    ui: &mut Ui,
    chosen: T,
    choices: &[Segment<T>],
) -> Option<T> {
    let p = theme::palette(ui);
    let mut clicked = None;
    egui::Frame::new()
        .fill(p.raised)
        .stroke(Stroke::new(1.0, p.edge))
        .corner_radius(radius::M)
        .inner_margin(2)
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                ui.spacing_mut().button_padding.x = 11.0;
                for Segment {
                    choice,
                    words,
                    name,
                } in choices
                {
                    let on = *choice == chosen;
                    let color = if on { p.on_accent } else { p.text };
                    let style = if on {
                        theme::strong()
                    } else {
                        TextStyle::Button
                    };
                    let response = ui
                        .scope(|ui| {
                            let widgets = &mut ui.visuals_mut().widgets;
                            for widget in [
                                &mut widgets.inactive,
                                &mut widgets.hovered,
                                &mut widgets.active,
                            ] {
                                widget.bg_stroke = Stroke::NONE;
                                if on {
                                    widget.weak_bg_fill = p.accent;
                                }
                            }
                            if !on {
                                widgets.inactive.weak_bg_fill = Color32::TRANSPARENT;
                            }
                            widgets.active.bg_stroke = Stroke::new(2.0, p.text);
                            ui.add(
                                Button::new(RichText::new(*words).text_style(style).color(color))
                                    .corner_radius(radius::S),
                            )
                        })
                        .inner;
                    response
                        .widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, *name));
                    if response.clicked() {
                        clicked = Some(*choice);
                    }
                }
            });
        });
    clicked
}

/// Puts `contents` at the right end of the line, in the order in which they are drawn, read and reached by Tab: from
/// left to right.
pub(super) fn at_the_end<R>(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui) -> R) -> R {
    // A row does not know its width before it is drawn, so it stands where its last width puts it.
    let id = ui.scope_id().with(name);
    let last: Option<f32> = ui.data(|data| data.get_temp(id));
    let room = ui.available_width();
    ui.add_space((room - last.unwrap_or(room)).max(0.0));
    let shown = ui.scope(|ui| ui.horizontal(contents).inner);
    let width = shown.response.rect.width();
    if last.is_none_or(|last| (last - width).abs() > 0.5) {
        ui.data_mut(|data| data.insert_temp(id, width));
        ui.ctx().request_discard("the width of a row was not known");
    }
    shown.inner
}

/// Centers a row of `contents`.
pub(super) fn centered_row(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with(name);
    ui.horizontal(|ui| {
        let last: Option<f32> = ui.data(|data| data.get_temp(id));
        let room = ui.available_width();
        ui.add_space(((room - last.unwrap_or(room)) / 2.0).max(0.0));
        let row = ui.scope(contents);
        let width = row.response.rect.width();
        if last.is_none_or(|last| (last - width).abs() > 0.5) {
            ui.data_mut(|data| data.insert_temp(id, width));
            ui.ctx().request_discard("the width of a row was not known");
        }
    });
}

/// A row with a title on its left and a button on its right.
pub(super) fn title_row(
    ui: &mut Ui,
    title: impl FnOnce(&mut Ui),
    end: impl FnOnce(&mut Ui) -> Response,
) -> Response {
    ui.horizontal(|ui| {
        title(ui);
        ui.with_layout(Layout::right_to_left(Align::Center), end)
            .inner
    })
    .inner
}

/// A ring around what has the keyboard.
pub(super) fn focus_ring(ui: &Ui, rect: Rect, p: &Palette) {
    ui.painter().rect_stroke(
        rect,
        radius::M,
        Stroke::new(2.5, p.accent),
        StrokeKind::Inside,
    );
}

/// A text that is only spoken: a live region without a place on the screen.
pub(super) fn spoken_only(ui: &Ui, name: &str, words: &str) {
    let corner = Rect::from_min_size(ui.max_rect().min, vec2(1.0, 1.0));
    let response = ui.interact(corner, Id::unique(("spoken", name)), Sense::hover());
    announce(ui, &response, words, Live::Polite);
}
