//! The window without photos: what to do, what to try, what was seen before.

use egui::{Align, Layout, RichText, ScrollArea, Sense, Stroke, TextStyle, Ui, WidgetInfo, vec2};

use super::action::{Action, Actions};
use super::dialogs::Dialog;
use super::icons::{self, Icon};
use super::model_slot::ModelSlot;
use super::{drop_target, widgets};
use crate::desktop::FileRequest;
use crate::photo::percent;
use crate::platform::WindowSystem;
use crate::problem::thousands;
use crate::samples;
use crate::settings::HistoryEntry;
use crate::theme::{self, radius, space};

/// What the empty window shows.
pub(super) struct EmptyViewContent<'a> {
    pub(super) window_system: WindowSystem,
    pub(super) model: &'a ModelSlot,
    pub(super) history: &'a [HistoryEntry],
}

/// Remembered answers shown.
const RECENT: usize = 4;

/// The content is never wider.
const WIDEST: f32 = 672.0;

pub(super) fn show(ui: &mut Ui, content: &EmptyViewContent<'_>, actions: &mut Actions) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let width = (ui.available_width() - 2.0 * theme::side_margin(ui)).min(WIDEST);
        let id = ui.scope_id().with("height of the content");
        let last = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(560.0);
        let shown = ui.vertical_centered(|ui| {
            ui.add_space(((ui.available_height() - last) * 0.4).max(0.0));
            let top = ui.cursor().top();
            ui.allocate_ui_with_layout(vec2(width, 0.0), Layout::top_down(Align::Min), |ui| {
                ui.set_width(width);
                invitation(ui, width, content.window_system, actions);
                ui.add_space(space::XL);
                samples_row(ui, actions);
                recent(ui, content.history, actions);
                ui.add_space(space::L);
                promise(ui, content.model);
                ui.add_space(space::XL);
            });
            ui.cursor().top() - top
        });
        ui.data_mut(|data| data.insert_temp(id, shown.inner));
    });
}

fn invitation(ui: &mut Ui, width: f32, system: WindowSystem, actions: &mut Actions) {
    let p = theme::palette(ui);
    let drops = system != WindowSystem::Wayland;
    let narrow = width < 440.0;
    let frame = egui::Frame::new()
        .fill(p.card)
        .corner_radius(radius::L)
        .inner_margin(egui::Margin::symmetric(24, if narrow { 20 } else { 40 }));
    let response = frame.show(ui, |ui| {
        ui.set_width(width - 48.0);
        ui.vertical_centered(|ui| {
            let side = if narrow { 44.0 } else { 64.0 };
            let (rect, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
            icons::paint(ui.painter(), rect, Icon::Picture, p.accent);
            ui.add_space(space::S);
            let words = if drops {
                "Drop a photo, know what it is"
            } else {
                "Open a photo, know what it is"
            };
            let style = if narrow {
                TextStyle::Heading
            } else {
                theme::display()
            };
            widgets::heading(ui, words, style);
            ui.add_space(space::XS);
            widgets::muted(
                ui,
                "One photo, many, or a whole folder, anywhere on this window.",
            );
            ui.add_space(if narrow { space::M } else { space::XL });
            if narrow {
                buttons(ui, actions);
            } else {
                widgets::centered_row(ui, "ways in", |ui| buttons(ui, actions));
            }
            if !drops {
                ui.add_space(space::M);
                if ui.link("Why dropping files does not work here").clicked() {
                    actions.push(Action::OpenDialog(Dialog::InputMethods));
                }
            }
        });
    });
    drop_target::dashed(
        ui.painter(),
        response.response.rect,
        Stroke::new(1.5, p.edge),
    );
}

fn buttons(ui: &mut Ui, actions: &mut Actions) {
    let open = widgets::primary_button(ui, "Open photos\u{2026}");
    if widgets::tip(open, "Ctrl+O").clicked() {
        actions.push(Action::ChooseFiles(FileRequest::Photos));
    }
    let folder = ui.button("Open a folder\u{2026}");
    if widgets::tip(folder, "Ctrl+Shift+O").clicked() {
        actions.push(Action::ChooseFiles(FileRequest::Folder));
    }
    let paste = ui.button("Paste");
    if widgets::tip(paste, "A copied picture, file or path (Ctrl+V)").clicked() {
        actions.push(Action::Paste);
    }
}

fn samples_row(ui: &mut Ui, actions: &mut Actions) {
    if samples::ALL.is_empty() {
        return;
    }
    let p = theme::palette(ui);
    widgets::heading(ui, "No photo at hand? Try one of these", theme::strong());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        let gaps = space::M * (samples::ALL.len() - 1) as f32;
        let width = ((ui.available_width() - gaps) / samples::ALL.len() as f32).clamp(84.0, 112.0);
        for sample in samples::ALL {
            let texture = samples::texture(ui.ctx(), sample);
            let (rect, response) =
                ui.allocate_exact_size(vec2(width, width * 0.75), Sense::click());
            if let Some(texture) = texture {
                let uv = super::grid::cover(texture.size_vec2(), rect.size());
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
            if widgets::tip(response, sample.name).clicked() {
                actions.push(Action::OpenSample(sample));
            }
        }
    });
}

fn recent(ui: &mut Ui, history: &[HistoryEntry], actions: &mut Actions) {
    if history.is_empty() {
        return;
    }
    let p = theme::palette(ui);
    ui.add_space(space::L);
    widgets::heading(ui, "Seen before", theme::strong());
    for seen in history.iter().take(RECENT) {
        let name = seen
            .path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let words = format!("{}, {}", seen.label, percent(seen.probability));
        let response = ui
            .scope(|ui| {
                let widgets = &mut ui.visuals_mut().widgets;
                widgets.inactive.weak_bg_fill = egui::Color32::TRANSPARENT;
                widgets.inactive.bg_stroke = Stroke::NONE;
                ui.spacing_mut().button_padding = vec2(8.0, 4.0);
                ui.add(
                    egui::Button::new((
                        RichText::new(&words),
                        RichText::new(super::text_order::visual_order(&name))
                            .text_style(TextStyle::Small)
                            .color(p.muted),
                    ))
                    .truncate(),
                )
            })
            .inner;
        let response = response
            .accessible_name(format!("{words} {name}"))
            .on_hover_text(seen.path.display().to_string());
        if response.clicked() {
            actions.push(Action::OpenPaths(vec![seen.path.clone()]));
        }
    }
}

fn promise(ui: &mut Ui, model: &ModelSlot) {
    ui.spacing_mut().item_spacing.y = 3.0;
    widgets::small(
        ui,
        "Everything happens on this computer; no photo leaves it.",
    );
    if let Some(model) = model.classifier() {
        let knows = match model.card().classes {
            1000 => {
                "It knows 1,000 kinds of things: animals, food, vehicles, tools, places.".to_owned()
            }
            n => format!("It knows {} kinds of things.", thousands(n)),
        };
        widgets::small(ui, &knows);
    }
}
