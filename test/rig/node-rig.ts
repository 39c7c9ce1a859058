/** A real pvcnoded process on a real three-server ZooKeeper ensemble; its guests are libvirt's test driver's. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { emptyVmStatus, VmSpec } from '../../src/model/domain.ts'
import { NodeName, VmUuid } from '../../src/model/ids.ts'
import type { NodeStatus } from '../../src/model/node.ts'
import type { Store, StoreSession } from '../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { pollUntil } from '../lab/poll.ts'
import { type Ensemble, startEnsemble } from '../lab/zookeeper.ts'

const self = NodeName.parse('n1')
const repo = join(import.meta.dirname, '../..')

export type NodeRigOptions = {
  /** Runs the build in dist/ as the package does; otherwise the source. */
  readonly built: boolean
  readonly intervalMs?: number
  readonly servers?: number
}

/** The rig; `close` ends everything and removes its folder. */
export class NodeRig {
  readonly ensemble: Ensemble
  readonly dir: string
  readonly keys = tree.node(self)
  readonly #options: NodeRigOptions
  readonly #store: Store
  #daemon: ChildProcess | undefined

  private constructor(dir: string, ensemble: Ensemble, options: NodeRigOptions) {
    this.dir = dir
    this.ensemble = ensemble
    this.#options = options
    this.#store = createZooKeeperStore({
      servers: ensemble.connectString.split(','),
      root: '/pvc',
      sessionTimeoutMs: 20_000,
      clock: createSystemClock(),
      log: new FakeLog(),
    })
  }

  static async start(options: NodeRigOptions): Promise<NodeRig> {
    const dir = mkdtempSync(join(tmpdir(), 'pvc-node-'))
    const servers = options.servers ?? 3
    const ensemble = await startEnsemble({ dir, servers })
    const rig = new NodeRig(dir, ensemble, options)
    writeFileSync(join(dir, 'pvc.yaml'), rig.#config())
    return rig
  }

  session(): Promise<StoreSession> {
    return this.#store.connected(10_000)
  }

  get pid(): number {
    const pid = this.#daemon?.pid
    if (pid === undefined) throw new Error('pvcnoded does not run')
    return pid
  }

  get log(): string {
    const file = join(this.dir, 'pvcnoded.log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Starts the daemon; a second one runs beside the first. */
  launch(): ChildProcess {
    const log = openSync(join(this.dir, 'pvcnoded.log'), 'a')
    const program = this.#options.built ? ['dist/bin/pvcnoded.js'] : ['--import', 'tsx', 'src/bin/pvcnoded.ts']
    const argv = ['--pdeathsig', 'KILL', process.execPath, ...program, '--config', join(this.dir, 'pvc.yaml')]
    const child = spawn('setpriv', argv, { cwd: repo, stdio: ['ignore', log, log] })
    closeSync(log)
    return child
  }

  startDaemon(): void {
    this.#daemon = this.launch()
  }

  /** Sends a signal and waits for the end. @returns the exit code, null when a signal ended it */
  async endDaemon(signal: NodeJS.Signals, timeoutMs = 20_000): Promise<number | null> {
    const daemon = this.#daemon
    if (daemon === undefined) return null
    this.#daemon = undefined
    daemon.kill(signal)
    return ended(daemon, timeoutMs).catch((error: unknown) => {
      throw new Error(`the log of pvcnoded ends with:\n${this.log.slice(-3000)}`, { cause: error })
    })
  }

  async status(): Promise<NodeStatus | undefined> {
    return (await (await this.session()).get(this.keys.status))?.value
  }

  /** Waits until the status passes `is`. */
  async until(what: string, is: (status: NodeStatus) => boolean, timeoutMs = 30_000): Promise<NodeStatus> {
    const daemon = this.#daemon
    const look = async (): Promise<NodeStatus | 'ended' | false> => {
      if (daemon !== undefined && (daemon.exitCode !== null || daemon.signalCode !== null)) return 'ended'
      const status = await this.status()
      return status !== undefined && is(status) && status
    }
    const seen = await pollUntil({ what, timeoutMs, intervalMs: 20 }, look).catch((error: unknown) => {
      throw new Error(`the log of pvcnoded ends with:\n${this.log.slice(-3000)}`, { cause: error })
    })
    if (seen === 'ended') throw new Error(`pvcnoded ended while waiting until ${what}:\n${this.log.slice(-3000)}`)
    return seen
  }

  /** Waits until so many of the rig's VMs run. */
  untilVmsRun(count: number, timeoutMs?: number): Promise<NodeStatus> {
    const isOurs = (uuid: string) => uuid.startsWith('aaaaaaaa-')
    return this.until(`${count} VMs run`, (status) => status.runningDomains.filter(isOurs).length === count, timeoutMs)
  }

  /** Defines VMs that are wanted on at the node; the daemon starts them itself. */
  async defineVms(count: number): Promise<void> {
    const session = await this.session()
    await session.ensure(TREE_DIRS)
    for (let index = 0; index < count; index += 1) {
      const spec = vmSpec(index)
      const keys = tree.vm(spec.uuid)
      // As the API does it: the status is there before the VM is.
      await session.create(keys.spec, { uuid: spec.uuid, deleted: { at: 0, lastSeq: 0, generation: 1 } })
      await session.create(keys.status, emptyVmStatus(0, Date.now()))
      await session.set(keys.spec, spec, 0)
    }
  }

  /** Transactions of the ensemble since it began: every write anybody made. */
  async transactions(): Promise<number> {
    const leader = this.ensemble.servers[await this.ensemble.leader()]
    if (leader === undefined) throw new Error('no leader')
    const answer = await ask(leader.address, leader.clientPort, 'srvr')
    const zxid = BigInt(/^Zxid: (0x[0-9a-f]+)$/m.exec(answer)?.[1] ?? '0x0')
    return Number(zxid & 0xffff_ffffn)
  }

  /** CPU time of all threads of the daemon so far, in ms. */
  cpuMs(): number {
    const tasks = `/proc/${this.pid}/task`
    const ns = readdirSync(tasks).map((task) =>
      Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]),
    )
    return ns.reduce((sum, each) => sum + each, 0) / 1e6
  }

  /** Resident memory of the daemon, in MiB. */
  rssMib(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  }

  async close(): Promise<void> {
    await this.endDaemon('SIGKILL')
    await this.#store.close()
    await this.ensemble.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #config(): string {
    const { intervalMs = 5000 } = this.#options
    return stringify({
      cluster: { name: 'rig', coordinators: [self] },
      node: { name: self, clusterAddress: '127.0.0.1', storageAddresses: ['127.0.0.1'], rebootCommand: ['false'] },
      zookeeper: { servers: this.ensemble.connectString.split(',') },
      // The only world of the driver that all connections of one process share. It comes with a running domain of its own.
      libvirt: { uri: 'test:///default' },
      ceph: { secretUuid: '00000000-0000-4000-8000-000000000000', configFile: join(this.dir, 'ceph.conf') },
      paths: { run: join(this.dir, 'run'), state: join(this.dir, 'state') },
      heartbeat: { intervalMs },
    })
  }
}

