// Life of a domain: definition, power, state, metadata.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

Value Lookup(Args& args) { return Describe(DomainPtr(args.Domain())); }

Value GetState(Args& args) {
  const DomainPtr domain(args.Domain());
  int state = 0, reason = 0;
  Check(virDomainGetState(domain, &state, &reason, 0));
  return Map{{"state", state}, {"reason", reason}};
}

Value Info(Args& args) {
  const DomainPtr domain(args.Domain());
  virDomainInfo info;
  Check(virDomainGetInfo(domain, &info));
  return Map{{"state", info.state},
             {"maxMemoryKiB", info.maxMem},
             {"memoryKiB", info.memory},
             {"vcpus", info.nrVirtCpu},
             {"cpuTimeNs", info.cpuTime}};
}

// Does a job run on the domain, and for how long has it been in that state?
Value ControlInfo(Args& args) {
  const DomainPtr domain(args.Domain());
  virDomainControlInfo info;
  Check(virDomainGetControlInfo(domain, &info, 0));
  return Map{{"state", info.state}, {"details", info.details}, {"stateTimeMs", info.stateTime}};
}

const Verb kVerbs[] = {
    {"domainLookup", Lookup},
    {"domainLookupByName", Plain<virDomainLookupByName>},
    {"domainDefine", Plain<virDomainDefineXMLFlags>},
    {"domainUndefine", Plain<virDomainUndefineFlags>},
    {"domainCreate", Plain<virDomainCreateWithFlags>},
    {"domainCreateXml", Plain<virDomainCreateXML>},
    {"domainShutdown", Plain<virDomainShutdownFlags>},
    {"domainReboot", Plain<virDomainReboot>},
    {"domainReset", Plain<virDomainReset>},
    {"domainDestroy", Plain<virDomainDestroyFlags>},
    {"domainSuspend", Plain<virDomainSuspend>},
    {"domainResume", Plain<virDomainResume>},
    {"domainState", GetState},
    {"domainInfo", Info},
    {"domainXml", Plain<virDomainGetXMLDesc>},
    {"domainIsActive", Plain<virDomainIsActive>},
    {"domainIsPersistent", Plain<virDomainIsPersistent>},
    {"domainControlInfo", ControlInfo},
    {"domainSetMemory", Plain<virDomainSetMemoryFlags>},
    {"domainSetVcpus", Plain<virDomainSetVcpusFlags>},
    {"domainSetMetadata", Plain<virDomainSetMetadata>},
    {"domainGetMetadata", Plain<virDomainGetMetadata>},
};

}  // namespace

void ExportDomain(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
