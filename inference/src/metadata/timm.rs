//! timm's `pretrained_cfg` as JSON: input size, crop fraction, interpolation, mean and std, label names.
//!
//! The transform is `timm.data.create_transform` in evaluation: the short side becomes
//! `floor(input size / crop_pct)`, the center is cropped; `crop_mode: squash` resizes both sides.

use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::Filter;
use model_core::{Label, labels};
use serde_json::Value;

use super::Description;

pub(super) fn read(text: &str) -> Result<Description, String> {
    let config: Value = serde_json::from_str(text)
        .map_err(|error| format!("metadata 'pretrained_cfg': {error}"))?;
    from_value(&config)
}

/// Reads a parsed `pretrained_cfg`.
pub(super) fn from_value(config: &Value) -> Result<Description, String> {
    let problem = |key: &str, expected: &str| {
        format!(
            "pretrained_cfg.{key}: expected {expected}, got {}",
            config[key]
        )
    };
    let size: Vec<u32> = serde_json::from_value(config["input_size"].clone())
        .map_err(|_| problem("input_size", "[3, height, width]"))?;
    let [channels @ (1 | 3), height, width] = size[..] else {
        return Err(problem("input_size", "[3, height, width]"));
    };
    let crop_pct = match &config["crop_pct"] {
        Value::Null => 0.875,
        value => value
            .as_f64()
            .filter(|part| *part > 0.0 && *part <= 1.0)
            .ok_or_else(|| problem("crop_pct", "a fraction up to 1"))?,
    };
    let scaled = |side: u32| (f64::from(side) / crop_pct).floor() as u32;
    let resize = match config["crop_mode"].as_str().unwrap_or("center") {
        "center" if height == width => Resize::ShortSide(scaled(height)),
        "center" | "squash" => Resize::Exact {
            height: scaled(height),
            width: scaled(width),
        },
        _ => return Err(problem("crop_mode", "center or squash")),
    };
    let interpolation = match config["interpolation"].as_str().unwrap_or("bilinear") {
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        _ => return Err(problem("interpolation", "bilinear or bicubic")),
    };
    let imagenet = Preprocessing::imagenet();
    let numbers = |key: &str, default: [f32; 3]| match &config[key] {
        Value::Null => Ok(default),
        value => match serde_json::from_value::<Vec<f32>>(value.clone()).as_deref() {
            Ok([all]) if channels == 1 => Ok([*all; 3]),
            Ok([first, second, third]) => Ok([*first, *second, *third]),
            Ok(_) | Err(_) => Err(problem(key, "a number a channel")),
        },
    };
    let classes = config["num_classes"].as_u64();
    let labels = match &config["label_names"] {
        Value::Null if classes == Some(1000) => Some(labels::imagenet1k().to_vec()),
        Value::Null => None,
        names => Some(
            serde_json::from_value::<Vec<String>>(names.clone())
                .map_err(|_| problem("label_names", "a list of names"))?
                .into_iter()
                .map(Label::named)
                .collect(),
        ),
    };
    let text = |key: &str| config[key].as_str().map(str::to_owned);
    Ok(Description {
        name: text("architecture"),
        arch: text("architecture"),
        labels,
        preprocessing: Some(Preprocessing {
            resize,
            crop: [height, width],
            interpolation,
            mean: numbers("mean", imagenet.mean)?,
            std: numbers("std", imagenet.std)?,
            ..imagenet
        }),
        license: text("license"),
        ..Description::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_transform_of_an_efficientnet() {
        let description = read(
            r#"{"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "input_size": [3, 224, 224],
                "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center",
                "mean": [0.498, 0.498, 0.498], "std": [0.502, 0.502, 0.502], "license": "apache-2.0"}"#,
        )
        .unwrap();
        let p = description.preprocessing.unwrap();
        assert_eq!(p.resize, Resize::ShortSide(256));
        assert_eq!((p.crop, p.interpolation), ([224, 224], Filter::Bicubic));
        assert_eq!(description.labels.unwrap()[281].name, "tabby");
    }

    #[test]
    fn one_channel_has_one_mean() {
        let text = r#"{"input_size": [1, 28, 28], "mean": [0.1307], "std": [0.3081]}"#;
        let description = read(text).unwrap();
        let preprocessing = description.preprocessing.unwrap();
        assert_eq!(preprocessing.crop, [28, 28]);
        assert_eq!(preprocessing.mean, [0.1307; 3]);
        assert_eq!(preprocessing.std, [0.3081; 3]);
    }

    #[test]
    fn says_which_key_is_wrong() {
        for (text, key) in [
            (r#"{"input_size": [4, 28, 28]}"#, "input_size"),
            (r#"{"input_size": [3, 2, 2], "crop_pct": 2}"#, "crop_pct"),
            (
                r#"{"input_size": [3, 2, 2], "interpolation": "lanczos"}"#,
                "interpolation",
            ),
            (r#"{"input_size": [3, 2, 2], "mean": [1]}"#, "mean"),
            (
                r#"{"input_size": [3, 2, 2], "crop_mode": "border"}"#,
                "crop_mode",
            ),
        ] {
            assert!(read(text).unwrap_err().contains(key), "{text}");
        }
    }
}
