//! The training run: epochs, validation, checkpoints. `epoch` trains one and closes it, `step` is one optimizer step,
//! `health` what happens when numbers are not finite, `save` what is kept, `resume` how a run goes on, `build` how a
//! trainer is made from a recipe.

mod build;
mod epoch;
mod health;
mod reports;
mod resume;
mod save;
mod step;
mod validation;
mod waiting;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use tch::Tensor;

use crate::checkpoint::state::Progress;
use crate::collective::Collective;
use crate::data::DataSource;
use crate::engine::TrainEngine;
use crate::micro_batch::MicroBatches;
use crate::model::MemoryLimit;
use crate::progress::Reporter;
use crate::recipe::Recipe;
use crate::run_dir::{RunDir, RunLock};
use crate::schedule::Schedule;
use crate::signals::StopRequest;

pub use build::Start;
pub use resume::Resume;

use reports::Reports;
use waiting::Waiting;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunOutcome {
    /// All epochs, or as many as early stopping left.
    Finished,
    /// This signal came; the state is saved.
    Interrupted(i32),
}

/// Everything a run consists of.
pub struct Trainer {
    recipe: Recipe,
    run: RunDir,
    /// Held by the process that writes.
    _lock: Option<RunLock>,
    source: Rc<dyn DataSource>,
    collective: Box<dyn Collective>,
    engine: TrainEngine,
    schedule: Schedule,
    progress: Progress,
    /// Loss times images, top-1 and top-5 hits and images of the epoch so far, on the device: `[4]`.
    sums: Tensor,
    steps_per_epoch: u64,
    micro: MicroBatches,
    /// Images that validation takes at a time, in this process.
    evaluated_at_once: Cell<usize>,
    reporter: Reporter,
    reports: Reports,
    stop: StopRequest,
    last_save: Instant,
    /// Nothing of this run is saved yet.
    is_new: bool,
    /// Unreadable images already named.
    named_unreadable: BTreeSet<String>,
    waiting: Waiting,
}

impl Trainer {
    /// Trains until the recipe's last epoch, a signal, or early stopping.
    ///
    /// # Errors
    /// Unreadable data, a full disk, out of memory, or numbers that stay non-finite. What was saved stays usable.
    pub fn run(&mut self) -> Result<RunOutcome> {
        if self.is_new {
            self.save_state()?;
        }
        self.reporter.table_head();
        for record in self.progress.history.clone() {
            let is_best = self
                .progress
                .best
                .is_some_and(|(_, epoch)| epoch == record.epoch);
            self.reporter
                .table_row(&record, self.recipe.epochs, is_best);
        }
        while self.progress.epoch < self.recipe.epochs {
            if let Some(line) = self.stopped_early() {
                self.reporter.line(line);
                break;
            }
            if let Some(signal) = self.train_epoch()? {
                return Ok(RunOutcome::Interrupted(signal));
            }
            if let Some(signal) = self.finish_epoch()? {
                return Ok(RunOutcome::Interrupted(signal));
            }
            if self.progress.epoch < self.recipe.epochs
                && let Some(signal) = self.agreed_stop()?
            {
                self.say_saved(signal);
                return Ok(RunOutcome::Interrupted(signal));
            }
        }
        self.reporter.end();
        if let Some((value, epoch)) = self.progress.best {
            let path = self.run.weights("best");
            let place = if path.is_file() {
                path.display().to_string()
            } else {
                "where the run came from".to_owned()
            };
            self.reporter.line(format!(
                "best: {} at epoch {epoch}, {place}",
                self.recipe.evaluation.metric.describe(value)
            ));
        }
        if let Some((value, epoch)) = self.progress.best_raw {
            self.reporter.line(format!(
                "best without averaging: {} at epoch {epoch}, {}",
                self.recipe.evaluation.metric.describe(value),
                self.run.weights("best-raw").display()
            ));
        }
        let secs = self.progress.elapsed_secs;
        self.reporter.line(format!(
            "finished after {}; run saved in {}",
            humantime::format_duration(std::time::Duration::from_secs(secs as u64)),
            self.run.root().display()
        ));
        let best = self.run.weights("best");
        if best.is_file() {
            self.reporter.line(format!(
                "next: export-onnx --checkpoint {} --install  (a model for infer-cli and the window, proven on the way)",
                best.display()
            ));
        }
        Ok(RunOutcome::Finished)
    }

    /// From now on the passes of this process have no more memory than this: for tests of what happens without.
    pub fn limit_memory(&mut self, limit: MemoryLimit) {
        self.engine.network.limit_memory(Some(limit));
    }

    fn is_first(&self) -> bool {
        self.collective.rank() == 0
    }

    /// Time of the run in epochs, at the beginning of the step that comes next.
    fn now_epochs(&self) -> f64 {
        let share = self.progress.step_in_epoch as f64 / self.steps_per_epoch as f64;
        f64::from(self.progress.epoch) + share
    }

    /// The signal to stop for, if any process received one.
    fn agreed_stop(&mut self) -> Result<Option<i32>> {
        let is_stop = self.collective.any(self.stop.received().is_some())?;
        Ok(is_stop.then(|| self.signal()))
    }

    /// The signal to stop for: this process's own, else that of whoever asks to end a job.
    fn signal(&self) -> i32 {
        self.stop.received().unwrap_or(signal_hook::consts::SIGTERM)
    }

    /// Says where a run that was asked to stop can be taken up again.
    fn say_saved(&mut self, signal: i32) {
        self.reporter.end();
        let place = match self.progress.step_in_epoch {
            0 => format!("after epoch {}", self.progress.epoch),
            step if step < self.steps_per_epoch => format!(
                "at epoch {} step {step} of {}",
                self.progress.epoch + 1,
                self.steps_per_epoch
            ),
            _ => format!(
                "at epoch {}, trained and not yet validated",
                self.progress.epoch + 1
            ),
        };
        self.reporter.line(format!(
            "{} received: saved {place}; continue with --resume --output {}",
            crate::signals::name(signal),
            self.run.root().display()
        ));
    }

    /// Whether as many validations in a row as the recipe allows brought nothing better, in words.
    fn stopped_early(&self) -> Option<String> {
        let patience = self.recipe.evaluation.patience?;
        let (_, best) = self.progress.best?;
        let since = self.progress.history.iter();
        let since = since.filter(|r| r.epoch > best && r.val_top1_percent.is_some());
        (since.count() as u32 >= patience).then(|| {
            format!(
                "stopped early: {patience} validations since epoch {best} have brought nothing better"
            )
        })
    }

    /// Waits for the other processes at the end of a run that went well.
    ///
    /// # Errors
    /// One of them failed after all.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(times) = self
            .collective
            .overlap()
            .filter(|times| times.communication_ms > 0.0)
        {
            self.reporter.note(&format!(
                "a sampled step: backward {:.1} ms, exchange of gradients {:.1} ms in {} buckets, {:.1} ms of it at once",
                times.backward_ms, times.communication_ms, times.buckets, times.overlap_ms
            ));
        }
        self.collective.shut_down()
    }

    /// Images that could not be read, over the whole run.
    pub fn bad_images(&self) -> u64 {
        self.progress
            .history
            .iter()
            .map(|record| record.bad_images)
            .sum()
    }
}
