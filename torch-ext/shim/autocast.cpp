// Autocast state of the calling thread. The guard's order of calls lives in Rust (src/autocast.rs).
#include "common.h"

#include <ATen/autocast_mode.h>

TX_API int tx_autocast_get(int device_type, int* enabled, int* dtype) noexcept {
  return tx::guarded([&] {
    const auto device = static_cast<at::DeviceType>(device_type);
    *enabled = at::autocast::is_autocast_enabled(device) ? 1 : 0;
    *dtype = static_cast<int>(at::autocast::get_autocast_dtype(device));
  });
}

TX_API int tx_autocast_set(int device_type, int enabled, int dtype) noexcept {
  return tx::guarded([&] {
    const auto device = static_cast<at::DeviceType>(device_type);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(dtype));
    at::autocast::set_autocast_enabled(device, enabled != 0);
  });
}

TX_API int tx_autocast_enter_nesting() noexcept {
  return tx::guarded([] { at::autocast::increment_nesting(); });
}

// The outermost guard drops the cached low-precision copies of the weights, as torch.autocast does.
TX_API int tx_autocast_leave_nesting() noexcept {
  return tx::guarded([] {
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
    }
  });
}
