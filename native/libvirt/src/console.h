// A guest's serial console over a libvirt stream. Reading is pushed to a listener, with a bound on what JavaScript has
// not taken yet; writing waits until libvirt took the bytes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "call.h"

namespace pvc {

class Console : public Handle, public std::enable_shared_from_this<Console> {
 public:
  Console(virStreamPtr stream, std::shared_ptr<Mailbox> mailbox, uint64_t listener)
      : stream_(stream), mailbox_(std::move(mailbox)), listener_(listener) {}
  ~Console() override;

  // Connects to the device and starts the flow of events; the registration keeps the console alive until Close or the end of the stream.
  void OpenOn(virDomainPtr domain, const char* device, unsigned int flags);
  // Returns when all bytes were handed over; throws when the stream ended before.
  void Write(Bytes bytes);
  // Idempotent. Pool threads only.
  void Close();
  // JavaScript took `bytes` of what was pushed.
  void Taken(size_t bytes);

 private:
  static constexpr size_t kMaxPending = 1 << 20;

  static void OnEvent(virStreamPtr stream, int events, void* opaque);
  void Readable();
  void Writable();
  void End(const std::optional<Failure>& failure);
  void Listen();

  std::mutex mutex_;
  std::condition_variable written_;
  virStreamPtr stream_;
  const std::shared_ptr<Mailbox> mailbox_;
  const uint64_t listener_;
  Bytes outgoing_;
  bool open_ = true;     // until Close
  bool ended_ = false;   // the other side ended the stream
  bool paused_ = false;  // JavaScript is behind
  std::atomic<size_t> pending_{0};
};

}  // namespace pvc
