//! Exported networks against PyTorch: the logits of `data/golden.json` come from torchvision and timm in float64.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::path::Path;

use export::emit::{self, EmitConfig, InputSize};
use export::eval::PlanEvaluator;
use export::plan::{ConvLayer, ExportPlan, Layer, LayerOp, LinearLayer};
use export::proof::synthetic_input;
use export::quant::{
    Activations, CalibrationMethod, QuantConfig, equalize, observe, scheme, simulate, write,
};
use inference::{Classifier, ClassifierConfig, EngineKind};
use model_core::arch::{self, Conv, Linear, Padding};
use model_core::onnx;

const SIZE: usize = 64;

/// Logits by network, for images of `size` pixels.
fn golden(size: usize) -> Vec<(String, Vec<f32>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden.json");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let networks = json["logits"][size.to_string()].as_object().unwrap();
    let logits = networks.iter().map(|(name, logits)| {
        let logits = logits.as_array().unwrap();
        let logits = logits.iter().map(|value| value.as_f64().unwrap() as f32);
        (name.clone(), logits.collect())
    });
    logits.collect()
}

fn unfolded(name: &str) -> ExportPlan {
    let architecture = arch::by_name(name, 10).unwrap();
    ExportPlan::lower(
        &architecture.graph(),
        &common::procedural_weights(&architecture),
    )
    .unwrap()
}

fn config(size: InputSize) -> EmitConfig {
    EmitConfig {
        opset: emit::DEFAULT_OPSET,
        size,
        half_weights: false,
        softmax: None,
    }
}

fn fixed(side: usize) -> InputSize {
    InputSize::Fixed {
        height: side,
        width: side,
    }
}

/// What each engine that runs the model says of the inputs.
fn in_engine(
    engine: EngineKind,
    model: &onnx::ModelProto,
    name: &str,
    side: usize,
    inputs: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let config = ClassifierConfig {
        engine,
        manifest: Some(common::manifest(name, 10, side as u32)),
        ..Default::default()
    };
    let classifier = Classifier::from_bytes(onnx::to_bytes(model), name, &config).unwrap();
    let output = classifier.logits_of(&inputs.concat()).unwrap();
    output.chunks(10).map(<[f32]>::to_vec).collect()
}

fn assert_close(got: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected
        .iter()
        .fold(1.0f32, |top, value| top.max(value.abs()));
    for (a, b) in got.iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what}: {got:?} instead of {expected:?}"
        );
    }
}

#[test]
fn networks_answer_as_in_pytorch() {
    assert_eq!(answer_as_in_pytorch(SIZE), 3);
}

/// 72 pixels leave odd sides inside, where borders and the windows of pools differ between conventions.
#[test]
fn larger_families_answer_as_in_pytorch() {
    assert_eq!(answer_as_in_pytorch(72), 14);
}

#[test]
fn networks_of_small_images_answer_as_in_pytorch() {
    assert_eq!(answer_as_in_pytorch(32), 1);
}

/// VGG, whose first linear layer wants a map of 7 x 7.
#[test]
fn vgg_answers_as_in_pytorch() {
    assert_eq!(answer_as_in_pytorch(224), 1);
}

/// Holds every network with golden logits of this size against them; says how many there were.
fn answer_as_in_pytorch(side: usize) -> usize {
    let input = synthetic_input(0, side, side);
    let networks = golden(side);
    for (name, expected) in &networks {
        let plan = unfolded(name);
        let exact: Vec<f32> = PlanEvaluator::<f64>::new(&plan)
            .logits(&input, side, side)
            .iter()
            .map(|value| *value as f32)
            .collect();
        assert_close(&exact, expected, 1e-6, &format!("{name}, evaluated in f64"));
        let folded = plan.fold().unwrap();
        for (size, engine) in [
            (fixed(side), EngineKind::Auto),
            (fixed(side), EngineKind::Tract),
            (InputSize::Dynamic, EngineKind::Auto),
        ] {
            let model = emit::float_model(&folded, &config(size)).unwrap();
            let what = format!("{name} {size:?} in {engine}");
            let inputs = [input.clone(), input.clone()];
            let got = in_engine(engine, &model, name, side, &inputs);
            assert_close(&got[0], expected, 1e-4, &what);
            assert_close(
                &got[1],
                &got[0],
                1e-5,
                &format!("{what}, second of a batch"),
            );
        }
    }
    networks.len()
}

/// A factor below zero turns the largest number into the smallest, so such a norm stays where it is.
#[test]
fn a_norm_behind_a_maximum_folds_where_its_factors_are_above_zero() {
    let side = 12;
    let numbers =
        |count: usize| -> Vec<f64> { (0..count).map(|i| (i as f64 * 1.7).sin()).collect() };
    let layer = |name: &str, op, inputs: &[usize]| Layer {
        name: name.to_owned(),
        op,
        inputs: inputs.to_vec(),
    };
    let plan = |scale: Vec<f64>| {
        let geometry = Conv {
            name: "conv".to_owned(),
            in_channels: 3,
            out_channels: 4,
            kernel: 3,
            stride: 1,
            padding: Padding::Explicit(1),
            groups: 1,
            bias: false,
            matrix: false,
        };
        let conv = ConvLayer {
            geometry,
            weight: numbers(4 * 27),
            bias: vec![0.0; 4],
        };
        let head = LinearLayer {
            geometry: Linear {
                name: "head".to_owned(),
                in_features: 4,
                out_features: 2,
            },
            weight: numbers(8),
            bias: numbers(2),
        };
        let pool = LayerOp::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        let norm = LayerOp::BatchNorm {
            scale,
            shift: numbers(4),
        };
        let layers = vec![
            layer("input", LayerOp::Input, &[]),
            layer("conv", LayerOp::Conv(conv), &[0]),
            layer("pool", pool, &[1]),
            layer("norm", norm, &[2]),
            layer("silu", LayerOp::Silu, &[3]),
            layer("mean", LayerOp::GlobalAvgPool, &[4]),
            layer("flatten", LayerOp::Flatten, &[5]),
            layer("head", LayerOp::Linear(head), &[6]),
        ];
        ExportPlan {
            layers,
            num_classes: 2,
        }
    };
    let input = synthetic_input(0, side, side);
    for (scale, folds) in [
        (vec![0.5, 2.0, 1e-3, 1.0], true),
        (vec![0.5, 2.0, -1e-3, 1.0], false),
        (vec![0.5, 0.0, 1.0, 1.0], false),
    ] {
        let plan = plan(scale);
        let folded = plan.fold().unwrap();
        assert_eq!(folded.layers.len(), plan.layers.len() - usize::from(folds));
        let answer = |plan: &ExportPlan| -> Vec<f32> {
            let logits = PlanEvaluator::<f64>::new(plan).logits(&input, side, side);
            logits.iter().map(|value| *value as f32).collect()
        };
        assert_close(&answer(&folded), &answer(&plan), 1e-6, "folded");
    }
}

