//! What a model says of itself, dialect by dialect, and what happens when it contradicts its own network.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::metadata::{Dialect, Preset};
use inference::{Classifier, ClassifierConfig, InferenceError};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::manifest::Output;
use model_core::onnx::{self, ModelProto};
use model_core::preprocessing::{Layout, Resize};
use support::{Shape, colors, described, manifest};

fn open(model: &ModelProto) -> Result<Classifier, InferenceError> {
    open_with(model, &ClassifierConfig::default())
}

fn open_with(model: &ModelProto, config: &ClassifierConfig) -> Result<Classifier, InferenceError> {
    Classifier::from_bytes(onnx::to_bytes(model), "colors.onnx", config)
}

fn error(model: &ModelProto) -> String {
    let error = open(model).unwrap_err();
    assert!(error.is_model());
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn ultralytics_names_and_size() {
    let mut model = colors(&Shape {
        softmax: true,
        ..Shape::default()
    });
    model.set_metadata("names", "{0: 'red', 1: \"jack-o'-lantern\", 2: 'blue'}");
    model.set_metadata("imgsz", "[16, 16]");
    model.set_metadata("task", "classify");
    let classifier = open(&model).unwrap();
    let info = classifier.model();
    assert_eq!(info.dialect, Dialect::Ultralytics);
    assert_eq!(info.manifest.labels[1].name, "jack-o'-lantern");
    assert_eq!(info.manifest.preprocessing.resize, Resize::ShortSide(16));
    assert_eq!(
        info.manifest.output,
        Output::Probabilities,
        "seen in the graph"
    );
    model.set_metadata("task", "detect");
    assert!(error(&model).contains("'detect'"));
}

#[test]
fn timm_and_hugging_face_inside_and_beside() {
    let mut model = colors(&Shape::default());
    model.set_metadata(
        "pretrained_cfg",
        r#"{"architecture": "tiny", "input_size": [3, 16, 16], "crop_pct": 0.5, "interpolation": "bicubic",
            "label_names": ["r", "g", "b"]}"#,
    );
    let classifier = open(&model).unwrap();
    assert_eq!(classifier.model().dialect, Dialect::Timm);
    assert_eq!(
        classifier.model().manifest.preprocessing.resize,
        Resize::ShortSide(32)
    );

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    std::fs::write(&path, onnx::to_bytes(&colors(&Shape::default()))).unwrap();
    std::fs::write(
        dir.path().join("config.json"),
        r#"{"id2label": {"0": "r", "2": "b", "1": "g"}}"#,
    )
    .unwrap();
    std::fs::write(
        dir.path().join("preprocessor_config.json"),
        r#"{"size": {"height": 16, "width": 16}}"#,
    )
    .unwrap();
    let classifier = Classifier::open(&path, &ClassifierConfig::default()).unwrap();
    assert_eq!(classifier.model().dialect, Dialect::HuggingFace);
    assert_eq!(classifier.labels()[1].name, "g");
}

#[test]
fn a_side_manifest_serves_and_the_inner_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("third.onnx");
    std::fs::write(&path, onnx::to_bytes(&colors(&Shape::default()))).unwrap();
    let mut side = manifest();
    side.name = "side".into();
    std::fs::write(dir.path().join("manifest.yaml"), side.to_yaml().unwrap()).unwrap();
    let classifier = Classifier::open(&path, &ClassifierConfig::default()).unwrap();
    assert_eq!(classifier.model().name, "side");
    std::fs::write(&path, described(&Shape::default())).unwrap();
    let classifier = Classifier::open(&path, &ClassifierConfig::default()).unwrap();
    assert_eq!(
        (
            classifier.model().name.as_str(),
            &classifier.model().dialect
        ),
        ("colors", &Dialect::Toolkit)
    );
}

#[test]
fn flags_serve_a_model_that_says_nothing() {
    let model = colors(&Shape {
        fixed_size: false,
        nhwc: true,
        ..Shape::default()
    });
    let remedy = open(&model).unwrap_err().remedy();
    assert_eq!(remedy, Some(Remedy::StatePreprocessing));
    let mut config = ClassifierConfig::default();
    config.overrides.preset = Some(Preset::ZeroToOne);
    config.overrides.crop = Some([16, 16]);
    let classifier = open_with(&model, &config).unwrap();
    let preprocessing = &classifier.model().manifest.preprocessing;
    assert_eq!(
        (preprocessing.layout, preprocessing.crop),
        (Layout::Nhwc, [16, 16])
    );
    assert_eq!(classifier.labels()[2].name, "class 2");
    assert!(
        classifier
            .model()
            .notes
            .iter()
            .any(|note| note.contains("numbered"))
    );
}

#[test]
fn contradictions_are_explained() {
    let with = |change: &dyn Fn(&mut model_core::Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        let mut model = colors(&Shape::default());
        model.set_metadata(
            model_core::manifest::MANIFEST_KEY,
            manifest.to_json().unwrap(),
        );
        model
    };
    let text = error(&with(&|m| m.preprocessing.crop = [224, 224]));
    assert!(
        text.contains("224 x 224") && text.contains("[N, 3, 16, 16]"),
        "{text}"
    );
    let text = error(&with(&|m| m.preprocessing.layout = Layout::Nhwc));
    assert!(
        text.contains("[N, H, W, 3] (preprocessing.layout)") && text.contains("layout"),
        "{text}"
    );
    let text = error(&with(&|m| m.labels.truncate(2)));
    assert!(
        text.contains("3 numbers") && text.contains("2 labels"),
        "{text}"
    );
    let wrong = with(&|m| m.labels.truncate(2));
    assert_eq!(open(&wrong).unwrap_err().remedy(), Some(Remedy::FixLabels));

    let mut model = colors(&Shape {
        softmax: true,
        ..Shape::default()
    });
    model.set_metadata(
        model_core::manifest::MANIFEST_KEY,
        manifest().to_json().unwrap(),
    );
    let classifier = open(&model).unwrap();
    assert_eq!(classifier.model().manifest.output, Output::Probabilities);
    assert!(classifier.model().notes[0].contains("Softmax"));

    model.set_metadata(
        model_core::manifest::MANIFEST_KEY,
        "{\"format_version\": 9}",
    );
    assert!(error(&model).contains("resnet50_toolkit.manifest"));
}

#[test]
fn a_config_of_something_else_does_not_stop_a_model_that_is_described_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    std::fs::write(&path, onnx::to_bytes(&colors(&Shape::default()))).unwrap();
    std::fs::write(dir.path().join("config.json"), "{ not JSON").unwrap();
    let error = Classifier::open(&path, &ClassifierConfig::default()).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
    let mut config = ClassifierConfig::default();
    config.overrides.preset = Some(Preset::ZeroToOne);
    config.overrides.crop = Some([16, 16]);
    let classifier = Classifier::open(&path, &config).unwrap();
    let notes = &classifier.model().notes;
    assert!(
        notes.iter().any(|note| note.contains("config.json")),
        "{notes:?}"
    );
}
