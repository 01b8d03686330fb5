//! timm's names against those that its own networks have, and both directions of the table.

use std::collections::BTreeMap;

use super::*;
use crate::arch;
use crate::weights::load_state;

/// A state dict whose tensors hold their place, so that two of one shape cannot be confused.
fn numbered(architecture: &Architecture) -> StateDict {
    let specs = architecture.graph().tensors();
    let tensors = specs.into_iter().enumerate().map(|(place, spec)| {
        let count = spec.shape.iter().product();
        (
            spec.name,
            Tensor {
                shape: spec.shape,
                data: vec![place as f32; count],
            },
        )
    });
    StateDict {
        tensors: tensors.collect::<BTreeMap<_, _>>(),
        metadata: BTreeMap::new(),
    }
}

#[test]
fn what_is_written_for_timm_is_read_back_as_it_was() {
    let small = [
        "resnet18",
        "resnet50d",
        "resnetv2_50",
        "efficientnet_b0",
        "efficientnet_b1",
        "tf_efficientnet_lite0",
        "mobilenet_v2",
        "regnet_x_400mf",
        "regnet_y_400mf",
        "densenet121",
        "convnext_tiny",
    ];
    for name in small {
        let architecture = arch::by_name(name, 5).unwrap();
        let weights = numbered(&architecture);
        let theirs = to_timm(&architecture, &weights).unwrap();
        assert_eq!(
            theirs.tensors.len(),
            weights.tensors.len(),
            "{name}: two tensors got one name"
        );
        assert_eq!(theirs.num_classes(&architecture), Some(5), "{name}");
        assert_eq!(
            load_state(&architecture, theirs).unwrap(),
            weights,
            "{name}"
        );
    }
}

#[test]
fn names_are_timms() {
    let model = |name| timm_model(&arch::by_name(name, 5).unwrap());
    let named = |name| model(name).unwrap().architecture;
    assert_eq!(named("regnet_x_1_6gf"), "regnetx_016");
    assert_eq!(named("regnet_y_400mf"), "regnety_004");
    assert_eq!(named("regnet_y_32gf"), "regnety_320");
    assert_eq!(named("mobilenet_v3_small"), "mobilenetv3_small_100");
    assert_eq!(named("tf_efficientnet_lite3"), "tf_efficientnet_lite3");
    assert_eq!(
        model("mobilenet_v3_large").unwrap().arguments,
        [("bn_eps", 1e-3)]
    );
    let convnext = model("convnext_tiny").unwrap();
    assert_eq!(
        [convnext.first_conv, convnext.classifier],
        ["stem.0", "head.fc"]
    );
    for name in ["cifar_resnet20", "cifar_whitened_vgg", "resnet50_blurpool"] {
        assert_eq!(model(name), None);
    }
}

/// timm's weights of MobileNetV3 have the same tensors and belong to a network with another epsilon.
#[test]
fn weights_of_another_epsilon_are_not_taken_for_torchvisions() {
    let architecture = arch::by_name("mobilenet_v3_small", 5).unwrap();
    let theirs = to_timm(&architecture, &numbered(&architecture)).unwrap();
    assert!(theirs.tensors.contains_key("blocks.5.0.conv.weight"));
    assert_eq!(theirs.tensors["conv_head.weight"].shape, [1024, 576, 1, 1]);
    assert!(load_state(&architecture, theirs).is_err());
}

#[test]
fn shapes_are_timms() {
    let architecture = arch::by_name("vgg11", 5).unwrap();
    let shape = |name| timm_shape(&architecture, name, &[4096, 25_088]);
    assert_eq!(shape("classifier.0.weight"), [4096, 512, 7, 7]);
    let names = timm_names(&architecture).unwrap();
    assert!(names.contains(&"pre_logits.fc2.bias".to_owned()));
}
