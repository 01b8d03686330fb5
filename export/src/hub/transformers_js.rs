//! transformers.js: `config.json`, `preprocessor_config.json`, and ONNX files under `onnx/` by their precision.

use anyhow::{Context, Result};
use model_core::arch::Family;
use model_core::onnx::{self, ModelProto};
use serde_json::{Value, json};

use super::{Made, Shipped, card, pretty};
use crate::emit::{self, EmitConfig, InputSize};
use crate::metadata;
use crate::proof::FilePrecision;

/// What transformers.js calls the input.
const PIXELS: &str = "pixel_values";

/// The folder's files. The float32 file is always among them; int8 and float16 files where the export is one.
///
/// # Errors
/// A file whose proof fails.
pub fn files(shipped: &Shipped<'_>, notes: &mut Vec<String>) -> Result<Made> {
    let manifest = &shipped.source.manifest;
    let mut forms: Vec<(&str, FilePrecision, ModelProto)> = Vec::new();
    match shipped.precision {
        FilePrecision::Float32 => {}
        FilePrecision::Int8 => forms.push((
            "onnx/model_quantized.onnx",
            FilePrecision::Int8,
            shipped.model.clone(),
        )),
        FilePrecision::Float16Weights => {
            forms.push((
                "onnx/model_fp16.onnx",
                FilePrecision::Float16Weights,
                shipped.model.clone(),
            ));
        }
    }
    let float = match forms.is_empty() {
        true => shipped.model.clone(),
        false => float32(shipped)?,
    };
    forms.push(("onnx/model.onnx", FilePrecision::Float32, float));
    if shipped.precision != FilePrecision::Int8 {
        notes.push(
            "note        without --int8 there is no onnx/model_quantized.onnx, which browsers take by default; \
             they take onnx/model.onnx by dtype: 'fp32'"
                .to_owned(),
        );
    }
    let mut made: Made = vec![
        ("config.json".into(), pretty(&config(shipped))?),
        (
            "preprocessor_config.json".into(),
            pretty(&metadata::preprocessor(manifest))?,
        ),
        (
            "README.md".into(),
            card::readme(shipped, "transformers.js", USAGE).into_bytes(),
        ),
    ];
    for (name, precision, mut model) in forms {
        rename_input(&mut model, PIXELS);
        (shipped.prove)(&mut model, precision)
            .with_context(|| format!("{name} was not written"))?;
        made.push((name.into(), onnx::to_bytes(&model)));
    }
    Ok(made)
}

const USAGE: &str = "```js
import { pipeline } from '@huggingface/transformers';

const classify = await pipeline('image-classification', 'FOLDER', { dtype: 'fp32' });
console.log(await classify('photo.jpg', { top_k: 5 }));
```
";

/// The float32 model, where the export is of another precision.
fn float32(shipped: &Shipped<'_>) -> Result<ModelProto> {
    let [height, width] = crate::run::input_size(&shipped.source.manifest);
    let config = EmitConfig {
        opset: shipped.args.opset,
        size: match shipped.args.dynamic_size {
            true => InputSize::Dynamic,
            false => InputSize::Fixed { height, width },
        },
        half_weights: false,
        softmax: None,
    };
    let mut model = emit::float_model(shipped.folded, &config)?;
    metadata::set_metadata(&mut model, &shipped.source.manifest, false)?;
    Ok(model)
}

/// transformers.js chooses a class by `model_type`, and all classes of this task feed pixels and read logits alike. It has
/// no word for the other families, so they are called after the nearest.
fn config(shipped: &Shipped<'_>) -> Value {
    let family = match shipped.source.architecture.family() {
        Family::EfficientNet(_) => "efficientnet",
        Family::MobileNetV2(_) => "mobilenet_v2",
        Family::MobileNetV3(_) => "mobilenet_v3",
        Family::ConvNext(_) => "convnext",
        Family::ResNet(_)
        | Family::ResNetV2(_)
        | Family::RegNet(_)
        | Family::DenseNet(_)
        | Family::Vgg(_)
        | Family::WhitenedVgg(_) => "resnet",
    };
    let mut config = metadata::labels_config(&shipped.source.manifest);
    config["model_type"] = json!(family);
    config["architecture"] = json!(shipped.source.manifest.arch);
    config
}

/// Gives the model's one input another name.
fn rename_input(model: &mut ModelProto, name: &str) {
    let Some(graph) = &mut model.graph else {
        return;
    };
    let Some(input) = graph.input.first_mut() else {
        return;
    };
    let before = std::mem::replace(&mut input.name, name.to_owned());
    let uses = graph.node.iter_mut().flat_map(|node| &mut node.input);
    uses.filter(|input| **input == before)
        .for_each(|input| name.clone_into(input));
}
