//! Errors quote the system's words and leave out its number, whoever reads the file.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use model_core::{Manifest, labels, onnx, weights};

#[test]
fn a_file_that_is_not_there_has_no_number() {
    let missing = Path::new("no/such/file");
    let system = std::fs::read(missing).unwrap_err().to_string();
    let (words, _) = system.split_once(" (os error ").unwrap();
    for error in [
        onnx::read(missing).unwrap_err().to_string(),
        weights::read(missing).unwrap_err().to_string(),
        Manifest::read_sidecar(missing).unwrap_err().to_string(),
        labels::read_labels(missing).unwrap_err().to_string(),
    ] {
        assert!(error.ends_with(words), "{error}");
        assert!(error.contains("no/such/file"), "{error}");
    }
}
