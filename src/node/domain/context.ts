import type { VmUuid } from '../../model/ids.ts'
import type { Observed } from './observe.ts'
import type { Certificate, DomainPorts } from './ports.ts'

/** What an action works on: one VM, as it was seen in one certified session. */
export type ActionContext = {
  readonly ports: DomainPorts
  readonly certificate: Certificate
  readonly uuid: VmUuid
  readonly observed: Observed
  /** Starts libvirt's copy; its end comes with a later look. */
  readonly startCopy: (id: string, run: () => Promise<void>) => void
}
