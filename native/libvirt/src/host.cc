// The host behind a connection: processor, memory, CPU models.
#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

Value NodeInfo(Args& args) {
  const ConnectPtr connect(args.Connect());
  virNodeInfo info;
  Check(virNodeGetInfo(connect, &info));
  return Map{{"cpuModel", info.model},   {"memoryKiB", info.memory},       {"cpus", info.cpus},
             {"mhz", info.mhz},          {"numaNodes", info.nodes},        {"sockets", info.sockets},
             {"cores", info.cores},      {"threads", info.threads}};
}

// Both statistics calls are asked twice: first for the number of fields, then for the fields.
Value MemoryStats(Args& args) {
  const ConnectPtr connect(args.Connect());
  const int cell = args.Integer<int>();
  int count = 0;
  Check(virNodeGetMemoryStats(connect, cell, nullptr, &count, 0));
  std::vector<virNodeMemoryStats> stats(count);
  Check(virNodeGetMemoryStats(connect, cell, stats.data(), &count, 0));
  Map map;
  for (int i = 0; i < count; i++) map.emplace_back(stats[i].field, stats[i].value);
  return map;
}

Value CpuStats(Args& args) {
  const ConnectPtr connect(args.Connect());
  const int cpu = args.Integer<int>();
  int count = 0;
  Check(virNodeGetCPUStats(connect, cpu, nullptr, &count, 0));
  std::vector<virNodeCPUStats> stats(count);
  Check(virNodeGetCPUStats(connect, cpu, stats.data(), &count, 0));
  Map map;
  for (int i = 0; i < count; i++) map.emplace_back(stats[i].field, stats[i].value);
  return map;
}

std::vector<const char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  for (const auto& text : strings) pointers.push_back(text.c_str());
  return pointers;
}

Value BaselineCpu(Args& args) {
  const ConnectPtr connect(args.Connect());
  const auto cpus = args.Strings();
  auto pointers = Pointers(cpus);
  const unsigned int flags = args.Integer<unsigned int>();
  return Report(virConnectBaselineCPU(connect, pointers.data(), pointers.size(), flags));
}

// As above, limited to what the given emulator can do.
Value BaselineHypervisorCpu(Args& args) {
  const ConnectPtr connect(args.Connect());
  const auto emulator = args.OptionalString(), arch = args.OptionalString(), machine = args.OptionalString(),
             type = args.OptionalString();
  const auto cpus = args.Strings();
  auto pointers = Pointers(cpus);
  const unsigned int flags = args.Integer<unsigned int>();
  return Report(virConnectBaselineHypervisorCPU(connect, Text{emulator}, Text{arch}, Text{machine}, Text{type},
                                                pointers.data(), pointers.size(), flags));
}

const Verb kVerbs[] = {
    {"nodeInfo", NodeInfo},
    {"nodeMemoryStats", MemoryStats},
    {"nodeCpuStats", CpuStats},
    {"baselineCpu", BaselineCpu},
    {"baselineHypervisorCpu", BaselineHypervisorCpu},
    {"compareCpu", Plain<virConnectCompareCPU>},
    {"compareHypervisorCpu", Plain<virConnectCompareHypervisorCPU>},
};

}  // namespace

void ExportHost(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
