//! Whether a recipe's values make sense, before anything is built from them.

use anyhow::{Result, bail};
use model_core::arch::{Op, Shape};
use model_core::preprocessing::Layout;

use crate::whitening::whitening_convolution;

use super::{ClassWeights, MicroBatchSize, OptimizerKind, Recipe, ScheduleKind};

/// More threads than this are a slip of the keyboard: no machine has so many cores.
const MOST_THREADS: usize = 1024;

impl Recipe {
    /// Checks every value that has a range.
    ///
    /// # Errors
    /// Names the key, what it may hold and what it holds.
    pub fn validate(&self) -> Result<()> {
        count("epochs", u64::from(self.epochs), 1_000_000)?;
        count("batch_size", self.batch_size as u64, 1 << 20)?;
        count("accumulate_steps", self.accumulate_steps as u64, 1 << 20)?;
        if let MicroBatchSize::Images(images) = self.micro_batch_size {
            count("micro_batch_size", images as u64, 1 << 20)?;
        }
        for (key, threads) in [("workers", self.workers), ("threads", self.threads)] {
            if let Some(threads) = threads {
                count(key, threads as u64, MOST_THREADS as u64)?;
            }
        }
        self.validate_data()?;
        self.preprocessing.validate()?;
        if self.preprocessing.layout != Layout::Nchw {
            bail!("preprocessing.layout: expected nchw for training, got nhwc");
        }
        if self.preprocessing.crop[0] != self.preprocessing.crop[1] {
            bail!(
                "preprocessing.crop: expected a square for training, got {:?}",
                self.preprocessing.crop
            );
        }
        self.validate_optimization()?;
        self.augment.validate()?;
        self.validate_network()?;
        self.validate_cuda_graphs()?;
        self.validate_evaluation()
    }

    fn validate_data(&self) -> Result<()> {
        if let (Some(images), Some(data)) = (self.synthetic, &self.data) {
            bail!(
                "synthetic: expected null where data is given ({}), got {images}",
                data.display()
            );
        }
        if let Some(images) = self.synthetic {
            count("synthetic", images, u64::MAX)?;
        }
        if let Some(share) = self.val_split
            && !(share > 0.0 && share < 1.0)
        {
            bail!("val_split: expected more than 0 and less than 1, got {share}");
        }
        if let Some(steps) = self.max_steps {
            count("max_steps", steps, u64::MAX)?;
        }
        Ok(())
    }

    fn validate_network(&self) -> Result<()> {
        let architecture = model_core::arch::by_name(&self.arch, 1)?;
        within("stochastic_depth", self.stochastic_depth, 0.0, 0.99)?;
        if let Some(p) = self.dropout {
            within("dropout", p, 0.0, 0.99)?;
        }
        if let Some(images) = self.whitening_images {
            count("whitening_images", images, u64::MAX)?;
            if whitening_convolution(&architecture).is_none() {
                bail!(
                    "whitening_images: expected null for {}, whose first convolution does not have two filters for each \
                     number of a patch, got {images}",
                    self.arch
                );
            }
            if let Some(init) = &self.init {
                bail!(
                    "whitening_images: expected null where init is given ({}), got {images}",
                    init.display()
                );
            }
        }
        if self.batch_size > 1 || self.sync_batch_norm {
            return Ok(());
        }
        // PyTorch's "Expected more than 1 value per channel when training".
        let side = (0..self.epochs).map(|epoch| self.augment.size_at(epoch));
        let side = side.min().unwrap_or(self.augment.image_size) as usize;
        let graph = architecture.graph();
        for (node, shape) in graph.nodes.iter().zip(graph.shapes([side, side])) {
            if let (
                Op::BatchNorm(norm),
                Shape::Map {
                    height: 1,
                    width: 1,
                    ..
                },
            ) = (&node.op, shape)
                && !self
                    .freeze
                    .iter()
                    .any(|prefix| norm.name.starts_with(prefix))
            {
                bail!(
                    "batch_size: expected 2 or more for {} at {side} pixels, whose {} would see one number a channel, got 1",
                    self.arch,
                    norm.name
                );
            }
        }
        Ok(())
    }

    fn validate_evaluation(&self) -> Result<()> {
        let evaluation = &self.evaluation;
        count(
            "evaluation.every_epochs",
            u64::from(evaluation.every_epochs),
            1_000_000,
        )?;
        if let Some(batch) = evaluation.batch_size {
            count("evaluation.batch_size", batch as u64, 1 << 20)?;
        }
        if let Some(patience) = evaluation.patience {
            count("evaluation.patience", u64::from(patience), 1_000_000)?;
            if evaluation.skip {
                bail!("evaluation.patience: expected null without validation, got {patience}");
            }
        }
        let checkpoints = &self.checkpoints;
        within(
            "checkpoints.save_every_minutes",
            checkpoints.save_every_minutes,
            0.0,
            1e9,
        )?;
        above(
            "non_finite.min_loss_scale",
            self.non_finite.min_loss_scale,
            0.0,
        )
    }

