//! Hugging Face's configuration: `id2label` and `preprocessor_config`, in `metadata_props` or as `config.json` and
//! `preprocessor_config.json` beside the model. A timm repository's `config.json` holds `pretrained_cfg` instead.
//!
//! The transform is that of the image processors of ResNet, ConvNeXT, ViT and EfficientNet: `size` with
//! `shortest_edge` (divided by `crop_pct` where there is one) or `height` and `width`, then `crop_size`.

use model_core::Label;
use model_core::manifest::Output;
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::Filter;
use serde_json::Value;

use super::{Description, Dialect, python, timm};

/// Reads the keys inside an ONNX file.
pub(super) fn read_embedded(
    id2label: &str,
    preprocessor: Option<&str>,
) -> Result<Description, String> {
    let names =
        python::dictionary(id2label).map_err(|reason| format!("metadata 'id2label': {reason}"))?;
    Ok(Description {
        labels: Some(
            python::in_order(names)?
                .into_iter()
                .map(Label::named)
                .collect(),
        ),
        preprocessing: preprocessor.map(preprocessing).transpose()?,
        ..Description::default()
    })
}

/// Reads the files beside a model; none when `config.json` is of something else.
pub(super) fn read_files(
    config: &str,
    preprocessor: Option<&str>,
) -> Result<Option<(Description, Dialect)>, String> {
    let config: Value =
        serde_json::from_str(config).map_err(|error| format!("config.json: {error}"))?;
    if config["pretrained_cfg"].is_object() {
        let mut cfg = config["pretrained_cfg"].clone();
        for key in ["architecture", "num_classes", "label_names"] {
            if cfg[key].is_null() {
                cfg[key] = config[key].clone();
            }
        }
        return Ok(Some((timm::from_value(&cfg)?, Dialect::Timm)));
    }
    let names = &config["id2label"];
    if !names.is_object() && preprocessor.is_none() {
        return Ok(None);
    }
    let mut description = match names {
        Value::Null => Description::default(),
        names => read_embedded(&names.to_string(), None)
            .map_err(|reason| format!("config.json: {reason}"))?,
    };
    description.arch = config["model_type"].as_str().map(str::to_owned);
    description.name = config["_name_or_path"]
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    description.preprocessing = preprocessor.map(preprocessing).transpose()?;
    // transformers' models end in logits; the kind of problem says what belongs on top.
    let several = config["problem_type"].as_str() == Some("multi_label_classification");
    description.output = several.then_some(Output::SigmoidLogits);
    Ok(Some((description, Dialect::HuggingFace)))
}

