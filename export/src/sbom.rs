//! The bill of materials of a model as CycloneDX 1.6: what it was made from and with.
//!
//! <https://cyclonedx.org/docs/1.6/json/>. It names no time and no serial number, so that the same input gives the same
//! bytes.

use model_core::manifest::Manifest;
use serde_json::{Value, json};

/// The bill of the model that `manifest` describes.
pub fn cyclonedx(manifest: &Manifest) -> Value {
    let provenance = manifest.provenance.as_ref();
    let reference = "model";
    let mut model = json!({
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": manifest.name,
        "modelCard": {
            "modelParameters": {
                "task": "image-classification",
                "modelArchitecture": manifest.arch,
                "inputs": [{ "format": "image" }],
                "outputs": [{ "format": format!("{} of {} classes", manifest.output, manifest.labels.len()) }],
            },
        },
    });
    if let Some(license) = &manifest.license {
        model["licenses"] = json!([{ "expression": license }]);
    }
    let mut parts = Vec::new();
    if let Some(accuracy) = &manifest.accuracy {
        let metric =
            |name: &str, percent: f64| json!({ "type": name, "value": percent.to_string() });
        let top5 = accuracy
            .top5_percent
            .map(|percent| metric("top-5 accuracy, percent", percent));
        let metrics: Vec<Value> = [metric("top-1 accuracy, percent", accuracy.top1_percent)]
            .into_iter()
            .chain(top5)
            .collect();
        model["modelCard"]["quantitativeAnalysis"] = json!({ "performanceMetrics": metrics });
        parts.push(json!({
            "type": "data",
            "bom-ref": "dataset",
            "name": accuracy.dataset,
            "data": [{ "type": "dataset", "name": accuracy.dataset }],
        }));
    }
    if let Some(provenance) = provenance {
        let mut weights =
            json!({ "type": "file", "bom-ref": "weights", "name": provenance.source });
        if let Some(sha256) = &provenance.source_sha256 {
            weights["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
        }
        parts.push(weights);
    }
    let needs: Vec<&Value> = parts
        .iter()
        .filter_map(|part| part.get("bom-ref"))
        .collect();
    let dependencies = json!([{ "ref": reference, "dependsOn": needs }]);
    let (tool, version) = provenance
        .and_then(|provenance| provenance.tool.rsplit_once(' '))
        .unwrap_or(("export-onnx", env!("CARGO_PKG_VERSION")));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": tool, "version": version }] },
            "component": model,
        },
        "components": parts,
        "dependencies": dependencies,
    })
}

#[cfg(test)]
mod tests {
    use model_core::manifest::{Accuracy, Provenance};
    use model_core::{Label, Preprocessing};

    use super::*;

    #[test]
    fn the_bill_names_weights_photos_and_tool() {
        let labels = vec![Label::named("cat"), Label::named("dog")];
        let mut manifest = Manifest::new("pets", "resnet50", labels, Preprocessing::imagenet());
        manifest.license = Some("MIT".into());
        manifest.accuracy = Some(Accuracy {
            top1_percent: 91.5,
            top5_percent: None,
            images: 200,
            dataset: "my pets".into(),
        });
        manifest.provenance = Some(Provenance {
            source: "best.safetensors".into(),
            source_sha256: Some("ab".repeat(32)),
            tool: "export-onnx 0.1.0".into(),
            ..Provenance::default()
        });
        let bill = cyclonedx(&manifest);
        assert_eq!(
            bill["metadata"]["tools"]["components"][0]["version"],
            "0.1.0"
        );
        assert_eq!(
            bill["metadata"]["component"]["licenses"][0]["expression"],
            "MIT"
        );
        assert_eq!(bill["components"][0]["name"], "my pets");
        assert_eq!(
            bill["components"][1]["hashes"][0]["content"],
            "ab".repeat(32)
        );
        assert_eq!(
            bill["dependencies"][0]["dependsOn"],
            json!(["dataset", "weights"])
        );
    }
}
