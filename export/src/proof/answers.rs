//! What the exported file must answer: the checkpoint's own logits, computed here or stored by the trainer, on inputs that
//! every machine makes alike.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::proof::{SYNTHETIC_INPUTS, synthetic_input};
use model_core::weights;
use npyz::npz::NpzArchive;
use rayon::prelude::*;

use crate::eval::PlanEvaluator;
use crate::plan::ExportPlan;

/// Most stored inputs of the trainer that are compared.
const MAX_STORED: usize = 64;

/// The checkpoint's answers to the synthetic inputs: float64, BatchNorm unfolded.
pub fn reference_answers(unfolded: &ExportPlan, [height, width]: [usize; 2]) -> Vec<Vec<f32>> {
    let evaluator = PlanEvaluator::<f64>::new(unfolded);
    let answer = |index| evaluator.logits(&synthetic_input(index, height, width), height, width);
    (0..SYNTHETIC_INPUTS)
        .into_par_iter()
        .map(answer)
        .map(|logits| logits.iter().map(|value| *value as f32).collect())
        .collect()
}

/// Inputs with the answers they should get.
pub struct Expected {
    /// How many they are and whose, such as `8 of the trainer`.
    pub what: String,
    /// Preprocessed images, each `[3, height, width]`.
    pub inputs: Vec<Vec<f32>>,
    /// The answer to each of them, a number for each class.
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
    let arrays = [
        (input.shape.clone(), input.data.clone()),
        (logits.shape.clone(), logits.data.clone()),
    ];
    expected("of the trainer", &path, arrays, size, num_classes).map(Some)
}

/// Logits of the training framework in an `.npz`: `input` [N, 3, H, W] and `logits` [N, classes], float32 or float64.
///
/// # Errors
/// A file that cannot be read, or arrays of other names, shapes or types.
pub fn reference_logits(path: &Path, size: [usize; 2], num_classes: usize) -> Result<Expected> {
    let mut file = NpzArchive::open(path)
        .with_context(|| format!("cannot read the reference logits {}", path.display()))?;
    let mut array = |name: &str| -> Result<(Vec<usize>, Vec<f32>)> {
        let problem = || format!("{}, array '{name}'", path.display());
        let array = file.by_name(name).with_context(problem)?;
        let array = array.with_context(|| {
            format!(
                "{} has no array '{name}'; expected 'input' and 'logits'",
                path.display()
            )
        })?;
        if array.order() != npyz::Order::C {
            bail!(
                "{}: expected rows one after the other (C order), got Fortran order",
                problem()
            );
        }
        let shape: Vec<usize> = array.shape().iter().map(|dim| *dim as usize).collect();
        let numbers = shape
            .iter()
            .try_fold(1usize, |count, dim| count.checked_mul(*dim));
        if numbers.is_none_or(|count| count > MAX_REFERENCE_NUMBERS) {
            bail!(
                "{}: expected at most {MAX_REFERENCE_NUMBERS} numbers, got {shape:?}",
                problem()
            );
        }
        let data = match array.try_data::<f32>() {
            Ok(data) => data
                .collect::<std::io::Result<Vec<f32>>>()
                .with_context(problem)?,
            Err(array) => {
                let wide = array
                    .try_data::<f64>()
                    .map_err(|_| anyhow::anyhow!("{}: expected float32 or float64", problem()))?;
                let narrow = wide.map(|value| value.map(|value| value as f32));
                narrow
                    .collect::<std::io::Result<Vec<f32>>>()
                    .with_context(problem)?
            }
        };
        Ok((shape, data))
    };
    let arrays = [array("input")?, array("logits")?];
    expected("of the reference", path, arrays, size, num_classes)
}

/// Numbers in one array of reference logits: 64 images of 1024 x 1024.
const MAX_REFERENCE_NUMBERS: usize = 3 << 26;

fn expected(
    whose: &str,
    path: &Path,
    [(input_shape, input), (logits_shape, logits)]: [(Vec<usize>, Vec<f32>); 2],
    [height, width]: [usize; 2],
    num_classes: usize,
) -> Result<Expected> {
    let count = input_shape.first().copied().unwrap_or(0);
    if count == 0
        || input_shape != [count, 3, height, width]
        || logits_shape != [count, num_classes]
    {
        bail!(
            "{}: expected input [N, 3, {height}, {width}] and logits [N, {num_classes}], got {input_shape:?} and \
             {logits_shape:?}",
            path.display(),
        );
    }
    let rows = |data: &[f32]| {
        data.chunks(data.len() / count)
            .take(MAX_STORED)
            .map(<[f32]>::to_vec)
            .collect::<Vec<_>>()
    };
    let inputs = rows(&input);
    Ok(Expected {
        what: format!("{} {whose}", inputs.len()),
        inputs,
        logits: rows(&logits),
    })
}
