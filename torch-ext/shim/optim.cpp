// Fused and foreach kernels that tch does not generate, gradients' housekeeping, the loss scaler's two kernels.
#include "common.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>
#include <optional>

namespace {

// The fused kernels walk raw memory, so a gradient must lie in memory as its parameter does.
bool same_order(const at::Tensor& a, const at::Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) {
      return false;
    }
  }
  return true;
}

void check_state(const at::Tensor& param, const at::Tensor& state, const char* what) {
  TORCH_CHECK(param.sizes() == state.sizes(), what, " has shape ", state.sizes(), ", its parameter ", param.sizes());
  TORCH_CHECK(
      same_order(param, state), what, " of shape ", state.sizes(), " has strides ", state.strides(),
      ", its parameter ", param.strides(), "; make it with empty_like/zeros_like after changing the memory format");
}

std::vector<at::Tensor> gradients_like(const std::vector<at::Tensor>& params, std::vector<at::Tensor> grads) {
  TORCH_CHECK(params.size() == grads.size(), params.size(), " parameters but ", grads.size(), " gradients");
  for (size_t i = 0; i < params.size(); ++i) {
    const auto& param = params[i];
    TORCH_CHECK(grads[i].defined(), "parameter ", i, " of shape ", param.sizes(), " has no gradient");
    TORCH_CHECK(param.is_non_overlapping_and_dense(), "parameter ", i, " is not dense in memory");
    TORCH_CHECK(
        grads[i].sizes() == param.sizes(), "gradient ", i, " has shape ", grads[i].sizes(), ", its parameter ", param.sizes());
    if (!same_order(param, grads[i])) {
      grads[i] = at::empty_like(param, grads[i].options()).copy_(grads[i]);
    }
  }
  return grads;
}

void check_rate(const std::vector<at::Tensor>& params, const at::Tensor& rate) {
  // CUDA's kernels read it as a float behind a pointer.
  TORCH_CHECK(
      rate.numel() == 1 && rate.scalar_type() == at::kFloat && rate.device() == params[0].device(),
      "expected a learning rate of one f32 on ", params[0].device(), ", got ", rate.scalar_type(), " of shape ", rate.sizes(),
      " on ", rate.device());
}

std::optional<at::Tensor> optional(at::Tensor* tensor) {
  return tensor == nullptr ? std::nullopt : std::optional<at::Tensor>(*tensor);
}

}  // namespace

// `rate` (1 element, f32, on the parameters' device) stands in the place of `lr` where it is not null: a step that is taken
// down once and replayed reads it anew.
TX_API int tx_fused_sgd(
    at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* momentum, size_t count, size_t momentum_count,
    double lr, double momentum_factor, double dampening, double weight_decay, int nesterov, int first_step,
    at::Tensor* grad_scale, at::Tensor* found_inf, at::Tensor* rate) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (count == 0) {
      return;
    }
    const auto p = tx::list(params, count);
    const auto g = gradients_like(p, tx::list(grads, count));
    const auto m = tx::list(momentum, momentum_count);
    for (size_t i = 0; i < m.size(); ++i) {
      check_state(p[i], m[i], "a momentum buffer");
    }
    const auto step = [&](const auto& by) {
      at::_fused_sgd_(
          p, g, m, weight_decay, momentum_factor, by, dampening, nesterov != 0, /*maximize=*/false, first_step != 0,
          optional(grad_scale), optional(found_inf));
    };
    if (rate != nullptr) {
      check_rate(p, *rate);
      step(*rate);
    } else {
      step(lr);
    }
  });
}

TX_API int tx_fused_adamw(
    at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* exp_avgs, at::Tensor* const* exp_avg_sqs,
    at::Tensor* const* steps, size_t count, double lr, double beta1, double beta2, double weight_decay, double eps,
    at::Tensor* grad_scale, at::Tensor* found_inf, at::Tensor* rate) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (count == 0) {
      return;
    }
    const auto p = tx::list(params, count);
    const auto g = gradients_like(p, tx::list(grads, count));
    const auto m = tx::list(exp_avgs, count);
    const auto v = tx::list(exp_avg_sqs, count);
    for (size_t i = 0; i < count; ++i) {
      check_state(p[i], m[i], "exp_avg");
      check_state(p[i], v[i], "exp_avg_sq");
    }
    const auto s = tx::list(steps, count);
    at::_foreach_add_(s, 1);
    const auto step = [&](const auto& by) {
      at::_fused_adamw_(
          p, g, m, v, /*max_exp_avg_sqs=*/{}, s, by, beta1, beta2, weight_decay, eps, /*amsgrad=*/false,
          /*maximize=*/false, optional(grad_scale), optional(found_inf));
    };
    if (rate != nullptr) {
      check_rate(p, *rate);
      step(*rate);
    } else {
      step(lr);
    }
    if (found_inf != nullptr) {
      // A skipped step does not count, as in torch.optim.AdamW(fused=True).
      at::_foreach_sub_(s, std::vector<at::Tensor>(s.size(), *found_inf));
    }
  });
}

