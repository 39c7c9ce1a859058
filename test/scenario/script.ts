/** The words of a scenario's script. */
import type { FakeStore } from '../../src/adapters/fake/store.ts'
import { isVmSpec, type VmSpec } from '../../src/model/domain.ts'
import type { FenceJournal } from '../../src/model/fence.ts'
import { NodeName, VmUuid } from '../../src/model/ids.ts'
import { withoutMove } from '../../src/model/move.ts'
import { wholeAddress } from '../../src/model/storage-address.ts'
import { tree } from '../../src/schema/tree.ts'
import { fencingVerbs } from './fencing.ts'
import type { Verb } from './verb.ts'
import { lifeOf, type World } from './world.ts'

/** How to say it in a script; the README of test/scenario lists the same. */
const verbs: Readonly<Record<string, Verb>> = {
  ...fencingVerbs,
  // node NAME start|stop|kill|power-cut|hook-missing|flush|ready
  node: (world, [name = '', what]) => {
    const machine = world.machine(name)
    if (what === 'flush' || what === 'ready') return wishNode(world, name, what)
    if (what === 'start') return machine.start()
    if (what === 'stop') return machine.stop()
    if (what === 'kill') return machine.kill()
    if (what === 'power-cut') return machine.powerCut()
    if (what === 'hook-missing') {
      machine.hookProblem = 'The start hook is missing.'
      return
    }
    throw new Error(`node: ${what}?`)
  },
  // zookeeper NAME cut|heal|expire: the connection of one node
  zookeeper: (world, [name = '', what]) => {
    const { store, primary } = world.machine(name)
    for (const each of primary === undefined ? [store] : [store, primary.lease]) disturb(world, each, what)
  },
  // lease NAME cut|heal|expire: only the connection that carries the lease
  lease: (world, [name = '', what]) => {
    const { primary } = world.machine(name)
    if (primary !== undefined) disturb(world, primary.lease, what)
  },
  // quorum lost|back: of ZooKeeper
  quorum: (world, [what]) => {
    if (what === 'lost') world.ensemble.down()
    else world.ensemble.up()
    world.zooKeeper.state = what === 'lost' ? 'not-serving' : 'serving'
  },
  // guard NAME down|up
  guard: (world, [name = '', what]) => {
    world.machine(name).guard.isRunning = what === 'up'
  },
  // maintenance on|off: as the API writes it
  maintenance: (world, [what]) =>
    world.edit(tree.cluster, (cluster) => ({
      ...cluster,
      generation: cluster.generation + 1,
      maintenance: { ...cluster.maintenance, on: what === 'on' },
    })),
  // libvirt NAME down|up|hang VERB|unhang VERB
  libvirt: (world, [name = '', what, verb]) => {
    const machine = world.machine(name)
    if (what === 'down') return machine.libvirtd.stop()
    if (what === 'up') return machine.libvirtd.start()
    return machine.hang((verb ?? '') as 'stats', what === 'hang')
  },
  // ceph down|up
  ceph: (world, [what]) => {
    const outcome = what === 'down' ? { delayMs: 3_600_000 } : undefined
    for (const verb of ['ping', 'locks', 'watchers'] as const) world.ceph.script.always(verb, outcome)
  },
  // copies take SECONDS
  copies: (world, [, seconds]) => {
    world.migrations.standing = { ...world.migrations.standing, copyMs: Number(seconds) * 1000 }
  },
  // copy-network NODE cut|heal
  'copy-network': (world, [name = '', what]) => {
    world.migrations.setReachable(world.machine(name).config.node.clusterAddress, what === 'heal')
  },
  // vm NAME on|off|restart|stop-now|at NODE|hold WHY|method WAY|call-off
  vm: (world, [name = '', what, word]) =>
    what === 'call-off'
      ? callOff(world, name)
      : world.wish(name, (spec) => settingOf(what, spec, word) ?? wishOf(what, spec.wishes, word)),
  // guest NAME crash|power-off|ignores-acpi, on whichever node it runs
  guest: (world, [name = '', what]) => {
    const uuid = world.uuid(name)
    const machine = [...world.machines.values()].find((each) => each.libvirtd.domains.get(uuid)?.run)
    if (!machine) throw new Error(`VM ${name} does not run`)
    if (what === 'crash') machine.libvirtd.crash(uuid)
    else if (what === 'power-off') machine.libvirtd.powerOff(uuid)
    else if (what === 'ignores-acpi') machine.libvirtd.guest(uuid).acpi = 'ignores'
    else throw new Error(`guest: ${what}?`)
  },
  // journal NAME open|evidence|recovered|closed [DEAD-LIFE [moved VM]]: as the primary writes it
  journal: (world, [name = '', state, deadLife, moved, vm]) =>
    world.edit(tree.node(NodeName.parse(name)).fence, (journal) => ({
      ...journal,
      state: state as FenceJournal['state'],
      epoch: journal.epoch + 1,
      seq: state === 'open' ? journal.seq + 1 : journal.seq,
      deadLives: deadLife === undefined ? journal.deadLives : [lifeOf(deadLife)],
      victims: moved === undefined || vm === undefined ? journal.victims : [victim(world, vm)],
    })),
  // blocklist NAME add|rm: the storage addresses of a node
  blocklist: (world, [name = '', what]) => {
    world.shutOut.add(name)
    for (const address of world.machine(name).config.node.storageAddresses) {
      if (what === 'add') world.ceph.blocklist(wholeAddress(address), 31_536_000)
      else world.ceph.unblocklist(wholeAddress(address))
    }
  },
  // alien NAME: a guest on that node that was never a VM of the cluster
  alien: (world, [name = '']) => {
    const { libvirtd } = world.machine(name)
    const uuid = VmUuid.parse('eeeeeeee-0000-4000-8000-000000000001')
    libvirtd.finishStart(libvirtd.beginStart(uuid, '<domain><name>stranger</name></domain>', undefined))
  },
  // job NAME NODE begins|ends: a job works on the volumes of a VM that is off
  job: (world, [name = '', node = '', what]) =>
    world.edit(tree.vm(world.uuid(name)).status, (status) => ({
      ...status,
      seq: status.seq + 1,
      run:
        what === 'begins' ? { node: NodeName.parse(node), life: lifeOf(`${node}-life-1`), holder: 'import-1' } : null,
    })),
  // record NAME seq N: a store that lost acknowledged writes
  record: (world, [name = '', , seq]) =>
    world.edit(tree.vm(world.uuid(name)).status, (status) => ({
      ...status,
      seq: Number(seq),
      run: null,
      phase: 'off' as const,
    })),
  // seqs NAME lost: what the node published is gone, what it kept on its disk is not
  seqs: (world, [name = '']) => world.edit(tree.node(NodeName.parse(name)).seqs, () => ({ seqs: {} })),
  // stranger VOLUME ADDRESS: another machine's client holds the volume's lock
  stranger: (world, [volume = '', address = '']) => {
    world.ceph.lockByStranger(volume, address)
  },
}

