//! What one rank does in each scenario.

use std::time::{Duration, Instant};

use tch::nn::{self, ModuleT};
use tch::{Device, Kind, Tensor};
use torch_ext::amp::{self, ScaleUpdate};
use torch_ext::c10d::{ProcessGroup, ReduceOp, Reducer, ReducerConfig, Store};
use torch_ext::grad;
use torch_ext::optim::{clip_grad_norm, foreach_lerp};

use super::TIMEOUT;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

pub fn collectives(store: &Store, group: &ProcessGroup) {
    let (rank, size) = (group.rank() as f64, group.size() as f64);
    for (op, expected) in [
        (ReduceOp::Sum, size * (size + 1.0) / 2.0),
        (ReduceOp::Min, 1.0),
        (ReduceOp::Max, size),
        (ReduceOp::Mean, (size + 1.0) / 2.0),
    ] {
        // Transposed: not contiguous.
        let tensor = Tensor::full([2, 3], rank + 1.0, FLOAT).transpose(0, 1);
        group.all_reduce(&tensor, op).unwrap();
        assert!(
            tensor.equal(&Tensor::full([3, 2], expected, FLOAT)),
            "{op:?}"
        );
    }
    // Two sums under way at once, waited for in the other order.
    let sums: Vec<_> = [1.0, 10.0]
        .map(|factor| group.begin_sum(Tensor::full([3], factor * (rank + 1.0), FLOAT)))
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (sum, factor) in sums.into_iter().zip([1.0, 10.0]).rev() {
        let expected = Tensor::full([3], factor * size * (size + 1.0) / 2.0, FLOAT);
        assert!(sum.wait().unwrap().equal(&expected));
    }
    drop(group.begin_sum(Tensor::ones([3], FLOAT)).unwrap());
    assert!(
        group
            .begin_sum(Tensor::ones([2, 3], FLOAT).transpose(0, 1))
            .is_err()
    );
    let tensors = [
        Tensor::full([5], rank, FLOAT),
        Tensor::full([2], rank as i64, (Kind::Int64, Device::Cpu)),
    ];
    group.broadcast(&tensors, 1).unwrap();
    assert_eq!(
        (tensors[0].double_value(&[4]), tensors[1].int64_value(&[0])),
        (1.0, 1)
    );
    let gathered = group.all_gather(&Tensor::full([4], rank, FLOAT)).unwrap();
    assert_eq!(gathered.size(), [group.size() as i64, 4]);
    assert_eq!(
        gathered.double_value(&[group.size() as i64 - 1, 0]),
        size - 1.0
    );

    let scoped = store.prefixed("test").unwrap();
    scoped.add("arrived", 1).unwrap();
    group.barrier().unwrap();
    assert_eq!(scoped.add("arrived", 0).unwrap(), group.size() as i64);
    assert_eq!(scoped.try_get("nothing").unwrap(), None);
    if group.rank() == 0 {
        scoped.set("word", b"hello").unwrap();
    }
    assert_eq!(scoped.get("word").unwrap(), b"hello");
    assert!(scoped.wait("nothing", Duration::from_millis(200)).is_err());
}

struct Net {
    vs: nn::VarStore,
    net: nn::SequentialT,
}

/// conv-conv-linear; the weights depend on `seed`.
fn network(seed: i64) -> Net {
    tch::manual_seed(seed);
    let vs = nn::VarStore::new(Device::Cpu);
    let root = vs.root();
    let conv = nn::ConvConfig {
        padding: 1,
        ..Default::default()
    };
    let net = nn::seq_t()
        .add(nn::conv2d(&root / "a", 3, 8, 3, conv))
        .add_fn(|x| x.relu())
        .add(nn::conv2d(&root / "b", 8, 8, 3, conv))
        .add_fn(|x| x.relu().adaptive_avg_pool2d([1, 1]).flatten(1, -1))
        .add(nn::linear(&root / "c", 8, 4, Default::default()));
    Net { vs, net }
}