/** Waits for the end of a process. @throws Error after `timeoutMs`; it is killed then */
export function ended(child: ChildProcess, timeoutMs: number): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`process ${child.pid} did not end within ${timeoutMs} ms`))
    }, timeoutMs)
    child.once('exit', (code) => {
      clearTimeout(timer)
      resolve(code)
    })
  })
}

function vmSpec(index: number): VmSpec {
  const uuid = VmUuid.parse(`aaaaaaaa-0000-4000-8000-${String(index).padStart(12, '0')}`)
  const name = `vm${index}`
  const disk = `<disk type='file' device='disk'><source file='/nowhere/${name}'/><target dev='vda' bus='virtio'/></disk>`
  const net = `<interface type='bridge'><source bridge='br0'/><target dev='tap${index}'/></interface>`
  return VmSpec.parse({
    uuid,
    name,
    generation: 2,
    power: 'on',
    wishes: { start: 1, restart: 0, stopNow: 0 },
    node: self,
    lastNode: null,
    hold: null,
    xml: `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>1024</memory><vcpu>2</vcpu><os><type>hvm</type></os><devices>${disk}${net}</devices></domain>`,
    description: '',
    memoryMiB: 1024,
    vcpus: 2,
    rbdList: [],
    meta: {
      nodeLimit: [],
      selector: 'none',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: '',
      startPriority: 50,
      antiAffinityGroup: '',
    },
    tags: [],
  })
}

function ask(address: string, port: number, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, address, () => socket.write(word))
    let text = ''
    socket.setTimeout(5000, () => socket.destroy(new Error(`${word}: no answer`)))
    socket.on('data', (data) => {
      text += String(data)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}
