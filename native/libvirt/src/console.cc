#include "console.h"

#include "connection.h"
#include "mailbox.h"
#include "modules.h"
#include "pool.h"

namespace pvc {
namespace {

// A piece of output; tells the console once JavaScript has it.
struct Piece : Message {
  std::shared_ptr<Console> console;
  uint64_t listener;
  Bytes bytes;
  Piece(std::shared_ptr<Console> c, uint64_t l, Bytes b) : console(std::move(c)), listener(l), bytes(std::move(b)) {}
  void Deliver(Napi::Env env, Mailbox& mailbox) override {
    Pool::Get().Post([console = console, size = bytes.size()] { console->Taken(size); });
    mailbox.CallListener(env, listener, Map{{"data", std::move(bytes)}});
  }
};

using Held = std::shared_ptr<Console>;

}  // namespace

Console::~Console() {
  // Only reached without a registration, which would hold us: opening failed or Close has run.
  if (stream_ != nullptr) virStreamFree(stream_);
}

void Console::OpenOn(virDomainPtr domain, const char* device, unsigned int flags) {
  Check(virDomainOpenConsole(domain, device, stream_, flags));
  auto held = std::make_unique<Held>(shared_from_this());
  Check(virStreamEventAddCallback(stream_, VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP, OnEvent,
                                  held.get(), [](void* opaque) { delete static_cast<Held*>(opaque); }));
  held.release();
}

// Tells libvirt what we wait for. The lock is held.
void Console::Listen() {
  if (!open_ || ended_) return;
  int events = VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;
  if (!paused_) events |= VIR_STREAM_EVENT_READABLE;
  if (!outgoing_.empty()) events |= VIR_STREAM_EVENT_WRITABLE;
  virStreamEventUpdateCallback(stream_, events);
}

void Console::OnEvent(virStreamPtr, int events, void* opaque) {
  // A copy: the registration may end while we run.
  const Held console = *static_cast<Held*>(opaque);
  std::lock_guard<std::mutex> lock(console->mutex_);
  if (events & VIR_STREAM_EVENT_READABLE) console->Readable();
  if (events & VIR_STREAM_EVENT_WRITABLE) console->Writable();
  if (!(events & VIR_STREAM_EVENT_READABLE) && (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)))
    console->End(std::nullopt);
}

void Console::Readable() {
  while (open_ && !ended_ && !paused_) {
    Bytes bytes(64 * 1024);
    const int got = virStreamRecv(stream_, reinterpret_cast<char*>(bytes.data()), bytes.size());
    if (got == -2) return;  // nothing more for now
    if (got < 0) return End(Failure::Last());
    if (got == 0) return End(std::nullopt);
    bytes.resize(got);
    paused_ = pending_.fetch_add(got) + got > kMaxPending;
    mailbox_->Post(std::make_shared<Piece>(shared_from_this(), listener_, std::move(bytes)));
  }
  if (paused_) Listen();
}

void Console::Writable() {
  while (open_ && !ended_ && !outgoing_.empty()) {
    const int sent = virStreamSend(stream_, reinterpret_cast<const char*>(outgoing_.data()), outgoing_.size());
    if (sent == -2) return;
    if (sent < 0) return End(Failure::Last());
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + sent);
  }
  Listen();
  written_.notify_all();
}

void Console::Taken(size_t bytes) {
  if (pending_.fetch_sub(bytes) - bytes > kMaxPending / 2) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!paused_) return;
  paused_ = false;
  Listen();
}

void Console::End(const std::optional<Failure>& failure) {
  if (ended_ || !open_) return;
  ended_ = true;
  written_.notify_all();
  virStreamEventUpdateCallback(stream_, 0);
  Map payload{{"end", true}};
  if (failure) payload.emplace_back("message", failure->message);
  mailbox_->Emit(listener_, std::move(payload));
}

void Console::Write(Bytes bytes) {
  std::unique_lock<std::mutex> lock(mutex_);
  outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
  Listen();
  written_.wait(lock, [this] { return !open_ || ended_ || outgoing_.empty(); });
  if (!open_ || ended_) throw Failure{VIR_ERR_OPERATION_INVALID, VIR_FROM_STREAMS, VIR_ERR_ERROR, "the console is closed"};
}

void Console::Close() {
  virStreamPtr stream;
  bool ended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!open_) return;
    open_ = false;
    ended = ended_;
    stream = std::exchange(stream_, nullptr);
    written_.notify_all();
  }
  const Held self = shared_from_this();  // the registration may be the last to hold us
  virStreamEventRemoveCallback(stream);
  // Both fail on a connection that is gone; the stream is freed either way.
  if (ended) virStreamFinish(stream);
  else virStreamAbort(stream);
  virStreamFree(stream);
}

namespace {

Value Open(Args& args) {
  const auto connection = args.Of<Connection>();
  const ConnectPtr connect(connection->Acquire());
  const DomainPtr domain(Check(virDomainLookupByUUIDString(connect, args.String().c_str())));
  const auto device = args.OptionalString();
  const unsigned int flags = args.Integer<unsigned int>();
  const uint64_t listener = args.Listener();
  const auto console =
      std::make_shared<Console>(Check(virStreamNew(connect, VIR_STREAM_NONBLOCK)), args.mailbox, listener);
  console->OpenOn(domain, Text{device}, flags);
  connection->Attach(console);
  return Map{{"handle", HandlePtr(console)}, {"listener", ListenerId{listener}}};
}

Value Write(Args& args) {
  const auto console = args.Of<Console>();
  auto* bytes = std::get_if<Bytes>(&args.Next().data);
  if (bytes == nullptr) throw std::invalid_argument("what to write is not a buffer");
  console->Write(std::move(*bytes));
  return {};
}

Value Close(Args& args) {
  args.Of<Console>()->Close();
  return {};
}

const Verb kVerbs[] = {
    {"consoleOpen", Open},
    {"consoleWrite", Write},
    {"consoleClose", Close, true},
};

}  // namespace

void ExportConsole(Napi::Env env, Napi::Object exports) { Export(env, exports, kVerbs); }

}  // namespace pvc
