//! The dialogs over the window: models, settings, keyboard, ways in, a path to type.

use egui::{
    Align, Grid, Id, Key, Layout, Modal, RichText, ScrollArea, Slider, TextEdit, TextStyle, Ui,
    vec2,
};

use super::icons::{self, Icon};
use super::{App, ModelState, Panel, keyboard, widgets};
use crate::classify::ModelSource;
use crate::desk::Pick;
use crate::intake;
use crate::platform::{WindowSystem, Works, ways_in};
use crate::settings::Appearance;
use crate::theme::{self, space};

impl App {
    pub(super) fn panels(&mut self, ui: &mut Ui) {
        let Some(panel) = self.panel.clone() else {
            return;
        };
        let p = theme::palette(ui);
        let screen = ui.ctx().content_rect().size();
        let width = (screen.x - 96.0).clamp(280.0, 520.0);
        let modal = Modal::new(Id::unique("panel"))
            .backdrop_color(p.veil)
            .frame(egui::Frame::window(ui.style()).inner_margin(24))
            .show(ui.ctx(), |ui| {
                ui.set_width(width);
                let title = match &panel {
                    Panel::Models => "Models",
                    Panel::Settings => "Settings",
                    Panel::Shortcuts => "Keyboard",
                    Panel::WaysIn => "Ways in",
                    Panel::TypePath(Pick::Save(_), _) => "Export to",
                    Panel::TypePath(..) => "Type a path",
                };
                let mut close = false;
                widgets::ends(
                    ui,
                    |ui| {
                        ui.label(RichText::new(title).text_style(TextStyle::Heading));
                    },
                    |ui| close = widgets::icon_button(ui, Icon::Close, "Close").clicked(),
                );
                ui.add_space(space::S);
                ScrollArea::vertical()
                    .max_height((screen.y - 190.0).max(120.0))
                    .auto_shrink([false, true])
                    .show(ui, |ui| match &panel {
                        Panel::Models => self.models_panel(ui),
                        Panel::Settings => self.settings_panel(ui),
                        Panel::Shortcuts => self.shortcuts_panel(ui),
                        Panel::WaysIn => self.ways_panel(ui),
                        Panel::TypePath(what, why) => self.path_panel(ui, what, why.as_deref()),
                    });
                close
            });
        // A panel may have opened another one meanwhile.
        if (modal.inner || modal.should_close()) && self.panel.as_ref() == Some(&panel) {
            self.panel = None;
        }
    }