function disturb({ ensemble }: World, store: FakeStore, what: string | undefined): void {
  if (what === 'cut') ensemble.suspend(store)
  else if (what === 'heal') ensemble.resume(store)
  else if (what === 'expire') ensemble.expire(store)
  else throw new Error(`${what}?`)
}

function victim(world: World, name: string): FenceJournal['victims'][number] {
  return { uuid: world.uuid(name), name, state: 'moved', target: null, reason: '', afterMs: 0 }
}

function wishNode(world: World, name: string, wanted: 'flush' | 'ready'): Promise<void> {
  return world.edit(tree.node(NodeName.parse(name)).spec, (spec) => ({
    ...spec,
    generation: spec.generation + 1,
    wanted,
    wish: spec.wish + 1,
  }))
}

/** The operator takes a move back, as the API writes it. */
async function callOff(world: World, name: string): Promise<void> {
  const keys = tree.vm(world.uuid(name))
  const status = (await (await world.session()).get(keys.status))?.value
  if (!status) throw new Error(`VM ${name} has no status`)
  await world.edit(keys.spec, (spec) => (isVmSpec(spec) ? withoutMove({ spec, status }) : spec))
}

function settingOf(what: string | undefined, { meta }: VmSpec, word = ''): Partial<VmSpec> | undefined {
  if (what === 'hold') return { hold: word === 'none' ? null : (word as NonNullable<VmSpec['hold']>) }
  if (what === 'method') return { meta: { ...meta, migrationMethod: word as VmSpec['meta']['migrationMethod'] } }
  return undefined
}

function wishOf(what: string | undefined, wishes: { start: number; restart: number; stopNow: number }, node = '') {
  switch (what) {
    case 'on':
      return { power: 'on' as const, wishes: { ...wishes, start: wishes.start + 1 } }
    case 'off':
      return { power: 'off' as const }
    case 'restart':
      return { wishes: { ...wishes, restart: wishes.restart + 1 } }
    case 'stop-now':
      return { power: 'off' as const, wishes: { ...wishes, stopNow: wishes.stopNow + 1 } }
    case 'at':
      return { node: NodeName.parse(node) }
    default:
      throw new Error(`vm: ${what}?`)
  }
}

/** Time is watched in steps of this length. */
const STEP_MS = 100

/** Plays a script; every line of it and every change an onlooker would see is a line of the log. */
export async function play(world: World, script: string): Promise<string> {
  const lines: string[] = []
  const beganMs = world.clock.nowMs()
  let before: ReadonlyMap<string, string> = await world.observe()
  const look = async (): Promise<void> => {
    const now = await world.observe()
    const at = ((world.clock.nowMs() - beganMs) / 1000).toFixed(1).padStart(6)
    for (const [subject, words] of now) if (before.get(subject) !== words) lines.push(`${at}  ${subject}: ${words}`)
    before = now
  }
  for (const raw of script.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    lines.push(`> ${line}`)
    const [verb = '', ...args] = line.split(/\s+/)
    if (verb === 'wait') {
      const untilMs = world.clock.nowMs() + Number.parseFloat(args[0] ?? '') * 1000
      while (world.clock.nowMs() < untilMs) {
        await world.clock.advance(Math.min(STEP_MS, untilMs - world.clock.nowMs()))
        await look()
      }
      continue
    }
    const act = verbs[verb]
    if (act === undefined) throw new Error(`no such verb: ${line}`)
    await act(world, args)
  }
  return `${lines.join('\n')}\n`
}
