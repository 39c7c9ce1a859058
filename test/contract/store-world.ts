/** What the store's contract needs of the thing that is tested, and how to get it from the fake and from a real ensemble. */
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeEnsemble } from '../../src/adapters/fake/store.ts'
import { createZooKeeperStore, type ZooKeeperStoreOptions } from '../../src/adapters/zookeeper/store.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { pollUntil } from '../lab/poll.ts'
import type { Ensemble } from '../lab/zookeeper.ts'
import { fourLetter } from '../lab/zookeeper-config.ts'
import { openStoreProxy, type StoreProxy } from './store-proxy.ts'

/**
 * Waits until every server serves and follows the one leader. A server that is still joining when the next one is broken
 * makes a double failure of what is meant to be one: it notices the loss of its leader only after initLimit.
 */
export async function settled(ensemble: Ensemble): Promise<void> {
  await pollUntil({ what: 'one leader with every other server in step', timeoutMs: 30_000 }, async () => {
    const modes = await ensemble.modes()
    if (modes.filter((mode) => mode === 'follower').length !== modes.length - 1) return false
    const leader = ensemble.servers[modes.indexOf('leader')]
    if (!leader) return false
    const state = await fourLetter(leader.address, leader.clientPort, 'mntr')
    return /^zk_synced_followers\t(\d+)/m.exec(state)?.[1] === String(modes.length - 1)
  })
}

/** A client, and the means to cut it off. */
export type Client = {
  readonly store: Store
  cut(): void
  heal(): void
}

/** Servers with an empty tree. */
export type StoreWorld = {
  readonly timeoutMs: number
  connect(): Promise<Client>
  /** Closes what was connected. */
  close(): Promise<void>
}

export const clock = createSystemClock()

const quiet = () => undefined
/** PVC_TEST_LOG=1 shows what the store logs. */
const write = (fields: object, message: string) => console.error(`${clock.nowMs().toFixed(0)} ${message}`, fields)
const say = process.env['PVC_TEST_LOG'] ? write : quiet

export const testLog: Log = { debug: quiet, info: say, warn: say, error: say, fatal: say, child: () => testLog }

/** The in-memory ensemble, on the real clock with a short session timeout. */
export function fakeWorld(): StoreWorld {
  const timeoutMs = 1000
  const ensemble = new FakeEnsemble({ clock, timeoutMs })
  const stores: Store[] = []
  return {
    timeoutMs,
    async connect() {
      const store = ensemble.connect()
      stores.push(store)
      return { store, cut: () => ensemble.suspend(store), heal: () => ensemble.resume(store) }
    },
    async close() {
      for (const store of stores) await store.close()
    },
  }
}

/** A real client with its proxies. */
export type RealClient = Client & { readonly proxy: StoreProxy }

export type RealWorld = Omit<StoreWorld, 'connect'> & {
  readonly root: string
  /** `only`: indexes of the servers that the client may use; default all. */
  connect(options?: Partial<ZooKeeperStoreOptions> & { readonly only?: readonly number[] }): Promise<RealClient>
  /** A client without proxies, for measuring. */
  connectDirectly(): Store
}

let nextRoot = 1

/** A part of a running ensemble of its own, so that tests do not meet. */
export function realWorld(ensemble: Ensemble, timeoutMs = 4000): RealWorld {
  const root = `/t${nextRoot++}`
  const closers: (() => Promise<void>)[] = []
  return {
    timeoutMs,
    root,
    async connect({ only, ...options } = {}) {
      const all = ensemble.connectString.split(',')
      const proxy = await openStoreProxy(all.filter((_, index) => only?.includes(index) ?? true))
      const store = createZooKeeperStore({
        servers: proxy.servers,
        root,
        sessionTimeoutMs: timeoutMs,
        clock,
        log: testLog,
        ...options,
      })
      // Closing waits, blocking, until the server hangs up, which a proxy of this process cannot pass on meanwhile.
      closers.push(
        async () => proxy.cut(),
        () => store.close(),
        () => proxy.close(),
      )
      return { store, proxy, cut: () => proxy.cut(), heal: () => proxy.heal() }
    },
    connectDirectly() {
      const servers = ensemble.connectString.split(',')
      const store = createZooKeeperStore({ servers, root, sessionTimeoutMs: timeoutMs, clock, log: testLog })
      closers.push(() => store.close())
      return store
    },
    async close() {
      for (const close of closers) await close()
    },
  }
}