    fn models_panel(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        if let Some(model) = self.classifier() {
            let card = model.card().clone();
            ui.label(
                RichText::new("In use")
                    .text_style(theme::strong())
                    .color(p.muted),
            );
            egui::Frame::new().fill(p.accent_soft).corner_radius(theme::radius::M).inner_margin(14).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 3.0;
                ui.label(RichText::new(&card.name).text_style(theme::title()));
                let megabytes = card.model_bytes as f64 / 1e6;
                let [w, h] = card.input;
                widgets::muted(ui, format!("{} kinds of things, looks at {w} \u{00d7} {h} pixels, {megabytes:.0} MB, engine {}", card.classes, card.engine));
                if let Some(accuracy) = &card.accuracy {
                    widgets::muted(ui, accuracy);
                }
                if let Some(license) = &card.license {
                    widgets::muted(ui, format!("License: {license}"));
                }
                if let ModelSource::File(path) = &card.source {
                    widgets::small(ui, path.display().to_string());
                }
            });
        }
        if let ModelState::Missing(problem) = &self.model {
            ui.label(RichText::new(&problem.what).color(p.error));
            ui.label(&problem.remedy);
        }
        if let Some(loading) = &self.loading {
            ui.horizontal(|ui| {
                ui.add(egui::Spinner::new().size(16.0));
                widgets::muted(ui, format!("Loading {}\u{2026}", loading.short_name()));
            });
        }
        ui.add_space(space::M);
        if widgets::primary_button(ui, "Choose an ONNX file\u{2026}").clicked() {
            self.pick(Pick::Model);
        }
        widgets::small(
            ui,
            "Or drop one on the window. train and export-onnx of this toolkit make such files.",
        );
        let mut choices = vec![ModelSource::Embedded];
        choices.extend(
            self.settings
                .recent_models
                .iter()
                .cloned()
                .map(ModelSource::File),
        );
        if !choices.contains(&self.default_model) {
            choices.push(self.default_model.clone());
        }
        let in_use = self.classifier().map(|model| model.card().source.clone());
        choices.retain(|choice| Some(choice) != in_use.as_ref());
        if !choices.is_empty() {
            ui.add_space(space::M);
            ui.label(
                RichText::new("Others")
                    .text_style(theme::strong())
                    .color(p.muted),
            );
        }
        for choice in choices {
            let name = choice.short_name();
            let response = ui.button(&name).on_hover_text(choice.path().map_or_else(
                || "Inside the program".to_owned(),
                |path| path.display().to_string(),
            ));
            if response.accessible_name(format!("Use {name}")).clicked() {
                self.open_model(choice);
            }
        }
    }

    fn settings_panel(&mut self, ui: &mut Ui) {
        let heading = |ui: &mut Ui, text: &str| {
            ui.add_space(space::S);
            ui.label(RichText::new(text).text_style(theme::strong()));
        };
        heading(ui, "Appearance");
        let choices = [
            (Appearance::System, "As the system"),
            (Appearance::Light, "Light"),
            (Appearance::Dark, "Dark"),
        ];
        if let Some(appearance) = widgets::segments(ui, self.settings.appearance, &choices) {
            self.settings.appearance = appearance;
            self.apply_appearance();
        }
        heading(ui, "Answers");
        ui.horizontal(|ui| {
            ui.add(
                Slider::new(&mut self.settings.answers_shown, 1..=10)
                    .text("answers shown for a photo"),
            );
        });
        let mut threshold = 100.0 * self.settings.sure_from;
        let slider = Slider::new(&mut threshold, 0.0..=95.0)
            .step_by(5.0)
            .suffix(" %")
            .text("below this, say \u{201c}not sure\u{201d}");
        if ui.add(slider).changed() {
            self.settings.sure_from = threshold / 100.0;
        }
        heading(ui, "Memory");
        ui.checkbox(
            &mut self.settings.keep_history,
            "Remember the latest answers",
        );
        let entries = self.settings.history.len();
        if ui
            .add_enabled(
                entries > 0,
                egui::Button::new(match entries {
                    1 => "Forget 1 answer".to_owned(),
                    n => format!("Forget {n} answers"),
                }),
            )
            .clicked()
        {
            self.settings.history.clear();
        }
        if cfg!(target_os = "linux") {
            heading(ui, "Window");
            ui.checkbox(
                &mut self.settings.prefer_xwayland,
                "Use XWayland, so that dropping files works",
            );
            widgets::small(
                ui,
                "On Wayland the toolkit delivers no drops. XWayland does, but may look blurred on displays scaled by fractions. Takes effect at the next start.",
            );
        }
        ui.add_space(space::M);
        ui.horizontal(|ui| {
            if ui
                .button("Ways in\u{2026}")
                .on_hover_text("Which ways of bringing photos in work on this system")
                .clicked()
            {
                self.panel = Some(Panel::WaysIn);
            }
            if ui.button("Keyboard\u{2026}").clicked() {
                self.panel = Some(Panel::Shortcuts);
            }
        });
    }

    fn shortcuts_panel(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        Grid::new("shortcuts")
            .num_columns(2)
            .spacing(vec2(28.0, 9.0))
            .show(ui, |ui| {
                for (keys, words) in keyboard::SHORTCUTS {
                    let keys = if cfg!(target_os = "macos") {
                        keys.replace("Ctrl", "\u{2318}")
                    } else {
                        keys.to_owned()
                    };
                    ui.label(RichText::new(keys).text_style(theme::strong()));
                    ui.label(RichText::new(words).color(p.muted));
                    ui.end_row();
                }
            });
        ui.add_space(space::S);
        if ui.button("Ways in\u{2026}").clicked() {
            self.panel = Some(Panel::WaysIn);
        }
        ui.add_space(space::S);
        widgets::small(
            ui,
            "For scripts and servers there is infer-cli: the same model, the same answers, in a terminal.",
        );
    }

    fn ways_panel(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        for way in ways_in(
            self.window_system,
            self.settings.prefer_xwayland,
            self.own_target.as_ref(),
        ) {
            ui.horizontal_top(|ui| {
                let (icon, color, word) = match way.works {
                    Works::Yes => (Icon::Tick, p.accent, "works"),
                    Works::No => (Icon::Close, p.error, "does not work"),
                    Works::Perhaps => (Icon::Warning, p.doubt, "may not work"),
                };
                let (rect, response) =
                    ui.allocate_exact_size(vec2(18.0, 20.0), egui::Sense::hover());
                icons::paint(ui.painter(), rect, icon, color);
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(
                        egui::Role::Image,
                        true,
                        format!("{}: {word}", way.name),
                    )
                });
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    ui.label(RichText::new(way.name).text_style(theme::strong()));
                    widgets::muted(ui, &way.note);
                });
            });
            ui.add_space(space::XS);
        }
        ui.separator();
        widgets::small(
            ui,
            format!(
                "Windows through {}. Drawn by {}.",
                self.window_system.words(),
                self.renderer
            ),
        );
        let engine = self.classifier().map_or_else(
            || "no model".to_owned(),
            |model| format!("{} on {}", model.card().name, model.card().engine),
        );
        widgets::small(ui, format!("Photos named by {engine}."));
        if self.window_system == WindowSystem::Wayland
            && !self.settings.prefer_xwayland
            && ui.button("Use XWayland from the next start").clicked()
        {
            self.settings.prefer_xwayland = true;
        }
    }

    fn path_panel(&mut self, ui: &mut Ui, what: &Pick, why: Option<&str>) {
        if let Some(why) = why {
            ui.label(why);
            ui.add_space(space::S);
        }
        let (hint, done) = match what {
            Pick::Photos | Pick::Folder => ("/home/me/photo.jpg, or a folder", "Open"),
            Pick::Model => ("/home/me/model.onnx", "Open"),
            Pick::Save(_) => ("/home/me/answers.csv, or .json", "Export"),
        };
        let edit = TextEdit::singleline(&mut self.typed)
            .hint_text(hint)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(10, 8));
        let response = ui.add(edit).accessible_name("Path");
        if ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let paths = intake::paths_in_text(&self.typed);
        ui.add_space(space::S);
        let clicked = ui
            .add_enabled_ui(!paths.is_empty(), |ui| widgets::primary_button(ui, done))
            .inner
            .clicked();
        if (entered || clicked) && !paths.is_empty() {
            self.panel = None;
            self.picked(what, paths);
        }
    }
}
