// Devices and disks of a domain.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

Value BlockInfo(Args& args) {
  const DomainPtr domain(args.Domain());
  const std::string disk = args.String();
  virDomainBlockInfo info;
  Check(virDomainGetBlockInfo(domain, disk.c_str(), &info, 0));
  return Map{{"capacityBytes", info.capacity}, {"allocationBytes", info.allocation}, {"physicalBytes", info.physical}};
}

Value DiskErrors(Args& args) {
  const DomainPtr domain(args.Domain());
  const int capacity = Check(virDomainGetDiskErrors(domain, nullptr, 0, 0));
  std::vector<virDomainDiskError> errors(capacity);
  const int count = capacity == 0 ? 0 : Check(virDomainGetDiskErrors(domain, errors.data(), capacity, 0));
  List list;
  for (int i = 0; i < count; i++) {
    list.push_back(Map{{"disk", errors[i].disk}, {"error", errors[i].error}});
    free(errors[i].disk);
  }
  return list;
}

const Verb kVerbs[] = {
    {"domainAttachDevice", Plain<virDomainAttachDeviceFlags>},
    {"domainDetachDevice", Plain<virDomainDetachDeviceFlags>},
    {"domainUpdateDevice", Plain<virDomainUpdateDeviceFlags>},
    {"domainBlockResize", Plain<virDomainBlockResize>},
    {"domainBlockInfo", BlockInfo},
    {"domainDiskErrors", DiskErrors},
    {"domainSetBlockThreshold", Plain<virDomainSetBlockThreshold>},
};

}  // namespace

void ExportDevice(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
