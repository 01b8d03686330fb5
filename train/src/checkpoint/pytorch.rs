//! A run that a PyTorch script began: its checkpoint (`epoch`, `state_dict`, `best_acc`, `optimizer`, `scheduler`) as the
//! state of a run of ours, so that `--resume checkpoint.pth` goes on with epoch, momentum and best accuracy.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::weights::{self, TrainingState};
use tch::Tensor;

use super::file::TensorFile;
use super::state::Progress;
use crate::recipe::{BestMetric, OptimizerKind, Recipe};

/// The script's checkpoint as a state of a run with `recipe`.
///
/// # Errors
/// Unreadable, of another architecture, or an optimizer of another kind.
pub fn read(path: &Path, recipe: &Recipe) -> Result<(Progress, TensorFile)> {
    let saved = weights::read_training(path)?;
    let read = weights::read(path)?;
    // Its number of classes is not known before the file tells.
    let any = model_core::arch::by_name(&recipe.arch, 1)?;
    let classes = read
        .num_classes(&any)
        .with_context(|| format!("{}: no classifier among the weights", path.display()))?;
    let architecture = model_core::arch::by_name(&recipe.arch, classes)?;
    let loaded = weights::load_state(&architecture, read)
        .with_context(|| format!("{} does not fit {}", path.display(), recipe.arch))?;
    let mut file = TensorFile::default();
    let mut progress = Progress::default();
    for (name, tensor) in &loaded.tensors {
        if name.ends_with("num_batches_tracked") {
            progress.batches_tracked = tensor.data.first().copied().unwrap_or_default() as i64;
            continue;
        }
        let tensor = to_torch(tensor)?;
        file.insert(format!("model.{name}"), &tensor);
        if recipe.ema.is_some() {
            file.insert(format!("ema.{name}"), &tensor);
        }
    }
    let graph = architecture.graph();
    let specs = graph.tensors();
    let parameters = specs.iter().filter(|spec| spec.kind.is_parameter());
    let parameters = parameters.map(|spec| (spec.name.as_str(), spec.shape.as_slice()));
    add_optimizer(&mut file, &mut progress, &saved, recipe, parameters)
        .with_context(|| format!("the optimizer in {}", path.display()))?;
    progress.epoch = finished_epochs(&saved)
        .with_context(|| format!("{} does not tell its epoch", path.display()))?;
    // Of another metric the script knows nothing.
    let is_top1 = recipe.evaluation.metric == BestMetric::Top1;
    progress.best = saved.best_accuracy.filter(|_| is_top1).map(|best| {
        // Some scripts store a share of one.
        let percent = if best <= 1.0 { 100.0 * best } else { best };
        (percent, progress.epoch)
    });
    Ok((progress, file))
}

/// Epochs that are behind the run. Scripts store the last one they trained (counted from 0, as the project's predecessor
/// does) or the next one (as PyTorch's ImageNet example); the scheduler, stepped once an epoch, tells which.
fn finished_epochs(saved: &TrainingState) -> Option<u32> {
    let epoch = saved.epoch?;
    let finished = match saved.scheduler_epoch {
        Some(last) if last == epoch => epoch,
        _ => epoch + 1,
    };
    u32::try_from(finished).ok()
}

fn add_optimizer<'a>(
    file: &mut TensorFile,
    progress: &mut Progress,
    saved: &TrainingState,
    recipe: &Recipe,
    parameters: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> Result<()> {
    // Their names, ours.
    let buffers: &[(&str, &str)] = match recipe.optimizer.kind {
        OptimizerKind::Sgd => &[("momentum_buffer", "momentum")],
        OptimizerKind::Adamw | OptimizerKind::Lamb => {
            &[("exp_avg", "exp_avg"), ("exp_avg_sq", "exp_avg_sq")]
        }
    };
    if saved.groups > 1 {
        bail!(
            "expected one group of parameters, got {}: which buffer belongs to which tensor cannot be told",
            saved.groups
        );
    }
    let first = saved.buffers.values().next();
    if let Some(first) = first
        && !buffers
            .iter()
            .all(|(theirs, _)| first.contains_key(*theirs))
    {
        let got: Vec<&str> = first.keys().map(String::as_str).collect();
        bail!("expected {}, got {}", buffers[0].0, got.join(", "));
    }
    for (place, (name, shape)) in parameters.enumerate() {
        let kept = saved.buffers.get(&place);
        for (theirs, ours) in buffers {
            let tensor = match kept.and_then(|kept| kept.get(*theirs)) {
                Some(tensor) if tensor.shape == shape => to_torch(tensor)?,
                Some(tensor) => bail!(
                    "{theirs} of parameter {place} ({name}): expected shape {shape:?}, got {:?}",
                    tensor.shape
                ),
                // Saved before its first step.
                None => {
                    let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
                    Tensor::f_zeros(&shape, (tch::Kind::Float, tch::Device::Cpu))?
                }
            };
            file.insert(format!("optimizer.{ours}.{name}"), &tensor);
        }
        if let Some(step) = kept.and_then(|kept| kept.get("step")) {
            progress.optimizer_steps = step.data.first().copied().unwrap_or_default() as i64;
        }
    }
    Ok(())
}

fn to_torch(tensor: &weights::Tensor) -> Result<Tensor> {
    let shape: Vec<i64> = tensor.shape.iter().map(|&size| size as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.data)?.f_view(shape.as_slice())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_counted_as_the_scheduler_tells() {
        let epochs = |epoch, scheduler_epoch| {
            finished_epochs(&TrainingState {
                epoch,
                scheduler_epoch,
                ..TrainingState::default()
            })
        };
        // The predecessor: the epoch just trained, its scheduler stepped once more.
        assert_eq!(epochs(Some(63), Some(64)), Some(64));
        // PyTorch's example: the epoch to go on with.
        assert_eq!(epochs(Some(64), Some(64)), Some(64));
        assert_eq!(epochs(Some(3), None), Some(4));
        // A scheduler stepped every batch tells nothing.
        assert_eq!(epochs(Some(3), Some(20_000)), Some(4));
        assert_eq!(epochs(None, Some(3)), None);
    }
}
