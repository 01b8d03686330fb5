// What every file of the shim shares: the C ABI's conventions.
//
// A function returns 0, or 1 after storing the exception's text in a thread-local string that `tx_last_error` reads.
// No exception ever crosses into Rust. `at::Tensor*` is what tch calls `*mut C_tensor`: borrowed for the call, never
// freed here; a tensor that is returned is `new at::Tensor`, and Rust's `tch::Tensor` frees it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "shim.h"

#include <exception>
#include <string>
#include <vector>

namespace tx {

void set_error(const char* message) noexcept;

template <class F>
int guarded(F&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const c10::Error& error) {
    set_error(error.what_without_backtrace());
  } catch (const std::exception& error) {
    set_error(error.what());
  } catch (...) {
    set_error("unknown C++ exception");
  }
  return 1;
}

inline std::vector<at::Tensor> list(at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    out.push_back(*tensors[i]);
  }
  return out;
}

// `malloc`ed copy of a string; Rust hands it back to `tx_free_string`.
char* copy_string(const std::string& text);

}  // namespace tx
