// Threads for calls that block: libvirt calls may take milliseconds or, when a daemon hangs, many seconds. They must
// never sit on libuv's four threads, where they would starve file and name service calls of the whole process.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace pvc {

class Pool {
 public:
  static constexpr int kMaxThreads = 64;
  // Closing must get through when every other thread hangs in a call.
  static constexpr int kMaxUrgentThreads = kMaxThreads + 8;

  // One per process, shared by all environments, never destroyed: its threads may outlive main().
  static Pool& Get();

  void Post(std::function<void()> job, bool urgent = false);

  // The process is ending: threads take no further job, so that they do not run into the exit handlers of libraries.
  void Retire();

 private:
  void Spawn(bool urgent);
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  int threads_ = 0;
  int idle_ = 0;
  bool retired_ = false;
};

}  // namespace pvc
