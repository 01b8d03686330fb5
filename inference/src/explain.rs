//! Which part of the photo the answer rests on, in two ways.
//!
//! - **CAM**, the class activation map (Zhou et al. 2016): one run, for networks that end in global average pooling and
//!   one linear layer, as ours do.
//! - **Occlusion sensitivity** (Zeiler & Fergus 2014, section 4.2): a gray patch slides over the crop; where hiding
//!   something costs the class its probability, the network was looking. Works with every model and engine, because it
//!   only asks questions; it needs some hundred runs.

use std::str::FromStr;

use model_core::RgbImage;
use serde::Serialize;

use crate::cam::Features;
use crate::{Cancel, Classifier, InferenceError, Prediction};

/// How to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// CAM where the network allows it, else occlusion.
    #[default]
    Auto,
    /// The class activation map.
    Cam,
    /// Hiding one part after the other.
    Occlusion,
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "cam" => Ok(Self::Cam),
            "occlusion" => Ok(Self::Occlusion),
            other => Err(format!("expected auto, cam or occlusion, got '{other}'")),
        }
    }
}

/// How finely to look.
#[derive(Clone, Copy, Debug)]
pub struct ExplainConfig {
    /// Side of the patch, as a fraction of the crop's short side.
    pub patch: f32,
    /// Patches along the crop's long side.
    pub steps: usize,
    /// The class to explain; none takes the most likely one.
    pub class: Option<usize>,
}

impl Default for ExplainConfig {
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
    /// Exactly what the network saw; the whole picture for a network that crops by itself.
    pub crop: RgbImage,
    /// One value a pixel of the crop, row by row; the higher, the more the answer rests on the place. With occlusion: how
    /// much probability the class loses when the neighborhood is hidden. With CAM: the place's part in the class's
    /// score. Negative where the place speaks against the class.
    pub importance: Vec<f32>,
    /// How it was found: [`Method::Cam`] or [`Method::Occlusion`].
    pub method: Method,
    /// Why [`Method::Auto`] did not take CAM.
    pub note: Option<String>,
}

/// Explains an answer by the method asked for.
///
/// # Errors
/// As [`occlusion`]; [`InferenceError::Model`] when CAM is asked for and the network does not allow it.
pub fn explain(
    classifier: &Classifier,
    image: &RgbImage,
    method: Method,
    config: &ExplainConfig,
    cancel: &Cancel,
) -> Result<Explanation, InferenceError> {
    if method == Method::Occlusion {
        return occlusion(classifier, image, config, cancel);
    }
    let reason = match features(classifier) {
        Ok(features) => return class_activation(classifier, features, image, config),
        Err(reason) => reason,
    };
    if method == Method::Cam {
        let model = classifier.model().name.clone();
        return Err(InferenceError::model(
            model,
            format!("no class activation map: {reason}"),
        ));
    }
    let note =
        format!("no class activation map ({reason}); parts are hidden one after the other instead");
    Ok(Explanation {
        note: Some(note),
        ..occlusion(classifier, image, config, cancel)?
    })
}

/// The part of the network before its last pooling, loaded once.
fn features(classifier: &Classifier) -> Result<&Features, String> {
    if classifier.takes_pictures() {
        return Err("the network crops by itself".to_owned());
    }
    let network = classifier
        .network
        .as_ref()
        .ok_or("the model came from memory, without its file")?;
    let info = classifier.model();
    network
        .features
        .get_or_init(|| Features::load(network, info.threads, info.outputs))
        .as_ref()
        .map_err(Clone::clone)
}

fn class_activation(
    classifier: &Classifier,
    features: &Features,
    image: &RgbImage,
    config: &ExplainConfig,
) -> Result<Explanation, InferenceError> {
    let crop = classifier.crop(image);
    let mut input = vec![0.0; classifier.input_len()];
    classifier
        .model()
        .manifest
        .preprocessing
        .normalize_into(&crop, &mut input);
    let prediction = explained(classifier, &classifier.logits_of(&input)?, config)?;
    // A binary network has one number: what speaks for it speaks against the class of the other label.
    let info = classifier.model();
    let against = info.outputs == 1 && info.classes == 2 && prediction.index == 0;
    let mut map = features.map(&input, prediction.index.min(info.outputs - 1))?;
    if against {
        map.iter_mut().for_each(|value| *value = -*value);
    }
    let importance = enlarge(
        &map,
        features.size,
        [crop.height as usize, crop.width as usize],
    );
    Ok(Explanation {
        prediction,
        crop,
        importance,
        method: Method::Cam,
        note: None,
    })
}

