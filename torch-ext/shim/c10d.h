// The handles that Rust owns: a store, a process group, a collective under way, a reducer. Each is freed once, by its own `tx_*_free`.
#pragma once

#include "common.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

struct TxStore {
  c10::intrusive_ptr<c10d::Store> store;
  int port = 0;
};

struct TxGroup {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  at::DeviceType device;
  std::chrono::milliseconds timeout;
};

// The tensor is kept until the collective is done, whoever lets go of it first.
struct TxWork {
  c10::intrusive_ptr<c10d::Work> work;
  at::Tensor tensor;
};

namespace tx {

// ProcessGroupNCCL without its headers (c10d_nccl.cpp).
c10::intrusive_ptr<c10d::Backend> make_nccl(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, std::chrono::milliseconds timeout);

}  // namespace tx
