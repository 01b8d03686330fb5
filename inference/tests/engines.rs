//! The engines on small models: shapes, batches, threads, fixed batches, and both engines against each other.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::{
    Classifier, ClassifierConfig, EngineError, EngineKind, FailingNode, InferenceError, RgbImage,
};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{self, NodeProto, TensorProto};
use support::{SIDE, Shape, described};

const RED: [u8; 3] = [250, 40, 10];
const BLUE: [u8; 3] = [0, 30, 200];

fn image(rgb: [u8; 3]) -> RgbImage {
    RgbImage::filled(40, 30, rgb).unwrap()
}

fn config(threads: usize) -> ClassifierConfig {
    ClassifierConfig {
        threads,
        ..ClassifierConfig::default()
    }
}

fn best(classifier: &Classifier, rgb: [u8; 3]) -> String {
    classifier.classify(&image(rgb), 1).unwrap()[0]
        .label
        .clone()
}

#[test]
fn every_shape_of_model_names_the_color() {
    for batch in [None, Some(1), Some(4)] {
        for nhwc in [false, true] {
            for softmax in [false, true] {
                for fixed_size in [false, true] {
                    let shape = Shape {
                        batch,
                        nhwc,
                        softmax,
                        fixed_size,
                    };
                    let classifier =
                        Classifier::from_bytes(described(&shape), "colors", &config(2)).unwrap();
                    assert_eq!(best(&classifier, RED), "red");
                    assert_eq!(best(&classifier, BLUE), "blue");
                    let answer = classifier.classify(&image(RED), 3).unwrap();
                    let total: f32 = answer.iter().map(|p| p.probability).sum();
                    assert!(
                        (total - 1.0).abs() < 1e-5,
                        "softmax exactly once: {answer:?}"
                    );
                    // softmax(10 * means) by hand.
                    let odds = [250.0, 40.0, 10.0].map(|v: f32| (v / 25.5).exp());
                    let expected = odds[0] / odds.iter().sum::<f32>();
                    assert!((answer[0].probability - expected).abs() < 1e-5);
                }
            }
        }
    }
}

#[test]
fn a_batch_answers_as_one_by_one_for_any_threads() {
    let images: Vec<RgbImage> = (0..23u8)
        .map(|i| image([i.wrapping_mul(37), i.wrapping_mul(91), i.wrapping_mul(11)]))
        .collect();
    for batch in [None, Some(4)] {
        let shape = Shape {
            batch,
            ..Shape::default()
        };
        for threads in [1, 2, 5] {
            let classifier =
                Classifier::from_bytes(described(&shape), "colors", &config(threads)).unwrap();
            let together = classifier.classify_batch(&images, 3).unwrap();
            for (image, answer) in images.iter().zip(&together) {
                assert_eq!(&classifier.classify(image, 3).unwrap(), answer);
            }
        }
    }
}

#[test]
fn wrong_input_lengths_are_errors() {
    let classifier =
        Classifier::from_bytes(described(&Shape::default()), "colors", &config(1)).unwrap();
    assert_eq!(classifier.input_len(), 3 * SIDE * SIDE);
    assert!(
        classifier
            .logits_of(&vec![0.0; 3 * SIDE * SIDE + 1])
            .is_err()
    );
    assert!(classifier.logits_of(&[]).unwrap().is_empty());
}

#[test]
fn temperature_flattens_both_kinds_of_output() {
    for softmax in [false, true] {
        let shape = Shape {
            softmax,
            ..Shape::default()
        };
        let mut config = config(1);
        config.overrides.temperature = Some(4.0);
        let classifier = Classifier::from_bytes(described(&shape), "colors", &config).unwrap();
        let answer = classifier.classify(&image(RED), 1).unwrap();
        let odds = [250.0, 40.0, 10.0].map(|v: f32| (v / 25.5 / 4.0).exp());
        assert!((answer[0].probability - odds[0] / odds.iter().sum::<f32>()).abs() < 1e-5);
    }
}

