// CUDA opened at run time: libtorch_cuda.so beside the libtorch_cpu.so that is already loaded, and what the driver
// itself says. Nothing here is linked against CUDA.
#include "common.h"

#include <dlfcn.h>

#include <ATen/Version.h>

#include <cstring>

namespace {

std::string libtorch_dir() {
  // Any symbol that libtorch_cpu.so defines tells where it was loaded from.
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&at::show_config), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

}  // namespace

TX_API int tx_libtorch_dir(char** out) noexcept {
  return tx::guarded([&] { *out = tx::copy_string(libtorch_dir()); });
}

// *out is the library's path. RTLD_GLOBAL because its kernels register against symbols of libtorch_cpu and c10.
TX_API int tx_cuda_open(char** out) noexcept {
  return tx::guarded([&] {
    const auto dir = libtorch_dir();
    const auto path = dir.empty() ? std::string("libtorch_cuda.so") : dir + "/libtorch_cuda.so";
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = dlerror();
      throw std::runtime_error(reason == nullptr ? "dlopen failed" : reason);
    }
    *out = tx::copy_string(path);
  });
}

// The driver API, by name: libcuda.so.1 belongs to the driver, not to libtorch.
TX_API int tx_cuda_driver(int* version, int* count, TxCudaDevice* devices, int capacity) noexcept {
  return tx::guarded([&] {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver == nullptr) {
      const char* reason = dlerror();
      throw std::runtime_error(reason == nullptr ? "libcuda.so.1 cannot be opened" : reason);
    }
    const auto symbol = [&](const char* name) {
      void* found = dlsym(driver, name);
      if (found == nullptr) {
        throw std::runtime_error(std::string("libcuda.so.1 has no ") + name);
      }
      return found;
    };
    const auto check = [](int result, const char* what) {
      if (result != 0) {
        throw std::runtime_error(std::string(what) + " returned CUDA error " + std::to_string(result));
      }
    };
    const auto init = reinterpret_cast<int (*)(unsigned)>(symbol("cuInit"));
    const auto get_version = reinterpret_cast<int (*)(int*)>(symbol("cuDriverGetVersion"));
    const auto get_count = reinterpret_cast<int (*)(int*)>(symbol("cuDeviceGetCount"));
    const auto get = reinterpret_cast<int (*)(int*, int)>(symbol("cuDeviceGet"));
    const auto get_name = reinterpret_cast<int (*)(char*, int, int)>(symbol("cuDeviceGetName"));
    const auto get_memory = reinterpret_cast<int (*)(size_t*, int)>(symbol("cuDeviceTotalMem_v2"));
    const auto get_attribute = reinterpret_cast<int (*)(int*, int, int)>(symbol("cuDeviceGetAttribute"));
    check(get_version(version), "cuDriverGetVersion");
    check(init(0), "cuInit");
    check(get_count(count), "cuDeviceGetCount");
    for (int i = 0; i < *count && i < capacity; ++i) {
      int device = 0;
      size_t bytes = 0;
      check(get(&device, i), "cuDeviceGet");
      check(get_name(devices[i].name, sizeof(devices[i].name), device), "cuDeviceGetName");
      check(get_memory(&bytes, device), "cuDeviceTotalMem");
      check(get_attribute(&devices[i].capability_major, 75, device), "cuDeviceGetAttribute");
      check(get_attribute(&devices[i].capability_minor, 76, device), "cuDeviceGetAttribute");
      devices[i].memory_bytes = bytes;
    }
  });
}
