//! The training run: epochs, validation, checkpoints. `step` is one optimizer step, `save` what is kept and taken up
//! again, `build` how a trainer is made from a recipe.

mod build;
mod save;
mod step;

use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, bail};
use tch::Tensor;

use crate::checkpoint::state::Progress;
use crate::data::Source;
use crate::engine::{Engine, buffers};
use crate::evaluate::{Evaluation, Evaluator};
use crate::metrics::{EpochRecord, Running};
use crate::progress::{Moment, Reporter};
use crate::recipe::Recipe;
use crate::run_dir::RunDir;
use crate::schedule::Schedule;
use crate::signals::StopRequest;
use crate::world::World;

pub use build::Start;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs, or as many as early stopping left.
    Finished,
    /// This signal came; the state is saved.
    Interrupted(i32),
}

/// Everything a run consists of.
pub struct Trainer {
    recipe: Recipe,
    run: RunDir,
    source: Rc<dyn Source>,
    world: Box<dyn World>,
    engine: Engine,
    schedule: Schedule,
    progress: Progress,
    /// Loss times images, top-1 and top-5 hits of the epoch so far, on the device: `[3]`.
    sums: Tensor,
    steps_per_epoch: u64,
    reporter: Reporter,
    stop: StopRequest,
    last_save: Instant,
    /// Unreadable images already named.
    unreadable: usize,
}

impl Trainer {
    /// Trains until the recipe's last epoch, a signal, or early stopping.
    ///
    /// # Errors
    /// Unreadable data, a full disk, out of memory, or numbers that stay non-finite. What was saved stays usable.
    pub fn run(&mut self) -> Result<Outcome> {
        if self.is_first() && !self.run.state().exists() {
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
            if let Some(signal) = self.train_epoch()? {
                return Ok(Outcome::Interrupted(signal));
            }
            self.finish_epoch()?;
            if let Some(signal) = self.agreed_stop()?
                && self.progress.epoch < self.recipe.epochs
            {
                return Ok(Outcome::Interrupted(signal));
            }
            if self.is_stale() {
                self.reporter.line(format!(
                    "stopped early: validation has brought nothing better {} times",
                    self.recipe.evaluation.patience.unwrap_or_default()
                ));
                break;
            }
        }
        self.reporter.end();
        if let Some((value, epoch)) = self.progress.best {
            let path = self.run.weights("best");
            self.reporter.line(format!(
                "best: {} at epoch {epoch}, {}",
                self.recipe.evaluation.metric.describe(value),
                path.display()
            ));
        }
        let secs = self.progress.elapsed_secs;
        self.reporter.line(format!(
            "finished after {}; run saved in {}",
            humantime::format_duration(std::time::Duration::from_secs(secs as u64)),
            self.run.root().display()
        ));
        Ok(Outcome::Finished)
    }

    fn is_first(&self) -> bool {
        self.world.rank() == 0
    }

    /// The signal to stop for, if any process received one.
    fn agreed_stop(&mut self) -> Result<Option<i32>> {
        let is_stop = self.world.any(self.stop.received().is_some())?;
        Ok(is_stop.then(|| self.signal()))
    }

    /// The signal to stop for: this process's own, else that of whoever asks to end a job.
    fn signal(&self) -> i32 {
        self.stop.received().unwrap_or(signal_hook::consts::SIGTERM)
    }

    /// Trains the rest of the present epoch; the signal that ended it early, if one did.
    fn train_epoch(&mut self) -> Result<Option<i32>> {
        let epoch = self.progress.epoch;
        let side = self.recipe.augment.size_at(epoch);
        if self.progress.step_in_epoch == 0 {
            self.progress.running = Running::default();
            let _ = tch::no_grad(|| self.sums.f_zero_())?;
        }
        let done = self.progress.step_in_epoch;
        let label = format!("epoch {}/{}", epoch + 1, self.recipe.epochs);
        self.reporter.begin(label, self.steps_per_epoch, done);
        let source = Rc::clone(&self.source);
        let result = self.train_steps(source.as_ref(), epoch, side);
        self.reporter.end();
        result
    }

