//! One photo in the list: where its bytes are, how far we are with it, what was found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::classify::{Prediction, Problem};

/// Stays with a photo for the life of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhotoId(pub u64);

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
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

impl Source {
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
pub struct Answer {
    /// Best first.
    pub predictions: Vec<Prediction>,
    /// The model's name.
    pub model: String,
    /// Reading, decoding and asking the network, all together.
    pub took: Duration,
    /// Size of the photo as it is shown (after its EXIF orientation), in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
}

impl Answer {
    /// The most probable class.
    pub fn best(&self) -> Option<&Prediction> {
        self.predictions.first()
    }
}

/// How sure an answer is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sureness {
    /// At least 80 %.
    Sure,
    /// Between the threshold and 80 %.
    Fairly,
    /// Below the threshold of the settings.
    Not,
}

impl Sureness {
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
pub enum State {
    /// In the queue.
    Waiting,
    /// A worker has it.
    Working,
    /// Answered.
    Done(Answer),
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
    pub source: Source,
    /// How far we are.
    pub state: State,
}

impl Photo {
    /// The answer, once there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Done(answer) => Some(answer),
            _ => None,
        }
    }

    /// What went wrong, if something did.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.state {
            State::Failed(problem) => Some(problem),
            _ => None,
        }
    }

    /// The best label, once there is one.
    pub fn label(&self) -> Option<&str> {
        self.answer()
            .and_then(Answer::best)
            .map(|best| best.label.as_str())
    }

    /// One sentence for a screen reader.
    pub fn spoken(&self, threshold: f32) -> String {
        let name = self.source.name();
        match &self.state {
            State::Waiting => format!("{name}: waiting"),
            State::Working => format!("{name}: being looked at"),
            State::Stopped => format!("{name}: not looked at"),
            State::Failed(problem) => format!("{name}: {}", problem.what),
            State::Done(answer) => match answer.best() {
                Some(best) => {
                    let sureness = match Sureness::of(best.probability, threshold) {
                        Sureness::Not => "not sure, perhaps ",
                        _ => "",
                    };
                    format!(
                        "{name}: {sureness}{}, {}",
                        best.label,
                        percent(best.probability)
                    )
                }
                None => format!("{name}: no answer"),
            },
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
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_line() {
        let name = |name: &str| Source::File(format!("/p/{name}").into()).name();
        assert_eq!(name("a\nb\u{202E}gpj.jpg"), "a\u{FFFD}b\u{FFFD}gpj.jpg");
        assert_eq!(name("caf\u{e9} 1.jpg"), "caf\u{e9} 1.jpg");
    }

    #[test]
    fn percentages_claim_no_certainty() {
        let shown: Vec<_> = [0.0, 0.004, 0.012, 0.625, 0.994, 0.9992, 1.0, f32::NAN]
            .map(percent)
            .into();
        assert_eq!(
            shown,
            [
                "<1 %", "<1 %", "1 %", "62 %", ">99 %", ">99 %", "100 %", "? %"
            ]
        );
    }

    #[test]
    fn a_probability_that_is_no_number_is_not_sure() {
        assert_eq!(Sureness::of(f32::NAN, 0.4), Sureness::Not);
        assert_eq!(Sureness::of(0.39, 0.4), Sureness::Not);
        assert_eq!(Sureness::of(0.5, 0.4), Sureness::Fairly);
        assert_eq!(Sureness::of(0.9, 0.4), Sureness::Sure);
    }
}
