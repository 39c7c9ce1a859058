// Many domains in one call.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

using Records = Owned<virDomainStatsRecordPtr, virDomainStatsRecordListFree>;

// One call to the hypervisor whatever the number of domains; groups that need QEMU's monitor wait for its jobs.
Value AllDomainStats(Args& args) {
  const ConnectPtr connect(args.Connect());
  const unsigned int groups = args.Integer<unsigned int>();
  const unsigned int flags = args.Integer<unsigned int>();
  virDomainStatsRecordPtr* raw = nullptr;
  const int count = Check(virConnectGetAllDomainStats(connect, groups, &raw, flags));
  const Records records(raw);
  List list;
  list.reserve(count);
  for (int i = 0; i < count; i++) {
    auto record = std::get<Map>(Describe(raw[i]->dom).data);
    record.emplace_back("values", FromTypedParams(raw[i]->params, raw[i]->nparams));
    list.push_back(std::move(record));
  }
  return list;
}

// A domain's metadata element, or null when it has none or is gone.
Value MetadataOrNull(virDomainPtr domain, const std::string& uri) {
  std::unique_ptr<char, decltype(&free)> xml(
      virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, uri.c_str(), VIR_DOMAIN_AFFECT_CURRENT), free);
  if (xml) return Value(xml.get());
  const auto failure = Failure::Last();
  if (failure.code == VIR_ERR_NO_DOMAIN_METADATA || failure.code == VIR_ERR_NO_DOMAIN) return {};
  throw failure;
}

// Names, states and reasons come from one statistics call: the state group needs no job and so never waits for one.
Value ListDomains(Args& args) {
  const ConnectPtr connect(args.Connect());
  const unsigned int flags = args.Integer<unsigned int>();
  const auto metadata_uri = args.OptionalString();
  virDomainStatsRecordPtr* raw = nullptr;
  const int count = Check(virConnectGetAllDomainStats(connect, VIR_DOMAIN_STATS_STATE, &raw, flags));
  const Records records(raw);
  List list;
  list.reserve(count);
  for (int i = 0; i < count; i++) {
    auto record = std::get<Map>(Describe(raw[i]->dom).data);
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    Check(virTypedParamsGetInt(raw[i]->params, raw[i]->nparams, "state.state", &state));
    Check(virTypedParamsGetInt(raw[i]->params, raw[i]->nparams, "state.reason", &reason));
    record.emplace_back("state", state);
    record.emplace_back("reason", reason);
    if (metadata_uri) record.emplace_back("metadata", MetadataOrNull(raw[i]->dom, *metadata_uri));
    list.push_back(std::move(record));
  }
  return list;
}

const Verb kVerbs[] = {
    {"listDomains", ListDomains},
    {"allDomainStats", AllDomainStats},
};

}  // namespace

void ExportStats(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
