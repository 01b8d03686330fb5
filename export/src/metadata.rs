//! What the file says of itself, in every dialect that is read: ours, ultralytics', timm's, the ONNX image keys.
//!
//! Also the side files that tools outside ONNX expect. Not here: the proof that goes into the manifest.

use anyhow::{Context, Result};
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::onnx::ModelProto;
use model_core::preprocessing::{ChannelOrder, Resize};
use model_core::resample::Filter;
use serde_json::{Value, json};

/// Sets every metadata key of `model` from `manifest`.
///
/// # Errors
/// A manifest that cannot be written as JSON.
pub fn set_metadata(
    model: &mut ModelProto,
    manifest: &Manifest,
    image_in_graph: bool,
) -> Result<()> {
    let preprocessing = &manifest.preprocessing;
    let [height, width] = preprocessing.crop;
    model.doc_string = format!(
        "{} image classifier ({} classes)",
        manifest.arch,
        manifest.labels.len()
    );
    model.set_metadata(
        MANIFEST_KEY,
        manifest
            .to_json()
            .context("the manifest cannot be written as JSON")?,
    );

    // ultralytics reads these with Python's literal_eval.
    model.set_metadata("description", format!("{} image classifier", manifest.name));
    model.set_metadata("task", "classify");
    model.set_metadata("imgsz", format!("[{height}, {width}]"));
    model.set_metadata("names", python_names(manifest));
    model.set_metadata("stride", "1");
    model.set_metadata("batch", "1");
    model.set_metadata("channels", "3");
    if let Some(license) = &manifest.license {
        model.set_metadata("license", license.clone());
    }

    // The ONNX specification's image keys.
    let order = match preprocessing.channels {
        ChannelOrder::Rgb => "Rgb8",
        ChannelOrder::Bgr => "Bgr8",
    };
    model.set_metadata("Image.BitmapPixelFormat", order);
    model.set_metadata("Image.ColorSpaceGamma", "SRGB");
    if let Some(range) = pixel_range(manifest, image_in_graph) {
        model.set_metadata("Image.NominalPixelRange", range);
    }
    model.set_metadata("pretrained_cfg", timm_config(manifest).to_string());
    Ok(())
}

/// The pixel range the graph expects, where the specification has a word for it.
fn pixel_range(manifest: &Manifest, image_in_graph: bool) -> Option<&'static str> {
    let p = &manifest.preprocessing;
    let near =
        |values: [f32; 3], target: f32| values.iter().all(|value| (value - target).abs() < 0.01);
    if image_in_graph {
        Some("NominalRange_0_255")
    } else if p.pixel_max == 255.0 && near(p.mean, 0.0) && near(p.std, 1.0) {
        Some("Normalized_0_1")
    } else if p.pixel_max == 255.0 && near(p.mean, 0.5) && near(p.std, 0.5) {
        Some("Normalized_1_1")
    } else {
        None
    }
}

/// `{0: 'tench', 1: "jack-o'-lantern"}`: a Python literal.
fn python_names(manifest: &Manifest) -> String {
    let quoted = |name: &str| {
        let escaped = name
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\'', "\\'");
        format!("'{escaped}'")
    };
    let names: Vec<String> = manifest
        .labels
        .iter()
        .enumerate()
        .map(|(index, label)| format!("{index}: {}", quoted(&label.name)))
        .collect();
    format!("{{{}}}", names.join(", "))
}

fn interpolation(filter: Filter) -> &'static str {
    match filter {
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
    }
}

/// timm's `pretrained_cfg`.
fn timm_config(manifest: &Manifest) -> Value {
    let p = &manifest.preprocessing;
    let [height, width] = p.crop;
    let (crop_pct, crop_mode) = match p.resize {
        Resize::ShortSide(short) => (crop_share(height.min(width), short), "center"),
        Resize::Exact { .. } => (1.0, "squash"),
        Resize::None => (1.0, "center"),
    };
    json!({
        "architecture": manifest.arch,
        "num_classes": manifest.labels.len(),
        "input_size": [3, height, width],
        "interpolation": interpolation(p.interpolation),
        "crop_pct": crop_pct,
        "crop_mode": crop_mode,
        "mean": decimal(p.mean),
        "std": decimal(p.std),
    })
}

