//! What a run leaves for people and other programs: metrics files and plots after each epoch, TensorBoard events and step
//! records as it goes.

pub mod chart;
pub mod plots;
pub mod tensorboard;

use anyhow::Result;

use crate::metrics::{self, EpochRecord};
use crate::run_dir::RunDir;
use crate::schedule::Schedule;

/// Draws the plots anew from what the run recorded.
///
/// # Errors
/// A file cannot be read or written.
pub fn draw(history: &[EpochRecord], schedule: &Schedule, now: f64, run: &RunDir) -> Result<()> {
    plots::metrics(&[("run", history)], &run.plots())?;
    let steps = metrics::read_steps(&run.steps())?;
    let used = plots::rates_used(history, &steps);
    plots::learning_rate(&used, Some(schedule), now, &run.plots())
}
