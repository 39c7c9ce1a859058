// How one libvirt call becomes one promise: arguments are read on the JavaScript thread, the verb runs on a pool thread
// and returns plain data or throws Failure with the error libvirt kept for that very thread.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "value.h"

namespace pvc {

// libvirt's last error of the calling thread, copied at once: a later call would overwrite it.
struct Failure {
  int code = VIR_ERR_INTERNAL_ERROR;
  int domain = VIR_FROM_NONE;
  int level = VIR_ERR_ERROR;
  std::string message;

  static Failure Last();
};

// Throws the thread's last libvirt error when `rc` says failure; returns rc otherwise.
int Check(int rc);
template <typename T>
T* Check(T* pointer) {
  if (pointer == nullptr) throw Failure::Last();
  return pointer;
}

// Owns what libvirt returned until the scope ends.
template <typename T, auto Free>
class Owned {
 public:
  explicit Owned(T* pointer = nullptr) : pointer_(pointer) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (pointer_ != nullptr) Free(pointer_);
  }
  operator T*() const { return pointer_; }
  T* get() const { return pointer_; }

 private:
  T* pointer_;
};
using DomainPtr = Owned<virDomain, virDomainFree>;
using SecretPtr = Owned<virSecret, virSecretFree>;
using ConnectPtr = Owned<virConnect, virConnectClose>;

// Arguments of a verb, taken in order. A wrong type is a bug of the caller and rejects with a TypeError.
class Args {
 public:
  std::vector<Value> values;
  std::shared_ptr<Mailbox> mailbox;

  Value& Next();
  std::string String();
  std::optional<std::string> OptionalString();
  std::vector<std::string> Strings();
  uint64_t Listener();
  HandlePtr AnyHandle();
  template <typename T>
  std::shared_ptr<T> Of() {
    auto handle = std::dynamic_pointer_cast<T>(AnyHandle());
    if (!handle) throw std::invalid_argument("the handle is of another kind");
    return handle;
  }
  // An own reference to the connection for the time of this call.
  virConnectPtr Connect();
  // Connection and UUID: two arguments. The look-up is part of the call, so no stale domain handle can exist.
  virDomainPtr Domain();
  virSecretPtr Secret();

  template <typename T>
  std::optional<T> OptionalInteger() {
    const Value& value = Next();
    return value.IsNull() ? std::nullopt : std::optional<T>(Integer<T>(value));
  }
  template <typename T>
  T Integer() {
    return Integer<T>(Next());
  }

 private:
  template <typename T>
  T Integer(const Value& value) const {
    if (const auto* narrow = std::get_if<int64_t>(&value.data)) {
      const bool fits = std::is_signed_v<T>
                            ? *narrow >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
                                  *narrow <= static_cast<int64_t>(std::numeric_limits<T>::max())
                            : *narrow >= 0 && static_cast<uint64_t>(*narrow) <= std::numeric_limits<T>::max();
      if (fits) return static_cast<T>(*narrow);
    } else if (const auto* wide = std::get_if<uint64_t>(&value.data)) {
      if (*wide <= static_cast<uint64_t>(std::numeric_limits<T>::max())) return static_cast<T>(*wide);
    }
    throw std::invalid_argument("argument " + std::to_string(next_) + " is not an integer in range");
  }

  size_t next_ = 0;
};

struct Verb {
  const char* name;
  Value (*run)(Args& args);
  // Goes before waiting calls and may exceed the number of threads.
  bool urgent = false;
};

// Makes each verb a function that returns a promise.
void Export(Napi::Env env, Napi::Object exports, const Verb* verbs, size_t count);
template <size_t N>
void Export(Napi::Env env, Napi::Object exports, const Verb (&verbs)[N]) {
  Export(env, exports, verbs, N);
}

// Identity of a domain or secret as JavaScript sees it.
Value Describe(virDomainPtr domain);
Value Describe(virSecretPtr secret);
Map FromTypedParams(virTypedParameterPtr params, int count);

// --- One libvirt function as a verb: parameter types say how to read the arguments, the result type how to report. ---

template <typename T>
struct Param {
  T value;
  explicit Param(Args& args) : value(args.Integer<T>()) {}
};
template <>
struct Param<virConnectPtr> {
  ConnectPtr value;
  explicit Param(Args& args) : value(args.Connect()) {}
};
template <>
struct Param<virDomainPtr> {
  DomainPtr value;
  explicit Param(Args& args) : value(args.Domain()) {}
};
template <>
struct Param<virSecretPtr> {
  SecretPtr value;
  explicit Param(Args& args) : value(args.Secret()) {}
};
struct Text {
  std::optional<std::string> text;
  operator const char*() const { return text ? text->c_str() : nullptr; }
};
template <>
struct Param<const char*> {
  Text value;
  explicit Param(Args& args) : value{args.OptionalString()} {}
};

inline Value Report(int result) { return Value(Check(result)); }
inline Value Report(char* result) {
  std::unique_ptr<char, decltype(&free)> text(Check(result), free);
  return Value(text.get());
}
inline Value Report(virDomainPtr result) { return Describe(DomainPtr(Check(result))); }
inline Value Report(virSecretPtr result) { return Describe(SecretPtr(Check(result))); }

template <typename R, typename... P, size_t... I>
Value Apply(R (*function)(P...), Args& args, std::index_sequence<I...>) {
  // Braces fix the order of evaluation: arguments are taken from left to right.
  std::tuple<std::unique_ptr<Param<P>>...> params{std::make_unique<Param<P>>(args)...};
  return Report(function(std::get<I>(params)->value...));
}
template <typename R, typename... P>
Value Apply(R (*function)(P...), Args& args) {
  return Apply(function, args, std::index_sequence_for<P...>{});
}
template <auto Function>
Value Plain(Args& args) {
  return Apply(Function, args);
}

}  // namespace pvc
