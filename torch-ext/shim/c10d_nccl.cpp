// ProcessGroupNCCL found at run time inside libtorch_cuda.so, without CUDA's or NCCL's headers.
//
// The two constructors are looked up by their mangled names and run on memory of our own, larger than the class. Both
// are pinned to libtorch 2.13.0 (libtorch-check holds the build to that version): there sizeof(ProcessGroupNCCL) is
// 1152 and sizeof(Options) 256. Only what the base classes declare is touched afterward.
#include "c10d.h"
#include "version.h"

#include <dlfcn.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <cstring>
#include <new>
#include <stdexcept>

namespace tx {

namespace {

constexpr const char* kOptionsConstructor = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
constexpr const char* kGroupConstructor =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_"
    "EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE";
static_assert(
    TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 11 && TORCH_VERSION_MINOR <= 13,
    "ProcessGroupNCCL's constructors were checked in libtorch 2.11 to 2.13 only");

constexpr size_t kOptionsBytes = 1024;
constexpr size_t kGroupBytes = 4096;

void* symbol(const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) {
    throw std::runtime_error(
        "NCCL is not available: libtorch_cuda is not loaded, or is not the " TORCH_VERSION " this program was built for");
  }
  return found;
}

// Memory that the class's own virtual destructor gives back through operator delete.
void* zeroed(size_t bytes) {
  void* memory = ::operator new(bytes);
  std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, std::chrono::milliseconds timeout) {
  // The Itanium ABI passes an intrusive_ptr (non-trivial) by the address of a temporary: a pointer to the object's
  // pointer. So the real parameter types are not needed, and the callee does not destroy the temporaries.
  check_version();
  using OptionsConstructor = void (*)(void*, bool);
  using GroupConstructor = void (*)(void*, c10::intrusive_ptr<c10d::Store>*, int, int, void*);
  const auto construct_options = reinterpret_cast<OptionsConstructor>(symbol(kOptionsConstructor));
  const auto construct_group = reinterpret_cast<GroupConstructor>(symbol(kGroupConstructor));

  void* options_memory = zeroed(kOptionsBytes);
  try {
    construct_options(options_memory, /*is_high_priority_stream=*/true);
  } catch (...) {
    ::operator delete(options_memory);
    throw;
  }
  auto options = c10::intrusive_ptr<c10d::Backend::Options>::unsafe_steal_from_new(
      static_cast<c10d::Backend::Options*>(options_memory));
  options->timeout = timeout;

  void* group_memory = zeroed(kGroupBytes);
  auto store_argument = store;
  auto options_argument = options;
  try {
    construct_group(group_memory, &store_argument, rank, size, &options_argument);
  } catch (...) {
    ::operator delete(group_memory);
    throw;
  }
  return c10::intrusive_ptr<c10d::Backend>::unsafe_steal_from_new(static_cast<c10d::Backend*>(group_memory));
}

}  // namespace tx
