//! What is to be said of a lesson before its model is written: numbers and names, no sentences. All of it rests on what
//! the layer said of each photo without having seen it.

use serde::Serialize;

use super::TrainingPhoto;
use super::lesson::{is_few, name_of};

/// An answer this likely that contradicts the photo's folder points at a mislabeled photo.
const SUSPECT_PROBABILITY: f64 = 0.8;
/// The standard normal distribution's 97.5 % point: intervals hold the truth in 95 % of cases.
const NORMAL_95: f64 = 1.959_964;

/// One left-out photo's answer.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub truth: Option<usize>,
    /// The best class.
    pub class: usize,
    /// Whether the answer was "none of these".
    pub refused: bool,
    /// How likely the best class was said to be among the classes.
    pub probability: f64,
    /// How likely the photo's own class was said to be among the classes.
    pub truth_probability: f64,
}

impl Judged {
    fn is_right(&self) -> bool {
        !self.refused && self.truth == Some(self.class)
    }
}

/// What is to be said. Percentages are 0 to 100.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// Photos of taught classes that were learned from.
    pub photos: usize,
    /// Answers that are right; "none of these" counts as wrong.
    pub accuracy_percent: f64,
    /// The accuracy's 95 % interval (Wilson 1927).
    pub accuracy_interval_percent: [f64; 2],
    /// Best classes that are right, had no photo been refused.
    pub class_accuracy_percent: f64,
    /// Photos of taught classes answered with "none of these".
    pub false_refusals_percent: f64,
    /// Photos of nothing that is taught, and how many of them were refused; none without such photos.
    pub others: Option<Others>,
    /// Each class.
    pub classes: Vec<ClassFinding>,
    /// Pairs of classes that are mixed up, the most frequent first.
    pub confusions: Vec<Confusion>,
    /// Photos that look mislabeled, the likeliest first.
    pub suspects: Vec<Suspect>,
    /// Photos that look alike, in groups. Each was judged without the others of its group.
    pub alike: Vec<Vec<String>>,
    /// Files that are copies of another of their class; each content is learned once.
    pub copies: usize,
    /// Files of one content in several classes: left out, because they say nothing.
    pub contradictions: Vec<Vec<String>>,
    /// What would help most, where something would.
    pub help: Option<Help>,
}

/// Photos of nothing that is taught.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Others {
    /// How many.
    pub photos: usize,
    /// Answered with "none of these".
    pub refused_percent: f64,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFinding {
    /// Its name.
    pub class: String,
    /// Its photos.
    pub photos: usize,
    /// Answered rightly.
    pub right_percent: f64,
    /// Answered with "none of these".
    pub refused_percent: f64,
    /// Whether it has too few photos for these numbers, and its answers, to be trusted.
    pub few: bool,
}

/// Two classes that are mixed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    /// The true class.
    pub class: String,
    /// The answer.
    pub taken_for: String,
    /// How often.
    pub photos: usize,
}

/// A photo that looks like another class than its folder says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// The photo.
    pub photo: String,
    /// Its folder.
    pub class: String,
    /// What it looks like.
    pub looks_like: String,
    /// How likely that is.
    pub probability: f64,
}

/// What would help most: more photos of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Help {
    /// The class.
    pub class: String,
    /// The photos it has.
    pub photos: usize,
    /// Answered rightly.
    pub right_percent: f64,
    /// The class that it is most often taken for.
    pub taken_for: Option<String>,
}

impl Findings {
    pub(super) fn new(
        photos: &[TrainingPhoto],
        classes: &[String],
        judged: &[Judged],
        alike: &[Vec<usize>],
        copies: usize,
        contradictions: Vec<Vec<String>>,
    ) -> Self {
        let taught: Vec<&Judged> = judged.iter().filter(|one| one.truth.is_some()).collect();
        let others: Vec<&Judged> = judged.iter().filter(|one| one.truth.is_none()).collect();
        let right = taught.iter().filter(|one| one.is_right()).count();
        let best = taught.iter().filter(|one| one.truth == Some(one.class));
        let class_findings = class_findings(classes, &taught);
        let confusions = confusions(classes, &taught);
        Self {
            photos: taught.len(),
            accuracy_percent: percent(right, taught.len()),
            accuracy_interval_percent: wilson(right, taught.len()),
            class_accuracy_percent: percent(best.count(), taught.len()),
            false_refusals_percent: refused(&taught),
            others: (!others.is_empty()).then(|| Others {
                photos: others.len(),
                refused_percent: refused(&others),
            }),
            suspects: suspects(photos, classes, judged),
            alike: alike
                .iter()
                .map(|group| group.iter().map(|photo| name_of(&photos[*photo])).collect())
                .collect(),
            copies,
            contradictions,
            help: help(&class_findings, &confusions),
            classes: class_findings,
            confusions,
        }
    }
}

fn percent(count: usize, of: usize) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}

