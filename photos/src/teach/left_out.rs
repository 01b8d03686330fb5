//! What the layer says of photos that it has not seen, without learning it again: exact leave-one-out of ridge regression.
//!
//! With the hat matrix `H` of the weighted and centered features, the residuals `x` of photos under other weights solve
//! `(I + H (D - I)) x = r`, where `r` are today's residuals and `D` the ratios of the new weights to today's: 0 for what is
//! left out, 1 for all others (Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical Learning", 7.10, is the
//! case of one photo).
//!
//! A class keeps its weight when a photo of it is left out: its other photos get `n / (n - 1)` times theirs. Otherwise
//! every left-out photo would be judged by a layer that finds its class less likely than the others, which costs small
//! classes whole points of accuracy. Photos that look alike are left out together, or the copy would answer for the
//! original.

use super::head::Samples;
use super::matrix::{Matrix, dot, solve};
use std::collections::BTreeMap;

/// Photos of a class from which on its other photos keep their weights: they would change by less than 0.4 percent, and
/// the work grows with the cube of the class.
pub const LARGE_CLASS: usize = 256;

/// Which photos are left out together, sorted by what they share.
pub struct LeftOut {
    /// Sets whose photos are of the same classes in the same numbers: they share the system that is solved.
    shared: Vec<Shared>,
}

struct Shared {
    /// Photos whose weights change, those that are left out among them.
    photos: Vec<usize>,
    /// By how much the weight of each grows, less 1, as long as it is not left out; none when weights are kept.
    growth: Option<Vec<f64>>,
    /// The sets, as places in `photos`.
    sets: Vec<Vec<usize>>,
}

impl LeftOut {
    /// Every photo by itself, but those that look alike together.
    pub fn new(samples: &Samples<'_>) -> Self {
        let class = |photo: usize| samples.classes[photo].unwrap_or(samples.count);
        let mut of_class = vec![Vec::new(); samples.count + 1];
        let mut alone = vec![true; samples.classes.len()];
        for photo in 0..samples.classes.len() {
            of_class[class(photo)].push(photo);
        }
        let groups = samples.alike.iter().filter(|group| !group.is_empty());
        let mut sets: Vec<Vec<usize>> = groups.cloned().collect();
        sets.iter()
            .flatten()
            .for_each(|photo| alone[*photo] = false);
        sets.extend(
            (0..alone.len())
                .filter(|photo| alone[*photo])
                .map(|photo| vec![photo]),
        );

        let mut kinds: BTreeMap<Vec<(usize, usize)>, Vec<Vec<usize>>> = BTreeMap::new();
        for set in sets {
            let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
            set.iter()
                .for_each(|photo| *numbers.entry(class(*photo)).or_default() += 1);
            kinds
                .entry(numbers.into_iter().collect())
                .or_default()
                .push(set);
        }
        let mut shared = Vec::new();
        for (numbers, sets) in kinds {
            let photos = numbers.iter().flat_map(|(class, _)| &of_class[*class]);
            let photos: Vec<usize> = photos.copied().collect();
            if photos.len() > LARGE_CLASS {
                shared.extend(sets.into_iter().map(|set| Shared {
                    sets: vec![(0..set.len()).collect()],
                    photos: set,
                    growth: None,
                }));
                continue;
            }
            let growth = |(class, out): &(usize, usize)| {
                let all = of_class[*class].len();
                // Of a class that is left out whole no photo is left to grow; any number but 0 does.
                let grown = if *out == all {
                    1.0
                } else {
                    *out as f64 / (all - out) as f64
                };
                vec![grown; all]
            };
            let place: BTreeMap<usize, usize> = photos
                .iter()
                .enumerate()
                .map(|(place, photo)| (*photo, place))
                .collect();
            shared.push(Shared {
                growth: Some(numbers.iter().flat_map(growth).collect()),
                sets: sets
                    .iter()
                    .map(|set| set.iter().map(|photo| place[photo]).collect())
                    .collect(),
                photos,
            });
        }
        Self { shared }
    }

    /// `[N, classes]`: what the layer of the others is wrong by. `directions` is `[N, rank]`: the left singular vectors of
    /// the weighted and centered features; `shrink` what is left of each; `residuals` `[N, classes]` those of the layer
    /// of all; all of them times `root`, the root of the photo's weight. The intercept is not shrunk.
    pub fn residuals(
        &self,
        directions: &Matrix,
        shrink: &[f64],
        residuals: &Matrix,
        root: &[f64],
    ) -> Matrix {
        let total = dot(root, root);
        let mut without = residuals.clone();
        for shared in &self.shared {
            let photos = &shared.photos;
            let scaled = Matrix::new(photos.len(), shrink.len(), |i, r| {
                directions.at(photos[i], r) * shrink[r].sqrt()
            });
            let mut hat = scaled.gram();
            for (i, photo) in photos.iter().enumerate() {
                let others = hat.row_mut(i).iter_mut().zip(photos);
                others.for_each(|(value, other)| *value += root[*photo] * root[*other] / total);
            }
            let known = Matrix::new(photos.len(), residuals.columns, |i, k| {
                residuals.at(photos[i], k)
            });
            let Some((own, known)) = grown(hat, known, shared.growth.as_deref()) else {
                continue;
            };
            for set in &shared.sets {
                let inside = Matrix::new(set.len(), set.len(), |i, j| {
                    f64::from(u8::from(i == j)) - own.at(set[i], set[j])
                });
                let mut out = Matrix::new(set.len(), known.columns, |i, k| known.at(set[i], k));
                // Photos that decide all by themselves leave nothing to compare with; what is known stays.
                if solve(inside, &mut out) {
                    for (i, place) in set.iter().enumerate() {
                        without.row_mut(photos[*place]).copy_from_slice(out.row(i));
                    }
                }
            }
        }
        without
    }
}

/// The hat matrix and the residuals after the weights of all have grown, the first times the weights' growth: with
/// `B = (I + H G)^-1` for growths `G` they are `B H (I + G) = (I - B) G^-1 (I + G)` and `B r`.
fn grown(hat: Matrix, known: Matrix, growth: Option<&[f64]>) -> Option<(Matrix, Matrix)> {
    let Some(growth) = growth else {
        return Some((hat, known));
    };
    let one = |i: usize, j: usize| f64::from(u8::from(i == j));
    let n = hat.rows;
    let mut inverse = Matrix::new(n, n, one);
    let system = Matrix::new(n, n, |i, j| one(i, j) + hat.at(i, j) * growth[j]);
    if !solve(system, &mut inverse) {
        return None;
    }
    let own = Matrix::new(n, n, |i, j| {
        (one(i, j) - inverse.at(i, j)) * (1.0 + growth[j]) / growth[j]
    });
    Some((own, inverse.times(&known)))
}
