//! What follows from a recipe: batch sizes over all processes, the scaled learning rate, which epoch is the best.

use std::str::FromStr;

use super::{BestMetric, MicroBatchRule, MicroBatchSize, Recipe};
use crate::evaluate::Evaluation;

impl FromStr for MicroBatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Rule(MicroBatchRule::Auto)),
            "off" => Ok(Self::Rule(MicroBatchRule::Off)),
            number => number
                .parse()
                .map(Self::Images)
                .map_err(|_| "expected auto, off or a number of images".to_owned()),
        }
    }
}

impl Recipe {
    /// Images behind one optimizer step, over all devices.
    pub fn global_batch(&self, world_size: usize) -> u64 {
        (self.batch_size * self.accumulate_steps * world_size) as u64
    }

    /// Images behind one set of BatchNorm statistics: a device's batch, or with `sync_batch_norm` that of all devices.
    pub fn norm_batch(&self, world_size: usize) -> usize {
        self.batch_size * if self.sync_batch_norm { world_size } else { 1 }
    }

    /// Side of the smallest training images of the run, in pixels.
    pub fn smallest_side(&self) -> u32 {
        match self.augment.progressive {
            Some(sizing) => sizing.start_size.min(sizing.end_size),
            None => self.augment.image_size,
        }
    }

    /// Deals the same global batch to `now` processes instead of `was`: the batch of a device stays as large as it may be
    /// without growing, the rest is accumulated.
    ///
    /// # Errors
    /// It cannot be divided.
    pub fn keep_global_batch(&mut self, was: usize, now: usize) -> anyhow::Result<()> {
        let global = self.batch_size * self.accumulate_steps * was;
        let now = now.max(1);
        if !global.is_multiple_of(now) {
            anyhow::bail!(
                "the global batch of {global} images ({was} processes x {} x {}) cannot be divided among {now} processes: \
                 give --batch-size and --accumulate to go on with another",
                self.batch_size,
                self.accumulate_steps
            );
        }
        let each = global / now;
        let fits = |steps: &usize| each.is_multiple_of(*steps) && each / steps <= self.batch_size;
        // `each` steps of one image always fit.
        self.accumulate_steps = (1..=each).find(fits).unwrap_or(each);
        self.batch_size = each / self.accumulate_steps;
        Ok(())
    }

    /// The peak learning rate after linear scaling, with the rule in words.
    pub fn peak_learning_rate(&self, world_size: usize) -> (f64, String) {
        let rate = self.optimizer.learning_rate;
        let batch = self.global_batch(world_size);
        let scaled = self.peak_rate_of(batch);
        match self.optimizer.reference_batch {
            None => (
                rate,
                format!("{rate} as given (no linear scaling; global batch {batch})"),
            ),
            Some(reference) => (
                scaled,
                format!("{rate} x {batch} / {reference} = {scaled:.6} (linear scaling)"),
            ),
        }
    }

    /// The peak learning rate for steps of `global_batch` images, linear scaling included.
    pub fn peak_rate_of(&self, global_batch: u64) -> f64 {
        let rate = self.optimizer.learning_rate;
        match self.optimizer.reference_batch {
            None => rate,
            Some(reference) => rate * global_batch as f64 / reference as f64,
        }
    }
}

impl BestMetric {
    /// The metric's value in a validation.
    pub fn of(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Top1 => evaluation.top1_percent,
            Self::Top5 => evaluation.top5_percent,
            Self::ClassMean => evaluation.class_mean_percent,
            Self::Loss => evaluation.loss,
        }
    }

    /// Whether `value` is better than `other`.
    pub fn is_better(self, value: f64, other: f64) -> bool {
        match self {
            Self::Top1 | Self::Top5 | Self::ClassMean => value > other,
            Self::Loss => value < other,
        }
    }

    /// A value in words: `92.10 % top-1`.
    pub fn describe(self, value: f64) -> String {
        match self {
            Self::Top1 => format!("{value:.2} % top-1"),
            Self::Top5 => format!("{value:.2} % top-5"),
            Self::ClassMean => format!("{value:.2} % top-1 in the mean of the classes"),
            Self::Loss => format!("validation loss {value:.4}"),
        }
    }
}
