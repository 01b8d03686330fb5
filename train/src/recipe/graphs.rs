//! What a recipe with `cuda_graphs` may not hold: whatever changes from step to step by the host's will, because a step
//! that is replayed is the step of before.

use anyhow::{Result, bail};

use super::{MicroBatchSize, OptimizerKind, Recipe};

impl Recipe {
    /// Checks that a step can be captured.
    ///
    /// # Errors
    /// Names the key that it cannot go with.
    pub(super) fn validate_cuda_graphs(&self) -> Result<()> {
        if !self.cuda_graphs {
            return Ok(());
        }
        let refused = |with: String| bail!("cuda_graphs: expected false with {with}, got true");
        if self.optimizer.kind == OptimizerKind::Lamb {
            return refused("optimizer.kind lamb, whose steps are counted on the host".into());
        }
        if self.accumulate_steps > 1 {
            let batches = self.accumulate_steps;
            return refused(format!(
                "accumulate_steps {batches}: one batch is captured, no more"
            ));
        }
        if let MicroBatchSize::Images(images) = self.micro_batch_size
            && images < self.batch_size
        {
            return refused(format!(
                "micro_batch_size {images}: a batch is captured as a whole"
            ));
        }
        if self.gradient_checkpointing {
            return refused("gradient_checkpointing, which is for large networks".into());
        }
        if self.sync_batch_norm {
            return refused("sync_batch_norm, for which processes wait for each other".into());
        }
        let augment = &self.augment;
        let is_mixing = augment.mixup_alpha > 0.0 || augment.cutmix_alpha > 0.0;
        let takes_turns = augment.mix_probability > 0.0 && augment.mix_probability < 1.0;
        if is_mixing && takes_turns {
            return refused(format!(
                "augment.mix_probability {}: steps with labels and with mixed labels take turns",
                augment.mix_probability
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::from_text;

    #[test]
    fn what_a_graph_cannot_hold_is_named() {
        for (with, expected) in [
            (
                "optimizer: {kind: lamb}",
                "optimizer.kind lamb, whose steps are counted on the host",
            ),
            (
                "accumulate_steps: 2",
                "accumulate_steps 2: one batch is captured, no more",
            ),
            (
                "batch_size: 8, micro_batch_size: 4",
                "micro_batch_size 4: a batch is captured as a whole",
            ),
            (
                "gradient_checkpointing: true",
                "gradient_checkpointing, which is for large networks",
            ),
            (
                "sync_batch_norm: true",
                "sync_batch_norm, for which processes wait for each other",
            ),
            (
                "augment: {mixup_alpha: 0.2, mix_probability: 0.5}",
                "augment.mix_probability 0.5: steps with labels and with mixed labels take turns",
            ),
        ] {
            let error = from_text(&format!("{{cuda_graphs: true, {with}}}"), &[]).unwrap_err();
            let expected = format!("cuda_graphs: expected false with {expected}, got true");
            assert_eq!(error.to_string(), expected);
            from_text(&format!("{{{with}}}"), &[]).unwrap();
        }
        for with in [
            "batch_size: 8, micro_batch_size: 8",
            "optimizer: {kind: adamw, clip_norm: 1}, ema: {}",
            "augment: {mixup_alpha: 0.2, cutmix_alpha: 1}, dropout: 0.2, stochastic_depth: 0.1",
        ] {
            from_text(&format!("{{cuda_graphs: true, {with}}}"), &[]).unwrap();
        }
    }
}
