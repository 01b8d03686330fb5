//! What happens when numbers are not finite: a step is skipped, then the last saved state is restored, then the run ends.

use anyhow::{Context, Result, bail};
use tch::Tensor;
use torch_ext::optim::all_finite;

use super::Trainer;
use crate::checkpoint::state;

impl Trainer {
    /// Looks at what the steps since the last look left: skipped ones where the device decided by itself, and numbers of
    /// the network that are not finite although every gradient was (BatchNorm's statistics overflow first). All
    /// processes look at the same steps, because what follows must happen on all.
    pub(super) fn look(&mut self) -> Result<()> {
        if let Some(skips) = self.engine.take_skips()? {
            self.progress.skipped += skips.in_all;
            self.progress.running.skipped += skips.in_all as f64;
            self.progress.skipped_in_row = skips.in_row;
            if skips.in_all > 0 && !self.is_ordinary_overflow()? {
                self.reporter.line(format!(
                    "epoch {} up to step {}: gradients of {} steps were not finite; those steps were skipped",
                    self.progress.epoch + 1,
                    self.progress.step_in_epoch,
                    skips.in_all
                ));
            }
            if skips.in_row > self.recipe.non_finite.skip_budget {
                return self
                    .restore_last(&format!("{} steps in a row were not finite", skips.in_row));
            }
        }
        let culprit = self.first_non_finite_tensor()?;
        if self.collective.any(culprit.is_some())? {
            let name = culprit.unwrap_or_else(|| "a tensor of another process".into());
            return self.restore_last(&format!("{name} is not finite"));
        }
        Ok(())
    }

    /// A step whose gradients were not finite: counted, and after too many in a row the last good state is restored.
    pub(super) fn skip(&mut self, gradients: &[Tensor]) -> Result<()> {
        self.progress.skipped += 1;
        self.progress.running.skipped += 1.0;
        // Agreed on, because what follows from it must happen on all processes.
        let culprit = self.first_non_finite_statistic()?;
        let statistics_ok = !self.collective.any(culprit.is_some())?;
        if statistics_ok && self.is_ordinary_overflow()? {
            return Ok(());
        }
        self.progress.skipped_in_row += 1;
        let epoch = self.progress.epoch + 1;
        let step = self.progress.step_in_epoch;
        let first = self.first_non_finite_gradient(gradients)?;
        self.reporter.line(format!(
            "epoch {epoch} step {step}: gradients are not finite (first in {first}); step skipped"
        ));
        if !statistics_ok {
            let name = culprit.unwrap_or_else(|| "a statistic of another process".into());
            return self.restore_last(&format!("{name} is not finite"));
        }
        if self.progress.skipped_in_row > self.recipe.non_finite.skip_budget {
            let reason = format!(
                "{} steps in a row were not finite (first in {first})",
                self.progress.skipped_in_row
            );
            return self.restore_last(&reason);
        }
        Ok(())
    }

    /// An overflow that a smaller loss scale mends: part of fp16's normal life.
    fn is_ordinary_overflow(&self) -> Result<bool> {
        if !self.engine.scaler.is_enabled() {
            return Ok(false);
        }
        let (scale, _) = self.engine.scaler.state()?;
        Ok(scale > self.recipe.non_finite.min_loss_scale)
    }

    /// Restores the tensors of the last saved state; the position stays, so that the data goes on.
    fn restore_last(&mut self, reason: &str) -> Result<()> {
        if self.progress.rollbacks >= self.recipe.non_finite.rollback_budget {
            bail!(
                "{reason}, after {} restorations: the run diverges. The last good state is kept; lower the learning rate \
                 (--lr) or clip gradients (--set optimizer.clip_norm=1)",
                self.progress.rollbacks
            );
        }
        // Rank 0 may still be writing the state that all read now.
        self.collective.barrier()?;
        let (progress, file) = state::read_progress(&self.run.state())
            .with_context(|| format!("{reason}; restoring the last good state"))?;
        self.restore(&progress, &file)?;
        self.progress.rollbacks += 1;
        self.progress.skipped_in_row = 0;
        self.reporter.line(format!(
            "epoch {} step {}: {reason}: weights and optimizer are those of the last saved state again; the data goes on \
             from here",
            self.progress.epoch + 1,
            self.progress.step_in_epoch
        ));
        Ok(())
    }

    /// Name of the first tensor of the network or of its averages that is not finite.
    pub(super) fn first_non_finite_tensor(&self) -> Result<Option<String>> {
        let network = self.engine.network.tensors().iter();
        let mut all: Vec<(&str, &Tensor)> = network.map(|t| (t.name.as_str(), &t.tensor)).collect();
        let averages = self.engine.ema.as_ref().map(|ema| ema.state());
        let averages = averages.unwrap_or_default();
        all.extend(
            averages
                .iter()
                .map(|(name, tensor)| (name.as_str(), tensor)),
        );
        first_non_finite(&all)
    }

    fn first_non_finite_statistic(&self) -> Result<Option<String>> {
        let tensors = self.engine.network.tensors().iter();
        let statistics = tensors.filter(|named| !named.kind.is_parameter());
        let all: Vec<(&str, &Tensor)> = statistics.map(|t| (t.name.as_str(), &t.tensor)).collect();
        first_non_finite(&all)
    }

    /// Name of the first tensor, from the input on, whose gradient is not finite.
    fn first_non_finite_gradient(&self, gradients: &[Tensor]) -> Result<String> {
        let parameters = self.engine.optimizer.parameters();
        for named in self.engine.network.tensors() {
            let position = parameters
                .iter()
                .position(|p| p.data_ptr() == named.tensor.data_ptr());
            if let Some(gradient) = position.and_then(|index| gradients.get(index))
                && !all_finite(&[gradient])?
            {
                return Ok(named.name.clone());
            }
        }
        Ok("the loss".into())
    }
}

/// One question for all; only where the answer is bad, one for each.
fn first_non_finite(tensors: &[(&str, &Tensor)]) -> Result<Option<String>> {
    let all: Vec<&Tensor> = tensors.iter().map(|(_, tensor)| *tensor).collect();
    if all_finite(&all)? {
        return Ok(None);
    }
    for (name, tensor) in tensors {
        if !all_finite(&[*tensor])? {
            return Ok(Some((*name).to_owned()));
        }
    }
    Ok(None)
}
