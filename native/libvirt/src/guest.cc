// What the guest agent knows and does. An agent that hangs blocks these calls until libvirt's own timeout.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

Value InterfaceAddresses(Args& args) {
  const DomainPtr domain(args.Domain());
  const unsigned int source = args.Integer<unsigned int>();
  virDomainInterfacePtr* interfaces = nullptr;
  const int count = Check(virDomainInterfaceAddresses(domain, &interfaces, source, 0));
  List list;
  for (int i = 0; i < count; i++) {
    List addresses;
    for (unsigned int j = 0; j < interfaces[i]->naddrs; j++) {
      const auto& address = interfaces[i]->addrs[j];
      addresses.push_back(Map{{"family", address.type == VIR_IP_ADDR_TYPE_IPV4 ? "ipv4" : "ipv6"},
                              {"address", address.addr},
                              {"prefix", address.prefix}});
    }
    list.push_back(Map{{"name", interfaces[i]->name}, {"mac", interfaces[i]->hwaddr}, {"addresses", std::move(addresses)}});
    virDomainInterfaceFree(interfaces[i]);
  }
  free(interfaces);
  return list;
}

// Freeze or thaw all file systems, or those mounted where the list says. Returns how many.
template <auto Function>
Value FileSystems(Args& args) {
  const DomainPtr domain(args.Domain());
  const auto mounts = args.Strings();
  std::vector<const char*> pointers;
  for (const auto& mount : mounts) pointers.push_back(mount.c_str());
  return Report(Function(domain, pointers.empty() ? nullptr : pointers.data(), pointers.size(), 0));
}

Value GuestInfo(Args& args) {
  const DomainPtr domain(args.Domain());
  const unsigned int types = args.Integer<unsigned int>();
  virTypedParameterPtr params = nullptr;
  int count = 0;
  Check(virDomainGetGuestInfo(domain, types, &params, &count, 0));
  Map map = FromTypedParams(params, count);
  virTypedParamsFree(params, count);
  return map;
}

const Verb kVerbs[] = {
    {"domainInterfaceAddresses", InterfaceAddresses},
    {"domainFsFreeze", FileSystems<virDomainFSFreeze>},
    {"domainFsThaw", FileSystems<virDomainFSThaw>},
    {"domainGuestInfo", GuestInfo},
    {"domainSetAgentTimeout", Plain<virDomainAgentSetResponseTimeout>},
};

}  // namespace

void ExportGuest(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
