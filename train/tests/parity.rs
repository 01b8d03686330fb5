//! The network, its gradients and the optimizers against torchvision, torch.optim and timm: numbers made by
//! `golden/make.py`.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::path::Path;

use tch::{Kind, Tensor};
use train::checkpoint::file::TensorFile;
use train::checkpoint::pytorch;
use train::checkpoint::state::{self, Parts};
use train::loss::{Targets, loss};
use train::model::TorchNetwork;
use train::optim::Optimizer;
use train::recipe::{LossConfig, OptimizerConfig, OptimizerKind, Recipe};

fn golden() -> TensorFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parity.safetensors");
    TensorFile::read(&path).unwrap()
}

fn network(golden: &TensorFile, channels_last: bool) -> TorchNetwork {
    let mut network =
        TorchNetwork::new(model_core::arch::by_name("resnet_tiny", 5).unwrap()).unwrap();
    for named in network.tensors() {
        let source = &golden.tensors[&format!("initial.{}", named.name)];
        tch::no_grad(|| named.tensor.shallow_clone().copy_(source));
    }
    network.place(tch::Device::Cpu, channels_last).unwrap();
    network
}

/// The largest difference, relative to the largest expected number.
fn assert_close(name: &str, got: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(got.size(), expected.size(), "{name}");
    let scale = expected.abs().max().double_value(&[]);
    let difference = (got - expected).abs().max().double_value(&[]);
    assert!(
        difference <= tolerance * scale,
        "{name}: {difference:e} of {scale:e}"
    );
}

fn named<'a>(network: &'a TorchNetwork, name: &str) -> &'a Tensor {
    &network
        .tensors()
        .iter()
        .find(|t| t.name == name)
        .unwrap()
        .tensor
}

#[test]
fn forward_and_gradients_are_torchvisions() {
    let golden = golden();
    for channels_last in [false, true] {
        let mut network = network(&golden, channels_last);
        let images = &golden.tensors["images.0"];
        let logits = network.forward_train(images).unwrap();
        assert_close("logits", &logits, &golden.tensors["logits"], 2e-5);
        let settings = LossConfig {
            label_smoothing: 0.1,
            ..LossConfig::default()
        };
        let targets = Targets::Classes(golden.tensors["labels.0"].shallow_clone());
        let loss = loss(&logits, &targets, &settings, None).unwrap();
        assert_close("loss", &loss, &golden.tensors["loss"], 1e-6);
        loss.backward();
        let gradients = golden
            .tensors
            .iter()
            .filter(|(name, _)| name.starts_with("grad."));
        for (name, expected) in gradients {
            let parameter = named(&network, &name["grad.".len()..]);
            assert_close(name, &parameter.grad(), expected, 1e-4);
        }
        for (ours, theirs) in [
            ("layer3.0.bn2.running_var", "running_var"),
            ("layer3.0.bn2.running_mean", "running_mean"),
        ] {
            assert_close(theirs, named(&network, ours), &golden.tensors[theirs], 1e-5);
        }
        assert_eq!(network.batches_tracked(), 1);
        let logits = network.forward_eval(images).unwrap();
        assert_close("eval logits", &logits, &golden.tensors["eval_logits"], 2e-5);
    }
}

fn curve(golden: &TensorFile, settings: &OptimizerConfig) -> (Tensor, Tensor) {
    let mut network = network(golden, false);
    let mut optimizer = Optimizer::new(settings, &network).unwrap();
    let mut losses = Vec::new();
    for step in 0..6 {
        optimizer.zero_grad().unwrap();
        let logits = network
            .forward_train(&golden.tensors[&format!("images.{}", step % 2)])
            .unwrap();
        let labels = golden.tensors[&format!("labels.{}", step % 2)].shallow_clone();
        let targets = Targets::Classes(labels);
        let loss = loss(&logits, &targets, &LossConfig::default(), None).unwrap();
        loss.backward();
        if let Some(norm) = settings.clip_norm {
            let gradients = torch_ext::grad::grads(&optimizer.parameters()).unwrap();
            let _ = torch_ext::optim::clip_grad_norm(&gradients, norm).unwrap();
        }
        optimizer.step(settings.learning_rate, None).unwrap();
        losses.push(loss.detach());
    }
    let fc = named(&network, "fc.weight").detach().to_kind(Kind::Float);
    (Tensor::stack(&losses, 0), fc)
}

