//! Accuracy, confusion and calibration of a classifier: numbers from answers, no files and no printing.
//!
//! Calibration error is ECE with equal-width bins (Guo et al. 2017, "On Calibration of Modern Neural Networks",
//! section 2); temperature scaling is section 4.2 of the same paper.

use std::collections::BTreeMap;

use inference::Label;
use model_core::scores;
use serde::Serialize;

/// Bins of the calibration error, as in the paper.
pub const BINS: usize = 15;

/// One answer with the truth beside it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The true class.
    pub truth: usize,
    /// The five best classes, best first.
    pub top5: Vec<usize>,
    /// Probability of the best class.
    pub confidence: f32,
    /// Probability of the true class.
    pub truth_probability: f32,
}

impl Judged {
    /// Judges one image's probabilities.
    pub fn new(truth: usize, probabilities: &[f32]) -> Self {
        let top5 = scores::top_k(probabilities, 5);
        let of = |class: Option<&usize>| {
            class
                .and_then(|c| probabilities.get(*c))
                .copied()
                .unwrap_or(0.0)
        };
        Self {
            truth,
            confidence: of(top5.first()),
            truth_probability: of(Some(&truth)),
            top5,
        }
    }

    /// The best class.
    pub fn predicted(&self) -> Option<usize> {
        self.top5.first().copied()
    }

    /// Whether the best class is the true one.
    pub fn is_right(&self) -> bool {
        self.predicted() == Some(self.truth)
    }

    fn in_top5(&self) -> bool {
        self.top5.contains(&self.truth)
    }
}

/// The measurements over a set of images. Percentages are 0 to 100.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Images counted.
    pub images: usize,
    /// Best class right.
    pub top1_percent: f64,
    /// Truth among the best five.
    pub top5_percent: f64,
    /// Mean probability of the best class: above `top1_percent` means overconfident.
    pub mean_confidence_percent: f64,
    /// Expected calibration error over [`BINS`] bins.
    pub ece_percent: f64,
    /// Mean of `-ln p(truth)`, in nats.
    pub negative_log_likelihood: f64,
    /// Only the classes that have images, in class order.
    pub classes: Vec<ClassReport>,
    /// Truth taken for another class, most frequent first.
    pub confusions: Vec<ClassConfusion>,
    /// Confidence against accuracy, bins without images left out.
    pub reliability: Vec<Bin>,
}

/// One class's share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// Place in the network's output.
    pub index: usize,
    /// The class's id.
    pub id: Option<String>,
    /// The class's name.
    pub label: String,
    /// Images of this class.
    pub images: usize,
    /// Best class right.
    pub top1_percent: f64,
    /// Among the best five.
    pub top5_percent: f64,
}

/// A pair of classes mixed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassConfusion {
    /// The true class's place in the output.
    pub truth: usize,
    /// The answer's place in the output.
    pub predicted: usize,
    /// The true class's name.
    pub truth_label: String,
    /// The answer's name.
    pub predicted_label: String,
    /// How often.
    pub images: usize,
}

/// Images whose confidence lies in one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end of the interval.
    pub from: f64,
    /// Upper end, included.
    pub to: f64,
    /// Images in it.
    pub images: usize,
    /// Their mean confidence.
    pub confidence_percent: f64,
    /// Share of them that is right.
    pub accuracy_percent: f64,
}

