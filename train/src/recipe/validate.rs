//! Whether a recipe's values make sense, before anything is built from them.

use anyhow::{Result, bail};

use super::{OptimizerKind, Recipe, ScheduleKind};

impl Recipe {
    /// Checks every value that has a range.
    ///
    /// # Errors
    /// Names the key, what it may hold and what it holds.
    pub fn validate(&self) -> Result<()> {
        positive("epochs", self.epochs)?;
        positive("batch_size", self.batch_size as u64)?;
        positive("accumulate_steps", self.accumulate_steps as u64)?;
        if let Some(workers) = self.workers {
            positive("workers", workers as u64)?;
        }
        if let Some(threads) = self.threads {
            positive("threads", threads as u64)?;
        }
        self.preprocessing.validate()?;
        model_core::arch::by_name(&self.arch, 1)?;
        self.validate_optimization()?;
        self.validate_augment()?;
        positive("evaluation.every_epochs", self.evaluation.every_epochs)?;
        if self.preprocessing.crop[0] != self.preprocessing.crop[1] {
            bail!(
                "preprocessing.crop: expected a square for training, got {:?}",
                self.preprocessing.crop
            );
        }
        if self.checkpoints.save_every_minutes.is_nan() || self.checkpoints.save_every_minutes < 0.0
        {
            bail!(
                "checkpoints.save_every_minutes: expected 0 or more, got {}",
                self.checkpoints.save_every_minutes
            );
        }
        Ok(())
    }

    fn validate_optimization(&self) -> Result<()> {
        let o = &self.optimizer;
        above("optimizer.learning_rate", o.learning_rate, 0.0)?;
        within("optimizer.momentum", o.momentum, 0.0, 1.0)?;
        within("optimizer.weight_decay", o.weight_decay, 0.0, 10.0)?;
        within("optimizer.betas[0]", o.betas[0], 0.0, 1.0)?;
        within("optimizer.betas[1]", o.betas[1], 0.0, 1.0)?;
        within("optimizer.body_lr_factor", o.body_lr_factor, 0.0, 100.0)?;
        if let Some(norm) = o.clip_norm {
            above("optimizer.clip_norm", norm, 0.0)?;
        }
        if o.reference_batch == Some(0) {
            bail!("optimizer.reference_batch: expected 1 or more, got 0");
        }
        if o.nesterov && (o.kind != OptimizerKind::Sgd || o.momentum == 0.0) {
            bail!("optimizer.nesterov: expected sgd with momentum above 0");
        }
        let s = &self.schedule;
        within("schedule.warmup_epochs", s.warmup_epochs, 0.0, 1e6)?;
        within(
            "schedule.warmup_start_factor",
            s.warmup_start_factor,
            0.0,
            1.0,
        )?;
        within(
            "schedule.final_learning_rate",
            s.final_learning_rate,
            0.0,
            1e9,
        )?;
        if s.kind == ScheduleKind::Step {
            above("schedule.step_epochs", s.step_epochs, 0.0)?;
            within("schedule.step_factor", s.step_factor, 0.0, 1.0)?;
        }
        within(
            "loss.label_smoothing",
            self.loss.label_smoothing,
            0.0,
            0.999,
        )?;
        if let Some(ema) = &self.ema {
            within("ema.decay", ema.decay, 0.0, 1.0)?;
            if ema.every_steps == 0 {
                bail!("ema.every_steps: expected 1 or more, got 0");
            }
        }
        Ok(())
    }

    fn validate_augment(&self) -> Result<()> {
        let a = &self.augment;
        for (key, side) in
            [("augment.image_size", a.image_size)]
                .into_iter()
                .chain(a.progressive.iter().flat_map(|p| {
                    [
                        ("augment.progressive.start_size", p.start_size),
                        ("augment.progressive.end_size", p.end_size),
                    ]
                }))
        {
            if !(8..=4096).contains(&side) {
                bail!("{key}: expected 8 to 4096 pixels, got {side}");
            }
        }
        if let Some(p) = a.progressive
            && p.end_epoch <= p.start_epoch
        {
            bail!(
                "augment.progressive.end_epoch: expected more than start_epoch ({}), got {}",
                p.start_epoch,
                p.end_epoch
            );
        }
        range("augment.scale", a.scale, 1.0)?;
        range("augment.ratio", a.ratio, 100.0)?;
        within("augment.flip_probability", a.flip_probability, 0.0, 1.0)?;
        within(
            "augment.erasing_probability",
            a.erasing_probability,
            0.0,
            1.0,
        )?;
        within("augment.mixup_alpha", a.mixup_alpha, 0.0, 100.0)?;
        within("augment.cutmix_alpha", a.cutmix_alpha, 0.0, 100.0)?;
        within(
            "augment.policy_magnitude",
            f64::from(a.policy_magnitude),
            0.0,
            30.0,
        )?;
        if a.repeats == 0 {
            bail!("augment.repeats: expected 1 or more, got 0");
        }
        if let Some(jitter) = a.color_jitter {
            within(
                "augment.color_jitter.brightness",
                jitter.brightness,
                0.0,
                10.0,
            )?;
            within("augment.color_jitter.contrast", jitter.contrast, 0.0, 10.0)?;
            within(
                "augment.color_jitter.saturation",
                jitter.saturation,
                0.0,
                10.0,
            )?;
            within("augment.color_jitter.hue", jitter.hue, 0.0, 0.5)?;
        }
        Ok(())
    }
}

fn positive(key: &str, value: impl Into<u64>) -> Result<()> {
    if value.into() == 0 {
        bail!("{key}: expected 1 or more, got 0");
    }
    Ok(())
}

fn above(key: &str, value: f64, least: f64) -> Result<()> {
    if !(value > least && value.is_finite()) {
        bail!("{key}: expected more than {least}, got {value}");
    }
    Ok(())
}

fn within(key: &str, value: f64, least: f64, most: f64) -> Result<()> {
    if !(least..=most).contains(&value) {
        bail!("{key}: expected {least} to {most}, got {value}");
    }
    Ok(())
}

fn range(key: &str, [low, high]: [f64; 2], most: f64) -> Result<()> {
    if !(low > 0.0 && low <= high && high <= most) {
        bail!("{key}: expected 0 < low <= high <= {most}, got [{low}, {high}]");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::load::from_text;

    #[test]
    fn values_out_of_range_are_named() {
        for (text, expected) in [
            ("epochs: 0", "epochs: expected 1 or more, got 0"),
            (
                "optimizer: {learning_rate: 0}",
                "optimizer.learning_rate: expected more than 0, got 0",
            ),
            (
                "augment: {scale: [0.5, 0.1]}",
                "augment.scale: expected 0 < low <= high <= 1, got [0.5, 0.1]",
            ),
            (
                "schedule: {warmup_epochs: -1}",
                "schedule.warmup_epochs: expected 0 to 1000000, got -1",
            ),
        ] {
            let error = from_text(text, &[]).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }
}
