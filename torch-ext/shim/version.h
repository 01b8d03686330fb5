// The libtorch of the headers and the one that is loaded: the same, or nothing here may be trusted.
#pragma once

#include <torch/headeronly/version.h>

namespace tx {

// Throws where the loaded libtorch is another version than the headers'.
void check_version();

}  // namespace tx
