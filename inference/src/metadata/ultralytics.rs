//! Ultralytics' ONNX metadata: `names` (a Python dictionary as text), `imgsz`, `task`.
//!
//! Its classifiers take RGB scaled to 0..1 with no mean and std; the short side is resized to the input size,
//! bilinear, and the center is cropped (`ultralytics.data.augment.classify_transforms`).

use model_core::Label;
use model_core::onnx::ModelProto;
use model_core::preprocessing::Resize;

use super::{Description, Preset, python};

pub(super) fn read(model: &ModelProto, names: &str) -> Result<Description, String> {
    let task = model.metadata("task").unwrap_or("classify");
    if task != "classify" {
        return Err(format!(
            "expected a classifier, got an Ultralytics model whose task is '{task}'"
        ));
    }
    let names =
        python::dictionary(names).map_err(|reason| format!("metadata 'names': {reason}"))?;
    let labels = python::in_order(names)?
        .into_iter()
        .map(Label::named)
        .collect();
    let mut preprocessing = Preset::ZeroToOne.preprocessing();
    if let Some(text) = model.metadata("imgsz") {
        let sides =
            python::integers(text).map_err(|reason| format!("metadata 'imgsz': {reason}"))?;
        preprocessing.crop = match sides[..] {
            [side] => [side, side],
            [height, width] => [height, width],
            _ => {
                return Err(format!(
                    "metadata 'imgsz': expected one or two sizes, got '{text}'"
                ));
            }
        };
        let [height, width] = preprocessing.crop;
        preprocessing.resize = if height == width {
            Resize::ShortSide(height)
        } else {
            Resize::Exact { height, width }
        };
    }
    Ok(Description {
        name: model.metadata("description").map(str::to_owned),
        labels: Some(labels),
        preprocessing: Some(preprocessing),
        license: model.metadata("license").map(str::to_owned),
        ..Description::default()
    })
}
