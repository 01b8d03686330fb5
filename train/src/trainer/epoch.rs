//! One epoch: its steps, and what closes it.

use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;

use super::Trainer;
use super::waiting::EARLY_STEPS;
use crate::data::DataSource;
use crate::engine::buffers;
use crate::metrics::Running;
use crate::mix::MixKey;
use crate::progress::Moment;

impl Trainer {
    /// Trains the rest of the present epoch and saves it; the signal that ended it early, if one did.
    pub(super) fn train_epoch(&mut self) -> Result<Option<i32>> {
        let epoch = self.progress.epoch;
        if self.progress.step_in_epoch == self.steps_per_epoch {
            // A resumed run that was stopped between training and validation.
            return Ok(None);
        }
        if self.progress.step_in_epoch == 0 {
            self.progress.running = Running::default();
            let _ = tch::no_grad(|| self.sums.f_zero_())?;
        }
        let side = self.recipe.augment.size_at(epoch);
        let done = self.progress.step_in_epoch;
        let label = format!("epoch {}/{}", epoch + 1, self.recipe.epochs);
        self.reporter.begin(label, self.steps_per_epoch, done);
        let source = Rc::clone(&self.source);
        let result = self.train_steps(source.as_ref(), epoch, side);
        self.reporter.end();
        let stopped = result?;
        if stopped.is_none() {
            // Before the validation, which may be long: a trained epoch is never lost.
            self.look()?;
            self.save_state()?;
            if let Some(signal) = self.agreed_stop()? {
                self.say_saved(signal);
                return Ok(Some(signal));
            }
        }
        Ok(stopped)
    }

