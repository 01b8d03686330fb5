use super::super::left_out::LARGE_CLASS;
use super::*;

/// Numbers that look drawn, the same everywhere.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Photos whose first `count` features lean towards their class.
fn made(n: usize, width: usize, count: usize) -> (Vec<f32>, Vec<Option<usize>>) {
    let mut next = noise(7);
    let classes: Vec<Option<usize>> = (0..n).map(|i| Some(i * i % count)).collect();
    let mut features = Vec::new();
    for class in &classes {
        for j in 0..width {
            features.push(next() + if Some(j) == *class { 0.6 } else { 0.0 });
        }
    }
    (features, classes)
}

/// Ridge solved from scratch over what is not in `out`, with the center, scale and strength of the full set. Every class
/// keeps its weight unless it is large.
fn scores_without(samples: &Samples<'_>, out: &[usize], strength: f64) -> Vec<Vec<f64>> {
    let (n, width, count) = (samples.classes.len(), samples.width, samples.count);
    let weights = balanced(samples.classes, count);
    let at = |i: usize, j: usize| f64::from(samples.features[i * width + j]);
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(usize) -> f64| (0..n).map(|i| weights[i] * of(i)).sum::<f64>() / total;
    let center: Vec<f64> = (0..width).map(|j| mean(&|i| at(i, j))).collect();
    let scale: Vec<f64> = (0..width)
        .map(|j| 1.0 / (mean(&|i| (at(i, j) - center[j]).powi(2)).sqrt() + LEAST_SPREAD).sqrt())
        .collect();
    let unit: f64 = (0..n)
        .map(|i| {
            let row = (0..width).map(|j| ((at(i, j) - center[j]) * scale[j]).powi(2));
            weights[i] * row.sum::<f64>()
        })
        .sum::<f64>()
        / n as f64;
    // Unknowns: one weight a feature and an intercept that is not shrunk. Normal equations over the photos kept.
    let kept: Vec<usize> = (0..n).filter(|i| !out.contains(i)).collect();
    let of = |class: Option<usize>, photos: &[usize]| {
        photos
            .iter()
            .filter(|i| samples.classes[**i] == class)
            .count()
    };
    let all: Vec<usize> = (0..n).collect();
    let mut touched: Vec<Option<usize>> = out.iter().map(|i| samples.classes[*i]).collect();
    touched.sort_unstable();
    touched.dedup();
    let mut weights = weights.clone();
    if touched.iter().map(|class| of(*class, &all)).sum::<usize>() <= LARGE_CLASS {
        for i in &kept {
            let class = samples.classes[*i];
            weights[*i] *= of(class, &all) as f64 / of(class, &kept) as f64;
        }
    }
    let x = |i: usize, j: usize| match j == width {
        true => 1.0,
        false => (at(i, j) - center[j]) * scale[j],
    };
    let left = DMatrix::from_fn(width + 1, width + 1, |p, q| {
        let shrink = if p == q && p < width {
            strength * unit
        } else {
            0.0
        };
        kept.iter()
            .map(|i| weights[*i] * x(*i, p) * x(*i, q))
            .sum::<f64>()
            + shrink
    });
    let right = DMatrix::from_fn(width + 1, count, |p, k| {
        let target = |i: usize| f64::from(u8::from(samples.classes[i] == Some(k)));
        kept.iter()
            .map(|i| weights[*i] * x(*i, p) * target(*i))
            .sum::<f64>()
    });
    let right = left.lu().solve(&right).unwrap();
    out.iter()
        .map(|i| {
            (0..count)
                .map(|k| (0..=width).map(|j| x(*i, j) * right[(j, k)]).sum())
                .collect()
        })
        .collect()
}

