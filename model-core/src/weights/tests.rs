//! Reading the fixtures of `tests/data/weights`, which carry their generator.

use std::path::PathBuf;

use super::*;
use crate::arch;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/weights")
        .join(name)
}

fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 / 4.0 - 1.0).collect()
}

fn check_state(weights: &StateDict, shift: f32) {
    let tensor = |name: &str| {
        let tensor = &weights.tensors[name];
        (
            tensor.shape.clone(),
            tensor.data.iter().map(|v| v - shift).collect::<Vec<_>>(),
        )
    };
    assert_eq!(weights.tensors.len(), 8);
    assert_eq!(tensor("a.weight"), (vec![2, 3], ramp(6)));
    assert_eq!(tensor("a.bias"), (vec![2], ramp(2)));
    let r = ramp(6);
    assert_eq!(
        tensor("t.weight"),
        (vec![3, 2], vec![r[0], r[3], r[1], r[4], r[2], r[5]])
    );
    assert_eq!(tensor("half"), (vec![4], ramp(4)));
    assert_eq!(tensor("bfloat"), (vec![4], ramp(4)));
    assert_eq!(tensor("counter"), (vec![], vec![7.0]));
    assert_eq!(tensor("first"), (vec![2], r[..2].to_vec()));
    assert_eq!(tensor("last"), (vec![2], r[4..].to_vec()));
}

#[test]
fn every_format_gives_the_same_numbers() {
    for name in ["zip.pth", "legacy.pth", "plain.safetensors"] {
        check_state(&read(&fixture(name)).unwrap(), 0.0);
    }
    let plain = read(&fixture("plain.safetensors")).unwrap();
    assert_eq!(plain.metadata["note"], "kept");
}

#[test]
fn nested_weights_and_their_average_are_found() {
    let weights = read(&fixture("nested.pth")).unwrap();
    check_state(&weights, 0.0);
    assert_eq!(
        (
            weights.metadata["arch"].as_str(),
            weights.metadata["epoch"].as_str()
        ),
        ("resnet_tiny", "3")
    );
    check_state(
        &read_set(&fixture("nested.pth"), WeightSet::Ema).unwrap(),
        1.0,
    );
    let error = read_set(&fixture("zip.pth"), WeightSet::Ema)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no moving average"), "{error}");
}

#[test]
fn a_pickle_that_would_run_a_command_is_refused() {
    let error = read(&fixture("attack.pth")).unwrap_err().to_string();
    assert!(
        error.contains("posix.system") && error.contains("refused"),
        "{error}"
    );
}

#[test]
fn every_truncation_is_an_error_and_none_panics() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["zip.pth", "legacy.pth", "plain.safetensors"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in (0..whole.len()).step_by(29) {
            let path = dir.path().join("cut");
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(
                read(&path).is_err(),
                "{name} cut to {length} bytes was read"
            );
        }
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["zip.pth", "legacy.pth", "nested.pth"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (0..whole.len().min(1500)).step_by(3) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let path = dir.path().join("damaged");
            std::fs::write(&path, &damaged).unwrap();
            drop(read(&path)); // either answer is right; only a panic is wrong
        }
    }
}

fn random_state(arch: &Architecture) -> StateDict {
    let tensors = arch.graph().tensors().into_iter().map(|spec| {
        let count = spec.shape.iter().product();
        (
            spec.name,
            Tensor {
                shape: spec.shape,
                data: vec![0.5; count],
            },
        )
    });
    StateDict {
        tensors: tensors.collect(),
        metadata: BTreeMap::new(),
    }
}

#[test]
fn differences_are_listed_together() {
    let arch = arch::by_name("resnet_tiny", 10).unwrap();
    let mut weights = random_state(&arch);
    weights.tensors.remove("bn1.weight");
    weights.tensors.remove("bn1.num_batches_tracked"); // optional
    weights.tensors.insert(
        "extra".into(),
        Tensor {
            shape: vec![1],
            data: vec![0.0],
        },
    );
    weights.tensors.get_mut("fc.bias").unwrap().shape = vec![5, 2];
    let error = load_state(&arch, weights).unwrap_err();
    let WeightsError::Mismatch(difference) = &error else {
        panic!("{error}")
    };
    assert_eq!(difference.missing, ["bn1.weight"]);
    assert_eq!(difference.unexpected, ["extra"]);
    assert_eq!(
        difference.misshapen,
        [("fc.bias".to_string(), vec![10], vec![5, 2])]
    );
    let text = error.to_string();
    assert!(
        text.contains("1 missing: bn1.weight; 1 misshapen: fc.bias (expected [10], got [5, 2])"),
        "{text}"
    );
}

