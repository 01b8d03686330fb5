//! Autocast, memory format, switches and device questions on the CPU.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor};
use torch_ext::{autocast, backend, cpu, cuda, device, memory_format};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

#[test]
fn autocast_computes_in_bf16_and_keeps_gradients_in_f32() {
    tch::manual_seed(1);
    let weight = Tensor::randn([4, 3, 3, 3], FLOAT).set_requires_grad(true);
    let input = Tensor::randn([2, 3, 8, 8], FLOAT);
    let convolve = || input.conv2d(&weight, None::<Tensor>, 1, 1, 1, 1);
    let full = convolve();
    let low = autocast::autocast(Device::Cpu, Some(Kind::BFloat16), convolve).unwrap();
    assert_eq!((full.kind(), low.kind()), (Kind::Float, Kind::BFloat16));
    assert!(
        (&full - low.to_kind(Kind::Float))
            .abs()
            .max()
            .double_value(&[])
            < 0.1
    );
    low.to_kind(Kind::Float).sum(Kind::Float).backward();
    assert_eq!(weight.grad().kind(), Kind::Float);
    assert!(!autocast::is_enabled(Device::Cpu).unwrap());
    assert_eq!(
        autocast::autocast(Device::Cpu, None, convolve)
            .unwrap()
            .kind(),
        Kind::Float
    );
}

#[test]
fn autocast_nests_and_ends_with_a_panic() {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _outer = autocast::Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        {
            let _inner = autocast::Autocast::disable(Device::Cpu).unwrap();
            assert!(!autocast::is_enabled(Device::Cpu).unwrap());
        }
        assert!(autocast::is_enabled(Device::Cpu).unwrap());
        // Another thread has its own state.
        assert!(
            !std::thread::spawn(|| autocast::is_enabled(Device::Cpu).unwrap())
                .join()
                .unwrap()
        );
        panic!("inside autocast");
    }));
    assert!(panicked.is_err());
    assert!(!autocast::is_enabled(Device::Cpu).unwrap());
    assert!(autocast::Autocast::enter(Device::Cpu, Kind::Double).is_err());
    assert!(autocast::Autocast::enter(Device::Mps, Kind::Half).is_err());
}

#[test]
fn weights_become_channels_last_in_place_also_1x1_kernels() {
    for shape in [[4, 3, 3, 3], [8, 16, 1, 1]] {
        let weight = Tensor::randn(shape, FLOAT).set_requires_grad(true);
        let before = weight.copy();
        memory_format::set_channels_last(&weight).unwrap();
        let [_, i, h, w] = shape;
        assert_eq!(weight.stride(), [i * h * w, 1, w * i, i]);
        assert!(weight.requires_grad() && weight.is_leaf());
        assert!(weight.equal(&before));
    }
    let bias = Tensor::ones([4], FLOAT);
    memory_format::set_channels_last(&bias).unwrap();
    let image = Tensor::randn([2, 3, 4, 5], FLOAT);
    let nhwc = memory_format::channels_last(&image).unwrap();
    assert_eq!(nhwc.stride(), [60, 1, 15, 3]);
    assert!(nhwc.equal(&image));
    assert!(memory_format::channels_last(&bias).is_err());
}

#[test]
fn a_machine_without_a_gpu_gives_reasons() {
    let opened = cuda::open();
    assert_eq!(cuda::opened(), Some(opened.clone()));
    if tch::Cuda::is_available() {
        assert!(device::count().unwrap() > 0 && device::memory_stats(0).is_ok());
        return;
    }
    assert_eq!(device::count().unwrap(), 0);
    if let Err(error) = &opened {
        assert!(error.to_string().contains("lib"), "{error}");
    }
    assert!(device::memory_stats(0).is_err() && device::set_current(0).is_err());
    assert!(
        device::set_current(1000)
            .unwrap_err()
            .to_string()
            .contains("1000")
    );
    if let Err(error) = cuda::driver() {
        assert!(error.to_string().contains("cuda"), "{error}");
    }
    assert!(
        cuda::libtorch_dir()
            .unwrap()
            .join("libtorch_cpu.so")
            .is_file()
    );
}

#[test]
fn switches_answer() {
    backend::set_deterministic(true, true).unwrap();
    backend::set_deterministic(false, false).unwrap();
    // cuBLAS reads it with getenv; a child sees what this process would.
    let env = std::process::Command::new("env").output().unwrap();
    let env = String::from_utf8(env.stdout).unwrap();
    assert!(
        env.lines()
            .any(|line| line == "CUBLAS_WORKSPACE_CONFIG=:4096:8"),
        "{env}"
    );
    assert!(backend::libtorch_version().unwrap().starts_with("2."));
    backend::set_cudnn_benchmark(false).unwrap();
    for precision in [
        backend::Float32Precision::Tf32,
        backend::Float32Precision::Bf16OnCpu,
        backend::Float32Precision::Ieee,
    ] {
        backend::set_float32_precision(precision).unwrap();
    }
    backend::set_num_threads(1).unwrap();
    assert_eq!(backend::num_threads().unwrap(), 1);
    assert!(backend::set_num_threads(0).is_err());
    assert!(!cpu::capability().unwrap().is_empty());
    assert!(!cpu::has("no such capability"));
}
