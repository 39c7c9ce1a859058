import type { VmUuid } from '../../model/ids.ts'
import type { Observed } from './observe.ts'
import type { MoveLook } from './observe-move.ts'
import type { Certificate, DomainPorts } from './ports.ts'

/** What an action works on: one VM, as it was seen in one certified session. */
export type ActionContext = {
  readonly ports: DomainPorts
  readonly certificate: Certificate
  readonly uuid: VmUuid
  readonly observed: Observed
  /** What is known of the move at this very moment, later than the observation. */
  readonly look: () => MoveLook
  /** Starts libvirt's copy; its end comes with a later look. */
  readonly startCopy: (id: string, qemuPid: number | undefined, run: () => Promise<void>) => void
}
