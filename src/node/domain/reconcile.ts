import { sleep } from '../../base/clock.ts'
import { DeadlineError } from '../../base/deadline.ts'
import { Reconciler } from '../../base/reconciler.ts'
import type { VmArrival } from '../../model/domain.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import { applyVmAction } from './apply.ts'
import { createCopyWatch } from './copy-watch.ts'
import { decideVm } from './decide.ts'
import type { VmProblem } from './decision.ts'
import { FIRST_MEMORY, type VmMemory } from './memory.ts'
import { observeVm } from './observe.ts'
import { rememberOutcome } from './patch.ts'
import type { DomainPorts } from './ports.ts'

const RESCAN_MS = 30_000
const RETRY_MS = 2000
/** A pass does so many steps at most before it gives way; the next pass goes on. */
const MAX_STEPS = 12
/** So long a stop waits for libvirt to call a copy off, or for a copy that is complete to be handed over. */
const LEAVE_MS = 10_000
/** A copy that libvirt still prepares cannot be called off yet: it is asked again after this. */
const LEAVE_AGAIN_MS = 500
const LEAVE_LOOK_MS = 20

/** Actions whose effect comes later: looking again at once would only repeat them. */
const TAKES_TIME: ReadonlySet<string> = new Set(['shutdown', 'abort-copy'])

/** The loop of one VM on this node. */
export type VmReconciler = {
  trigger(): void
  /** libvirt said something about this VM's domain. */
  event(event: string, detail: string): void
  /** The target of a copy that leaves says what it has. */
  wake(arrival: VmArrival): void
  /** Ends the loop. A copy under way is called off, or handed over when it is complete: nobody would do it afterwards. */
  stop(): Promise<void>
}

/** Creates the loop of one VM; nothing runs before the first trigger. */
export function createVmReconciler(nodePorts: DomainPorts, uuid: VmUuid): VmReconciler {
  const log = nodePorts.log.child({ component: 'domain', vm: uuid })
  const ports: DomainPorts = { ...nodePorts, log }
  let memory: VmMemory = FIRST_MEMORY
  let isLeaving = false
  const board = createProblemBoard(ports, uuid)
  const copies = createCopyWatch(() => loop.trigger())
  const look = () => copies.look(ports.clock.nowMs())
  const watch = createMoveWatch(uuid, () => loop.trigger())

  /** One step: look, decide, do. @returns undefined when there was nothing to do, else when to look again. */
  async function step(): Promise<{ readonly isIdle: boolean; readonly wakeInMs: number | undefined }> {
    const certificate = ports.certificate()
    if (certificate === undefined) return { isIdle: true, wakeInMs: undefined }
    const observed = await observeVm(ports, certificate, uuid, memory, look())
    copies.saw(observed.observation)
    watch.follow(look().isMoving ? certificate.session : undefined)
    isLeaving = observed.status?.value.migration?.from.node === ports.self
    board.setTrusted(observed.observation.isSeqTrusted)
    const decision = decideVm(observed.observation)
    memory = decision.memory
    board.show(decision.problems)
    if (decision.action === undefined) return { isIdle: true, wakeInMs: decision.wakeInMs }
    const { action } = decision
    log.info({ action: describe(action) }, `vm ${action.kind}`)
    const outcome = await applyVmAction({ ports, certificate, uuid, observed, look, startCopy: copies.start }, action)
    copies.did(action.kind)
    memory = rememberOutcome(memory, action, outcome)
    if (outcome.kind !== 'done') log.warn({ action: action.kind, reason: outcome.reason }, 'vm action did not succeed')
    return { isIdle: TAKES_TIME.has(action.kind), wakeInMs: decision.wakeInMs }
  }

  async function pass() {
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      const { isIdle, wakeInMs } = await step()
      if (isIdle) return wakeInMs === undefined ? {} : { wakeInMs }
    }
    return { wakeInMs: RETRY_MS }
  }

  /**
   * libvirt goes on with a copy after this daemon is gone, and the guest would then stand still until a daemon is back.
   * What is called off begins anew with the next daemon.
   */
  async function leaveNoCopy() {
    if (look().copyCall?.state !== 'running') return
    const { clock } = ports
    const endMs = clock.nowMs() + LEAVE_MS
    log.info({}, 'calling the copy off, because this daemon ends')
    for (let isOver = false; !isOver; ) {
      await ports.hypervisor.abortMigration(uuid)
      const ended = copies.ended().then(() => true)
      isOver = await Promise.race([ended, sleep(clock, LEAVE_AGAIN_MS).then(() => false)])
      if (!isOver && clock.nowMs() >= endMs) throw new DeadlineError('the end of a copy', LEAVE_MS)
    }
    if (look().copyCall?.error !== undefined) return
    do {
      await pass()
      await sleep(clock, LEAVE_LOOK_MS)
    } while (isLeaving && clock.nowMs() < endMs)
  }

  const loop = new Reconciler({
    clock: ports.clock,
    pass,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    onError(error) {
      const isExpected = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_HYPERVISOR_UNAVAILABLE')
      log[isExpected ? 'info' : 'warn']({ error: errorChain(error) }, 'looking at the vm failed, trying again')
    },
  })
  return {
    trigger: () => loop.trigger(),
    event(event, detail) {
      copies.event(event, detail)
      loop.trigger()
    },
    wake: copies.tell,
    async stop() {
      await loop.stop()
      watch.follow(undefined)
      try {
        await leaveNoCopy()
      } catch (error) {
        log.warn({ error: errorChain(error) }, 'a copy is still under way; the next daemon sees to it')
      }
      board.show([])
      board.setTrusted(true)
    },
  }
}

/**
 * While a VM moves, a watch that fires is acted on at once, not when the index has read what changed: the guest may stand
 * still for it. The watches themselves are the index's, in the same session.
 */
function createMoveWatch(uuid: VmUuid, onFired: () => void) {
  const { path } = tree.vm(uuid).spec
  const below = `${path}/`
  let followed: StoreSession | undefined
  let unsubscribe: (() => void) | undefined
  return {
    follow(session: StoreSession | undefined) {
      if (session === followed) return
      unsubscribe?.()
      followed = session
      unsubscribe = session?.onChange((changed) => {
        if (changed === path || changed.startsWith(below)) onFired()
      })
    },
  }
}

/** Keeps the node's fault list in step with what one VM's decision complains about. */
function createProblemBoard(ports: DomainPorts, uuid: VmUuid) {
  let shown: readonly string[] = []
  return {
    show(problems: readonly VmProblem[]) {
      const ids = problems.map((problem) => `${problem.id}:${uuid}`)
      for (const id of shown) if (!ids.includes(id)) ports.faults.clear(id)
      for (const problem of problems) ports.faults.set(`${problem.id}:${uuid}`, 'error', problem.message)
      shown = ids
    },
    setTrusted(isTrusted: boolean) {
      const id = `STORE_ROLLBACK:${uuid}`
      if (isTrusted) return ports.faults.clear(id)
      const message = `The run record of VM ${uuid} went backwards in ZooKeeper; nothing is done with this VM. Check the ensemble for a diverged member.`
      ports.faults.set(id, 'critical', message)
    },
  }
}

/** The action without the XML, for the log. */
function describe(action: object): object {
  return JSON.parse(JSON.stringify(action, (key, value: unknown) => (key === 'spec' ? undefined : value)))
}
