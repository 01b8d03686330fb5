//! Answers that travel in a model file: what the network must say to inputs that every machine makes alike, so that any
//! engine can be held against them later, without the checkpoint.
//!
//! Not here: who computes the answers (the exporter, or whoever makes a model), and who compares.

use serde::{Deserialize, Serialize};

use crate::splitmix::splitmix64;
use crate::text::hex;

/// The metadata key of [`StoredAnswers`].
pub const PROOF_KEY: &str = "resnet50_toolkit.proof";

/// Synthetic inputs in every proof.
pub const SYNTHETIC_INPUTS: usize = 2;

/// How exact the file's arithmetic is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePrecision {
    /// Weights and arithmetic in float32.
    Float32,
    /// Weights rounded to float16, arithmetic in float32.
    Float16Weights,
    /// Weights and activations in 8 bits.
    Int8,
}

impl FilePrecision {
    /// Largest allowed |difference|, relative to the largest |logit| where that is above 1; none for int8.
    pub fn tolerance(self) -> Option<f64> {
        match self {
            Self::Float32 => Some(1e-4),
            Self::Float16Weights => Some(2e-2),
            Self::Int8 => None,
        }
    }

    /// Least share of photos on which the best class stays the same, percent.
    pub fn least_agreement(self) -> f64 {
        match self {
            Self::Float32 => 99.0,
            Self::Float16Weights => 97.0,
            Self::Int8 => 80.0,
        }
    }
}

/// The stored text is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored answers are damaged")]
pub struct DamagedAnswers;

/// The checkpoint's answers to the synthetic inputs, as stored in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAnswers {
    /// How near an engine must come.
    pub precision: FilePrecision,
    /// How many inputs were answered.
    pub inputs: usize,
    /// Rows of an input.
    pub height: usize,
    /// Columns of an input.
    pub width: usize,
    /// The weights are the checkpoint's moving average.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ema: bool,
    /// Little-endian f32 of `[inputs, classes]`, hexadecimal.
    pub logits: String,
}

impl StoredAnswers {
    /// Stores the answers to `logits.len()` synthetic inputs of `[height, width]`.
    pub fn new(precision: FilePrecision, size: [usize; 2], logits: &[Vec<f32>]) -> Self {
        let bytes = logits
            .iter()
            .flatten()
            .flat_map(|value| value.to_le_bytes());
        let bytes: Vec<u8> = bytes.collect();
        Self {
            precision,
            inputs: logits.len(),
            height: size[0],
            width: size[1],
            ema: false,
            logits: hex(&bytes),
        }
    }

    /// The logits, one vector an input.
    ///
    /// # Errors
    /// [`DamagedAnswers`] when the text is no whole number of rows.
    pub fn logits(&self) -> Result<Vec<Vec<f32>>, DamagedAnswers> {
        let digits = self.logits.as_bytes();
        let word = |digits: &[u8]| -> Option<f32> {
            let text = std::str::from_utf8(digits).ok()?;
            Some(f32::from_bits(
                u32::from_str_radix(text, 16).ok()?.swap_bytes(),
            ))
        };
        let values: Option<Vec<f32>> = digits.chunks(8).map(word).collect();
        let values = values.filter(|values| {
            self.inputs > 0 && !values.is_empty() && values.len() % self.inputs == 0
        });
        let values = values.ok_or(DamagedAnswers)?;
        Ok(values
            .chunks(values.len() / self.inputs)
            .map(<[f32]>::to_vec)
            .collect())
    }
}

/// Input number `index` of the proof, `[3, height, width]`: uniform noise in -2..2, the same on every machine.
pub fn synthetic_input(index: usize, height: usize, width: usize) -> Vec<f32> {
    let count = 3 * height * width;
    let start = (index as u64).wrapping_mul(0x0000_0001_0000_0000);
    (0..count as u64)
        .map(|at| (splitmix64(0, start + at) >> 40) as f32 / (1u64 << 22) as f32 - 2.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_inputs_are_spread_and_repeat() {
        let a = synthetic_input(0, 8, 8);
        assert_eq!(a, synthetic_input(0, 8, 8));
        assert_ne!(a, synthetic_input(1, 8, 8));
        assert!(a.iter().all(|v| (-2.0..2.0).contains(v)));
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < 0.3, "{mean}");
    }

    #[test]
    fn stored_answers_keep_every_bit() {
        let logits = vec![vec![1.5f32, -0.1], vec![f32::MIN_POSITIVE, 3e8]];
        let stored = StoredAnswers::new(FilePrecision::Float32, [4, 5], &logits);
        assert_eq!(stored.logits().unwrap(), logits);
        let mut damaged = stored;
        damaged.logits.replace_range(0..1, "x");
        assert!(damaged.logits().is_err());
    }
}
