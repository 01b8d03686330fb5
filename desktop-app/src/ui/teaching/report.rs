//! How well the classes are told apart: the accuracy as it stands, what is doubtful, what would help, and what can be
//! done with it. The same findings that `infer-cli teach` prints, in the window's words.

use std::path::{Path, PathBuf};

use egui::{Button, TextStyle, Ui};
use photos::teach::{Confusion, Findings, Suspect};

use super::card::{failures, whole_percent};
use super::thumb::{self, Mark};
use super::{DropPlace, Pictures, Teaching, Tried};
use crate::classify::ModelChoice;
use crate::desktop::FileRequest;
use crate::photo::{PhotoSource, percent};
use crate::problem::thousands;
use crate::teach::{LearnOutcome, LearnState};
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets::{self, Live};

/// Entries of each list; the rest is counted.
const LISTED: usize = 6;

pub(super) fn show(
    ui: &mut Ui,
    state: &mut Teaching,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let p = theme::palette(ui);
    theme::card(p).show(ui, |ui| {
        ui.set_width(ui.available_width());
        progress(ui, state, actions);
        if let Some(outcome) = state.outcome.clone() {
            accuracy(ui, state, &outcome);
            use_it(ui, state, actions);
            doubts(ui, state, &outcome, pictures, actions);
        }
        unusable(ui, state, actions);
    });
    if state.learned().is_some() {
        ui.add_space(space::S);
        let tried = theme::card(p).show(ui, |ui| {
            ui.set_width(ui.available_width());
            try_it(ui, state.tried.as_ref(), actions);
        });
        state.places.push((DropPlace::Try, tried.response.rect));
    }
}

/// What is being done, or what is missing.
fn progress(ui: &mut Ui, state: &Teaching, actions: &mut Actions) {
    let p = theme::palette(ui);
    match &state.state {
        LearnState::TooLittle => {
            widgets::heading(ui, "How well it does", theme::title());
            widgets::muted(
                ui,
                "Two classes with two photos each are needed to begin. You see here how well they are told apart.",
            );
        }
        LearnState::Looking(done, all) => {
            let words = format!(
                "Looking at photos: {} of {}",
                thousands(*done),
                thousands(*all)
            );
            widgets::muted(ui, &words);
            widgets::progress(ui, *done as f32 / (*all).max(1) as f32, &words);
            if ui.button("Stop").clicked() {
                actions.push(Action::StopLearning);
            }
        }
        LearnState::Learning => {
            ui.horizontal(|ui| {
                ui.add(egui::Spinner::new().size(16.0).color(p.accent));
                widgets::muted(ui, "Learning\u{2026}");
            });
        }
        LearnState::Stopped => {
            widgets::muted(ui, "You stopped the learning.");
            if widgets::primary_button(ui, "Go on learning").clicked() {
                actions.push(Action::Learn);
            }
        }
        LearnState::Failed(problem, _) => {
            let response = widgets::text(ui, &problem.what, TextStyle::Body, p.error);
            let spoken = format!("{} {}", problem.what, problem.remedy);
            widgets::announce(ui, &response, &spoken, Live::Assertive);
            widgets::muted(ui, &problem.remedy);
        }
        LearnState::Learned(_) => {}
    }
    if state.gathering.is_some() {
        widgets::muted(ui, "Looking through folders\u{2026}");
    }
}

