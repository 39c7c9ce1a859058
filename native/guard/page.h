/*
 * The two pages through which pvcnoded and the guard talk: fixed layout, little-endian, each with a CRC-32 (that of zlib)
 * over everything before it. src/adapters/guard/page.ts is the other side of it.
 */
#ifndef PVC_GUARD_PAGE_H
#define PVC_GUARD_PAGE_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_VERSION 1u
#define ORDER_MAGIC 0x47435650u /* "PVCG" */
#define STATE_MAGIC 0x53435650u /* "PVCS" */
#define DEVICE_SIZE 128
#define REASON_SIZE 160

/* What pvcnoded wants; file "guard" of the run directory. Times are nanoseconds of CLOCK_BOOTTIME. */
struct order {
  uint32_t magic;
  uint32_t version;
  uint64_t sequence;
  uint64_t base_ns;
  uint32_t is_armed;
  uint32_t cleared_latch;
  uint32_t bound_ms;
  uint32_t kill_ms;
  uint32_t watchdog_timeout_s;
  uint32_t watchdog_fixed_s; /* 0: not known */
  char watchdog_device[DEVICE_SIZE];
  char reserved[76];
  uint32_t checksum;
};

enum kill_state { KILL_NONE = 0, KILL_RUNNING = 1, KILL_VERIFIED = 2, KILL_OVERDUE = 3 };

/* What the guard is and does; file "guard-state". A guard that is started anew goes on from it. */
struct state {
  uint32_t magic;
  uint32_t version;
  uint64_t heartbeat_ns;
  uint64_t base_ns;
  uint64_t kill_since_ns;
  uint32_t is_armed;
  uint32_t latch;
  uint32_t cleared_latch;
  uint32_t kill; /* enum kill_state, since the latch */
  uint32_t is_watchdog_present;
  uint32_t watchdog_timeout_ms;
  char watchdog_reason[REASON_SIZE]; /* why there is none */
  char reserved[32];
  struct order believed; /* the last order that was believed; magic 0: none yet */
  uint32_t padding;
  uint32_t checksum;
};

_Static_assert(sizeof(struct order) == 256, "the other side reads 256 bytes");
_Static_assert(offsetof(struct order, watchdog_device) == 48, "layout");
_Static_assert(offsetof(struct order, checksum) == 252, "layout");
_Static_assert(sizeof(struct state) == 512, "the other side reads 512 bytes");
_Static_assert(offsetof(struct state, is_armed) == 32, "layout");
_Static_assert(offsetof(struct state, watchdog_reason) == 56, "layout");
_Static_assert(offsetof(struct state, believed) == 248, "layout");
_Static_assert(offsetof(struct state, checksum) == 508, "layout");

/* Maps the page of orders; made when it is missing. Returns 0, or -1 with errno. */
int order_open(const char *path);
/* Copies the order if it is whole and of this version. Returns 0 when there is none to believe. */
int order_read(struct order *order);

/* Reads what an earlier guard left. Returns 1: read; 0: there is none; -1: it is damaged. */
int state_open(const char *path, struct state *state);
void state_write(struct state *state);

#endif
