#define _GNU_SOURCE
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

#define RETRY_NS 5000000000ull
#define FEED_NS 500000000ull

static int device_fd = -1;
static char device[DEVICE_SIZE];
static uint32_t wanted_s, fixed_s, timeout_ms;
static bool is_stopping;
static uint64_t retry_at_ns, fed_at_ns;
#define UNARMED "it is opened only while the guard is armed"
static char reason[REASON_SIZE] = UNARMED;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...) {
  char text[REASON_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (strcmp(text, reason) != 0) say(LOG_WARNING "watchdog: %s", text);
  memcpy(reason, text, sizeof reason);
}

/* "V" as the last byte makes the close stop the device; without it the close is what a crash looks like. */
static void close_stopped(void) {
  if (write(device_fd, "V", 1) < 0) say(LOG_WARNING "watchdog: %s could not be stopped: %s", device, strerror(errno));
  close(device_fd);
  device_fd = -1;
  timeout_ms = 0;
}

/* Milliseconds after which the device resets the machine, as it says itself; 0: nobody knows. */
static uint32_t agree_on_timeout(void) {
  int seconds = (int)wanted_s;
  /* A device may round, or not be able to change it at all: only what is read back counts. */
  int set = ioctl(device_fd, WDIOC_SETTIMEOUT, &seconds);
  int read_back = 0;
  if (ioctl(device_fd, WDIOC_GETTIMEOUT, &read_back) == 0 && read_back > 0) {
    if (set || read_back != (int)wanted_s)
      say(LOG_WARNING "watchdog: %s has a time-out of %d s instead of %u s", device, read_back, wanted_s);
    return (uint32_t)read_back * 1000;
  }
  return fixed_s * 1000;
}

static void remember(const struct order *order) {
  memcpy(device, order->watchdog_device, sizeof device);
  wanted_s = order->watchdog_timeout_s;
  fixed_s = order->watchdog_fixed_s;
  retry_at_ns = 0;
}

void watchdog_open(const struct order *order, uint64_t now_ns) {
  bool is_same = strcmp(device, order->watchdog_device) == 0 && wanted_s == order->watchdog_timeout_s &&
                 fixed_s == order->watchdog_fixed_s;
  if (!is_same) {
    if (device_fd >= 0) close_stopped();
    remember(order);
  }
  is_stopping = false;
  if (device_fd >= 0 || now_ns < retry_at_ns) return;
  retry_at_ns = now_ns + RETRY_NS;
  device_fd = open(device, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (device_fd < 0) {
    fail("%s cannot be opened: %s", device, strerror(errno));
    return;
  }
  timeout_ms = agree_on_timeout();
  if (timeout_ms == 0) {
    close_stopped();
    fail("%s cannot be asked for its time-out; say what it is in selfFence.watchdog.fixedTimeoutS", device);
    return;
  }
  reason[0] = '\0';
  fed_at_ns = 0;
  say(LOG_INFO "watchdog: %s resets this machine when it is not fed for %u ms", device, timeout_ms);
}

void watchdog_feed(uint64_t now_ns) {
  if (device_fd < 0 || now_ns < fed_at_ns + FEED_NS) return;
  fed_at_ns = now_ns;
  if (write(device_fd, "\n", 1) >= 0 || errno == EAGAIN || errno == EINTR) return;
  fail("%s cannot be fed: %s", device, strerror(errno));
  /* Closed without "V": whatever still counts there goes on counting. */
  close(device_fd);
  device_fd = -1;
}

void watchdog_stop(void) {
  if (device_fd < 0 || is_stopping) return;
  int off = WDIOS_DISABLECARD;
  if (ioctl(device_fd, WDIOC_SETOPTIONS, &off) && errno == EBUSY) {
    is_stopping = true;
    say(LOG_WARNING "watchdog: %s cannot be stopped (nowayout), so it is fed on", device);
    return;
  }
  close_stopped();
  memcpy(reason, UNARMED, sizeof UNARMED);
  say(LOG_INFO "watchdog: %s is stopped", device);
}

bool watchdog_must_feed(void) { return is_stopping; }

void watchdog_tell(struct state *state) {
  state->is_watchdog_present = device_fd >= 0;
  state->watchdog_timeout_ms = device_fd >= 0 ? timeout_ms : 0;
  memcpy(state->watchdog_reason, reason, sizeof state->watchdog_reason);
}
