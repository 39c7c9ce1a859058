#ifndef PVC_GUARD_LATCH_H
#define PVC_GUARD_LATCH_H

#include <stdint.h>

/*
 * Forbids every start on this machine: the hook of libvirt refuses while the file "guard-latch" of the run directory is
 * there, and the permits are gone. Both, because a hook that is just reading its permit must find nothing.
 */
void latch_close(uint32_t latch);
/* Starts may be permitted again. */
void latch_open(void);

#endif
