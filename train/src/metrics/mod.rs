//! What a run measures: a record an epoch, a record every so many steps, and the table that says how each number is shown.
//!
//! Adding a number of the epoch takes a field of [`EpochRecord`], a line of [`table::METRICS`], and the place that
//! measures it; the files, TensorBoard, the terminal and the plots follow the table.

mod files;
pub mod table;

use serde::{Deserialize, Serialize};

pub use files::{append_step, keep_steps_until, read, read_steps, write};

/// Everything known of a finished epoch. Fields that an older version did not write read as their default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Optimizer steps attempted since the start of the run.
    pub step: u64,
    /// What the last step of the epoch was taken at.
    pub learning_rate: f64,
    /// Mean over the epoch's images, on augmented images and with whatever the loss includes (smoothing, mixing).
    pub train_loss: f64,
    /// Percent, on augmented images while the weights move.
    pub train_top1_percent: f64,
    /// Percent.
    pub train_top5_percent: f64,
    /// Plain cross-entropy; none where the epoch was not validated.
    pub val_loss: Option<f64>,
    /// Percent.
    pub val_top1_percent: Option<f64>,
    /// Percent.
    pub val_top5_percent: Option<f64>,
    /// Mean of the classes' top-1 accuracies, percent.
    pub val_class_mean_percent: Option<f64>,
    /// The same of the network's own weights, where the run validates their average and them.
    pub raw_val_loss: Option<f64>,
    /// Percent.
    pub raw_val_top1_percent: Option<f64>,
    /// Percent.
    pub raw_val_top5_percent: Option<f64>,
    /// Percent.
    pub raw_val_class_mean_percent: Option<f64>,
    /// Images trained on.
    pub train_images: u64,
    /// Images validated on.
    pub val_images: u64,
    /// Images that could not be read and were not known before.
    pub bad_images: u64,
    /// Training only.
    pub train_secs: f64,
    /// Validation only.
    pub val_secs: f64,
    /// Training throughput over all devices.
    pub images_per_sec: f64,
    /// Share of the training time spent waiting for data.
    pub data_wait_percent: f64,
    /// Steps skipped for gradients that were not finite.
    pub skipped_steps: u64,
    /// Most memory in use so far: tensors on a GPU, the process on a CPU.
    pub peak_memory_bytes: Option<u64>,
    /// Images of a step, over all processes; 0 in records of older versions.
    pub global_batch: u64,
    /// Images that a process computed at a time at the end of the epoch, which BatchNorm took its statistics over; 0 in
    /// records of older versions.
    pub micro_batch: u64,
    /// When the epoch ended, in seconds since 1970; 0 in records of older versions.
    pub unix_secs: f64,
}

/// The run at one step, over the steps since the record before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepRecord {
    /// Where the step began: 2.25 is a quarter into the third epoch.
    pub epoch: f64,
    /// Optimizer steps attempted since the start of the run, this one included.
    pub step: u64,
    /// What this step was taken at.
    pub learning_rate: f64,
    /// Mean loss; none where no step was finite.
    pub loss: Option<f64>,
    /// Percent.
    pub top1_percent: Option<f64>,
    /// Throughput over all devices.
    pub images_per_sec: f64,
    /// Share of the time spent waiting for data.
    pub data_wait_percent: f64,
    /// In use: tensors on a GPU, the process on a CPU.
    pub memory_bytes: Option<u64>,
    /// When, in seconds since 1970.
    pub unix_secs: f64,
}

/// Sums over part of an epoch; kept exactly, so that a resumed epoch reports what an uninterrupted one would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Loss times images.
    pub loss: f64,
    /// Images whose label came first.
    pub top1: f64,
    /// Images whose label was among five.
    pub top5: f64,
    /// Images.
    pub images: f64,
    /// Seconds of training.
    pub secs: f64,
    /// Seconds of waiting for data.
    pub data_secs: f64,
    /// Steps skipped.
    pub skipped: f64,
}

impl Running {
    /// Mean loss, top-1 and top-5 in percent.
    pub fn means(&self) -> (f64, f64, f64) {
        let images = self.images.max(1.0);
        (
            self.loss / images,
            100.0 * self.top1 / images,
            100.0 * self.top5 / images,
        )
    }

    /// The share of the time that was waiting for data.
    pub fn data_wait_percent(&self) -> f64 {
        100.0 * self.data_secs / self.secs.max(1e-9)
    }

    /// What came since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            loss: self.loss - before.loss,
            top1: self.top1 - before.top1,
            top5: self.top5 - before.top5,
            images: self.images - before.images,
            secs: self.secs - before.secs,
            data_secs: self.data_secs - before.data_secs,
            skipped: self.skipped - before.skipped,
        }
    }
}

/// Seconds since 1970.
pub fn unix_secs() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