fn refused(of: &[&Judged]) -> f64 {
    percent(of.iter().filter(|one| one.refused).count(), of.len())
}

/// The 95 % interval of a share, in percent (Wilson 1927, "Probable Inference, the Law of Succession, and Statistical
/// Inference"): it holds for few photos and near 0 and 100 %, too.
fn wilson(right: usize, of: usize) -> [f64; 2] {
    let (n, z2) = (of.max(1) as f64, NORMAL_95 * NORMAL_95);
    let share = right as f64 / n;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let spread =
        NORMAL_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    [
        100.0 * (middle - spread).max(0.0),
        100.0 * (middle + spread).min(1.0),
    ]
}

fn class_findings(classes: &[String], taught: &[&Judged]) -> Vec<ClassFinding> {
    let each = classes.iter().enumerate().map(|(class, name)| {
        let own: Vec<&Judged> = taught
            .iter()
            .copied()
            .filter(|one| one.truth == Some(class))
            .collect();
        ClassFinding {
            class: name.clone(),
            photos: own.len(),
            right_percent: percent(own.iter().filter(|one| one.is_right()).count(), own.len()),
            refused_percent: refused(&own),
            few: is_few(own.len()),
        }
    });
    each.collect()
}

fn confusions(classes: &[String], taught: &[&Judged]) -> Vec<Confusion> {
    let mut counts = std::collections::BTreeMap::<(usize, usize), usize>::new();
    for one in taught.iter().filter(|one| !one.refused) {
        if let Some(truth) = one.truth.filter(|truth| *truth != one.class) {
            *counts.entry((truth, one.class)).or_default() += 1;
        }
    }
    let mut confusions: Vec<Confusion> = counts
        .into_iter()
        .map(|((class, taken_for), photos)| Confusion {
            class: classes[class].clone(),
            taken_for: classes[taken_for].clone(),
            photos,
        })
        .collect();
    confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.photos));
    confusions
}

fn suspects(photos: &[TrainingPhoto], classes: &[String], judged: &[Judged]) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = photos
        .iter()
        .zip(judged)
        .filter(|(_, one)| {
            let other = one.truth.is_some_and(|truth| truth != one.class);
            other && one.probability >= SUSPECT_PROBABILITY && one.truth_probability < 0.1
        })
        .map(|(photo, one)| Suspect {
            photo: name_of(photo),
            class: photo.class.clone().unwrap_or_default(),
            looks_like: classes[one.class].clone(),
            probability: one.probability,
        })
        .collect();
    suspects.sort_by(|a, b| {
        let by_probability = b.probability.total_cmp(&a.probability);
        by_probability.then_with(|| a.photo.cmp(&b.photo))
    });
    suspects
}

/// The class whose errors weigh most: the share answered wrongly, more so the fewer photos it has.
fn help(classes: &[ClassFinding], confusions: &[Confusion]) -> Option<Help> {
    let need = |class: &ClassFinding| {
        // One more error is added, so that a class of three photos that are all right is still thin.
        let wrong = (100.0 - class.right_percent) / 100.0 * class.photos as f64 + 1.0;
        wrong / (class.photos as f64 + 2.0)
    };
    let class = classes.iter().max_by(|a, b| need(a).total_cmp(&need(b)))?;
    let enough = class.right_percent >= 95.0 && !class.few;
    (!enough).then(|| Help {
        class: class.class.clone(),
        photos: class.photos,
        right_percent: class.right_percent,
        taken_for: confusions
            .iter()
            .find(|confusion| confusion.class == class.class)
            .map(|confusion| confusion.taken_for.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Wilson's interval of 8 in 10 is 0.4902 to 0.9433.
        let [low, high] = wilson(8, 10);
        assert!(
            (low - 49.02).abs() < 0.01 && (high - 94.33).abs() < 0.01,
            "{low} {high}"
        );
        assert!((wilson(10, 10)[1] - 100.0).abs() < 1e-9);
        assert!(wilson(10, 10)[0] < 75.0);
    }

    #[test]
    fn help_names_the_class_that_a_thin_one_is_taken_for() {
        let class = |name: &str, photos, right_percent| ClassFinding {
            class: name.to_owned(),
            photos,
            right_percent,
            refused_percent: 0.0,
            few: is_few(photos),
        };
        let confusion = |class: &str, taken_for: &str, photos| Confusion {
            class: class.to_owned(),
            taken_for: taken_for.to_owned(),
            photos,
        };
        let classes = [class("cat", 20, 90.0), class("owl", 3, 100.0 / 3.0)];
        let confusions = [confusion("cat", "owl", 2), confusion("owl", "cat", 2)];
        let found = help(&classes, &confusions).unwrap();
        assert_eq!(
            (
                found.class.as_str(),
                found.photos,
                found.taken_for.as_deref()
            ),
            ("owl", 3, Some("cat"))
        );
        assert_eq!(help(&[class("cat", 20, 95.0)], &[]), None);
    }
}
