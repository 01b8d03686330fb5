//! Which part of the photo the answer rests on: occlusion sensitivity (Zeiler & Fergus 2014, section 4.2). A grey
//! patch slides over the crop; where hiding something costs the class its probability, the network was looking.
//!
//! Works with every model and engine, because it only asks questions; it needs some hundred runs of the network.

use model_core::RgbImage;

use crate::stream::Cancel;
use crate::{Classifier, Error, Prediction};

/// How finely to look.
#[derive(Clone, Copy, Debug)]
pub struct ExplainOptions {
    /// Side of the patch, as a fraction of the crop's short side.
    pub patch: f32,
    /// Patches along the crop's long side.
    pub steps: usize,
    /// The class to explain; none takes the most likely one.
    pub class: Option<usize>,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        Self {
            patch: 0.2,
            steps: 14,
            class: None,
        }
    }
}

/// What the answer rests on.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The class explained.
    pub prediction: Prediction,
    /// Exactly what the network saw.
    pub crop: RgbImage,
    /// One value a pixel of the crop, row by row: how much probability the class loses when the neighbourhood is
    /// hidden. Negative where hiding helps.
    pub importance: Vec<f32>,
}

/// Explains an answer.
///
/// # Errors
/// [`Error::Cancelled`] when asked to stop, [`Error::Engine`] when the network cannot be run, [`Error::Model`] when
/// the class does not exist.
pub fn occlusion(
    classifier: &Classifier,
    image: &RgbImage,
    options: &ExplainOptions,
    cancel: &Cancel,
) -> Result<Explanation, Error> {
    let preprocessing = &classifier.model().manifest.preprocessing;
    let crop = preprocessing.crop_pixels(image);
    let input_len = classifier.input_len();
    let mut input = vec![0.0; input_len];
    preprocessing.normalize_into(&crop, &mut input);
    let probabilities = classifier.probabilities(&classifier.logits_of(&input)?);
    let all = classifier.predictions(&probabilities, probabilities.len());
    let prediction = match options.class {
        None => all.into_iter().next(),
        Some(class) => all.into_iter().find(|p| p.index == class),
    }
    .ok_or_else(|| {
        let reason = format!(
            "expected a class from 0 to {}",
            classifier.model().classes.saturating_sub(1)
        );
        Error::model(classifier.model().name.clone(), reason)
    })?;

    let (width, height) = (crop.width as usize, crop.height as usize);
    let patch = ((width.min(height) as f32 * options.patch) as usize).max(1);
    let stride = width.max(height).div_ceil(options.steps.max(1)).max(1);
    let grey = mean_colour(&crop);
    let centres: Vec<(usize, usize)> = (0..height)
        .step_by(stride)
        .flat_map(|y| {
            (0..width)
                .step_by(stride)
                .map(move |x| (x + stride / 2, y + stride / 2))
        })
        .collect();
    let mut importance = vec![0f32; width * height];
    let mut covered = vec![0f32; width * height];
    for part in centres.chunks(classifier.preferred_batch()) {
        cancel.check()?;
        let mut inputs = vec![0.0; part.len() * input_len];
        for (&centre, values) in part.iter().zip(inputs.chunks_exact_mut(input_len)) {
            let mut hidden = crop.clone();
            for_patch(centre, patch, width, height, |at| {
                hidden.data[at * 3..at * 3 + 3].copy_from_slice(&grey);
            });
            preprocessing.normalize_into(&hidden, values);
        }
        let outputs = classifier.logits_of(&inputs)?;
        for (&centre, output) in part
            .iter()
            .zip(outputs.chunks_exact(classifier.model().classes))
        {
            let loss = prediction.probability - classifier.probabilities(output)[prediction.index];
            for_patch(centre, patch, width, height, |at| {
                importance[at] += loss;
                covered[at] += 1.0;
            });
        }
    }
    for (value, count) in importance.iter_mut().zip(&covered) {
        *value /= count.max(1.0);
    }
    Ok(Explanation {
        prediction,
        crop,
        importance,
    })
}

impl Explanation {
    /// The crop with what the answer rests on left bright and tinted, and the rest darkened.
    pub fn overlay(&self) -> RgbImage {
        let highest = self
            .importance
            .iter()
            .copied()
            .fold(f32::MIN_POSITIVE, f32::max);
        let mut image = self.crop.clone();
        for (pixel, value) in image.data.chunks_exact_mut(3).zip(&self.importance) {
            let heat = (value / highest).clamp(0.0, 1.0);
            let tint = [255.0, 90.0, 0.0];
            for (byte, tint) in pixel.iter_mut().zip(tint) {
                let base = f32::from(*byte) * (0.35 + 0.65 * heat);
                *byte = (base * (1.0 - 0.4 * heat) + tint * 0.4 * heat).round() as u8;
            }
        }
        image
    }

    /// Crop and overlay side by side.
    pub fn side_by_side(&self) -> RgbImage {
        let overlay = self.overlay();
        let stride = self.crop.stride();
        let mut data = Vec::with_capacity(self.crop.data.len() * 2);
        for (left, right) in self
            .crop
            .data
            .chunks(stride)
            .zip(overlay.data.chunks(stride))
        {
            data.extend_from_slice(left);
            data.extend_from_slice(right);
        }
        RgbImage {
            width: self.crop.width * 2,
            height: self.crop.height,
            data,
        }
    }
}

fn mean_colour(image: &RgbImage) -> [u8; 3] {
    let pixels = (image.data.len() / 3).max(1) as u64;
    let mut sums = [0u64; 3];
    for pixel in image.data.chunks_exact(3) {
        for (sum, byte) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*byte);
        }
    }
    sums.map(|sum| (sum / pixels) as u8)
}

/// Calls `visit` with the index of every pixel of the patch around `centre` that lies inside.
fn for_patch(
    (x, y): (usize, usize),
    patch: usize,
    width: usize,
    height: usize,
    mut visit: impl FnMut(usize),
) {
    let half = patch / 2;
    for row in y.saturating_sub(half)..(y + patch - half).min(height) {
        for column in x.saturating_sub(half)..(x + patch - half).min(width) {
            visit(row * width + column);
        }
    }
}