#[test]
fn optimizers_follow_pytorchs_loss_curves() {
    let golden = golden();
    let base = OptimizerConfig::default();
    let sgd = OptimizerConfig {
        learning_rate: 0.02,
        weight_decay: 0.01,
        ..base.clone()
    };
    let cases = [
        ("sgd", sgd.clone()),
        (
            "nesterov",
            OptimizerConfig {
                nesterov: true,
                decay_norm_and_bias: false,
                clip_norm: Some(0.5),
                ..sgd
            },
        ),
        (
            "adamw",
            OptimizerConfig {
                kind: OptimizerKind::Adamw,
                learning_rate: 0.001,
                weight_decay: 0.1,
                decay_norm_and_bias: false,
                ..base.clone()
            },
        ),
        (
            "lamb",
            OptimizerConfig {
                kind: OptimizerKind::Lamb,
                learning_rate: 0.002,
                weight_decay: 0.02,
                eps: 1e-6,
                decay_norm_and_bias: false,
                ..base
            },
        ),
    ];
    for (name, settings) in cases {
        let (losses, fc) = curve(&golden, &settings);
        let expected = |what: &str| &golden.tensors[&format!("{name}.{what}")];
        assert_close(&format!("{name} losses"), &losses, expected("losses"), 1e-4);
        assert_close(&format!("{name} fc"), &fc, expected("fc"), 1e-3);
    }
}

/// A PyTorch script's checkpoint, saved after three of six steps: its epoch and best accuracy are taken up, and the other
/// three steps follow PyTorch's curve, which they would not without its momentum.
#[test]
fn a_pytorch_scripts_checkpoint_is_gone_on_from() {
    let golden = golden();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoint.pth");
    let recipe = Recipe {
        arch: "resnet_tiny".into(),
        ..Recipe::default()
    };
    let (progress, file) = pytorch::read(&path, &recipe).unwrap();
    assert_eq!((progress.epoch, progress.batches_tracked), (3, 3));
    assert_eq!(progress.best, Some((71.25, 3)));
    let settings = OptimizerConfig {
        learning_rate: 0.02,
        weight_decay: 0.01,
        ..OptimizerConfig::default()
    };
    let losses = |with_momentum: bool| {
        let mut network = network(&golden, false);
        let mut optimizer = Optimizer::new(&settings, &network).unwrap();
        let mut parts = Parts {
            network: &mut network,
            optimizer: &mut optimizer,
            ema: None,
        };
        state::restore(&mut parts, &progress, &file, (0, 1)).unwrap();
        if !with_momentum {
            optimizer = Optimizer::new(&settings, &network).unwrap();
        }
        let mut losses = Vec::new();
        for step in 3..6 {
            optimizer.zero_grad().unwrap();
            let images = &golden.tensors[&format!("images.{}", step % 2)];
            let logits = network.forward_train(images).unwrap();
            let labels = golden.tensors[&format!("labels.{}", step % 2)].shallow_clone();
            let config = LossConfig::default();
            let loss = loss(&logits, &Targets::Classes(labels), &config, None).unwrap();
            loss.backward();
            optimizer.step(settings.learning_rate, None).unwrap();
            losses.push(loss.detach());
        }
        Tensor::stack(&losses, 0)
    };
    let expected = golden.tensors["sgd.losses"].narrow(0, 3, 3);
    assert_close("losses", &losses(true), &expected, 1e-4);
    let without = (losses(false) - &expected).abs().max().double_value(&[]);
    assert!(without > 1e-3, "{without}");

    // Another optimizer cannot take its buffers.
    let mut other = recipe;
    other.optimizer.kind = OptimizerKind::Adamw;
    let error = format!("{:#}", pytorch::read(&path, &other).unwrap_err());
    assert!(
        error.contains("expected exp_avg, got momentum_buffer"),
        "{error}"
    );
}