    fn train_steps(&mut self, source: &dyn Source, epoch: u32, side: u32) -> Result<Option<i32>> {
        let accumulate = self.recipe.accumulate_steps as u64;
        let first = self.progress.step_in_epoch * accumulate;
        let mut batches = source.train(epoch, first, side)?;
        while self.progress.step_in_epoch < self.steps_per_epoch {
            let started = Instant::now();
            let wishes = self.wishes();
            // Answered while the step computes.
            self.world.ask(wishes)?;
            self.step(&mut batches)?;
            let [stop, save] = match self.world.answer()? {
                Some(agreed) => agreed,
                None => self.wishes(),
            };
            let secs = started.elapsed().as_secs_f64();
            self.progress.running.secs += secs;
            self.progress.elapsed_secs += secs;
            self.reporter.advance();
            if self.reporter.is_due() {
                let moment = self.moment()?;
                self.reporter.show(&moment);
            }
            let unfinished = self.progress.step_in_epoch < self.steps_per_epoch;
            if unfinished && (stop || save || self.is_save_step()) {
                self.save_within_epoch()?;
            }
            let stop = stop.then(|| self.signal());
            if let Some(signal) = stop
                && unfinished
            {
                self.reporter.end();
                self.reporter.line(format!(
                    "{} received: saved at epoch {} step {} of {}; continue with --resume --output {}",
                    crate::signals::name(signal),
                    epoch + 1,
                    self.progress.step_in_epoch,
                    self.steps_per_epoch,
                    self.run.root().display()
                ));
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// What this process wants: to stop, because a signal came; to save, because it is time. Clocks and signals differ
    /// between processes, so the others are asked.
    fn wishes(&self) -> [bool; 2] {
        let interval = self.recipe.checkpoints.save_every_minutes;
        let minutes = self.last_save.elapsed().as_secs_f64() / 60.0;
        let is_time = interval > 0.0 && minutes >= interval;
        [self.stop.received().is_some(), is_time]
    }

    fn is_save_step(&self) -> bool {
        let every = self.recipe.checkpoints.save_every_steps;
        every > 0 && self.progress.step.is_multiple_of(every)
    }

    /// Saves in the middle of an epoch, with the epoch's sums over all processes.
    fn save_within_epoch(&mut self) -> Result<()> {
        self.collect_sums()?;
        let local = self.progress.running;
        let mut sums = [local.loss, local.top1, local.top5, local.images];
        self.world.sum(&mut sums)?;
        [
            self.progress.running.loss,
            self.progress.running.top1,
            self.progress.running.top5,
            self.progress.running.images,
        ] = sums;
        let saved = self.save_state();
        self.progress.running = local;
        saved
    }

    /// Waits for the other processes at the end of a run that went well.
    ///
    /// # Errors
    /// One of them failed after all.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(times) = self
            .world
            .overlap()
            .filter(|times| times.communication_ms > 0.0)
        {
            self.reporter.note(&format!(
                "a sampled step: backward {:.1} ms, exchange of gradients {:.1} ms in {} buckets, {:.1} ms of it at once",
                times.backward_ms, times.communication_ms, times.buckets, times.overlap_ms
            ));
        }
        self.world.finish()
    }

    /// BatchNorm's running statistics of each process become the mean over all (timm's `--dist-bn reduce`): what is
    /// validated and saved must be one network.
    fn average_statistics(&mut self) -> Result<()> {
        self.world.average(&buffers(&self.engine.network))
    }

    fn moment(&mut self) -> Result<Moment> {
        self.collect_sums()?;
        let running = &self.progress.running;
        let (loss, top1, _) = running.means();
        Ok(Moment {
            step: self.progress.step_in_epoch,
            loss,
            top1,
            images_per_sec: running.images * self.world.size() as f64 / running.secs.max(1e-9),
            data_wait_percent: 100.0 * running.data_secs / running.secs.max(1e-9),
            learning_rate: self.schedule.rate(self.progress.step.saturating_sub(1)),
            memory: crate::device::memory(self.engine.network.device()),
        })
    }

    /// Reads the device's sums; waits for the device.
    fn collect_sums(&mut self) -> Result<()> {
        let values = self.sums.f_to_kind(tch::Kind::Double)?;
        let value = |index| values.f_double_value(&[index]);
        let running = &mut self.progress.running;
        (running.loss, running.top1, running.top5) = (value(0)?, value(1)?, value(2)?);
        Ok(())
    }

    /// Validation, record, checkpoints, plots: all that closes an epoch.
    fn finish_epoch(&mut self) -> Result<()> {
        self.collect_sums()?;
        let finished = self.progress.epoch + 1;
        let is_last = finished == self.recipe.epochs;
        let every = self.recipe.evaluation.every_epochs;
        // The network holds the averages from here to the end of this function, where there are averages.
        self.average_statistics()?;
        self.swap_averages()?;
        if self.engine.ema.is_some() {
            self.average_statistics()?;
        }
        let is_validated = !self.recipe.evaluation.skip;
        let evaluated = if is_validated && (is_last || finished.is_multiple_of(every)) {
            Some(self.evaluate()?)
        } else {
            None
        };
        let record = self.record(finished, evaluated)?;
        let metric = self.recipe.evaluation.metric;
        let value = metric.of(&record);
        let best_so_far = self.progress.best.map(|(best, _)| best);
        // Without validation the newest weights are the best there are.
        let is_best = !is_validated
            || value
                .is_some_and(|value| best_so_far.is_none_or(|best| metric.is_better(value, best)));
        if let (true, Some(value)) = (is_best, value) {
            self.progress.best = Some((value, finished));
        }
        self.progress.history.push(record.clone());
        self.progress.elapsed_secs += record.val_secs;
        let written = self.write_epoch_weights(finished, &record, is_best);
        self.swap_averages()?;
        written?;

        self.progress.epoch = finished;
        self.progress.step_in_epoch = 0;
        if self.is_first() {
            crate::report::write(&self.progress.history, &self.schedule, &self.run)?;
            self.save_state()?;
        }
        self.reporter
            .table_row(&record, self.recipe.epochs, is_best);
        Ok(())
    }

    fn swap_averages(&mut self) -> Result<()> {
        match &mut self.engine.ema {
            Some(ema) => ema.swap(&self.engine.network),
            None => Ok(()),
        }
    }

    fn evaluate(&mut self) -> Result<Evaluation> {
        let batch = self
            .recipe
            .evaluation
            .batch_size
            .unwrap_or(self.recipe.batch_size) as u64;
        let batches = self
            .source
            .val_images()
            .div_ceil(batch * self.world.size() as u64);
        self.reporter.begin("validation".into(), batches, 0);
        let evaluator = Evaluator {
            normalizer: &self.engine.normalizer,
            arithmetic: self.engine.arithmetic,
            flip: self.recipe.evaluation.flip,
        };
        let result = evaluator.run(
            &self.engine.network,
            self.source.as_ref(),
            self.world.as_mut(),
            &mut self.reporter,
        );
        self.reporter.end();
        result
    }

    fn record(&mut self, epoch: u32, evaluated: Option<Evaluation>) -> Result<EpochRecord> {
        let running = self.progress.running;
        let mut sums = [
            running.loss,
            running.top1,
            running.top5,
            running.images,
            self.report_unreadable() as f64,
        ];
        self.world.sum(&mut sums)?;
        let [loss, top1, top5, images, bad] = sums;
        if images == 0.0 {
            bail!("epoch {epoch}: no readable training image");
        }
        Ok(EpochRecord {
            epoch,
            step: self.progress.step,
            learning_rate: self.schedule.rate(self.progress.step.saturating_sub(1)),
            train_loss: loss / images,
            train_top1_percent: 100.0 * top1 / images,
            train_top5_percent: 100.0 * top5 / images,
            val_loss: evaluated.map(|e| e.loss),
            val_top1_percent: evaluated.map(|e| e.top1_percent),
            val_top5_percent: evaluated.map(|e| e.top5_percent),
            train_images: images.round() as u64,
            val_images: evaluated.map_or(0, |e| e.images),
            bad_images: bad as u64,
            train_secs: running.secs,
            val_secs: evaluated.map_or(0.0, |e| e.secs),
            images_per_sec: images / running.secs.max(1e-9),
            data_wait_percent: 100.0 * running.data_secs / running.secs.max(1e-9),
            skipped_steps: running.skipped as u64,
            peak_memory_bytes: crate::device::memory(self.engine.network.device())
                .map(|memory| memory.peak_bytes),
        })
    }

    /// Names images that could not be read, each once; how many were new.
    fn report_unreadable(&mut self) -> usize {
        let known = self.unreadable;
        let lines = self.source.unreadable();
        for line in lines.iter().skip(known) {
            self.reporter.line(format!("unreadable {line}"));
        }
        self.unreadable = lines.len();
        lines.len() - known
    }

    fn is_stale(&self) -> bool {
        let Some(patience) = self.recipe.evaluation.patience else {
            return false;
        };
        let Some((_, best)) = self.progress.best else {
            return false;
        };
        let later = self
            .progress
            .history
            .iter()
            .filter(|record| record.epoch > best);
        let validations = later.filter(|record| record.val_top1_percent.is_some());
        validations.count() >= patience as usize
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
