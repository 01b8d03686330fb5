//! Any bytes as an ONNX file: loaded and run by our kernels and by tract, or refused in one line.
#![no_main]

use inference::{Classifier, ClassifierConfig, EngineKind, RgbImage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = RgbImage::filled(20, 20, [10, 200, 30]) else {
        return;
    };
    for engine in [EngineKind::Kernels, EngineKind::Tract] {
        let config = ClassifierConfig {
            engine,
            threads: 1,
            ..ClassifierConfig::default()
        };
        match Classifier::from_bytes(bytes.to_vec(), "fuzzed", &config) {
            Ok(classifier) => drop(classifier.classify(&image, 3)),
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
});
