import type { NodeName } from '../model/ids.ts'
import type { Reign } from '../ports/primary.ts'
import type { ClusterView } from './cluster.ts'
import type { FencerDeps } from './deps.ts'
import type { JournalWriter } from './journal-writer.ts'
import type { Opening } from './opening.ts'

/** What every action about one node works with. */
export type ApplyContext = {
  readonly deps: FencerDeps
  readonly reign: Reign
  readonly cluster: ClusterView
  readonly node: NodeName
  readonly opening: Opening | undefined
  readonly writer: JournalWriter
  readonly goneSinceMs: number | undefined
}
