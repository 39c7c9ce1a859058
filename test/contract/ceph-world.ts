/** What the Ceph contract needs besides the port: the same for the fake and for a real cluster. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCephCli } from '../../src/adapters/ceph/ceph-cli.ts'
import { createStorageFence } from '../../src/adapters/ceph/storage-fence.ts'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeCeph } from '../../src/adapters/fake/ceph.ts'
import { FakeOsdMap, FakeStorageFence } from '../../src/adapters/fake/storage-fence.ts'
import { type RunCommand, runCommand } from '../../src/adapters/process/command.ts'
import type { Ceph } from '../../src/ports/ceph.ts'
import type { StorageFence } from '../../src/ports/storage-fence.ts'
import { putCephServices, startCeph } from '../lab/ceph.ts'
import { planCeph, writeCephFiles } from '../lab/ceph-files.ts'
import { put } from '../lab/host-files.ts'
import { endInstance, type Instance, intoRoom, runInRoom, startInstance } from '../lab/instance.ts'
import { hostDir, instanceDir, repoDir } from '../lab/plan.ts'
import { pollUntil } from '../lab/poll.ts'
import { writeRoomFiles } from '../lab/room-files.ts'

/** A guest's client: it has opened the volume and written to it once. */
export type Holder = {
  /** SIGKILL. */
  kill(): Promise<void>
  /** Orderly end. */
  close(): Promise<void>
}

export type CephWorld = {
  /** As the node's user. */
  readonly ceph: Ceph
  /** As the administrator, who may make pools. */
  readonly admin: Ceph
  /** As a coordinator's user, who may ask OSDs. */
  readonly fence: StorageFence
  /** As the node's user, who may lift its own entries. */
  readonly nodeFence: StorageFence
  hold(volume: string): Promise<Holder>
  close(): Promise<void>
}

/** The fake on real time. */
export function fakeCephWorld(): CephWorld {
  const ceph = new FakeCeph({ clock: createSystemClock() })
  const map = new FakeOsdMap(ceph)
  map.addOsd(0, '10.0.0.9')
  return {
    ceph,
    admin: ceph,
    fence: new FakeStorageFence(map),
    nodeFence: new FakeStorageFence(map),
    async hold(volume) {
      const client = ceph.connect('10.0.0.1')
      const image = ceph.image(volume)
      if (!image) throw new Error(`no volume ${volume}`)
      client.open(image)
      if (client.write(image, { owner: 'guest', seq: 1 }) !== 'written') throw new Error('the write waits')
      return { kill: async () => client.die(), close: async () => client.close() }
    },
    close: async () => undefined,
  }
}

/** One monitor, manager and OSD in namespaces of their own; the tools run in there, too. */
export async function realCephWorld(): Promise<CephWorld> {
  const name = `ceph-contract-${randomUUID().slice(0, 8)}`
  const dir = instanceDir(name)
  mkdirSync(join(dir, 'shared'), { recursive: true })
  const plan = planCeph(dir, 1, 'central')
  writeRoomFiles(dir, 1)
  writeCephFiles(dir, plan, 1, 'central', false)
  putCephServices(dir, plan, (host) => hostDir(dir, host))
  put(join(dir, 'binds'), `${[repoDir, plan.dir].join('\n')}\n`)
  try {
    const instance = await startInstance({ name, dir, hosts: 1, layout: 'central', daemons: false }, true)
    await startCeph(instance, plan)
    const configFile = join(plan.dir, 'ceph.conf')
    const run = inRoom(instance)
    return {
      ceph: createCephCli({ user: 'pvc', configFile, run }),
      admin: createCephCli({ user: 'admin', configFile, run }),
      fence: createStorageFence({ user: 'admin', configFile, run, deadlineMs: 10_000 }),
      nodeFence: createStorageFence({ user: 'pvc', configFile, run, deadlineMs: 10_000 }),
      hold: (volume) => hold(instance, configFile, volume),
      close: () => endInstance(name),
    }
  } catch (error) {
    await endInstance(name)
    throw error
  }
}

function inRoom(instance: Instance): RunCommand {
  const [file = '', ...enter] = intoRoom(instance)
  return (command) => runCommand({ ...command, file, args: [...enter, command.file, ...command.args] })
}

/** qemu-io is the same librbd client as a guest's disk. */
async function hold(instance: Instance, configFile: string, volume: string): Promise<Holder> {
  const [pool, image] = volume.split('/')
  const [file = '', ...enter] = intoRoom(instance)
  const pidFile = join(instance.dir, 'shared', `holder-${randomUUID()}`)
  const source = `open -o driver=rbd,pool=${pool},image=${image},conf=${configFile},user=libvirt`
  const script = 'echo $$ >"$0"; exec stdbuf -oL qemu-io'
  // It reads commands from its standard input, so it lives until that is closed.
  const child = spawn(file, [...enter, 'sh', '-c', script, pidFile], { stdio: ['pipe', 'pipe', 'inherit'] })
  const output = readerOf(child)
  // It would not see a second line that comes together with the first.
  for (const line of [source, 'write 0 4096']) {
    await output('qemu-io> ')
    child.stdin.write(`${line}\n`)
  }
  await output('wrote 4096')
  const pid = (await readFile(pidFile, 'utf8')).trim()
  const ended = once(child, 'exit')
  return {
    async kill() {
      await runInRoom(instance, ['kill', '-9', pid])
      await ended
    },
    async close() {
      child.stdin?.end()
      await ended
    },
  }
}

/** Waits for words in the output behind those it waited for last. */
function readerOf(child: ChildProcess): (words: string) => Promise<void> {
  let output = ''
  child.stdout?.on('data', (data: Buffer) => {
    output += data.toString()
  })
  return async (words) => {
    await pollUntil({ what: `"${words}" of qemu-io`, timeoutMs: 15_000, intervalMs: 10 }, async () => {
      if (child.exitCode !== null) throw new Error(`qemu-io ended: ${output}`)
      return output.includes(words)
    })
    output = output.slice(output.indexOf(words) + words.length)
  }
}
