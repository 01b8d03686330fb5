//! What a run leaves for people and other programs after each epoch: metrics files, plots, TensorBoard events.

use anyhow::Result;

use crate::metrics::{self, EpochRecord};
use crate::recipe::Recipe;
use crate::run_dir::RunDir;

/// Writes the reports of one run.
#[derive(Debug, Default)]
pub struct Reports {}

impl Reports {
    /// Writes everything anew from the whole history.
    pub fn write(&mut self, history: &[EpochRecord], run: &RunDir, _recipe: &Recipe) -> Result<()> {
        metrics::write(history, &run.jsonl(), &run.npz())
    }
}
