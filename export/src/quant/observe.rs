//! What an activation looked like on the calibration images, and which range of it to keep.

use super::CalibrationMethod;

/// Bins of a histogram: about eight to one int8 step.
pub const BINS: usize = 2048;
/// Share of the values that [`CalibrationMethod::Percentile`] clips.
const CLIPPED_SHARE: f64 = 1e-4;

/// Smallest and largest value; both 0 when nothing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The smallest value, at most 0.
    pub min: f32,
    /// The largest value, at least 0.
    pub max: f32,
}

impl Range {
    /// The range with these values in it; 0 always is, so that padding is exact.
    pub fn include(&mut self, values: &[f32]) {
        for value in values {
            self.min = self.min.min(*value);
            self.max = self.max.max(*value);
        }
    }

    /// The smallest range that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Counts of values in equal bins over a known range.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What all bins together span.
    pub range: Range,
    /// How many values fell into each of the [`BINS`] bins.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Empty bins over `range`.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            counts: vec![0; BINS],
        }
    }

    fn width(&self) -> f64 {
        f64::from(self.range.max - self.range.min) / BINS as f64
    }

    /// Counts `values`; one beyond the range goes into the bin at that end.
    pub fn include(&mut self, values: &[f32]) {
        let per_bin = BINS as f32 / (self.range.max - self.range.min).max(f32::MIN_POSITIVE);
        for value in values {
            let bin = ((value - self.range.min) * per_bin) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// Adds the counts of another histogram over the same range.
    pub fn merge(&mut self, other: &Self) {
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(a, b)| *a += b);
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Value in the middle of a bin.
    fn center(&self, bin: usize) -> f64 {
        f64::from(self.range.min) + (bin as f64 + 0.5) * self.width()
    }

    /// The range to quantize to `levels` steps.
    pub fn choose(&self, method: CalibrationMethod, levels: u32) -> Range {
        if self.total() == 0 || self.range.max <= self.range.min {
            return self.range;
        }
        match method {
            CalibrationMethod::MinMax => self.range,
            CalibrationMethod::Percentile => self.percentile(),
            CalibrationMethod::Entropy => self.entropy(levels),
            CalibrationMethod::Mse => self.least_squares(levels),
        }
    }

    fn percentile(&self) -> Range {
        let one_sided = self.range.min >= 0.0 || self.range.max <= 0.0;
        let allowed = self.total() as f64
            * if one_sided {
                CLIPPED_SHARE
            } else {
                CLIPPED_SHARE / 2.0
            };
        let low = self.first_beyond(allowed, 0..BINS).unwrap_or(0);
        let high = self
            .first_beyond(allowed, (0..BINS).rev())
            .unwrap_or(BINS - 1);
        let edge = |bin: usize| (f64::from(self.range.min) + bin as f64 * self.width()) as f32;
        let min = if self.range.min < 0.0 {
            edge(low).min(0.0)
        } else {
            self.range.min
        };
        let max = if self.range.max > 0.0 {
            edge(high + 1).max(0.0).min(self.range.max)
        } else {
            self.range.max
        };
        Range { min, max }
    }

    /// The first of `bins` at which more than `allowed` values have been passed.
    fn first_beyond(&self, allowed: f64, mut bins: impl Iterator<Item = usize>) -> Option<usize> {
        let mut seen = 0.0;
        bins.find(|bin| {
            seen += self.counts[*bin] as f64;
            seen > allowed
        })
    }

    /// Tries smaller ranges and keeps the one whose rounding and clipping lose least.
    fn least_squares(&self, levels: u32) -> Range {
        let steps = |full: f32| -> Vec<f32> {
            if full == 0.0 {
                vec![0.0]
            } else {
                (0..=24)
                    .map(|step| full * (1.0 - 0.03 * step as f32))
                    .collect()
            }
        };
        let mut best = (f64::INFINITY, self.range);
        for min in steps(self.range.min) {
            for max in steps(self.range.max) {
                let error = self.squared_error(f64::from(min), f64::from(max), levels);
                if error < best.0 {
                    best = (error, Range { min, max });
                }
            }
        }
        best.1
    }

    fn squared_error(&self, min: f64, max: f64, levels: u32) -> f64 {
        let step = (max - min) / f64::from(levels);
        let rounding = step * step / 12.0;
        let mut error = 0.0;
        for (bin, count) in self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let value = self.center(bin);
            let beyond = (min - value).max(value - max).max(0.0);
            // A value exactly at zero (most of a ReLU's output) is represented exactly.
            let own = if value.abs() < self.width() && min == 0.0 {
                0.0
            } else {
                rounding
            };
            error += *count as f64 * (beyond * beyond + own);
        }
        error
    }

    /// The clipping threshold on |x| whose quantized histogram diverges least from the original.
    fn entropy(&self, levels: u32) -> Range {
        let limit = self.range.min.abs().max(self.range.max);
        let mut magnitudes = vec![0.0f64; BINS];
        for (bin, count) in self.counts.iter().enumerate() {
            let place = (self.center(bin).abs() / f64::from(limit) * BINS as f64) as usize;
            magnitudes[place.min(BINS - 1)] += *count as f64;
        }
        // Zeros (a ReLU gives mostly those) are exact in any range and would drown the rest, so the first bin takes
        // its neighbor's count.
        magnitudes[0] = magnitudes[1];
        let levels = if self.range.min < 0.0 {
            levels / 2
        } else {
            levels
        } as usize;
        let mut best = (f64::INFINITY, BINS);
        for kept in (levels..=BINS).step_by(16) {
            let divergence = divergence(&magnitudes, kept, levels);
            if divergence < best.0 {
                best = (divergence, kept);
            }
        }
        let threshold = limit * best.1 as f32 / BINS as f32;
        Range {
            min: self.range.min.max(-threshold),
            max: self.range.max.min(threshold),
        }
    }
}

