// Each source file adds its functions to the addon.
#pragma once

#include <napi.h>

namespace pvc {
void ExportConnection(Napi::Env env, Napi::Object exports);
void ExportHost(Napi::Env env, Napi::Object exports);
void ExportDomain(Napi::Env env, Napi::Object exports);
void ExportDevice(Napi::Env env, Napi::Object exports);
void ExportStats(Napi::Env env, Napi::Object exports);
void ExportGuest(Napi::Env env, Napi::Object exports);
void ExportMigrate(Napi::Env env, Napi::Object exports);
void ExportSecret(Napi::Env env, Napi::Object exports);
void ExportConsole(Napi::Env env, Napi::Object exports);
void ExportSystem(Napi::Env env, Napi::Object exports);
}  // namespace pvc