/// The global batch of a step: the same numbers on every rank. Divisible by 2 and 3.
fn batch(step: i64) -> (Tensor, Tensor) {
    tch::manual_seed(1000 + step);
    (
        Tensor::randn([12, 3, 8, 8], FLOAT),
        Tensor::randint(4, [12], (Kind::Int64, Device::Cpu)),
    )
}

pub fn reducer(group: &ProcessGroup, find_unused: bool) {
    let (rank, size) = (group.rank() as i64, group.size() as i64);
    for view in [true, false] {
        let ours = network(rank);
        let params = ours.vs.trainable_variables();
        group.broadcast(&params, 0).unwrap();
        let whole = network(0);
        let config = ReducerConfig {
            bucket_bytes: 4096,
            first_bucket_bytes: 512,
            gradient_as_bucket_view: view,
            find_unused_parameters: find_unused,
            ..Default::default()
        };
        let mut reducer = Reducer::new(group, &params, &config).unwrap();
        for step in 0..4 {
            let (x, y) = batch(step);
            let rows = 12 / size;
            let (local_x, local_y) = (
                x.narrow(0, rank * rows, rows),
                y.narrow(0, rank * rows, rows),
            );
            grad::reset_grads(&params).unwrap();
            // Two micro-batches; only the second communicates.
            let half = rows / 2;
            for (start, synchronize) in [(0, false), (half, true)] {
                let before = group.sequence_number().unwrap();
                if synchronize {
                    reducer.before_forward().unwrap();
                }
                let logits = ours.net.forward_t(&local_x.narrow(0, start, half), true);
                let loss = logits.cross_entropy_for_logits(&local_y.narrow(0, start, half)) / 2.0;
                if synchronize {
                    reducer.before_backward(&loss).unwrap();
                }
                loss.f_backward().unwrap();
                // A micro-batch that only accumulates communicates nothing. In the first step the buckets are not yet
                // what they will be, and afterward their order is told, too.
                let exchanges = group.sequence_number().unwrap() - before;
                if !synchronize {
                    assert_eq!(exchanges, 0, "step {step}");
                } else if step > 1 {
                    let buckets = reducer.overlap().unwrap().buckets as u64;
                    assert_eq!(exchanges, buckets + u64::from(find_unused), "step {step}");
                }
            }
            reducer.check_finished().unwrap();

            let expected = whole.vs.trainable_variables();
            grad::reset_grads(&expected).unwrap();
            whole
                .net
                .forward_t(&x, true)
                .cross_entropy_for_logits(&y)
                .f_backward()
                .unwrap();
            for (ours, whole) in params.iter().zip(&expected) {
                let gradient = ours.grad();
                // Bit-equal on all ranks: the greatest and the least over ranks are this one.
                for op in [ReduceOp::Max, ReduceOp::Min] {
                    let extreme = gradient.copy();
                    group.all_reduce(&extreme, op).unwrap();
                    assert!(extreme.equal(&gradient), "gradients differ between ranks");
                }
                // Equal to the full batch's up to f32 summation order: a few ulp of values of order 0.1.
                let difference = (&gradient - whole.grad()).abs().max().double_value(&[]);
                assert!(difference < 1e-6, "step {step}: {difference}");
            }
            tch::no_grad(|| {
                for mut param in params.iter().chain(&expected).map(Tensor::shallow_clone) {
                    let gradient = param.grad();
                    let _ = param.g_sub_(&(gradient * 0.1));
                }
            });
        }
        let overlap = reducer.overlap().unwrap();
        assert!(overlap.buckets > 1, "buckets were not rebuilt: {overlap:?}");
        assert!(
            overlap.backward_ms > 0.0 && overlap.communication_ms > 0.0,
            "{overlap:?}"
        );
        group.barrier().unwrap();
    }
}

