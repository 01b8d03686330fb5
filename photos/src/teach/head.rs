//! The new last layer: a regularized least-squares classifier whose strength is chosen by exact leave-one-out.
//!
//! Ridge regression onto one column a class, classes weighted alike however many photos they have. One factorization
//! gives, for every strength, the scores that each photo would get from the others alone (`left_out.rs`).
//!
//! Features are divided by the square root of their spread first, halfway between as they are and standardized. No photo
//! is read here and nothing is printed.

use nalgebra::{DMatrix, SymmetricEigen};

use super::left_out::LeftOut;

/// Strengths tried, relative to the mean eigenvalue: from 0.001 to 30.
const STRENGTHS: usize = 16;
const WEAKEST: f64 = 1e-3;
const STRONGEST: f64 = 30.0;

/// Least spread of a feature, so that one that never changes is not blown up.
const LEAST_SPREAD: f64 = 1e-3;

/// Losses within this part of the least count as equal, and the weakest of their strengths is taken: with few photos the
/// loss is flat over a wide range, at whose strong end classes are told apart by their mean photos alone.
const EQUAL_LOSS: f64 = 0.01;

/// Temperatures tried while a strength is judged.
const TEMPERATURE_STEPS: usize = 24;

/// What is learned from.
pub struct Samples<'a> {
    /// `[N, width]`, row by row.
    pub features: &'a [f32],
    /// Numbers of a photo.
    pub width: usize,
    /// The class of each photo; none for a photo of nothing that is taught.
    pub classes: &'a [Option<usize>],
    /// How many classes there are.
    pub count: usize,
    /// Photos that look alike, in groups of two and more.
    pub alike: &'a [Vec<usize>],
}

/// A layer, and what it said of each photo without having seen it.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// `[classes, width]`, row by row.
    pub weights: Vec<f64>,
    /// One a class.
    pub bias: Vec<f64>,
    /// The strength chosen, relative to the mean eigenvalue.
    pub strength: f64,
    /// `[N, classes]`: scores of each photo by the layer that the other photos give.
    pub left_out: Vec<f64>,
}

/// Steps for each eigenvalue after which the factorization is given up; it takes two or three.
const STEPS: usize = 100;

/// Weighted and centered features in their eigenbasis: `A = left diag(sqrt(values)) right'`.
struct Basis {
    /// `[N, rank]`.
    left: DMatrix<f64>,
    /// `[width, rank]`.
    right: DMatrix<f64>,
    values: Vec<f64>,
}

/// Learns the layer; none when the factorization fails, as it does for features that are no numbers.
pub fn fit(samples: &Samples<'_>) -> Option<Head> {
    let (n, width, count) = (samples.classes.len(), samples.width, samples.count);
    let weights = balanced(samples.classes, count);
    let total: f64 = weights.iter().sum();
    let root: Vec<f64> = weights.iter().map(|weight| weight.sqrt()).collect();
    let at = |i: usize, j: usize| f64::from(samples.features[i * width + j]);
    let mean = |of: &dyn Fn(usize) -> f64| (0..n).map(|i| weights[i] * of(i)).sum::<f64>() / total;
    let center: Vec<f64> = (0..width).map(|j| mean(&|i| at(i, j))).collect();
    let scale: Vec<f64> = (0..width)
        .map(|j| mean(&|i| (at(i, j) - center[j]).powi(2)).sqrt())
        .map(|spread| 1.0 / (spread + LEAST_SPREAD).sqrt())
        .collect();
    let target = |i: usize, k: usize| f64::from(u8::from(samples.classes[i] == Some(k)));
    let prior: Vec<f64> = (0..count).map(|k| mean(&|i| target(i, k))).collect();
    let a = DMatrix::from_fn(n, width, |i, j| root[i] * (at(i, j) - center[j]) * scale[j]);
    let b = DMatrix::from_fn(n, count, |i, k| root[i] * (target(i, k) - prior[k]));
    let basis = basis(&a)?;
    let projected = basis.left.tr_mul(&b);
    let unit = basis.values.iter().sum::<f64>() / n as f64;

    let left_out = LeftOut::new(samples);

    let mut tried: Vec<(f64, f64, Vec<f64>)> = Vec::with_capacity(STRENGTHS);
    for step in 0..STRENGTHS {
        let part = step as f64 / (STRENGTHS - 1) as f64;
        let strength = WEAKEST * (STRONGEST / WEAKEST).powf(part);
        let shrink: Vec<f64> = basis
            .values
            .iter()
            .map(|value| value / (value + strength * unit).max(f64::MIN_POSITIVE))
            .collect();
        let shrunk = scaled_rows(&projected, &shrink);
        let residuals = &b - &basis.left * shrunk;
        let residuals = left_out.residuals(&basis.left, &shrink, &residuals, &root);
        let scores: Vec<f64> = (0..n * count)
            .map(|at| {
                let (i, k) = (at / count, at % count);
                target(i, k) - residuals[(i, k)] / root[i]
            })
            .collect();
        let (_, loss) = temperature(&scores, count, samples.classes, &weights);
        tried.push((loss, strength, scores));
    }
    let losses = tried.iter().map(|(loss, ..)| *loss);
    let least = losses.filter(|loss| loss.is_finite()).reduce(f64::min)?;
    let (_, strength, left_out) = tried
        .into_iter()
        .find(|(loss, ..)| *loss <= least * (1.0 + EQUAL_LOSS))?;
    let factors: Vec<f64> = basis
        .values
        .iter()
        .map(|value| value.sqrt() / (value + strength * unit).max(f64::MIN_POSITIVE))
        .collect();
    let solution = &basis.right * scaled_rows(&projected, &factors);
    let mut head = Head {
        weights: Vec::with_capacity(count * width),
        bias: prior,
        strength,
        left_out,
    };
    for k in 0..count {
        for j in 0..width {
            let weight = solution[(j, k)] * scale[j];
            head.bias[k] -= weight * center[j];
            head.weights.push(weight);
        }
    }
    Some(head)
}

