//! Inputs that are not float32: bytes and float16.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::{Classifier, ClassifierConfig, EngineKind, InferenceError, RgbImage};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{
    self, AttributeProto, DataType, Dim, ModelProto, NodeProto, ValueInfoProto,
};
use support::{SIDE, Shape, colors, manifest};

/// [`colors`] with an input of another type, cast to float32 inside.
fn taking(element: DataType, open_size: bool) -> ModelProto {
    let nhwc = element == DataType::Uint8;
    let mut model = colors(&Shape {
        nhwc,
        ..Shape::default()
    });
    let graph = model.graph.as_mut().unwrap();
    let side = if open_size {
        Dim::Symbol("side")
    } else {
        Dim::Size(SIDE)
    };
    let dims = match nhwc {
        true => [Dim::Size(1), side, side, Dim::Size(3)],
        false => [Dim::Size(1), Dim::Size(3), side, side],
    };
    graph.input = vec![ValueInfoProto::tensor("stored", element, &dims)];
    let to = vec![AttributeProto::int("to", DataType::Float as i64)];
    graph.node.insert(
        0,
        NodeProto::new("Cast", "cast", &["stored"], &["image"], to),
    );
    model
}

fn open(model: &ModelProto, config: &ClassifierConfig) -> Result<Classifier, InferenceError> {
    let mut manifest = manifest();
    if model.graph.as_ref().unwrap().input[0]
        == taking(DataType::Uint8, false).graph.unwrap().input[0]
    {
        manifest.preprocessing.layout = model_core::preprocessing::Layout::Nhwc;
    }
    let bytes = inference::metadata::with_manifest(&onnx::to_bytes(model), &manifest).unwrap();
    Classifier::from_bytes(bytes, "model", config)
}

fn engines() -> Vec<ClassifierConfig> {
    let tract = ClassifierConfig::default();
    let mut engines = vec![tract];
    if let Some(library) = support::onnxruntime() {
        engines.push(ClassifierConfig {
            engine: EngineKind::OnnxRuntime,
            onnxruntime_lib: Some(library),
            ..ClassifierConfig::default()
        });
    } else {
        eprintln!("ONNX Runtime is not tested: ORT_DYLIB_PATH names no library");
    }
    engines
}

#[test]
fn bytes_and_halves_are_answered() {
    let green = RgbImage::filled(20, 20, [10, 200, 30]).unwrap();
    for config in engines() {
        let bytes = open(&taking(DataType::Uint8, false), &config).unwrap();
        assert!(
            bytes.model().notes[0].contains("takes bytes"),
            "{:?}",
            bytes.model().notes
        );
        let logits = bytes.logits(&green).unwrap();
        // Means of bytes times 10: the manifest's division by 255 is not applied.
        for (got, expected) in logits.iter().zip([100.0, 2000.0, 300.0]) {
            assert!((got - expected).abs() < 0.1, "{logits:?}");
        }
        let halves = open(&taking(DataType::Float16, false), &config).unwrap();
        let logits = halves.logits(&green).unwrap();
        // Means of what the network is given, times 10: float16 numbers, whichever engine takes them.
        for (got, value) in logits.iter().zip([10.0f32, 200.0, 30.0]) {
            let given = half::f16::from_f32(value / 255.0).to_f32();
            assert!((got - given * 10.0).abs() < 1e-5, "{logits:?}");
        }
    }
}

#[test]
fn a_network_that_takes_pictures_needs_onnx_runtime_and_says_so() {
    let model = taking(DataType::Uint8, true);
    let tract = ClassifierConfig {
        engine: EngineKind::Tract,
        ..ClassifierConfig::default()
    };
    let error = open(&model, &tract).unwrap_err();
    assert!(error.to_string().contains("by itself"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::UseEngine(&["onnxruntime"])));
    for config in engines().into_iter().skip(1) {
        let classifier = open(&model, &config).unwrap();
        assert!(classifier.takes_pictures());
        // Any size, and nothing is cropped or divided.
        let wide = RgbImage::filled(30, 10, [10, 20, 200]).unwrap();
        assert_eq!(classifier.classify(&wide, 1).unwrap()[0].label, "blue");
        assert!((classifier.logits(&wide).unwrap()[2] - 2000.0).abs() < 0.1);
        assert!(classifier.logits_of(&[0.0; 3 * SIDE * SIDE]).is_err());
    }
}

#[test]
fn other_types_are_refused_in_words() {
    let error = open(
        &taking(DataType::Int32, false),
        &ClassifierConfig::default(),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("expected a float32, float16, float64 or uint8 input, got int32"),
        "{text}"
    );
}
