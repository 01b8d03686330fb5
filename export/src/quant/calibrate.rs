//! Photos through the float network: the range and histogram of every layer's output, and each channel's mean.
//!
//! The network runs in f64 and what it gives is rounded to f32: CPUs whose matrix products differ in the last bit then
//! choose the same ranges and write the same file.

use anyhow::{Result, bail};
use rayon::prelude::*;

use super::observe::{Histogram, Range};
use crate::eval::{Map, PlanEvaluator};
use crate::images::ImageList;
use crate::plan::ExportPlan;

/// What was seen of every layer's output.
pub struct Statistics {
    /// How often which numbers came, for every layer.
    pub histograms: Vec<Histogram>,
    /// Mean of every channel over images and pixels.
    pub channel_means: Vec<Vec<f64>>,
}

/// Measures every layer on all images, in two passes: ranges and means, then histograms.
///
/// # Errors
/// Unreadable images, or a network that gives NaN on one.
pub fn calibrate(
    plan: &ExportPlan,
    images: &ImageList,
    [height, width]: [usize; 2],
) -> Result<Statistics> {
    let layers = plan.layers.len();
    let evaluator = PlanEvaluator::<f64>::new(plan);
    let mut ranges = vec![Range::default(); layers];
    let mut sums: Vec<Vec<f64>> = vec![Vec::new(); layers];
    images.for_each_chunk(|start, inputs| {
        let seen: Vec<(Vec<Range>, Vec<Vec<f64>>, bool)> = inputs
            .par_iter()
            .map(|input| {
                let mut ranges = vec![Range::default(); layers];
                let mut means = vec![Vec::new(); layers];
                let logits = evaluator.run(input, height, width, |index, map| {
                    ranges[index].include(&rounded(map));
                    let pixels = (map.height * map.width).max(1);
                    let mean = |plane: &[f64]| plane.iter().sum::<f64>() / pixels as f64;
                    means[index] = map.data.chunks_exact(pixels).map(mean).collect();
                });
                (ranges, means, logits.iter().all(|value| value.is_finite()))
            })
            .collect();
        for (place, (image_ranges, means, finite)) in seen.into_iter().enumerate() {
            if !finite {
                bail!(
                    "the network gives no finite answer for {}",
                    images.samples[start + place].path.display()
                );
            }
            for index in 0..layers {
                ranges[index] = ranges[index].union(image_ranges[index]);
                sums[index].resize(means[index].len(), 0.0);
                sums[index]
                    .iter_mut()
                    .zip(&means[index])
                    .for_each(|(sum, mean)| *sum += mean);
            }
        }
        Ok(())
    })?;

    let empty: Vec<Histogram> = ranges.iter().map(|range| Histogram::new(*range)).collect();
    let mut histograms = empty.clone();
    images.for_each_chunk(|_, inputs| {
        let seen = inputs
            .par_iter()
            .map(|input| {
                let mut own = empty.clone();
                evaluator.run(input, height, width, |index, map| {
                    own[index].include(&rounded(map))
                });
                own
            })
            .reduce_with(|mut a, b| {
                a.iter_mut().zip(&b).for_each(|(a, b)| a.merge(b));
                a
            });
        histograms
            .iter_mut()
            .zip(seen.iter().flatten())
            .for_each(|(total, part)| total.merge(part));
        Ok(())
    })?;
    let count = images.samples.len() as f64;
    sums.iter_mut().flatten().for_each(|sum| *sum /= count);
    Ok(Statistics {
        histograms,
        channel_means: sums,
    })
}

fn rounded(map: &Map<f64>) -> Vec<f32> {
    map.data.iter().map(|value| *value as f32).collect()
}
