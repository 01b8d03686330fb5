//! One photo in the list: where its bytes are, how far we are with it, what was found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::classify::{Answers, Classify, EverydayAnswer, KEPT_ANSWERS, Prediction};
use crate::content::ContentId;
use crate::problem::Problem;
use crate::read::LoadedPhoto;

/// Stays with a photo for the life of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhotoId(pub u64);

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhotoSource {
    /// A file.
    File(PathBuf),
    /// An encoded picture in memory: pasted, or a sample that ships with the program.
    Memory {
        /// Name to show.
        name: String,
        /// A complete PNG, JPEG, ... file.
        bytes: Arc<[u8]>,
    },
}

impl PhotoSource {
    /// A short name to show. What would break or turn a line is shown as what is no letter.
    pub fn name(&self) -> String {
        let name = match self {
            Self::File(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            ),
            Self::Memory { name, .. } => name.clone(),
        };
        let turns = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        name.replace(|c: char| c.is_control() || turns(c), "\u{FFFD}")
    }

    /// The path, or the name of what is only in memory: the `path` of an exported record.
    pub fn location(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory { name, .. } => name.clone(),
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory { .. } => None,
        }
    }
}

/// What a model said of a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoAnswer {
    /// Best first.
    pub predictions: Vec<Prediction>,
    /// The finest everyday word that is likely enough: "cat" where the classes are breeds.
    pub everyday: Option<EverydayAnswer>,
    /// How the predictions are to be read.
    pub kind: Answers,
    /// Where classes are independent: the least score at which one counts as present.
    pub threshold: f32,
    /// The model's name.
    pub model: String,
    /// Reading, decoding and asking the network, all together.
    pub took: Duration,
    /// Size of the photo as it is shown (after its EXIF orientation), in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// The content of the file that was classified.
    pub content: ContentId,
    /// Why parts of the picture may be wrong, when the decoder noticed damage.
    pub damage: Option<String>,
    /// The answer rests on the preview that a camera put into its raw file.
    pub is_preview: bool,
}

impl PhotoAnswer {
    /// Asks the model about a photo that was read for it; `started` is when the reading began.
    ///
    /// # Errors
    /// When the engine refuses the photo.
    pub(crate) fn of(
        model: &dyn Classify,
        photo: &LoadedPhoto,
        started: Instant,
    ) -> Result<Self, Problem> {
        let found = model.classify(&photo.image, KEPT_ANSWERS)?;
        let card = model.card();
        Ok(Self {
            predictions: found.predictions,
            everyday: found.everyday,
            kind: card.answers,
            threshold: card.threshold,
            model: card.name.clone(),
            took: started.elapsed(),
            width: photo.image.width,
            height: photo.image.height,
            content: photo.content,
            damage: photo.damage.clone(),
            is_preview: photo.is_preview,
        })
    }
}

impl PhotoAnswer {
    /// The most probable class.
    pub fn best(&self) -> Option<&Prediction> {
        self.predictions.first()
    }

    /// Whether a class counts as present. Of classes that exclude each other, only the best one does.
    pub fn is_present(&self, prediction: &Prediction) -> bool {
        match self.kind {
            Answers::SingleLabel => self
                .best()
                .is_some_and(|best| best.index == prediction.index),
            Answers::Binary | Answers::MultiLabel => prediction
                .present
                .unwrap_or(prediction.probability >= self.threshold),
        }
    }

    /// Of two classes of which one is there, that one: where the threshold is not a half, it need not be the more probable.
    fn stated(&self) -> Option<&Prediction> {
        self.predictions.iter().find(|found| self.is_present(found))
    }

    /// The everyday word, where it is likely enough to stand for the classes below it.
    fn word(&self) -> Option<&EverydayAnswer> {
        self.everyday.as_ref().filter(|word| word.sure)
    }

    /// Whether the headline is a word that no class has.
    pub fn says_word(&self) -> bool {
        let best = self.best().map(|best| best.label.as_str());
        self.kind == Answers::SingleLabel
            && self
                .word()
                .is_some_and(|word| Some(word.label.as_str()) != best)
    }

    /// What the photo shows, in words: the everyday word or the best class, every class that is there, or yes or no.
    pub fn headline(&self) -> String {
        let Some(best) = self.best() else {
            return "No answer".to_owned();
        };
        match self.kind {
            Answers::SingleLabel => self.word().map_or(&best.label, |word| &word.label).clone(),
            Answers::Binary if self.predictions.len() == 1 => {
                let word = if self.is_present(best) { "Yes" } else { "No" };
                format!("{word}: {}", best.label)
            }
            Answers::Binary => self.stated().unwrap_or(best).label.clone(),
            Answers::MultiLabel => {
                let there: Vec<_> = self
                    .predictions
                    .iter()
                    .filter(|found| self.is_present(found))
                    .map(|found| found.label.as_str())
                    .collect();
                if there.is_empty() {
                    "None of them".to_owned()
                } else {
                    there.join(", ")
                }
            }
        }
    }

