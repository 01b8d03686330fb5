//! What a network's output is and which of several outputs is the answer: softmax exactly once, sigmoid scores on their
//! own, features and labels passed over.
#![allow(clippy::unwrap_used)] // helpers are test code, too

mod support;

use inference::{Answers, Classifier, ClassifierConfig, InferenceError, Output, RgbImage};
use model_core::Label;
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{
    self, AttributeProto, DataType, Dim, GraphProto, ModelProto, NodeProto, TensorProto,
    ValueInfoProto,
};
use support::{Shape, colors, preprocessing};

const RED: [u8; 3] = [250, 40, 10];

/// Logits of [`RED`]: ten times the mean of each channel.
const LOGITS: [f32; 3] = [2500.0 / 255.0, 400.0 / 255.0, 100.0 / 255.0];

fn softmax(logits: &[f32]) -> Vec<f32> {
    model_core::scores::softmax(logits, 1.0)
}

/// [`colors`] with nodes behind its logits, the last of which gives `y`.
fn ending(build: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    build(graph);
    let dims = [Dim::Symbol("batch"), Dim::Symbol("classes")];
    graph.output = vec![ValueInfoProto::tensor("y", DataType::Float, &dims)];
    model
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, output, inputs, &[output], vec![])
}

fn axis(op: &str, input: &str, output: &str, axis: i64) -> NodeProto {
    NodeProto::new(
        op,
        output,
        &[input],
        &[output],
        vec![AttributeProto::int("axis", axis)],
    )
}

fn config() -> ClassifierConfig {
    let mut config = ClassifierConfig::default();
    let wanted = preprocessing();
    config.overrides.preset = Some(inference::metadata::Preset::ZeroToOne);
    config.overrides.crop = Some(wanted.crop);
    config.overrides.resize = Some(wanted.resize);
    config
}

fn open_with(model: &ModelProto, config: &ClassifierConfig) -> Result<Classifier, InferenceError> {
    Classifier::from_bytes(onnx::to_bytes(model), "third", config)
}

fn scores(classifier: &Classifier) -> Vec<f32> {
    let image = RgbImage::filled(40, 30, RED).unwrap();
    classifier.probabilities(&classifier.logits(&image).unwrap())
}

fn near(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{got:?} {want:?}");
    let off = |(a, b): (&f32, &f32)| (a - b).abs() < 2e-3;
    assert!(got.iter().zip(want).all(off), "{got:?} {want:?}");
}