/// Measures; none without images.
pub fn report(judged: &[Judged], labels: &[Label]) -> Option<Report> {
    if judged.is_empty() {
        return None;
    }
    let images = judged.len();
    let percent = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
    let count = |what: fn(&Judged) -> bool| judged.iter().filter(|j| what(j)).count();
    let mean = |value: fn(&Judged) -> f64| judged.iter().map(value).sum::<f64>() / images as f64;
    let reliability = Bin::of(
        judged.iter().map(|one| (one.confidence, one.is_right())),
        BINS,
    );
    let ece_percent = reliability
        .iter()
        .map(|bin| {
            (bin.confidence_percent - bin.accuracy_percent).abs() * bin.images as f64
                / images as f64
        })
        .sum();
    Some(Report {
        images,
        top1_percent: percent(count(Judged::is_right), images),
        top5_percent: percent(count(Judged::in_top5), images),
        mean_confidence_percent: 100.0 * mean(|j| f64::from(j.confidence)),
        ece_percent,
        negative_log_likelihood: mean(|j| {
            -f64::from(j.truth_probability).max(f64::MIN_POSITIVE).ln()
        }),
        classes: classes(judged, labels),
        confusions: confusions(judged, labels),
        reliability,
    })
}

fn name(labels: &[Label], class: usize) -> String {
    labels
        .get(class)
        .map_or_else(|| format!("class {class}"), |label| label.name.clone())
}

fn classes(judged: &[Judged], labels: &[Label]) -> Vec<ClassReport> {
    let mut counts: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
    for one in judged {
        let count = counts.entry(one.truth).or_default();
        count[0] += 1;
        count[1] += usize::from(one.is_right());
        count[2] += usize::from(one.in_top5());
    }
    counts
        .into_iter()
        .map(|(index, [images, top1, top5])| ClassReport {
            index,
            id: labels.get(index).and_then(|label| label.id.clone()),
            label: name(labels, index),
            images,
            top1_percent: 100.0 * top1 as f64 / images as f64,
            top5_percent: 100.0 * top5 as f64 / images as f64,
        })
        .collect()
}

fn confusions(judged: &[Judged], labels: &[Label]) -> Vec<ClassConfusion> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for one in judged.iter().filter(|one| !one.is_right()) {
        if let Some(predicted) = one.predicted() {
            *counts.entry((one.truth, predicted)).or_default() += 1;
        }
    }
    let mut pairs: Vec<ClassConfusion> = counts
        .into_iter()
        .map(|((truth, predicted), images)| ClassConfusion {
            truth,
            predicted,
            truth_label: name(labels, truth),
            predicted_label: name(labels, predicted),
            images,
        })
        .collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.images));
    pairs
}

impl Bin {
    /// Answers by how likely they said they are, in `bins` intervals of one width; empty ones are left out.
    pub fn of(answers: impl Iterator<Item = (f32, bool)>, bins: usize) -> Vec<Self> {
        let mut sums = vec![(0usize, 0f64, 0usize); bins];
        for (confidence, right) in answers {
            let confidence = f64::from(confidence);
            // Intervals are open below and closed above, as in the paper; NaN counts as no confidence.
            let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            sums[bin].0 += 1;
            sums[bin].1 += confidence;
            sums[bin].2 += usize::from(right);
        }
        sums.iter()
            .enumerate()
            .filter(|(_, (images, ..))| *images > 0)
            .map(|(bin, (images, confidence, right))| Self {
                from: bin as f64 / bins as f64,
                to: (bin + 1) as f64 / bins as f64,
                images: *images,
                confidence_percent: 100.0 * confidence / *images as f64,
                accuracy_percent: 100.0 * *right as f64 / *images as f64,
            })
            .collect()
    }
}

/// The temperature's search range; a fit at its end is no fit.
pub const TEMPERATURE_RANGE: (f64, f64) = (0.05, 20.0);

