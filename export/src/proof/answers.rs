//! What the exported file must answer: the checkpoint's own logits, computed here or stored by the trainer, on inputs that
//! every machine makes alike.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::proof::{SYNTHETIC_INPUTS, synthetic_input};
use model_core::weights;
use rayon::prelude::*;

use crate::eval::Evaluator;
use crate::plan::Plan;

/// Most stored inputs of the trainer that are compared.
const MAX_STORED: usize = 64;

/// The checkpoint's answers to the synthetic inputs: float64, BatchNorm unfolded.
pub fn reference_answers(unfolded: &Plan, [height, width]: [usize; 2]) -> Vec<Vec<f32>> {
    let evaluator = Evaluator::<f64>::new(unfolded);
    let answer = |index| evaluator.logits(&synthetic_input(index, height, width), height, width);
    (0..SYNTHETIC_INPUTS)
        .into_par_iter()
        .map(answer)
        .map(|logits| logits.iter().map(|value| *value as f32).collect())
        .collect()
}

/// Inputs with the answers they should get.
pub struct Expected {
    pub what: String,
    pub inputs: Vec<Vec<f32>>,
    pub logits: Vec<Vec<f32>>,
}

/// Logits that the trainer stored beside `checkpoint` (`best.logits.safetensors` for `best.safetensors`).
///
/// # Errors
/// A file that is there but cannot be used.
pub fn trainer_answers(
    checkpoint: &Path,
    size: [usize; 2],
    num_classes: usize,
) -> Result<Option<Expected>> {
    let path = checkpoint.with_extension("logits.safetensors");
    if !path.is_file() {
        return Ok(None);
    }
    let file = weights::read_plain(&path)?;
    let (Some(input), Some(logits)) = (file.tensors.get("input"), file.tensors.get("logits"))
    else {
        bail!("{} needs the tensors 'input' and 'logits'", path.display());
    };
    let count = input.shape.first().copied().unwrap_or(0);
    if count == 0
        || input.shape != [count, 3, size[0], size[1]]
        || logits.shape != [count, num_classes]
    {
        bail!(
            "{}: expected input [N, 3, {}, {}] and logits [N, {num_classes}], got {:?} and {:?}",
            path.display(),
            size[0],
            size[1],
            input.shape,
            logits.shape
        );
    }
    let rows = |data: &[f32]| {
        data.chunks(data.len() / count)
            .take(MAX_STORED)
            .map(<[f32]>::to_vec)
            .collect::<Vec<_>>()
    };
    let inputs = rows(&input.data);
    let what = format!("{} of the trainer", inputs.len());
    Ok(Some(Expected {
        what,
        inputs,
        logits: rows(&logits.data),
    }))
}
