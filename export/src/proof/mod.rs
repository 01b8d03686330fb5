//! The proof: the exported file, run by inference engines, against the checkpoint's own answers.
//!
//! The reference is the checkpoint evaluated in float64 with BatchNorm unfolded ([`crate::eval`]), or logits that the
//! trainer stored. Answers to two synthetic inputs travel in the file, so that `verify` can repeat the proof without
//! the checkpoint. Not here: writing files.

mod answers;
mod compare;
mod verdict;

pub use model_core::proof::{FilePrecision, PROOF_KEY, StoredAnswers, synthetic_input};
use serde::Serialize;

pub use answers::{Expected, reference_answers, reference_logits, trainer_answers};
pub use compare::{Candidate, compare, compare_on_images, open_engines};
pub use verdict::{certificate, judge, lines};

/// One line of the proof.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub engine: String,
    pub inputs: String,
    pub count: usize,
    pub max_difference: f64,
    pub largest_logit: f64,
    pub agreement_percent: f64,
}

/// Accuracy on labeled photos.
#[derive(Clone, Debug, Serialize)]
pub struct AccuracyRow {
    pub who: String,
    pub top1_percent: f64,
    pub top5_percent: f64,
    pub images: usize,
}

/// Everything that was compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProofReport {
    pub rows: Vec<Row>,
    pub accuracy: Vec<AccuracyRow>,
    pub notes: Vec<String>,
    /// Logits of the training framework were compared: what stands between "the file is the checkpoint as we read it" and
    /// "the file is the network that was trained".
    pub framework: bool,
}
