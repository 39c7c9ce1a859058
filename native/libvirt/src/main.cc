// Entry point. The addon holds thin verbs only: no retries, no deadlines, no decisions.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "mailbox.h"
#include "modules.h"

namespace pvc {
namespace {

void SetErrorClass(const Napi::CallbackInfo& info) {
  Mailbox::Of(info.Env())->error_class = Napi::Persistent(info[0].As<Napi::Function>());
}

// Removes a listener at once, so that nothing arrives after it; libvirt's registration is ended by its own verb.
void Forget(const Napi::CallbackInfo& info) {
  Mailbox::Of(info.Env())->RemoveListener(info.Env(), info[0].As<Napi::Number>().Int64Value());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // By default libvirt prints every error to stderr; ours travel with the promise.
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  const auto mailbox = Mailbox::Create(env);
  const auto fallback = Napi::Function::New(env, [](const Napi::CallbackInfo&) {}, "LibvirtError");
  mailbox->error_class = Napi::Persistent(fallback);
  exports.Set("setErrorClass", Napi::Function::New(env, SetErrorClass, "setErrorClass"));
  exports.Set("forget", Napi::Function::New(env, Forget, "forget"));
  ExportConnection(env, exports);
  ExportHost(env, exports);
  ExportDomain(env, exports);
  ExportDevice(env, exports);
  ExportStats(env, exports);
  ExportGuest(env, exports);
  ExportMigrate(env, exports);
  ExportSecret(env, exports);
  ExportConsole(env, exports);
  ExportSystem(env, exports);
  return exports;
}

}  // namespace
}  // namespace pvc

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return pvc::Init(env, exports); }

NODE_API_MODULE(pvc_libvirt, Init)
