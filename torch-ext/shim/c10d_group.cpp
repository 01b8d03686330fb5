// Process groups and the collectives on tensors. Every collective but tx_all_reduce_start waits for its end, so an
// error comes back from the call that met it.
#include "c10d.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>

// `host` empty: the address of this machine's host name (or GLOO_SOCKET_IFNAME's), as PyTorch does.
TX_API int tx_group_gloo(TxStore* store, int rank, int size, const char* host, const char* interface, int threads,
                         int64_t timeout_ms, TxGroup** out) noexcept {
  return tx::guarded([&] {
    const auto timeout = std::chrono::milliseconds(timeout_ms);
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->threads = threads;
    if (interface[0] != '\0') {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
    } else if (host[0] != '\0') {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(host));
    } else {
      options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    }
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>("gloo", store->store);
    auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed, rank, size, std::move(options));
    auto group = c10::make_intrusive<c10d::ProcessGroup>(prefixed, rank, size);
    group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, backend);
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    *out = new TxGroup{std::move(group), at::kCPU, timeout};
  });
}

TX_API int tx_group_nccl(TxStore* store, int rank, int size, int64_t timeout_ms, TxGroup** out) noexcept {
  return tx::guarded([&] {
    const auto timeout = std::chrono::milliseconds(timeout_ms);
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>("nccl", store->store);
    auto backend = tx::make_nccl(prefixed, rank, size, timeout);
    auto group = c10::make_intrusive<c10d::ProcessGroup>(prefixed, rank, size);
    group->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, backend);
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
    *out = new TxGroup{std::move(group), at::kCUDA, timeout};
  });
}

TX_API void tx_group_free(TxGroup* group) noexcept {
  tx::guarded([&] { delete group; });
}

TX_API int tx_group_shutdown(TxGroup* group) noexcept {
  return tx::guarded([&] { group->group->shutdown(); });
}

// The number of collectives that this rank has started on the group.
TX_API int tx_group_sequence_number(TxGroup* group, uint64_t* out) noexcept {
  return tx::guarded([&] { *out = group->group->getDefaultBackend()->getSequenceNumberForGroup(); });
}

TX_API int tx_group_abort(TxGroup* group) noexcept {
  return tx::guarded([&] { group->group->abort(); });
}

// op: 0 sum, 1 min, 2 max, 3 mean (by sum and division, which Gloo has not as one).
TX_API int tx_all_reduce(TxGroup* group, at::Tensor* tensor, int op) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    c10d::AllreduceOptions options;
    options.reduceOp = op == 1 ? c10d::ReduceOp::MIN : op == 2 ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
    options.timeout = group->timeout;
    auto dense = tensor->detach().contiguous();
    std::vector<at::Tensor> tensors{dense};
    group->group->allreduce(tensors, options)->wait();
    if (op == 3) {
      dense.div_(group->group->getSize());
    }
    if (dense.const_data_ptr() != tensor->const_data_ptr()) {
      tensor->detach().copy_(dense);
    }
  });
}

// A sum in place, under way when this returns. `tensor` must be dense; it is read again after tx_work_wait.
TX_API int tx_all_reduce_start(TxGroup* group, at::Tensor* tensor, TxWork** out) noexcept {
  return tx::guarded([&] {
    TORCH_CHECK(tensor->is_contiguous(), "expected a contiguous tensor");
    c10d::AllreduceOptions options;
    options.timeout = group->timeout;
    auto detached = tensor->detach();
    std::vector<at::Tensor> tensors{detached};
    auto work = group->group->allreduce(tensors, options);
    *out = new TxWork{std::move(work), std::move(detached)};
  });
}

TX_API int tx_work_wait(TxWork* work) noexcept {
  return tx::guarded([&] { work->work->wait(); });
}

TX_API void tx_work_free(TxWork* work) noexcept {
  tx::guarded([&] { delete work; });
}

TX_API int tx_broadcast(TxGroup* group, at::Tensor* const* tensors, size_t count, int root) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    if (count > 0) {
      auto list = tx::list(tensors, count);
      for (auto& tensor : list) {
        tensor = tensor.detach();
      }
      // As DistributedDataParallel: coalesced by dtype into chunks of 250 MiB.
      c10d::broadcast_coalesced(group->group, list, size_t{250} << 20, root);
    }
  });
}

// `out` is [size, ...shape of the input], contiguous.
TX_API int tx_all_gather(TxGroup* group, at::Tensor* input, at::Tensor** out) noexcept {
  return tx::guarded([&] {
    c10::NoGradGuard no_grad;
    auto dense = input->detach().contiguous();
    std::vector<at::Tensor> parts;
    for (int i = 0; i < group->group->getSize(); ++i) {
      parts.push_back(at::empty_like(dense));
    }
    std::vector<std::vector<at::Tensor>> outputs{parts};
    std::vector<at::Tensor> inputs{dense};
    c10d::AllgatherOptions options;
    options.timeout = group->timeout;
    group->group->allgather(outputs, inputs, options)->wait();
    *out = new at::Tensor(at::stack(outputs[0]));
  });
}

TX_API int tx_barrier(TxGroup* group) noexcept {
  return tx::guarded([&] {
    c10d::BarrierOptions options;
    options.timeout = group->timeout;
    options.device = at::Device(group->device);
    group->group->barrier(options)->wait();
  });
}
