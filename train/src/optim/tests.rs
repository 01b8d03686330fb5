//! Tests of [`super`].

use super::*;

#[test]
fn blocks_are_the_stem_the_residual_blocks_and_the_classifier() {
    let places = |name| -> Vec<(String, usize)> {
        let architecture = model_core::arch::by_name(name, 10).unwrap();
        let network = TorchNetwork::new(architecture).unwrap();
        let names = network.tensors().iter().map(|named| named.name.clone());
        names.zip(block_places(&network)).collect()
    };
    let of = |places: &[(String, usize)], name: &str| {
        places.iter().find(|(known, _)| known == name).unwrap().1
    };
    let resnet = places("resnet18");
    assert_eq!(of(&resnet, "bn1.weight"), 0);
    assert_eq!(of(&resnet, "layer1.0.conv1.weight"), 1);
    assert_eq!(of(&resnet, "layer2.0.downsample.1.bias"), 3);
    assert_eq!(of(&resnet, "layer4.1.bn2.bias"), 8);
    assert_eq!(of(&resnet, "fc.bias"), 9);
    let lite = places("efficientnet_lite0");
    assert_eq!(of(&lite, "bn1.weight"), 0);
    assert_eq!(
        of(&lite, "conv_head.weight") + 1,
        of(&lite, "classifier.weight")
    );
    assert_eq!(of(&lite, "bn2.weight"), of(&lite, "conv_head.weight"));
}

#[test]
fn the_rate_falls_from_the_classifier_to_the_stem() {
    let architecture = model_core::arch::by_name("resnet18", 10).unwrap();
    let network = TorchNetwork::new(architecture).unwrap();
    let config = OptimizerConfig {
        layer_decay: 0.5,
        ..OptimizerConfig::default()
    };
    let optimizer = Optimizer::new(&config, &network).unwrap();
    let factor = |name: &str| {
        let group = optimizer
            .groups
            .iter()
            .find(|g| g.names.iter().any(|n| n == name));
        group.unwrap().lr_factor
    };
    assert_eq!(factor("fc.weight"), 1.0);
    assert_eq!(factor("layer4.1.conv1.weight"), 0.5);
    assert_eq!(factor("conv1.weight"), 0.5_f64.powi(9));
    assert_eq!(factor("bn1.bias"), 0.5_f64.powi(9));
}

/// One step of a network whose gradients are zero: what is left of each tensor is its decay.
#[test]
fn equal_decay_shrinks_every_tensor_alike() {
    let shrunk = |equal_decay| {
        let architecture = model_core::arch::by_name("cifar_whitened_vgg", 10).unwrap();
        let network = TorchNetwork::new(architecture).unwrap();
        let config = OptimizerConfig {
            momentum: 0.0,
            weight_decay: 0.5,
            body_lr_factor: 4.0,
            norm_bias_lr_factor: 8.0,
            equal_decay,
            ..OptimizerConfig::default()
        };
        let mut optimizer = Optimizer::new(&config, &network).unwrap();
        for parameter in optimizer.parameters() {
            let _ = no_grad(|| parameter.shallow_clone().fill_(1.0));
            (&parameter * 0.0).sum(tch::Kind::Float).backward();
        }
        optimizer.step(0.1, None).unwrap();
        [
            "head.weight",
            "stages.0.conv1.weight",
            "stages.0.norm1.bias",
        ]
        .map(|name| {
            let named = network.tensors().iter().find(|t| t.name == name).unwrap();
            named.tensor.mean(tch::Kind::Double).double_value(&[])
        })
    };
    let close = |got: [f64; 3], expected: [f64; 3]| {
        let differences = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(
            differences.into_iter().all(|d| d < 1e-6),
            "{got:?}, expected {expected:?}"
        );
    };
    close(shrunk(true), [0.95; 3]);
    close(shrunk(false), [0.95, 0.8, 1.0 - 0.05 * 32.0]);
}
