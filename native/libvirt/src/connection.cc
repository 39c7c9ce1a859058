#include "connection.h"

#include "console.h"
#include "mailbox.h"
#include "modules.h"
#include "pool.h"

namespace pvc {

std::shared_ptr<Connection> Connection::Own(virConnectPtr connect) {
  return std::shared_ptr<Connection>(new Connection(connect), [](Connection* connection) {
    Pool::Get().Post(
        [connection] {
          connection->Close();
          delete connection;
        },
        true);
  });
}

virConnectPtr Connection::Acquire() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (connect_ == nullptr) throw Failure{VIR_ERR_INVALID_CONN, VIR_FROM_NONE, VIR_ERR_ERROR, "the connection is closed"};
  Check(virConnectRef(connect_));
  return connect_;
}

void Connection::Close() {
  virConnectPtr connect;
  std::unordered_map<uint64_t, int> registrations;
  std::vector<std::weak_ptr<Console>> consoles;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    connect = std::exchange(connect_, nullptr);
    registrations.swap(registrations_);
    consoles.swap(consoles_);
  }
  if (connect == nullptr) return;
  for (const auto& weak : consoles)
    if (const auto console = weak.lock()) console->Close();
  // Each registration holds the connection: one left behind would leak it. On a dead connection these calls fail after
  // they have dropped the local part, which is all we want of them.
  for (const auto& [listener, id] : registrations) {
    if (id == kCloseRegistration) virConnectUnregisterCloseCallback(connect, OnConnectionClosed);
    else virConnectDomainEventDeregisterAny(connect, id);
  }
  virConnectClose(connect);
}

void Connection::Subscribe(int event, uint64_t listener, std::shared_ptr<Mailbox> mailbox) {
  const ConnectPtr connect(Acquire());
  auto subscriber = std::make_unique<Subscriber>(Subscriber{std::move(mailbox), listener});
  int id = kCloseRegistration;
  if (event == kEventClosed) {
    Check(virConnectRegisterCloseCallback(connect, OnConnectionClosed, subscriber.get(), Subscriber::Free));
  } else {
    const auto callback = EventCallback(event);
    if (callback == nullptr) throw std::invalid_argument("unknown event " + std::to_string(event));
    id = Check(virConnectDomainEventRegisterAny(connect, nullptr, event, callback, subscriber.get(), Subscriber::Free));
  }
  subscriber.release();  // libvirt frees it with the registration
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (connect_ != nullptr) {
      registrations_.emplace(listener, id);
      return;
    }
  }
  // Closed meanwhile.
  if (id == kCloseRegistration) virConnectUnregisterCloseCallback(connect, OnConnectionClosed);
  else virConnectDomainEventDeregisterAny(connect, id);
}

void Connection::Unsubscribe(uint64_t listener) {
  const ConnectPtr connect(Acquire());
  int id;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = registrations_.find(listener);
    if (found == registrations_.end()) return;
    id = found->second;
    registrations_.erase(found);
  }
  if (id == kCloseRegistration) Check(virConnectUnregisterCloseCallback(connect, OnConnectionClosed));
  else Check(virConnectDomainEventDeregisterAny(connect, id));
}

void Connection::Attach(const std::shared_ptr<Console>& console) {
  std::lock_guard<std::mutex> lock(mutex_);
  size_t kept = 0;
  for (auto& weak : consoles_)
    if (!weak.expired()) consoles_[kept++] = weak;
  consoles_.resize(kept);
  consoles_.push_back(console);
}

namespace {

Value Open(Args& args) {
  StartEventLoop();
  const std::string uri = args.String();
  return HandlePtr(Connection::Own(Check(virConnectOpen(uri.c_str()))));
}

Value Close(Args& args) {
  args.Of<Connection>()->Close();
  return {};
}

Value Subscribe(Args& args) {
  const auto connection = args.Of<Connection>();
  const int event = args.Integer<int>();
  const uint64_t listener = args.Listener();
  connection->Subscribe(event, listener, args.mailbox);
  return ListenerId{listener};
}

Value Unsubscribe(Args& args) {
  const auto connection = args.Of<Connection>();
  connection->Unsubscribe(args.Integer<uint64_t>());
  return {};
}

// Versions as libvirt's numbers: major * 1,000,000 + minor * 1,000 + release.
Value Version(Args& args) {
  const ConnectPtr connect(args.Connect());
  unsigned long client = 0, daemon = 0, hypervisor = 0;
  Check(virGetVersion(&client, nullptr, nullptr));
  Check(virConnectGetLibVersion(connect, &daemon));
  Check(virConnectGetVersion(connect, &hypervisor));
  return Map{{"client", client}, {"daemon", daemon}, {"hypervisor", hypervisor}};
}

const Verb kVerbs[] = {
    {"open", Open},
    {"close", Close, true},
    {"subscribe", Subscribe},
    {"unsubscribe", Unsubscribe, true},
    {"setKeepAlive", Plain<virConnectSetKeepAlive>},
    {"isAlive", Plain<virConnectIsAlive>},
    {"version", Version},
    {"hostname", Plain<virConnectGetHostname>},
    {"driver", [](Args& args) {
       const ConnectPtr connect(args.Connect());
       return Value(Check(virConnectGetType(connect)));
     }},
    {"capabilities", Plain<virConnectGetCapabilities>},
    {"domainCapabilities", Plain<virConnectGetDomainCapabilities>},
};

}  // namespace

void ExportConnection(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
