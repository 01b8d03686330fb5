//! What lies in `models/` is what its source gives: the commands of `scripts/make-models`, byte for byte. The default model's
//! source is a download and int8 needs the sample images unpacked, so those two are left to `scripts/make-models --check`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::fs;
use std::path::Path;

use common::export_onnx;

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
        for file in ["model.onnx", "manifest.yaml"] {
            let made = fs::read(dir.path().join(file)).unwrap();
            assert!(
                made == fs::read(shipped.join(file)).unwrap(),
                "{name}/{file}"
            );
        }
    }
}
