// c10d's key-value store over TCP: the meeting point of the processes.
#include "c10d.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <cstring>

// `workers` 0: nobody is waited for. `port` 0 with `server`: the system chooses one, read it with tx_store_port.
TX_API int tx_store_tcp(
    const char* host, int port, int server, int workers, int64_t timeout_ms, TxStore** out) noexcept {
  return tx::guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(port);
    options.isServer = server != 0;
    if (workers > 0) {
      options.numWorkers = static_cast<std::size_t>(workers);
    }
    options.waitWorkers = workers > 0;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    options.multiTenant = true;
    auto store = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
    const int bound = store->getPort();
    *out = new TxStore{std::move(store), bound};
  });
}

TX_API int tx_store_prefix(const char* prefix, TxStore* store, TxStore** out) noexcept {
  return tx::guarded([&] {
    *out = new TxStore{c10::make_intrusive<c10d::PrefixStore>(std::string(prefix), store->store), store->port};
  });
}

TX_API int tx_store_port(const TxStore* store) noexcept { return store->port; }

TX_API void tx_store_free(TxStore* store) noexcept {
  tx::guarded([&] { delete store; });
}

TX_API int tx_store_set(TxStore* store, const char* key, const uint8_t* value, size_t bytes) noexcept {
  return tx::guarded([&] { store->store->set(key, std::vector<uint8_t>(value, value + bytes)); });
}

// Waits for the key up to the store's timeout. *out is malloc'ed.
TX_API int tx_store_get(TxStore* store, const char* key, uint8_t** out, size_t* bytes) noexcept {
  return tx::guarded([&] {
    const auto value = store->store->get(key);
    *out = static_cast<uint8_t*>(std::malloc(value.size() + 1));
    TORCH_CHECK(*out != nullptr, "out of memory");
    std::memcpy(*out, value.data(), value.size());
    *bytes = value.size();
  });
}

TX_API int tx_store_has(TxStore* store, const char* key, int* out) noexcept {
  return tx::guarded([&] { *out = store->store->check({key}) ? 1 : 0; });
}

TX_API int tx_store_add(TxStore* store, const char* key, int64_t amount, int64_t* out) noexcept {
  return tx::guarded([&] { *out = store->store->add(key, amount); });
}

TX_API int tx_store_wait(TxStore* store, const char* key, int64_t timeout_ms) noexcept {
  return tx::guarded([&] { store->store->wait({key}, std::chrono::milliseconds(timeout_ms)); });
}
