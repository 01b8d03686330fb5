//! From logits to an answer: softmax and top-k. Calibration's temperature is applied here.

use std::cmp::Ordering;

/// How many of the likeliest classes are shown where nobody asked for another number.
pub const DEFAULT_TOP_K: usize = 5;

/// Below this probability an answer is called "not sure" where nobody asked for another number.
pub const DEFAULT_SURE_FROM: f32 = 0.4;

/// Probabilities of `logits / temperature`, stable for large values; they sum to 1.
///
/// A NaN logit makes every probability NaN: the caller can see that the network failed.
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let scale = 1.0 / f64::from(temperature);
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = logits
        .iter()
        .map(|l| ((f64::from(*l) - f64::from(largest)) * scale).exp())
        .collect();
    let total: f64 = exps.iter().sum();
    exps.iter().map(|e| (e / total) as f32).collect()
}

/// `1 / (1 + exp(-logit))`, without overflow for large values.
pub fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

/// Indices of the `k` largest scores, best first; equal scores keep index order, NaN comes last.
pub fn top_k(scores: &[f32], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (scores[a], scores[b]);
        a.is_nan()
            .cmp(&b.is_nan())
            .then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
    });
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_stable_and_sums_to_one() {
        let p = softmax(&[1000.0, 1001.0, 999.0], 1.0);
        // exp(0), exp(-1), exp(-2) over their sum
        for (got, want) in p.iter().zip([0.244_728_47, 0.665_240_94, 0.090_030_57]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn temperature_flattens() {
        let sharp = softmax(&[0.0, 2.0], 1.0);
        let flat = softmax(&[0.0, 2.0], 2.0);
        assert!((flat[1] - 1.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6);
        assert!(flat[1] < sharp[1]);
    }

    #[test]
    fn top_k_orders_ties_by_index_and_nan_last() {
        assert_eq!(top_k(&[0.1, 0.4, 0.4, f32::NAN, 0.2], 4), [1, 2, 4, 0]);
        assert_eq!(top_k(&[f32::NAN, f32::NEG_INFINITY], 5), [1, 0]);
        assert!(top_k(&[], 3).is_empty());
    }
}