/// Kullback-Leibler divergence of the first `kept` bins, outliers gathered in the last, from the same bins merged
/// into `levels` steps.
fn divergence(magnitudes: &[f64], kept: usize, levels: usize) -> f64 {
    let mut reference = magnitudes[..kept].to_vec();
    reference[kept - 1] += magnitudes[kept..].iter().sum::<f64>();
    let mut quantized = vec![0.0; kept];
    for level in 0..levels {
        let (start, end) = (level * kept / levels, (level + 1) * kept / levels);
        let filled = magnitudes[start..end]
            .iter()
            .filter(|count| **count > 0.0)
            .count();
        let mean = magnitudes[start..end].iter().sum::<f64>() / filled.max(1) as f64;
        for bin in start..end {
            quantized[bin] = if magnitudes[bin] > 0.0 { mean } else { 0.0 };
        }
    }
    let (p_total, q_total): (f64, f64) = (reference.iter().sum(), quantized.iter().sum());
    let term = |(p, q): (&f64, &f64)| {
        let (p, q) = (p / p_total, (q / q_total).max(1e-12));
        if p > 0.0 { p * (p / q).ln() } else { 0.0 }
    };
    reference.iter().zip(&quantized).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[f32]) -> Histogram {
        let mut range = Range::default();
        range.include(values);
        let mut histogram = Histogram::new(range);
        histogram.include(values);
        histogram
    }

    /// A bell around 0 with one far outlier.
    fn bell_with_outlier() -> Histogram {
        let mut values: Vec<f32> = (0..50_000)
            .map(|i| {
                let u = |k: u32| ((i * 7919 + k * 104_729) % 10_007) as f32 / 10_007.0;
                (0..6).map(u).sum::<f32>() - 3.0
            })
            .collect();
        values.push(60.0);
        histogram(&values)
    }

    #[test]
    fn min_max_keeps_everything_and_the_others_clip_the_outlier() {
        let seen = bell_with_outlier();
        assert_eq!(seen.choose(CalibrationMethod::MinMax, 255), seen.range);
        for method in [CalibrationMethod::Percentile, CalibrationMethod::Entropy] {
            let kept = seen.choose(method, 255);
            assert!(
                kept.max < 10.0 && kept.max > 1.0,
                "{method:?} keeps {kept:?}"
            );
            assert!(kept.min < -1.0, "{method:?} keeps {kept:?}");
        }
        let kept = seen.choose(CalibrationMethod::Mse, 255);
        let error =
            |range: Range| seen.squared_error(f64::from(range.min), f64::from(range.max), 255);
        assert!(error(kept) < error(seen.range), "{kept:?}");
    }

    #[test]
    fn the_range_always_holds_zero() {
        for values in [vec![1.0f32, 2.0, 3.0], vec![-3.0, -2.0], vec![0.0, 0.0]] {
            for method in [
                CalibrationMethod::MinMax,
                CalibrationMethod::Percentile,
                CalibrationMethod::Entropy,
                CalibrationMethod::Mse,
            ] {
                let kept = histogram(&values).choose(method, 255);
                assert!(
                    kept.min <= 0.0 && kept.max >= 0.0,
                    "{method:?} on {values:?} keeps {kept:?}"
                );
            }
        }
    }
}