fn accuracy(ui: &mut Ui, state: &Teaching, outcome: &LearnOutcome) {
    let p = theme::palette(ui);
    let findings = outcome.findings();
    let current = state.learned().is_some();
    let right = whole_percent(findings.accuracy_percent);
    let color = if current { p.text } else { p.muted };
    let [low, high] = findings.accuracy_interval_percent;
    let between = format!("Most likely between {low:.0} and {high:.0} %");
    let words = format!("Right for {right} of new photos");
    let response = widgets::text(ui, &right, theme::display(), color);
    let spoken = format!("{words}. {between}.");
    widgets::announce(ui, &response, &spoken, Live::Polite);
    widgets::text(ui, &words, theme::strong(), color);
    widgets::small(
        ui,
        &format!("{between}. Each photo was asked about while it was left out of the learning."),
    );
    if !current {
        widgets::small(ui, "This was before the latest change.");
    }
    if findings.false_refusals_percent > 0.0 {
        widgets::small(
            ui,
            &format!(
                "{} of your photos are answered \u{201c}none of these\u{201d}; without that answer {} would be right.",
                whole_percent(findings.false_refusals_percent),
                whole_percent(findings.class_accuracy_percent)
            ),
        );
    }
    if let Some(others) = &findings.others {
        let refused = whole_percent(others.refused_percent);
        let photos = thousands(others.photos);
        let words = format!("Of your {photos} photos of none of them, {refused} are answered so.");
        widgets::small(ui, &words);
    }
    if let Some(help) = &findings.help {
        let taken = help.taken_for.as_ref().map_or_else(String::new, |other| {
            format!(" Most often it is taken for {other}.")
        });
        let words = format!("More photos of {} would help most.{taken}", help.class);
        ui.add_space(space::XS);
        widgets::text(ui, &words, TextStyle::Body, p.text);
    }
}

/// Save it, and use it.
fn use_it(ui: &mut Ui, state: &Teaching, actions: &mut Actions) {
    ui.add_space(space::S);
    ui.horizontal_wrapped(|ui| {
        if let Some(saved) = &state.saved {
            if widgets::primary_button(ui, "Use it now").clicked() {
                actions.push(Action::UseModel(ModelChoice::File(saved.clone())));
            }
            if ui.button("Save again\u{2026}").clicked() {
                actions.push(Action::SaveModel);
            }
            return;
        }
        let ready = state.learned().is_some() && !state.saving;
        let words = if state.saving {
            "Saving\u{2026}"
        } else {
            "Save as a model\u{2026}"
        };
        let save = ui.add_enabled_ui(ready, |ui| widgets::primary_button(ui, words));
        if save.inner.clicked() {
            actions.push(Action::SaveModel);
        }
    });
    if let Some(saved) = &state.saved {
        widgets::small(ui, &format!("Saved in {}", saved.display()));
    }
}

fn doubts(
    ui: &mut Ui,
    state: &Teaching,
    outcome: &LearnOutcome,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let findings: &Findings = outcome.findings();
    list(
        ui,
        "Perhaps in the wrong class",
        &findings.suspects,
        |ui, one| {
            suspect(ui, one, state, pictures, actions);
        },
    );
    list(ui, "Mixed up", &findings.confusions, |ui, one| {
        widgets::muted(ui, &confusion(one));
    });
    list(
        ui,
        "Look alike, so each was asked about without the others",
        &findings.alike,
        |ui, group| {
            widgets::muted(ui, &names(group));
        },
    );
    list(
        ui,
        "The same photo in several classes, left out",
        &findings.contradictions,
        |ui, group| {
            widgets::muted(ui, &names(group));
        },
    );
    if findings.copies > 0 {
        let words = match findings.copies {
            1 => "1 photo is a copy of another one and counts once.".to_owned(),
            n => format!(
                "{} photos are copies of others and count once.",
                thousands(n)
            ),
        };
        ui.add_space(space::S);
        widgets::small(ui, &words);
    }
    list(
        ui,
        "Not learned yet, for want of photos",
        &outcome.left_out,
        |ui, class| {
            widgets::muted(ui, class);
        },
    );
}

fn list<T>(ui: &mut Ui, title: &str, all: &[T], mut line: impl FnMut(&mut Ui, &T)) {
    if all.is_empty() {
        return;
    }
    ui.add_space(space::M);
    widgets::heading(ui, title, theme::strong());
    for one in all.iter().take(LISTED) {
        line(ui, one);
    }
    if all.len() > LISTED {
        widgets::small(ui, &format!("and {} more", thousands(all.len() - LISTED)));
    }
}

