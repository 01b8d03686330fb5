//! The window without photos: what to do, what to try, what was seen before.

use egui::{Align, Layout, RichText, ScrollArea, Sense, Stroke, TextStyle, Ui, WidgetInfo, vec2};

use super::icons::{self, Icon};
use super::{App, ModelState, Panel, top, widgets};
use crate::desk::Pick;
use crate::photo::percent;
use crate::platform::WindowSystem;
use crate::samples;
use crate::theme::{self, radius, space};

/// Remembered answers shown.
const RECENT: usize = 4;

impl App {
    pub(super) fn empty_view(&mut self, ui: &mut Ui) {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let width = ui.available_width().min(720.0) - 2.0 * space::XL;
            let id = ui.scope_id().with("height of the content");
            let last = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(560.0);
            let content = ui.vertical_centered(|ui| {
                ui.add_space(((ui.available_height() - last) * 0.4).max(0.0));
                let top = ui.cursor().top();
                self.invitation(ui, width);
                ui.add_space(space::XL);
                ui.allocate_ui_with_layout(vec2(width, 0.0), Layout::top_down(Align::Min), |ui| {
                    ui.set_width(width);
                    self.samples_row(ui);
                    self.recent(ui);
                    ui.add_space(space::L);
                    self.promise(ui);
                    ui.add_space(space::XL);
                });
                ui.cursor().top() - top
            });
            ui.data_mut(|data| data.insert_temp(id, content.inner));
        });
    }

    fn invitation(&mut self, ui: &mut Ui, width: f32) {
        let p = theme::palette(ui);
        let drops = self.window_system != WindowSystem::Wayland;
        let frame = egui::Frame::new()
            .fill(p.card)
            .corner_radius(radius::L)
            .inner_margin(egui::Margin::symmetric(24, 40));
        let response = frame.show(ui, |ui| {
            ui.set_width(width - 48.0);
            ui.vertical_centered(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(64.0, 64.0), Sense::hover());
                icons::paint(ui.painter(), rect, Icon::Picture, p.accent);
                ui.add_space(space::S);
                let words = if drops {
                    "Drop a photo, know what it is"
                } else {
                    "Open a photo, know what it is"
                };
                ui.label(RichText::new(words).text_style(theme::display()));
                ui.add_space(space::XS);
                widgets::muted(
                    ui,
                    "One photo, many, or a whole folder, anywhere on this window.",
                );
                ui.add_space(space::XL);
                let buttons = ui.horizontal(|ui| {
                    // Centered by hand: a row does not know its width before it is drawn.
                    let id = ui.scope_id().with("width of the buttons");
                    let last = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(360.0);
                    ui.add_space(((ui.available_width() - last) / 2.0).max(0.0));
                    let row = ui.scope(|ui| {
                        if widgets::primary_button(ui, "Open photos\u{2026}")
                            .on_hover_text("Ctrl+O")
                            .clicked()
                        {
                            self.pick(Pick::Photos);
                        }
                        if ui
                            .button("Open a folder\u{2026}")
                            .on_hover_text("Ctrl+Shift+O")
                            .clicked()
                        {
                            self.pick(Pick::Folder);
                        }
                        if ui
                            .button("Paste")
                            .on_hover_text("A copied picture, file or path (Ctrl+V)")
                            .clicked()
                        {
                            self.paste();
                        }
                    });
                    ui.data_mut(|data| data.insert_temp(id, row.response.rect.width()));
                });
                drop(buttons);
                if !drops {
                    ui.add_space(space::M);
                    if ui.link("Why dropping files does not work here").clicked() {
                        self.panel = Some(Panel::WaysIn);
                    }
                }
            });
        });
        top::dashed(
            ui.painter(),
            response.response.rect,
            Stroke::new(1.5, p.line.lerp_to_gamma(p.muted, 0.5)),
        );
    }

    fn samples_row(&mut self, ui: &mut Ui) {
        if samples::ALL.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        ui.label(RichText::new("No photo at hand? Try one of these").text_style(theme::strong()));
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::M;
            for sample in samples::ALL {
                let texture = samples::texture(ui.ctx(), sample);
                let (rect, response) = ui.allocate_exact_size(vec2(112.0, 84.0), Sense::click());
                if let Some(texture) = texture {
                    let uv = super::tile::cover(texture.size_vec2(), rect.size());
                    egui::Image::new(&texture)
                        .uv(uv)
                        .corner_radius(radius::M)
                        .paint_at(ui, rect);
                } else {
                    ui.painter().rect_filled(rect, radius::M, p.raised);
                }
                if response.hovered() || response.has_focus() {
                    widgets::focus_ring(ui, rect, p);
                }
                response.widget_info(|| {
                    WidgetInfo::labeled(
                        egui::Role::Button,
                        true,
                        format!("Try the sample: {}", sample.name),
                    )
                });
                if response.on_hover_text(sample.name).clicked() {
                    self.add_memory(sample.name, sample.bytes.into());
                }
            }
        });
    }

    fn recent(&mut self, ui: &mut Ui) {
        if self.settings.history.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        ui.add_space(space::L);
        ui.label(RichText::new("Seen before").text_style(theme::strong()));
        let mut open = None;
        for seen in self.settings.history.iter().take(RECENT) {
            let name = seen
                .path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let text = format!("{}, {}", seen.label, percent(seen.probability));
            let response = ui.scope(|ui| {
                ui.visuals_mut().widgets.inactive.weak_bg_fill = egui::Color32::TRANSPARENT;
                ui.spacing_mut().button_padding = vec2(8.0, 4.0);
                ui.add(
                    egui::Button::new((
                        RichText::new(&text),
                        RichText::new(&name)
                            .text_style(TextStyle::Small)
                            .color(p.muted),
                    ))
                    .truncate(),
                )
            });
            if response
                .inner
                .on_hover_text(seen.path.display().to_string())
                .clicked()
            {
                open = Some(seen.path.clone());
            }
        }
        if let Some(path) = open {
            self.bring(vec![path]);
        }
    }

    fn promise(&self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing.y = 3.0;
        widgets::small(
            ui,
            "Everything happens on this computer; no photo leaves it.",
        );
        if let ModelState::Ready(model) = &self.model {
            let knows = match model.card().classes {
                1000 => {
                    "The model knows 1,000 kinds of things: animals, food, vehicles, tools, places."
                        .to_owned()
                }
                n => format!("The model knows {n} kinds of things."),
            };
            widgets::small(ui, knows);
        }
    }
}
