//! Preprocessing in the graph against preprocessing outside it, in ONNX Runtime.

use anyhow::{Context, Result, bail};
use model_core::RgbImage;
use model_core::manifest::Manifest;
use model_core::onnx::{self, ModelProto};
use model_core::preprocessing::{ChannelOrder, Preprocessing};
use ort::session::Session;
use ort::value::TensorRef;

use super::{BOUND_LEVELS, IMAGE, preprocessing_model};
use crate::emit::EmitConfig;
use crate::eval::PlanEvaluator;
use crate::plan::ExportPlan;
use crate::proof::Row;

/// What [`prove`] found.
pub struct InGraphProof {
    /// How far the answers of both paths are apart.
    pub row: Row,
    /// Largest difference of the network's input, in pixel levels.
    pub max_levels: f64,
}

/// Compares both paths on `images`: the network's input, and its answers.
///
/// # Errors
/// No ONNX Runtime, or a difference beyond [`BOUND_LEVELS`].
pub fn prove(
    model: &ModelProto,
    plan: &ExportPlan,
    manifest: &Manifest,
    config: &EmitConfig,
    library: Option<&std::path::Path>,
    images: &[RgbImage],
) -> Result<InGraphProof> {
    let p = &manifest.preprocessing;
    let library = library
        .context("--preprocess-in-graph is proved in ONNX Runtime: name its library with --onnxruntime-lib or ORT_DYLIB_PATH")?;
    let library = std::path::absolute(library)?;
    let text = |error: ort::Error| anyhow::anyhow!(error.to_string());
    let environment = ort::init_from(&library)
        .map_err(|error| anyhow::anyhow!("cannot load {}: {error}", library.display()))?
        .with_telemetry(false)
        .build()
        .map_err(text)?;
    let open = |model: &ModelProto| -> Result<Session> {
        let mut builder = Session::builder(&environment).map_err(text)?;
        builder
            .commit_from_memory(&onnx::to_bytes(model))
            .map_err(text)
            .context("ONNX Runtime refuses the model")
    };
    let (mut whole, mut front) = (open(model)?, open(&preprocessing_model(p, config)?)?);
    let evaluator = PlanEvaluator::<f32>::new(plan);
    let [height, width] = p.crop.map(|side| side as usize);
    let mut proof = InGraphProof {
        row: Row {
            engine: "onnxruntime".into(),
            inputs: format!("{} images", images.len()),
            count: images.len(),
            max_difference: 0.0,
            largest_logit: 0.0,
            agreement_percent: 0.0,
        },
        max_levels: 0.0,
    };
    let mut agreed = 0;
    for image in images {
        let outside = p.apply(image);
        let inside = run(&mut front, image)?;
        proof.max_levels = proof.max_levels.max(largest_levels(p, &outside, &inside));
        let mut expected = evaluator.logits(&outside, height, width);
        if let Some(temperature) = config.softmax {
            expected = model_core::scores::softmax(&expected, temperature);
        }
        let got = run(&mut whole, image)?;
        proof.row.max_difference = proof
            .row
            .max_difference
            .max(largest_difference(&expected, &got));
        proof.row.largest_logit = expected.iter().fold(proof.row.largest_logit, |top, v| {
            top.max(f64::from(v.abs()))
        });
        agreed += usize::from(
            model_core::scores::top_k(&expected, 1) == model_core::scores::top_k(&got, 1),
        );
    }
    proof.row.agreement_percent = 100.0 * agreed as f64 / images.len().max(1) as f64;
    if proof.max_levels.is_nan() || proof.max_levels > BOUND_LEVELS + 1e-3 {
        bail!(
            "preprocessing in the graph differs by {:.2} pixel levels from outside, allowed {BOUND_LEVELS}",
            proof.max_levels
        );
    }
    Ok(proof)
}

fn run(session: &mut Session, image: &RgbImage) -> Result<Vec<f32>> {
    let text = |error: ort::Error| anyhow::anyhow!(error.to_string());
    let shape = [1, image.height as usize, image.width as usize, 3];
    let tensor = TensorRef::from_array_view((shape, image.data.as_slice())).map_err(text)?;
    let outputs = session.run(ort::inputs![IMAGE => tensor]).map_err(text)?;
    Ok(outputs[0]
        .try_extract_tensor::<f32>()
        .map_err(text)?
        .1
        .to_vec())
}

/// The largest difference in pixel levels: a channel's numbers are levels divided by `pixel_max` and by its own standard
/// deviation.
fn largest_levels(p: &Preprocessing, outside: &[f32], inside: &[f32]) -> f64 {
    if outside.len() != inside.len() {
        return f64::INFINITY;
    }
    let plane = outside.len() / 3;
    let planes = outside
        .chunks(plane.max(1))
        .zip(inside.chunks(plane.max(1)));
    planes
        .enumerate()
        .map(|(place, (outside, inside))| {
            let channel = match p.channels {
                ChannelOrder::Rgb => place,
                ChannelOrder::Bgr => 2 - place,
            };
            largest_difference(outside, inside) * f64::from(p.pixel_max) * f64::from(p.std[channel])
        })
        .fold(0.0, f64::max)
}

/// Infinite for NaN or different lengths.
fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() || a.iter().chain(b).any(|value| value.is_nan()) {
        return f64::INFINITY;
    }
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, f64::max)
}

/// Images for a proof without photos: noise and gradients, wide, tall, small and odd-sized.
pub fn test_images() -> Vec<RgbImage> {
    let sizes = [
        (640u32, 480u32),
        (333, 500),
        (225, 1001),
        (101, 97),
        (256, 256),
        (1023, 311),
    ];
    let mut images = Vec::new();
    for (index, (width, height)) in sizes.into_iter().enumerate() {
        let mut state = 0x9e37_79b9_u32.wrapping_add(index as u32);
        let mut data = Vec::with_capacity((width * height * 3) as usize);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let ramp = (x * 255 / width + channel * 60 + y) % 256;
                    data.push(((ramp + (state >> 26)) % 256) as u8);
                }
            }
        }
        images.extend(RgbImage::new(width, height, data));
    }
    images
}

#[cfg(test)]
mod tests;
