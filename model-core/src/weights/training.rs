//! What a PyTorch training script saves beside its weights: epoch, best accuracy, the optimizer's buffers, the scheduler.
//!
//! Read as the weights are: values as data, nothing executed, every size bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::pickle::{Id, Pickle, Value};
use super::torch::{Storages, open_zip, view};
use super::{MAX_ELEMENTS, Tensor, WeightsError};

/// Names under which scripts store the best accuracy so far.
const BEST_NAMES: [&str; 5] = [
    "best_acc",
    "best_acc1",
    "best_accuracy",
    "best_top1",
    "best_prec1",
];

/// The state of a training run, as far as its file has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingState {
    /// `epoch`, as the script counts it.
    pub epoch: Option<i64>,
    /// `last_epoch` of the learning rate's scheduler: how often it was stepped.
    pub scheduler_epoch: Option<i64>,
    /// Best validation accuracy so far, in the script's unit.
    pub best_accuracy: Option<f64>,
    /// Groups of parameters of the optimizer.
    pub groups: usize,
    /// Buffers of the optimizer (`momentum_buffer`, `exp_avg`, ...) by the place of their parameter, then by name.
    pub buffers: BTreeMap<usize, BTreeMap<String, Tensor>>,
}

/// Reads the training state of a `.pth` file as `torch.save` has written it since PyTorch 1.6.
///
/// # Errors
/// A file that cannot be read or is no such checkpoint. What a checkpoint lacks is no error.
pub fn read_training(path: &Path) -> Result<TrainingState, WeightsError> {
    let file = File::open(path).map_err(|source| WeightsError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    read(file).map_err(|reason| WeightsError::File {
        path: path.to_path_buf(),
        reason,
    })
}

fn read(file: File) -> Result<TrainingState, String> {
    let (pickle, mut archive) = open_zip(file)?;
    let mut state = TrainingState::default();
    let mut left = MAX_ELEMENTS;
    let at = |key: &str| find(&pickle, pickle.root, key);
    state.epoch = at("epoch").and_then(|id| integer(&pickle, id));
    for name in ["scheduler", "lr_scheduler"] {
        let last = at(name).and_then(|id| find(&pickle, id, "last_epoch"));
        state.scheduler_epoch = state
            .scheduler_epoch
            .or(last.and_then(|id| integer(&pickle, id)));
    }
    if let Some(id) = BEST_NAMES.iter().find_map(|name| at(name)) {
        state.best_accuracy = match pickle.get(id) {
            Value::Float(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            Value::Tensor(_) => {
                let tensor = load(&pickle, id, &mut archive, &mut left)?;
                tensor.data.first().map(|value| f64::from(*value))
            }
            _ => None,
        };
    }
    let Some(optimizer) = at("optimizer").or(at("optimizer_state_dict")) else {
        return Ok(state);
    };
    if let Some(groups) = find(&pickle, optimizer, "param_groups")
        && let Value::List(groups) = pickle.get(groups)
    {
        state.groups = groups.len();
    }
    let entries = find(&pickle, optimizer, "state").map(|id| pickle.get(id));
    if let Some(Value::Dict(entries)) = entries {
        for (place, buffers) in entries {
            let (Some(place), Value::Dict(buffers)) =
                (integer(&pickle, *place), pickle.get(*buffers))
            else {
                continue;
            };
            let place =
                usize::try_from(place).map_err(|_| "a negative parameter in the optimizer")?;
            for (name, value) in buffers {
                if let (Some(name), Value::Tensor(_)) = (pickle.text(*name), pickle.get(*value)) {
                    let tensor = load(&pickle, *value, &mut archive, &mut left)?;
                    let of_parameter = state.buffers.entry(place).or_default();
                    of_parameter.insert(name.to_owned(), tensor);
                }
            }
        }
    }
    Ok(state)
}

fn find(pickle: &Pickle, dict: Id, key: &str) -> Option<Id> {
    let Value::Dict(items) = pickle.get(dict) else {
        return None;
    };
    let found = items
        .iter()
        .find(|(name, _)| pickle.text(*name) == Some(key));
    found.map(|(_, value)| *value)
}

fn integer(pickle: &Pickle, id: Id) -> Option<i64> {
    match pickle.get(id) {
        Value::Int(value) => Some(*value),
        _ => None,
    }
}

/// Reads one tensor; `left` numbers may still be read from the file.
fn load(
    pickle: &Pickle,
    id: Id,
    archive: &mut Storages,
    left: &mut usize,
) -> Result<Tensor, String> {
    let Value::Tensor(tensor) = pickle.get(id) else {
        return Err("expected a tensor".into());
    };
    let shape = tensor.shape.clone();
    let count = shape
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size));
    let beyond = || format!("a buffer of shape {shape:?} is beyond the limits");
    let count = count
        .filter(|count| *count <= tensor.storage.numel.max(1))
        .ok_or_else(beyond)?;
    *left = left.checked_sub(count).ok_or_else(beyond)?;
    let bytes = archive.storage(tensor)?;
    let data = view(tensor, &bytes);
    let data =
        data.ok_or_else(|| format!("a buffer of shape {shape:?} reaches outside its storage"))?;
    Ok(Tensor { shape, data })
}
