// c10d::Reducer, the engine of DistributedDataParallel: gradients go into buckets, and a bucket's all-reduce starts
// while backward is still computing the next. The order of calls follows torch/nn/parallel/distributed.py.
#include "c10d.h"

#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace {

// oneDNN gives the gradients of 1x1 kernels strides that differ only where a dimension is 1, which the reducer takes for
// another layout and reports on every rank. Other warnings go their usual way.
class QuietAboutUnitStrides : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().rfind("Grad strides do not match bucket view strides", 0) != 0) {
      c10::WarningHandler::process(warning);
    }
  }
};

}  // namespace

struct TxReducer {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::shared_ptr<c10d::Reducer> reducer;
  std::shared_ptr<c10d::Logger> logger;
  bool find_unused;

  ~TxReducer() noexcept(false) {
    logger.reset();
    reducer->remove_autograd_hooks();
    reducer.reset();
  }
};

TX_API int tx_reducer_new(
    TxGroup* group, at::Tensor* const* params, size_t count, int64_t bucket_bytes, int64_t first_bucket_bytes,
    int find_unused, int gradient_as_bucket_view, int device_index, TxReducer** out) noexcept {
  return tx::guarded([&] {
    const auto list = tx::list(params, count);
    const std::vector<bool> dense(count, false);
    c10d::verify_params_across_processes(group->group, list, std::nullopt);
    // Without unused parameters everything starts in one bucket, and the real assignment follows the order in which
    // gradients arrive in the first step (rebuild_buckets).
    const std::vector<size_t> sizes = find_unused != 0
        ? std::vector<size_t>{static_cast<size_t>(first_bucket_bytes), static_cast<size_t>(bucket_bytes)}
        : std::vector<size_t>{std::numeric_limits<size_t>::max()};
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(list, sizes, dense));
    std::reverse(buckets.begin(), buckets.end());
    auto reducer = std::make_shared<c10d::Reducer>(
        list, std::move(buckets), group->group, dense, bucket_bytes, find_unused != 0, gradient_as_bucket_view != 0,
        std::unordered_map<size_t, std::string>{}, first_bucket_bytes, /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false, std::vector<int64_t>{first_bucket_bytes, bucket_bytes});
    auto logger = std::make_shared<c10d::Logger>(reducer);
    reducer->set_logger(logger);
    logger->set_construction_data_and_log(
        "model", device_index >= 0 ? std::vector<int>{device_index} : std::vector<int>{}, device_index,
        /*broadcast_buffers=*/true, /*has_sync_bn=*/false, /*static_graph=*/false);
    *out = new TxReducer{group->group, std::move(reducer), std::move(logger), find_unused != 0};
  });
}

TX_API void tx_reducer_free(TxReducer* reducer) noexcept {
  tx::guarded([&] { delete reducer; });
}

// Also where an unfinished reduction of the previous step shows: a parameter that got no gradient.
TX_API int tx_reducer_before_forward(TxReducer* reducer) noexcept {
  return tx::guarded([&] {
    reducer->logger->set_runtime_stats_and_log();
    reducer->reducer->prepare_for_forward();
    reducer->reducer->rebuild_buckets();
  });
}

TX_API int tx_reducer_before_backward(TxReducer* reducer, at::Tensor* loss) noexcept {
  return tx::guarded([&] {
    // The handler belongs to the thread, and so does the backward pass on a CPU.
    static QuietAboutUnitStrides quiet;
    c10::WarningUtils::set_warning_handler(&quiet);
    std::vector<at::Tensor> outputs;
    if (reducer->find_unused) {
      outputs.push_back(*loss);
    }
    reducer->reducer->prepare_for_backward(outputs);
  });
}

// Throws when the last backward left a bucket unreduced.
TX_API int tx_reducer_check_finished(TxReducer* reducer) noexcept {
  return tx::guarded([&] { reducer->reducer->check_finalized(); });
}

// out, nanoseconds on average over the sampled steps: forward, backward compute, communication, overlap of the two;
// then the number of buckets. Sampled at the steps that c10d's logger samples (the first ten, then every hundredth).
TX_API int tx_reducer_stats(TxReducer* reducer, int64_t out[5]) noexcept {
  return tx::guarded([&] {
    const auto data = reducer->logger->get_ddp_logging_data();
    const auto value = [&](const char* key) {
      const auto found = data.ints_map.find(key);
      return found == data.ints_map.end() ? int64_t{0} : static_cast<int64_t>(found->second);
    };
    out[0] = value("avg_forward_compute_time");
    out[1] = value("avg_backward_compute_time");
    out[2] = value("avg_backward_comm_time");
    out[3] = value("avg_backward_compute_comm_overlap_time");
    out[4] = static_cast<int64_t>(reducer->logger->get_bucket_sizes().size());
  });
}
