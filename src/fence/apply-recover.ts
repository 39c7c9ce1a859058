import type { FenceJournal, Victim } from '../model/fence.ts'
import type { Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { ApplyContext } from './apply-context.ts'
import { seconds, withVictims } from './journal.ts'
import type { Observed } from './observe.ts'
import { applyRecovery } from './recovery/apply.ts'
import { heldByDead, isStranded, isWaitingFor, planRecovery, type RecoveryStep } from './recovery/plan.ts'
import { type ReadRecovery, readRecovery } from './recovery/read.ts'
import type { RecoverySnapshot } from './recovery/snapshot.ts'

/**
 * One round of recovery: every VM whose record names a dead life of the node is given to another one (protocol P6), and what
 * is placed there and held by nobody is placed anew. The
 * victims are written down first, so that a later primary knows whom this one had begun with. When none is left, it is over.
 * @returns whether the journal is further than it was
 */
export async function applyRecover(context: ApplyContext, { journal }: Observed): Promise<boolean> {
  const { reign, deps, node, cluster, opening } = context
  const times = { wallMs: deps.clock.wallMs(), recoveringForMs: opening?.recoveringForMs() ?? 0 }
  const read = await readRecovery(reign.session, node, times)
  const steps = planRecovery(read.snapshot)
  cluster.forget()
  const isOver = journal.value.state === 'evidence' && heldByDead(read.snapshot).length === 0
  if (isOver || steps.length === 0) return finish(context, journal, read)
  const announced = await announce(context, journal, steps)
  if (announced === undefined) return true
  const { writer } = context
  if (opening === undefined) return false
  const results = await applyRecovery(
    {
      session: reign.session,
      ceph: deps.ceph,
      node,
      addresses: announced.value.addresses,
      isCephUsable: !announced.value.evidence.some(({ kind }) => kind === 'no-ceph'),
      irreversible: (what, work) => opening.irreversible(what, work),
      afterMs: () => writer.afterMs(announced.value, deps.clock.nowMs()),
      wallMs: deps.clock.wallMs(),
      log: deps.log,
    },
    steps,
    read,
  )
  cluster.forget()
  const next = withVictims(announced.value, results)
  if (JSON.stringify(next.victims.map(essence)) === JSON.stringify(announced.value.victims.map(essence))) return false
  const isWritten = await writer.write(announced, next, opening, {
    step: 'recovery',
    text: summary(results),
    atMs: deps.clock.nowMs(),
  })
  // Ended migrations and lost races are looked at again at once; what waits for others is not.
  return isWritten && results.some(({ state }) => state === 'moved' || state === 'off')
}

/** What of a victim is news. */
function essence({ uuid, state, target, reason }: Victim) {
  return [uuid, state, target, reason]
}

function summary(results: readonly Victim[]): string {
  const count = (state: Victim['state']) => results.filter((victim) => victim.state === state).length
  const last = Math.max(...results.map(({ afterMs }) => afterMs))
  const parts = [
    `${count('moved')} VMs given to other nodes`,
    ...(count('off') > 0 ? [`${count('off')} left off`] : []),
    ...(count('waiting') > 0 ? [`${count('waiting')} waiting`] : []),
    ...(count('failed') > 0 ? [`${count('failed')} to be tried again`] : []),
  ]
  return `${parts.join(', ')} (the last after ${seconds(last)})`
}

/** Writes down VMs that are not in the journal yet. @returns undefined when somebody else changed it */
async function announce(
  { reign, writer, opening, node, deps }: ApplyContext,
  journal: Versioned<FenceJournal>,
  steps: readonly RecoveryStep[],
): Promise<Versioned<FenceJournal> | undefined> {
  const known = new Set(journal.value.victims.map(({ uuid }) => uuid))
  const news = steps.filter(({ uuid }) => !known.has(uuid))
  if (news.length === 0) return journal
  const afterMs = writer.afterMs(journal.value, deps.clock.nowMs())
  const victims = news.map(({ uuid, name }): Victim => {
    return { uuid, name, state: 'waiting', target: null, reason: 'its turn comes', afterMs }
  })
  const text = `${steps.length} VMs to recover`
  const next = withVictims(journal.value, victims)
  if (!(await writer.write(journal, next, opening, { step: 'recovery', text, atMs: deps.clock.nowMs() })))
    return undefined
  const written = await reign.session.get(tree.node(node).fence)
  return written?.value.seq === journal.value.seq && written.value.epoch === reign.epoch ? written : undefined
}

/** No record names a dead life any more. */
async function finish(
  { writer, opening, deps }: ApplyContext,
  journal: Versioned<FenceJournal>,
  { snapshot }: ReadRecovery,
): Promise<boolean> {
  const settled = journal.value.victims.flatMap((victim) => settle(snapshot, victim, journal.value.state))
  const isNews = JSON.stringify(settled) !== JSON.stringify(journal.value.victims)
  if (journal.value.state !== 'evidence' && !isNews) return false
  const next: FenceJournal = { ...journal.value, state: 'recovered', victims: settled, stuck: '' }
  const atMs = deps.clock.nowMs()
  return writer.write(journal, next, opening, { step: 'recovery', text: 'no VM of it is left to recover', atMs })
}

/**
 * Given on by a primary that died before it could write that down, or taken by somebody rightful since. One that waited for
 * the node only, and that is left to it or not wanted on any more, is no victim after all: nothing of the node was moved.
 */
function settle(snapshot: RecoverySnapshot, victim: Victim, state: FenceJournal['state']): readonly Victim[] {
  if (victim.state !== 'waiting' && victim.state !== 'failed') return [victim]
  const vm = snapshot.vms.find(({ uuid }) => uuid === victim.uuid)
  if (vm !== undefined && isWaitingFor(snapshot, vm)) return [victim]
  const placed = vm !== undefined && isStranded(vm.document, vm.status) ? vm.document.node : undefined
  const target = vm?.status.run?.node ?? placed
  if (target === snapshot.node || (target === undefined && state === 'recovered')) return []
  return target === undefined
    ? [{ ...victim, state: 'off', target: null }]
    : [{ ...victim, state: 'moved', target, reason: '' }]
}
