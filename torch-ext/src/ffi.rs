//! The shim's C functions as `shim/shim.h` declares them (`tests/header.rs` compares the two). Everything here is wrapped
//! by a safe function elsewhere.

use std::borrow::Borrow;
use std::ffi::{c_char, c_int};

use tch::Tensor;

/// `at::Tensor*`, which tch calls `C_tensor`.
pub(crate) type Raw = *mut torch_sys::C_tensor;

/// Borrows a tensor for one call.
pub(crate) fn raw(tensor: &Tensor) -> Raw {
    tensor.as_ptr().cast_mut()
}

pub(crate) fn raw_option(tensor: Option<&Tensor>) -> Raw {
    tensor.map_or(std::ptr::null_mut(), raw)
}

pub(crate) fn raws<T: Borrow<Tensor>>(tensors: &[T]) -> Vec<Raw> {
    tensors.iter().map(|tensor| raw(tensor.borrow())).collect()
}

/// Handles of [`crate::graph`]'s and [`crate::c10d`]'s types, which own them.
#[repr(C)]
pub(crate) struct TxGraph {
    opaque: [u8; 0],
}
#[repr(C)]
pub(crate) struct TxStore {
    opaque: [u8; 0],
}
#[repr(C)]
pub(crate) struct TxGroup {
    opaque: [u8; 0],
}
#[repr(C)]
pub(crate) struct TxWork {
    opaque: [u8; 0],
}
#[repr(C)]
pub(crate) struct TxReducer {
    opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct TxCudaDevice {
    pub name: [c_char; 256],
    pub memory_bytes: u64,
    pub capability_major: i32,
    pub capability_minor: i32,
}

unsafe extern "C" {
    pub(crate) fn tx_last_error() -> *const c_char;
    pub(crate) fn tx_free_string(text: *mut c_char);

    pub(crate) fn tx_check_version(out: *mut *mut c_char) -> c_int;

    pub(crate) fn tx_keep_host_memory(reserve: usize, done: *mut c_int) -> c_int;

    pub(crate) fn tx_autocast_get(
        device_type: c_int,
        enabled: *mut c_int,
        dtype: *mut c_int,
    ) -> c_int;
    pub(crate) fn tx_autocast_set(device_type: c_int, enabled: c_int, dtype: c_int) -> c_int;
    pub(crate) fn tx_autocast_enter_nesting() -> c_int;
    pub(crate) fn tx_autocast_leave_nesting() -> c_int;

    pub(crate) fn tx_fused_sgd(
        params: *const Raw,
        grads: *const Raw,
        momentum: *const Raw,
        count: usize,
        momentum_count: usize,
        lr: f64,
        momentum_factor: f64,
        dampening: f64,
        weight_decay: f64,
        nesterov: c_int,
        first_step: c_int,
        grad_scale: Raw,
        found_inf: Raw,
        rate: Raw,
    ) -> c_int;
    pub(crate) fn tx_fused_adamw(
        params: *const Raw,
        grads: *const Raw,
        exp_avgs: *const Raw,
        exp_avg_sqs: *const Raw,
        steps: *const Raw,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
        grad_scale: Raw,
        found_inf: Raw,
        rate: Raw,
    ) -> c_int;
    pub(crate) fn tx_foreach_lamb(
        params: *const Raw,
        grads: *const Raw,
        exp_avgs: *const Raw,
        exp_avg_sqs: *const Raw,
        count: usize,
        step: i64,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        trust_ratio: c_int,
    ) -> c_int;
    pub(crate) fn tx_foreach_lerp(
        this: *const Raw,
        end: *const Raw,
        count: usize,
        weight: f64,
    ) -> c_int;
    pub(crate) fn tx_foreach_copy(this: *const Raw, source: *const Raw, count: usize) -> c_int;
    pub(crate) fn tx_clip_grad_norm(
        grads: *const Raw,
        count: usize,
        max_norm: f64,
        total: *mut Raw,
    ) -> c_int;
    pub(crate) fn tx_non_finite_check_and_unscale(
        grads: *const Raw,
        count: usize,
        found_inf: Raw,
        inv_scale: Raw,
    ) -> c_int;
    pub(crate) fn tx_update_scale(
        scale: Raw,
        growth_tracker: Raw,
        found_inf: Raw,
        growth_factor: f64,
        backoff_factor: f64,
        growth_interval: i64,
    ) -> c_int;
    pub(crate) fn tx_reset_grads(params: *const Raw, count: usize) -> c_int;
    pub(crate) fn tx_backward(outputs: *const Raw, gradients: *const Raw, count: usize) -> c_int;

    pub(crate) fn tx_random_state(device_type: c_int, index: c_int, out: *mut Raw) -> c_int;
    pub(crate) fn tx_set_random_state(device_type: c_int, index: c_int, state: Raw) -> c_int;

    pub(crate) fn tx_graph_new(device_index: c_int, out: *mut *mut TxGraph) -> c_int;
    pub(crate) fn tx_graph_free(graph: *mut TxGraph);
    pub(crate) fn tx_graph_begin(graph: *mut TxGraph) -> c_int;
    pub(crate) fn tx_graph_end(graph: *mut TxGraph, keep: c_int) -> c_int;
    pub(crate) fn tx_graph_replay(graph: *mut TxGraph) -> c_int;

    pub(crate) fn tx_host_reads_begin(handle: *mut u64) -> c_int;
    pub(crate) fn tx_host_reads_end(handle: u64, out: *mut i64) -> c_int;

    pub(crate) fn tx_set_channels_last(tensor: Raw) -> c_int;
    pub(crate) fn tx_channels_last(tensor: Raw, out: *mut Raw) -> c_int;

    pub(crate) fn tx_device_count(out: *mut c_int) -> c_int;
    pub(crate) fn tx_set_device(index: c_int) -> c_int;
    pub(crate) fn tx_synchronize(index: c_int) -> c_int;
    pub(crate) fn tx_to_host(tensors: *const Raw, count: usize, out: *mut Raw) -> c_int;
    pub(crate) fn tx_host_tensor(
        bytes: *const u8,
        count: usize,
        as_i64: c_int,
        pinned: c_int,
        out: *mut Raw,
    ) -> c_int;
    pub(crate) fn tx_all_finite(tensors: *const Raw, count: usize, out: *mut c_int) -> c_int;
    pub(crate) fn tx_memory_stats(index: c_int, out: *mut i64) -> c_int;
    pub(crate) fn tx_empty_cache() -> c_int;
    pub(crate) fn tx_cpu_has(capability: *const c_char, out: *mut c_int) -> c_int;

    pub(crate) fn tx_set_deterministic(enabled: c_int, warn_only: c_int) -> c_int;
    pub(crate) fn tx_set_cudnn_benchmark(enabled: c_int) -> c_int;
    pub(crate) fn tx_set_float32_precision(level: c_int) -> c_int;
    pub(crate) fn tx_set_flush_denormal(enabled: c_int, supported: *mut c_int) -> c_int;
    pub(crate) fn tx_set_num_threads(threads: c_int) -> c_int;
    pub(crate) fn tx_num_threads(out: *mut c_int) -> c_int;
    pub(crate) fn tx_cpu_capability(out: *mut *mut c_char) -> c_int;

    pub(crate) fn tx_libtorch_dir(out: *mut *mut c_char) -> c_int;
    pub(crate) fn tx_cuda_open(out: *mut *mut c_char) -> c_int;
    pub(crate) fn tx_cuda_driver(
        version: *mut c_int,
        count: *mut c_int,
        devices: *mut TxCudaDevice,
        capacity: c_int,
    ) -> c_int;

    pub(crate) fn tx_store_tcp(
        host: *const c_char,
        port: c_int,
        server: c_int,
        workers: c_int,
        timeout_ms: i64,
        out: *mut *mut TxStore,
    ) -> c_int;
    pub(crate) fn tx_store_prefix(
        prefix: *const c_char,
        store: *mut TxStore,
        out: *mut *mut TxStore,
    ) -> c_int;
    pub(crate) fn tx_store_port(store: *const TxStore) -> c_int;
    pub(crate) fn tx_store_free(store: *mut TxStore);
    pub(crate) fn tx_store_set(
        store: *mut TxStore,
        key: *const c_char,
        value: *const u8,
        bytes: usize,
    ) -> c_int;
    pub(crate) fn tx_store_get(
        store: *mut TxStore,
        key: *const c_char,
        out: *mut *mut u8,
        bytes: *mut usize,
    ) -> c_int;
    pub(crate) fn tx_store_has(store: *mut TxStore, key: *const c_char, out: *mut c_int) -> c_int;
    pub(crate) fn tx_store_add(
        store: *mut TxStore,
        key: *const c_char,
        amount: i64,
        out: *mut i64,
    ) -> c_int;
    pub(crate) fn tx_store_wait(store: *mut TxStore, key: *const c_char, timeout_ms: i64) -> c_int;

    pub(crate) fn tx_group_gloo(
        store: *mut TxStore,
        rank: c_int,
        size: c_int,
        host: *const c_char,
        interface: *const c_char,
        threads: c_int,
        timeout_ms: i64,
        out: *mut *mut TxGroup,
    ) -> c_int;
    pub(crate) fn tx_group_nccl(
        store: *mut TxStore,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
        out: *mut *mut TxGroup,
    ) -> c_int;
    pub(crate) fn tx_group_free(group: *mut TxGroup);
    pub(crate) fn tx_group_shutdown(group: *mut TxGroup) -> c_int;
    pub(crate) fn tx_group_abort(group: *mut TxGroup) -> c_int;
    pub(crate) fn tx_all_reduce(group: *mut TxGroup, tensor: Raw, op: c_int) -> c_int;
    pub(crate) fn tx_group_sequence_number(group: *mut TxGroup, out: *mut u64) -> c_int;
    pub(crate) fn tx_all_reduce_start(
        group: *mut TxGroup,
        tensor: Raw,
        out: *mut *mut TxWork,
    ) -> c_int;
    pub(crate) fn tx_work_wait(work: *mut TxWork) -> c_int;
    pub(crate) fn tx_work_free(work: *mut TxWork);
    pub(crate) fn tx_broadcast(
        group: *mut TxGroup,
        tensors: *const Raw,
        count: usize,
        root: c_int,
    ) -> c_int;
    pub(crate) fn tx_all_gather(group: *mut TxGroup, input: Raw, out: *mut Raw) -> c_int;
    pub(crate) fn tx_barrier(group: *mut TxGroup) -> c_int;
    pub(crate) fn tx_sync_batch_norm(
        group: *mut TxGroup,
        input: Raw,
        weight: Raw,
        bias: Raw,
        running_mean: Raw,
        running_var: Raw,
        momentum: f64,
        eps: f64,
        out: *mut Raw,
    ) -> c_int;

    pub(crate) fn tx_reducer_new(
        group: *mut TxGroup,
        params: *const Raw,
        count: usize,
        bucket_bytes: i64,
        first_bucket_bytes: i64,
        find_unused: c_int,
        gradient_as_bucket_view: c_int,
        device_index: c_int,
        out: *mut *mut TxReducer,
    ) -> c_int;
    pub(crate) fn tx_reducer_free(reducer: *mut TxReducer);
    pub(crate) fn tx_reducer_before_forward(reducer: *mut TxReducer) -> c_int;
    pub(crate) fn tx_reducer_before_backward(reducer: *mut TxReducer, loss: Raw) -> c_int;
    pub(crate) fn tx_reducer_check_finished(reducer: *mut TxReducer) -> c_int;
    pub(crate) fn tx_reducer_stats(reducer: *mut TxReducer, out: *mut i64) -> c_int;
}