    /// The probability that the headline is right, where it is one statement.
    pub fn certainty(&self) -> Option<f32> {
        let best = self.best()?;
        match self.kind {
            Answers::SingleLabel => Some(
                self.word()
                    .map_or(best.probability, |word| word.probability),
            ),
            Answers::Binary if self.predictions.len() == 1 && !self.is_present(best) => {
                Some(1.0 - best.probability)
            }
            Answers::Binary => Some(self.stated().unwrap_or(best).probability),
            Answers::MultiLabel => None,
        }
    }

    /// How sure it is, where one can say so. `threshold` is the one of the settings.
    pub fn confidence(&self, threshold: f32) -> Option<Confidence> {
        self.certainty()
            .map(|certainty| Confidence::of(certainty, threshold))
    }
}

/// How sure an answer is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// At least 80 %.
    Sure,
    /// Between the threshold and 80 %.
    Fairly,
    /// Below the threshold of the settings.
    Not,
}

impl Confidence {
    /// Of a probability in 0..=1, with the threshold of the settings.
    pub fn of(probability: f32, threshold: f32) -> Self {
        if probability.is_nan() || probability < threshold {
            Self::Not
        } else if probability >= 0.8 {
            Self::Sure
        } else {
            Self::Fairly
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Sure => "Sure",
            Self::Fairly => "Fairly sure",
            Self::Not => "Not sure",
        }
    }
}

/// How far we are with a photo.
#[derive(Clone, Debug, PartialEq)]
pub enum PhotoState {
    /// In the queue.
    Waiting,
    /// A worker has it.
    Working,
    /// Answered.
    Done(PhotoAnswer),
    /// Could not be read or classified.
    Failed(Problem),
    /// The user stopped before its turn.
    Stopped,
}

/// A photo in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Stays with it.
    pub id: PhotoId,
    /// Where its bytes are.
    pub source: PhotoSource,
    /// How far we are.
    pub state: PhotoState,
    /// What the user said it shows; it wins over the answer.
    pub said: Option<String>,
}

impl Photo {
    /// The answer, once there is one.
    pub fn answer(&self) -> Option<&PhotoAnswer> {
        match &self.state {
            PhotoState::Done(answer) => Some(answer),
            _ => None,
        }
    }

    /// What went wrong, if something did.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.state {
            PhotoState::Failed(problem) => Some(problem),
            _ => None,
        }
    }

    /// What it shows, once that is known.
    pub fn label(&self) -> Option<String> {
        if self.said.is_some() {
            return self.said.clone();
        }
        self.answer()
            .filter(|answer| answer.best().is_some())
            .map(PhotoAnswer::headline)
    }

    /// How sure the label is, where one can say so. What the user said is sure.
    pub fn confidence(&self, threshold: f32) -> Option<Confidence> {
        match &self.said {
            Some(_) => Some(Confidence::Sure),
            None => self.answer()?.confidence(threshold),
        }
    }

    /// One sentence for a screen reader.
    pub fn spoken(&self, threshold: f32) -> String {
        let name = self.source.name();
        if let Some(said) = &self.said {
            return format!("{name}: {said}, as you said");
        }
        match &self.state {
            PhotoState::Waiting => format!("{name}: waiting"),
            PhotoState::Working => format!("{name}: being looked at"),
            PhotoState::Stopped => format!("{name}: not looked at"),
            PhotoState::Failed(problem) => format!("{name}: {}", problem.what),
            PhotoState::Done(answer) => {
                let doubt = match answer.confidence(threshold) {
                    Some(Confidence::Not) => "not sure, perhaps ",
                    Some(Confidence::Sure | Confidence::Fairly) | None => "",
                };
                let number = answer
                    .certainty()
                    .map(|certainty| format!(", {}", percent(certainty)))
                    .unwrap_or_default();
                let damaged = match answer.damage {
                    Some(_) => ", damaged file",
                    None => "",
                };
                format!("{name}: {doubt}{}{number}{damaged}", answer.headline())
            }
        }
    }
}

/// "62 %"; "<1 %" and ">99 %" rather than a 0 or a 100 that would claim certainty.
pub fn percent(probability: f32) -> String {
    let percent = 100.0 * probability;
    if percent.is_nan() {
        "? %".to_owned()
    } else if percent < 1.0 {
        "<1 %".to_owned()
    } else if percent > 99.0 && percent < 99.95 {
        ">99 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests;
