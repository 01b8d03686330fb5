//! Answers as text: a table for people, JSON lines and CSV for programs. Every writer gets every answer in order.

mod csv_rows;
mod json_lines;
mod table;

use std::io::{self, Write};

use std::path::Path;

use image_data::decode::{Damage, Format};
use inference::stream::Outcome;
use inference::{Answers, Classifier, EverydayAnswer, Prediction};

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
    pub image: Named<'a>,
    /// The model's name.
    pub model: &'a str,
    /// The classes left after `--threshold`, best first.
    pub predictions: Vec<&'a Prediction>,
    /// The best class, whatever the threshold.
    pub best: Option<&'a Prediction>,
    /// Whether the best class reaches `--abstain`; none without the option.
    pub sure: Option<bool>,
    /// For classes that do not exclude each other: which kind of answer, and the score from which a class is present.
    pub independent: Option<(Answers, f32)>,
    /// What the decoder had to work around.
    pub damage: Option<&'a Damage>,
    /// The answer rests on the preview that a camera put into its raw file.
    pub preview: bool,
    /// The everyday answer; none with `--labels-as leaf` and for a model that knows no words above its classes.
    pub everyday: Option<EverydayAnswer>,
    /// The classes below a word that covers several, the likeliest first.
    pub parts: Vec<Prediction>,
}

/// What an image is called.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// As text, in which what is not UTF-8 is replaced.
    pub path: &'a str,
    /// The file itself, when there is one.
    pub file: Option<&'a Path>,
}

impl<'a> Named<'a> {
    /// An image without a file of its own.
    pub fn text(path: &'a str) -> Self {
        Self { path, file: None }
    }

    /// The path's bytes in base64, when the text alone does not tell it from others.
    pub fn path_bytes(&self) -> Option<String> {
        use base64::Engine;
        let file = self.file.filter(|file| file.to_str().is_none())?;
        let bytes = file.as_os_str().as_encoded_bytes();
        Some(base64::engine::general_purpose::STANDARD.encode(bytes))
    }
}

/// Why an image has no answer.
#[derive(Clone, Copy, Debug)]
pub struct FailureReason<'a> {
    /// What was expected and what was got.
    pub error: &'a str,
    /// A stable name for programs, where there is one.
    pub code: Option<&'static str>,
}

impl<'a> Shown<'a> {
    /// Applies the threshold, the abstention and the choice of words.
    pub fn new(
        image: Named<'a>,
        classifier: &'a Classifier,
        outcome: &'a Outcome,
        args: &AnswerArgs,
    ) -> Self {
        let model = classifier.model();
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
            image,
            everyday,
            parts,
            model: &model.name,
            damage: outcome.damage.as_ref(),
            preview: outcome.format == Format::Raw,
            independent: match model.answers {
                Answers::SingleLabel => None,
                kind @ (Answers::Binary | Answers::MultiLabel) => {
                    Some((kind, model.manifest.threshold))
                }
            },
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
    fn failure(&mut self, image: Named<'_>, problem: FailureReason<'_>) -> io::Result<()>;
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
