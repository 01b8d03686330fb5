// A CUDA graph: a step that is taken down once and launched again with one call. Nothing is linked against CUDA.
//
// libtorch 2.13 has a device-generic at::accelerator::Graph, but its libtorch_cuda registers nothing there (nor does
// 2.12's; 2.11 has none). So the members of at::cuda::CUDAGraph are looked up by their mangled names, which are the same
// in 2.11, 2.12 and 2.13, and run on memory of our own, larger than the class: its last member ends before byte 352 in
// 2.13 and earlier in the others. Streams and events are c10's device-generic ones.
#include "common.h"
#include "version.h"

#include <c10/core/Allocator.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>

#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>

namespace {

static_assert(
    TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 11 && TORCH_VERSION_MINOR <= 13,
    "CUDAGraph's members were checked in libtorch 2.11 to 2.13 only");

constexpr size_t kGraphBytes = 2048;
// cudaStreamCaptureModeGlobal, what torch.cuda.graph takes: what must not run within a capture is an error in any thread.
constexpr int kGlobalMode = 0;

template <class Function>
Function member(const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) {
    throw std::runtime_error(
        "CUDA graphs are not available: libtorch_cuda is not loaded, or is not the " TORCH_VERSION
        " this program was built for");
  }
  return reinterpret_cast<Function>(found);
}

}  // namespace

struct TxGraph {
  using Plain = void (*)(void*);

  void (*construct)(void*, bool) = member<void (*)(void*, bool)>("_ZN2at4cuda9CUDAGraphC1Eb");
  Plain destroy = member<Plain>("_ZN2at4cuda9CUDAGraphD1Ev");
  // MempoolId_t is a pair of integers, which goes in registers.
  void (*begin)(void*, c10::MempoolId_t, int) = member<void (*)(void*, c10::MempoolId_t, int)>(
      "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode");
  Plain end = member<Plain>("_ZN2at4cuda9CUDAGraph11capture_endEv");
  Plain replay = member<Plain>("_ZN2at4cuda9CUDAGraph6replayEv");

  c10::impl::VirtualGuardImpl device{c10::DeviceType::CUDA};
  // Captures are refused on the default stream.
  c10::Stream side;
  std::optional<c10::Stream> before;
  void* graph = nullptr;
  // libtorch's allocator may still point to a graph whose capture did not end: it is never freed then.
  bool is_abandoned = false;

  explicit TxGraph(int index)
      : side(device.getStreamFromGlobalPool(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)))) {
    graph = ::operator new(kGraphBytes);
    std::memset(graph, 0, kGraphBytes);
    try {
      construct(graph, /*keep_graph=*/false);
    } catch (...) {
      ::operator delete(graph);
      throw;
    }
  }

  ~TxGraph() noexcept(false) {
    if (!is_abandoned) {
      destroy(graph);
      ::operator delete(graph);
    }
  }

  // What is queued on `later` from here on waits, on the device, for what is queued on `earlier`.
  static void wait(const c10::Stream& later, const c10::Stream& earlier) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(earlier);
    event.block(later);
  }
};

TX_API int tx_graph_new(int device_index, TxGraph** out) noexcept {
  return tx::guarded([&] {
    tx::check_version();
    *out = new TxGraph(device_index);
  });
}

TX_API void tx_graph_free(TxGraph* graph) noexcept {
  tx::guarded([&] { delete graph; });
}

// Everything that this thread, and backward behind it, does until tx_graph_end is taken down and not done.
TX_API int tx_graph_begin(TxGraph* graph) noexcept {
  return tx::guarded([&] {
    const auto current = graph->device.getStream(graph->side.device());
    TxGraph::wait(graph->side, current);
    graph->device.exchangeStream(graph->side);
    graph->before = current;
    try {
      graph->begin(graph->graph, c10::MempoolId_t{0, 0}, kGlobalMode);
    } catch (...) {
      graph->is_abandoned = true;
      graph->device.exchangeStream(current);
      throw;
    }
  });
}

// `keep` 0: what was taken down failed half-way and is thrown away.
TX_API int tx_graph_end(TxGraph* graph, int keep) noexcept {
  return tx::guarded([&] {
    TORCH_CHECK(graph->before.has_value(), "no capture has begun");
    const auto before = *graph->before;
    graph->before.reset();
    try {
      graph->end(graph->graph);
    } catch (...) {
      graph->is_abandoned = true;
      graph->device.exchangeStream(before);
      if (keep != 0) {
        throw;
      }
      return;
    }
    graph->device.exchangeStream(before);
    TxGraph::wait(before, graph->side);
  });
}

// On the current stream.
TX_API int tx_graph_replay(TxGraph* graph) noexcept {
  return tx::guarded([&] { graph->replay(graph->graph); });
}
