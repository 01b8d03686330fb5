//! Everything an exact resume needs, in one file: weights, optimizer, averages, scaler, position, history, data, recipe.
//!
//! One file, so that a kill between two writes can never leave halves of different moments.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};

use super::file::TensorFile;
use crate::data::fingerprint::DataFingerprint;
use crate::ema::Ema;
use crate::evaluate::Evaluation;
use crate::metrics::{EpochRecord, Running};
use crate::model::TorchNetwork;
use crate::optim::Optimizer;
use crate::recipe::BestMetric;

const STATE_KEY: &str = "resnet50_toolkit.state";

/// Where a run is: all but its tensors. Fields that an older version did not write read as their default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished, validation included.
    pub epoch: u32,
    /// Optimizer steps attempted in the unfinished epoch. All of them: it is trained and not yet validated.
    pub step_in_epoch: u64,
    /// Optimizer steps of an epoch when this was saved; 0 in states of older versions.
    #[serde(default)]
    pub steps_per_epoch: u64,
    /// Images of a step, over all processes, when this was saved; 0 in states of older versions.
    #[serde(default)]
    pub global_batch: u64,
    /// Images computed at a time, where memory did not hold a batch; 0 where it did, and in states of older versions.
    #[serde(default)]
    pub micro_batch_size: usize,
    /// Optimizer steps attempted in the run.
    pub step: u64,
    /// Optimizer steps taken: attempts less the skipped ones.
    pub optimizer_steps: i64,
    /// Training batches seen by BatchNorm.
    pub batches_tracked: i64,
    /// What the last step was taken at.
    #[serde(default)]
    pub learning_rate: f64,
    /// Loss scale and its count of finite steps.
    pub scaler: (f64, i64),
    /// Sums over the unfinished epoch.
    pub running: Running,
    /// Best value so far of the recipe's metric, and its epoch (from 1).
    pub best: Option<(f64, u32)>,
    /// The same of the network's own weights, where their average is what counts.
    #[serde(default)]
    pub best_raw: Option<(f64, u32)>,
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
    /// Processes whose own BatchNorm statistics the file holds.
    #[serde(default = "one")]
    pub statistics_of: usize,
    /// What the run trains on; none in states of older versions.
    #[serde(default)]
    pub data: Option<DataFingerprint>,
    /// Optimizer steps of an epoch for which the recipe's average of the weights was meant; 0 in states of older versions.
    #[serde(default)]
    pub ema_steps_per_epoch: u64,
    /// The resolved recipe as YAML.
    pub recipe: String,
}

fn one() -> usize {
    1
}

impl Progress {
    /// Takes the validation of the epoch that ends for the best so far where it is better; `is_raw`: of the network's own
    /// weights. Whether it was.
    pub fn take_best(
        &mut self,
        metric: BestMetric,
        evaluated: Option<Evaluation>,
        is_raw: bool,
    ) -> bool {
        let epoch = self.epoch + 1;
        let best = match is_raw {
            true => &mut self.best_raw,
            false => &mut self.best,
        };
        let Some(value) = evaluated.map(|evaluated| metric.of(&evaluated)) else {
            return false;
        };
        let is_better = best.is_none_or(|(best, _)| metric.is_better(value, best));
        if is_better {
            *best = Some((value, epoch));
        }
        is_better
    }

    /// Steps of an epoch as this was saved; for states of older versions as their history tells, none before that.
    pub fn saved_steps_per_epoch(&self) -> Option<u64> {
        match (self.steps_per_epoch, self.history.last()) {
            (0, Some(last)) if last.epoch > 0 => Some(last.step / u64::from(last.epoch)),
            (0, _) => None,
            (steps, _) => Some(steps),
        }
    }

    /// The step of the unfinished epoch from which it goes on when an epoch has `steps` steps of `global_batch` images,
    /// and whether that is the very place where it was saved.
    ///
    /// With the same images it is the last step that does not begin after the saved place: up to one step's images come
    /// twice, none is left out. With other images (`same_images` false) their order is another, and the share of the
    /// epoch counts.
    pub fn step_to_resume(&self, steps: u64, global_batch: u64, same_images: bool) -> (u64, bool) {
        let saved_steps = self.saved_steps_per_epoch().unwrap_or(steps);
        if self.step_in_epoch == 0 {
            return (0, true);
        }
        if self.step_in_epoch >= saved_steps {
            return (steps, true);
        }
        if saved_steps == steps && (self.global_batch == 0 || self.global_batch == global_batch) {
            return (self.step_in_epoch, same_images);
        }
        let (step, exact) = if same_images && self.global_batch > 0 {
            let images = self.step_in_epoch * self.global_batch;
            (images / global_batch, images.is_multiple_of(global_batch))
        } else {
            let share = self.step_in_epoch as f64 / saved_steps as f64;
            ((share * steps as f64).floor() as u64, false)
        };
        // A trained epoch is another thing than one that lacks its last step.
        (step.min(steps.saturating_sub(1)), exact)
    }
}

