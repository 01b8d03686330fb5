//! Fused and foreach steps against the textbook formulas written out in plain tch.

#![allow(clippy::unwrap_used)]

mod tensors;

use tch::{Device, Kind, Tensor};
use torch_ext::{amp, grad, memory_format, optim};

use tensors::{copies, distance, tensors, zeros};

#[test]
fn fused_sgd_follows_the_momentum_formula() {
    for nesterov in [false, true] {
        let options = optim::Sgd {
            lr: 0.1,
            momentum: 0.9,
            dampening: 0.0,
            weight_decay: 1e-2,
            nesterov,
        };
        let (params, buffers) = (tensors(0), zeros(&tensors(0)));
        let (mut expected, mut velocity) = (copies(&params), zeros(&params));
        for step in 0..4 {
            let grads = tensors(10 + step);
            optim::fused_sgd(
                &params,
                &grads,
                &buffers,
                &options,
                step == 0,
                optim::OnDevice::default(),
            )
            .unwrap();
            for (i, gradient) in grads.iter().enumerate() {
                let gradient = gradient + &expected[i] * options.weight_decay;
                velocity[i] = &velocity[i] * options.momentum + &gradient;
                let direction = if nesterov {
                    gradient + &velocity[i] * options.momentum
                } else {
                    velocity[i].copy()
                };
                expected[i] = &expected[i] - direction * options.lr;
            }
        }
        assert!(
            distance(&params, &expected) < 1e-6,
            "nesterov {nesterov}: {}",
            distance(&params, &expected)
        );
        assert!(distance(&buffers, &velocity) < 2e-6);
    }
}

