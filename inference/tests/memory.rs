//! Weights are held once. What loading allocates is counted, which no other program's load changes.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use checks::allocations::Counting;
use inference::engine::kernels_here;
use inference::{Classifier, ClassifierConfig, EngineKind};
use model_core::onnx::{self, AttributeProto, ModelProto, NodeProto, TensorProto};
use support::{Shape, colors, manifest};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const CHANNELS: usize = 512;
const LAYERS: usize = 24;
/// Weights of a layer, and of all.
const EACH: usize = CHANNELS * CHANNELS;
const ALL: usize = LAYERS * EACH;
/// What does not grow with the weights: the graph, the arena, the model's description.
const REST: usize = 2 << 20;

fn stored(index: usize) -> Vec<i8> {
    let number = |i| (((i + index) * 31 % 255) as i32 - 127) as i8;
    (0..EACH).map(number).collect()
}

/// [`LAYERS`] convolutions between one that widens and one that narrows, in float32 or, as `quantize_static` writes
/// them, in int8.
fn deep(is_int8: bool) -> ModelProto {
    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    let node = |kind: &str, name: &str, inputs: &[&str]| {
        NodeProto::new(kind, name, inputs, &[name], vec![])
    };
    let ends = vec![0.01; CHANNELS * 3];
    graph.initializer = vec![
        TensorProto::floats("scale", &[], &[0.02]),
        TensorProto::uint8("zero", &[], &[0]),
        TensorProto::floats("weight.scale", &[], &[0.001]),
        TensorProto::int8("weight.zero", &[], &[0]),
        TensorProto::floats("wide", &[CHANNELS, 3, 1, 1], &ends),
        TensorProto::floats("narrow", &[3, CHANNELS], &ends),
    ];
    graph.node = vec![node("Conv", "c0", &["image", "wide"])];
    for layer in 0..LAYERS {
        let [before, stored_before, real, weight, read, after] = [
            format!("c{layer}"),
            format!("q{layer}"),
            format!("r{layer}"),
            format!("w{layer}"),
            format!("d{layer}"),
            format!("c{}", layer + 1),
        ];
        let dims = [CHANNELS, CHANNELS, 1, 1];
        if is_int8 {
            let tensor = TensorProto::int8(&weight, &dims, &stored(layer));
            graph.initializer.push(tensor);
            let (scale, zero) = ("weight.scale", "weight.zero");
            graph.node.extend([
                node(
                    "QuantizeLinear",
                    &stored_before,
                    &[&before, "scale", "zero"],
                ),
                node(
                    "DequantizeLinear",
                    &real,
                    &[&stored_before, "scale", "zero"],
                ),
                node("DequantizeLinear", &read, &[&weight, scale, zero]),
                node("Conv", &after, &[&real, &read]),
            ]);
        } else {
            let values: Vec<f32> = stored(layer).iter().map(|v| f32::from(*v) / 1e3).collect();
            let tensor = TensorProto::floats(&weight, &dims, &values);
            graph.initializer.push(tensor);
            graph.node.push(node("Conv", &after, &[&before, &weight]));
        }
    }
    let last = format!("c{LAYERS}");
    let turned = vec![AttributeProto::int("transB", 1)];
    graph.node.extend([
        node("GlobalAveragePool", "mean", &[&last]),
        node("Flatten", "flat", &["mean"]),
        NodeProto::new("Gemm", "fc", &["flat", "narrow"], &["logits"], turned),
    ]);
    model
}

/// Bytes at the peak of loading the file and of a first answer, and those held afterwards.
fn bytes_of(path: &Path) -> (usize, usize) {
    let config = ClassifierConfig {
        engine: EngineKind::Kernels,
        threads: 1,
        ..ClassifierConfig::default()
    };
    let before = ALLOCATOR.begin();
    let classifier = Classifier::open(path, &config).unwrap();
    let input = vec![0.5; classifier.input_len()];
    assert!(classifier.logits_of(&input).unwrap()[0].is_finite());
    let (peak, held) = (ALLOCATOR.peak(), ALLOCATOR.now());
    (peak - before, held - before)
}

/// One test for both: the counts are those of the whole process.
#[test]
fn a_network_holds_its_weights_once() {
    if kernels_here().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (name, is_int8, size) in [("int8", true, 1), ("float32", false, 4)] {
        let path = dir.path().join(name).with_extension("onnx");
        let bytes = onnx::to_bytes(&deep(is_int8));
        let described = inference::metadata::with_manifest(&bytes, &manifest()).unwrap();
        std::fs::write(&path, described).unwrap();
        drop(bytes);
        let (peak, held) = bytes_of(&path);
        println!("{name}: peak {peak}, held {held}, weights {}", ALL * size);
        assert!(
            held <= ALL * size + REST,
            "{name}: {held} bytes held for {} of weights",
            ALL * size
        );
        // Every core packs a layer, of which it holds what the file stores.
        let reading = cores.min(LAYERS) * EACH * size;
        assert!(
            peak <= ALL * size + reading + REST,
            "{name}: {peak} bytes at the peak for {} of weights",
            ALL * size
        );
    }
}
