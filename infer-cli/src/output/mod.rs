//! Answers as text: a table for people, JSON lines and CSV for programs. Every writer gets every answer in order.

mod csv_rows;
mod json_lines;
mod table;

use std::io::{self, Write};

use inference::stream::Outcome;
use inference::{Classifier, EverydayAnswer, Prediction};

pub use csv_rows::CsvRows;
pub use json_lines::{JsonLines, SCHEMA, answer_object, failure_object};
pub use table::Table;

use crate::args::AnswerArgs;

/// Classes named after a word that covers several.
const PARTS: usize = 3;
/// Classes less likely than this are not worth naming there.
const LEAST_PART: f32 = 0.01;

/// What is shown of one image.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The image.
    pub path: &'a str,
    /// The model's name.
    pub model: &'a str,
    /// The classes left after `--threshold`, best first.
    pub predictions: Vec<&'a Prediction>,
    /// The best class, whatever the threshold.
    pub best: Option<&'a Prediction>,
    /// Whether the best class reaches `--abstain`; none without the option.
    pub sure: Option<bool>,
    /// The everyday answer; none with `--labels-as leaf` and for a model that knows no words above its classes.
    pub everyday: Option<EverydayAnswer>,
    /// The classes below a word that covers several, the likeliest first.
    pub parts: Vec<Prediction>,
}

impl<'a> Shown<'a> {
    /// Applies the threshold, the abstention and the choice of words.
    pub fn new(
        path: &'a str,
        classifier: &'a Classifier,
        outcome: &'a Outcome,
        args: &AnswerArgs,
    ) -> Self {
        let everyday = args.words.answer(classifier, &outcome.probabilities);
        let parts = match &everyday {
            Some(answer) if answer.is_group(classifier.labels()) => answer
                .classes
                .iter()
                .take(PARTS)
                .filter_map(|class| classifier.prediction(&outcome.probabilities, *class))
                .filter(|part| part.probability >= LEAST_PART)
                .collect(),
            _ => Vec::new(),
        };
        let threshold = args.threshold.unwrap_or(0.0);
        let best = outcome.predictions.first();
        Self {
            path,
            model: &classifier.model().name,
            everyday,
            parts,
            predictions: outcome
                .predictions
                .iter()
                .filter(|p| p.probability >= threshold)
                .collect(),
            best,
            sure: args
                .abstain
                .map(|least| best.is_some_and(|best| best.probability >= least)),
        }
    }
}

/// A form of output.
pub trait Writer {
    /// One image's answer.
    ///
    /// # Errors
    /// When the output is closed.
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()>;

    /// One image's failure; stderr has it already.
    ///
    /// # Errors
    /// When the output is closed.
    fn failure(&mut self, path: &str, error: &str) -> io::Result<()>;
}

/// The writer that the options ask for, onto `out`.
pub fn writer<'a>(args: &AnswerArgs, several: bool, out: impl Write + 'a) -> Box<dyn Writer + 'a> {
    if args.json {
        Box::new(JsonLines::new(out))
    } else if args.csv {
        Box::new(CsvRows::new(out))
    } else {
        Box::new(Table::new(out, several))
    }
}
