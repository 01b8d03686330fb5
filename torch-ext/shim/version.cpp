#include "version.h"

#include "common.h"

#include <stdexcept>

// Exported by libtorch_cpu since 2.9: major, minor and patch in the three highest bytes.
extern "C" uint64_t aoti_torch_abi_version();

namespace tx {

namespace {

std::string text(uint64_t version) {
  const auto part = [&](int shift) { return std::to_string(version >> shift & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

}  // namespace

void check_version() {
  constexpr uint64_t kBuilt = TORCH_ABI_VERSION;
  const uint64_t loaded = aoti_torch_abi_version();
  if (kBuilt >> 40 != loaded >> 40) {
    throw std::runtime_error("expected libtorch " + text(kBuilt) + ", got " + text(loaded));
  }
}

}  // namespace tx

TX_API int tx_check_version(char** out) noexcept {
  return tx::guarded([&] {
    tx::check_version();
    *out = tx::copy_string(TORCH_VERSION);
  });
}
