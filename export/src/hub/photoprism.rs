//! PhotoPrism's models of one's own: `NAME.onnx` and `labels.txt` in a folder NAME below its models path, and the entry
//! of its `vision.yml`. The same description travels in the file, under `photoprism.*`.
//!
//! <https://github.com/photoprism/photoprism/blob/develop/internal/ai/onnx/README.md>, read in October 2026; in
//! November its sources: `internal/ai/onnx` (`info.go`, `metadata_info.go`, `verify.go`), `internal/ai/classify`
//! (`model.go`, `models.go`), `internal/ai/vision/model.go`, `pkg/clean/type.go`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::manifest::{Manifest, Output};
use model_core::onnx;
use model_core::preprocessing::{ChannelOrder, Resize};
use model_core::resample::Filter;
use model_core::text::hex;
use sha2::{Digest, Sha256};

use super::{Made, Shipped};
use crate::proof::FilePrecision;

/// Names of PhotoPrism's own models, whose files it knows by their checksums.
const ITS_OWN: [&str; 5] = [
    "efficientformerv2_s1",
    "efficientformerv2_s2",
    "efficientnet_b0",
    "nasnet",
    "repvit_m1_0",
];

/// Letters after which it cuts a name off.
const LONGEST_NAME: usize = 64;

/// The model's name: that of its folder, by which PhotoPrism finds it.
fn name(folder: &Path) -> Result<&str> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        bail!(
            "--to photoprism={}: PhotoPrism finds a model by its folder's name; expected at most {LONGEST_NAME} lower-case \
             letters, digits and underscores",
            folder.display()
        );
    }
    if ITS_OWN.contains(&name) {
        bail!(
            "--to photoprism={}: PhotoPrism has a model of its own of that name, and takes no other file for it; expected \
             another name",
            folder.display()
        );
    }
    Ok(name)
}

/// Refuses folders that PhotoPrism would not find, and preprocessing that it has no words for.
///
/// # Errors
/// Such a folder, such preprocessing.
pub fn check(folder: &Path, manifest: &Manifest) -> Result<()> {
    name(folder)?;
    let p = &manifest.preprocessing;
    let [height, width] = p.crop;
    match p.resize {
        Resize::ShortSide(_) => {}
        Resize::Exact {
            height: rows,
            width: columns,
        } if [rows, columns] == p.crop => {}
        Resize::Exact {
            height: rows,
            width: columns,
        } => bail!(
            "--to photoprism: PhotoPrism cannot stretch a picture to {rows} x {columns} and then crop {height} x {width}"
        ),
        Resize::None => bail!(
            "--to photoprism: PhotoPrism cannot crop {height} x {width} from a picture that was not resized"
        ),
    }
    let alike = |values: [f32; 3]| values == [values[0]; 3];
    if p.channels == ChannelOrder::Bgr && !(alike(p.mean) && alike(p.std)) {
        bail!(
            "--to photoprism: PhotoPrism does not say for certain in which order it reads means and deviations of a BGR \
             input; expected the same for every channel, got {:?} and {:?}",
            p.mean,
            p.std
        );
    }
    Ok(())
}

/// `NAME.onnx`, `labels.txt`, `vision.yml`.
///
/// # Errors
/// As [`check()`], and a file whose proof fails.
pub fn files(shipped: &Shipped<'_>, folder: &Path) -> Result<Made> {
    let manifest = &shipped.source.manifest;
    let name = name(folder)?;
    let file = format!("{name}.onnx");
    let mut model = shipped.model.clone();
    for (key, value) in description(manifest, shipped.precision, shipped.args.dynamic_size) {
        model.set_metadata(&format!("photoprism.{key}"), value);
    }
    (shipped.prove)(&mut model, shipped.precision)
        .with_context(|| format!("{file} was not written"))?;
    let bytes = onnx::to_bytes(&model);
    let sha256 = hex(&Sha256::digest(&bytes));
    let labels: Vec<&str> = manifest
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    Ok(vec![
        (
            "vision.yml".into(),
            entry(manifest, shipped, name, &sha256).into_bytes(),
        ),
        ("labels.txt".into(), (labels.join("\n") + "\n").into_bytes()),
        (file, bytes),
    ])
}

fn quantization(precision: FilePrecision) -> &'static str {
    match precision {
        FilePrecision::Float32 => "fp32",
        FilePrecision::Float16Weights => "fp16",
        FilePrecision::Int8 => "int8",
    }
}

/// Mean and deviation of a channel in pixel levels from 0 to 255, which PhotoPrism takes whatever a model's unit is.
fn levels(manifest: &Manifest) -> [[f32; 3]; 2] {
    let p = &manifest.preprocessing;
    // Rounded to what a person wrote: 0.485 of 255 is 123.675.
    let level =
        |share: f32| ((f64::from(share) * f64::from(p.pixel_max)) * 1e4).round() as f32 / 1e4;
    [p.mean.map(level), p.std.map(level)]
}

