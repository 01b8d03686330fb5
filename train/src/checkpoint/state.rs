//! Everything an exact resume needs, in one file: weights, optimizer, averages, scaler, position, history, recipe.
//!
//! One file, so that a kill between two writes can never leave halves of different moments.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::file::TensorFile;
use crate::ema::Ema;
use crate::metrics::{EpochRecord, Running};
use crate::model::Network;
use crate::optim::Optimizer;

const STATE_KEY: &str = "resnet50_toolkit.state";

/// Where a run is: all but its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: u32,
    /// Optimizer steps attempted in the unfinished epoch.
    pub step_in_epoch: u64,
    /// Optimizer steps attempted in the run: the schedule's clock.
    pub step: u64,
    /// Optimizer steps taken: attempts less the skipped ones.
    pub optimizer_steps: i64,
    /// Training batches seen by BatchNorm.
    pub batches_tracked: i64,
    /// Loss scale and its count of finite steps.
    pub scaler: (f64, i64),
    /// Sums over the unfinished epoch.
    pub running: Running,
    /// Best value so far of the recipe's metric, and its epoch (from 1).
    pub best: Option<(f64, u32)>,
    /// Steps skipped for non-finite gradients, in a row and in all.
    pub skipped_in_row: u32,
    /// In all.
    pub skipped: u64,
    /// Restorations of the last good state.
    pub rollbacks: u32,
    /// One record a finished epoch.
    pub history: Vec<EpochRecord>,
    /// Seconds spent so far, over all parts of the run.
    pub elapsed_secs: f64,
    /// Processes that the recipe's batch size is for.
    #[serde(default = "one")]
    pub processes: usize,
    /// The resolved recipe as YAML.
    pub recipe: String,
}

fn one() -> usize {
    1
}

/// What the tensors of a state belong to.
pub struct Parts<'a> {
    /// The network as it trains (not the averages).
    pub network: &'a mut Network,
    /// Its optimizer.
    pub optimizer: &'a mut Optimizer,
    /// Its averages.
    pub ema: Option<&'a Ema>,
}

/// Writes a state atomically.
pub fn write(parts: &Parts<'_>, progress: &Progress, path: &Path) -> Result<()> {
    let mut file = TensorFile::default();
    for (name, tensor) in targets(parts) {
        file.insert(name, &tensor);
    }
    let text = serde_json::to_string(progress)?;
    file.metadata.insert(STATE_KEY.into(), text);
    file.write(path)
}

/// The position in a state file, without touching any network.
pub fn read_progress(path: &Path) -> Result<(Progress, TensorFile)> {
    let file = TensorFile::read(path)?;
    let text = file
        .metadata
        .get(STATE_KEY)
        .with_context(|| format!("{} holds weights, not the state of a run", path.display()))?;
    let progress = serde_json::from_str(text)
        .with_context(|| format!("state in {} is of another version", path.display()))?;
    Ok((progress, file))
}

/// Puts a state's tensors and counters back.
pub fn restore(parts: &mut Parts<'_>, progress: &Progress, file: &TensorFile) -> Result<()> {
    file.copy_into("", &targets(parts))?;
    parts.network.set_batches_tracked(progress.batches_tracked);
    parts.optimizer.set_steps(progress.optimizer_steps)
}

fn targets(parts: &Parts<'_>) -> Vec<(String, Tensor)> {
    let mut all = Vec::new();
    for named in parts.network.tensors() {
        all.push((
            format!("model.{}", named.name),
            named.tensor.shallow_clone(),
        ));
    }
    for (name, tensor) in parts.optimizer.state() {
        all.push((format!("optimizer.{name}"), tensor));
    }
    for (name, tensor) in parts.ema.map(Ema::state).unwrap_or_default() {
        all.push((format!("ema.{name}"), tensor));
    }
    all
}