    fn validate_optimization(&self) -> Result<()> {
        let o = &self.optimizer;
        above("optimizer.learning_rate", o.learning_rate, 0.0)?;
        within("optimizer.momentum", o.momentum, 0.0, 1.0)?;
        within("optimizer.weight_decay", o.weight_decay, 0.0, 10.0)?;
        within("optimizer.betas[0]", o.betas[0], 0.0, 1.0)?;
        within("optimizer.betas[1]", o.betas[1], 0.0, 1.0)?;
        above("optimizer.eps", o.eps, 0.0)?;
        within("optimizer.body_lr_factor", o.body_lr_factor, 0.0, 100.0)?;
        within(
            "optimizer.norm_bias_lr_factor",
            o.norm_bias_lr_factor,
            0.0,
            1000.0,
        )?;
        within("optimizer.layer_decay", o.layer_decay, 0.01, 1.0)?;
        if let Some(norm) = o.clip_norm {
            above("optimizer.clip_norm", norm, 0.0)?;
        }
        if o.reference_batch == Some(0) {
            bail!("optimizer.reference_batch: expected 1 or more, got 0");
        }
        if o.nesterov && (o.kind != OptimizerKind::Sgd || o.momentum == 0.0) {
            bail!("optimizer.nesterov: expected sgd with momentum above 0");
        }
        self.validate_schedule()?;
        within(
            "loss.label_smoothing",
            self.loss.label_smoothing,
            0.0,
            0.999,
        )?;
        if let Some(threshold) = self.loss.target_threshold {
            within("loss.target_threshold", threshold, 0.0, 1.0)?;
        }
        if let Some(ClassWeights::Each(weights)) = &self.loss.class_weights {
            for (class, &weight) in weights {
                above(&format!("loss.class_weights.{class}"), weight, 0.0)?;
            }
        }
        if let Some(ema) = &self.ema {
            within("ema.decay", ema.decay, 0.0, 1.0)?;
            count("ema.every_steps", ema.every_steps, u64::MAX)?;
            if let Some(images) = ema.statistics_images {
                count("ema.statistics_images", images, u64::MAX)?;
            }
        }
        Ok(())
    }

    fn validate_schedule(&self) -> Result<()> {
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
        if matches!(s.kind, ScheduleKind::Step | ScheduleKind::MultiStep) {
            within("schedule.step_factor", s.step_factor, 0.0, 1.0)?;
        }
        if s.kind == ScheduleKind::Step {
            above("schedule.step_epochs", s.step_epochs, 0.0)?;
        }
        let rises = s.milestones.is_sorted_by(|a, b| a < b);
        let is_positive = s
            .milestones
            .iter()
            .all(|&epoch| epoch > 0.0 && epoch.is_finite());
        if s.kind == ScheduleKind::MultiStep && (s.milestones.is_empty() || !rises || !is_positive)
        {
            bail!(
                "schedule.milestones: expected rising epochs above 0, got {:?}",
                s.milestones
            );
        }
        Ok(())
    }
}

fn count(key: &str, value: u64, most: u64) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    if most == u64::MAX {
        bail!("{key}: expected 1 or more, got {value}");
    }
    bail!("{key}: expected 1 to {most}, got {value}");
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

#[cfg(test)]
mod tests {
    use super::super::load::from_text;

    #[test]
    fn values_out_of_range_are_named() {
        for (text, expected) in [
            ("epochs: 0", "epochs: expected 1 to 1000000, got 0"),
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
            (
                "evaluation: {batch_size: 0}",
                "evaluation.batch_size: expected 1 to 1048576, got 0",
            ),
            (
                "evaluation: {stop_after_epochs: 0}",
                "evaluation.patience: expected 1 to 1000000, got 0",
            ),
            (
                "optimizer: {eps: -1}",
                "optimizer.eps: expected more than 0, got -1",
            ),
            (
                "loss: {target_threshold: 5}",
                "loss.target_threshold: expected 0 to 1, got 5",
            ),
            (
                "loss: {class_weights: {cat: 0}}",
                "loss.class_weights.cat: expected more than 0, got 0",
            ),
            (
                "non_finite: {min_loss_scale: -5}",
                "non_finite.min_loss_scale: expected more than 0, got -5",
            ),
            (
                "augment: {policy_ops: 1000}",
                "augment.policy_ops: expected 1 to 64, got 1000",
            ),
            (
                "micro_batch_size: 0",
                "micro_batch_size: expected 1 to 1048576, got 0",
            ),
            (
                "micro_batch_size: half",
                "micro_batch_size: expected auto, off or a number of images",
            ),
            ("workers: 100000", "workers: expected 1 to 1024, got 100000"),
            (
                "val_split: 1",
                "val_split: expected more than 0 and less than 1, got 1",
            ),
            (
                "schedule: {kind: multi_step, milestones: [60, 30]}",
                "schedule.milestones: expected rising epochs above 0, got [60.0, 30.0]",
            ),
            (
                "{data: d, synthetic: 100}",
                "synthetic: expected null where data is given (d), got 100",
            ),
        ] {
            let error = from_text(text, &[]).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }

    #[test]
    fn a_batch_of_one_where_batch_norm_sees_one_number_is_refused() {
        let text = "{arch: resnet_tiny, batch_size: 1, augment: {image_size: 32}}";
        let error = from_text(text, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("batch_size: expected 2 or more for resnet_tiny at 32 pixels"),
            "{error}"
        );
        from_text(&text.replace("32", "64"), &[]).unwrap();
        from_text(&text.replace("batch_size: 1", "batch_size: 2"), &[]).unwrap();
    }
}
