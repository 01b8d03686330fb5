//! Loading models, and what follows when one is ready or cannot be used.

use std::sync::Arc;

use super::notices::{Kind, Topic};
use super::{App, LoadReason, View};
use crate::classify::{Classify, ModelChoice};
use crate::problem::{Problem, reason};

impl App {
    /// Begins to load a model; the old one works on meanwhile.
    pub(super) fn load_model(&mut self, choice: ModelChoice, why: LoadReason) {
        self.model.loading = Some((choice.clone(), why));
        if let Err(error) = self.workers.open_model(choice.clone()) {
            let what = format!("No thread could be started: {}.", reason(&error));
            self.model_failed(
                &choice,
                Problem::new(what, "Close other programs and try again."),
            );
        }
    }

    pub(super) fn model_ready(&mut self, model: Arc<dyn Classify>) {
        let chosen = matches!(self.model.loading, Some((_, LoadReason::Chosen)));
        let source = model.card().source.clone();
        if chosen {
            self.settings.current.remember_model(&source);
            self.notices.end(Topic::Model);
        }
        let first = self.model.set_ready(model);
        if !first {
            self.workers.clear_queue();
            let jobs = self.photos.ask_again();
            self.progress.queued = 0;
            self.queue(jobs);
        }
        if let View::Photo(id) = self.view {
            self.show_photo(id);
        }
    }

    pub(super) fn model_failed(&mut self, choice: &ModelChoice, problem: Problem) {
        let why = match self.model.loading.take() {
            Some((loading, why)) if loading == *choice => why,
            other => {
                self.model.loading = other;
                LoadReason::Chosen
            }
        };
        let kept = match (self.model.title(), why) {
            (Some(title), _) => format!(" \u{201c}{title}\u{201d} stays in use."),
            (None, LoadReason::Start) => {
                " Until the next start, \u{201c}Everyday things\u{201d} is used.".to_owned()
            }
            (None, _) => String::new(),
        };
        self.notices.add(
            Topic::Model,
            Kind::Error,
            format!(
                "{} cannot be used as a model. {}",
                choice
                    .path()
                    .map_or_else(|| choice.short_name(), |path| path.display().to_string()),
                problem.what
            ),
            format!("{}{kept}", problem.remedy),
        );
        if self.model.classifier().is_none() {
            self.model.set_missing(problem);
            // A remembered model that went away must not leave the window useless.
            if *choice != ModelChoice::Embedded {
                self.load_model(ModelChoice::Embedded, LoadReason::Fallback);
            }
        }
    }
}
