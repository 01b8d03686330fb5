//! "None of these": its score, and the temperature under which it and the classes are likeliest.

use super::head::{self, Head};

/// The score of "none of these" for a photo with given scores of the classes.
///
/// The targets of a photo's classes sum to 1, and those of a photo of nothing that is taught to 0. So what the classes
/// leave of 1 is the score that a class of such photos would have got; a constant makes it as strict as was asked for.
/// Without such photos the classes leave nothing, and the constant alone is the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoneScore {
    /// Whether there were photos of nothing that is taught.
    pub has_others: bool,
    constant: f64,
}

impl NoneScore {
    /// The score that is above every class's for a `share` of the left-out photos of taught classes.
    pub fn new(head: &Head, truths: &[Option<usize>], share: f64) -> Option<Self> {
        let free = Self {
            has_others: truths.contains(&None),
            constant: 0.0,
        };
        let rows = head.left_out.chunks_exact(head.bias.len()).zip(truths);
        let mut leads: Vec<f64> = rows
            .filter(|(_, truth)| truth.is_some())
            .map(|(row, _)| free.lead(row))
            .collect();
        leads.sort_by(f64::total_cmp);
        let place = (share * leads.len() as f64).floor() as usize;
        let constant = *leads.get(place)?;
        Some(Self { constant, ..free })
    }

    /// How far the best class is above what the classes leave.
    fn lead(self, scores: &[f64]) -> f64 {
        scores.iter().copied().fold(f64::NEG_INFINITY, f64::max) - self.left(scores)
    }

    /// Whether a photo with these scores is answered with "none of these". A tie is the class's.
    pub fn refuses(self, scores: &[f64]) -> bool {
        self.lead(scores) < self.constant
    }

    /// The score, where these are the classes'.
    pub fn of(self, scores: &[f64]) -> f64 {
        self.left(scores) + self.constant
    }

    fn left(self, scores: &[f64]) -> f64 {
        match self.has_others {
            true => 1.0 - scores.iter().sum::<f64>(),
            false => 0.0,
        }
    }

    /// How the score changes where the classes' sum changes by so much.
    pub fn direction(self, sum: f64) -> f64 {
        if self.has_others { -sum } else { 0.0 }
    }
}

/// The temperature that makes left-out answers, "none of these" among them, likeliest.
pub fn temperature(head: &Head, truths: &[Option<usize>], none: Option<NoneScore>) -> f64 {
    let count = head.bias.len();
    let weights = head::balanced(truths, count);
    let Some(none) = none else {
        return head::temperature(&head.left_out, count, truths, &weights).0;
    };
    let rows = head.left_out.chunks_exact(count);
    let scores: Vec<f64> = rows
        .flat_map(|row| row.iter().copied().chain([none.of(row)]))
        .collect();
    let truths: Vec<Option<usize>> = truths
        .iter()
        .map(|truth| Some(truth.unwrap_or(count)))
        .collect();
    head::temperature(&scores, count + 1, &truths, &weights).0
}
