//! A learning rate that lives on the device, as a captured step needs it.

#![allow(clippy::unwrap_used)]

mod tensors;

use tch::{Device, Kind, Tensor};
use torch_ext::optim;

use tensors::{distance, tensors, zeros};

/// A rate that f32 holds gives the same bits, whether it is told or read on the device.
#[test]
fn a_rate_on_the_device_is_the_rate_that_is_told() {
    let rates = [0.1_f32, 0.037, 1e-6];
    let on_device = Tensor::from_slice(&[0.0_f32, 0.0]);
    let rate = on_device.narrow(0, 1, 1);
    let told = optim::OnDevice::default();
    let read = optim::OnDevice {
        rate: Some(&rate),
        ..told
    };
    let sgd = |lr| optim::Sgd {
        lr,
        momentum: 0.9,
        dampening: 0.0,
        weight_decay: 1e-2,
        nesterov: true,
    };
    let adam = |lr| optim::Adam {
        lr,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.05,
    };
    // Parameters, two lists of buffers and step counters.
    let state = || {
        let counters: Vec<Tensor> = (0..4)
            .map(|_| Tensor::zeros([1], (Kind::Float, Device::Cpu)))
            .collect();
        (tensors(0), zeros(&tensors(0)), zeros(&tensors(0)), counters)
    };
    for is_adam in [false, true] {
        let (one, other) = (state(), state());
        for (step, &lr) in rates.iter().enumerate() {
            let grads = tensors(20 + step as i64);
            let _ = rate.shallow_clone().fill_(f64::from(lr));
            // What is told beside a rate on the device counts for nothing.
            for ((p, first, second, counters), lr, from) in
                [(&one, f64::from(lr), told), (&other, 99.0, read)]
            {
                match is_adam {
                    true => optim::fused_adamw(p, &grads, first, second, counters, &adam(lr), from),
                    false => optim::fused_sgd(p, &grads, first, &sgd(lr), false, from),
                }
                .unwrap();
            }
            assert_eq!(distance(&one.0, &other.0), 0.0, "adam {is_adam}, {step}");
            assert!(distance(&one.0, &tensors(0)) > 0.0);
        }
    }
    let double = rate.to_kind(Kind::Double);
    let wrong = optim::OnDevice {
        rate: Some(&double),
        ..told
    };
    let (p, first, ..) = state();
    let error = optim::fused_sgd(&p, &tensors(1), &first, &sgd(0.1), false, wrong).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected a learning rate of one f32 on cpu, got Double"),
        "{error}"
    );
}