#[test]
fn onnxruntime_agrees_or_says_what_to_do() {
    let open = |library| {
        let config = ClassifierConfig {
            engine: EngineKind::OnnxRuntime,
            threads: 2,
            onnxruntime_lib: library,
            ..ClassifierConfig::default()
        };
        Classifier::from_bytes(described(&Shape::default()), "colors", &config)
    };
    let error = open(Some("/nowhere/libonnxruntime.so".into())).unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_model() && text.contains("/nowhere/") && !text.contains('\n'),
        "{text}"
    );
    assert_eq!(error.remedy(), Some(Remedy::InstallOnnxRuntime));
    let Some(library) = support::onnxruntime() else {
        eprintln!(
            "ORT_DYLIB_PATH names no library: the agreement of the engines is not tested here"
        );
        return;
    };
    for shape in [
        Shape::default(),
        Shape {
            batch: Some(4),
            nhwc: true,
            softmax: true,
            ..Shape::default()
        },
    ] {
        let config = ClassifierConfig {
            engine: EngineKind::OnnxRuntime,
            threads: 2,
            onnxruntime_lib: Some(library.clone()),
            ..ClassifierConfig::default()
        };
        let theirs = Classifier::from_bytes(described(&shape), "colors", &config).unwrap();
        let ours =
            Classifier::from_bytes(described(&shape), "colors", &ClassifierConfig::default())
                .unwrap();
        for rgb in [RED, BLUE, [9, 9, 9]] {
            let (a, b) = (
                ours.logits(&image(rgb)).unwrap(),
                theirs.logits(&image(rgb)).unwrap(),
            );
            assert!(
                a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4),
                "{a:?} {b:?}"
            );
        }
        let many: Vec<RgbImage> = (0..7u8).map(|i| image([i * 30, 100, 50])).collect();
        assert_eq!(
            ours.classify_batch(&many, 1).unwrap().len(),
            theirs.classify_batch(&many, 1).unwrap().len()
        );
    }
}

#[test]
fn the_embedded_model_describes_itself_and_knows_a_cat() {
    let classifier = Classifier::embedded(&config(0)).unwrap();
    let model = classifier.model();
    assert_eq!(
        (model.name.as_str(), model.classes),
        ("efficientnet-lite0", 1000)
    );
    assert_eq!(model.dialect, inference::metadata::Dialect::Toolkit);
    assert!(model.notes.is_empty(), "{:?}", model.notes);
    let photo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/samples/espresso.jpg"
    );
    let answer = classifier.classify_file(photo, 5).unwrap();
    assert_eq!(answer[0].id.as_deref(), Some("n07920052"), "{answer:?}");
}

/// [`described`], and behind its sums more nodes, up to `logits`; what tract says of it.
fn refused_by_tract(nodes: Vec<NodeProto>, tensors: Vec<TensorProto>) -> InferenceError {
    let mut model = onnx::parse(&described(&Shape::default())).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.node[1].output = vec!["sums".to_owned()];
    graph.node.extend(nodes);
    graph.initializer.extend(tensors);
    let config = ClassifierConfig {
        engine: EngineKind::Tract,
        ..ClassifierConfig::default()
    };
    Classifier::from_bytes(onnx::to_bytes(&model), "colors", &config).unwrap_err()
}

/// A product of shapes that do not fit: the message names the node as the file calls it, and none of tract's inner steps.
#[test]
fn where_tract_gives_up_is_told_by_the_node() {
    for (name, told) in [("broken", "broken"), ("", "logits")] {
        let inputs = ["sums", "seven"];
        let error = refused_by_tract(
            vec![NodeProto::new("MatMul", name, &inputs, &["logits"], vec![])],
            vec![TensorProto::floats("seven", &[7, 3], &[0.5; 21])],
        );
        assert_eq!(
            error.to_string(),
            format!("tract cannot run colors: it gives up at MatMul '{told}'")
        );
        assert_eq!(error.code(), "engine.network");
        assert_eq!(error.remedy(), Some(Remedy::UseEngine(&["onnxruntime"])));
        let InferenceError::Engine(EngineError::Network { node, said, .. }) = error else {
            panic!("{error:?}");
        };
        let expected = FailingNode {
            operator: "MatMul".to_owned(),
            name: told.to_owned(),
        };
        assert_eq!(node, Some(expected));
        assert!(!said.is_empty(), "tract's words are kept for a report");
    }
}

/// Weights of 4 bits: with them in the file tract loads nothing, whatever node comes first.
#[test]
fn numbers_of_an_unknown_type_are_blamed_on_who_reads_them() {
    const INT4: i32 = 22;
    let four = TensorProto {
        name: "four".to_owned(),
        dims: vec![3, 3],
        data_type: Some(INT4),
        raw_data: Some(vec![0x11; 5]),
        ..TensorProto::default()
    };
    let node = |operator, name, inputs: &[&str; 2], output| {
        NodeProto::new(operator, name, inputs, &[output], vec![])
    };
    let error = refused_by_tract(
        vec![
            node("DequantizeLinear", "widened", &["four", "scale"], "weights"),
            node("MatMul", "", &["sums", "weights"], "logits"),
        ],
        vec![four, TensorProto::floats("scale", &[], &[0.5])],
    );
    assert_eq!(
        error.to_string(),
        "tract cannot run colors: it gives up at DequantizeLinear 'widened'"
    );
    assert_eq!(error.remedy(), Some(Remedy::UseEngine(&["onnxruntime"])));
}
