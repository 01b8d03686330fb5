// Process-wide numeric switches of at::globalContext().
#include "common.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <cstdlib>

TX_API int tx_set_deterministic(int enabled, int warn_only) noexcept {
  return tx::guarded([&] {
    if (enabled != 0) {
      // cuBLAS reads it when it is first used; a value of the user's own stays.
      setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    }
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(enabled != 0, warn_only != 0);
    context.setDeterministicCuDNN(enabled != 0);
    context.setDeterministicMkldnn(enabled != 0);
    // Would fill every `empty` with NaN; it finds bugs but costs time, and no code here reads uninitialized memory.
    context.setDeterministicFillUninitializedMemory(false);
    if (enabled != 0) {
      context.setBenchmarkCuDNN(false);
    }
  });
}

TX_API int tx_set_cudnn_benchmark(int enabled) noexcept {
  return tx::guarded([&] { at::globalContext().setBenchmarkCuDNN(enabled != 0); });
}

// 0: IEEE everywhere; 1: TF32 for CUDA matmul and convolution; 2: also bf16 inside oneDNN's fp32 kernels on the CPU.
TX_API int tx_set_float32_precision(int level) noexcept {
  return tx::guarded([&] {
    auto& context = at::globalContext();
    const auto cuda = level >= 1 ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    const auto cpu = level >= 2 ? at::Float32Precision::BF16 : at::Float32Precision::IEEE;
    for (const auto op : {at::Float32Op::MATMUL, at::Float32Op::CONV}) {
      context.setFloat32Precision(at::Float32Backend::CUDA, op, cuda);
      context.setFloat32Precision(at::Float32Backend::MKLDNN, op, cpu);
    }
  });
}

TX_API int tx_set_flush_denormal(int enabled, int* supported) noexcept {
  return tx::guarded([&] { *supported = at::globalContext().setFlushDenormal(enabled != 0) ? 1 : 0; });
}

TX_API int tx_set_num_threads(int threads) noexcept {
  return tx::guarded([&] { at::set_num_threads(threads); });
}

TX_API int tx_num_threads(int* out) noexcept {
  return tx::guarded([&] { *out = at::get_num_threads(); });
}

TX_API int tx_cpu_capability(char** out) noexcept {
  return tx::guarded([&] { *out = tx::copy_string(at::get_cpu_capability()); });
}