pub fn unused_parameter(group: &ProcessGroup) {
    let net = network(0);
    let mut params = net.vs.trainable_variables();
    params.push(Tensor::ones([3], FLOAT).set_requires_grad(true));
    let mut reducer = Reducer::new(group, &params, &ReducerConfig::default()).unwrap();
    let (x, y) = batch(0);
    reducer.before_forward().unwrap();
    let loss = net.net.forward_t(&x, true).cross_entropy_for_logits(&y);
    reducer.before_backward(&loss).unwrap();
    loss.f_backward().unwrap();
    assert!(
        reducer.check_finished().is_err(),
        "an unused parameter went unnoticed"
    );
}

pub fn sync_batch_norm(group: &ProcessGroup) {
    let (rank, size) = (group.rank() as i64, group.size() as i64);
    tch::manual_seed(5);
    let whole = Tensor::randn([12, 4, 3, 3], FLOAT) * 3.0 + 5.0;
    let direction = Tensor::randn([12, 4, 3, 3], FLOAT);
    // Uneven shards: rank 0 holds one row more than its share, the last rank the rest.
    let start = if rank == 0 { 0 } else { rank * 12 / size + 1 };
    let end = if rank + 1 == size {
        12
    } else {
        (rank + 1) * 12 / size + 1
    };
    let parameters = || {
        let weight = Tensor::arange(4, FLOAT) * 0.5 + 0.5;
        let bias = Tensor::arange(4, FLOAT) * 0.1;
        (
            weight.set_requires_grad(true),
            bias.set_requires_grad(true),
            Tensor::zeros([4], FLOAT),
            Tensor::ones([4], FLOAT),
        )
    };
    let (weight, bias, mean, var) = parameters();
    let input = whole
        .narrow(0, start, end - start)
        .copy()
        .set_requires_grad(true);
    let output = group
        .sync_batch_norm(&input, &weight, &bias, &mean, &var, 0.1, 1e-5)
        .unwrap();
    (&output * direction.narrow(0, start, end - start))
        .sum(Kind::Float)
        .f_backward()
        .unwrap();

    let (full_weight, full_bias, full_mean, full_var) = parameters();
    let full_input = whole.copy().set_requires_grad(true);
    let expected = full_input.batch_norm(
        Some(&full_weight),
        Some(&full_bias),
        Some(&full_mean),
        Some(&full_var),
        true,
        0.1,
        1e-5,
        false,
    );
    (&expected * &direction)
        .sum(Kind::Float)
        .f_backward()
        .unwrap();
    let close = |a: &Tensor, b: &Tensor, what: &str| {
        let difference = (a - b).abs().max().double_value(&[]);
        assert!(difference < 2e-5, "{what}: {difference}");
    };
    close(&output, &expected.narrow(0, start, end - start), "output");
    close(
        &input.grad(),
        &full_input.grad().narrow(0, start, end - start),
        "input gradient",
    );
    close(&mean, &full_mean, "running mean");
    close(&var, &full_var, "running variance");
    for (local, full) in [
        (weight.grad(), full_weight.grad()),
        (bias.grad(), full_bias.grad()),
    ] {
        group.all_reduce(&local, ReduceOp::Sum).unwrap();
        close(&local, &full, "parameter gradient");
    }
}

