//! Lists of tensors to step with.

#![allow(dead_code, reason = "each test file uses what it needs")]

use tch::{Device, Kind, Tensor};

/// Values between -2 and 2. Not libtorch's generator: it is shared by the tests' threads.
pub fn tensors(seed: i64) -> Vec<Tensor> {
    [vec![8, 3, 3, 3], vec![8], vec![16, 8, 1, 1], vec![10, 16]]
        .iter()
        .map(|shape| {
            let count = shape.iter().product::<i64>();
            let phase =
                Tensor::arange(count, (Kind::Float, Device::Cpu)) * (1.7 + 0.1 * seed as f64);
            ((phase + seed as f64).sin() * 2.0).reshape(shape)
        })
        .collect()
}

pub fn copies(of: &[Tensor]) -> Vec<Tensor> {
    of.iter().map(Tensor::copy).collect()
}

pub fn zeros(like: &[Tensor]) -> Vec<Tensor> {
    like.iter().map(Tensor::zeros_like).collect()
}

/// Largest difference over the lists, relative to values of order one.
pub fn distance(a: &[Tensor], b: &[Tensor]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs().max().double_value(&[]))
        .fold(0.0, f64::max)
}
