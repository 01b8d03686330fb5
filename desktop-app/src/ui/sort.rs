//! Sorting photos into folders: planned, done and taken back, always aside.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use photos::sort::keywords::Tagged;
use photos::sort::{Plan, Template, Undone};

use super::action::Action;
use super::dialogs::{Dialog, LABEL, SortPreview, SortRequest};
use super::notices::{Kind, Topic, Waiting};
use super::undo::UndoStep;
use super::{App, Message};
use crate::classify::Cancel;
use crate::desktop::FileRequest;
use crate::photo::{Confidence, Photo, PhotoId};
use crate::problem::{Problem, thousands};
use crate::sorting::{self, KeywordPreview, Keywords, Mode, Sortable};

/// What is being sorted.
#[derive(Default)]
pub(super) struct Sorting {
    /// The photos for which a folder is being chosen.
    ids: Vec<PhotoId>,
    running: Option<Running>,
}

pub(super) struct Running {
    words: &'static str,
    done: Arc<AtomicUsize>,
    all: usize,
    cancel: Option<Cancel>,
}

/// What comes back from the threads that sort.
pub(super) enum SortMessage {
    /// Where photos would go; whether it was planned before, with other folders.
    Planned(SortPreview, bool),
    Sorted(Plan, usize, Option<Problem>),
    TakenBack(Result<Undone, Problem>, HashMap<PathBuf, PathBuf>),
    /// Which keywords would be written, and how many photos were left out.
    KeywordsPlanned(KeywordPreview, Vec<Tagged>, usize),
    Tagged(Keywords, usize),
    KeywordsTakenBack(Result<Undone, Problem>),
}

impl App {
    /// Asks for the folder that photos are sorted into.
    pub(super) fn sort_request(&mut self, ids: Vec<PhotoId>) -> Option<FileRequest> {
        if ids.is_empty() || self.sorting.running.is_some() {
            return None;
        }
        self.sorting.ids = ids;
        Some(FileRequest::SortInto)
    }

    pub(super) fn in_sort_thread(
        &mut self,
        running: Running,
        work: impl FnOnce() -> SortMessage + Send + 'static,
    ) {
        self.notices.end(Topic::Sorting);
        self.sorting.running = Some(running);
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        crate::desktop::in_thread("sort", move || {
            // The window may be gone; then nobody waits for it.
            let _ = send.send(Message::Sort(work()));
            waker.request_repaint();
        });
    }

    /// The label, where it is sure enough.
    pub(super) fn sure_label(&self, photo: &Photo) -> Option<String> {
        let confidence = photo.confidence(self.settings.current.sure_from);
        photo
            .label()
            .filter(|_| confidence != Some(Confidence::Not))
    }

    pub(super) fn plan_sorting(&mut self, into: PathBuf) {
        let into = std::path::absolute(&into).unwrap_or(into);
        let ids = std::mem::take(&mut self.sorting.ids);
        let sortable = |id: &PhotoId| {
            let photo = self.photos.photo(*id)?;
            let path = photo.source.path()?;
            (photo.answer().is_some() || photo.said.is_some()).then(|| Sortable {
                path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
                label: self.sure_label(photo),
            })
        };
        let photos: Vec<Sortable> = ids.iter().filter_map(sortable).collect();
        let request = SortRequest {
            left_out: ids.len() - photos.len(),
            photos: Arc::new(photos),
            into,
            folders: Template::default(),
            typed: LABEL.to_owned(),
        };
        self.plan_in_thread(request, false);
    }

    /// Plans the same photos with other folders.
    pub(super) fn plan_again(&mut self, request: SortRequest) {
        if self.sorting.running.is_none() {
            self.plan_in_thread(request, true);
        }
    }

    fn plan_in_thread(&mut self, request: SortRequest, again: bool) {
        let running = Running::new("Looking where the photos go\u{2026}", 0);
        self.in_sort_thread(running, move || {
            let plan = sorting::plan(&request.photos, &request.into, &request.folders);
            SortMessage::Planned(SortPreview::new(plan, request), again)
        });
    }

    pub(super) fn carry_out(&mut self, plan: Plan) {
        self.dialogs.close(&self.context);
        let words = match plan.mode {
            Mode::Move => "Moving photos\u{2026}",
            Mode::Copy | Mode::Link => "Copying photos\u{2026}",
        };
        let cancel = Cancel::default();
        let mut running = Running::new(words, plan.steps.len());
        running.cancel = Some(cancel.clone());
        let (done, waker) = (Arc::clone(&running.done), self.context.clone());
        self.in_sort_thread(running, move || {
            let (steps, problem) = sorting::carry_out(&plan, &cancel, |so_far| {
                done.store(so_far, Ordering::Relaxed);
                waker.request_repaint();
            });
            SortMessage::Sorted(plan, steps, problem)
        });
    }

