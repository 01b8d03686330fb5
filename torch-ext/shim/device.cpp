// The current accelerator through `at::accelerator`, which needs no libtorch_cuda at link time; CPU capabilities.
#include "common.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/cpu/Utils.h>
#include <c10/core/GradMode.h>

#include <optional>

TX_API int tx_device_count(int* out) noexcept {
  return tx::guarded([&] {
    *out = at::accelerator::getAccelerator(/*checked=*/false).has_value() ? at::accelerator::deviceCount() : 0;
  });
}

TX_API int tx_set_device(int index) noexcept {
  return tx::guarded([&] { at::accelerator::setDeviceIndex(static_cast<c10::DeviceIndex>(index)); });
}

TX_API int tx_synchronize(int index) noexcept {
  return tx::guarded([&] { at::accelerator::synchronizeDevice(static_cast<c10::DeviceIndex>(index)); });
}

// out: allocated now, allocated peak, reserved now, reserved peak, allocation retries, out-of-memory events.
TX_API int tx_memory_stats(int index, int64_t out[6]) noexcept {
  return tx::guarded([&] {
    const auto stats = at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    const auto& allocated = stats.allocated_bytes[0];
    const auto& reserved = stats.reserved_bytes[0];
    out[0] = allocated.current;
    out[1] = allocated.peak;
    out[2] = reserved.current;
    out[3] = reserved.peak;
    out[4] = stats.num_alloc_retries;
    out[5] = stats.num_ooms;
  });
}

// A CPU's allocator keeps nothing that could be given back.
TX_API int tx_empty_cache() noexcept {
  return tx::guarded([&] {
    if (at::accelerator::getAccelerator(/*checked=*/false).has_value()) {
      at::accelerator::emptyCache();
    }
  });
}

// *out[i] is a new tensor on the CPU. One wait for all: a copy from pageable memory would wait for each.
TX_API int tx_to_host(at::Tensor* const* tensors, size_t count, at::Tensor** out) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> copies;
    copies.reserve(count);
    std::optional<c10::DeviceIndex> device;
    for (size_t i = 0; i < count; ++i) {
      const auto dense = tensors[i]->detach().contiguous();
      if (dense.is_cpu()) {
        copies.push_back(dense);
        continue;
      }
      const bool pinned = dense.is_cuda();
      auto host = at::empty(dense.sizes(), dense.options().device(at::kCPU).pinned_memory(pinned));
      host.copy_(dense, /*non_blocking=*/pinned);
      if (pinned) {
        device = dense.device().index();
      }
      copies.push_back(std::move(host));
    }
    if (device.has_value()) {
      at::accelerator::synchronizeDevice(*device);
    }
    for (size_t i = 0; i < count; ++i) {
      out[i] = new at::Tensor(std::move(copies[i]));
    }
  });
}

// 1: yes, 0: no, -1: libtorch does not report this capability here.
TX_API int tx_cpu_has(const char* capability, int* out) noexcept {
  return tx::guarded([&] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto found = capabilities.find(capability);
    *out = found == capabilities.end() || !found->second.isBool() ? -1 : (found->second.toBool() ? 1 : 0);
  });
}
