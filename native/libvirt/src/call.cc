#include "call.h"

#include "connection.h"
#include "mailbox.h"
#include "pool.h"

namespace pvc {
namespace {

struct Call : Message {
  const Verb* verb;
  Args args;
  std::vector<uint64_t> listeners;
  Napi::Promise::Deferred deferred;
  Value result;
  std::optional<Failure> failure;
  std::string misuse;

  Call(Napi::Env env, const Verb* v) : verb(v), deferred(Napi::Promise::Deferred::New(env)) {}

  void Run() {
    try {
      result = verb->run(args);
    } catch (const Failure& error) {
      failure = error;
    } catch (const std::exception& error) {
      misuse = error.what();
    }
    args.values.clear();  // references to handles end with the call, not with its delivery
  }

  void Refuse(Napi::Env env, Mailbox& mailbox, Napi::Value error) {
    for (const uint64_t id : listeners) mailbox.RemoveListener(env, id);
    deferred.Reject(error);
  }

  void Deliver(Napi::Env env, Mailbox& mailbox) override {
    mailbox.Release(env);
    if (!misuse.empty()) return Refuse(env, mailbox, Napi::TypeError::New(env, std::string(verb->name) + ": " + misuse).Value());
    if (!failure) return deferred.Resolve(ToJs(env, result));
    auto facts = Napi::Object::New(env);
    facts.Set("code", failure->code);
    facts.Set("domain", failure->domain);
    facts.Set("level", failure->level);
    facts.Set("call", verb->name);
    Refuse(env, mailbox, mailbox.error_class.New({Napi::String::New(env, failure->message), facts}));
  }
};

Napi::Value Invoke(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto* verb = static_cast<const Verb*>(info.Data());
  const auto& mailbox = Mailbox::Of(env);
  auto call = std::make_shared<Call>(env, verb);
  call->args.mailbox = mailbox;
  try {
    for (size_t i = 0; i < info.Length(); i++) call->args.values.push_back(FromJs(info[i], *mailbox, call->listeners));
    Pool::Get().Post(
        [call] {
          call->Run();
          call->args.mailbox->Post(call);
        },
        verb->urgent);
    mailbox->Hold(env);
  } catch (const Napi::Error& error) {
    call->Refuse(env, *mailbox, error.Value());
  } catch (const std::system_error& error) {
    call->Refuse(env, *mailbox, Napi::Error::New(env, error.what()).Value());
  }
  return call->deferred.Promise();
}

Value FromTypedParam(const virTypedParameter& param) {
  switch (param.type) {
    case VIR_TYPED_PARAM_INT: return Value(param.value.i);
    case VIR_TYPED_PARAM_UINT: return Value(param.value.ui);
    case VIR_TYPED_PARAM_LLONG: return Value(param.value.l);
    case VIR_TYPED_PARAM_ULLONG: return Value(param.value.ul);
    case VIR_TYPED_PARAM_DOUBLE: return Value(param.value.d);
    case VIR_TYPED_PARAM_BOOLEAN: return Value(param.value.b != 0);
    case VIR_TYPED_PARAM_STRING: return Value(param.value.s);
    default: return Value();
  }
}

}  // namespace

Failure Failure::Last() {
  Failure failure;
  const virErrorPtr last = virGetLastError();
  if (last == nullptr || last->code == VIR_ERR_OK) {
    failure.message = "libvirt failed without saying why";
    return failure;
  }
  failure.code = last->code;
  failure.domain = last->domain;
  failure.level = last->level;
  failure.message = last->message == nullptr ? "no message" : last->message;
  return failure;
}

int Check(int rc) {
  if (rc < 0) throw Failure::Last();
  return rc;
}

Value& Args::Next() {
  static thread_local Value missing;
  missing = Value();
  return next_ < values.size() ? values[next_++] : (next_++, missing);
}

std::optional<std::string> Args::OptionalString() {
  Value& value = Next();
  if (value.IsNull()) return std::nullopt;
  auto* text = std::get_if<std::string>(&value.data);
  if (text == nullptr) throw std::invalid_argument("argument " + std::to_string(next_) + " is not a string");
  return std::move(*text);
}

std::string Args::String() {
  auto text = OptionalString();
  if (!text) throw std::invalid_argument("argument " + std::to_string(next_) + " is missing");
  return std::move(*text);
}

std::vector<std::string> Args::Strings() {
  std::vector<std::string> strings;
  Value& value = Next();
  if (value.IsNull()) return strings;
  auto* list = std::get_if<List>(&value.data);
  if (list == nullptr) throw std::invalid_argument("argument " + std::to_string(next_) + " is not an array");
  for (auto& item : *list) {
    auto* text = std::get_if<std::string>(&item.data);
    if (text == nullptr) throw std::invalid_argument("argument " + std::to_string(next_) + " is not an array of strings");
    strings.push_back(std::move(*text));
  }
  return strings;
}

uint64_t Args::Listener() {
  const Value& value = Next();
  const auto* listener = std::get_if<ListenerId>(&value.data);
  if (listener == nullptr) throw std::invalid_argument("argument " + std::to_string(next_) + " is not a function");
  return listener->id;
}

HandlePtr Args::AnyHandle() {
  const Value& value = Next();
  const auto* handle = std::get_if<HandlePtr>(&value.data);
  if (handle == nullptr) throw std::invalid_argument("argument " + std::to_string(next_) + " is not a handle");
  return *handle;
}

virConnectPtr Args::Connect() { return Of<Connection>()->Acquire(); }

virDomainPtr Args::Domain() {
  const ConnectPtr connect(Connect());
  return Check(virDomainLookupByUUIDString(connect, String().c_str()));
}

virSecretPtr Args::Secret() {
  const ConnectPtr connect(Connect());
  return Check(virSecretLookupByUUIDString(connect, String().c_str()));
}

void Export(Napi::Env env, Napi::Object exports, const Verb* verbs, size_t count) {
  for (const Verb* verb = verbs; verb < verbs + count; verb++)
    exports.Set(verb->name, Napi::Function::New(env, Invoke, verb->name, const_cast<Verb*>(verb)));
}

Value Describe(virDomainPtr domain) {
  char uuid[VIR_UUID_STRING_BUFLEN];
  Check(virDomainGetUUIDString(domain, uuid));
  const unsigned int id = virDomainGetID(domain);
  Map map{{"uuid", uuid}, {"name", virDomainGetName(domain)}};
  // libvirt says -1 for a domain without a process.
  if (id != static_cast<unsigned int>(-1)) map.emplace_back("id", id);
  return map;
}

Value Describe(virSecretPtr secret) {
  char uuid[VIR_UUID_STRING_BUFLEN];
  Check(virSecretGetUUIDString(secret, uuid));
  return Map{{"uuid", uuid}, {"usageType", virSecretGetUsageType(secret)}, {"usage", virSecretGetUsageID(secret)}};
}

Map FromTypedParams(virTypedParameterPtr params, int count) {
  Map map;
  map.reserve(count);
  for (int i = 0; i < count; i++) map.emplace_back(params[i].field, FromTypedParam(params[i]));
  return map;
}

}  // namespace pvc
