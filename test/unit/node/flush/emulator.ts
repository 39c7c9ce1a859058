/** A cluster whose nodes do at once, or a little later, what is written for their VMs; to play a whole flush without daemons. */
import type { NodeFacts } from '../../../../src/model/compat-node.ts'
import type { VmSpec } from '../../../../src/model/domain.ts'
import type { FlushRun } from '../../../../src/model/flush.ts'
import { flushFacts } from '../../../../src/model/flush-plan.ts'
import { LifeId, NodeName, type VmUuid } from '../../../../src/model/ids.ts'
import { orderOf, whereabouts } from '../../../../src/model/move.ts'
import type { DaemonState, NodeSpec } from '../../../../src/model/node.ts'
import { placementNodes, type VmFacts } from '../../../../src/model/placement.ts'
import { decideFlush } from '../../../../src/node/flush/decide.ts'
import {
  FIRST_MEMORY,
  type FlushDecision,
  type FlushSnapshot,
  type SpecWrite,
  type Turn,
} from '../../../../src/node/flush/snapshot.ts'
import { nodeFacts, RESOURCES, vmFacts } from '../../model/placement-world.ts'

export const SELF = NodeName.parse('a')
export const TOTAL_MIB = 10_000
const LIFE = LifeId.parse('l')
/** Looks are a second apart. */
const LOOK_MS = 1000

export type EmulatedVm = {
  readonly memoryMiB: number
  readonly power?: 'on' | 'off'
  readonly meta?: Partial<VmSpec['meta']>
  /** Node it runs on; default: the one to be emptied. */
  readonly at?: string
}

/** How a move ends: after so many looks, and whether its copy fails. */
export type MoveFate = { readonly looks: number; readonly isFailing: boolean }

export class Emulator {
  readonly vms = new Map<VmUuid, VmFacts>()
  readonly daemons = new Map<NodeName, DaemonState>()
  readonly parallel: number
  wanted: Pick<NodeSpec, 'wanted' | 'wish'> = { wanted: 'ready', wish: 0 }
  run: FlushRun | undefined
  turn: Turn = { is: 'none' }
  /** Another node whose turn it is. */
  holder: NodeName | undefined
  memory = FIRST_MEMORY
  nowMs = 0
  /** Domains of nobody we know. */
  aliens = 0
  isLibvirtDown = false
  /** False: a copy to a dead node hangs. */
  isNoticing = true
  decision: FlushDecision | undefined
  /** Told of each move that begins. */
  fateOf: (vm: VmFacts) => MoveFate = () => ({ looks: 1, isFailing: false })
  readonly #fates = new Map<string, { looksLeft: number; isFailing: boolean }>()

  constructor(nodes: readonly string[], vms: Readonly<Record<string, EmulatedVm>>, parallel = 2) {
    for (const name of nodes) this.daemons.set(NodeName.parse(name), 'run')
    for (const [name, { memoryMiB, power = 'on', meta = {}, at = 'a' }] of Object.entries(vms)) {
      const run = power === 'on' ? { run: at } : {}
      const facts = vmFacts(name, { node: at, power, spec: { memoryMiB }, meta, ...run })
      this.vms.set(facts.spec.uuid, facts)
    }
    this.parallel = parallel
  }

  ask(wanted: NodeSpec['wanted']): void {
    this.wanted = { wanted, wish: this.wanted.wish + 1 }
  }

  /** pvcnoded was restarted: what it only remembered is gone, and so is its place in the queue. */
  restart(): void {
    this.memory = FIRST_MEMORY
    this.turn = { is: 'none' }
  }

