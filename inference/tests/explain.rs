//! What an answer rests on: the class activation map where the network has one, hidden patches where it has none.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::explain::{ExplainConfig, Explanation, Method, explain};
use inference::{Cancel, Classifier, ClassifierConfig, InferenceError, RgbImage};
use support::{SIDE, Shape, described, write_model};

/// Red on the left, blue on the right.
fn halves() -> RgbImage {
    let side = SIDE as u32;
    let mut image = RgbImage::filled(side, side, [255, 0, 0]).unwrap();
    for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
        if place % SIDE >= SIDE / 2 {
            pixel.copy_from_slice(&[0, 0, 250]);
        }
    }
    image
}

fn ask(classifier: &Classifier, method: Method) -> Result<Explanation, InferenceError> {
    let config = ExplainConfig {
        class: Some(0),
        ..ExplainConfig::default()
    };
    explain(classifier, &halves(), method, &config, &Cancel::default())
}

fn left_and_right(explanation: &Explanation) -> (f32, f32) {
    let row = &explanation.importance[..SIDE];
    (row[1], row[SIDE - 2])
}

#[test]
fn the_map_shows_where_the_class_is() {
    let dir = tempfile::tempdir().unwrap();
    let classifier =
        Classifier::open(write_model(dir.path()), &ClassifierConfig::default()).unwrap();
    for method in [Method::Auto, Method::Cam] {
        let explanation = ask(&classifier, method).unwrap();
        assert_eq!(explanation.method, Method::Cam);
        assert_eq!(explanation.note, None);
        assert_eq!(explanation.prediction.label, "red");
        assert_eq!(explanation.importance.len(), SIDE * SIDE);
        // The weight of red is 10, and the features are the pixels.
        let (left, right) = left_and_right(&explanation);
        assert!(
            (left - 10.0).abs() < 1e-4 && right.abs() < 1e-4,
            "{left} {right}"
        );
        // The score is the mean of the map.
        let score = classifier.logits(&halves()).unwrap()[0];
        let mean = explanation.importance.iter().sum::<f32>() / (SIDE * SIDE) as f32;
        assert!((score - mean).abs() < 1e-3, "{score} {mean}");
    }
    let hidden = ask(&classifier, Method::Occlusion).unwrap();
    assert_eq!(hidden.method, Method::Occlusion);
    let (left, right) = left_and_right(&hidden);
    assert!(left > 0.01 && left > right, "{left} {right}");
}

#[test]
fn without_a_file_parts_are_hidden_and_a_note_says_so() {
    let model = described(&Shape::default());
    let classifier = Classifier::from_bytes(model, "colors", &ClassifierConfig::default()).unwrap();
    let explanation = ask(&classifier, Method::Auto).unwrap();
    assert_eq!(explanation.method, Method::Occlusion);
    assert!(explanation.note.unwrap().contains("without its file"));
    let error = ask(&classifier, Method::Cam).unwrap_err().to_string();
    assert!(error.contains("no class activation map"), "{error}");
}

#[test]
fn a_network_that_ends_otherwise_says_how() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = support::convolutions();
    let graph = model.graph.as_mut().unwrap();
    graph.node[5].op_type = "GlobalMaxPool".into();
    let bytes = model_core::onnx::to_bytes(&model);
    let bytes = inference::metadata::with_manifest(&bytes, &support::manifest()).unwrap();
    let path = dir.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    let classifier = Classifier::open(&path, &ClassifierConfig::default()).unwrap();
    let note = ask(&classifier, Method::Auto).unwrap().note.unwrap();
    assert!(note.contains("got GlobalMaxPool"), "{note}");
}

#[test]
fn the_map_of_a_quantized_network_is_that_of_the_float_network() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/cifar10-resnet20");
    let image = halves();
    let maps = ["model.onnx", "model-int8.onnx"].map(|file| {
        let classifier = Classifier::open(folder.join(file), &ClassifierConfig::default()).unwrap();
        let config = ExplainConfig {
            class: Some(3),
            ..ExplainConfig::default()
        };
        let cancel = Cancel::default();
        let found = explain(&classifier, &image, Method::Cam, &config, &cancel).unwrap();
        assert_eq!(found.method, Method::Cam);
        found.importance
    });
    let [float, int8] = &maps;
    let largest = float.iter().fold(0f32, |most, value| most.max(value.abs()));
    let apart = float.iter().zip(int8).map(|(a, b)| (a - b).abs());
    let apart = apart.fold(0f32, f32::max);
    assert!(
        largest > 1.0 && apart < 0.15 * largest,
        "{apart} of {largest}"
    );
}

#[test]
fn a_model_in_memory_has_a_map_where_its_bytes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(write_model(dir.path())).unwrap();
    let config = ClassifierConfig::default();
    let lent = Classifier::from_bytes(bytes.clone(), "model", &config).unwrap();
    assert!(ask(&lent, Method::Cam).is_err());
    let stays: &'static [u8] = bytes.leak();
    let kept = Classifier::from_bytes(stays, "model", &config).unwrap();
    assert_eq!(ask(&kept, Method::Cam).unwrap().method, Method::Cam);
}
