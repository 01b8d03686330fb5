//! Networks of one channel: pictures become gray by ITU-R BT.601's luma, in every engine and axes order.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::{Classifier, ClassifierConfig, EngineKind, InferenceError, RgbImage};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{
    self, AttributeProto, DataType, Dim, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};
use model_core::preprocessing::{ChannelOrder, Layout};
use support::{SIDE, Shape, colors, manifest};

/// Scores by the mean gray value `g`: `10 g`, `0`, `2 - 10 g`.
fn darkness(nhwc: bool, element: DataType) -> ModelProto {
    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    let (one, side) = (Dim::Size(1), Dim::Size(SIDE));
    let dims = match nhwc {
        true => [Dim::Symbol("batch"), side, side, one],
        false => [Dim::Symbol("batch"), one, side, side],
    };
    graph.input = vec![ValueInfoProto::tensor("stored", element, &dims)];
    let perm = match nhwc {
        true => [0, 3, 1, 2],
        false => [0, 1, 2, 3],
    };
    let to = vec![AttributeProto::int("to", DataType::Float as i64)];
    let perm = vec![AttributeProto::ints("perm", &perm)];
    let transposed = vec![AttributeProto::int("transB", 1)];
    let mut node = vec![
        NodeProto::new(
            "GlobalAveragePool",
            "mean",
            &["planes"],
            &["pooled"],
            vec![],
        ),
        NodeProto::new("Flatten", "flatten", &["pooled"], &["means"], vec![]),
        NodeProto::new("Gemm", "fc", &["means", "w", "b"], &["logits"], transposed),
    ];
    if element == DataType::Float && !nhwc {
        // What our own kernels compute.
        graph.input = vec![ValueInfoProto::tensor("planes", element, &dims)];
    } else {
        node.insert(
            0,
            NodeProto::new("Cast", "cast", &["stored"], &["image"], to),
        );
        node.insert(
            1,
            NodeProto::new("Transpose", "turn", &["image"], &["planes"], perm),
        );
    }
    graph.node = node;
    graph.initializer = vec![
        TensorProto::floats("w", &[3, 1], &[10.0, 0.0, -10.0]),
        TensorProto::floats("b", &[3], &[0.0, 0.0, 2.0]),
    ];
    model
}

fn engines() -> Vec<ClassifierConfig> {
    let engine = |engine| ClassifierConfig {
        engine,
        ..ClassifierConfig::default()
    };
    let mut engines = vec![engine(EngineKind::Auto), engine(EngineKind::Tract)];
    match support::onnxruntime() {
        Some(library) => engines.push(ClassifierConfig {
            onnxruntime_lib: Some(library),
            ..engine(EngineKind::OnnxRuntime)
        }),
        None => eprintln!("ONNX Runtime is not tested: ORT_DYLIB_PATH names no library"),
    }
    engines
}

#[test]
fn pictures_become_gray_as_itu_r_601_says() {
    // Pillow: Image.new("RGB", (1, 1), (200, 100, 50)).convert("L").getpixel((0, 0)) == 124; unrounded 124.2.
    let pictures = [[200, 100, 50], [0, 0, 255], [255, 0, 0]]
        .map(|rgb| RgbImage::filled(40, 30, rgb).unwrap());
    for (nhwc, element) in [
        (false, DataType::Float),
        (true, DataType::Float),
        (false, DataType::Uint8),
    ] {
        for channels in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let bytes = element == DataType::Uint8;
            let mut manifest = manifest();
            if nhwc {
                manifest.preprocessing.layout = Layout::Nhwc;
            }
            manifest.preprocessing.channels = channels;
            let model = onnx::to_bytes(&darkness(nhwc, element));
            let model = inference::metadata::with_manifest(&model, &manifest).unwrap();
            for config in engines() {
                let classifier = Classifier::from_bytes(model.clone(), "gray", &config).unwrap();
                let says = |note: &String| note.contains("gray");
                assert!(classifier.model().notes.iter().any(says));
                for (picture, luma) in pictures.iter().zip([124.2, 29.07, 76.245f32]) {
                    let gray = if bytes { luma.round() } else { luma / 255.0 };
                    let expected = [10.0 * gray, 0.0, 2.0 - 10.0 * gray];
                    let got = classifier.logits(picture).unwrap();
                    for (a, b) in got.iter().zip(expected) {
                        let what = format!("{} {nhwc} {channels:?}: {got:?}", config.engine);
                        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{what}");
                    }
                }
                let together = classifier.classify_batch(&pictures, 3).unwrap();
                assert_eq!(together[2], classifier.classify(&pictures[2], 3).unwrap());
            }
        }
    }
}

#[test]
fn gray_needs_one_mean_and_one_deviation() {
    let mut manifest = manifest();
    manifest.preprocessing.mean = [0.485, 0.456, 0.406];
    let model = onnx::to_bytes(&darkness(false, DataType::Float));
    let model = inference::metadata::with_manifest(&model, &manifest).unwrap();
    let error = Classifier::from_bytes(model, "gray", &ClassifierConfig::default()).unwrap_err();
    assert!(error.to_string().contains("mean is one number"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::StatePreprocessing));
    assert!(matches!(error, InferenceError::Model { .. }));
}
