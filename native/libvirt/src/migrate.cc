// Migration and the jobs it runs.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

// Owns a growing parameter list.
class Params {
 public:
  Params() = default;
  Params(const Params&) = delete;
  Params& operator=(const Params&) = delete;
  ~Params() { virTypedParamsFree(list_, count_); }

  void Add(const std::string& name, int type, const Value& value) {
    const char* key = name.c_str();
    if (type == VIR_TYPED_PARAM_STRING) {
      const auto* text = std::get_if<std::string>(&value.data);
      if (text == nullptr) throw std::invalid_argument(name + " is not a string");
      Check(virTypedParamsAddString(&list_, &count_, &capacity_, key, text->c_str()));
      return;
    }
    const auto* number = std::get_if<int64_t>(&value.data);
    const int64_t limit = type == VIR_TYPED_PARAM_INT ? std::numeric_limits<int>::max() : std::numeric_limits<int64_t>::max();
    if (number == nullptr || *number < 0 || *number > limit) throw std::invalid_argument(name + " is not an integer in range");
    if (type == VIR_TYPED_PARAM_INT) Check(virTypedParamsAddInt(&list_, &count_, &capacity_, key, static_cast<int>(*number)));
    else Check(virTypedParamsAddULLong(&list_, &count_, &capacity_, key, static_cast<unsigned long long>(*number)));
  }
  virTypedParameterPtr list() const { return list_; }
  int count() const { return count_; }

 private:
  virTypedParameterPtr list_ = nullptr;
  int count_ = 0;
  int capacity_ = 0;
};

const struct {
  const char* name;
  int type;
} kMigrateParams[] = {
    {VIR_MIGRATE_PARAM_URI, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_DEST_NAME, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_DEST_XML, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_PERSIST_XML, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_LISTEN_ADDRESS, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_TLS_DESTINATION, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_COMPRESSION, VIR_TYPED_PARAM_STRING},
    {VIR_MIGRATE_PARAM_BANDWIDTH, VIR_TYPED_PARAM_ULLONG},
    {VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, VIR_TYPED_PARAM_INT},
    {VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, VIR_TYPED_PARAM_INT},
    {VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, VIR_TYPED_PARAM_INT},
};

// Parameters come under libvirt's own names; absent ones are undefined.
Value MigrateToUri(Args& args) {
  const DomainPtr domain(args.Domain());
  const std::string destination = args.String();
  const Value& wanted = args.Next();
  const auto* map = std::get_if<Map>(&wanted.data);
  if (map == nullptr) throw std::invalid_argument("migration parameters are missing");
  Params params;
  for (const auto& [name, value] : *map) {
    if (value.IsNull()) continue;
    bool known = false;
    for (const auto& entry : kMigrateParams) {
      if (name != entry.name) continue;
      params.Add(name, entry.type, value);
      known = true;
    }
    if (!known) throw std::invalid_argument("unknown migration parameter " + name);
  }
  const unsigned int flags = args.Integer<unsigned int>();
  return Report(virDomainMigrateToURI3(domain, destination.c_str(), params.list(), params.count(), flags));
}

Value MaxDowntime(Args& args) {
  const DomainPtr domain(args.Domain());
  unsigned long long downtime = 0;
  Check(virDomainMigrateGetMaxDowntime(domain, &downtime, 0));
  return downtime;
}

Value JobInfo(Args& args) {
  const DomainPtr domain(args.Domain());
  virDomainJobInfo info;
  Check(virDomainGetJobInfo(domain, &info));
  return Map{{"type", info.type},
             {"timeElapsedMs", info.timeElapsed},
             {"timeRemainingMs", info.timeRemaining},
             {"dataTotalBytes", info.dataTotal},
             {"dataProcessedBytes", info.dataProcessed},
             {"dataRemainingBytes", info.dataRemaining},
             {"memTotalBytes", info.memTotal},
             {"memProcessedBytes", info.memProcessed},
             {"memRemainingBytes", info.memRemaining}};
}

Value JobStats(Args& args) {
  const DomainPtr domain(args.Domain());
  const unsigned int flags = args.Integer<unsigned int>();
  int type = VIR_DOMAIN_JOB_NONE;
  virTypedParameterPtr params = nullptr;
  int count = 0;
  Check(virDomainGetJobStats(domain, &type, &params, &count, flags));
  Map values = FromTypedParams(params, count);
  virTypedParamsFree(params, count);
  return Map{{"type", type}, {"values", std::move(values)}};
}

const Verb kVerbs[] = {
    {"domainMigrateToUri", MigrateToUri},
    {"domainMigrateSetMaxDowntime", Plain<virDomainMigrateSetMaxDowntime>},
    {"domainMigrateGetMaxDowntime", MaxDowntime},
    {"domainMigrateSetMaxSpeed", Plain<virDomainMigrateSetMaxSpeed>},
    {"domainJobInfo", JobInfo},
    {"domainJobStats", JobStats},
    // Must get through when the pool is full of migrations.
    {"domainAbortJob", Plain<virDomainAbortJob>, true},
};

}  // namespace

void ExportMigrate(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
