//! One optimizer step: batches forward and backward, then the update. Where memory does not hold a batch, the step is
//! taken again in smaller parts, as if it had not been tried.

use std::time::Instant;

use anyhow::{Context, Error, Result, bail};
use tch::Tensor;

use super::Trainer;
use super::build::in_parts;
use crate::data::{BatchIter, TensorBatch};
use crate::engine::Update;
use crate::failure;
use crate::mix;

/// The batches of a step, taken from the data when they are needed first.
struct Batches<'a, 'b> {
    source: &'a mut BatchIter<'b>,
    taken: Vec<TensorBatch>,
}

impl Trainer {
    /// Takes as many batches as the recipe accumulates (fewer at the end of a small data set) and steps once.
    pub(super) fn step(&mut self, source: &mut BatchIter<'_>) -> Result<()> {
        self.collective.set_step(
            u64::from(self.progress.epoch) + 1,
            self.progress.step_in_epoch + 1,
        );
        let key = mix::MixKey {
            seed: self.recipe.seed,
            epoch: self.progress.epoch,
            step: self.progress.step_in_epoch,
            micro: 0,
            rank: self.collective.rank(),
        };
        let mut batches = Batches {
            source,
            taken: Vec::with_capacity(self.recipe.accumulate_steps),
        };
        let rate = self.schedule.rate(self.now_epochs());
        let (sums, update) = match self.graph_step(&mut batches, key, rate)? {
            Some(done) => done,
            None => {
                let sums = self.gradients(&mut batches, key)?;
                let update = self.engine.update(rate);
                (sums, update.map_err(|error| self.explain(error))?)
            }
        };
        let counted = self.engine.where_finite(&sums)?;
        let _ = tch::no_grad(|| self.sums.f_add_(&counted))?;
        self.progress.learning_rate = rate;
        self.progress.step += 1;
        self.progress.step_in_epoch += 1;
        match update.finite {
            Some(true) => self.progress.skipped_in_row = 0,
            Some(false) => self.skip(&update.gradients)?,
            // Nobody has looked yet; `look` will.
            None => {}
        }
        Ok(())
    }

    /// The step as a graph, where the recipe wants graphs and this one is captured or replayed.
    fn graph_step(
        &mut self,
        batches: &mut Batches<'_, '_>,
        key: mix::MixKey,
        rate: f64,
    ) -> Result<Option<(Tensor, Update)>> {
        if !self.engine.has_graphs() {
            return Ok(None);
        }
        if self.micro.is_split() {
            self.engine.leave_graphs();
            self.reporter.line(format!(
                "epoch {} step {}: batches are computed in parts, so from here on no step is captured as a CUDA graph",
                self.progress.epoch + 1,
                self.progress.step_in_epoch + 1
            ));
            return Ok(None);
        }
        let batch = self.batch(batches, 0)?;
        let done = self.engine.graph_step(batch, key, rate);
        done.map_err(|error| self.explain(error))
    }

    /// The gradients of the step, in as many parts as memory asks for; the sums over its images.
    fn gradients(&mut self, batches: &mut Batches<'_, '_>, key: mix::MixKey) -> Result<Tensor> {
        if self.micro.is_auto() {
            self.engine.remember()?;
        }
        let is_alone = self.collective.size() == 1;
        if !is_alone {
            self.rehearse(batches, key)?;
        }
        loop {
            match self.try_gradients(batches, key) {
                Ok(sums) => return Ok(sums),
                Err(error) if is_alone && failure::is_out_of_memory(&error) => {
                    self.go_on_smaller(error)?;
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    fn try_gradients(&mut self, batches: &mut Batches<'_, '_>, key: mix::MixKey) -> Result<Tensor> {
        self.engine.begin(key)?;
        let (accumulate, parts) = (self.recipe.accumulate_steps, self.micro.parts());
        let mut sums: Option<Tensor> = None;
        for micro in 0..accumulate {
            let batch = self.batch(batches, micro)?;
            let key = mix::MixKey { micro, ..key };
            let is_last = micro + 1 == accumulate;
            let collective = self.collective.as_mut();
            let of_batch = self
                .engine
                .accumulate_in(parts, collective, batch, key, is_last)?;
            sums = Some(match sums {
                None => of_batch,
                Some(sum) => sum.f_add(&of_batch)?,
            });
        }
        sums.context("a step has at least one batch")
    }

    /// Makes sure that every process has the memory for its part of the step, before the first exchange: one that ran
    /// out within would leave the others waiting. Asked once for each size of images; all decide alike.
    fn rehearse(&mut self, batches: &mut Batches<'_, '_>, key: mix::MixKey) -> Result<()> {
        let side = self.side();
        while !self.micro.is_held(side) {
            self.engine.begin(key)?;
            let mut ran_out = None;
            // The second finds gradients in memory, as all that follow.
            for micro in 0..self.recipe.accumulate_steps.min(2) {
                let batch = self.batch(batches, micro)?;
                let key = mix::MixKey { micro, ..key };
                match self.engine.rehearse(self.micro.parts(), batch, key) {
                    Err(error) if failure::is_out_of_memory(&error) => {
                        ran_out = Some(error);
                        break;
                    }
                    done => done?,
                }
            }
            if self.collective.any(ran_out.is_some())? {
                let elsewhere = || Error::msg("another process ran out of memory");
                self.go_on_smaller(ran_out.unwrap_or_else(elsewhere))?;
            } else {
                self.engine.go_back()?;
                self.micro.set_held(side);
            }
        }
        Ok(())
    }

    /// Back to the beginning of the step, and from now on half as many images at a time.
    ///
    /// # Errors
    /// `error`, where there are no fewer.
    fn go_on_smaller(&mut self, error: Error) -> Result<()> {
        let was = self.micro.size();
        if !self.micro.halve() {
            return Err(self.explain(error));
        }
        drop(error);
        self.engine.go_back()?;
        self.progress.micro_batch_size = self.micro.size();
        self.reporter.line(format!(
            "epoch {} step {}: out of memory with {was} images at a time; from here on {}",
            self.progress.epoch + 1,
            self.progress.step_in_epoch + 1,
            in_parts(&self.micro, &self.engine.network)
        ));
        Ok(())
    }

    /// Batch `index` of the step.
    fn batch<'a>(
        &mut self,
        batches: &'a mut Batches<'_, '_>,
        index: usize,
    ) -> Result<&'a TensorBatch> {
        while batches.taken.len() <= index {
            let waiting = Instant::now();
            match batches.source.next() {
                Some(batch) => batches.taken.push(batch?),
                None => bail!(
                    "the data ended in step {} of {} of epoch {}",
                    self.progress.step_in_epoch + 1,
                    self.steps_per_epoch,
                    self.progress.epoch + 1
                ),
            }
            self.progress.running.data_secs += waiting.elapsed().as_secs_f64();
        }
        Ok(&batches.taken[index])
    }

    /// Side of the training images of this epoch, in pixels.
    pub(super) fn side(&self) -> u32 {
        self.recipe.augment.size_at(self.progress.epoch)
    }

    /// Out of memory says what did not fit.
    pub(super) fn explain(&self, error: Error) -> Error {
        let (images, remedy) = (self.micro.size(), self.micro.remedy());
        failure::explain_memory(error, images, self.side(), remedy)
    }
}
