/*
 * pvc-guard: ends this machine's guests when the machine has had no contact with the cluster for too long (protocol N10).
 * pvcnoded writes the time of its last contact into a page; this program only looks at the page and at the clock. It asks
 * nobody, waits for nothing, and goes on when pvcnoded hangs, crashes, or is replaced.
 *
 * While armed and in time it feeds the watchdog. At base + bound it forbids starts, kills every QEMU, and feeds the
 * watchdog again only when all of them are seen dead in time: else the watchdog resets the machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "latch.h"
#include "log.h"
#include "page.h"
#include "qemu.h"
#include "watchdog.h"

#define TICK_NS 100000000L
#define NS_PER_MS 1000000ull

static struct state state;

void say(const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  size_t end = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
  line[end] = '\n';
  if (write(STDERR_FILENO, line, end + 1) < 0) return;
}

static void die(const char *what) {
  say(LOG_CRITICAL "pvc-guard: %s: %s", what, strerror(errno));
  exit(1);
}

static uint64_t boot_time_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static bool is_latched(void) { return state.latch > state.cleared_latch; }

static bool is_in_time(uint64_t now_ns) {
  return now_ns < state.base_ns + state.believed.bound_ms * NS_PER_MS;
}

/* An order that cannot be meant is not believed: the last one stands and its base grows old. */
static bool is_sane(const struct order *order, uint64_t now_ns) {
  if (order->base_ns > now_ns) return false;
  return !order->is_armed || (order->bound_ms > 0 && order->kill_ms > 0);
}

static void clear_latch(uint32_t latch) {
  state.cleared_latch = latch;
  state.kill = KILL_NONE;
  latch_open();
  say(LOG_WARNING "latch %u is cleared: this machine is a member again", latch);
}

static void obey(const struct order *order, uint64_t now_ns) {
  if (!is_sane(order, now_ns)) return;
  state.believed = *order;
  if (order->base_ns > state.base_ns) state.base_ns = order->base_ns;
  if (is_latched() && order->cleared_latch == state.latch && is_in_time(now_ns)) clear_latch(order->cleared_latch);
  if (!order->is_armed && state.is_armed) {
    state.is_armed = 0;
    say(LOG_INFO "disarmed");
  }
  /* Armed with an old contact it would strike at once, for the sake of a state that nobody was told of. */
  if (order->is_armed && !state.is_armed && is_in_time(now_ns)) {
    state.is_armed = 1;
    say(LOG_INFO "armed: guests end %u ms after the last contact", order->bound_ms);
  }
}

static void close_latch(uint64_t now_ns) {
  state.latch += 1;
  state.kill = KILL_RUNNING;
  state.kill_since_ns = now_ns;
  /* The other side has to know before anything ends. */
  state_write(&state);
  say(LOG_CRITICAL "no contact for %llu ms: latch %u, every guest of this machine is ended",
      (unsigned long long)((now_ns - state.base_ns) / NS_PER_MS), state.latch);
  latch_close(state.latch);
}

/* While latched nothing may run: whoever slipped through is ended too, and has to be seen dead in time like the first. */
static void keep_dead(void) {
  int alive = qemu_kill_all();
  uint64_t now_ns = boot_time_ns();
  if (alive != 0 && state.kill == KILL_VERIFIED) {
    state.kill = KILL_RUNNING;
    state.kill_since_ns = now_ns;
  }
  if (state.kill != KILL_RUNNING) return;
  if (now_ns > state.kill_since_ns + state.believed.kill_ms * NS_PER_MS) {
    state.kill = KILL_OVERDUE;
    say(LOG_CRITICAL "not every guest is dead within %u ms: the watchdog is fed no more", state.believed.kill_ms);
  } else if (alive == 0) {
    state.kill = KILL_VERIFIED;
    say(LOG_WARNING "every guest is dead, %llu ms after the bound",
        (unsigned long long)((now_ns - state.kill_since_ns) / NS_PER_MS));
  }
}

static void keep_watchdog(uint64_t now_ns) {
  if (!state.is_armed) watchdog_stop();
  if (state.is_armed) watchdog_open(&state.believed, now_ns);
  bool may_feed = is_latched() ? state.kill == KILL_VERIFIED : state.is_armed && is_in_time(now_ns);
  if (may_feed || (!state.is_armed && watchdog_must_feed())) watchdog_feed(now_ns);
  watchdog_tell(&state);
}

static void tick(void) {
  struct order order;
  uint64_t now_ns = boot_time_ns();
  if (order_read(&order)) obey(&order, now_ns);
  if (state.is_armed && !is_latched() && !is_in_time(now_ns)) close_latch(now_ns);
  if (is_latched()) keep_dead();
  now_ns = boot_time_ns();
  keep_watchdog(now_ns);
  state.heartbeat_ns = now_ns;
  state_write(&state);
}

/* Goes on where an earlier guard ended: a restart never unarms. */
static void recall(void) {
  int found = state_open("guard-state", &state);
  if (found > 0) {
    say(LOG_INFO "started anew: %s, latch %u", state.is_armed ? "armed" : "not armed", state.latch);
    if (is_latched()) latch_close(state.latch);
    /* It counts on: taken up again, so that a disarming that came meanwhile can stop it. */
    if (state.is_watchdog_present) watchdog_open(&state.believed, boot_time_ns());
    return;
  }
  memset(&state, 0, sizeof state);
  struct order order;
  /* Damaged: the guard before us may have been armed, so the order counts, however old its contact is. */
  if (found < 0 && order_read(&order) && is_sane(&order, boot_time_ns())) {
    state.believed = order;
    state.base_ns = order.base_ns;
    state.is_armed = order.is_armed;
  }
}

/* A busy machine must not delay us, nor memory that was swapped out. What is not allowed is done without. */
static void become_urgent(void) {
  struct sched_param priority = {.sched_priority = 10};
  struct rlimit files = {.rlim_cur = 8192, .rlim_max = 8192};
  if (mlockall(MCL_CURRENT | MCL_FUTURE)) say(LOG_WARNING "memory cannot be locked: %s", strerror(errno));
  if (sched_setscheduler(0, SCHED_FIFO, &priority) && setpriority(PRIO_PROCESS, 0, -20))
    say(LOG_WARNING "no priority over other processes: %s", strerror(errno));
  if (setrlimit(RLIMIT_NOFILE, &files)) say(LOG_WARNING "few open files: %s", strerror(errno));
}

static int open_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, NULL)) die("sigprocmask");
  int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) die("signalfd");
  return fd;
}

static int open_timer(void) {
  struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = 1};
  int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  if (fd < 0 || timerfd_settime(fd, 0, &every, NULL)) die("timerfd");
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 3 || strcmp(argv[1], "--run") != 0) {
    say("usage: pvc-guard --run DIR    DIR: where pvcnoded and the guard keep their pages, /run/pvc");
    return 2;
  }
  if (chdir(argv[2])) die(argv[2]);
  fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
  int signals = open_signals();
  int timer = open_timer();
  if (order_open("guard")) die("guard");
  recall();
  become_urgent();
  for (;;) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EINTR) die("timer");
    struct signalfd_siginfo asked;
    if (read(signals, &asked, sizeof asked) > 0) break;
    tick();
  }
  /* Armed, it leaves the watchdog counting: whoever stops the guard of an armed node must start it again in time. */
  if (!state.is_armed) watchdog_stop();
  say(LOG_INFO "ended by a signal, %s", state.is_armed ? "armed: the watchdog counts on" : "not armed");
  return 0;
}