  snapshot(): FlushSnapshot {
    const vms = [...this.vms.values()]
    return {
      self: SELF,
      wanted: this.wanted,
      run: this.run,
      vms,
      nodes: placementNodes(this.#nodes(), vms),
      defaultSelector: 'mem',
      factsOf: (spec) => flushFacts(spec.xml),
      turn: this.turn,
      activeDomains: this.isLibvirtDown ? undefined : this.aliens + this.#runningAt(SELF).length,
      parallel: this.parallel,
      nowMs: this.nowMs,
      wallMs: this.nowMs,
      memory: this.memory,
    }
  }

  /** One look of the node, and a second in which the others act. */
  look(): FlushDecision {
    const decision = decideFlush(this.snapshot())
    this.decision = decision
    this.memory = decision.memory
    if (decision.turn === 'take')
      this.turn = this.holder === undefined ? { is: 'ours' } : { is: 'waiting', behind: this.holder }
    else if (decision.turn === 'drop') this.turn = { is: 'none' }
    else if (this.turn.is === 'waiting' && this.holder === undefined) this.turn = { is: 'ours' }
    this.run = decision.run
    for (const write of decision.writes) this.#write(write)
    this.nowMs += LOOK_MS
    for (const vm of this.vms.values()) this.#act(vm)
    return decision
  }

  /** Looks until the run is over. @returns the number of looks; throws after `limit` of them */
  play(limit = 200): number {
    for (let looks = 1; looks <= limit; looks += 1) {
      this.look()
      if (this.run?.endedAt != null && this.run.wish === this.wanted.wish) return looks
    }
    throw new Error(`not over after ${limit} looks: ${JSON.stringify(this.run)}`)
  }

  vm(name: string): VmFacts {
    const found = [...this.vms.values()].find(({ spec }) => spec.name === name)
    if (!found) throw new Error(`no VM ${name}`)
    return found
  }

  /** Where each VM runs, or that it is off. */
  whereabouts(): Record<string, string> {
    return Object.fromEntries(
      [...this.vms.values()].map(({ spec, status }) => [
        spec.name,
        status.run?.node ?? (spec.power === 'on' ? 'lost' : 'off'),
      ]),
    )
  }

  /** The steps as text, in their order. */
  steps(): string[] {
    return (this.run?.steps ?? []).map(({ name, method, target, state }) => `${name} ${method} ${target} ${state}`)
  }

  /** A change of the specification by somebody else. */
  edit(name: string, change: Partial<VmSpec>): void {
    const { spec, status } = this.vm(name)
    this.vms.set(spec.uuid, { spec: { ...spec, ...change, generation: spec.generation + 1 }, status })
  }

  /** The operator takes the move of a VM back, as the API writes it. */
  callOff(name: string): void {
    const vm = this.vm(name)
    const where = whereabouts(vm)
    this.edit(name, { node: where.node, lastNode: where.home, move: null })
  }

  /** Memory of all VMs that run at a node or are to run there. */
  promisedMiB(node: string): number {
    return [...this.vms.values()]
      .filter(({ spec, status }) => spec.power === 'on' && (status.run?.node === node || spec.node === node))
      .reduce((sum, { spec }) => sum + spec.memoryMiB, 0)
  }

  /** VMs that are on their way from or to a node. */
  movesUnderWay(): number {
    return [...this.vms.values()].filter(
      ({ spec, status }) =>
        spec.power === 'on' && status.run !== null && status.run.node !== spec.node && !isStopped({ spec, status }),
    ).length
  }

  #write({ vm, seen, next }: SpecWrite): void {
    const present = this.vms.get(vm)
    if (present === undefined) throw new Error(`writes ${vm}, which does not exist`)
    if (present.spec.generation !== seen.generation || present.status.seq !== seen.seq) return
    if (next.generation !== present.spec.generation + 1) throw new Error('a change must raise the generation by one')
    this.vms.set(vm, { spec: next, status: present.status })
  }

  /** What the nodes of a VM do within a second. */
  #act(vm: VmFacts): void {
    const { spec, status } = vm
    const { run } = status
    const settle = (change: Partial<VmFacts['status']>) => {
      this.vms.set(spec.uuid, { spec, status: { ...status, observedGeneration: spec.generation, ...change } })
    }
    if (run === null) {
      if (spec.power === 'on' && this.daemons.get(spec.node) === 'run')
        settle({ run: { node: spec.node, life: LIFE, holder: null }, seq: status.seq + 1, phase: 'running' })
      return
    }
    if (this.daemons.get(run.node) !== 'run' || run.holder !== null) return
    if (spec.power !== 'on') settle({ run: null, seq: status.seq + 1, phase: 'off' })
    else if (run.node === spec.node) settle({ phase: 'running' })
    else this.#move(vm, settle)
  }

  #move(vm: VmFacts, settle: (change: Partial<VmFacts['status']>) => void): void {
    const { spec, status } = vm
    const order = orderOf(spec)
    if (status.moveFailure?.orderId === order.id && status.moveFailure.isFinal) return
    const isUp = this.daemons.get(spec.node) === 'run'
    // By its VM too: two VMs may have orders of one name.
    const key = `${spec.uuid} ${order.id}`
    const fate = this.#fates.get(key) ?? begin(this.fateOf(vm))
    this.#fates.set(key, fate)
    fate.looksLeft -= 1
    if ((isUp && fate.looksLeft > 0) || (!isUp && !this.isNoticing)) return
    const isFailing = !isUp || (fate.isFailing && !isShutdown(spec))
    // A live copy that failed may become a shutdown, if order and method allow it.
    const isStaying = isFailing && (!isUp || order.isLiveOnly || spec.meta.migrationMethod === 'live')
    if (isStaying) settle({ moveFailure: { orderId: order.id, reason: 'No route to host', isFinal: true } })
    else settle({ run: { node: spec.node, life: LIFE, holder: null }, seq: status.seq + 1, phase: 'running' })
  }

  #runningAt(node: NodeName): readonly VmFacts[] {
    return [...this.vms.values()].filter(({ status }) => status.run?.node === node && status.run.holder === null)
  }

  #nodes(): readonly NodeFacts[] {
    return [...this.daemons].map(([name, daemon]) => {
      const base = nodeFacts(name)
      if (base.status === undefined) throw new Error('a node of the emulator reports')
      const runs = this.#runningAt(name)
      const usedMiB = runs.reduce((sum, { spec }) => sum + spec.memoryMiB, 0)
      const memory = { memoryTotalMiB: TOTAL_MIB, memoryFreeMiB: TOTAL_MIB - usedMiB, memoryProvisionedMiB: usedMiB }
      const runningDomains = runs.map(({ spec }) => spec.uuid)
      const resources = { ...RESOURCES, ...memory, cpuCount: 64 }
      return { ...base, status: { ...base.status, daemon, resources, runningDomains }, isAlive: daemon === 'run' }
    })
  }
}

function begin({ looks, isFailing }: MoveFate) {
  return { looksLeft: looks, isFailing }
}

function isShutdown(spec: VmSpec): boolean {
  return spec.meta.migrationMethod === 'shutdown' && !orderOf(spec).isLiveOnly
}

/** Its move has failed, and it stays for now. */
function isStopped({ spec, status }: VmFacts): boolean {
  return status.moveFailure?.orderId === orderOf(spec).id && status.moveFailure.isFinal
}
