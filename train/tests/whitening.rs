//! The first convolution of `cifar_whitened_vgg`: set from the training images, the same for any number of processes, and
//! kept from then on.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

/// Trains for two epochs and gives the filters at the end, `[24, 12]`.
fn filters(data: &Path, out: &Path, further: &[&str]) -> Vec<f32> {
    common::train_with("cifar_whitened_vgg", "cifar10-whitened-vgg")
        .args(["--epochs", "2", "--set", "whitening_images=24", "--data"])
        .arg(data)
        .arg("--output")
        .arg(out)
        .args(further)
        .assert()
        .success();
    let weights = model_core::weights::read(&out.join("checkpoints/last.safetensors")).unwrap();
    let weight = &weights.tensors["whiten.weight"];
    assert_eq!(weight.shape, [24, 3, 2, 2]);
    weight.data.clone()
}

#[test]
fn filters_whiten_the_training_images_and_stay() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    common::images(&data, 14, 5);
    let one = filters(&data, &dir.path().join("one"), &[]);
    assert!(one.iter().all(|value| value.is_finite()));
    assert!(one[..144].iter().any(|value| value.abs() > 1.0));
    // Each filter beside its opposite: no step of the optimizer moved one of them.
    for (a, b) in one[..144].iter().zip(&one[144..]) {
        assert_eq!(*a, -*b);
    }
    let two = filters(&data, &dir.path().join("two"), &["--num-processes", "2"]);
    // The same 24 images, summed in another order. Directions of equal variance may be turned: what they undo is the same.
    let (one, two) = (undone(&one), undone(&two));
    let largest = one
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    for (a, b) in one.iter().zip(&two) {
        assert!((a - b).abs() < 1e-4 * largest, "{a} {b}");
    }
}

/// The inverse of the covariance, `[12, 12]`: the sum of each filter's products with itself.
fn undone(filters: &[f32]) -> Vec<f32> {
    let rows = filters[..144].chunks(12);
    let product = |i: usize, j: usize| rows.clone().map(|row| row[i] * row[j]).sum();
    (0..144).map(|at| product(at / 12, at % 12)).collect()
}