TX_API int tx_foreach_lerp(at::Tensor* const* self, at::Tensor* const* end, size_t count, double weight) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    at::_foreach_lerp_(tx::list(self, count), tx::list(end, count), weight);
  });
}

// Overwrites each of `self` with the tensor of `source` in its place.
TX_API int tx_foreach_copy(at::Tensor* const* self, at::Tensor* const* source, size_t count) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    at::_foreach_copy_(tx::list(self, count), tx::list(source, count));
  });
}

// torch.nn.utils.clip_grad_norm_ over the gradients themselves; returns the total norm before clipping (0-d, f32).
TX_API int tx_clip_grad_norm(at::Tensor* const* grads, size_t count, double max_norm, at::Tensor** total) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    TORCH_CHECK(count > 0, "no gradients to clip");
    const auto g = tx::list(grads, count);
    const auto norm = at::stack(at::_foreach_norm(g, 2)).to(at::kFloat).norm(2);
    const auto factor = at::clamp_max(at::reciprocal(norm + 1e-6) * max_norm, 1.0);
    at::_foreach_mul_(g, factor);
    *total = new at::Tensor(norm);
  });
}

// LAMB (You et al. 2019, algorithm 2; bias-corrected, as in timm): one call for the whole parameter group.
TX_API int tx_foreach_lamb(
    at::Tensor* const* params, at::Tensor* const* grads, at::Tensor* const* exp_avgs, at::Tensor* const* exp_avg_sqs,
    size_t count, int64_t step, double lr, double beta1, double beta2, double eps, double weight_decay,
    int trust_ratio) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (count == 0) {
      return;
    }
    TORCH_CHECK(step >= 1, "LAMB counts steps from 1, got ", step);
    const auto p = tx::list(params, count);
    const auto g = gradients_like(p, tx::list(grads, count));
    const auto m = tx::list(exp_avgs, count);
    const auto v = tx::list(exp_avg_sqs, count);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
    const double correction2 = 1 - std::pow(beta2, static_cast<double>(step));
    auto update = at::_foreach_sqrt(v);
    at::_foreach_mul_(update, 1 / std::sqrt(correction2));
    at::_foreach_add_(update, eps);
    at::_foreach_reciprocal_(update);
    at::_foreach_mul_(update, m);
    at::_foreach_mul_(update, 1 / correction1);
    if (weight_decay != 0) {
      at::_foreach_add_(update, p, weight_decay);
    }
    if (trust_ratio != 0) {
      const auto weight_norms = at::stack(at::_foreach_norm(p, 2));
      const auto update_norms = at::stack(at::_foreach_norm(update, 2));
      const auto ones = at::ones_like(weight_norms);
      const auto ratios = at::where(
          weight_norms.gt(0), at::where(update_norms.gt(0), weight_norms / update_norms, ones), ones);
      at::_foreach_mul_(update, ratios.unbind(0));
    }
    at::_foreach_add_(p, update, -lr);
  });
}

// Divides the gradients by the loss scale in place; `found_inf` (1 element, f32) becomes 1 when one is not finite.
TX_API int tx_non_finite_check_and_unscale(
    at::Tensor* const* grads, size_t count, at::Tensor* found_inf, at::Tensor* inv_scale) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (count > 0) {
      at::_amp_foreach_non_finite_check_and_unscale_(tx::list(grads, count), *found_inf, *inv_scale);
    }
  });
}

TX_API int tx_update_scale(
    at::Tensor* scale, at::Tensor* growth_tracker, at::Tensor* found_inf, double growth_factor, double backoff_factor,
    int64_t growth_interval) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    at::_amp_update_scale_(*scale, *growth_tracker, *found_inf, growth_factor, backoff_factor, growth_interval);
  });
}

// Drops every `.grad`. Unlike zeroing it works on gradients that are views into a reducer's bucket, and frees memory.
TX_API int tx_reset_grads(at::Tensor* const* params, size_t count) noexcept {
  return tx::guarded([&] {
    for (size_t i = 0; i < count; ++i) {
      params[i]->mutable_grad().reset();
    }
  });
}

// The largest magnitude of each tensor keeps an infinity and a NaN, and overflows nowhere (a sum of squares would).
TX_API int tx_all_finite(at::Tensor* const* tensors, size_t count, int* out) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    const auto norms = at::_foreach_norm(tx::list(tensors, count), std::numeric_limits<double>::infinity());
    *out = at::isfinite(at::stack(norms)).all().item<bool>() ? 1 : 0;
  });
}
