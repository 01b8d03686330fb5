//! What lies in `models/` is what its source gives: the commands of `scripts/make-models`, byte for byte. The default model's
//! source is a download and int8 needs the sample images unpacked, so those two are left to `scripts/make-models --check`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::fs;
use std::path::Path;

use common::export_onnx;

#[test]
fn cifar10_resnet20_is_made_from_its_checkpoint() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/cifar10-resnet20");
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("model.onnx");
    export_onnx()
        .args(["--engines", "tract", "--side-files"])
        .args(["--name", "cifar10-resnet20"])
        .args(["--license", "MIT OR Apache-2.0", "--checkpoint"])
        .arg(shipped.join("best.safetensors"))
        .arg("--output")
        .arg(&output)
        .assert()
        .success();
    for name in ["model.onnx", "manifest.yaml"] {
        let made = fs::read(dir.path().join(name)).unwrap();
        assert!(made == fs::read(shipped.join(name)).unwrap(), "{name}");
    }
}
