// Secrets libvirt hands to QEMU, such as the Ceph key of guests.
#include <cstring>

#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

Value SetValue(Args& args) {
  const SecretPtr secret(args.Secret());
  auto* bytes = std::get_if<Bytes>(&args.Next().data);
  if (bytes == nullptr) throw std::invalid_argument("the secret's value is not a buffer");
  const int rc = virSecretSetValue(secret, bytes->data(), bytes->size(), 0);
  explicit_bzero(bytes->data(), bytes->size());
  return Report(rc);
}

Value Lookup(Args& args) { return Describe(SecretPtr(args.Secret())); }

const Verb kVerbs[] = {
    {"secretDefine", Plain<virSecretDefineXML>},
    {"secretSetValue", SetValue},
    {"secretLookup", Lookup},
    {"secretLookupByUsage", Plain<virSecretLookupByUsage>},
    {"secretUndefine", Plain<virSecretUndefine>},
};

}  // namespace

void ExportSecret(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
