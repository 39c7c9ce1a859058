#ifndef PVC_GUARD_QEMU_H
#define PVC_GUARD_QEMU_H

/*
 * Sends SIGKILL to every guest's QEMU of this PID namespace. Returns how many are not seen dead yet; 0 says that none
 * lives. -1: it could not be found out. Call it again until it says 0.
 */
int qemu_kill_all(void);

#endif