fn suspect(
    ui: &mut Ui,
    suspect: &Suspect,
    state: &Teaching,
    pictures: &mut Pictures<'_>,
    actions: &mut Actions,
) {
    let path = PathBuf::from(&suspect.photo);
    let file = PhotoSource::File(path.clone()).name();
    let sure = percent(suspect.probability as f32);
    // Moved or taken out since.
    if state
        .board
        .class_of(&path)
        .is_none_or(|class| class.name != suspect.class)
    {
        return;
    }
    ui.horizontal(|ui| {
        let spoken = format!("Doubtful: {file}");
        thumb::show(
            ui,
            state.board.photo_id(&path),
            &path,
            Mark::None,
            &spoken,
            pictures,
        );
        ui.vertical(|ui| {
            let words = format!(
                "{file} is in {}, but looks like {}, {sure}.",
                suspect.class, suspect.looks_like
            );
            ui.add(egui::Label::new(&words).wrap());
            if let Some(to) = state.board.named(&suspect.looks_like) {
                let button = ui.button(format!("Move to {}", suspect.looks_like));
                let button =
                    button.accessible_name(format!("Move {file} to {}", suspect.looks_like));
                if button.clicked() {
                    actions.push(Action::PutIntoClass(to, vec![path.clone()]));
                }
            }
        });
    });
}

fn confusion(one: &Confusion) -> String {
    let photos = match one.photos {
        1 => "1 photo".to_owned(),
        n => format!("{} photos", thousands(n)),
    };
    format!("{photos} of {} taken for {}", one.class, one.taken_for)
}

/// File names without their folders.
fn names(group: &[String]) -> String {
    let name = |photo: &String| PhotoSource::File(photo.into()).name();
    group.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Photos that could not be read.
fn unusable(ui: &mut Ui, state: &Teaching, actions: &mut Actions) {
    let failed = failures(state);
    list(ui, "Could not be used", failed, |ui, (path, problem)| {
        let file = PhotoSource::File(path.clone()).name();
        widgets::muted(ui, &format!("{file}: {}", problem.what));
    });
    if !failed.is_empty() && ui.button("Take them out").clicked() {
        let paths = failed.iter().map(|(path, _)| path.clone()).collect();
        actions.push(Action::TakeOut(paths));
    }
}

fn try_it(ui: &mut Ui, tried: Option<&Tried>, actions: &mut Actions) {
    let p = theme::palette(ui);
    widgets::heading(ui, "Try it", theme::title());
    match tried {
        None => {
            widgets::muted(ui, "Drop another photo here, and see what it says.");
        }
        Some(Tried { path, answer }) => {
            let file = file_name(path);
            match answer {
                None => {
                    ui.horizontal(|ui| {
                        ui.add(egui::Spinner::new().size(16.0).color(p.accent));
                        widgets::muted(ui, &format!("Looking at {file}\u{2026}"));
                    });
                }
                Some(Ok(answer)) => {
                    let sure = answer.certainty().map(percent).unwrap_or_default();
                    let words = format!("{file}: {}, {sure}", answer.headline());
                    for found in answer.predictions.iter().take(3) {
                        let best = answer.best().is_some_and(|best| best.index == found.index);
                        let number = percent(found.probability);
                        widgets::answer_bar(ui, &found.label, found.probability, &number, best);
                    }
                    let response = widgets::small(ui, &file);
                    widgets::announce(ui, &response, &words, Live::Polite);
                }
                Some(Err(problem)) => {
                    let words = format!("{file}: {}", problem.what);
                    let response = widgets::text(ui, &words, TextStyle::Body, p.error);
                    widgets::announce(ui, &response, &words, Live::Assertive);
                    widgets::muted(ui, &problem.remedy);
                }
            }
        }
    }
    if ui.add(Button::new("Try a photo\u{2026}")).clicked() {
        actions.push(Action::ChooseFiles(FileRequest::TryPhoto));
    }
}

fn file_name(path: &Path) -> String {
    PhotoSource::File(path.to_owned()).name()
}
