// glibc's allocator, told to keep the memory of one training step for the next.
#include "common.h"

#include <ATen/ATen.h>

#include <cstring>

#if defined(__GLIBC__)
#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#endif

// By default glibc maps each large tensor afresh and unmaps it when it is dropped, so every step pays for all its pages
// again: the kernel's fault and its zeroing. Here nothing is mapped or trimmed; `reserve` bytes of address space (pages
// come with first use) are asked for at once and marked for huge pages. `*done` stays 0 under another C library.
TX_API int tx_keep_host_memory(size_t reserve, int* done) noexcept {
  return tx::guarded([&] {
    *done = 0;
#if defined(__GLIBC__)
    // -1 is "never": the threshold is unsigned inside.
    if (mallopt(M_MMAP_MAX, 0) == 0 || mallopt(M_TRIM_THRESHOLD, -1) == 0 || mallopt(M_TOP_PAD, 64 << 20) == 0) {
      return;
    }
    *done = 1;
    void* block = reserve == 0 ? nullptr : std::malloc(reserve);
    if (block != nullptr) {
      constexpr uintptr_t kHuge = 2 << 20;
      const auto begin = (reinterpret_cast<uintptr_t>(block) + kHuge - 1) / kHuge * kHuge;
      const auto end = (reinterpret_cast<uintptr_t>(block) + reserve) / kHuge * kHuge;
      if (end > begin) {
        // Only advice: where huge pages are off, ordinary ones come.
        (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
      }
      std::free(block);
    }
#else
    (void)reserve;
#endif
  });
}

// *out is a new u8 (or i64) tensor of one dimension with a copy of `bytes`. Page-locked memory comes from libtorch's caching
// allocator, which gives a block out again only when the copies to the device that read it are done.
TX_API int tx_host_tensor(const uint8_t* bytes, size_t count, int as_i64, int pinned, at::Tensor** out) noexcept {
  return tx::guarded([&] {
    const auto kind = as_i64 != 0 ? at::kLong : at::kByte;
    const auto length = static_cast<int64_t>(as_i64 != 0 ? count / sizeof(int64_t) : count);
    auto tensor = at::empty({length}, at::TensorOptions(kind).pinned_memory(pinned != 0));
    if (count > 0) {
      std::memcpy(tensor.mutable_data_ptr(), bytes, count);
    }
    *out = new at::Tensor(std::move(tensor));
  });
}
