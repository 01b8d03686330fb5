//! One optimizer step: micro-batches forward and backward, then the update.

use std::time::Instant;

use anyhow::{Result, bail};
use tch::Tensor;

use super::Trainer;
use crate::data::BatchIter;
use crate::failure;
use crate::mix;

impl Trainer {
    /// Takes as many micro-batches as the recipe accumulates (fewer at the end of a small data set) and steps once.
    pub(super) fn step(&mut self, batches: &mut BatchIter<'_>) -> Result<()> {
        self.world.set_step(
            u64::from(self.progress.epoch) + 1,
            self.progress.step_in_epoch + 1,
        );
        let accumulate = self.recipe.accumulate_steps;
        let key = mix::MixKey {
            seed: self.recipe.seed,
            epoch: self.progress.epoch,
            step: self.progress.step_in_epoch,
            micro: 0,
            rank: self.world.rank(),
        };
        self.engine.begin(key)?;
        let mut sums: Option<Tensor> = None;
        for micro in 0..accumulate {
            let waiting = Instant::now();
            let batch = match batches.next() {
                Some(batch) => batch?,
                None => bail!(
                    "the data ended in step {} of {} of epoch {}",
                    self.progress.step_in_epoch + 1,
                    self.steps_per_epoch,
                    self.progress.epoch + 1
                ),
            };
            self.progress.running.data_secs += waiting.elapsed().as_secs_f64();
            let is_last = micro + 1 == accumulate;
            let key = mix::MixKey { micro, ..key };
            let parts = self
                .engine
                .accumulate(self.world.as_mut(), &batch, key, is_last)
                .map_err(|error| self.explain(error))?;
            sums = Some(match sums {
                None => parts,
                Some(sum) => sum.f_add(&parts)?,
            });
        }
        let rate = self.schedule.rate(self.now_epochs());
        let update = self
            .engine
            .update(rate)
            .map_err(|error| self.explain(error))?;
        if let Some(sums) = sums {
            let counted = self.engine.where_finite(&sums)?;
            let _ = tch::no_grad(|| self.sums.f_add_(&counted))?;
        }
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

    /// Out of memory says what to try.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        failure::explain_memory(
            error,
            failure::BatchShape {
                images: self.recipe.batch_size,
                accumulate: self.recipe.accumulate_steps,
                side: self.recipe.augment.size_at(self.progress.epoch),
            },
        )
    }
}
