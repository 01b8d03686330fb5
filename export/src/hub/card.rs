//! The model card: what the manifest says, for people and for Hugging Face's front matter.

use model_core::manifest::Manifest;
use model_core::text::one_line;
use serde_json::Value;

use super::Shipped;

/// The card of a model, with `usage` for the `library` that loads the folder.
pub fn readme(shipped: &Shipped<'_>, library: &str, usage: &str) -> String {
    let manifest = &shipped.source.manifest;
    let name = one_line(&manifest.name);
    let parts = [
        front_matter(shipped, library),
        format!("# {name}\n"),
        format!(
            "An image classifier: {}, {} classes, {:.2} M parameters.\n",
            one_line(&manifest.arch),
            manifest.labels.len(),
            shipped.source.architecture.graph().parameter_count() as f64 / 1e6
        ),
        "## Accuracy\n".to_owned(),
        accuracy(shipped),
        "## Input\n".to_owned(),
        input(manifest),
        "## Use\n".to_owned(),
        usage.to_owned(),
        "## Origin\n".to_owned(),
        origin(manifest),
    ];
    parts.join("\n")
}

/// A dataset, and what was measured on it: name of the metric and percent.
struct Measured {
    dataset: String,
    images: u64,
    percents: Vec<(&'static str, f64)>,
}

/// The training's own measurement, and the export's where photos were given to it.
fn measured(shipped: &Shipped<'_>) -> Vec<Measured> {
    let top = |top1: f64, top5: Option<f64>| {
        let five = top5.map(|percent| ("Top-5 accuracy", percent));
        [("Top-1 accuracy", top1)].into_iter().chain(five).collect()
    };
    let training = shipped
        .source
        .manifest
        .accuracy
        .iter()
        .map(|accuracy| Measured {
            dataset: one_line(&accuracy.dataset),
            images: accuracy.images,
            percents: top(accuracy.top1_percent, accuracy.top5_percent),
        });
    let export = shipped.report.accuracy.iter().map(|row| Measured {
        dataset: format!("photos of the export ({})", one_line(&row.who)),
        images: row.images as u64,
        percents: top(row.top1_percent, Some(row.top5_percent)),
    });
    training.chain(export).collect()
}

fn front_matter(shipped: &Shipped<'_>, library: &str) -> String {
    let manifest = &shipped.source.manifest;
    // A JSON string is a YAML string, too.
    let quoted = |text: &str| Value::from(text).to_string();
    let mut lines = vec![
        "---".to_owned(),
        format!("library_name: {library}"),
        "pipeline_tag: image-classification".to_owned(),
        "tags:".to_owned(),
        "- image-classification".to_owned(),
        format!("- {library}"),
    ];
    if let Some(license) = &manifest.license {
        lines.push(format!("license: {}", quoted(&license.to_lowercase())));
    }
    let measured = measured(shipped);
    if !measured.is_empty() {
        lines.push("model-index:".into());
        lines.push(format!("- name: {}", quoted(&one_line(&manifest.name))));
        lines.push("  results:".into());
    }
    for row in &measured {
        lines.push("  - task:".into());
        lines.push("      type: image-classification".into());
        lines.push("    dataset:".into());
        lines.push(format!("      name: {}", quoted(&row.dataset)));
        lines.push(format!("      type: {}", quoted(&row.dataset)));
        lines.push("    metrics:".into());
        for (name, percent) in &row.percents {
            lines.push("    - type: accuracy".into());
            lines.push(format!("      name: {name}"));
            lines.push(format!("      value: {percent}"));
        }
    }
    lines.push("---\n".into());
    lines.join("\n")
}

fn accuracy(shipped: &Shipped<'_>) -> String {
    let rows = measured(shipped);
    if rows.is_empty() {
        return "Nobody measured it on labeled photos.\n".into();
    }
    let mut lines = vec![
        "| photos | number | metric | percent |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for row in &rows {
        let cells = row.percents.iter();
        lines.extend(cells.map(|(name, percent)| {
            format!(
                "| {} | {} | {name} | {percent:.2} |",
                row.dataset.replace('|', "\\|"),
                row.images
            )
        }));
    }
    lines.join("\n") + "\n"
}

fn input(manifest: &Manifest) -> String {
    let p = &manifest.preprocessing;
    let [height, width] = p.crop;
    let resize = match p.resize {
        model_core::preprocessing::Resize::ShortSide(short) => {
            format!("short side resized to {short}, center crop")
        }
        model_core::preprocessing::Resize::Exact { height, width } => {
            format!("stretched to {width} x {height}, center crop")
        }
        model_core::preprocessing::Resize::None => "center crop".into(),
    };
    format!(
        "`[N, 3, {height}, {width}]`: {resize}, {:?} interpolation, divided by {}, mean {:?}, deviation {:?}.\n",
        p.interpolation, p.pixel_max, p.mean, p.std
    )
}

fn origin(manifest: &Manifest) -> String {
    let mut lines = Vec::new();
    if let Some(provenance) = &manifest.provenance {
        lines.push(format!("- weights: `{}`", one_line(&provenance.source)));
        if let Some(sha256) = &provenance.source_sha256 {
            lines.push(format!("- SHA-256 of the weights: `{sha256}`"));
        }
        if let Some(epoch) = provenance.epoch {
            lines.push(format!("- epochs: {epoch}"));
        }
        lines.push(format!("- written by {}", one_line(&provenance.tool)));
    }
    let license = manifest
        .license
        .as_deref()
        .map_or("not stated".to_owned(), one_line);
    lines.push(format!("- license: {license}"));
    lines.join("\n") + "\n"
}
