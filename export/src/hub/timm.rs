//! A Hugging Face repository of timm's form: `timm.create_model('local-dir:DIR', pretrained=True)`, and transformers'
//! `TimmWrapperForImageClassification.from_pretrained('DIR')`.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use model_core::arch::TensorKind;
use model_core::weights::{self, TimmModel};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

use super::{Made, Shipped, card, pretty};
use crate::metadata;
use crate::source::ExportSource;

/// Refuses networks that timm does not have.
///
/// # Errors
/// Such a network, or pixels in an order that timm does not make.
pub fn check(source: &ExportSource) -> Result<()> {
    let name = source.architecture.name();
    if weights::timm_model(&source.architecture).is_none() {
        bail!("--to timm: timm has no network that computes as {name}; the ONNX file needs none");
    }
    if source.manifest.preprocessing.channels == model_core::preprocessing::ChannelOrder::Bgr {
        bail!("--to timm: timm feeds red, green, blue; these weights take blue first");
    }
    Ok(())
}

/// `config.json`, `model.safetensors`, `preprocessor_config.json`, `README.md`.
///
/// # Errors
/// As [`check()`], and numbers that cannot be written.
pub fn files(shipped: &Shipped<'_>) -> Result<Made> {
    let source = shipped.source;
    let manifest = &source.manifest;
    let model = weights::timm_model(&source.architecture).context("timm has no such network")?;
    let mut config = metadata::timm_repository(manifest, &model.architecture);
    config["pretrained_cfg"]["first_conv"] = json!(model.first_conv);
    config["pretrained_cfg"]["classifier"] = json!(model.classifier);
    if let Some(license) = &manifest.license {
        config["pretrained_cfg"]["license"] = json!(license.to_lowercase());
    }
    if !model.arguments.is_empty() {
        config["model_args"] = model
            .arguments
            .iter()
            .map(|(name, value)| (*name, json!(value)))
            .collect();
    }
    Ok(vec![
        ("config.json".into(), pretty(&config)?),
        ("model.safetensors".into(), safetensors(source)?),
        (
            "preprocessor_config.json".into(),
            pretty(&metadata::preprocessor(manifest))?,
        ),
        (
            "README.md".into(),
            card::readme(shipped, "timm", &usage(&model)).into_bytes(),
        ),
    ])
}

/// The weights under timm's names, as PyTorch writes them.
fn safetensors(source: &ExportSource) -> Result<Vec<u8>> {
    let theirs = weights::to_timm(&source.architecture, &source.weights)
        .context("timm has no such network")?;
    let counters = source.architecture.graph().tensors();
    let counters = counters
        .iter()
        .filter(|spec| spec.kind == TensorKind::NumBatchesTracked)
        .count();
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in theirs.tensors {
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        let bytes = tensor
            .data
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        // Each norm has its counter, whether or not the checkpoint kept it.
        if let Some(norm) = name.strip_suffix(".running_var") {
            let counter = format!("{norm}.num_batches_tracked");
            tensors.push((counter, Dtype::I64, vec![], 0_i64.to_le_bytes().to_vec()));
        }
        tensors.push((name, Dtype::F32, tensor.shape, bytes));
    }
    debug_assert_eq!(
        counters,
        tensors
            .iter()
            .filter(|tensor| tensor.1 == Dtype::I64)
            .count()
    );
    let views: Result<Vec<(&str, TensorView<'_>)>, safetensors::SafeTensorError> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
        })
        .collect();
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(safetensors::serialize(views?, Some(format))?)
}

fn usage(model: &TimmModel) -> String {
    format!(
        "```python
import timm, torch
from PIL import Image

net = timm.create_model(\"local-dir:.\", pretrained=True).eval()  # {}
config = timm.data.resolve_model_data_config(net)
x = timm.data.create_transform(**config)(Image.open(\"photo.jpg\").convert(\"RGB\")).unsqueeze(0)
print(net(x).softmax(1).topk(5))
```

```python
from transformers import AutoImageProcessor, TimmWrapperForImageClassification

net = TimmWrapperForImageClassification.from_pretrained(\".\").eval()
processor = AutoImageProcessor.from_pretrained(\".\")
```
",
        model.architecture
    )
}
