import type { KernelSetting, Link, LinkChange } from '../model/link.ts'

/** What could not be changed, as a sentence. */
export type LinkFailure = { readonly name: string; readonly reason: string }

/** Network devices of this machine. Every call is bounded. @throws PVC_NETWORK_FAILED when nothing can be asked at all */
export type Links = {
  list(): Promise<readonly Link[]>
  /** Carries out all of them in order, also after one that failed. */
  apply(changes: readonly LinkChange[]): Promise<readonly LinkFailure[]>
  /** Writes the settings that differ. A setting whose device is not there yet is a failure. */
  keep(settings: readonly KernelSetting[]): Promise<readonly LinkFailure[]>
  /** Called soon after a device appeared, vanished or changed. It only says "look again". */
  subscribe(listener: () => void): () => void
  close(): void
}
