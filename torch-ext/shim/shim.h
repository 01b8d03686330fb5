// Every function that Rust calls, once: the shim's files include this, so that a definition of another signature does
// not compile, and `tests/header.rs` compares it with `src/ffi.rs`, so that neither changes without the other.
//
// Plain C types only; `at::Tensor*` is `Raw` there. What a function does stands at its definition.
#pragma once

#include <cstddef>
#include <cstdint>

namespace at {
class Tensor;
}
struct TxGraph;
struct TxStore;
struct TxGroup;
struct TxWork;
struct TxReducer;

// A GPU as the driver names it.
struct TxCudaDevice {
  char name[256];
  uint64_t memory_bytes;
  int32_t capability_major;
  int32_t capability_minor;
};

#define TX_API extern "C" __attribute__((visibility("default")))

// autocast.cpp
TX_API int tx_autocast_get(int device_type, int* enabled, int* dtype) noexcept;
TX_API int tx_autocast_set(int device_type, int enabled, int dtype) noexcept;
TX_API int tx_autocast_enter_nesting() noexcept;
TX_API int tx_autocast_leave_nesting() noexcept;

// backend.cpp
TX_API int tx_set_deterministic(int enabled, int warn_only) noexcept;
TX_API int tx_set_cudnn_benchmark(int enabled) noexcept;
TX_API int tx_set_float32_precision(int level) noexcept;
TX_API int tx_set_flush_denormal(int enabled, int* supported) noexcept;
TX_API int tx_set_num_threads(int threads) noexcept;
TX_API int tx_num_threads(int* out) noexcept;
TX_API int tx_cpu_capability(char** out) noexcept;

// c10d_group.cpp
TX_API int tx_group_gloo(TxStore* store, int rank, int size, const char* host, const char* interface,
    int threads, int64_t timeout_ms, TxGroup** out) noexcept;
TX_API int tx_group_nccl(TxStore* store, int rank, int size, int64_t timeout_ms, TxGroup** out) noexcept;
TX_API void tx_group_free(TxGroup* group) noexcept;
TX_API int tx_group_shutdown(TxGroup* group) noexcept;
TX_API int tx_group_sequence_number(TxGroup* group, uint64_t* out) noexcept;
TX_API int tx_group_abort(TxGroup* group) noexcept;
TX_API int tx_all_reduce(TxGroup* group, at::Tensor* tensor, int op) noexcept;
TX_API int tx_all_reduce_start(TxGroup* group, at::Tensor* tensor, TxWork** out) noexcept;
TX_API int tx_work_wait(TxWork* work) noexcept;
TX_API void tx_work_free(TxWork* work) noexcept;
TX_API int tx_broadcast(TxGroup* group, at::Tensor* const* tensors, size_t count, int root) noexcept;
TX_API int tx_all_gather(TxGroup* group, at::Tensor* input, at::Tensor** out) noexcept;
TX_API int tx_barrier(TxGroup* group) noexcept;

// c10d_reducer.cpp
TX_API int tx_reducer_new(TxGroup* group, at::Tensor* const* params, size_t count, int64_t bucket_bytes,
    int64_t first_bucket_bytes, int find_unused, int gradient_as_bucket_view, int device_index,
    TxReducer** out) noexcept;
TX_API void tx_reducer_free(TxReducer* reducer) noexcept;
TX_API int tx_reducer_before_forward(TxReducer* reducer) noexcept;
TX_API int tx_reducer_before_backward(TxReducer* reducer, at::Tensor* loss) noexcept;
TX_API int tx_reducer_check_finished(TxReducer* reducer) noexcept;
TX_API int tx_reducer_stats(TxReducer* reducer, int64_t out[5]) noexcept;

// c10d_store.cpp
TX_API int tx_store_tcp(const char* host, int port, int server, int workers, int64_t timeout_ms,
    TxStore** out) noexcept;
TX_API int tx_store_prefix(const char* prefix, TxStore* store, TxStore** out) noexcept;
TX_API int tx_store_port(const TxStore* store) noexcept;
TX_API void tx_store_free(TxStore* store) noexcept;
TX_API int tx_store_set(TxStore* store, const char* key, const uint8_t* value, size_t bytes) noexcept;
TX_API int tx_store_get(TxStore* store, const char* key, uint8_t** out, size_t* bytes) noexcept;
TX_API int tx_store_has(TxStore* store, const char* key, int* out) noexcept;
TX_API int tx_store_add(TxStore* store, const char* key, int64_t amount, int64_t* out) noexcept;
TX_API int tx_store_wait(TxStore* store, const char* key, int64_t timeout_ms) noexcept;

