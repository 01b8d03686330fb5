//! Our kernels as an engine against tract: the default model, and a small network in the ways in which exporters write
//! one. On a processor that they do not suit, the tests check that tract steps in.

#![allow(clippy::unwrap_used)]

mod support;

use inference::engine::kernels_here;
use inference::{Classifier, ClassifierConfig, EngineKind, InferenceError};
use model_core::diagnostic::{Diagnose, Remedy};
use model_core::onnx::{self, AttributeProto, ModelProto, NodeProto, TensorProto};
use support::{Shape, colors, convolutions, manifest};

fn config(engine: EngineKind, threads: usize) -> ClassifierConfig {
    ClassifierConfig {
        engine,
        threads,
        ..ClassifierConfig::default()
    }
}

fn open(model: &ModelProto, engine: EngineKind) -> Result<Classifier, InferenceError> {
    let bytes = inference::metadata::with_manifest(&onnx::to_bytes(model), &manifest()).unwrap();
    Classifier::from_bytes(bytes, "small", &config(engine, 2))
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
    let tract = Classifier::embedded(&config(EngineKind::Tract, 1)).unwrap();
    let mut first: Option<Vec<f32>> = None;
    for threads in [1, 2, 3] {
        let auto = Classifier::embedded(&config(EngineKind::Auto, threads)).unwrap();
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
        |engine| Classifier::from_bytes(bytes.clone(), "softmax", &config(engine, 1)).unwrap();
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

/// A network of `nodes` from `image` to `logits` with these constants.
fn network(opset: i64, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> ModelProto {
    let mut model = convolutions();
    model.opset_import[0].version = Some(opset);
    let graph = model.graph.as_mut().unwrap();
    (graph.node, graph.initializer) = (nodes, constants);
    model
}

fn floats(name: &str, dims: &[usize]) -> TensorProto {
    TensorProto::floats(name, dims, &numbers(dims.iter().product()))
}

#[test]
fn blocks_of_other_classifiers() {
    let node = |operator: &str, inputs: &[&str], outputs: &[&str], attributes| {
        NodeProto::new(operator, outputs[0], inputs, outputs, attributes)
    };
    let same = || vec![AttributeProto::ints("pads", &[1, 1, 1, 1])];
    let window = |pads: &[i64], ceil: i64| {
        vec![
            AttributeProto::ints("kernel_shape", &[3, 3]),
            AttributeProto::ints("strides", &[2, 2]),
            AttributeProto::ints("pads", pads),
            AttributeProto::int("ceil_mode", ceil),
        ]
    };
    let end = |from: &str| {
        vec![
            node("GlobalAveragePool", &[from], &["pooled"], vec![]),
            node("Flatten", &["pooled"], &["flat"], vec![]),
            node(
                "Gemm",
                &["flat", "wf"],
                &["logits"],
                vec![AttributeProto::int("transB", 1)],
            ),
        ]
    };
    // Squeeze and excitation, swish, a norm before its convolution.
    let mut nodes = vec![
        node("Conv", &["image", "w1"], &["a"], same()),
        node("Sigmoid", &["a"], &["b"], vec![]),
        node("Mul", &["a", "b"], &["c"], vec![]),
        node(
            "BatchNormalization",
            &["c", "s8", "b8", "m8", "v8"],
            &["d"],
            vec![],
        ),
        node("HardSwish", &["d"], &["e"], vec![]),
        node("GlobalAveragePool", &["e"], &["f"], vec![]),
        node("Conv", &["f", "w2"], &["g"], vec![]),
        node("HardSigmoid", &["g"], &["h"], vec![]),
        node("Mul", &["h", "e"], &["i"], vec![]),
        node("LeakyRelu", &["i"], &["j"], vec![]),
    ];
    nodes.extend(end("j"));
    let constants = vec![
        floats("w1", &[8, 3, 3, 3]),
        floats("w2", &[8, 8, 1, 1]),
        floats("s8", &[8]),
        floats("b8", &[8]),
        floats("m8", &[8]),
        TensorProto::floats("v8", &[8], &[1.5; 8]),
        floats("wf", &[3, 8]),
    ];
    both("squeeze and excitation", &network(17, nodes, constants));

    // Channels split, shuffled and joined; poolings with odd borders; zeros around; a scaled end.
    let mut nodes = vec![
        node("Conv", &["image", "w1"], &["a"], same()),
        node(
            "Split",
            &["a", "halves"],
            &["b", "c"],
            vec![AttributeProto::int("axis", 1)],
        ),
        node("Conv", &["c", "w2"], &["d"], same()),
        node(
            "Concat",
            &["b", "d"],
            &["e"],
            vec![AttributeProto::int("axis", 1)],
        ),
        node("Reshape", &["e", "five"], &["f"], vec![]),
        node(
            "Transpose",
            &["f"],
            &["g"],
            vec![AttributeProto::ints("perm", &[0, 2, 1, 3, 4])],
        ),
        node("Reshape", &["g", "four"], &["h"], vec![]),
        node("AveragePool", &["h"], &["i"], window(&[1, 1, 1, 1], 0)),
        node("Pad", &["i", "around"], &["j"], vec![]),
        node("MaxPool", &["j"], &["k"], window(&[0, 0, 0, 0], 1)),
        node("LRN", &["k"], &["l"], vec![AttributeProto::int("size", 5)]),
        node("Slice", &["l", "one", "end", "one"], &["m"], vec![]),
    ];
    nodes.extend(end("m"));
    let size = support::SIDE as i64;
    let constants = vec![
        floats("w1", &[8, 3, 3, 3]),
        TensorProto::int64("halves", &[2], &[4, 4]),
        floats("w2", &[4, 4, 3, 3]),
        TensorProto::int64("five", &[5], &[0, 2, 4, size, size]),
        TensorProto::int64("four", &[4], &[0, 8, size, size]),
        TensorProto::int64("around", &[8], &[0, 0, 1, 0, 0, 0, 0, 2]),
        TensorProto::int64("one", &[1], &[1]),
        TensorProto::int64("end", &[1], &[7]),
        floats("wf", &[3, 6]),
    ];
    both("channels moved", &network(17, nodes, constants));
}

#[test]
fn quantized_networks_are_computed_in_integers() {
    let scalar = |name: &str, value: f32| TensorProto::floats(name, &[], &[value]);
    let bytes =
        |count: usize| -> Vec<i8> { numbers(count).iter().map(|v| (v * 127.0) as i8).collect() };
    let axis = || vec![AttributeProto::int("axis", 0)];
    let node = |operator: &str, inputs: &[&str], output: &str, attributes| {
        NodeProto::new(operator, output, inputs, &[output], attributes)
    };
    let store = |from: &str, scale: &str, zero: &str| {
        let (stored, read) = (format!("{from}.q"), format!("{from}.dq"));
        [
            node("QuantizeLinear", &[from, scale, zero], &stored, vec![]),
            node("DequantizeLinear", &[&stored, scale, zero], &read, vec![]),
        ]
    };
    let mut nodes = Vec::new();
    nodes.extend(store("image", "s0", "z0"));
    nodes.push(node(
        "DequantizeLinear",
        &["w1.q", "w1.s", "w1.z"],
        "w1",
        axis(),
    ));
    nodes.push(node("DequantizeLinear", &["b1.q", "b1.s"], "b1", axis()));
    nodes.push(node(
        "Conv",
        &["image.dq", "w1", "b1"],
        "a",
        vec![AttributeProto::ints("pads", &[1, 1, 1, 1])],
    ));
    nodes.push(node("Relu", &["a"], "b", vec![]));
    nodes.extend(store("b", "s1", "z1"));
    nodes.push(node("GlobalAveragePool", &["b.dq"], "c", vec![]));
    nodes.push(node("Flatten", &["c"], "d", vec![]));
    nodes.extend(store("d", "s1", "z1"));
    nodes.push(node(
        "DequantizeLinear",
        &["wf.q", "wf.s", "zu"],
        "wf",
        vec![],
    ));
    nodes.push(node("MatMul", &["d.dq", "wf"], "logits", vec![]));
    let unsigned: Vec<u8> = bytes(24)
        .iter()
        .map(|b| (i16::from(*b) + 128) as u8)
        .collect();
    let constants = vec![
        scalar("s0", 2.0 / 255.0),
        TensorProto::uint8("z0", &[], &[128]),
        scalar("s1", 0.05),
        TensorProto::uint8("z1", &[], &[0]),
        TensorProto::int8("w1.q", &[8, 3, 3, 3], &bytes(216)),
        TensorProto::floats("w1.s", &[8], &[0.01; 8]),
        TensorProto::int8("w1.z", &[8], &[0; 8]),
        TensorProto::int32("b1.q", &[8], &[1000, -1000, 0, 5, 6, 7, -8, 9000]),
        TensorProto::floats("b1.s", &[8], &[0.02 / 255.0; 8]),
        TensorProto::uint8("wf.q", &[8, 3], &unsigned),
        scalar("wf.s", 0.01),
        TensorProto::uint8("zu", &[], &[120]),
    ];
    let model = network(17, nodes, constants);
    let tract = open(&model, EngineKind::Tract).unwrap();
    let auto = open(&model, EngineKind::Auto).unwrap();
    if kernels_here().is_none() {
        return;
    }
    assert_eq!(
        auto.model().engine,
        EngineKind::Kernels,
        "{:?}",
        auto.model().engine_note
    );
    let input = numbers(auto.input_len());
    let (ours, theirs) = (
        auto.logits_of(&input).unwrap(),
        tract.logits_of(&input).unwrap(),
    );
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // One step of each of the eight means that the product sums.
        assert!(
            (ours - theirs).abs() <= 8.0 * 0.05 * 1.4,
            "{ours} and {theirs}"
        );
    }
}

#[test]
fn what_the_kernels_do_not_compute_goes_to_tract() {
    let mut model = convolutions();
    let graph = model.graph.as_mut().unwrap();
    graph.node[1].op_type = "Softplus".into();
    let auto = open(&model, EngineKind::Auto).unwrap();
    assert_eq!(auto.model().engine, EngineKind::Tract);
    let note = auto.model().engine_note.clone().unwrap();
    let insisted = open(&model, EngineKind::Kernels).unwrap_err();
    let remedy = Remedy::UseEngine(&["auto", "tract", "onnxruntime"]);
    assert_eq!(insisted.remedy(), Some(remedy));
    let insisted = insisted.to_string();
    if kernels_here().is_some() {
        assert!(note.contains("Softplus 'relu': no kernel"), "{note}");
        assert!(
            insisted.contains("Softplus 'relu': no kernel"),
            "{insisted}"
        );
    }
}
