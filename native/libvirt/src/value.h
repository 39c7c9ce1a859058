// Plain data that crosses threads: arguments on their way to libvirt, results and event payloads on their way back.
// Nothing here touches V8 except ToJs and FromJs, which run on the JavaScript thread.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace pvc {

class Mailbox;

// What JavaScript holds on to: a connection, a console. Deleting the last reference never calls libvirt on the
// JavaScript thread; the concrete classes see to that.
class Handle {
 public:
  virtual ~Handle() = default;
};

struct Value;
using Bytes = std::vector<uint8_t>;
using List = std::vector<Value>;
using Map = std::vector<std::pair<std::string, Value>>;
using HandlePtr = std::shared_ptr<Handle>;

// Number of a JavaScript function kept by the mailbox.
struct ListenerId {
  uint64_t id = 0;
};

struct Value {
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Bytes, List, Map, HandlePtr, ListenerId> data;

  Value() = default;
  Value(bool v) : data(v) {}
  Value(double v) : data(v) {}
  Value(std::string v) : data(std::move(v)) {}
  Value(Bytes v) : data(std::move(v)) {}
  Value(List v) : data(std::move(v)) {}
  Value(Map v) : data(std::move(v)) {}
  Value(HandlePtr v) : data(std::move(v)) {}
  Value(ListenerId v) : data(v) {}
  // A null string of libvirt means "not there" and becomes undefined.
  Value(const char* v) {
    if (v != nullptr) data = std::string(v);
  }
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>>
  Value(T v) {
    if constexpr (std::is_signed_v<T>) data = static_cast<int64_t>(v);
    else data = static_cast<uint64_t>(v);
  }

  bool IsNull() const { return std::holds_alternative<std::monostate>(data); }
};

// An integer outside the safe range of a double becomes a BigInt; null becomes undefined; bytes are copied into a Buffer.
Napi::Value ToJs(Napi::Env env, const Value& value);

// Throws a TypeError for what has no plain form. A function is handed to the mailbox, its number is returned and
// appended to `listeners`.
Value FromJs(Napi::Value value, Mailbox& mailbox, std::vector<uint64_t>& listeners);

}  // namespace pvc
