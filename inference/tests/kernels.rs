//! Our kernels as an engine against tract: the default model, and a small network in the ways in which exporters write
//! one. On a processor that they do not suit, the tests check that tract steps in.

#![allow(clippy::unwrap_used)]

mod support;

use inference::engine::kernels_here;
use inference::{Classifier, EngineKind, Options};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{self, AttributeProto, ModelProto, NodeProto, TensorProto};
use support::{Shape, colors, convolutions, manifest};

fn options(engine: EngineKind, threads: usize) -> Options {
    Options {
        engine,
        threads,
        ..Options::default()
    }
}

fn open(model: &ModelProto, engine: EngineKind) -> Result<Classifier, inference::Error> {
    let bytes = inference::metadata::with_manifest(&onnx::to_bytes(model), &manifest()).unwrap();
    Classifier::from_bytes(bytes, "small", &options(engine, 2))
}

/// Numbers that repeat late, between -1 and 1.
fn numbers(count: usize) -> Vec<f32> {
    (0..count as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0)
        .collect()
}

fn assert_same(what: &str, ours: &Classifier, theirs: &Classifier) {
    assert_eq!(theirs.model().engine, EngineKind::Tract, "{what}");
    for images in [1, 5] {
        let input = numbers(images * ours.input_len());
        let (ours, theirs) = (
            ours.logits_of(&input).unwrap(),
            theirs.logits_of(&input).unwrap(),
        );
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let scale = theirs
            .iter()
            .fold(1.0f32, |largest, v| largest.max(v.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let difference = (ours - theirs).abs();
            assert!(difference <= 1e-5 * scale, "{what}: {ours} and {theirs}");
        }
    }
}

/// Both engines on one network; what `auto` chooses depends on the processor alone.
fn both(what: &str, model: &ModelProto) {
    let tract = open(model, EngineKind::Tract).unwrap();
    let auto = open(model, EngineKind::Auto).unwrap();
    if kernels_here().is_none() {
        assert_eq!(auto.model().engine, EngineKind::Tract, "{what}");
        return;
    }
    let note = auto.model().engine_note.clone().unwrap_or_default();
    assert_eq!(auto.model().engine, EngineKind::Kernels, "{what}: {note}");
    assert_same(what, &auto, &tract);
}

#[test]
fn the_default_model_answers_the_same() {
    let tract = Classifier::embedded(&options(EngineKind::Tract, 1)).unwrap();
    let mut first: Option<Vec<f32>> = None;
    for threads in [1, 2, 3] {
        let auto = Classifier::embedded(&options(EngineKind::Auto, threads)).unwrap();
        assert_eq!(
            auto.model().engine == EngineKind::Kernels,
            kernels_here().is_some()
        );
        assert_same("default model", &auto, &tract);
        let logits = auto.logits_of(&numbers(auto.input_len())).unwrap();
        assert_eq!(
            first.get_or_insert(logits.clone()),
            &logits,
            "{threads} threads"
        );
    }
}

#[test]
fn networks_as_exporters_write_them() {
    both("convolutions", &convolutions());
    both("a mean and a product", &colors(&Shape::default()));
    let softmax = Shape {
        softmax: true,
        ..Shape::default()
    };
    let mut ends = colors(&softmax);
    ends.set_metadata("note", "ends in a softmax");
    let mut described = manifest();
    described.output = model_core::manifest::Output::Probabilities;
    let bytes = inference::metadata::with_manifest(&onnx::to_bytes(&ends), &described).unwrap();
    let load =
        |engine| Classifier::from_bytes(bytes.clone(), "softmax", &options(engine, 1)).unwrap();
    assert_same("softmax", &load(EngineKind::Auto), &load(EngineKind::Tract));

    // As PyTorch's older exporter and Keras write a block: unfolded norms, clips with constant bounds, SAME padding, a
    // depthwise convolution, ReduceMean with its axes as an input, MatMul and Add in place of Gemm.
    let mut model = convolutions();
    model.opset_import[0].version = Some(18);
    let graph = model.graph.as_mut().unwrap();
    let same = || {
        vec![
            AttributeProto::string("auto_pad", "SAME_UPPER"),
            AttributeProto::ints("strides", &[2, 2]),
        ]
    };
    let depthwise = vec![
        AttributeProto::int("group", 5),
        AttributeProto::ints("pads", &[0, 1, 2, 1]),
        AttributeProto::ints("kernel_shape", &[3, 3]),
    ];
    let norm = vec![AttributeProto::float("epsilon", 1e-3)];
    graph.node = vec![
        NodeProto::new("Conv", "stem", &["image", "w1"], &["a"], same()),
        NodeProto::new(
            "BatchNormalization",
            "bn",
            &["a", "scale", "shift", "mean", "var"],
            &["b"],
            norm,
        ),
        NodeProto::new("Clip", "relu6", &["b", "zero", "six"], &["c"], vec![]),
        NodeProto::new("Conv", "depthwise", &["c", "w2", "b2"], &["d"], depthwise),
        NodeProto::new("Relu", "relu", &["d"], &["e"], vec![]),
        NodeProto::new("Add", "sum", &["e", "c"], &["f"], vec![]),
        NodeProto::new(
            "ReduceMean",
            "pool",
            &["f", "axes"],
            &["g"],
            vec![AttributeProto::int("keepdims", 0)],
        ),
        NodeProto::new("Dropout", "drop", &["g"], &["h"], vec![]),
        NodeProto::new("MatMul", "product", &["h", "wf"], &["i"], vec![]),
        NodeProto::new("Add", "bias", &["bf", "i"], &["logits"], vec![]),
    ];
    let floats = |name: &str, dims: &[usize]| {
        TensorProto::floats(name, dims, &numbers(dims.iter().product()))
    };
    graph.initializer = vec![
        floats("w1", &[5, 3, 3, 3]),
        floats("scale", &[5]),
        floats("shift", &[5]),
        floats("mean", &[5]),
        TensorProto::floats("var", &[5], &[0.5, 1.0, 2.0, 0.1, 3.0]),
        TensorProto::floats("zero", &[], &[0.0]),
        TensorProto::floats("six", &[], &[6.0]),
        floats("w2", &[5, 1, 3, 3]),
        floats("b2", &[5]),
        TensorProto::int64("axes", &[2], &[2, 3]),
        floats("wf", &[5, 3]),
        floats("bf", &[3]),
    ];
    both("unfolded", &model);

    // Weights stored as float16 and cast on load.
    let mut model = convolutions();
    let graph = model.graph.as_mut().unwrap();
    let stored = graph.initializer[1].to_f32().unwrap();
    graph.initializer[1] = TensorProto::halves("w2_stored", &[4, 4, 3, 3], &stored);
    let cast = NodeProto::new(
        "Cast",
        "cast",
        &["w2_stored"],
        &["w2"],
        vec![AttributeProto::int("to", 1)],
    );
    graph.node.insert(0, cast);
    both("float16 weights", &model);
}

#[test]
fn what_the_kernels_do_not_compute_goes_to_tract() {
    let mut model = convolutions();
    let graph = model.graph.as_mut().unwrap();
    graph.node[1].op_type = "Sigmoid".into();
    let auto = open(&model, EngineKind::Auto).unwrap();
    assert_eq!(auto.model().engine, EngineKind::Tract);
    let note = auto.model().engine_note.clone().unwrap();
    let insisted = open(&model, EngineKind::Kernels).unwrap_err();
    let remedy = Remedy::UseEngine(&["auto", "tract", "onnxruntime"]);
    assert_eq!(insisted.remedy(), Some(remedy));
    let insisted = insisted.to_string();
    if kernels_here().is_some() {
        assert!(note.contains("Sigmoid 'relu': no kernel"), "{note}");
        assert!(insisted.contains("Sigmoid 'relu': no kernel"), "{insisted}");
    }
}