    pub(super) fn stop_sorting(&mut self) {
        if let Some(cancel) = self
            .sorting
            .running
            .as_ref()
            .and_then(|r| r.cancel.as_ref())
        {
            cancel.cancel();
        }
    }

    /// What is being sorted, for the line that waits.
    pub(super) fn sorting_waits(&self) -> Option<Waiting> {
        let running = self.sorting.running.as_ref()?;
        let done = running.done.load(Ordering::Relaxed);
        Some(Waiting {
            words: running.words,
            part: (running.all > 0).then(|| done as f32 / running.all as f32),
            stop: running.cancel.is_some().then_some(Action::StopSorting),
        })
    }

    pub(super) fn is_sorting(&self) -> bool {
        self.sorting.running.is_some()
    }

    pub(super) fn sort_says(&mut self, message: SortMessage) {
        self.sorting.running = None;
        match message {
            SortMessage::Planned(preview, false) => {
                self.dialogs
                    .open(&self.context, Dialog::Sort(Box::new(preview)));
            }
            SortMessage::Planned(preview, true) => self.dialogs.show_other_plan(preview),
            SortMessage::Sorted(plan, steps, problem) => self.sorted(&plan, steps, problem),
            SortMessage::TakenBack(undone, back) => {
                self.relocate(&back);
                self.say_taken_back(undone, "photo");
            }
            SortMessage::KeywordsPlanned(preview, tagged, left_out) => {
                self.keywords_planned(preview, tagged, left_out);
            }
            SortMessage::Tagged(keywords, left_out) => self.tagged(keywords, left_out),
            SortMessage::KeywordsTakenBack(undone) => self.say_taken_back(undone, "keyword file"),
        }
    }

    fn relocate(&mut self, moves: &HashMap<PathBuf, PathBuf>) {
        self.photos.relocate(moves);
        self.teaching.board.relocate(moves);
        self.teaching.memory.changed();
    }

    fn sorted(&mut self, plan: &Plan, steps: usize, problem: Option<Problem>) {
        let moves: HashMap<PathBuf, PathBuf> = match plan.mode {
            Mode::Move => plan.steps[..steps]
                .iter()
                .map(|step| (step.from.clone(), step.to.clone()))
                .collect(),
            Mode::Copy | Mode::Link => HashMap::new(),
        };
        self.relocate(&moves);
        let verb = match plan.mode {
            Mode::Move => "moved",
            Mode::Copy | Mode::Link => "copied",
        };
        let broken_off = steps < plan.steps.len();
        let of = match broken_off {
            true => format!(" of {}", thousands(plan.steps.len())),
            false => String::new(),
        };
        let words = format!(
            "{}{of} {} {verb} into {}.",
            thousands(steps),
            match plan.steps.len() {
                1 => "photo was",
                _ => "photos were",
            },
            plan.into.display()
        );
        // Where nothing was done, an undo would take an older sorting back.
        if steps > 0 {
            self.push_undo(UndoStep::Sorted(plan.into.clone(), moves), words);
        }
        if let Some(problem) = problem {
            self.notices
                .add(Topic::Sorting, Kind::Error, problem.what, problem.remedy);
        }
    }

    pub(super) fn undo_sorting(&mut self, into: PathBuf, moves: HashMap<PathBuf, PathBuf>) {
        let running = Running::new("Taking the sorting back\u{2026}", 0);
        self.in_sort_thread(running, move || {
            let undone = sorting::take_back(&into);
            let back = moves
                .into_iter()
                .filter(|(from, to)| from.exists() && !to.exists())
                .map(|(from, to)| (to, from))
                .collect();
            SortMessage::TakenBack(undone, back)
        });
    }

    fn say_taken_back(&mut self, undone: Result<Undone, Problem>, what: &str) {
        match undone {
            Ok(undone) => {
                let words = match undone.files {
                    1 => format!("1 {what} was taken back."),
                    n => format!("{} {what}s were taken back.", thousands(n)),
                };
                let left = undone.left.first().map_or_else(String::new, |(path, why)| {
                    let more = match undone.left.len() {
                        1 => String::new(),
                        n => format!(" And {} more stay.", thousands(n - 1)),
                    };
                    format!("{} stays: {why}.{more}", path.display())
                });
                self.notices.add(Topic::Sorting, Kind::Success, words, left);
            }
            Err(problem) => {
                self.notices
                    .add(Topic::Sorting, Kind::Error, problem.what, problem.remedy);
            }
        }
    }
}

impl Running {
    pub(super) fn new(words: &'static str, all: usize) -> Self {
        Self {
            words,
            done: Arc::default(),
            all,
            cancel: None,
        }
    }
}