#[test]
fn same_input_same_bytes_and_half_weights_are_half_the_size() {
    let folded = unfolded("resnet_tiny").fold().unwrap();
    let bytes = |half_weights| {
        onnx::to_bytes(
            &emit::float_model(
                &folded,
                &EmitConfig {
                    half_weights,
                    ..config(fixed(SIZE))
                },
            )
            .unwrap(),
        )
    };
    assert_eq!(bytes(false), bytes(false));
    assert!(
        bytes(true).len() * 10 < bytes(false).len() * 7,
        "{} of {}",
        bytes(true).len(),
        bytes(false).len()
    );
    let wrong = EmitConfig {
        opset: 9,
        ..config(fixed(SIZE))
    };
    assert!(
        emit::float_model(&folded, &wrong)
            .unwrap_err()
            .to_string()
            .contains("opset 9")
    );
}

#[test]
fn equalization_keeps_the_function() {
    let folded = unfolded("resnet_tiny").fold().unwrap();
    let balanced = equalize::equalize(&folded);
    assert_ne!(balanced, folded);
    let input = synthetic_input(0, SIZE, SIZE);
    let logits = |plan| PlanEvaluator::<f64>::new(plan).logits(&input, SIZE, SIZE);
    for (a, b) in logits(&balanced).iter().zip(logits(&folded)) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0));
    }
}

fn statistics(plan: &ExportPlan, inputs: &[Vec<f32>]) -> export::quant::calibrate::Statistics {
    let evaluator = PlanEvaluator::<f32>::new(plan);
    let mut ranges = vec![observe::Range::default(); plan.layers.len()];
    let mut means = vec![Vec::new(); plan.layers.len()];
    for input in inputs {
        evaluator.run(input, SIZE, SIZE, |index, map| {
            ranges[index].include(&map.data);
            let pixels = map.height * map.width;
            means[index] = map
                .data
                .chunks(pixels)
                .map(|p| f64::from(p.iter().sum::<f32>()) / pixels as f64)
                .collect();
        });
    }
    let mut histograms: Vec<_> = ranges
        .iter()
        .map(|range| observe::Histogram::new(*range))
        .collect();
    for input in inputs {
        evaluator.run(input, SIZE, SIZE, |index, map| {
            histograms[index].include(&map.data)
        });
    }
    export::quant::calibrate::Statistics {
        histograms,
        channel_means: means,
    }
}

/// The QDQ file in an engine gives what the quantizer's own arithmetic says it gives, and stays near the float
/// network, for every choice of settings.
#[test]
fn quantized_files_answer_as_simulated() {
    let plan = unfolded("resnet_tiny").fold().unwrap();
    let inputs: Vec<Vec<f32>> = (0..4)
        .map(|index| synthetic_input(index, SIZE, SIZE))
        .collect();
    let statistics = statistics(&plan, &inputs);
    let base = QuantConfig {
        method: CalibrationMethod::MinMax,
        activations: Activations::Asymmetric,
        keep_first: false,
        keep_last: false,
        seven_bit: false,
        bias_correction: true,
        equalize: false,
    };
    let float = PlanEvaluator::<f32>::new(&plan).logits(&inputs[0], SIZE, SIZE);
    for settings in [
        base.clone(),
        QuantConfig {
            activations: Activations::Symmetric,
            method: CalibrationMethod::Mse,
            ..base.clone()
        },
        QuantConfig {
            keep_first: true,
            keep_last: true,
            method: CalibrationMethod::Percentile,
            ..base.clone()
        },
        QuantConfig {
            seven_bit: true,
            bias_correction: false,
            ..base.clone()
        },
    ] {
        let network = scheme::quantize(&plan, &statistics, &settings).unwrap();
        if settings.seven_bit {
            let all = network
                .weights
                .iter()
                .flatten()
                .flat_map(|weights| &weights.values);
            assert!(all.clone().all(|value| (-64..=64).contains(value)));
        }
        let simulated = simulate::logits(&network, &inputs[..1], [SIZE, SIZE]);
        let model = write::qdq_model(&network, &config(fixed(SIZE))).unwrap();
        let got = in_engine(EngineKind::Tract, &model, "resnet_tiny", SIZE, &inputs[..1]);
        assert_close(
            &got[0],
            &simulated[0],
            2e-2,
            &format!("{settings:?} in tract"),
        );
        assert_close(
            &got[0],
            &float,
            0.15,
            &format!("{settings:?} against float"),
        );
    }
}