/// Loss scaling, clipping and averaging are computed by each rank for itself; the exchanged gradients keep them equal, also
/// when one rank alone overflows.
pub fn scaler(group: &ProcessGroup) {
    let same = |tensors: &[Tensor], what: &str| {
        for tensor in tensors {
            for op in [ReduceOp::Max, ReduceOp::Min] {
                let extreme = tensor.detach().copy();
                group.all_reduce(&extreme, op).unwrap();
                assert!(extreme.equal(tensor), "{what} differs between ranks");
            }
        }
    };
    let (rank, last) = (group.rank() as i64, group.size() as i64 - 1);
    let ours = network(rank);
    let params = ours.vs.trainable_variables();
    group.broadcast(&params, 0).unwrap();
    let average: Vec<Tensor> = params.iter().map(|p| p.detach().copy()).collect();
    let mut reducer = Reducer::new(group, &params, &ReducerConfig::default()).unwrap();
    let scale = Tensor::full([1], 1024.0, FLOAT);
    let tracker = Tensor::zeros([1], (Kind::Int, Device::Cpu));
    let found_inf = Tensor::zeros([1], FLOAT);
    let policy = ScaleUpdate {
        growth_interval_steps: 2,
        ..ScaleUpdate::default()
    };
    for (step, expected) in [1024.0, 512.0, 512.0, 1024.0, 512.0, 512.0]
        .into_iter()
        .enumerate()
    {
        let overflows = step == 1 || step == 4;
        let before: Vec<Tensor> = params.iter().map(|p| p.detach().copy()).collect();
        let (x, y) = batch(step as i64);
        grad::reset_grads(&params).unwrap();
        reducer.before_forward().unwrap();
        let (x, y) = (x.narrow(0, rank * 4, 4), y.narrow(0, rank * 4, 4));
        let mut loss = ours.net.forward_t(&x, true).cross_entropy_for_logits(&y) * scale.squeeze();
        if overflows && rank == last {
            loss *= f64::from(f32::MAX);
        }
        reducer.before_backward(&loss).unwrap();
        loss.f_backward().unwrap();
        reducer.check_finished().unwrap();
        let gradients = grad::grads(&params).unwrap();
        tch::no_grad(|| {
            let _ = found_inf.shallow_clone().zero_();
            amp::unscale(&gradients, &found_inf, &scale.reciprocal()).unwrap();
            let finite = found_inf.double_value(&[0]) == 0.0;
            assert_eq!(finite, !overflows, "step {step} on rank {rank}");
            if finite {
                let _ = clip_grad_norm(&gradients, 0.05).unwrap();
                for (param, gradient) in params.iter().zip(&gradients) {
                    let _ = param.shallow_clone().g_sub_(&(gradient * 0.1));
                }
                foreach_lerp(&average, &params, 0.1).unwrap();
            }
            amp::update_scale(&scale, &tracker, &found_inf, &policy).unwrap();
        });
        assert_eq!(
            scale.double_value(&[0]),
            expected,
            "step {step} on rank {rank}"
        );
        let moved = params
            .iter()
            .zip(&before)
            .any(|(now, then)| !now.equal(then));
        assert_eq!(moved, !overflows, "step {step} on rank {rank}");
        same(&params, "a parameter");
        same(&average, "an average");
        same(&[scale.shallow_clone()], "the scale");
    }
}

pub fn dead_peer(group: &ProcessGroup) {
    if group.rank() == 1 {
        std::process::exit(7);
    }
    let started = Instant::now();
    assert!(
        group
            .all_reduce(&Tensor::ones([1000], FLOAT), ReduceOp::Sum)
            .is_err()
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    std::process::exit(3);
}

pub fn late_peer(group: &ProcessGroup) {
    if group.rank() == 1 {
        std::thread::sleep(Duration::from_secs(8));
        std::process::exit(0);
    }
    let error = group
        .all_reduce(&Tensor::ones([10], FLOAT), ReduceOp::Sum)
        .unwrap_err();
    assert!(error.to_string().to_lowercase().contains("tim"), "{error}");
    std::process::exit(3);
}

/// Down to the first thing that needs a GPU: with the CUDA libraries both constructors of libtorch are found and entered.
pub fn nccl(store: &Store) {
    let opened = torch_ext::cuda::open();
    if tch::Cuda::is_available() {
        return;
    }
    let error = ProcessGroup::nccl(store, 0, 1, TIMEOUT)
        .map(|_| ())
        .unwrap_err();
    let expected = if opened.is_ok() {
        "GPU"
    } else {
        "NCCL is not available"
    };
    assert!(error.to_string().contains(expected), "{error}");
}
