//! What a run leaves for people and other programs after each epoch: metrics files, plots, TensorBoard events.

pub mod chart;
pub mod plots;
pub mod tensorboard;

use anyhow::Result;

use crate::metrics::{self, EpochRecord};
use crate::run_dir::RunDir;
use crate::schedule::Schedule;

/// Writes every report anew from the whole history.
///
/// # Errors
/// A file cannot be written.
pub fn write(history: &[EpochRecord], schedule: &Schedule, run: &RunDir) -> Result<()> {
    metrics::write(history, &run.jsonl(), &run.npz())?;
    tensorboard::write(history, &run.tensorboard())?;
    let step = history.last().map_or(0, |record| record.step);
    plots::metrics(&[("run", history)], &run.plots())?;
    plots::learning_rate(schedule, step, &run.plots())
}