    fn train_steps(
        &mut self,
        source: &dyn DataSource,
        epoch: u32,
        side: u32,
    ) -> Result<Option<i32>> {
        let accumulate = self.recipe.accumulate_steps as u64;
        let first = self.progress.step_in_epoch * accumulate;
        let mut batches = source.train(epoch, first, side)?;
        self.reports.begin_part(&self.progress.running);
        while self.progress.step_in_epoch < self.steps_per_epoch {
            let started = Instant::now();
            let wishes = self.wishes();
            // Answered while the step computes.
            self.collective.begin_any(wishes)?;
            let at = self.now_epochs();
            self.step(&mut batches)?;
            let [stop, save] = match self.collective.finish_any()? {
                Some(agreed) => agreed,
                None => self.wishes(),
            };
            let secs = started.elapsed().as_secs_f64();
            self.progress.running.secs += secs;
            self.progress.elapsed_secs += secs;
            self.reporter.advance();
            let is_last = self.progress.step_in_epoch == self.steps_per_epoch;
            if is_last || self.progress.step_in_epoch == 1 || self.is_look_step() {
                self.look()?;
                self.record_step(at)?;
            }
            if self.reporter.is_due() {
                let moment = self.moment()?;
                self.reporter.show(&moment);
            }
            if (self.progress.epoch, self.progress.step_in_epoch) == (0, EARLY_STEPS) {
                self.remark_waiting();
            }
            if is_last {
                break;
            }
            if stop || save || self.is_save_step() {
                self.look()?;
                self.save_state()?;
            }
            if stop {
                let signal = self.signal();
                self.say_saved(signal);
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

    /// Places within the epoch, so that they are the same whatever was trained before.
    fn is_save_step(&self) -> bool {
        let every = self.recipe.checkpoints.save_every_steps;
        every > 0 && self.progress.step_in_epoch.is_multiple_of(every)
    }

    fn is_look_step(&self) -> bool {
        let every = self.recipe.checkpoints.record_every_steps;
        every > 0 && self.progress.step_in_epoch.is_multiple_of(every)
    }

    fn record_step(&mut self, at_epochs: f64) -> Result<()> {
        if !self.is_first() {
            return Ok(());
        }
        self.collect_sums()?;
        let memory = crate::device::memory(self.engine.network.device());
        let warning = self.reports.add_step(
            at_epochs,
            &self.progress,
            self.collective.size(),
            memory.map(|memory| memory.used_bytes),
        );
        self.say_once(warning);
        Ok(())
    }

    /// A report that cannot be written does not end a run: it is said once.
    pub(super) fn say_once(&mut self, warning: Option<String>) {
        if let Some(text) = warning {
            self.reporter
                .line(format!("warning: {text}; training goes on without it"));
        }
    }

    fn moment(&mut self) -> Result<Moment> {
        self.collect_sums()?;
        let running = &self.progress.running;
        let (loss, top1, _) = running.means();
        Ok(Moment {
            step: self.progress.step_in_epoch,
            loss,
            top1,
            images_per_sec: running.images * self.collective.size() as f64 / running.secs.max(1e-9),
            data_wait_percent: running.data_wait_percent(),
            learning_rate: self.progress.learning_rate,
            memory: crate::device::memory(self.engine.network.device()),
            left_secs: left_secs(
                self.progress.elapsed_secs,
                self.now_epochs(),
                self.recipe.epochs,
            ),
        })
    }

    /// Reads the device's sums; waits for the device, once.
    pub(super) fn collect_sums(&mut self) -> Result<()> {
        let values = self.sums.f_to_device(tch::Device::Cpu)?;
        let values: Vec<f64> = (&values.f_to_kind(tch::Kind::Double)?).try_into()?;
        if let [loss, top1, top5, images] = values[..] {
            let running = &mut self.progress.running;
            (running.loss, running.top1, running.top5) = (loss, top1, top5);
            running.images = images;
        }
        Ok(())
    }

    /// Says it where the loader is the bottleneck.
    fn remark_waiting(&mut self) {
        let (running, loading) = (&self.progress.running, self.source.loading());
        let epoch = format!("epoch {}", self.progress.epoch + 1);
        self.waiting
            .remark(&mut self.reporter, &epoch, running, loading.as_ref());
    }

    /// Validation, record, checkpoints, plots: all that closes an epoch; the signal that came in between, if one did.
    pub(super) fn finish_epoch(&mut self) -> Result<Option<i32>> {
        self.collect_sums()?;
        self.remark_waiting();
        let finished = self.progress.epoch + 1;
        let is_last = finished == self.recipe.epochs;
        let every = self.recipe.evaluation.every_epochs;
        let is_validated = !self.recipe.evaluation.skip;
        let is_due = is_validated && (is_last || finished.is_multiple_of(every));
        self.average_statistics()?;
        let keeps_raw = self.recipe.ema.as_ref().is_some_and(|ema| ema.keep_raw);
        let mut raw = None;
        if keeps_raw {
            if is_due {
                raw = self.evaluate("validation of the raw weights")?;
                if raw.is_none() {
                    return Ok(Some(self.stop_unvalidated()));
                }
            }
            let is_best = self
                .progress
                .take_best(self.recipe.evaluation.metric, raw, true);
            self.write_raw_weights(finished, raw, is_best || !is_validated)?;
        }
        // The network holds the averages from here to the end of this function, where there are averages.
        self.swap_averages()?;
        if self.engine.ema.is_some() {
            if !self.measure_statistics()? {
                return Ok(Some(self.stop_unvalidated()));
            }
            self.average_statistics()?;
        }
        let mut evaluated = None;
        if is_due {
            evaluated = self.evaluate("validation")?;
            if evaluated.is_none() {
                return Ok(Some(self.stop_unvalidated()));
            }
        }
        let record = self.record(finished, evaluated, raw)?;
        let metric = self.recipe.evaluation.metric;
        // Without validation the newest weights are the best there are.
        let is_best = self.progress.take_best(metric, evaluated, false) || !is_validated;
        self.progress.history.push(record.clone());
        self.progress.elapsed_secs += record.val_secs;
        let written = self.write_epoch_weights(finished, evaluated, is_best);
        self.swap_averages()?;
        written?;
        // The others wait for rank 0's files here, where no exchange counts the seconds.
        self.collective.barrier()?;

        self.progress.epoch = finished;
        self.progress.step_in_epoch = 0;
        self.save_epoch_state(finished, is_best)?;
        if self.is_first() {
            let now = self.now_epochs();
            let warning =
                self.reports
                    .add_epoch(&self.progress.history, &self.schedule, now, &self.run);
            self.say_once(warning);
        }
        self.reporter
            .table_row(&record, self.recipe.epochs, is_best);
        // Rank 0 may have drawn for longer than an exchange may take.
        self.collective.barrier()?;
        Ok(None)
    }

    /// BatchNorm's running statistics of each process become the mean over all (timm's `--dist-bn reduce`): what is
    /// validated and saved must be one network.
    fn average_statistics(&mut self) -> Result<()> {
        self.collective.average(&buffers(&self.engine.network))
    }

    /// BatchNorm's statistics of the averaged weights, which the network holds, where the recipe has them measured. False:
    /// a signal came.
    fn measure_statistics(&mut self) -> Result<bool> {
        let ema = self.recipe.ema.as_ref();
        let Some(images) = ema.and_then(|ema| ema.statistics_images) else {
            return Ok(true);
        };
        let share = images.div_ceil(self.collective.size() as u64);
        let key = MixKey {
            seed: self.recipe.seed,
            epoch: self.progress.epoch,
            step: 0,
            micro: 0,
            rank: self.collective.rank(),
        };
        let source = Rc::clone(&self.source);
        let batches = source.look(self.side())?;
        let stop = &self.stop;
        let measured = self.engine.measure_statistics(
            batches,
            share,
            // Memory held as many with their gradients.
            self.micro.parts(),
            key,
            self.collective.as_mut(),
            &|| stop.received().is_some(),
        );
        measured.map_err(|error| self.explain(error))
    }

    fn swap_averages(&mut self) -> Result<()> {
        match &mut self.engine.ema {
            Some(ema) => ema.swap(&self.engine.network),
            None => Ok(()),
        }
    }

    /// The signal that came in the validation: the epoch's state is saved, and a resumed run validates it anew.
    fn stop_unvalidated(&mut self) -> i32 {
        let signal = self.signal();
        self.say_saved(signal);
        signal
    }
}

/// Seconds to the end of a run of `epochs` that took `elapsed` up to `now` (in epochs), validation included; none at its
/// very beginning.
fn left_secs(elapsed: f64, now: f64, epochs: u32) -> Option<f64> {
    (now > 0.0 && elapsed > 0.0).then(|| elapsed * (f64::from(epochs) - now).max(0.0) / now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_what_was() {
        assert_eq!(left_secs(0.0, 0.0, 90), None);
        assert_eq!(left_secs(100.0, 2.5, 10), Some(300.0));
        assert_eq!(left_secs(100.0, 10.0, 10), Some(0.0));
    }
}
