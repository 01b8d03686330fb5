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

use std::collections::BTreeMap;

use nalgebra::{Cholesky, DMatrix};

use super::head::Samples;

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
        directions: &DMatrix<f64>,
        shrink: &[f64],
        residuals: &DMatrix<f64>,
        root: &[f64],
    ) -> DMatrix<f64> {
        let total: f64 = root.iter().map(|root| root * root).sum();
        let mut without = residuals.clone();
        for Shared { photos, ways } in &self.shared {
            let mut scaled = directions.select_rows(photos);
            for (mut column, shrink) in scaled.column_iter_mut().zip(shrink) {
                column *= shrink.sqrt();
            }
            let mut hat = &scaled * scaled.transpose();
            for (i, photo) in photos.iter().enumerate() {
                for (j, other) in photos.iter().enumerate() {
                    hat[(i, j)] += root[*photo] * root[*other] / total;
                }
            }
            let known = residuals.select_rows(photos);
            for way in ways {
                for (set, out) in way.solved(&hat, &known) {
                    for (i, place) in set.iter().enumerate() {
                        without.row_mut(photos[*place]).copy_from(&out.row(i));
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
    /// `G^-1/2 S G^1/2` with the symmetric `S = (I + G^1/2 H G^1/2)^-1`.
    fn solved(&self, hat: &DMatrix<f64>, known: &DMatrix<f64>) -> Vec<(&[usize], DMatrix<f64>)> {
        let one = |i: usize, j: usize| f64::from(u8::from(i == j));
        let mut solved = Vec::with_capacity(self.sets.len());
        // Photos that decide all by themselves leave nothing to compare with; what is known of them stays.
        let leave_out = |inside: DMatrix<f64>, known: DMatrix<f64>| inside.lu().solve(&known);
        let Some(growth) = &self.growth else {
            for set in &self.sets {
                let inside = DMatrix::from_fn(set.len(), set.len(), |i, j| {
                    one(i, j) - hat[(set[i], set[j])]
                });
                let out = leave_out(inside, known.select_rows(set));
                solved.extend(out.map(|out| (set.as_slice(), out)));
            }
            return solved;
        };
        let n = hat.nrows();
        let part: Vec<f64> = growth.iter().map(|growth| growth.sqrt()).collect();
        let system = DMatrix::from_fn(n, n, |i, j| one(i, j) + part[i] * hat[(i, j)] * part[j]);
        let Some(system) = Cholesky::new(system) else {
            return solved;
        };
        let weighted = DMatrix::from_fn(n, known.ncols(), |i, k| part[i] * known[(i, k)]);
        let known = system.solve(&weighted);
        // The columns of S that the sets ask for.
        let asked: Vec<usize> = self.sets.iter().flatten().copied().collect();
        let columns = system.solve(&DMatrix::from_fn(n, asked.len(), |i, j| one(i, asked[j])));
        let mut first = 0;
        for set in &self.sets {
            let inside = DMatrix::from_fn(set.len(), set.len(), |i, j| {
                let (i, j, s) = (set[i], set[j], columns[(set[i], first + j)]);
                let b = s * part[j] / part[i];
                one(i, j) - (one(i, j) - b) * (1.0 + growth[j]) / growth[j]
            });
            first += set.len();
            let known = DMatrix::from_fn(set.len(), known.ncols(), |i, k| {
                known[(set[i], k)] / part[set[i]]
            });
            let out = leave_out(inside, known);
            solved.extend(out.map(|out| (set.as_slice(), out)));
        }
        solved
    }
}
