// A connection to a hypervisor. Calls in flight hold a libvirt reference of their own, so closing never pulls the
// connection away under them.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "call.h"

namespace pvc {

class Console;

class Connection : public Handle {
 public:
  // Its deleter closes on a pool thread, whoever drops the last reference.
  static std::shared_ptr<Connection> Own(virConnectPtr connect);

  // A new reference; throws VIR_ERR_INVALID_CONN after Close.
  virConnectPtr Acquire();

  // Ends subscriptions and consoles, gives up our reference. Idempotent; pool threads only.
  void Close();

  // Registrations are kept by the number of their listener. `undo` ends one at libvirt.
  void Subscribe(int event, uint64_t listener, std::shared_ptr<Mailbox> mailbox);
  void Unsubscribe(uint64_t listener);
  void Attach(const std::shared_ptr<Console>& console);

 private:
  explicit Connection(virConnectPtr connect) : connect_(connect) {}

  static constexpr int kCloseRegistration = -1;

  std::mutex mutex_;
  virConnectPtr connect_;
  std::unordered_map<uint64_t, int> registrations_;
  std::vector<std::weak_ptr<Console>> consoles_;
};

// Number that stands for "connection closed" among libvirt's event numbers.
constexpr int kEventClosed = -1;

// Starts libvirt's event loop in a thread of its own, once per process, before the first connection.
void StartEventLoop();
// The callback libvirt wants for an event number, or null for one we do not translate.
virConnectDomainEventGenericCallback EventCallback(int event);
// What a libvirt callback carries around: whom to tell.
struct Subscriber {
  std::shared_ptr<Mailbox> mailbox;
  uint64_t listener;
  static void Free(void* opaque) { delete static_cast<Subscriber*>(opaque); }
};
void OnConnectionClosed(virConnectPtr connect, int reason, void* opaque);

}  // namespace pvc
