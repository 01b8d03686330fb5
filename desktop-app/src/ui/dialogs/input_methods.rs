//! Which ways of bringing photos in work on this system.

use egui::{Align, Layout, RichText, Ui, vec2};

use super::DialogContent;
use crate::platform::{Support, WindowSystem, input_methods};
use crate::settings::Settings;
use crate::theme::{self, space};
use crate::ui::icons::{self, Icon};
use crate::ui::widgets;

pub(super) fn show(ui: &mut Ui, content: &DialogContent<'_>, settings: &mut Settings) {
    let p = theme::palette(ui);
    let environment = content.environment;
    for method in input_methods(
        environment.window_system,
        settings.prefer_xwayland,
        environment.own_drop_target.as_ref(),
    ) {
        ui.horizontal_top(|ui| {
            let (icon, color, word) = match method.support {
                Support::Yes => (Icon::Tick, p.accent, "works"),
                Support::No => (Icon::Close, p.error, "does not work"),
                Support::Perhaps => (Icon::Warning, p.doubt, "may not work"),
            };
            let (rect, response) = ui.allocate_exact_size(vec2(18.0, 20.0), egui::Sense::hover());
            icons::paint(ui.painter(), rect, icon, color);
            response.widget_info(|| {
                egui::WidgetInfo::labeled(
                    egui::Role::Image,
                    true,
                    format!("{}: {word}", method.name),
                )
            });
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                ui.label(RichText::new(method.name).text_style(theme::strong()));
                widgets::muted(ui, &method.note);
            });
        });
        ui.add_space(space::XS);
    }
    ui.separator();
    widgets::small(
        ui,
        &format!(
            "Windows through {}. Drawn by {}.",
            environment.window_system.words(),
            environment.renderer
        ),
    );
    if let Some(model) = content.model.classifier() {
        let card = model.card();
        widgets::small(
            ui,
            &format!("Photos named by {} on {}.", card.name, card.engine),
        );
    }
    if environment.window_system == WindowSystem::Wayland
        && !settings.prefer_xwayland
        && ui.button("Use XWayland from the next start").clicked()
    {
        settings.prefer_xwayland = true;
    }
}
