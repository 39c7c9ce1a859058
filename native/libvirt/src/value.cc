#include "value.h"

#include <cmath>

#include "mailbox.h"

namespace pvc {
namespace {

constexpr int64_t kMaxSafe = (int64_t{1} << 53) - 1;

struct Converter {
  Napi::Env env;

  Napi::Value operator()(std::monostate) const { return env.Undefined(); }
  Napi::Value operator()(bool v) const { return Napi::Boolean::New(env, v); }
  Napi::Value operator()(double v) const { return Napi::Number::New(env, v); }
  Napi::Value operator()(const std::string& v) const { return Napi::String::New(env, v); }
  Napi::Value operator()(ListenerId v) const { return (*this)(v.id); }

  Napi::Value operator()(int64_t v) const {
    if (v > kMaxSafe || v < -kMaxSafe) return Napi::BigInt::New(env, v);
    return Napi::Number::New(env, static_cast<double>(v));
  }
  Napi::Value operator()(uint64_t v) const {
    if (v > static_cast<uint64_t>(kMaxSafe)) return Napi::BigInt::New(env, v);
    return Napi::Number::New(env, static_cast<double>(v));
  }
  Napi::Value operator()(const Bytes& v) const { return Napi::Buffer<uint8_t>::Copy(env, v.data(), v.size()); }
  Napi::Value operator()(const List& v) const {
    auto array = Napi::Array::New(env, v.size());
    for (size_t i = 0; i < v.size(); i++) array.Set(static_cast<uint32_t>(i), ToJs(env, v[i]));
    return array;
  }
  Napi::Value operator()(const Map& v) const {
    auto object = Napi::Object::New(env);
    for (const auto& [key, item] : v) object.Set(key, ToJs(env, item));
    return object;
  }
  Napi::Value operator()(const HandlePtr& v) const {
    // The external owns one reference; the finalizer drops it, and the handle closes itself on a pool thread.
    return Napi::External<HandlePtr>::New(env, new HandlePtr(v), [](Napi::Env, HandlePtr* held) { delete held; });
  }
};

Value FromNumber(double number) {
  if (std::trunc(number) == number && std::fabs(number) <= static_cast<double>(kMaxSafe)) return Value(static_cast<int64_t>(number));
  return Value(number);
}

Value FromBigInt(Napi::BigInt big) {
  bool lossless = false;
  const int64_t narrow = big.Int64Value(&lossless);
  if (lossless) return Value(narrow);
  const uint64_t wide = big.Uint64Value(&lossless);
  if (!lossless) throw Napi::RangeError::New(big.Env(), "the integer does not fit into 64 bits");
  return Value(wide);
}

}  // namespace

Napi::Value ToJs(Napi::Env env, const Value& value) { return std::visit(Converter{env}, value.data); }

Value FromJs(Napi::Value value, Mailbox& mailbox, std::vector<uint64_t>& listeners) {
  switch (value.Type()) {
    case napi_undefined:
    case napi_null: return Value();
    case napi_boolean: return Value(value.As<Napi::Boolean>().Value());
    case napi_number: return FromNumber(value.As<Napi::Number>().DoubleValue());
    case napi_bigint: return FromBigInt(value.As<Napi::BigInt>());
    case napi_string: return Value(value.As<Napi::String>().Utf8Value());
    case napi_external: return Value(*value.As<Napi::External<HandlePtr>>().Data());
    case napi_function: {
      const uint64_t id = mailbox.AddListener(value.As<Napi::Function>());
      listeners.push_back(id);
      return Value(ListenerId{id});
    }
    case napi_object: break;
    default: throw Napi::TypeError::New(value.Env(), "an argument has no plain form");
  }
  if (value.IsBuffer()) {
    const auto buffer = value.As<Napi::Buffer<uint8_t>>();
    return Value(Bytes(buffer.Data(), buffer.Data() + buffer.Length()));
  }
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    List list;
    for (uint32_t i = 0; i < array.Length(); i++) list.push_back(FromJs(array.Get(i), mailbox, listeners));
    return Value(std::move(list));
  }
  const auto object = value.As<Napi::Object>();
  const auto keys = object.GetPropertyNames();
  Map map;
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const auto key = keys.Get(i).ToString();
    map.emplace_back(key.Utf8Value(), FromJs(object.Get(key), mailbox, listeners));
  }
  return Value(std::move(map));
}

}  // namespace pvc
