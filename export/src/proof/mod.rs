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
    /// The engine's name.
    pub engine: String,
    /// What was asked, such as `4 synthetic` or `100 photos`.
    pub inputs: String,
    /// How many inputs were compared.
    pub count: usize,
    /// The largest difference of two numbers of an answer; infinite where one is NaN.
    pub max_difference: f64,
    /// The largest number of the expected answers, without its sign.
    pub largest_logit: f64,
    /// For how many inputs in a hundred the likeliest class is the expected one.
    pub agreement_percent: f64,
}

/// Accuracy on labeled photos.
#[derive(Clone, Debug, Serialize)]
pub struct AccuracyRow {
    /// Whose answers they are: the checkpoint, or an engine by name.
    pub who: String,
    /// For how many photos in a hundred the likeliest class is right.
    pub top1_percent: f64,
    /// For how many photos in a hundred one of the five likeliest classes is right.
    pub top5_percent: f64,
    /// How many photos were asked about.
    pub images: usize,
}

/// Everything that was compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProofReport {
    /// How far answers were from the expected ones.
    pub rows: Vec<Row>,
    /// Accuracy on labeled photos; empty without any.
    pub accuracy: Vec<AccuracyRow>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
    /// Logits of the training framework were compared: what stands between "the file is the checkpoint as we read it" and
    /// "the file is the network that was trained".
    pub framework: bool,
}
