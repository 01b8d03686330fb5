//! Every family of networks in the trainer against torchvision and timm: the logits that `export/tests/data/generate.py`
//! stored, in float64, and a step backwards through all of its parameters.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

#[path = "../../export/tests/common/checkpoints.rs"]
mod checkpoints;

use std::path::Path;

use tch::{Kind, Tensor};
use train::model::TorchNetwork;

const CLASSES: usize = 10;

/// Logits by network, for images of `side` pixels.
fn golden(side: usize) -> Vec<(String, Vec<f64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../export/tests/data/golden.json");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let networks = json["logits"][side.to_string()].as_object().unwrap();
    let logits = networks.iter().map(|(name, logits)| {
        let logits = logits.as_array().unwrap().iter();
        (
            name.clone(),
            logits.map(|value| value.as_f64().unwrap()).collect(),
        )
    });
    logits.collect()
}

fn network(name: &str) -> TorchNetwork {
    let architecture = model_core::arch::by_name(name, CLASSES).unwrap();
    let weights = checkpoints::procedural_weights(&architecture);
    let mut network = TorchNetwork::new(architecture).unwrap();
    for named in network.tensors() {
        let values = Tensor::from_slice(&weights.tensors[&named.name].data);
        let values = values.view(named.tensor.size().as_slice());
        tch::no_grad(|| named.tensor.shallow_clone().copy_(&values));
    }
    network.set_kind(Kind::Double).unwrap();
    network
}

#[test]
fn families_answer_as_in_pytorch_and_can_be_trained() {
    let mut count = 0;
    for side in [32, 64, 72] {
        let pixels = Tensor::from_slice(&checkpoints::noise(3 * side * side));
        let image = pixels
            .view([1, 3, side as i64, side as i64])
            .to_kind(Kind::Double);
        for (name, expected) in golden(side) {
            let mut network = network(&name);
            let got = tch::no_grad(|| network.forward_eval(&image)).unwrap();
            let difference = (got - Tensor::from_slice(&expected).view([1, -1]))
                .abs()
                .max()
                .double_value(&[]);
            assert!(difference < 1e-9, "{name}: {difference:e}");

            let two = Tensor::cat(&[&image, &(&image * 0.5)], 0);
            let loss = network
                .forward_train(&two)
                .unwrap()
                .square()
                .sum(Kind::Double);
            loss.backward();
            for parameter in network.tensors().iter().filter(|t| t.kind.is_parameter()) {
                let gradient = parameter.tensor.grad();
                assert!(
                    gradient.defined(),
                    "{name}: {} has no gradient",
                    parameter.name
                );
                let finite = gradient.isfinite().all().int64_value(&[]);
                assert_eq!(finite, 1, "{name}: {}", parameter.name);
            }
            count += 1;
        }
    }
    assert_eq!(count, 18);
}