#[test]
fn wrappers_losses_and_other_heads_are_understood() {
    let arch = arch::by_name("resnet_tiny", 10).unwrap();
    let in_front = |prefix: &'static str| move |name: &str| format!("{prefix}{name}");
    let mmpretrain = |name: &str| match name.strip_prefix("fc.") {
        Some(leaf) => format!("head.fc.{leaf}"),
        None => format!("backbone.{name}"),
    };
    let sequential = |name: &str| match name.strip_prefix("fc.") {
        Some(leaf) => format!("fc.1.{leaf}"),
        None => name.to_owned(),
    };
    type Rename<'a> = &'a dyn Fn(&str) -> String;
    let cases: [Rename<'_>; 5] = [
        &in_front("net."),
        &in_front("model.net."),
        &in_front("module.encoder."),
        &mmpretrain,
        &sequential,
    ];
    for rename in cases {
        let mut foreign = StateDict::default();
        for (name, tensor) in random_state(&arch).tensors {
            foreign.tensors.insert(rename(&name), tensor);
        }
        let loss = Tensor {
            shape: vec![10],
            data: vec![1.0; 10],
        };
        foreign.tensors.insert("criterion.weight".into(), loss);
        assert_eq!(foreign.num_classes(&arch), Some(10));
        load_state(&arch, foreign).unwrap();
    }
}

#[test]
fn weights_that_name_another_network_of_the_same_tensors_are_refused() {
    let arch = arch::by_name("efficientnet_lite0", 10).unwrap();
    let mut weights = random_state(&arch);
    load_state(&arch, weights.clone()).unwrap();
    weights
        .metadata
        .insert("arch".into(), "tf_efficientnet_lite0".into());
    let error = load_state(&arch, weights).unwrap_err();
    assert!(
        matches!(error, WeightsError::OtherArchitecture { .. }),
        "{error}"
    );
}

#[test]
fn values_no_network_can_use_are_refused() {
    let arch = arch::by_name("resnet_tiny", 10).unwrap();
    let mut weights = random_state(&arch);
    weights.tensors.get_mut("fc.bias").unwrap().data[3] = f32::NAN;
    let error = load_state(&arch, weights).unwrap_err().to_string();
    assert!(
        error.contains("'fc.bias' holds NaN at element 3"),
        "{error}"
    );
    let mut weights = random_state(&arch);
    weights.tensors.get_mut("bn1.running_var").unwrap().data[0] = -1.0;
    assert!(matches!(
        load_state(&arch, weights),
        Err(WeightsError::NegativeVariance { .. })
    ));
}

#[test]
fn lukemelas_names_become_timm_names() {
    let arch = arch::by_name("tf_efficientnet_lite0", 1000).unwrap();
    let mut foreign = StateDict::default();
    for (name, tensor) in random_state(&arch).tensors {
        let (module, leaf) = name.rsplit_once('.').unwrap();
        foreign
            .tensors
            .insert(format!("{}.{leaf}", to_lukemelas(module)), tensor);
    }
    assert!(foreign.tensors.contains_key("_blocks.15._bn2.running_var"));
    assert_eq!(foreign.num_classes(&arch), Some(1000));
    load_state(&arch, foreign).unwrap();
}

/// The inverse of the renaming, written from timm's side: the stages have 1, 2, 2, 3, 3, 4, 1 blocks.
fn to_lukemelas(module: &str) -> String {
    let top = [
        ("conv_stem", "_conv_stem"),
        ("bn1", "_bn0"),
        ("conv_head", "_conv_head"),
        ("bn2", "_bn1"),
        ("classifier", "_fc"),
    ];
    if let Some((_, theirs)) = top.iter().find(|(ours, _)| *ours == module) {
        return (*theirs).into();
    }
    let parts: Vec<&str> = module.split('.').collect();
    let (stage, block): (usize, usize) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
    let index = [1, 2, 2, 3, 3, 4, 1][..stage].iter().sum::<usize>() + block;
    let part = match (index, parts[3]) {
        (_, "conv_dw") => "_depthwise_conv",
        (0, "conv_pw") | (_, "conv_pwl") => "_project_conv",
        (_, "conv_pw") => "_expand_conv",
        (0, "bn1") | (_, "bn2") if index == 0 && parts[3] == "bn1" || index > 0 => "_bn1",
        (0, "bn2") | (_, "bn3") => "_bn2",
        (_, "bn1") => "_bn0",
        other => panic!("unknown part {other:?}"),
    };
    format!("_blocks.{index}.{part}")
}
