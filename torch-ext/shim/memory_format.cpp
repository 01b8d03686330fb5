// channels_last (NHWC in memory, NCHW in shape), which tch cannot ask for.
#include "common.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

// In place, keeping the variable's identity. `contiguous(ChannelsLast)` alone leaves 1x1 kernels as they are (their
// strides are ambiguous), and a reducer's bucket views then disagree with the gradients; so the data are copied into
// fresh memory of the wanted strides.
TX_API int tx_set_channels_last(at::Tensor* tensor) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (tensor->dim() != 4) {
      return;
    }
    auto data = at::empty_like(*tensor, tensor->options().requires_grad(false), at::MemoryFormat::ChannelsLast);
    data.copy_(*tensor);
    tensor->set_data(data);
  });
}

TX_API int tx_channels_last(at::Tensor* tensor, at::Tensor** out) noexcept {
  return tx::guarded([&] { *out = new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast)); });
}
