//! Which class was taken for which: counts over an evaluation, and what follows for each class.

use std::fmt::Write;

use anyhow::Result;
use model_core::labels::Label;
use serde::Serialize;
use tch::{Kind, Tensor};

/// Counts of answers, by true class and answer.
#[derive(Debug)]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row: the truth; column: the answer.
    counts: Vec<u64>,
}

/// How one class fared.
#[derive(Debug, PartialEq, Serialize)]
pub struct ClassAccuracy {
    /// Its label.
    pub label: String,
    /// Images of it.
    pub images: u64,
    /// Share of them whose best answer is right.
    pub top1_percent: f64,
}

/// One class taken for another.
#[derive(Debug, PartialEq, Serialize)]
pub struct ConfusedPair {
    /// The label that would have been right.
    pub truth: String,
    /// The label answered.
    pub answer: String,
    /// How often.
    pub images: u64,
}

impl ConfusionMatrix {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: vec![0; classes * classes],
        }
    }

    /// Counts the best class of each row of `logits` `[N, C]` against `truth` `[N]`.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn add(&mut self, logits: &Tensor, truth: &Tensor) -> Result<()> {
        let answers = logits.f_argmax(1, false)?;
        let cells = truth
            .f_mul_scalar(self.classes as i64)?
            .f_add(&answers)?
            .f_to_kind(Kind::Int64)?;
        for cell in Vec::<i64>::try_from(&cells.f_to_device(tch::Device::Cpu)?)? {
            if let Some(count) = self.counts.get_mut(cell as usize) {
                *count += 1;
            }
        }
        Ok(())
    }

    fn row(&self, class: usize) -> &[u64] {
        &self.counts[class * self.classes..][..self.classes]
    }

    fn accuracy(&self, class: usize) -> Option<(u64, f64)> {
        let row = self.row(class);
        let images: u64 = row.iter().sum();
        (images > 0).then(|| (images, 100.0 * row[class] as f64 / images as f64))
    }

    /// Mean of the classes' accuracies, each class counted alike, however many images it has.
    pub fn mean_percent(&self) -> f64 {
        let each: Vec<f64> = (0..self.classes)
            .filter_map(|class| Some(self.accuracy(class)?.1))
            .collect();
        each.iter().sum::<f64>() / each.len().max(1) as f64
    }

    /// The classes that had images, in the order of the labels.
    pub fn classes(&self, labels: &[Label]) -> Vec<ClassAccuracy> {
        let named = labels.iter().take(self.classes).enumerate();
        named
            .filter_map(|(class, label)| {
                let (images, top1_percent) = self.accuracy(class)?;
                Some(ClassAccuracy {
                    label: label.name.clone(),
                    images,
                    top1_percent,
                })
            })
            .collect()
    }

    /// The `most` pairs that were confused most often.
    pub fn pairs(&self, labels: &[Label], most: usize) -> Vec<ConfusedPair> {
        let mut wrong: Vec<(u64, usize, usize)> = (0..self.classes)
            .flat_map(|truth| (0..self.classes).map(move |answer| (truth, answer)))
            .filter(|(truth, answer)| truth != answer)
            .map(|(truth, answer)| (self.row(truth)[answer], truth, answer))
            .filter(|(count, ..)| *count > 0)
            .collect();
        wrong.sort_by_key(|&(count, truth, answer)| (std::cmp::Reverse(count), truth, answer));
        let name = |class: usize| {
            labels
                .get(class)
                .map_or("?", |label| &label.name)
                .to_owned()
        };
        let pairs = wrong.into_iter().take(most);
        pairs
            .map(|(images, truth, answer)| ConfusedPair {
                truth: name(truth),
                answer: name(answer),
                images,
            })
            .collect()
    }

    /// The worst classes and the most confused pairs, `most` of each.
    pub fn to_text(&self, labels: &[Label], most: usize) -> String {
        let mut text = String::new();
        let mut classes = self.classes(labels);
        if most == 0 || classes.len() < 2 {
            return text;
        }
        classes.sort_by(|a, b| a.top1_percent.total_cmp(&b.top1_percent));
        let head = if classes.len() > most {
            "worst classes"
        } else {
            "classes, the worst first"
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{head}:");
        for class in classes.iter().take(most) {
            let ClassAccuracy {
                label,
                images,
                top1_percent,
            } = class;
            let _ = writeln!(text, "  {top1_percent:7.3} % of {images:>6}  {label}");
        }
        let pairs = self.pairs(labels, most);
        if !pairs.is_empty() {
            let _ = writeln!(text, "most often confused:");
        }
        for pair in pairs {
            let _ = writeln!(
                text,
                "  {:>6} x  {} taken for {}",
                pair.images, pair.truth, pair.answer
            );
        }
        text
    }

    /// All counts, a row per class and a column per answer, with the labels.
    pub fn to_csv(&self, labels: &[Label]) -> String {
        let quoted = |label: &Label| format!("\"{}\"", label.name.replace('"', "\"\""));
        let mut text = String::from("\"truth\"");
        for label in labels {
            text.push(',');
            text.push_str(&quoted(label));
        }
        text.push('\n');
        for (class, label) in labels.iter().enumerate().take(self.classes) {
            text.push_str(&quoted(label));
            for count in self.row(class) {
                text.push(',');
                text.push_str(&count.to_string());
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_accuracies_and_pairs() {
        let mut confusion = ConfusionMatrix::new(3);
        // Answers 0, 0, 2, 2, 2 to truths 0, 1, 1, 2, 1.
        let logits = Tensor::from_slice(&[
            9.0_f32, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 9.0, 0.0, 0.0, 9.0,
        ]);
        let truth = Tensor::from_slice(&[0_i64, 1, 1, 2, 1]);
        confusion.add(&logits.view([5, 3]), &truth).unwrap();
        let labels: Vec<Label> = ["a", "b", "c"].map(Label::named).into();
        assert!((confusion.mean_percent() - 200.0 / 3.0).abs() < 1e-9);
        let classes = confusion.classes(&labels);
        assert_eq!((classes[1].images, classes[1].top1_percent), (3, 0.0));
        let pairs = confusion.pairs(&labels, 9);
        assert_eq!(pairs.len(), 2);
        assert_eq!(
            (
                pairs[0].truth.as_str(),
                pairs[0].answer.as_str(),
                pairs[0].images
            ),
            ("b", "c", 2)
        );
        assert_eq!(
            confusion.to_csv(&labels).lines().nth(2),
            Some("\"b\",1,0,2")
        );
        assert!(
            confusion
                .to_text(&labels, 1)
                .starts_with("worst classes:\n    0.000 % of      3  b\n")
        );
    }
}
