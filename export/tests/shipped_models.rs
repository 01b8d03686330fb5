//! What lies in `models/` is what its source gives: the commands of `scripts/make-models`, byte for byte but for a bound that
//! depends on the processor. The default model's source is a download and int8 needs the sample images unpacked, so those
//! two are left to `scripts/make-models --check`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::fs;
use std::path::Path;

use common::export_onnx;
use model_core::onnx::{self, ModelProto};

#[test]
fn models_of_cifar_are_made_from_their_checkpoints() {
    for name in ["cifar10-resnet20", "cifar10-whitened-vgg"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../models")
            .join(name);
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("model.onnx");
        export_onnx()
            .args(["--engines", "tract", "--side-files", "--name", name])
            .args(["--license", "MIT OR Apache-2.0", "--checkpoint"])
            .arg(shipped.join("best.safetensors"))
            .arg("--output")
            .arg(&output)
            .assert()
            .success();
        let shipped_bytes = fs::read(shipped.join("model.onnx")).unwrap();
        assert!(
            model(&output) == model(&shipped.join("model.onnx")),
            "{name}"
        );
        // Nothing but what the structure holds is in the file.
        assert!(onnx::to_bytes(&onnx::parse(&shipped_bytes).unwrap()) == shipped_bytes);
        let manifest = |dir: &Path| fs::read_to_string(dir.join("manifest.yaml")).unwrap();
        assert_eq!(
            without_bounds(&manifest(dir.path())),
            without_bounds(&manifest(&shipped)),
            "{name}"
        );
    }
}

fn model(path: &Path) -> ModelProto {
    let mut model = onnx::parse(&fs::read(path).unwrap()).unwrap();
    for entry in &mut model.metadata_props {
        entry.value = without_bounds(&entry.value);
    }
    model
}

/// The same with the certificate's bounds left out: they are powers of ten above the rounding of float32, which depends on
/// the processor.
fn without_bounds(text: &str) -> String {
    const KEY: &str = "max_abs_difference_below";
    let mut parts = text.split(KEY);
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let part = part.trim_start_matches(['"', ':', ' ']);
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-');
        let end = part.find(|c| !is_number(c)).unwrap_or(part.len());
        let bound: f64 = part[..end].parse().unwrap();
        assert!(bound <= 1e-5, "{bound}");
        rest.push_str(KEY);
        rest.push_str(&part[end..]);
    }
    rest
}
