/** The machine under pvcnoded as it was set up: facts that do not change while it is up, and what packaging installed. */
export type Host = {
  /** /etc/machine-id; undefined when the machine has none. */
  machineId(): Promise<string | undefined>
  /** The Ceph key of guests, decoded. @throws PvcError PVC_CEPH_NOT_FOUND naming the keyring */
  guestKey(): Promise<Buffer>
  /** Restarts this machine at once, without ending anything in order; it may return before the machine is down. @throws PVC_HOST_FAILED */
  reboot(reason: string): Promise<void>
  /** What is wrong with libvirt's start hook, as a sentence with the fix; undefined when it is in place. */
  startHookProblem(): Promise<string | undefined>
}

/** What supervises the daemon (systemd): told how it is. Every call is cheap and never fails. */
export type Supervisor = {
  /** The daemon does its work, or waits for others by itself. */
  ready(): void
  /** One line for `systemctl status`. */
  status(text: string): void
  stopping(): void
}
