// Small system calls Node.js lacks. All are immediate except the wait for a process, which is a promise.
#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>

#include "call.h"
#include "modules.h"

namespace pvc {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

[[noreturn]] void ThrowErrno(Napi::Env env, const char* what) {
  throw Napi::Error::New(env, std::string(what) + ": " + strerror(errno));
}

// Sends `text` as one datagram to the unix socket at `path`; a leading @ means the abstract namespace.
void SendDatagram(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>(), text = info[1].As<Napi::String>();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) throw Napi::RangeError::New(info.Env(), "bad socket path");
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const Fd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) ThrowErrno(info.Env(), "socket");
  // A receiver that does not read must not block the JavaScript thread for long.
  const timeval limit{1, 0};
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (sendto(socket_fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length) < 0)
    ThrowErrno(info.Env(), "sendto");
}

void SetCloexecFrom(const Napi::CallbackInfo& info) {
  const unsigned int from = info[0].As<Napi::Number>().Uint32Value();
  if (close_range(from, ~0U, CLOSE_RANGE_CLOEXEC) < 0) ThrowErrno(info.Env(), "close_range");
}

// Closes regular files, directories and terminals. Pipes, sockets and event descriptors stay: Node's own are among them.
Napi::Value CloseInheritedFiles(const Napi::CallbackInfo& info) {
  const int from = info[0].As<Napi::Number>().Int32Value();
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) ThrowErrno(info.Env(), "/proc/self/fd");
  std::vector<int> candidates;
  while (const dirent* entry = readdir(directory)) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd >= from && fd != dirfd(directory)) candidates.push_back(fd);
  }
  closedir(directory);
  auto closed = Napi::Array::New(info.Env());
  for (const int fd : candidates) {
    struct stat status;
    if (fstat(fd, &status) < 0) continue;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !isatty(fd)) continue;
    close(fd);
    closed.Set(closed.Length(), fd);
  }
  SetCloexecFrom(info);
  return closed;
}

// Nanoseconds since boot, time in suspend included.
Napi::Value BootTimeNs(const Napi::CallbackInfo& info) {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return Napi::BigInt::New(info.Env(), static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec);
}

// Field 22 of /proc/PID/stat; the name before it may hold spaces and brackets. Empty: no such process.
std::optional<uint64_t> StartTicks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; field++) fields >> skipped;
  uint64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

// A descriptor of that very process. The start time is read after opening: a number reused in between cannot match.
int OpenProcess(pid_t pid, std::optional<uint64_t> start_ticks) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0 && start_ticks && StartTicks(pid) != start_ticks) {
    close(fd);
    errno = ESRCH;
    return -1;
  }
  return fd;
}

Napi::Value ProcessStartTicks(const Napi::CallbackInfo& info) {
  const auto ticks = StartTicks(info[0].As<Napi::Number>().Int32Value());
  return ticks ? ToJs(info.Env(), Value(*ticks)) : info.Env().Undefined();
}

Napi::Value PidfdKill(const Napi::CallbackInfo& info) {
  const pid_t pid = info[0].As<Napi::Number>().Int32Value();
  const int signal_number = info[1].As<Napi::Number>().Int32Value();
  std::optional<uint64_t> start_ticks;
  if (info[2].IsNumber()) start_ticks = static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value());
  const Fd process(OpenProcess(pid, start_ticks));
  const bool sent = process.valid() && syscall(SYS_pidfd_send_signal, process.get(), signal_number, nullptr, 0) == 0;
  if (!sent && errno != ESRCH) ThrowErrno(info.Env(), "pidfd");
  return Napi::Boolean::New(info.Env(), sent);
}

// True once the process has ended, false when it still lives after the time.
Value WaitProcessExit(Args& args) {
  const auto pid = args.Integer<pid_t>();
  const auto start_ticks = args.OptionalInteger<uint64_t>();
  const int timeout_ms = args.Integer<int>();
  const Fd process(OpenProcess(pid, start_ticks));
  if (!process.valid()) {
    if (errno == ESRCH) return true;
    throw std::runtime_error(std::string("pidfd_open: ") + strerror(errno));
  }
  pollfd waiting{process.get(), POLLIN, 0};
  return poll(&waiting, 1, timeout_ms) > 0;
}

const Verb kVerbs[] = {{"waitProcessExit", WaitProcessExit}};

}  // namespace

void ExportSystem(Napi::Env env, Napi::Object exports) {
  Export(env, exports, kVerbs);
  const auto add = [&](const char* name, auto function) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("sendDatagram", SendDatagram);
  add("setCloexecFrom", SetCloexecFrom);
  add("closeInheritedFiles", CloseInheritedFiles);
  add("bootTimeNs", BootTimeNs);
  add("processStartTicks", ProcessStartTicks);
  add("pidfdKill", PidfdKill);
}

}  // namespace pvc