#[test]
fn left_out_scores_are_those_of_solving_anew_without_the_photo() {
    // Fewer photos than features, more, and so many that a class is large.
    for (n, width) in [(18, 30), (40, 12), (900, 5)] {
        let (features, mut classes) = made(n, width, 3);
        // One photo of nothing that is taught, and a class whose only two photos look alike.
        classes[4] = None;
        classes[5] = Some(3);
        classes[6] = Some(3);
        let mut alike = vec![vec![0, 3, 9], vec![5, 6]];
        // Alike and of two classes, as one photo in two folders is.
        let other = (10..n).find(|i| classes[*i] != classes[1]);
        alike.push(vec![1, other.unwrap()]);
        let samples = Samples {
            features: &features,
            width,
            classes: &classes,
            count: 4,
            alike: &alike,
        };
        let head = fit(&samples).unwrap();
        let alone = [2, 4, n - 1].map(|photo| vec![photo]);
        for out in alike.iter().chain(&alone) {
            let expected = scores_without(&samples, out, head.strength);
            for (photo, expected) in out.iter().zip(expected) {
                for (k, expected) in expected.iter().enumerate() {
                    let got = head.left_out[photo * 4 + k];
                    assert!(
                        (got - expected).abs() < 1e-8,
                        "{n}: {photo} {k}: {got} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn few_photos_a_class_are_not_judged_worse_than_they_are() {
    // Five photos a class to learn from and 500 others, 20 times. Were the class of a left-out photo lighter than the
    // others, the estimate would be 13 points too low.
    let (mut told, mut true_rate) = (0.0, 0.0);
    let (width, count, taught, draws) = (200, 8, 40, 20);
    for draw in 0..draws {
        let mut next = noise(draw);
        let mut photo = |class: usize| -> Vec<f32> {
            let lean = |j: usize| if j % count == class { 0.2 } else { 0.0 };
            (0..width).map(|j| next() + lean(j)).collect()
        };
        let classes: Vec<Option<usize>> = (0..taught).map(|i| Some(i % count)).collect();
        let features: Vec<f32> = (0..taught).flat_map(|i| photo(i % count)).collect();
        let samples = Samples {
            features: &features,
            width,
            classes: &classes,
            count,
            alike: &[],
        };
        let head = fit(&samples).unwrap();
        let right = |scores: &[f64], class: usize| {
            let best = (0..count).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            f64::from(u8::from(best == Some(class)))
        };
        for (i, scores) in head.left_out.chunks_exact(count).enumerate() {
            told += right(scores, i % count) / (taught * draws as usize) as f64;
        }
        for i in 0..500 {
            let photo = photo(i % count);
            let score = |k: usize| {
                let row = &head.weights[k * width..][..width];
                let products = row.iter().zip(&photo).map(|(w, x)| w * f64::from(*x));
                head.bias[k] + products.sum::<f64>()
            };
            let scores: Vec<f64> = (0..count).map(score).collect();
            true_rate += right(&scores, i % count) / (500 * draws) as f64;
        }
    }
    assert!((told - true_rate).abs() < 0.05, "{told} {true_rate}");
}

#[test]
fn classes_that_differ_are_told_apart_and_the_layer_says_so() {
    let (features, classes) = made(60, 20, 3);
    let samples = Samples {
        features: &features,
        width: 20,
        classes: &classes,
        count: 3,
        alike: &[],
    };
    let head = fit(&samples).unwrap();
    let best = |scores: &[f64]| (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut seen, mut unseen) = (0, 0);
    for (i, class) in classes.iter().enumerate() {
        let scores: Vec<f64> = (0..3)
            .map(|k| {
                let row = &head.weights[k * 20..][..20];
                let photo = &features[i * 20..][..20];
                head.bias[k]
                    + row
                        .iter()
                        .zip(photo)
                        .map(|(w, x)| w * f64::from(*x))
                        .sum::<f64>()
            })
            .collect();
        seen += usize::from(best(&scores) == *class);
        unseen += usize::from(best(&head.left_out[i * 3..][..3]) == *class);
    }
    assert!(
        seen >= 55 && unseen >= 45 && unseen <= seen,
        "{seen} {unseen}"
    );
}

#[test]
fn a_large_class_does_not_drown_a_small_one() {
    let classes = [Some(0), Some(0), Some(0), Some(1), None];
    let weights = balanced(&classes, 2);
    assert!((weights.iter().sum::<f64>() - 5.0).abs() < 1e-12);
    assert!((weights[0] * 3.0 - weights[3]).abs() < 1e-12);
}

#[test]
fn the_temperature_is_that_of_the_truth() {
    // Gap 1 between two scores; three of four are right, so 1 / (1 + exp(-1 / T)) = 3/4 and T = 1 / ln 3.
    let scores = [1.0, 0.0].repeat(4);
    let classes = [Some(0), Some(0), Some(0), Some(1)];
    let (found, loss) = temperature(&scores, 2, &classes, &[1.0; 4]);
    assert!((found - 1.0 / 3f64.ln()).abs() < 1e-4, "{found}");
    assert!((loss - 0.562_335).abs() < 1e-5, "{loss}");
}

#[test]
fn features_that_are_no_numbers_give_no_layer() {
    let classes = [Some(0), Some(1)];
    let samples = Samples {
        features: &[f32::NAN; 4],
        width: 2,
        classes: &classes,
        count: 2,
        alike: &[],
    };
    assert_eq!(fit(&samples), None);
}
