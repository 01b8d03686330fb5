//! Our kernels on what ONNX Runtime's `quantize_static` writes, against its answers: `quantized/corpus.zip`, made by
//! `quantized/generate.py`.
//!
//! The promise: integer layers are computed as ONNX Runtime's fused operators compute them (MLAS), so almost every stored
//! number is equal, and where one differs it is by one step. What a step is worth in the logits is told by ONNX Runtime
//! itself, which answers otherwise without its optimizations.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Read;

use inference::engine::kernels_here;
use inference::{Classifier, ClassifierConfig, EngineKind, Precision};
use model_core::Manifest;
use model_core::preprocessing::Preprocessing;
use serde::Deserialize;

#[derive(Deserialize)]
struct Index {
    side: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// ONNX Runtime's logits, with its optimizations and without, and those of the network before quantization.
    fused: Vec<f32>,
    plain: Vec<f32>,
    float32: Vec<f32>,
}

/// The numbers that `image()` in generate.py makes.
fn image(side: u32) -> Vec<f32> {
    let mut state = 12345u64;
    let next = || {
        state = (state * 1_103_515_245 + 12345) % (1 << 31);
        (state as f64 / f64::from(1u32 << 30) - 1.0) as f32
    };
    std::iter::repeat_with(next)
        .take((3 * side * side) as usize)
        .collect()
}

fn root_mean_square(values: &[f32]) -> f32 {
    let sum: f32 = values.iter().map(|v| v * v).sum();
    (sum / values.len() as f32).sqrt()
}

fn corpus() -> (Index, Vec<Vec<u8>>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quantized/corpus.zip");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    let index: Index = serde_json::from_slice(&read("index.json")).unwrap();
    let models = index
        .cases
        .iter()
        .map(|case| read(&format!("{}.onnx", case.name)))
        .collect();
    (index, models)
}

fn described(side: u32) -> Manifest {
    let mut manifest = support::manifest();
    let label = manifest.labels[0].clone();
    manifest.labels = vec![label; 10];
    manifest
        .labels
        .iter_mut()
        .enumerate()
        .for_each(|(index, label)| label.name = format!("class {index}"));
    manifest.preprocessing = Preprocessing {
        crop: [side; 2],
        ..manifest.preprocessing
    };
    manifest
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

fn best(logits: &[f32]) -> usize {
    (0..logits.len())
        .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
        .unwrap()
}

#[test]
fn what_onnx_runtime_quantizes_is_answered_as_onnx_runtime_answers() {
    if kernels_here().is_none() {
        return;
    }
    let (index, models) = corpus();
    assert!(index.cases.len() >= 60);
    let image = image(index.side);
    let (mut equal, mut same_class) = (0, 0);
    for (case, model) in index.cases.iter().zip(models) {
        let load = |threads| {
            let config = ClassifierConfig {
                engine: EngineKind::Kernels,
                threads,
                manifest: Some(described(index.side)),
                ..ClassifierConfig::default()
            };
            Classifier::from_bytes(model.clone(), &case.name, &config)
                .unwrap_or_else(|e| panic!("{}: {e}", case.name))
        };
        let classifier = load(1);
        let note = classifier.model().engine_note.clone().unwrap();
        assert!(note.contains("layers in int8"), "{}: {note}", case.name);
        let ours = classifier.logits_of(&image).unwrap();
        assert_eq!(
            ours,
            load(2).logits_of(&image).unwrap(),
            "{}: two threads",
            case.name
        );
        let scale = case
            .float32
            .iter()
            .fold(0.0f32, |most, v| most.max(v.abs()));
        let off = largest_difference(&ours, &case.fused);
        println!(
            "{}: {off} from fused, {} from plain, {} between them; {note}",
            case.name,
            largest_difference(&ours, &case.plain),
            largest_difference(&case.fused, &case.plain)
        );
        // One step of the output, which has 256, on both sides of zero.
        assert!(off <= scale / 64.0, "{}: {off} of {scale}", case.name);
        equal += usize::from(off <= scale * 1e-5);
        same_class += usize::from(best(&ours) == best(&case.fused));
    }
    let all = index.cases.len();
    println!("{equal} of {all} equal, {same_class} with the same best class");
    assert!(equal * 10 >= all * 8, "{equal} of {all} are equal");
    assert!(
        same_class * 100 >= all * 99,
        "{same_class} of {all} have the same best class"
    );
}

#[test]
fn bfloat16_is_had_where_the_processor_has_it_and_refused_elsewhere() {
    use model_core::diagnostic::{Diagnose, Remedy};
    let load = |engine, precision| {
        let config = ClassifierConfig {
            engine,
            precision,
            threads: 1,
            ..ClassifierConfig::default()
        };
        Classifier::embedded(&config)
    };
    let exact = load(EngineKind::Auto, Precision::Float32).unwrap();
    assert_eq!(exact.model().precision, Precision::Float32);
    let chosen = load(EngineKind::Auto, Precision::Auto).unwrap();
    let numbers = image(224);
    let logits = |classifier: &Classifier| classifier.logits_of(&numbers).unwrap();
    match load(EngineKind::Auto, Precision::Bf16) {
        Ok(half) => {
            assert_eq!(half.model().precision, Precision::Bf16);
            assert_eq!(half.model().engine, EngineKind::Kernels);
            assert_eq!(chosen.model().precision, Precision::Bf16);
            let (exact, half) = (logits(&exact), logits(&half));
            assert_eq!(half, logits(&chosen));
            assert_ne!(exact, half);
            // The largest of 1,000 differences depends on chance, their root mean square hardly.
            let off: Vec<f32> = exact.iter().zip(&half).map(|(a, b)| a - b).collect();
            let part = root_mean_square(&off) / root_mean_square(&exact);
            // OpenVINO 2026.4 in bfloat16 is 0.071 away on this noise.
            assert!(part <= 0.08, "{part}");
        }
        Err(error) => {
            assert_eq!(error.code(), "engine.precision");
            assert_eq!(
                error.remedy(),
                Some(Remedy::UsePrecision(&["auto", "float32"]))
            );
            assert!(
                error.to_string().contains("has no instructions for it"),
                "{error}"
            );
            assert_eq!(chosen.model().precision, Precision::Float32);
            assert_eq!(logits(&exact), logits(&chosen));
        }
    }
    // No other engine steps in quietly.
    for engine in [EngineKind::Tract, EngineKind::OnnxRuntime] {
        let error = load(engine, Precision::Bf16).unwrap_err();
        assert_eq!(error.code(), "engine.precision", "{engine}: {error}");
    }
}
