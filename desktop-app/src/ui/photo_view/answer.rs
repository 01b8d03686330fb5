//! The card with the answer: how sure it is, the likeliest classes, and what to do with it.

use egui::{Button, RichText, TextStyle, Ui};

use super::PhotoViewContent;
use crate::classify::Answers;
use crate::desktop::FileRequest;
use crate::photo::{Confidence, Photo, PhotoAnswer, PhotoState, percent};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::icons::Icon;
use crate::ui::widgets;

pub(super) fn show(
    ui: &mut Ui,
    photo: &Photo,
    content: &PhotoViewContent<'_>,
    actions: &mut Actions,
) {
    let p = theme::palette(ui);
    let margin = if ui.available_width() < 340.0 { 14 } else { 22 };
    theme::card(p)
        .inner_margin(egui::Margin::same(margin))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            if let Some(said) = &photo.said {
                let words = format!("You said: {said}");
                widgets::badge(ui, Some(Icon::Tick), &words, p.accent, p.accent_soft);
                ui.add_space(space::S);
            }
            match &photo.state {
                PhotoState::Done(answer) => answered(ui, answer, content),
                PhotoState::Failed(problem) => {
                    widgets::heading(ui, "This could not be looked at", TextStyle::Heading);
                    widgets::text(ui, &problem.what, TextStyle::Body, p.error);
                    widgets::text(ui, &problem.remedy, TextStyle::Body, p.text);
                    ui.add_space(space::M);
                    if ui.button("Try again").clicked() {
                        actions.push(Action::Retry(vec![photo.id]));
                    }
                }
                PhotoState::Stopped => {
                    widgets::heading(ui, "Not looked at", TextStyle::Heading);
                    widgets::muted(ui, "You stopped before its turn.");
                    if widgets::primary_button(ui, "Look at it now").clicked() {
                        actions.push(Action::Retry(vec![photo.id]));
                    }
                }
                PhotoState::Waiting | PhotoState::Working => {
                    ui.horizontal(|ui| {
                        ui.add(egui::Spinner::new().size(20.0).color(p.accent));
                        let words = if content.model.classifier().is_none() {
                            "The model is being loaded\u{2026}"
                        } else {
                            "Looking\u{2026}"
                        };
                        ui.label(RichText::new(words).text_style(theme::title()));
                    });
                }
            }
            ui.add_space(space::L);
            ui.horizontal_wrapped(|ui| buttons(ui, photo, content.copied, actions));
        });
}

fn buttons(ui: &mut Ui, photo: &Photo, copied: bool, actions: &mut Actions) {
    let answered = photo.answer().is_some();
    let copy = if copied { "Copied" } else { "Copy" };
    let response = ui.add_enabled(answered, Button::new(copy));
    if widgets::tip(response, "Copy the answer (Ctrl+C)").clicked() {
        actions.push(Action::Copy(vec![photo.id]));
    }
    if ui
        .add_enabled(answered, Button::new("Export\u{2026}"))
        .on_hover_text("As CSV or JSON: the file\u{2019}s ending chooses (Ctrl+E)")
        .clicked()
    {
        actions.push(Action::ChooseFiles(FileRequest::Export(
            "answers.csv".to_owned(),
        )));
    }
    let tip = "Say what it shows, and let the window learn it (F2)";
    if widgets::tip(ui.button("This is a\u{2026}"), tip).clicked() {
        actions.push(Action::AskWhat(vec![photo.id]));
    }
    if photo.source.path().is_some() && ui.button("Show in folder").clicked() {
        actions.push(Action::ShowInFolder(photo.id));
    }
    if ui
        .button("Remove")
        .on_hover_text("From this list; the file stays where it is (Delete)")
        .clicked()
    {
        actions.push(Action::Remove(vec![photo.id]));
    }
}

fn answered(ui: &mut Ui, answer: &PhotoAnswer, content: &PhotoViewContent<'_>) {
    let p = theme::palette(ui);
    if answer.best().is_none() {
        ui.label("The model gave no answer.");
        return;
    }
    let confidence = answer.confidence(content.settings.sure_from);
    if let (Some(confidence), Some(certainty)) = (confidence, answer.certainty()) {
        let (icon, color, ground) = match confidence {
            Confidence::Sure => (Icon::Sure, p.accent, p.accent_soft),
            Confidence::Fairly => (Icon::FairlySure, p.accent, p.accent_soft),
            Confidence::Not => (Icon::NotSure, p.doubt, p.doubt_soft),
        };
        let words = format!("{}  {}", confidence.words(), percent(certainty));
        widgets::badge(ui, Some(icon), &words, color, ground);
    } else {
        let words = "Each has a probability of its own";
        widgets::badge(ui, None, words, p.accent, p.accent_soft);
    }
    ui.add_space(space::XS);
    let doubt = confidence == Some(Confidence::Not);
    let words = if doubt {
        format!("Perhaps {}", answer.headline())
    } else {
        answer.headline()
    };
    widgets::text(ui, &words, theme::display(), p.text);
    if doubt && answer.kind == Answers::SingleLabel {
        widgets::muted(ui, &doubt_words(answer));
    }
    if answer.damage.is_some() {
        ui.add_space(space::XS);
        widgets::badge(
            ui,
            Some(Icon::Warning),
            "Damaged file",
            p.doubt,
            p.doubt_soft,
        );
        widgets::muted(
            ui,
            "Parts of the picture may be wrong, and the answer with them. Copy or download the photo again.",
        );
    }
    if answer.is_preview {
        ui.add_space(space::XS);
        widgets::muted(ui, "From the preview inside the camera's raw file.");
    }
    ui.add_space(space::M);
    let shown = answer
        .predictions
        .iter()
        .take(content.settings.answers_shown);
    for found in shown {
        widgets::answer_bar(
            ui,
            &found.label,
            found.probability,
            &percent(found.probability),
            answer.is_present(found),
        );
    }
    if answer.kind != Answers::SingleLabel {
        let least = percent(answer.threshold);
        widgets::small(ui, &format!("From {least} on, a thing counts as there."));
    }
    ui.add_space(space::S);
    let millis = answer.took.as_secs_f64() * 1000.0;
    let time = if millis >= 1000.0 {
        format!("{:.1} s", millis / 1000.0)
    } else {
        format!("{millis:.0} ms")
    };
    let by = content.model.title_of(&answer.model);
    widgets::small(ui, &format!("Looked at in {time} by {by}"));
}

/// Why we are not sure: several answers are alike, or none stands out.
fn doubt_words(answer: &PhotoAnswer) -> String {
    match answer.predictions.as_slice() {
        [best, second, ..]
            if second.probability > 0.6 * best.probability
                && best.probability + second.probability > 0.5 =>
        {
            format!(
                "Hard to tell from {}: the two are almost equally probable.",
                second.label
            )
        }
        _ => "No answer stands out. Perhaps this is something the model does not know, or it is too small or too dark."
            .to_owned(),
    }
}
