/** The console part of one node in a process of its own, for the bench: real store, real files, no libvirt. Talks by messages. */
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { createLogFiles } from '../../src/adapters/console/log-files.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { startConsoles } from '../../src/console/start.ts'
import { isVmSpec } from '../../src/model/domain.ts'
import { NodeName } from '../../src/model/ids.ts'
import type { StoreSession } from '../../src/ports/store.ts'
import type { Key } from '../../src/schema/key.ts'
import { tree } from '../../src/schema/tree.ts'
import { createIndex } from '../../src/view/index.ts'
import { vmsCollection } from '../../src/view/tree-collections.ts'
import { ReferenceConsole } from './console-reference.ts'

/** What the process has used and written since its start. */
export type ConsoleUsage = { readonly bytes: number; readonly cpuMs: number; readonly rssMiB: number }

const [design = '', directory = '', servers = ''] = process.argv.slice(2)
const clock = createSystemClock()
const log = new FakeLog()
const self = NodeName.parse('hv1')
const store = createZooKeeperStore({ servers: servers.split(','), root: '/pvc', sessionTimeoutMs: 20_000, clock, log })
let bytes = 0

/** The session, with everything counted that it sends to be written: documents and paths. */
function counted(session: StoreSession): StoreSession {
  const cost = <T>(key: Key<T>, value: T) => {
    bytes += Buffer.byteLength(key.path) + Buffer.byteLength(key.codec.encode(value))
  }
  const create: StoreSession['create'] = (key, value, mode) => {
    cost(key, value)
    return session.create(key, value, mode)
  }
  const set: StoreSession['set'] = (key, value, version) => {
    cost(key, value)
    return session.set(key, value, version)
  }
  const remove: StoreSession['remove'] = (path, version) => {
    bytes += Buffer.byteLength(path)
    return session.remove(path, version)
  }
  return new Proxy(session, {
    get(target, name) {
      const own = { create, set, remove }[String(name)]
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const session = counted(await store.connected(15_000))
const index = createIndex({ store, clock, log, collections: [vmsCollection()] })
await index.ready(60_000)
if (design === 'reference') {
  for (const uuid of index.children(tree.vms.path))
    new ReferenceConsole(session, uuid, `${directory}/${uuid}.log`).start()
} else {
  startConsoles({
    self,
    settings: { lines: 1000, nodeLogLines: 0, budgetKiBps: 4096 },
    store,
    session: () => session,
    index,
    hypervisor: {
      xml: async (uuid) => {
        const document = index.get(tree.vm(uuid).spec)?.value
        return isVmSpec(document) ? document.xml : undefined
      },
      subscribe: () => () => undefined,
    },
    files: createLogFiles({ directory, clock, log }),
    faults: { set: (_id, _severity, message) => console.error(message), clear: () => undefined },
    clock,
    log,
  })
}
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  const usage: ConsoleUsage = {
    bytes,
    cpuMs: (user + system) / 1000,
    rssMiB: process.memoryUsage.rss() / 1024 ** 2,
  }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
