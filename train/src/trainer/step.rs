//! One optimizer step: micro-batches forward and backward, then the update, or what happens instead of it when a
//! gradient is not finite.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use tch::Tensor;

use super::Trainer;
use crate::data::Batches;
use crate::mix;

impl Trainer {
    /// Takes as many micro-batches as the recipe accumulates (fewer at the end of a small data set) and steps once.
    pub(super) fn step(&mut self, batches: &mut Batches<'_>) -> Result<()> {
        self.world.at(
            u64::from(self.progress.epoch) + 1,
            self.progress.step_in_epoch + 1,
        );
        let key = mix::Key {
            seed: self.recipe.seed,
            epoch: self.progress.epoch,
            step: self.progress.step,
            micro: 0,
            rank: self.world.rank(),
        };
        self.engine.begin(key)?;
        let accumulate = self.recipe.accumulate_steps;
        let mut sums: Option<Tensor> = None;
        let mut images = 0;
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
            images += batch.labels.size1()?;
            let is_last = micro + 1 == accumulate;
            let key = mix::Key { micro, ..key };
            let parts = self
                .engine
                .accumulate(self.world.as_mut(), &batch, key, is_last)
                .map_err(|error| self.explain(error))?;
            sums = Some(match sums {
                None => parts,
                Some(sum) => sum.f_add(&parts)?,
            });
        }
        let update = self.engine.update(self.schedule.rate(self.progress.step))?;
        if update.finite {
            if let Some(sums) = sums {
                let _ = tch::no_grad(|| self.sums.f_add_(&sums))?;
            }
            self.progress.running.images += images as f64;
            self.progress.skipped_in_row = 0;
        }
        self.progress.step += 1;
        self.progress.step_in_epoch += 1;
        if !update.finite {
            self.skip(&update.gradients)?;
        }
        Ok(())
    }

    /// A step whose gradients were not finite: counted, and after too many in a row the last good state is restored.
    fn skip(&mut self, gradients: &[Tensor]) -> Result<()> {
        self.progress.skipped += 1;
        self.progress.running.skipped += 1.0;
        // Agreed on, because what follows from it must happen on all processes.
        let is_bad = !self.statistics_are_finite()?;
        let statistics_ok = !self.world.any(is_bad)?;
        if self.engine.scaler.is_enabled() {
            let (scale, _) = self.engine.scaler.state()?;
            if scale > self.recipe.non_finite.min_loss_scale && statistics_ok {
                // An overflow that a smaller scale mends: part of fp16's normal life.
                return Ok(());
            }
        }
        self.progress.skipped_in_row += 1;
        let epoch = self.progress.epoch + 1;
        let step = self.progress.step_in_epoch;
        let culprit = self.first_non_finite(gradients)?;
        self.reporter.line(format!(
            "epoch {epoch} step {step}: gradients are not finite (first in {culprit}); step skipped"
        ));
        let budget = self.recipe.non_finite.skip_budget;
        if statistics_ok && self.progress.skipped_in_row <= budget {
            return Ok(());
        }
        let reason = if statistics_ok {
            format!(
                "{} steps in a row were not finite",
                self.progress.skipped_in_row
            )
        } else {
            "BatchNorm's running statistics are not finite".to_owned()
        };
        if self.progress.rollbacks >= self.recipe.non_finite.rollback_budget {
            bail!(
                "{reason}, after {} restorations: the run diverges (first in {culprit}). The last good state is kept; \
                 lower the learning rate (--lr) or clip gradients (--set optimizer.clip_norm=1)",
                self.progress.rollbacks
            );
        }
        self.roll_back()
            .with_context(|| format!("{reason}; restoring the last good state"))?;
        self.reporter.line(format!(
            "{reason}: weights and optimizer are those of the last saved state again; the data goes on from here"
        ));
        Ok(())
    }

    fn statistics_are_finite(&self) -> Result<bool> {
        for named in self.engine.network.tensors() {
            if !named.kind.is_parameter() && !all_finite(&named.tensor)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Name of the first tensor, from the input on, whose gradient is not finite.
    fn first_non_finite(&self, gradients: &[Tensor]) -> Result<String> {
        let parameters = self.engine.optimizer.parameters();
        for named in self.engine.network.tensors() {
            let position = parameters
                .iter()
                .position(|p| p.data_ptr() == named.tensor.data_ptr());
            if let Some(gradient) = position.and_then(|index| gradients.get(index))
                && !all_finite(gradient)?
            {
                return Ok(named.name.clone());
            }
        }
        Ok("the loss".into())
    }

    /// Out of memory says what to try.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}").to_lowercase();
        if !text.contains("out of memory") && !text.contains("can't allocate memory") {
            return error;
        }
        let batch = self.recipe.batch_size;
        let accumulate = self.recipe.accumulate_steps;
        error.context(format!(
            "out of memory with batches of {batch} at {} pixels: try --batch-size {} --accumulate {} (the same global batch)",
            self.recipe.augment.size_at(self.progress.epoch),
            (batch / 2).max(1),
            accumulate * 2
        ))
    }
}

/// Whether every number of a tensor is finite.
pub(super) fn all_finite(tensor: &Tensor) -> Result<bool> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1)
}
