// Counts how often this thread reads a number of a tensor: on a GPU each one waits for the device, and none is allowed
// while a CUDA graph is captured. A CPU reads the same way, so a test without a GPU sees them.
#include "common.h"

#include <ATen/record_function.h>

#include <cstring>
#include <memory>

namespace {

thread_local int64_t reads = 0;

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  if (std::strcmp(function.name(), "aten::_local_scalar_dense") == 0) {
    ++reads;
  }
  return nullptr;
}

}  // namespace

// `*handle` goes to tx_host_reads_end.
TX_API int tx_host_reads_begin(uint64_t* handle) noexcept {
  return tx::guarded([&] {
    reads = 0;
    at::RecordFunctionCallback callback(&count);
    callback.scopes({at::RecordScope::FUNCTION});
    *handle = at::addThreadLocalCallback(callback);
  });
}

TX_API int tx_host_reads_end(uint64_t handle, int64_t* out) noexcept {
  return tx::guarded([&] {
    at::removeCallback(handle);
    *out = reads;
  });
}
