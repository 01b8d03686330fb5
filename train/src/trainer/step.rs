//! One optimiser step: micro-batches forward and backward, then the update, or what happens instead of it when a
//! gradient is not finite.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use tch::Tensor;
use torch_ext::autocast::autocast;
use torch_ext::optim::clip_grad_norm;

use super::Trainer;
use crate::data::{Batch, Batches};
use crate::evaluate::sum_kind;
use crate::loss::{correct, loss};
use crate::mix;

impl Trainer {
    /// Takes as many micro-batches as the recipe accumulates (fewer at the end of a small data set) and steps once.
    pub(super) fn step(&mut self, batches: &mut Batches<'_>) -> Result<()> {
        self.world.at(
            u64::from(self.progress.epoch) + 1,
            self.progress.step_in_epoch + 1,
        );
        self.seed_dropout();
        self.optimizer.zero_grad()?;
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
            let count = batch.labels.size1()?;
            if count == 0 {
                bail!("none of the images of a batch could be read; train.log names them");
            }
            images += count;
            let parts = self
                .micro_batch(&batch, micro + 1 == accumulate)
                .map_err(|error| self.explain(error))?;
            sums = Some(match sums {
                None => parts,
                Some(sum) => sum.f_add(&parts)?,
            });
        }
        let parameters = self.optimizer.parameters();
        let gradients = torch_ext::grad::grads(&parameters)?;
        let finite = self.scaler.unscale(&gradients)?;
        if finite {
            if let Some(norm) = self.recipe.optimizer.clip_norm {
                let _ = clip_grad_norm(&gradients, norm)?;
            }
            let rate = self.schedule.rate(self.progress.step);
            self.optimizer.step(rate)?;
            if let Some(ema) = &mut self.ema {
                ema.update(&self.network, self.optimizer.steps())?;
            }
            if let Some(sums) = sums {
                let _ = tch::no_grad(|| self.sums.f_add_(&sums))?;
            }
            self.progress.running.images += images as f64;
            self.progress.skipped_in_row = 0;
        }
        self.scaler.update()?;
        self.progress.step += 1;
        self.progress.step_in_epoch += 1;
        if !finite {
            self.skip(&gradients)?;
        }
        Ok(())
    }

    /// Forward and backward of one batch; the batch's loss sum and hits, `[3]` on the device.
    fn micro_batch(&mut self, batch: &Batch, synchronise: bool) -> Result<Tensor> {
        let device = self.network.device();
        let labels = batch.labels.f_to_device(device)?;
        let images = self.normalizer.apply(&batch.pixels)?;
        let classes = self.source.classes().len() as i64;
        let key = mix::Key {
            seed: self.recipe.seed,
            epoch: self.progress.epoch,
            step: self.progress.step,
            rank: self.world.rank(),
        };
        let (images, targets) = mix::mix(&self.recipe.augment, key, &images, &labels, classes)?;
        let network = &mut self.network;
        let logits = autocast(device, self.arithmetic.autocast, || {
            network.forward_train(&images)
        })??;
        let loss = loss(&logits, &targets, &self.recipe.loss)?;
        let share = loss.f_div_scalar(self.recipe.accumulate_steps as f64)?;
        let scaled = self.scaler.scale(&share)?;
        self.world.backward(&scaled, synchronise)?;

        tch::no_grad(|| {
            let (top1, top5) = correct(&logits.f_detach()?, &labels)?;
            let kind = sum_kind(&self.network);
            let count = labels.size1()? as f64;
            let loss = loss.f_detach()?.f_to_kind(kind)?.f_mul_scalar(count)?;
            Ok(Tensor::f_stack(
                &[loss, top1.f_to_kind(kind)?, top5.f_to_kind(kind)?],
                0,
            )?)
        })
    }

    /// Dropout, too, depends on nothing but the seed and the step.
    fn seed_dropout(&self) {
        if self.has_dropout {
            let step = self.progress.step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let rank = (self.world.rank() as u64) << 48;
            tch::manual_seed((self.recipe.seed ^ step ^ rank) as i64);
        }
    }

    /// A step whose gradients were not finite: counted, and after too many in a row the last good state is restored.
    fn skip(&mut self, gradients: &[Tensor]) -> Result<()> {
        self.progress.skipped += 1;
        self.progress.running.skipped += 1.0;
        // Agreed on, because what follows from it must happen on all processes.
        let is_bad = !self.statistics_are_finite()?;
        let statistics_ok = !self.world.any(is_bad)?;
        if self.scaler.is_enabled() {
            let (scale, _) = self.scaler.state()?;
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
            "{reason}: weights and optimiser are those of the last saved state again; the data goes on from here"
        ));
        Ok(())
    }

    fn statistics_are_finite(&self) -> Result<bool> {
        for named in self.network.tensors() {
            if !named.kind.is_parameter() && !all_finite(&named.tensor)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Name of the first tensor, from the input on, whose gradient is not finite.
    fn first_non_finite(&self, gradients: &[Tensor]) -> Result<String> {
        let parameters = self.optimizer.parameters();
        for named in self.network.tensors() {
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
