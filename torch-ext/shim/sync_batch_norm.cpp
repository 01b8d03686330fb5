// Batch normalization over the batches of all processes (torch.nn.SyncBatchNorm): one all-reduce of sums in forward,
// one in backward. Written with plain operators, so the same code serves CPU and CUDA.
#include "c10d.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

void all_reduce_sum(const c10::intrusive_ptr<c10d::ProcessGroup>& group, at::Tensor& tensor) {
  std::vector<at::Tensor> tensors{tensor};
  group->allreduce(tensors)->wait();
}

std::vector<int64_t> all_but_channels(const at::Tensor& input) {
  std::vector<int64_t> dims{0};
  for (int64_t d = 2; d < input.dim(); ++d) {
    dims.push_back(d);
  }
  return dims;
}

// f64 sums on a CPU, as its own batch norm takes them; a GPU's f32 reductions are trees and precise enough.
at::ScalarType sum_type(const at::Tensor& input) {
  return input.is_cpu() ? at::kDouble : at::kFloat;
}

at::Tensor per_channel(const at::Tensor& values, const at::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[1] = values.numel();
  return values.view(shape);
}

class SyncBatchNorm : public torch::autograd::Function<SyncBatchNorm> {
 public:
  static Variable forward(
      AutogradContext* context, const Variable& input, const Variable& weight, const Variable& bias,
      const at::Tensor& running_mean, const at::Tensor& running_var, double momentum, double eps,
      c10::intrusive_ptr<c10d::ProcessGroup> group) {
    const auto dims = all_but_channels(input);
    const auto channels = input.size(1);
    // In double: E[x^2] - E[x]^2 over a global batch loses too many digits in f32. One number per channel, so cheap.
    const auto x = input.to(at::kFloat);
    const double local_count = static_cast<double>(input.numel() / channels);
    const auto local_mean = x.mean(dims, /*keepdim=*/false, sum_type(x)).to(at::kDouble);
    const auto local_squares = x.var(dims, /*unbiased=*/false).to(at::kDouble) + local_mean * local_mean;
    auto sums = at::cat(
        {local_mean * local_count, local_squares * local_count, at::full({1}, local_count, local_mean.options())});
    all_reduce_sum(group, sums);
    const auto count = sums.slice(0, 2 * channels, 2 * channels + 1);
    const auto mean = sums.slice(0, 0, channels) / count;
    const auto variance = (sums.slice(0, channels, 2 * channels) / count - mean * mean).clamp_min(0);
    const auto inverse = (variance + eps).rsqrt();
    if (running_mean.defined()) {
      const auto unbiased = variance * (count / (count - 1).clamp_min(1));
      running_mean.lerp_(mean.to(running_mean.scalar_type()), momentum);
      running_var.lerp_(unbiased.to(running_var.scalar_type()), momentum);
    }
    const auto mean32 = mean.to(at::kFloat);
    const auto inverse32 = inverse.to(at::kFloat);
    const auto scale = weight * inverse32;
    const auto shift = bias - mean32 * scale;
    const auto output = at::addcmul(per_channel(shift, x), x, per_channel(scale, x)).to(input.scalar_type());
    context->save_for_backward({input, weight, mean32, inverse32, count});
    context->saved_data["group"] = c10::IValue::make_capsule(std::move(group));
    return output;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &input = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3], &count = saved[4];
    const auto group = 
        c10::static_intrusive_pointer_cast<c10d::ProcessGroup>(context->saved_data["group"].toCapsule());
    const auto dims = all_but_channels(input);
    const auto channels = input.size(1);
    const auto dy = grads[0].to(at::kFloat);
    const auto normalized =
        (input.to(at::kFloat) - per_channel(mean, input)) * per_channel(inverse, input);
    const auto grad_bias = dy.sum(dims, /*keepdim=*/false, sum_type(dy));
    const auto grad_weight = (dy * normalized).sum(dims, /*keepdim=*/false, sum_type(dy));
    // The parameters' gradients stay local (the reducer averages them); the input's needs the global sums.
    auto sums = at::cat({grad_bias, grad_weight});
    all_reduce_sum(group, sums);
    const auto mean_dy = (sums.slice(0, 0, channels) / count).to(at::kFloat);
    const auto mean_dy_x = (sums.slice(0, channels, 2 * channels) / count).to(at::kFloat);
    const auto grad_input = (dy - per_channel(mean_dy, input) - normalized * per_channel(mean_dy_x, input)) *
        per_channel(weight * inverse, input);
    return {grad_input.to(input.scalar_type()), grad_weight.to(at::kFloat), grad_bias.to(at::kFloat), Variable(), Variable(), Variable(), Variable(),
            Variable()};
  }
};

}  // namespace

TX_API int tx_sync_batch_norm(
    TxGroup* group, at::Tensor* input, at::Tensor* weight, at::Tensor* bias, at::Tensor* running_mean,
    at::Tensor* running_var, double momentum, double eps, at::Tensor** out) noexcept {
  return tx::guarded([&] {
    TORCH_CHECK(input->dim() >= 2, "expected an input [N, C, ...], got ", input->sizes());
    *out = new at::Tensor(SyncBatchNorm::apply(
        *input, *weight, *bias, *running_mean, *running_var, momentum, eps, group->group));
  });
}