/// Weights that give every class the same say; together they are the number of photos.
pub fn balanced(classes: &[Option<usize>], count: usize) -> Vec<f64> {
    // The last place counts the photos of nothing that is taught.
    let mut photos = vec![0usize; count + 1];
    for class in classes {
        photos[class.unwrap_or(count)] += 1;
    }
    let used = photos.iter().filter(|photos| **photos > 0).count();
    let share = classes.len() as f64 / used.max(1) as f64;
    let weight = |class: &Option<usize>| share / photos[class.unwrap_or(count)] as f64;
    classes.iter().map(weight).collect()
}

/// The eigenbasis, through whichever of `A A'` and `A' A` is smaller.
fn basis(a: &DMatrix<f64>) -> Option<Basis> {
    let wide = a.nrows() <= a.ncols();
    let gram = if wide { a * a.transpose() } else { a.tr_mul(a) };
    if gram.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let steps = STEPS * gram.nrows();
    let eigen = SymmetricEigen::try_new(gram, f64::EPSILON, steps)?;
    let largest = eigen.eigenvalues.max();
    // Below this an eigenvalue is rounding; its direction holds nothing.
    let kept: Vec<usize> = (0..eigen.eigenvalues.len())
        .filter(|r| eigen.eigenvalues[*r] > largest * 1e-12)
        .collect();
    let values: Vec<f64> = kept.iter().map(|r| eigen.eigenvalues[*r]).collect();
    let vectors = eigen.eigenvectors.select_columns(&kept);
    let mut other = if wide {
        a.tr_mul(&vectors)
    } else {
        a * &vectors
    };
    for (mut column, value) in other.column_iter_mut().zip(&values) {
        column /= value.sqrt();
    }
    let (left, right) = if wide {
        (vectors, other)
    } else {
        (other, vectors)
    };
    Some(Basis {
        left,
        right,
        values,
    })
}

/// Each row times its factor.
fn scaled_rows(matrix: &DMatrix<f64>, factors: &[f64]) -> DMatrix<f64> {
    let mut scaled = matrix.clone();
    for (mut row, factor) in scaled.row_iter_mut().zip(factors) {
        row *= *factor;
    }
    scaled
}

/// The temperature under which the scores are likeliest, and their mean loss with it (negative log likelihood in nats,
/// photos weighted). Photos without a class do not count.
pub fn temperature(
    scores: &[f64],
    count: usize,
    classes: &[Option<usize>],
    weights: &[f64],
) -> (f64, f64) {
    let loss = |log_temperature: f64| {
        let inverse = (-log_temperature).exp();
        let (mut sum, mut total) = (0.0, 0.0);
        for ((row, class), weight) in scores.chunks_exact(count).zip(classes).zip(weights) {
            let Some(truth) = class.map(|class| row[class]) else {
                continue;
            };
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let part: f64 = row
                .iter()
                .map(|score| ((score - largest) * inverse).exp())
                .sum();
            sum += weight * (part.ln() - (truth - largest) * inverse);
            total += weight;
        }
        sum / total
    };
    // The loss has one valley in the logarithm of the temperature: golden sections narrow it.
    let (mut low, mut high) = (1e-3f64.ln(), 10f64.ln());
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..TEMPERATURE_STEPS {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = loss(right);
        }
    }
    let best = f64::midpoint(low, high);
    (best.exp(), loss(best))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
