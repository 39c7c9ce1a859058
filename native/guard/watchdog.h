#ifndef PVC_GUARD_WATCHDOG_H
#define PVC_GUARD_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"

/*
 * Opens the device that the order names, which starts it, and finds out its time-out; changes device or time-out when the
 * order says another one. A device that cannot be used is tried again every few seconds.
 */
void watchdog_open(const struct order *order, uint64_t now_ns);
/* Feeds it when it is time to. Not calling this is what resets the machine. */
void watchdog_feed(uint64_t now_ns);
/* Stops it ("magic close"). One that cannot be stopped stays open, and must be fed on: see watchdog_must_feed. */
void watchdog_stop(void);
/* It is open although it was to be stopped. */
bool watchdog_must_feed(void);
/* What the guard publishes of it. */
void watchdog_tell(struct state *state);

#endif