#[test]
fn fused_sgd_without_momentum_needs_no_buffers() {
    let options = optim::Sgd {
        lr: 0.5,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
    };
    let params = tensors(0);
    let before = copies(&params);
    let grads = tensors(1);
    optim::fused_sgd(
        &params,
        &grads,
        &[] as &[Tensor],
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap();
    let expected: Vec<_> = before
        .iter()
        .zip(&grads)
        .map(|(p, g)| p - g * 0.5)
        .collect();
    assert!(distance(&params, &expected) < 1e-7);
}

#[test]
fn a_gradient_in_another_memory_order_gives_the_same_step() {
    let options = optim::Sgd {
        lr: 0.1,
        momentum: 0.9,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
    };
    let (plain, nhwc) = (tensors(0), tensors(0));
    for param in &nhwc {
        memory_format::set_channels_last(param).unwrap();
    }
    let grads = tensors(1);
    optim::fused_sgd(
        &plain,
        &grads,
        &zeros(&plain),
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap();
    optim::fused_sgd(
        &nhwc,
        &grads,
        &zeros(&nhwc),
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap();
    assert_eq!(distance(&plain, &nhwc), 0.0);
    // A momentum buffer in the wrong order would be walked wrongly: refused.
    let error = optim::fused_sgd(
        &nhwc,
        &grads,
        &zeros(&plain),
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("strides"), "{error}");
}

#[test]
fn fused_adamw_follows_the_formula() {
    let options = optim::Adam {
        lr: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.05,
    };
    let (params, first, second) = (tensors(0), zeros(&tensors(0)), zeros(&tensors(0)));
    let steps: Vec<_> = params
        .iter()
        .map(|_| Tensor::zeros([1], (Kind::Float, Device::Cpu)))
        .collect();
    let (mut expected, mut m, mut v) = (copies(&params), zeros(&params), zeros(&params));
    for step in 1..=3 {
        let grads = tensors(20 + step);
        optim::fused_adamw(
            &params,
            &grads,
            &first,
            &second,
            &steps,
            &options,
            optim::OnDevice::default(),
        )
        .unwrap();
        for (i, g) in grads.iter().enumerate() {
            m[i] = &m[i] * 0.9 + g * 0.1;
            v[i] = &v[i] * 0.999 + g * g * 0.001;
            let (m_hat, v_hat) = (
                &m[i] / (1.0 - 0.9_f64.powi(step as i32)),
                &v[i] / (1.0 - 0.999_f64.powi(step as i32)),
            );
            let decayed = &expected[i] * (1.0 - options.lr * options.weight_decay);
            expected[i] = decayed - m_hat / (v_hat.sqrt() + options.eps) * options.lr;
        }
    }
    assert!(
        distance(&params, &expected) < 1e-6,
        "{}",
        distance(&params, &expected)
    );
    assert_eq!(steps[0].double_value(&[0]), 3.0);
}

#[test]
fn lamb_scales_each_tensor_by_its_trust_ratio() {
    let options = optim::Adam {
        lr: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-6,
        weight_decay: 0.02,
    };
    for trust_ratio in [true, false] {
        let (params, first, second) = (tensors(0), zeros(&tensors(0)), zeros(&tensors(0)));
        let (mut expected, mut m, mut v) = (copies(&params), zeros(&params), zeros(&params));
        for step in 1..=3_i64 {
            let grads = tensors(30 + step);
            optim::lamb(
                &params,
                &grads,
                &first,
                &second,
                step,
                &options,
                trust_ratio,
            )
            .unwrap();
            for (i, g) in grads.iter().enumerate() {
                m[i] = &m[i] * 0.9 + g * 0.1;
                v[i] = &v[i] * 0.999 + g * g * 0.001;
                let m_hat = &m[i] / (1.0 - 0.9_f64.powi(step as i32));
                let v_hat = &v[i] / (1.0 - 0.999_f64.powi(step as i32));
                let update =
                    m_hat / (v_hat.sqrt() + options.eps) + &expected[i] * options.weight_decay;
                let ratio = if trust_ratio {
                    expected[i].norm() / update.norm()
                } else {
                    Tensor::from(1.0_f32)
                };
                expected[i] = &expected[i] - update * ratio * options.lr;
            }
        }
        assert!(
            distance(&params, &expected) < 2e-6,
            "{}",
            distance(&params, &expected)
        );
    }
}

#[test]
fn clipping_reports_the_norm_before_and_leaves_small_gradients_alone() {
    let grads = tensors(3);
    let norm = grads
        .iter()
        .map(|g| g.norm().double_value(&[]).powi(2))
        .sum::<f64>()
        .sqrt();
    let before = copies(&grads);
    let total = optim::clip_grad_norm(&grads, norm / 4.0).unwrap();
    assert!((total.double_value(&[]) - norm).abs() < 1e-4 * norm);
    let expected: Vec<_> = before.iter().map(|g| g / 4.0).collect();
    assert!(distance(&grads, &expected) < 1e-5);
    let before = copies(&grads);
    let _ = optim::clip_grad_norm(&grads, norm).unwrap();
    assert_eq!(distance(&grads, &before), 0.0);
}

#[test]
fn lerp_is_an_exponential_moving_average() {
    let (average, weights) = (tensors(0), tensors(1));
    let expected: Vec<_> = average
        .iter()
        .zip(&weights)
        .map(|(a, w)| a * 0.99 + w * 0.01)
        .collect();
    optim::foreach_lerp(&average, &weights, 0.01).unwrap();
    assert!(distance(&average, &expected) < 1e-6);
    assert!(optim::foreach_lerp(&average, &weights[1..], 0.01).is_err());
}

#[test]
fn unscale_finds_infinity_and_the_scale_backs_off() {
    let float = (Kind::Float, Device::Cpu);
    let (scale, found) = (Tensor::full([1], 1024.0, float), Tensor::zeros([1], float));
    let tracker = Tensor::zeros([1], (Kind::Int, Device::Cpu));
    let grads = tensors(4);
    let expected: Vec<_> = grads.iter().map(|g| g / 1024.0).collect();
    amp::unscale(&grads, &found, &scale.reciprocal()).unwrap();
    assert_eq!(found.double_value(&[0]), 0.0);
    assert!(distance(&grads, &expected) < 1e-9);
    let update = amp::ScaleUpdate {
        growth_interval_steps: 1,
        ..Default::default()
    };
    amp::update_scale(&scale, &tracker, &found, &update).unwrap();
    assert_eq!(scale.double_value(&[0]), 2048.0);

    let _ = grads[1].get(0).fill_(f64::NAN);
    amp::unscale(&grads, &found, &scale.reciprocal()).unwrap();
    assert_eq!(found.double_value(&[0]), 1.0);
    amp::update_scale(&scale, &tracker, &found, &update).unwrap();
    assert_eq!(scale.double_value(&[0]), 1024.0);

    // A fused step that is told of it changes nothing.
    let options = optim::Sgd {
        lr: 0.1,
        momentum: 0.9,
        dampening: 0.0,
        weight_decay: 0.1,
        nesterov: true,
    };
    let params = tensors(5);
    let before = copies(&params);
    let scaled = optim::OnDevice {
        grad_scale: Some(&scale),
        found_inf: Some(&found),
        rate: None,
    };
    optim::fused_sgd(&params, &grads, &zeros(&params), &options, true, scaled).unwrap();
    assert_eq!(distance(&params, &before), 0.0);
}

#[test]
fn wrong_lists_are_errors_not_crashes() {
    let options = optim::Sgd {
        lr: 0.1,
        momentum: 0.9,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
    };
    let params = tensors(0);
    let error = optim::fused_sgd(
        &params,
        &tensors(1)[..2],
        &zeros(&params),
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("expected 4 gradients"),
        "{error}"
    );
    let mut reversed = tensors(1);
    reversed.reverse();
    let error = optim::fused_sgd(
        &params,
        &reversed,
        &zeros(&params),
        &options,
        true,
        optim::OnDevice::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("shape"), "{error}");
    assert!(optim::clip_grad_norm(&[] as &[Tensor], 1.0).is_err());
}

#[test]
fn reset_drops_gradients() {
    let weight = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    (&weight * 2.0).sum(Kind::Float).backward();
    assert_eq!(grad::grads(&[&weight]).unwrap()[0].double_value(&[0]), 2.0);
    grad::reset_grads(&[&weight]).unwrap();
    assert!(!weight.grad().defined());
    assert!(
        grad::grads(&[&weight])
            .unwrap_err()
            .to_string()
            .contains("no gradient")
    );
}

#[test]
fn copies_are_whole_whatever_was_there() {
    let kept = tensors(1);
    let _ = kept[0].shallow_clone().fill_(f64::NAN);
    optim::foreach_copy(&kept, &tensors(2)).unwrap();
    assert_eq!(distance(&kept, &tensors(2)), 0.0);
    assert!(optim::foreach_copy(&kept, &tensors(2)[1..]).is_err());
}
