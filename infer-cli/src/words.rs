//! Everyday words on the command line: which answers are asked for, and how often they hold.
//!
//! The words and the choice between them are `model_core::hierarchy`'s.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use inference::{Classifier, EverydayAnswer};
use model_core::hierarchy::DEFAULT_AT_LEAST;
use serde::Serialize;

use crate::UsageError;
use crate::args::fraction;
use crate::metrics::{BINS, Bin};

/// In which words a photo is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelsAs {
    /// The model's own classes: "Egyptian cat"
    Leaf,
    /// The finest everyday word that is likely enough: "cat"
    Everyday,
}

/// In which words, and how sure.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Answer")]
pub struct WordsArgs {
    /// Answer with the model's classes or the finest everyday word that is likely enough [default: everyday where the
    /// model knows words above its classes]
    #[arg(long, value_enum, value_name = "WORDS")]
    pub labels_as: Option<LabelsAs>,
    /// How likely an everyday word must be to answer; the likelihoods of the classes that it covers are summed
    #[arg(long, value_name = "P", default_value_t = DEFAULT_AT_LEAST, value_parser = fraction)]
    pub at_least: f32,
}

impl Default for WordsArgs {
    fn default() -> Self {
        Self {
            labels_as: None,
            at_least: DEFAULT_AT_LEAST,
        }
    }
}

impl WordsArgs {
    /// Refuses to answer in words that the model does not have.
    ///
    /// # Errors
    /// [`UsageError`] when everyday words are asked for and the model knows none.
    pub fn check(&self, classifier: &Classifier) -> Result<()> {
        if self.labels_as == Some(LabelsAs::Everyday) && classifier.hierarchy().is_none() {
            bail!(UsageError(format!(
                "{} knows no words above its classes: leave out --labels-as everyday, or give it a manifest with a \
                 hierarchy",
                classifier.model().name
            )));
        }
        Ok(())
    }

    /// The everyday answer, unless only classes are asked for or the model knows no words.
    pub fn answer(&self, classifier: &Classifier, probabilities: &[f32]) -> Option<EverydayAnswer> {
        match self.labels_as {
            Some(LabelsAs::Leaf) => None,
            _ => classifier.everyday(probabilities, self.at_least),
        }
    }
}

/// One answer, reduced to what counts.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// How likely the answer said it is.
    pub probability: f32,
    /// Whether it was likely enough to be given.
    pub sure: bool,
    /// Whether it covers the truth.
    pub right: bool,
}

/// How often answers in one kind of words were given and right. Percentages are 0 to 100.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// Images with an answer that was likely enough.
    pub answered: usize,
    /// Those of all images, in percent.
    pub answered_percent: f64,
    /// Images with such an answer that is right, of all images, in percent.
    pub right_percent: f64,
    /// Wrong among the answered, in percent; the promise is 100 - 100 * `at_least`.
    pub error_percent: f64,
}

/// Classes against everyday words.
#[derive(Clone, Debug, Serialize)]
pub struct WordsReport {
    /// How likely an answer had to be.
    pub at_least: f32,
    /// The best class, where it is likely enough.
    pub leaf: Answered,
    /// The finest everyday word that is likely enough.
    pub everyday: Answered,
    /// Everyday answers, sure or not: what they said against how often they were right.
    pub reliability: Vec<Bin>,
}

/// Measures; none without images.
pub fn report(at_least: f32, leaf: &[Held], everyday: &[Held]) -> Option<WordsReport> {
    Some(WordsReport {
        at_least,
        leaf: answered(leaf)?,
        everyday: answered(everyday)?,
        reliability: Bin::of(
            everyday.iter().map(|one| (one.probability, one.right)),
            BINS,
        ),
    })
}

fn answered(held: &[Held]) -> Option<Answered> {
    if held.is_empty() {
        return None;
    }
    let answered = held.iter().filter(|one| one.sure).count();
    let right = held.iter().filter(|one| one.sure && one.right).count();
    let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
    Some(Answered {
        answered,
        answered_percent: percent(answered, held.len()),
        right_percent: percent(right, held.len()),
        error_percent: percent(answered - right, answered),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_hand() {
        let one = |probability, sure, right| Held {
            probability,
            sure,
            right,
        };
        let leaf = [one(0.9, true, true), one(0.5, false, true)];
        let everyday = [one(0.9, true, true), one(0.85, true, false)];
        let report = report(0.8, &leaf, &everyday).unwrap();
        assert_eq!(
            (report.leaf.answered_percent, report.leaf.error_percent),
            (50.0, 0.0)
        );
        assert_eq!(
            (report.everyday.right_percent, report.everyday.error_percent),
            (50.0, 50.0)
        );
        assert_eq!(
            report
                .reliability
                .iter()
                .map(|bin| bin.images)
                .sum::<usize>(),
            2
        );
        assert!(super::report(0.8, &[], &[]).is_none());
    }
}
