#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <system_error>
#include <thread>

namespace pvc {
namespace {
constexpr auto kIdleTime = std::chrono::seconds(10);
}

Pool& Pool::Get() {
  static Pool* pool = new Pool();
  return *pool;
}

void Pool::Post(std::function<void()> job, bool urgent) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (retired_) return;
    if (urgent) jobs_.push_front(std::move(job));
    else jobs_.push_back(std::move(job));
    if (jobs_.size() > static_cast<size_t>(idle_)) Spawn(urgent);
  }
  wake_.notify_one();
}

void Pool::Spawn(bool urgent) {
  if (threads_ >= (urgent ? kMaxUrgentThreads : kMaxThreads)) return;
  // Signals belong to the JavaScript thread.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    std::thread thread([this] { Run(); });
    pthread_setname_np(thread.native_handle(), "pvc-libvirt");
    thread.detach();
    threads_++;
  } catch (const std::system_error&) {
    // Out of threads: those that exist will take the job; without any the caller must know.
    if (threads_ == 0) {
      pthread_sigmask(SIG_SETMASK, &old, nullptr);
      if (urgent) jobs_.pop_front();
      else jobs_.pop_back();
      throw;
    }
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void Pool::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    idle_++;
    const bool woken = wake_.wait_for(lock, kIdleTime, [this] { return !jobs_.empty() && !retired_; });
    idle_--;
    if (!woken) break;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what the job held is released here, not under the lock
    lock.lock();
  }
  threads_--;
}

void Pool::Retire() {
  std::lock_guard<std::mutex> lock(mutex_);
  retired_ = true;
}

}  // namespace pvc