fn json_list(values: [f32; 3]) -> String {
    format!("[{}]", values.map(|value| value.to_string()).join(", "))
}

fn order(manifest: &Manifest) -> &'static str {
    match manifest.preprocessing.channels {
        ChannelOrder::Rgb => "RGB",
        ChannelOrder::Bgr => "BGR",
    }
}

fn interpolation(manifest: &Manifest) -> &'static str {
    match manifest.preprocessing.interpolation {
        Filter::Bilinear => "linear",
        Filter::Bicubic => "bicubic",
    }
}

/// The short side before the crop, and the crop's share of it; none where the picture is stretched to the input.
fn crop(manifest: &Manifest) -> Option<(u32, f64)> {
    let [height, width] = manifest.preprocessing.crop;
    // What else there is has been refused or is a plain stretch: see `check`.
    match manifest.preprocessing.resize {
        Resize::ShortSide(short) => Some((short, f64::from(height.min(width)) / f64::from(short))),
        Resize::Exact { .. } | Resize::None => None,
    }
}

/// Keys of PhotoPrism's metadata, without their prefix, and their values.
fn description(
    manifest: &Manifest,
    precision: FilePrecision,
    dynamic: bool,
) -> Vec<(&'static str, String)> {
    let [height, width] = manifest.preprocessing.crop;
    let [mean, deviation] = levels(manifest);
    let mut pairs = vec![
        ("quantization", quantization(precision).to_owned()),
        ("input_name", "input".to_owned()),
        ("output_name", "logits".to_owned()),
        ("output_width", manifest.labels.len().to_string()),
        ("output_count", "1".to_owned()),
        (
            "outputs_logits",
            (manifest.output == Output::Logits).to_string(),
        ),
        ("layout", "NCHW".to_owned()),
        ("color_order", order(manifest).to_owned()),
        ("mean", json_list(mean)),
        ("std_dev", json_list(deviation)),
        ("interpolation", interpolation(manifest).to_owned()),
    ];
    if !dynamic {
        pairs.push(("input_width", width.to_string()));
        pairs.push(("input_height", height.to_string()));
    }
    match crop(manifest) {
        Some((short, ratio)) => {
            pairs.push(("resize_mode", "center-crop".to_owned()));
            pairs.push(("resize_short_edge", short.to_string()));
            if ratio <= 1.0 {
                pairs.push(("crop_ratio", ratio.to_string()));
            }
        }
        None => pairs.push(("resize_mode", "stretch".to_owned())),
    }
    if let Some(license) = &manifest.license {
        pairs.push(("license", license.clone()));
    }
    if let Some(provenance) = &manifest.provenance {
        pairs.push(("source", provenance.source.clone()));
    }
    pairs
}

/// The entry that belongs into PhotoPrism's `vision.yml`.
fn entry(manifest: &Manifest, shipped: &Shipped<'_>, name: &str, sha256: &str) -> String {
    let [height, width] = manifest.preprocessing.crop;
    let [mean, deviation] = levels(manifest);
    // A JSON string is a YAML string, too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let license = manifest
        .license
        .as_deref()
        .map(|license| format!("      License: {}\n", quoted(license)));
    let source = manifest
        .provenance
        .as_ref()
        .map(|from| format!("      Source: {}\n", quoted(&from.source)));
    let resize = match crop(manifest) {
        Some((short, ratio)) => {
            format!(
                "          Mode: center-crop\n          ShortEdge: {short}\n          CropRatio: {}\n",
                ratio.min(1.0)
            )
        }
        None => "          Mode: stretch\n".to_owned(),
    };
    format!(
        "# Add this entry to the Models of PhotoPrism's config/vision.yml, and put this folder below its models path.
Models:
  - Type: labels
    Name: {name}
    Resolution: {}
    LabelFile: labels.txt
    ONNX:
      File: {name}.onnx
      SHA256: {sha256}
{}{}      Quantization: {}
      Input:
        Name: input
        Width: {width}
        Height: {height}
        Layout: NCHW
        ColorOrder: {}
        Normalization:
          Mean: {}
          StdDev: {}
        Resize:
{resize}          Interpolation: {}
      Output:
        Name: logits
        Width: {}
        Count: 1
        Logits: {}
",
        height.max(width),
        license.unwrap_or_default(),
        source.unwrap_or_default(),
        quantization(shipped.precision),
        order(manifest),
        json_list(mean),
        json_list(deviation),
        interpolation(manifest),
        manifest.labels.len(),
        manifest.output == Output::Logits,
    )
}