#[test]
fn softmax_is_applied_exactly_once_however_it_is_written() {
    let clip = |graph: &mut GraphProto| {
        graph
            .initializer
            .push(TensorProto::floats("low", &[], &[1e-7]));
        graph
            .initializer
            .push(TensorProto::floats("high", &[], &[1.0 - 1e-7]));
        graph.node.push(axis("Softmax", "logits", "p", -1));
        graph.node.push(node("Clip", &["p", "low", "high"], "y"));
    };
    let by_hand = |graph: &mut GraphProto| {
        graph
            .initializer
            .push(TensorProto::int64("axes", &[1], &[1]));
        graph.node.push(node("Exp", &["logits"], "e"));
        graph.node.push(node("ReduceSum", &["e", "axes"], "s"));
        graph.node.push(node("Div", &["e", "s"], "y"));
    };
    let turned = |graph: &mut GraphProto| {
        let perm = |input: &str, output: &str| {
            let order = vec![AttributeProto::ints("perm", &[1, 0])];
            NodeProto::new("Transpose", output, &[input], &[output], order)
        };
        graph.node.push(perm("logits", "t"));
        graph.node.push(axis("Softmax", "t", "u", 0));
        graph.node.push(perm("u", "y"));
    };
    let quantized = |graph: &mut GraphProto| {
        graph
            .initializer
            .push(TensorProto::floats("step", &[], &[1.0 / 1024.0]));
        graph
            .initializer
            .push(TensorProto::floats("in", &[], &[10.0 / 127.0]));
        graph.initializer.push(TensorProto::int8("zero", &[], &[0]));
        graph
            .initializer
            .push(TensorProto::floats("out", &[], &[1.0 / 127.0]));
        graph
            .node
            .push(node("QuantizeLinear", &["logits", "in", "zero"], "a"));
        graph
            .node
            .push(node("DequantizeLinear", &["a", "in", "zero"], "b"));
        graph.node.push(axis("Softmax", "b", "c", 1));
        graph
            .node
            .push(node("QuantizeLinear", &["c", "out", "zero"], "d"));
        graph
            .node
            .push(node("DequantizeLinear", &["d", "out", "zero"], "y"));
    };
    let mean_of_two = |graph: &mut GraphProto| {
        graph
            .initializer
            .push(TensorProto::floats("half", &[], &[0.5]));
        graph.node.push(axis("Softmax", "logits", "p", 1));
        graph.node.push(axis("Softmax", "logits", "q", 1));
        graph.node.push(node("Add", &["p", "q"], "sum"));
        graph.node.push(node("Mul", &["sum", "half"], "y"));
    };
    type Build<'a> = &'a dyn Fn(&mut GraphProto);
    let cases: [(&str, Build<'_>); 5] = [
        ("clip", &clip),
        ("by hand", &by_hand),
        ("turned", &turned),
        ("quantized", &quantized),
        ("mean of two", &mean_of_two),
    ];
    for (name, build) in cases {
        let classifier = open_with(&ending(build), &config()).unwrap();
        let info = classifier.model();
        assert_eq!(
            info.manifest.output,
            Output::Probabilities,
            "{name}: {}",
            info.output_because
        );
        let want = softmax(&LOGITS);
        let got = scores(&classifier);
        let tolerance = if name == "quantized" { 0.02 } else { 1e-5 };
        assert!(
            got.iter()
                .zip(&want)
                .all(|(a, b)| (a - b).abs() < tolerance),
            "{name}: {got:?} {want:?}"
        );
    }
}

#[test]
fn logarithms_of_probabilities_are_told_from_logits() {
    let model = ending(|graph| graph.node.push(axis("LogSoftmax", "logits", "y", 1)));
    let classifier = open_with(&model, &config()).unwrap();
    assert_eq!(classifier.model().manifest.output, Output::LogProbabilities);
    near(&scores(&classifier), &softmax(&LOGITS));
    let plain = open_with(
        &ending(|g| g.node.push(node("Identity", &["logits"], "y"))),
        &config(),
    )
    .unwrap();
    assert_eq!(plain.model().manifest.output, Output::Logits);
    near(&scores(&plain), &softmax(&LOGITS));
}

#[test]
fn sigmoid_scores_stand_on_their_own() {
    let model = ending(|graph| {
        graph
            .initializer
            .push(TensorProto::floats("third", &[], &[4.0]));
        graph.node.push(node("Sub", &["logits", "third"], "z"));
        graph.node.push(node("Sigmoid", &["z"], "y"));
    });
    let classifier = open_with(&model, &config()).unwrap();
    assert_eq!(classifier.answers(), Answers::MultiLabel);
    let want: Vec<f32> = LOGITS
        .iter()
        .map(|z| model_core::scores::sigmoid(z - 4.0))
        .collect();
    near(&scores(&classifier), &want);
    let image = RgbImage::filled(40, 30, RED).unwrap();
    let answer = classifier.classify(&image, 3).unwrap();
    let present: Vec<_> = answer.iter().map(|p| p.present).collect();
    assert_eq!(present, [Some(true), Some(false), Some(false)]);
    // The threshold is the caller's to choose.
    let mut low = config();
    low.overrides.threshold = Some(0.05);
    let answer = open_with(&model, &low)
        .unwrap()
        .classify(&image, 3)
        .unwrap();
    assert_eq!(answer[1].present, Some(true), "{answer:?}");
    // And so is what the output is.
    let mut logits = config();
    logits.overrides.output = Some(Output::Logits);
    let classifier = open_with(&model, &logits).unwrap();
    assert_eq!(classifier.answers(), Answers::SingleLabel);
    near(&scores(&classifier), &softmax(&want));
}

#[test]
fn one_sigmoid_is_a_question_answered_yes_or_no() {
    let binary = |graph: &mut GraphProto| {
        graph
            .initializer
            .push(TensorProto::floats("w", &[3, 1], &[-0.2, 0.1, 0.1]));
        graph.node.push(node("MatMul", &["logits", "w"], "z"));
        graph.node.push(node("Sigmoid", &["z"], "y"));
    };
    let model = ending(binary);
    let z = LOGITS[0] * -0.2 + (LOGITS[1] + LOGITS[2]) * 0.1;
    let score = model_core::scores::sigmoid(z);
    let classifier = open_with(&model, &config()).unwrap();
    assert_eq!(
        (classifier.answers(), classifier.labels().len()),
        (Answers::Binary, 1)
    );
    near(&scores(&classifier), &[score]);
    let image = RgbImage::filled(40, 30, RED).unwrap();
    assert_eq!(
        classifier.classify(&image, 5).unwrap()[0].present,
        Some(false)
    );
    // Two names are the two sides.
    let mut named = config();
    named.overrides.labels = Some(vec![Label::named("cat"), Label::named("dog")]);
    let classifier = open_with(&model, &named).unwrap();
    assert_eq!(
        (classifier.answers(), classifier.model().outputs),
        (Answers::Binary, 1)
    );
    near(&scores(&classifier), &[1.0 - score, score]);
    let answer = classifier.classify(&image, 2).unwrap();
    assert_eq!(
        (answer[0].label.as_str(), answer[0].present),
        ("cat", Some(true))
    );
    assert_eq!(
        (answer[1].label.as_str(), answer[1].present),
        ("dog", Some(false))
    );
    assert_eq!(
        classifier
            .classify_batch(&[image.clone(), image], 2)
            .unwrap()
            .len(),
        2
    );
    // Without the sigmoid a single number is still no certain "class 0": the doubt is said.
    let logit = ending(|graph| {
        graph
            .initializer
            .push(TensorProto::floats("w", &[3, 1], &[-0.2, 0.1, 0.1]));
        graph.node.push(node("MatMul", &["logits", "w"], "y"));
    });
    let classifier = open_with(&logit, &config()).unwrap();
    assert_eq!(classifier.model().manifest.output, Output::SigmoidLogits);
    near(&scores(&classifier), &[score]);
    let said = classifier.model().notes.join(" ");
    assert!(said.contains("sigmoid-logits"), "{said}");
}

#[test]
fn the_answer_is_found_among_several_outputs() {
    let float = |name: &str, width: usize| {
        ValueInfoProto::tensor(
            name,
            DataType::Float,
            &[Dim::Symbol("batch"), Dim::Size(width)],
        )
    };
    let top = |graph: &mut GraphProto| {
        graph.initializer.push(TensorProto::int64("k", &[1], &[2]));
        graph.node.push(axis("Softmax", "logits", "p", 1));
        graph.node.push(NodeProto::new(
            "TopK",
            "top",
            &["p", "k"],
            &["sorted", "places"],
            vec![],
        ));
        graph.node.push(axis("ArgMax", "p", "label", 1));
    };
    let mut model = ending(top);
    let graph = model.graph.as_mut().unwrap();
    graph.output = vec![
        ValueInfoProto::tensor(
            "label",
            DataType::Int64,
            &[Dim::Symbol("batch"), Dim::Size(1)],
        ),
        float("means", 3),
        float("sorted", 2),
        float("logits", 3),
        float("p", 3),
    ];
    let classifier = open_with(&model, &config()).unwrap();
    near(&scores(&classifier), &softmax(&LOGITS));
    let said = classifier.model().notes.join(" ");
    assert!(said.contains("'p'") && said.contains("means"), "{said}");
    let mut features = config();
    features.overrides.output_name = Some("means".to_owned());
    features.overrides.output = Some(Output::Probabilities);
    let classifier = open_with(&model, &features).unwrap();
    near(
        &scores(&classifier),
        &[250.0 / 255.0, 40.0 / 255.0, 10.0 / 255.0],
    );
    features.overrides.output_name = Some("nothing".to_owned());
    let error = open_with(&model, &features).unwrap_err();
    assert!(matches!(error.remedy(), Some(Remedy::ChooseOutput(names)) if names.len() == 5));
    let graph = model.graph.as_mut().unwrap();
    graph.output.truncate(1);
    let error = open_with(&model, &config()).unwrap_err();
    assert!(error.to_string().contains("floating point"), "{error}");
}

#[test]
fn a_dictionary_of_scores_gives_its_tensor_and_its_names() {
    let mut model = ending(|graph| {
        graph.node.push(axis("Softmax", "logits", "p", 1));
        let names = AttributeProto {
            name: "classlabels_strings".into(),
            strings: ["Rot", "Grün", "Blau"]
                .map(|name| name.as_bytes().to_vec())
                .to_vec(),
            r#type: Some(8),
            ..AttributeProto::default()
        };
        let mut zip = NodeProto::new("ZipMap", "zip", &["p"], &["loss"], vec![names]);
        zip.domain = "ai.onnx.ml".into();
        graph.node.push(zip);
    });
    let graph = model.graph.as_mut().unwrap();
    graph.output = vec![ValueInfoProto {
        name: "loss".into(),
        ..ValueInfoProto::default()
    }];
    let classifier = open_with(&model, &config()).unwrap();
    assert_eq!(classifier.labels()[1].name, "Grün");
    near(&scores(&classifier), &softmax(&LOGITS));
}

#[test]
fn the_files_own_image_keys_are_obeyed() {
    let mut model = ending(|graph| graph.node.push(axis("Softmax", "logits", "y", 1)));
    model.set_metadata("Image.BitmapPixelFormat", "Bgr8");
    let classifier = open_with(&model, &config()).unwrap();
    let turned = [LOGITS[2], LOGITS[1], LOGITS[0]];
    near(&scores(&classifier), &softmax(&turned));
    let said = classifier.model().notes.join(" ");
    assert!(said.contains("Bgr8"), "{said}");
    model.set_metadata("Image.NominalPixelRange", "NominalRange_0_255");
    let classifier = open_with(&model, &config()).unwrap();
    near(&scores(&classifier), &softmax(&turned.map(|z| z * 255.0)));
}

#[test]
fn a_network_without_batch_or_shape_is_read() {
    let mut squeezed = ending(|graph| {
        graph
            .initializer
            .push(TensorProto::int64("first", &[1], &[0]));
        graph.node.push(node("Squeeze", &["logits", "first"], "y"));
    });
    squeezed.graph.as_mut().unwrap().output[0] =
        ValueInfoProto::tensor("y", DataType::Float, &[Dim::Size(3)]);
    near(
        &scores(&open_with(&squeezed, &config()).unwrap()),
        &softmax(&LOGITS),
    );
    let mut shapeless = ending(|graph| graph.node.push(node("Identity", &["logits"], "y")));
    let input = &mut shapeless.graph.as_mut().unwrap().input[0];
    let kind = input.r#type.as_mut().unwrap();
    kind.tensor_type.as_mut().unwrap().shape = None;
    let classifier = open_with(&shapeless, &config()).unwrap();
    near(&scores(&classifier), &softmax(&LOGITS));
    let said = classifier.model().notes.join(" ");
    assert!(said.contains("shape"), "{said}");
}
