//! The bar on top, the notices under it, and what is seen while files hover over the window.

use egui::{
    Align, Align2, Button, CornerRadius, Id, LayerId, Layout, Margin, Order, Panel as EdgePanel,
    RichText, Sense, Stroke, TextStyle, Ui, vec2,
};

use super::icons::{self, Icon};
use super::{APP_NAME, App, ModelState, NoticeKind, Panel, View, widgets};
use crate::desk::Pick;
use crate::theme::{self, radius, space};

impl App {
    pub(super) fn top_bar(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let frame = egui::Frame::new()
            .fill(p.ground)
            .inner_margin(Margin::symmetric(space::XL as i8, 12));
        EdgePanel::top("top")
            .exact_size(theme::TOP_BAR)
            .show_separator_line(false)
            .frame(frame)
            .show(ui, |ui| {
                ui.horizontal_centered(|ui| {
                    let several = self.session.photos().len() > 1;
                    if matches!(self.view, View::Photo(_)) {
                        let text = if several {
                            format!("\u{2190}  All {} photos", self.session.photos().len())
                        } else {
                            "\u{2190}  Back".to_owned()
                        };
                        let response = ui.button(text).on_hover_text("Esc");
                        if response.accessible_name("Back to all photos").clicked() {
                            self.show_list();
                        }
                    } else {
                        ui.label(RichText::new(APP_NAME).text_style(theme::title()));
                    }
                    if !self.session.photos().is_empty() {
                        ui.add_space(space::S);
                        if ui
                            .button("Open\u{2026}")
                            .on_hover_text("Open photos (Ctrl+O)")
                            .clicked()
                        {
                            self.pick(Pick::Photos);
                        }
                    }
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        ui.spacing_mut().item_spacing.x = space::XS;
                        if widgets::icon_button(ui, Icon::Settings, "Settings").clicked() {
                            self.panel = Some(Panel::Settings);
                        }
                        if widgets::icon_button(ui, Icon::Help, "Keyboard and help").clicked() {
                            self.panel = Some(Panel::Shortcuts);
                        }
                        ui.add_space(space::S);
                        self.model_chip(ui);
                    });
                });
            });
    }

    fn model_chip(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let (text, color) = match (&self.model, &self.loading) {
            (_, Some(source)) => (format!("Loading {}\u{2026}", source.short_name()), p.muted),
            (ModelState::Ready(model), None) => (model.card().name.clone(), p.text),
            (ModelState::Loading, None) => ("Loading the model\u{2026}".to_owned(), p.muted),
            (ModelState::Missing(_), None) => ("No model".to_owned(), p.error),
        };
        let mark = egui::Atom::paint(vec2(16.0, 16.0), move |ui, args| {
            icons::paint(ui.painter(), args.rect, Icon::Model, color)
        });
        let shown = if text.chars().count() > 34 {
            text.chars().take(33).chain(['\u{2026}']).collect()
        } else {
            text.clone()
        };
        let response = ui.add(Button::new((mark, RichText::new(shown).color(color))));
        let response = response
            .on_hover_text("The model that names the photos. Click to choose another (Ctrl+M).");
        if response.accessible_name(format!("Model: {text}")).clicked() {
            self.panel = Some(Panel::Models);
        }
    }

    pub(super) fn notices_bar(&mut self, ui: &mut Ui) {
        if self.notices.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        let frame = egui::Frame::new().fill(p.ground).inner_margin(Margin {
            left: 24,
            right: 24,
            top: 0,
            bottom: 8,
        });
        let mut dismissed = None;
        EdgePanel::top("notices")
            .show_separator_line(false)
            .frame(frame)
            .show(ui, |ui| {
                for (place, notice) in self.notices.iter().enumerate() {
                    let (color, ground, icon) = match notice.kind {
                        NoticeKind::Note => (p.accent, p.accent_soft, Icon::Tick),
                        NoticeKind::Error => (p.error, p.error_soft, Icon::Warning),
                    };
                    egui::Frame::new()
                        .fill(ground)
                        .corner_radius(radius::M)
                        .inner_margin(Margin::symmetric(14, 9))
                        .show(ui, |ui| {
                            ui.horizontal_top(|ui| {
                                let (rect, _) =
                                    ui.allocate_exact_size(vec2(18.0, 20.0), Sense::hover());
                                icons::paint(ui.painter(), rect.shrink(1.0), icon, color);
                                ui.add_space(space::XS);
                                let room = ui.available_width() - 40.0;
                                ui.vertical(|ui| {
                                    ui.set_width(room);
                                    ui.spacing_mut().item_spacing.y = 2.0;
                                    ui.label(RichText::new(&notice.what).color(p.text));
                                    if !notice.remedy.is_empty() {
                                        ui.label(
                                            RichText::new(&notice.remedy)
                                                .text_style(TextStyle::Small)
                                                .color(p.muted),
                                        );
                                    }
                                });
                                ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                                    if widgets::icon_button_sized(ui, Icon::Close, "Dismiss", 22.0)
                                        .clicked()
                                    {
                                        dismissed = Some(place);
                                    }
                                });
                            });
                        });
                }
            });
        if let Some(place) = dismissed {
            self.notices.remove(place);
        }
    }

    pub(super) fn drop_overlay(&mut self, ui: &mut Ui) {
        let Some(files) = self.hovering else {
            return;
        };
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
            egui::Rect::from_center_size(center - vec2(0.0, 62.0), vec2(72.0, 72.0)),
            Icon::Picture,
            p.accent,
        );
        let words = match files {
            None => "Drop to look at them".to_owned(),
            Some(0) => "Nothing in this can be used".to_owned(),
            Some(1) => "Drop to look at it".to_owned(),
            Some(n) => format!("Drop to look at {n} files"),
        };
        painter.text(
            center + vec2(0.0, 14.0),
            Align2::CENTER_CENTER,
            &words,
            theme::display().resolve(ui.style()),
            p.text,
        );
        let hint = "Photos, folders, or an ONNX model";
        painter.text(
            center + vec2(0.0, 52.0),
            Align2::CENTER_CENTER,
            hint,
            TextStyle::Body.resolve(ui.style()),
            p.muted,
        );
        // A painted overlay says nothing to a screen reader; this does.
        let response = ui.interact(screen, Id::unique("drop target words"), Sense::hover());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Status, true, &words));
    }
}

/// A dashed rectangle with the corners of a card.
pub(super) fn dashed(painter: &egui::Painter, rect: egui::Rect, stroke: Stroke) {
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