// common.cpp
TX_API const char* tx_last_error() noexcept;
TX_API void tx_free_string(char* text) noexcept;

// cuda.cpp
TX_API int tx_libtorch_dir(char** out) noexcept;
TX_API int tx_cuda_open(char** out) noexcept;
TX_API int tx_cuda_driver(int* version, int* count, TxCudaDevice* devices, int capacity) noexcept;

// device.cpp
TX_API int tx_device_count(int* out) noexcept;
TX_API int tx_set_device(int index) noexcept;
TX_API int tx_synchronize(int index) noexcept;
TX_API int tx_memory_stats(int index, int64_t out[6]) noexcept;
TX_API int tx_empty_cache() noexcept;
TX_API int tx_to_host(at::Tensor* const* tensors, size_t count, at::Tensor** out) noexcept;
TX_API int tx_cpu_has(const char* capability, int* out) noexcept;

// grad.cpp
TX_API int tx_backward(at::Tensor* const* outputs, at::Tensor* const* gradients, size_t count) noexcept;
TX_API int tx_random_state(int device_type, int index, at::Tensor** out) noexcept;
TX_API int tx_set_random_state(int device_type, int index, at::Tensor* state) noexcept;

// graph.cpp
TX_API int tx_graph_new(int device_index, TxGraph** out) noexcept;
TX_API void tx_graph_free(TxGraph* graph) noexcept;
TX_API int tx_graph_begin(TxGraph* graph) noexcept;
TX_API int tx_graph_end(TxGraph* graph, int keep) noexcept;
TX_API int tx_graph_replay(TxGraph* graph) noexcept;

// host_memory.cpp
TX_API int tx_keep_host_memory(size_t reserve, int* done) noexcept;
TX_API int tx_host_tensor(const uint8_t* bytes, size_t count, int as_i64, int pinned, at::Tensor** out) noexcept;

// host_reads.cpp
TX_API int tx_host_reads_begin(uint64_t* handle) noexcept;
TX_API int tx_host_reads_end(uint64_t handle, int64_t* out) noexcept;

// memory_format.cpp
TX_API int tx_set_channels_last(at::Tensor* tensor) noexcept;
TX_API int tx_channels_last(at::Tensor* tensor, at::Tensor** out) noexcept;

// optim.cpp
TX_API int tx_fused_sgd(at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* momentum,
    size_t count, size_t momentum_count, double lr, double momentum_factor, double dampening, double weight_decay,
    int nesterov, int first_step, at::Tensor* grad_scale, at::Tensor* found_inf, at::Tensor* rate) noexcept;
TX_API int tx_fused_adamw(at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* exp_avgs,
    at::Tensor* const* exp_avg_sqs, at::Tensor* const* steps, size_t count, double lr, double beta1, double beta2,
    double weight_decay, double eps, at::Tensor* grad_scale, at::Tensor* found_inf, at::Tensor* rate) noexcept;
TX_API int tx_foreach_lerp(at::Tensor* const* self, at::Tensor* const* end, size_t count, double weight) noexcept;
TX_API int tx_foreach_copy(at::Tensor* const* self, at::Tensor* const* source, size_t count) noexcept;
TX_API int tx_clip_grad_norm(at::Tensor* const* grads, size_t count, double max_norm, at::Tensor** total) noexcept;
TX_API int tx_foreach_lamb(at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* exp_avgs,
    at::Tensor* const* exp_avg_sqs, size_t count, int64_t step, double lr, double beta1, double beta2, double eps,
    double weight_decay, int trust_ratio) noexcept;
TX_API int tx_non_finite_check_and_unscale(at::Tensor* const* grads, size_t count, at::Tensor* found_inf,
    at::Tensor* inv_scale) noexcept;
TX_API int tx_update_scale(at::Tensor* scale, at::Tensor* growth_tracker, at::Tensor* found_inf,
    double growth_factor, double backoff_factor, int64_t growth_interval) noexcept;
TX_API int tx_reset_grads(at::Tensor* const* params, size_t count) noexcept;
TX_API int tx_all_finite(at::Tensor* const* tensors, size_t count, int* out) noexcept;

// sync_batch_norm.cpp
TX_API int tx_sync_batch_norm(TxGroup* group, at::Tensor* input, at::Tensor* weight, at::Tensor* bias,
    at::Tensor* running_mean, at::Tensor* running_var, double momentum, double eps, at::Tensor** out) noexcept;

// version.cpp
TX_API int tx_check_version(char** out) noexcept;
