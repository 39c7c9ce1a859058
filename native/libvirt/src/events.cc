// libvirt's event loop in its own thread, and the translation of its callbacks to plain data.
// Callbacks run on that thread: they only copy and post.
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "call.h"
#include "connection.h"
#include "mailbox.h"

namespace pvc {
namespace {

void RunEventLoop() {
  for (;;) {
    // A failed turn must not become a busy loop; nobody waits for this thread.
    if (virEventRunDefaultImpl() < 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void Emit(void* opaque, virDomainPtr domain, Map payload) {
  const auto* subscriber = static_cast<const Subscriber*>(opaque);
  if (domain != nullptr) {
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    virDomainGetUUIDString(domain, uuid);
    payload.emplace_back("uuid", uuid);
    payload.emplace_back("name", virDomainGetName(domain));
  }
  subscriber->mailbox->Emit(subscriber->listener, std::move(payload));
}

int OnLifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
  Emit(opaque, domain, {{"event", event}, {"detail", detail}});
  return 0;
}

void OnDomain(virConnectPtr, virDomainPtr domain, void* opaque) { Emit(opaque, domain, {}); }

void OnIoError(virConnectPtr, virDomainPtr domain, const char* path, const char* alias, int action, const char* reason,
               void* opaque) {
  Emit(opaque, domain, {{"path", path}, {"device", alias}, {"action", action}, {"reason", reason}});
}

void OnDevice(virConnectPtr, virDomainPtr domain, const char* alias, void* opaque) {
  Emit(opaque, domain, {{"device", alias}});
}

void OnAgent(virConnectPtr, virDomainPtr domain, int state, int reason, void* opaque) {
  Emit(opaque, domain, {{"state", state}, {"reason", reason}});
}

void OnJobCompleted(virConnectPtr, virDomainPtr domain, virTypedParameterPtr params, int count, void* opaque) {
  Emit(opaque, domain, {{"values", FromTypedParams(params, count)}});
}

void OnMigrationIteration(virConnectPtr, virDomainPtr domain, int iteration, void* opaque) {
  Emit(opaque, domain, {{"iteration", iteration}});
}

void OnBlockThreshold(virConnectPtr, virDomainPtr domain, const char* dev, const char* path, unsigned long long threshold,
                      unsigned long long excess, void* opaque) {
  Emit(opaque, domain, {{"device", dev}, {"path", path}, {"thresholdBytes", threshold}, {"excessBytes", excess}});
}

// libvirt's registration takes one callback type and calls it as the type of the event.
template <typename F>
virConnectDomainEventGenericCallback Erase(F* function) {
  return reinterpret_cast<virConnectDomainEventGenericCallback>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

void StartEventLoop() {
  static std::once_flag once;
  std::call_once(once, [] {
    Check(virInitialize());
    Check(virEventRegisterDefaultImpl());
    // Signals belong to the JavaScript thread.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    std::thread thread(RunEventLoop);
    pthread_setname_np(thread.native_handle(), "pvc-virt-event");
    thread.detach();
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  });
}

virConnectDomainEventGenericCallback EventCallback(int event) {
  switch (event) {
    case VIR_DOMAIN_EVENT_ID_LIFECYCLE: return Erase(OnLifecycle);
    case VIR_DOMAIN_EVENT_ID_REBOOT: return Erase(OnDomain);
    case VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: return Erase(OnIoError);
    case VIR_DOMAIN_EVENT_ID_DEVICE_ADDED:
    case VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED:
    case VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: return Erase(OnDevice);
    case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: return Erase(OnAgent);
    case VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: return Erase(OnJobCompleted);
    case VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION: return Erase(OnMigrationIteration);
    case VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD: return Erase(OnBlockThreshold);
    default: return nullptr;
  }
}

void OnConnectionClosed(virConnectPtr, int reason, void* opaque) { Emit(opaque, nullptr, {{"reason", reason}}); }

}  // namespace pvc
