#include "common.h"

#include <cstdlib>
#include <cstring>

namespace tx {

static thread_local std::string last_error;

void set_error(const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();
  }
}

char* copy_string(const std::string& text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out != nullptr) {
    std::memcpy(out, text.c_str(), text.size() + 1);
  }
  return out;
}

}  // namespace tx

// Valid until the next failing call on this thread.
TX_API const char* tx_last_error() noexcept { return tx::last_error.c_str(); }

TX_API void tx_free_string(char* text) noexcept { std::free(text); }