/// The crop's share of the short side, from which timm computes that side again: it takes the whole part of the quotient,
/// which rounding may have put just below the number meant.
fn crop_share(crop: u32, short: u32) -> f64 {
    let share = f64::from(crop) / f64::from(short);
    match (f64::from(crop) / share).floor() == f64::from(short) {
        true => share,
        false => f64::from(crop) / (f64::from(short) + 0.5),
    }
}

/// f32 numbers as the short decimals a person wrote (0.485, not 0.48500001430511475).
fn decimal(values: [f32; 3]) -> [Value; 3] {
    values.map(|value| {
        value
            .to_string()
            .parse::<f64>()
            .map_or(Value::Null, Value::from)
    })
}

/// Labels in transformers' words: `label_names`, `id2label`, `label2id`.
pub fn labels_config(manifest: &Manifest) -> Value {
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    let id2label: serde_json::Map<String, Value> = labels
        .iter()
        .enumerate()
        .map(|(index, name)| (index.to_string(), json!(name)))
        .collect();
    let label2id: serde_json::Map<String, Value> = labels
        .iter()
        .enumerate()
        .map(|(index, name)| ((*name).to_string(), json!(index)))
        .collect();
    json!({
        "architectures": [manifest.arch],
        "num_classes": labels.len(),
        "label_names": labels,
        "problem_type": "single_label_classification",
        "id2label": id2label,
        "label2id": label2id,
    })
}

/// `config.json` of a repository of timm's, whose network is `architecture` there.
pub fn timm_repository(manifest: &Manifest, architecture: &str) -> Value {
    let mut config = labels_config(manifest);
    config["model_type"] = json!("timm_wrapper");
    // timm's own keys: transformers computes its `num_labels` and `id2label` from them.
    config["architecture"] = json!(architecture);
    config["architectures"] = json!([architecture]);
    config["pretrained_cfg"] = timm_config(manifest);
    config["pretrained_cfg"]["architecture"] = json!(architecture);
    config
}

/// `preprocessor_config.json` of transformers.
pub fn preprocessor(manifest: &Manifest) -> Value {
    let p = &manifest.preprocessing;
    let [height, width] = p.crop;
    let size = match p.resize {
        Resize::ShortSide(short) => json!({ "shortest_edge": short }),
        Resize::Exact { height, width } => json!({ "height": height, "width": width }),
        Resize::None => Value::Null,
    };
    let resample = match p.interpolation {
        Filter::Bilinear => 2,
        Filter::Bicubic => 3,
    };
    json!({
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": true,
        "do_resize": p.resize != Resize::None,
        "size": size,
        "resample": resample,
        "do_center_crop": true,
        "crop_size": { "height": height, "width": width },
        "do_rescale": true,
        "rescale_factor": 1.0 / f64::from(p.pixel_max),
        "do_normalize": true,
        "image_mean": decimal(p.mean),
        "image_std": decimal(p.std),
    })
}

/// Side files for tools that read no ONNX metadata, as (file name, contents).
///
/// # Errors
/// A manifest that cannot be written.
pub fn side_files(manifest: &Manifest) -> Result<Vec<(&'static str, String)>> {
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    let yaml = manifest
        .to_yaml()
        .context("the manifest cannot be written as YAML")?;
    Ok(vec![
        ("manifest.yaml", yaml),
        ("labels.txt", labels.join("\n") + "\n"),
        (
            "config.json",
            pretty(&timm_repository(manifest, &manifest.arch))?,
        ),
        ("preprocessor_config.json", pretty(&preprocessor(manifest))?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timm_computes_the_short_side_that_is_meant() {
        for crop in [32, 64, 224, 240, 256, 260, 280, 288, 300, 380, 384] {
            for short in crop..crop + 300 {
                let again = (f64::from(crop) / crop_share(crop, short)).floor();
                assert_eq!(again, f64::from(short), "{crop} of {short}");
            }
        }
    }
}