/// The temperature that minimizes the negative log likelihood of `logits` (`[N][classes]`) with their truths; none when
/// the minimum lies outside [`TEMPERATURE_RANGE`], as it does when every answer is right.
///
/// The likelihood is concave in the inverse temperature b, so its derivative, the mean over images of
/// `z_truth - E_softmax(bz)[z]`, falls monotonically and bisection finds its only zero.
pub fn fit_temperature(logits: &[Vec<f32>], truths: &[usize]) -> Option<f32> {
    let slope = |inverse: f64| -> f64 {
        let each = logits
            .iter()
            .zip(truths)
            .map(|(z, truth)| f64::from(z[*truth]) - expected_logit(z, inverse));
        each.sum::<f64>()
    };
    let (coldest, hottest) = TEMPERATURE_RANGE;
    let (mut low, mut high) = (1.0 / hottest, 1.0 / coldest);
    if logits.is_empty() || slope(low) <= 0.0 || slope(high) >= 0.0 {
        return None;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some((1.0 / f64::midpoint(low, high)) as f32)
}

/// The mean of `z` under `softmax(z * inverse)`.
fn expected_logit(z: &[f32], inverse: f64) -> f64 {
    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for value in z {
        let weight = ((f64::from(*value) - f64::from(largest)) * inverse).exp();
        total += weight;
        weighted += weight * f64::from(*value);
    }
    weighted / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<Label> {
        ["cat", "dog", "cow"].map(Label::named).to_vec()
    }

    #[test]
    fn counts_by_hand() {
        let judged = [
            Judged::new(0, &[0.8, 0.1, 0.1]),
            Judged::new(0, &[0.3, 0.6, 0.1]),
            Judged::new(1, &[0.2, 0.7, 0.1]),
            Judged::new(2, &[0.1, 0.6, 0.3]),
        ];
        let report = report(&judged, &labels()).unwrap();
        assert_eq!((report.top1_percent, report.top5_percent), (50.0, 100.0));
        assert!((report.mean_confidence_percent - 67.5).abs() < 1e-4);
        let cat = &report.classes[0];
        assert_eq!(
            (cat.label.as_str(), cat.images, cat.top1_percent),
            ("cat", 2, 50.0)
        );
        let pairs: Vec<_> = report
            .confusions
            .iter()
            .map(|c| (c.truth, c.predicted, c.images))
            .collect();
        assert_eq!(pairs, [(0, 1, 1), (2, 1, 1)]);
        // Bins: 0.8 alone (right), 0.7 alone (right), two of 0.6 (wrong).
        let expected = (20.0 + 30.0 + 2.0 * 60.0) / 4.0;
        assert!(
            (report.ece_percent - expected).abs() < 1e-4,
            "{}",
            report.ece_percent
        );
        let nll = -(0.8f64.ln() + 0.3f64.ln() + 0.7f64.ln() + 0.3f64.ln()) / 4.0;
        assert!((report.negative_log_likelihood - nll).abs() < 1e-6);
    }

    #[test]
    fn nothing_gives_no_report_and_nan_does_no_harm() {
        assert!(report(&[], &labels()).is_none());
        let report = report(&[Judged::new(1, &[f32::NAN; 3])], &labels()).unwrap();
        assert_eq!(report.images, 1);
    }

    #[test]
    fn temperature_is_recovered_from_labels_drawn_with_it() {
        // Two classes, logit gap g: with temperature T the truth is class 0 with probability 1/(1+exp(-g/T)).
        // Give every gap its exact share of truths and the likelihood's maximum is at T.
        let (temperature, copies) = (2.5f64, 4000);
        let (mut logits, mut truths) = (Vec::new(), Vec::new());
        for gap in [0.5f32, 1.0, 2.0, 4.0] {
            let right = 1.0 / (1.0 + (-f64::from(gap) / temperature).exp());
            for copy in 0..copies {
                logits.push(vec![gap, 0.0]);
                truths.push(usize::from(f64::from(copy) >= right * f64::from(copies)));
            }
        }
        let fitted = fit_temperature(&logits, &truths).unwrap();
        assert!((f64::from(fitted) - temperature).abs() < 0.01, "{fitted}");
    }

    #[test]
    fn a_set_without_mistakes_cannot_be_fitted() {
        assert_eq!(
            fit_temperature(&[vec![3.0, 0.0], vec![0.0, 2.0]], &[0, 1]),
            None
        );
        assert_eq!(fit_temperature(&[], &[]), None);
    }
}
