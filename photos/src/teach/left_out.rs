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
use super::matrix::{Matrix, dot, inverse_root, solve};
use std::collections::BTreeMap;

/// Photos of a class from which on its other photos keep their weights: they would change by less than 0.4 percent, and
/// the work grows with the cube of the class.
pub const LARGE_CLASS: usize = 256;

/// Sets of photos that are left out together.
type Sets = Vec<Vec<usize>>;

/// Which photos are left out together, sorted by what they share.
pub struct LeftOut {
    shared: Vec<Shared>,
}

/// Sets of photos that share a part of the hat matrix.
struct Shared {
    /// Photos whose weights change, those that are left out among them.
    photos: Vec<usize>,
    ways: Vec<Way>,
}

/// Sets that change the weights in one way.
struct Way {
    /// By how much the weight of each photo grows, less 1, as long as it is not left out; none when weights are kept.
    growth: Option<Vec<f64>>,
    /// The sets, as places in the photos.
    sets: Sets,
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
        let mut sets: Sets = groups.cloned().collect();
        sets.iter()
            .flatten()
            .for_each(|photo| alone[*photo] = false);
        sets.extend(
            (0..alone.len())
                .filter(|photo| alone[*photo])
                .map(|photo| vec![photo]),
        );

        // By classes, then by how many photos of each are left out.
        let mut kinds: BTreeMap<Vec<usize>, BTreeMap<Vec<usize>, Sets>> = BTreeMap::new();
        for set in sets {
            let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
            set.iter()
                .for_each(|photo| *numbers.entry(class(*photo)).or_default() += 1);
            let (classes, out) = numbers.into_iter().unzip();
            kinds
                .entry(classes)
                .or_default()
                .entry(out)
                .or_default()
                .push(set);
        }
        let mut shared = Vec::new();
        for (classes, ways) in kinds {
            let photos: Vec<usize> = classes
                .iter()
                .flat_map(|class| &of_class[*class])
                .copied()
                .collect();
            if photos.len() > LARGE_CLASS {
                shared.extend(ways.into_values().flatten().map(|set| Shared {
                    ways: vec![Way {
                        growth: None,
                        sets: vec![(0..set.len()).collect()],
                    }],
                    photos: set,
                }));
                continue;
            }
            let place: BTreeMap<usize, usize> = photos
                .iter()
                .enumerate()
                .map(|(place, photo)| (*photo, place))
                .collect();
            let ways = ways.into_iter().map(|(out, sets)| {
                let growth = classes.iter().zip(out).flat_map(|(class, out)| {
                    let all = of_class[*class].len();
                    // Of a class that is left out whole no photo is left to grow; any number but 0 does.
                    let grown = if out == all {
                        1.0
                    } else {
                        out as f64 / (all - out) as f64
                    };
                    std::iter::repeat_n(grown, all)
                });
                let places = |set: Vec<usize>| set.iter().map(|photo| place[photo]).collect();
                Way {
                    growth: Some(growth.collect()),
                    sets: sets.into_iter().map(places).collect(),
                }
            });
            shared.push(Shared {
                ways: ways.collect(),
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
        for Shared { photos, ways } in &self.shared {
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
            for way in ways {
                for (set, out) in way.solved(&hat, &known) {
                    for (i, place) in set.iter().enumerate() {
                        without.row_mut(photos[*place]).copy_from_slice(out.row(i));
                    }
                }
            }
        }
        without
    }
}

impl Way {
    /// The residuals of each set. With `B = (I + H G)^-1` for the growths `G`, the layer of all grown photos has the
    /// residuals `B r` and the hat matrix `B H (I + G) = (I - B) G^-1 (I + G)`, and a set is left out of that one. `B` is
    /// `G^-1/2 S G^1/2` with the symmetric `S = (I + G^1/2 H G^1/2)^-1`, here the product of a matrix and its transpose.
    fn solved(&self, hat: &Matrix, known: &Matrix) -> Vec<(&[usize], Matrix)> {
        let one = |i: usize, j: usize| f64::from(u8::from(i == j));
        let mut solved = Vec::with_capacity(self.sets.len());
        let leave_out = |set: &[usize], own: &dyn Fn(usize, usize) -> f64, out: Matrix| {
            let inside = Matrix::new(set.len(), set.len(), |i, j| one(i, j) - own(set[i], set[j]));
            let mut out = out;
            // Photos that decide all by themselves leave nothing to compare with; what is known stays.
            solve(inside, &mut out).then_some(out)
        };
        let Some(growth) = &self.growth else {
            for set in &self.sets {
                let out = Matrix::new(set.len(), known.columns, |i, k| known.at(set[i], k));
                let own = |i: usize, j: usize| hat.at(i, j);
                solved.extend(leave_out(set, &own, out).map(|out| (set.as_slice(), out)));
            }
            return solved;
        };
        let n = hat.rows;
        let part: Vec<f64> = growth.iter().map(|growth| growth.sqrt()).collect();
        let system = Matrix::new(n, n, |i, j| one(i, j) + part[i] * hat.at(i, j) * part[j]);
        // Row i is column i of the inverse of the lower triangle.
        let Some(columns) = inverse_root(system) else {
            return solved;
        };
        let weighted = Matrix::new(n, known.columns, |i, k| part[i] * known.at(i, k));
        let halfway = columns.transposed().times(&weighted);
        for set in &self.sets {
            let rows = Matrix::new(set.len(), n, |i, j| columns.at(set[i], j) / part[set[i]]);
            let own = |i: usize, j: usize| {
                let b = dot(columns.row(i), columns.row(j)) * part[j] / part[i];
                (one(i, j) - b) * (1.0 + growth[j]) / growth[j]
            };
            let out = leave_out(set, &own, rows.times(&halfway));
            solved.extend(out.map(|out| (set.as_slice(), out)));
        }
        solved
    }
}
