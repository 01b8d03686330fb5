//! The model in use, or on its way.

use std::sync::Arc;

use crate::classify::{Classify, ModelChoice};
use crate::problem::Problem;

/// Why a model is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadReason {
    /// The user chose it now: it is remembered.
    Chosen,
    /// The program starts: it is what was remembered, or named on the command line.
    Start,
    /// The remembered one is away. It stays remembered and is tried again at the next start.
    Fallback,
}

enum State {
    Loading,
    Ready(Arc<dyn Classify>),
    Missing(Problem),
}

/// The model in use, the one that is being loaded, and the one to take where none was ever chosen.
pub(super) struct ModelSlot {
    state: State,
    pub(super) loading: Option<(ModelChoice, LoadReason)>,
    pub(super) default: ModelChoice,
}

impl ModelSlot {
    pub(super) fn new(default: ModelChoice) -> Self {
        Self {
            state: State::Loading,
            loading: None,
            default,
        }
    }

    /// The model in use, if one is ready.
    pub(super) fn classifier(&self) -> Option<&Arc<dyn Classify>> {
        match &self.state {
            State::Ready(model) => Some(model),
            State::Loading | State::Missing(_) => None,
        }
    }

    /// Why there is none.
    pub(super) fn problem(&self) -> Option<&Problem> {
        match &self.state {
            State::Missing(problem) => Some(problem),
            State::Loading | State::Ready(_) => None,
        }
    }

    /// Takes a model into use; true when there was none before.
    pub(super) fn set_ready(&mut self, model: Arc<dyn Classify>) -> bool {
        let first = self.classifier().is_none();
        self.loading = None;
        self.state = State::Ready(model);
        first
    }

    /// There is no model.
    pub(super) fn set_missing(&mut self, problem: Problem) {
        self.state = State::Missing(problem);
    }

    /// What the window calls the model in use.
    pub(super) fn title(&self) -> Option<&str> {
        self.classifier().map(|model| model.card().title.as_str())
    }

    /// What the window calls the model that gave an answer, known by its name in the answer.
    pub(super) fn title_of<'a>(&'a self, name: &'a str) -> &'a str {
        match self.classifier() {
            Some(model) if model.card().name == name => &model.card().title,
            _ => name,
        }
    }
}
