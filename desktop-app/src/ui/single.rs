//! One photo: what it is, how sure that is, what the network saw, and why.

use egui::{
    Align, Color32, ColorImage, Image, Layout, Rect, RichText, ScrollArea, Sense, TextStyle,
    TextureOptions, Ui, Vec2, WidgetInfo, vec2,
};

use super::icons::{self, Icon};
use super::{App, HeatState, Look, Shown, widgets};
use crate::desk::Pick;
use crate::photo::{Answer, Photo, PhotoId, State, Sureness, percent};
use crate::pictures::{Found, color_image};
use crate::theme::{self, radius, space};

/// Below this width, photo and answer stand under each other.
const TWO_COLUMNS: f32 = 820.0;
const ANSWER_WIDTH: f32 = 370.0;

impl App {
    pub(super) fn single_view(&mut self, ui: &mut Ui, id: PhotoId) {
        let Some(photo) = self.session.photo(id).cloned() else {
            self.show_list();
            return;
        };
        if self.look == Look::Why {
            self.explain();
        }
        self.make_textures(ui);
        let margin = egui::Margin {
            left: 24,
            right: 24,
            top: 4,
            bottom: 20,
        };
        egui::Frame::new().inner_margin(margin).show(ui, |ui| {
            if ui.available_width() >= TWO_COLUMNS {
                let height = ui.available_height();
                let picture = ui.available_width() - ANSWER_WIDTH - space::L;
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = space::L;
                    ui.allocate_ui_with_layout(
                        vec2(picture, height),
                        Layout::top_down(Align::Min),
                        |ui| {
                            self.picture_card(ui, &photo, vec2(picture, height));
                        },
                    );
                    ui.allocate_ui_with_layout(
                        vec2(ANSWER_WIDTH, height),
                        Layout::top_down(Align::Min),
                        |ui| {
                            ScrollArea::vertical()
                                .auto_shrink([false, true])
                                .show(ui, |ui| self.answer_card(ui, &photo));
                        },
                    );
                });
            } else {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    let width = ui.available_width();
                    self.picture_card(ui, &photo, vec2(width, (width * 0.85).min(520.0)));
                    ui.add_space(space::M);
                    self.answer_card(ui, &photo);
                });
            }
        });
    }

    fn make_textures(&mut self, ui: &Ui) {
        let Some(shown) = &mut self.shown else {
            return;
        };
        if let Some(Ok(detail)) = &shown.detail {
            if shown.photo.is_none() {
                shown.photo = Some(ui.ctx().load_texture(
                    "shown",
                    color_image(&detail.shown),
                    TextureOptions::LINEAR,
                ));
            }
            if let (None, Some(crop)) = (&shown.crop, &detail.crop) {
                shown.crop = Some(ui.ctx().load_texture(
                    "crop",
                    color_image(crop),
                    TextureOptions::LINEAR,
                ));
            }
        }
        if let (HeatState::Ready(heat), None) = (&shown.heat, &shown.heat_texture) {
            let image =
                ColorImage::from_rgba_unmultiplied([heat.width, heat.height], &heat.overlay());
            shown.heat_texture = Some(ui.ctx().load_texture("heat", image, TextureOptions::LINEAR));
        }
    }

    fn picture_card(&mut self, ui: &mut Ui, photo: &Photo, size: Vec2) {
        let p = theme::palette(ui);
        theme::card(p).show(ui, |ui| {
            let inner = size - Vec2::splat(2.0 * space::L + 2.0);
            ui.set_width(inner.x);
            ui.horizontal(|ui| {
                let looks = [
                    (Look::Photo, "Photo"),
                    (Look::Crop, "What the network saw"),
                    (Look::Why, "Why"),
                ];
                if let Some(look) = widgets::segments(ui, self.look, &looks) {
                    self.look = look;
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let after = self.neighbor(1).is_some();
                    let before = self.neighbor(-1).is_some();
                    if !(after || before) {
                        return;
                    }
                    ui.spacing_mut().item_spacing.x = 0.0;
                    if ui
                        .add_enabled_ui(after, |ui| {
                            widgets::icon_button(ui, Icon::Right, "Next photo")
                        })
                        .inner
                        .clicked()
                    {
                        self.go(1);
                    }
                    if ui
                        .add_enabled_ui(before, |ui| {
                            widgets::icon_button(ui, Icon::Left, "Previous photo")
                        })
                        .inner
                        .clicked()
                    {
                        self.go(-1);
                    }
                });
            });
            ui.add_space(space::XS);
            let caption = 40.0;
            let room = vec2(inner.x, (inner.y - 52.0 - caption).max(160.0));
            let (rect, response) = ui.allocate_exact_size(room, Sense::hover());
            ui.painter().rect_filled(rect, radius::M, p.ground);
            let words = self.paint_picture(ui, photo, rect);
            response.widget_info(|| {
                WidgetInfo::labeled(
                    egui::Role::Image,
                    true,
                    format!("{}: {words}", photo.source.name()),
                )
            });
            ui.add_space(space::XS);
            widgets::small(ui, words);
        });
    }

    /// Paints what was chosen into `rect`; gives the caption.
    fn paint_picture(&mut self, ui: &mut Ui, photo: &Photo, rect: Rect) -> String {
        let p = theme::palette(ui);
        let name = photo.source.name();
        let Some(shown) = self.shown.as_ref().filter(|shown| shown.id == photo.id) else {
            return name;
        };
        match &shown.detail {
            None => {
                // Its thumbnail, if there is one, until the whole is read.
                if let Found::Texture(small) = self.pictures.get(ui.ctx(), photo.id) {
                    Image::new(&small)
                        .corner_radius(radius::M)
                        .paint_at(ui, fit(small.size_vec2(), rect, true));
                }
                return name;
            }
            Some(Err(_)) => {
                ui.painter().rect_filled(rect, radius::M, p.error_soft);
                icons::paint(
                    ui.painter(),
                    Rect::from_center_size(rect.center(), Vec2::splat(64.0)),
                    Icon::Broken,
                    p.error,
                );
                return format!("{name}: could not be read");
            }
            Some(Ok(_)) => {}
        }
        let Some(Ok(detail)) = &shown.detail else {
            return name;
        };
        match self.look {
            Look::Photo => {
                if let Some(texture) = &shown.photo {
                    Image::new(texture)
                        .corner_radius(radius::M)
                        .paint_at(ui, fit(texture.size_vec2(), rect, false));
                }
                format!("{name}, {} \u{00d7} {} pixels", detail.width, detail.height)
            }
            Look::Crop => {
                let Some(texture) = &shown.crop else {
                    return "The model is still being loaded.".to_owned();
                };
                Image::new(texture)
                    .corner_radius(radius::M)
                    .paint_at(ui, fit(texture.size_vec2(), rect, true));
                let [w, h] = texture.size();
                let part = detail.crop_rect.map_or(100.0, |[l, t, r, b]| {
                    let side = |from: f32, to: f32| (to.min(1.0) - from.max(0.0)).clamp(0.0, 1.0);
                    100.0 * side(l, r) * side(t, b)
                });
                format!(
                    "Exactly these {w} \u{00d7} {h} pixels were looked at: the middle {part:.0} % of the photo. What lies outside was not seen."
                )
            }
            Look::Why => self.paint_why(ui, photo, shown, rect),
        }
    }

    fn paint_why(&self, ui: &Ui, photo: &Photo, shown: &Shown, rect: Rect) -> String {
        let Some(texture) = &shown.crop else {
            return "The model is still being loaded.".to_owned();
        };
        let place = fit(texture.size_vec2(), rect, true);
        Image::new(texture)
            .corner_radius(radius::M)
            .paint_at(ui, place);
        match &shown.heat {
            HeatState::Ready(heat) => {
                if let Some(overlay) = &shown.heat_texture {
                    Image::new(overlay)
                        .corner_radius(radius::M)
                        .paint_at(ui, place);
                }
                let label = photo.answer().and_then(|answer| {
                    answer
                        .predictions
                        .iter()
                        .find(|found| found.index == heat.index)
                });
                let label = label.map_or("this", |found| found.label.as_str());
                match heat.largest_drop {
                    None => format!("Bright and warm: what speaks for \u{201c}{label}\u{201d}."),
                    Some(drop) if drop < 0.02 => format!(
                        "No single part decides: hiding any of them hardly changes \u{201c}{label}\u{201d}."
                    ),
                    Some(drop) => format!(
                        "Bright and warm: what speaks for \u{201c}{label}\u{201d}. Hiding the hottest part lowers its probability by {:.0} points.",
                        100.0 * drop
                    ),
                }
            }
            HeatState::Failed(why) => format!("This could not be found out: {why}."),
            HeatState::Working => {
                ui.painter()
                    .rect_filled(place, radius::M, Color32::from_black_alpha(120));
                egui::Spinner::new().color(Color32::WHITE).paint_at(
                    ui,
                    Rect::from_center_size(place.center(), Vec2::splat(36.0)),
                );
                "Finding out which parts matter\u{2026}".to_owned()
            }
            HeatState::NotAsked => {
                "As soon as there is an answer, this shows what it rests on.".to_owned()
            }
        }
    }

    fn answer_card(&mut self, ui: &mut Ui, photo: &Photo) {
        let p = theme::palette(ui);
        theme::card(p)
            .inner_margin(egui::Margin::same(22))
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                match &photo.state {
                    State::Done(answer) => self.answer(ui, answer),
                    State::Failed(problem) => {
                        ui.label(
                            RichText::new("This could not be looked at")
                                .text_style(TextStyle::Heading),
                        );
                        ui.label(RichText::new(&problem.what).color(p.error));
                        ui.label(&problem.remedy);
                        ui.add_space(space::M);
                        if ui.button("Try again").clicked() {
                            self.retry(photo.id);
                        }
                    }
                    State::Stopped => {
                        ui.label(RichText::new("Not looked at").text_style(TextStyle::Heading));
                        widgets::muted(ui, "You stopped before its turn.");
                        if widgets::primary_button(ui, "Look at it now").clicked() {
                            self.retry(photo.id);
                        }
                    }
                    State::Waiting | State::Working => {
                        ui.horizontal(|ui| {
                            ui.add(egui::Spinner::new().size(20.0).color(p.accent));
                            let words = if self.classifier().is_none() {
                                "The model is being loaded\u{2026}"
                            } else {
                                "Looking\u{2026}"
                            };
                            ui.label(RichText::new(words).text_style(theme::title()));
                        });
                    }
                }
                ui.add_space(space::L);
                ui.horizontal_wrapped(|ui| {
                    let answered = photo.answer().is_some();
                    let copy = if self.copied_lately() {
                        "Copied"
                    } else {
                        "Copy"
                    };
                    if ui
                        .add_enabled(answered, egui::Button::new(copy))
                        .on_hover_text("Copy the answer (Ctrl+C)")
                        .clicked()
                    {
                        self.copy_answer();
                    }
                    if ui
                        .add_enabled(answered, egui::Button::new("Export\u{2026}"))
                        .on_hover_text("As CSV or JSON: the file's ending chooses (Ctrl+E)")
                        .clicked()
                    {
                        self.pick(Pick::Save("answers.csv".to_owned()));
                    }
                    if ui
                        .button("Remove")
                        .on_hover_text("From this list; the file stays where it is (Delete)")
                        .clicked()
                    {
                        self.remove(&[photo.id]);
                    }
                });
            });
    }

    fn answer(&self, ui: &mut Ui, answer: &Answer) {
        let p = theme::palette(ui);
        let Some(best) = answer.best() else {
            ui.label("The model gave no answer.");
            return;
        };
        let sureness = Sureness::of(best.probability, self.settings.sure_from);
        let doubt = sureness == Sureness::Not;
        ui.horizontal_wrapped(|ui| {
            let (color, ground) = if doubt {
                (p.doubt, p.doubt_soft)
            } else {
                (p.accent, p.accent_soft)
            };
            widgets::badge(
                ui,
                &format!("{}  {}", sureness.words(), percent(best.probability)),
                color,
                ground,
            );
        });
        ui.add_space(space::XS);
        let words = if doubt {
            format!("Perhaps {}", best.label)
        } else {
            best.label.clone()
        };
        ui.label(RichText::new(words).text_style(theme::display()));
        if doubt {
            widgets::muted(ui, doubt_words(answer));
        }
        ui.add_space(space::M);
        for (rank, found) in answer
            .predictions
            .iter()
            .take(self.settings.answers_shown)
            .enumerate()
        {
            widgets::answer_bar(
                ui,
                &found.label,
                found.probability,
                &percent(found.probability),
                rank == 0,
            );
        }
        ui.add_space(space::S);
        let millis = answer.took.as_secs_f64() * 1000.0;
        let time = if millis >= 1000.0 {
            format!("{:.1} s", millis / 1000.0)
        } else {
            format!("{millis:.0} ms")
        };
        widgets::small(ui, format!("Looked at in {time} by {}", answer.model));
    }
}

/// Why we are not sure: several answers are alike, or none stands out.
fn doubt_words(answer: &Answer) -> String {
    match answer.predictions.as_slice() {
        [best, second, ..] if second.probability > 0.6 * best.probability && best.probability + second.probability > 0.5 => {
            format!("Hard to tell from {}: the two are almost equally probable.", second.label)
        }
        _ => "No answer stands out. Perhaps this is something the model does not know, or it is too small or too dark.".to_owned(),
    }
}

/// `picture` as large as it fits into `rect`, in its middle; enlarged only when `enlarge` says so.
fn fit(picture: Vec2, rect: Rect, enlarge: bool) -> Rect {
    let scale = (rect.width() / picture.x).min(rect.height() / picture.y);
    let scale = if enlarge { scale } else { scale.min(2.0) };
    Rect::from_center_size(rect.center(), picture * scale)
}