/// What the tensors of a state belong to.
pub struct Parts<'a> {
    /// The network as it trains (not the averages).
    pub network: &'a mut TorchNetwork,
    /// Its optimizer.
    pub optimizer: &'a mut Optimizer,
    /// Its averages.
    pub ema: Option<&'a Ema>,
}

/// Writes a state atomically. `others` are the statistics (as [`statistics`] lists them) of the ranks from 1 on.
///
/// # Errors
/// The disk is full or not writable; what was there stays.
pub fn write(
    parts: &Parts<'_>,
    others: &[Vec<Tensor>],
    progress: &Progress,
    path: &Path,
) -> Result<()> {
    let mut file = TensorFile::default();
    for (name, tensor) in targets(parts) {
        file.insert(name, &tensor);
    }
    let names: Vec<String> = statistics(parts)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for (index, tensors) in others.iter().enumerate() {
        for (name, tensor) in names.iter().zip(tensors) {
            file.insert(format!("{}{name}", of_rank(index + 1)), tensor);
        }
    }
    let text = serde_json::to_string(progress)?;
    file.metadata.insert(STATE_KEY.into(), text);
    file.write(path)
}

/// The position in a state file, without touching any network.
///
/// # Errors
/// Unreadable, damaged, or no state.
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

/// Puts a state's tensors and counters back. `rank` of `size` takes its own BatchNorm statistics where as many processes
/// saved theirs; another number of processes takes the mean over those.
///
/// # Errors
/// The file was written for another network or optimizer.
pub fn restore(
    parts: &mut Parts<'_>,
    progress: &Progress,
    file: &TensorFile,
    (rank, size): (usize, usize),
) -> Result<()> {
    file.copy_into("", &targets(parts))?;
    let own = statistics(parts);
    if size == progress.statistics_of {
        if rank > 0 {
            file.copy_into(&of_rank(rank), &own)?;
        }
    } else {
        for (name, target) in &own {
            let mut mean = no_grad(|| target.f_zeros_like())?;
            for saved in 0..progress.statistics_of {
                let key = match saved {
                    0 => name.clone(),
                    _ => format!("{}{name}", of_rank(saved)),
                };
                let part = file.tensors.get(&key);
                let part = part.with_context(|| format!("no tensor {key}"))?;
                let _ = no_grad(|| mean.f_add_(&part.f_to_device(target.device())?))?;
            }
            let _ = no_grad(|| mean.f_div_scalar_(progress.statistics_of as f64))?;
            no_grad(|| target.shallow_clone().f_copy_(&mean))?;
        }
    }
    parts.network.set_batches_tracked(progress.batches_tracked);
    parts.optimizer.set_steps(progress.optimizer_steps)
}

fn of_rank(rank: usize) -> String {
    format!("rank{rank}.")
}

/// BatchNorm's statistics, of the network and of its averages: what differs between processes.
pub fn statistics(parts: &Parts<'_>) -> Vec<(String, Tensor)> {
    let is_statistic = |name: &str| {
        let mut all = parts.network.tensors().iter();
        all.any(|named| named.name == name && !named.kind.is_parameter())
    };
    let all = targets(parts).into_iter();
    all.filter(|(key, _)| {
        let name = key.strip_prefix("model.").or(key.strip_prefix("ema."));
        name.is_some_and(is_statistic)
    })
    .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(step: u64, steps: u64, batch: u64) -> Progress {
        Progress {
            step_in_epoch: step,
            steps_per_epoch: steps,
            global_batch: batch,
            ..Progress::default()
        }
    }

    #[test]
    fn the_place_in_an_epoch_is_its_images_whatever_a_step_is() {
        // 60 of 120 images, in steps of 20, of 40, of 10, of 25 (50 images: ten come twice).
        assert_eq!(saved(3, 6, 20).step_to_resume(6, 20, true), (3, true));
        assert_eq!(saved(3, 6, 20).step_to_resume(3, 40, true), (1, false));
        assert_eq!(saved(3, 6, 20).step_to_resume(12, 10, true), (6, true));
        assert_eq!(saved(3, 6, 20).step_to_resume(4, 25, true), (2, false));
        // Other images: half of the epoch stays half.
        assert_eq!(saved(3, 6, 20).step_to_resume(15, 20, false), (7, false));
        // Trained and not validated stays so; the beginning stays the beginning.
        assert_eq!(saved(6, 6, 20).step_to_resume(3, 40, true), (3, true));
        assert_eq!(saved(0, 6, 20).step_to_resume(3, 40, true), (0, true));
        // An epoch that lacks a step is never taken for a trained one.
        assert_eq!(saved(5, 6, 20).step_to_resume(1, 120, true), (0, false));
    }

    #[test]
    fn a_state_of_an_older_version_tells_its_steps_by_its_history() {
        let mut old = saved(3, 0, 0);
        assert_eq!(old.saved_steps_per_epoch(), None);
        old.history.push(EpochRecord {
            epoch: 2,
            step: 12,
            ..EpochRecord::default()
        });
        assert_eq!(old.saved_steps_per_epoch(), Some(6));
        assert_eq!(old.step_to_resume(3, 40, true), (1, false));
    }
}