fn preprocessing(text: &str) -> Result<Preprocessing, String> {
    let config: Value =
        serde_json::from_str(text).map_err(|error| format!("preprocessor_config: {error}"))?;
    let problem = |key: &str, expected: &str| {
        format!(
            "preprocessor_config.{key}: expected {expected}, got {}",
            config[key]
        )
    };
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let square = |value: &Value| number(value).map(|side| [side, side]);
    let sides = |value: &Value| match (number(&value["height"]), number(&value["width"])) {
        (Some(height), Some(width)) => Some([height, width]),
        _ => None,
    };
    let shortest = |value: &Value| number(&value["shortest_edge"]);
    let size = &config["size"];
    let do_resize = config["do_resize"].as_bool().unwrap_or(true);
    // ConvNeXT's and ResNet's processors: below 384, the short side is `size / crop_pct`, then `size` is cropped.
    let crop_pct = config["crop_pct"]
        .as_f64()
        .filter(|part| *part > 0.0 && *part <= 1.0);
    let (resize, mut crop) =
        if let Some(short) = shortest(size).or_else(|| crop_pct.and(number(size))) {
            match crop_pct {
                Some(part) if short < 384 => {
                    let scaled = (f64::from(short) / part) as u32;
                    (Resize::ShortSide(scaled), [short, short])
                }
                Some(_) => {
                    let exact = Resize::Exact {
                        height: short,
                        width: short,
                    };
                    (exact, [short, short])
                }
                None => (Resize::ShortSide(short), [short, short]),
            }
        } else if let Some([height, width]) = sides(size).or_else(|| square(size)) {
            (Resize::Exact { height, width }, [height, width])
        } else {
            return Err(problem(
                "size",
                "a number, shortest_edge, or height and width",
            ));
        };
    if config["do_center_crop"].as_bool().unwrap_or(false) && crop_pct.is_none() {
        let size = &config["crop_size"];
        crop = sides(size)
            .or_else(|| square(size))
            .ok_or_else(|| problem("crop_size", "a number, or height and width"))?;
    }
    // PIL's resampling numbers.
    let interpolation = match config["resample"].as_u64().unwrap_or(2) {
        2 => Filter::Bilinear,
        3 => Filter::Bicubic,
        _ => return Err(problem("resample", "2 (bilinear) or 3 (bicubic)")),
    };
    let normalize = config["do_normalize"].as_bool().unwrap_or(true);
    let three = |key: &str, default: [f32; 3]| match &config[key] {
        _ if !normalize => Ok(default),
        Value::Null => Ok(default),
        value => serde_json::from_value(value.clone()).map_err(|_| problem(key, "three numbers")),
    };
    let pixel_max = match config["rescale_factor"].as_f64() {
        _ if config["do_rescale"].as_bool() == Some(false) => 1.0,
        Some(factor) if factor > 0.0 => (1.0 / factor) as f32,
        _ => 255.0,
    };
    Ok(Preprocessing {
        resize: if do_resize { resize } else { Resize::None },
        crop,
        interpolation,
        mean: three("image_mean", [0.0; 3])?,
        std: three("image_std", [1.0; 3])?,
        pixel_max,
        ..Preprocessing::imagenet()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resnet_and_vit_processors() {
        let resnet = preprocessing(
            r#"{"crop_pct": 0.875, "do_normalize": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224}"#,
        )
        .unwrap();
        assert_eq!(
            (resnet.resize, resnet.crop),
            (Resize::ShortSide(256), [224, 224])
        );
        let vit = preprocessing(
            r#"{"do_normalize": true, "do_rescale": true, "rescale_factor": 0.00392156862745098, "resample": 2,
                "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 224, "width": 224}}"#,
        )
        .unwrap();
        assert_eq!(
            vit.resize,
            Resize::Exact {
                height: 224,
                width: 224
            }
        );
        assert_eq!((vit.mean, vit.pixel_max), ([0.5; 3], 255.0));
        let clip = preprocessing(
            r#"{"size": {"shortest_edge": 256}, "do_center_crop": true, "crop_size": {"height": 224, "width": 224}}"#,
        )
        .unwrap();
        assert_eq!(
            (clip.resize, clip.crop),
            (Resize::ShortSide(256), [224, 224])
        );
    }

    #[test]
    fn reads_labels_in_number_order_and_timm_files() {
        let (description, dialect) = read_files(
            r#"{"id2label": {"1": "dog", "0": "cat"}, "model_type": "resnet"}"#,
            None,
        )
        .unwrap()
        .unwrap();
        assert_eq!(dialect, Dialect::HuggingFace);
        assert_eq!(description.labels.unwrap()[1], Label::named("dog"));
        let (description, dialect) = read_files(
            r#"{"architecture": "resnet50", "num_classes": 2, "label_names": ["a", "b"],
                "pretrained_cfg": {"input_size": [3, 64, 64]}}"#,
            None,
        )
        .unwrap()
        .unwrap();
        assert_eq!(dialect, Dialect::Timm);
        assert_eq!(
            description.labels.unwrap(),
            [Label::named("a"), Label::named("b")]
        );
        assert!(read_files("{}", None).unwrap().is_none());
    }

    #[test]
    fn says_which_key_is_wrong() {
        assert!(
            preprocessing(r#"{"size": "big"}"#)
                .unwrap_err()
                .contains("size")
        );
        assert!(
            preprocessing(r#"{"size": 2, "resample": 1}"#)
                .unwrap_err()
                .contains("resample")
        );
    }
}
