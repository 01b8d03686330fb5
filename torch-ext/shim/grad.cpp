// Backward from outputs whose gradients are known, and the state of a device's random numbers: what computing
// activations anew takes.
#include "common.h"

#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>

#include <mutex>

namespace {

at::Generator generator(int device_type, int index) {
  const auto type = static_cast<at::DeviceType>(device_type);
  return at::globalContext().defaultGenerator(c10::Device(type, static_cast<c10::DeviceIndex>(index)));
}

}  // namespace

TX_API int tx_backward(at::Tensor* const* outputs, at::Tensor* const* gradients, size_t count) noexcept {
  return tx::guarded([&] { torch::autograd::backward(tx::list(outputs, count), tx::list(gradients, count)); });
}

TX_API int tx_random_state(int device_type, int index, at::Tensor** out) noexcept {
  return tx::guarded([&] {
    auto numbers = generator(device_type, index);
    std::lock_guard<std::mutex> lock(numbers.mutex());
    *out = new at::Tensor(numbers.get_state());
  });
}

TX_API int tx_set_random_state(int device_type, int index, at::Tensor* state) noexcept {
  return tx::guarded([&] {
    auto numbers = generator(device_type, index);
    std::lock_guard<std::mutex> lock(numbers.mutex());
    numbers.set_state(*state);
  });
}