/// The class to explain and its probability.
fn explained(
    classifier: &Classifier,
    output: &[f32],
    config: &ExplainConfig,
) -> Result<Prediction, InferenceError> {
    let all = classifier.answer(output, classifier.model().classes)?;
    match config.class {
        None => all.into_iter().next(),
        Some(class) => all.into_iter().find(|p| p.index == class),
    }
    .ok_or_else(|| {
        let reason = format!(
            "expected a class from 0 to {}",
            classifier.model().classes.saturating_sub(1)
        );
        InferenceError::model(classifier.model().name.clone(), reason)
    })
}

/// A map `from` high and wide, drawn `to` high and wide by linear interpolation between the middles of its fields.
fn enlarge(map: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    // For a place in the picture: the two fields around it, and how far it is from the first to the second.
    let places = |from: usize, to: usize| -> Vec<(usize, usize, f32)> {
        (0..to)
            .map(|at| {
                let middle = (at as f32 + 0.5) * from as f32 / to as f32 - 0.5;
                let middle = middle.clamp(0.0, from as f32 - 1.0);
                let first = middle as usize;
                (first, (first + 1).min(from - 1), middle - first as f32)
            })
            .collect()
    };
    let columns = places(from[1], to[1]);
    let mut large = Vec::with_capacity(to[0] * to[1]);
    for (top, bottom, down) in places(from[0], to[0]) {
        for &(left, right, across) in &columns {
            let row = |row: usize| {
                let at = |column: usize| map[row * from[1] + column];
                at(left) + (at(right) - at(left)) * across
            };
            large.push(row(top) + (row(bottom) - row(top)) * down);
        }
    }
    large
}

/// Explains an answer by hiding one part after the other.
///
/// # Errors
/// [`InferenceError::Cancelled`] when asked to stop, [`InferenceError::Engine`] when the network cannot be run,
/// [`InferenceError::Model`] when the class does not exist.
pub fn occlusion(
    classifier: &Classifier,
    image: &RgbImage,
    config: &ExplainConfig,
    cancel: &Cancel,
) -> Result<Explanation, InferenceError> {
    let preprocessing = &classifier.model().manifest.preprocessing;
    let pictures = classifier.takes_pictures();
    let crop = if pictures {
        image.clone()
    } else {
        preprocessing.crop_pixels(image)
    };
    let run = |seen: &[RgbImage]| -> Result<Vec<f32>, InferenceError> {
        if pictures {
            let outputs: Result<Vec<_>, _> =
                seen.iter().map(|one| classifier.logits(one)).collect();
            return Ok(outputs?.concat());
        }
        let mut inputs = vec![0.0; seen.len() * classifier.input_len()];
        for (one, values) in seen
            .iter()
            .zip(inputs.chunks_exact_mut(classifier.input_len()))
        {
            preprocessing.normalize_into(one, values);
        }
        classifier.logits_of(&inputs)
    };
    let output = run(std::slice::from_ref(&crop))?;
    let prediction = explained(classifier, &output, config)?;

    let (width, height) = (crop.width as usize, crop.height as usize);
    let patch = ((width.min(height) as f32 * config.patch) as usize).max(1);
    let stride = width.max(height).div_ceil(config.steps.max(1)).max(1);
    let gray = mean_color(&crop);
    let centers: Vec<(usize, usize)> = (0..height)
        .step_by(stride)
        .flat_map(|y| {
            (0..width)
                .step_by(stride)
                .map(move |x| (x + stride / 2, y + stride / 2))
        })
        .collect();
    let mut importance = vec![0f32; width * height];
    let mut covered = vec![0f32; width * height];
    for part in centers.chunks(classifier.preferred_batch()) {
        cancel.check()?;
        let seen: Vec<RgbImage> = part
            .iter()
            .map(|&center| {
                let mut hidden = crop.clone();
                for_patch(center, patch, width, height, |at| {
                    hidden.data[at * 3..at * 3 + 3].copy_from_slice(&gray);
                });
                hidden
            })
            .collect();
        let outputs = run(&seen)?;
        for (&center, output) in part
            .iter()
            .zip(outputs.chunks_exact(classifier.model().outputs))
        {
            let loss = prediction.probability - classifier.probabilities(output)[prediction.index];
            for_patch(center, patch, width, height, |at| {
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
        method: Method::Occlusion,
        note: None,
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

fn mean_color(image: &RgbImage) -> [u8; 3] {
    let pixels = (image.data.len() / 3).max(1) as u64;
    let mut sums = [0u64; 3];
    for pixel in image.data.chunks_exact(3) {
        for (sum, byte) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*byte);
        }
    }
    sums.map(|sum| (sum / pixels) as u8)
}

/// Calls `visit` with the index of every pixel of the patch around `center` that lies inside.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_enlarged_between_the_middles_of_its_fields() {
        let large = enlarge(&[0.0, 4.0], [1, 2], [2, 8]);
        let row = [0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0];
        assert_eq!(large, [row, row].concat());
        assert_eq!(enlarge(&[3.0], [1, 1], [2, 2]), [3.0; 4]);
    }
}
