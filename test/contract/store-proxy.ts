/** TCP proxies between one client and the servers, so that a test can cut this client off and nobody else. */
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'

/** One client's way to an ensemble. */
export type StoreProxy = {
  /** `address:port` of each proxy, in the order of the servers. */
  readonly servers: readonly string[]
  /** Breaks every connection and refuses new ones. */
  cut(): void
  /** Keeps connections and accepts new ones, and passes nothing on: a network that swallows packets. */
  mute(): void
  heal(): void
  /** Index of the server the client is connected to. */
  current(): number | undefined
  close(): Promise<void>
}

type Mode = 'open' | 'cut' | 'mute'
type Pair = { readonly server: number; readonly near: Socket; far: Socket | undefined }

/** Opens a proxy on a loopback port for each of `servers` (`address:port`). */
export async function openStoreProxy(servers: readonly string[]): Promise<StoreProxy> {
  let mode: Mode = 'open'
  const pairs = new Set<Pair>()
  const end = (pair: Pair) => {
    pairs.delete(pair)
    pair.near.destroy()
    pair.far?.destroy()
  }
  const accept = (near: Socket, server: number, target: string) => {
    const pair: Pair = { server, near, far: undefined }
    near.on('error', () => end(pair))
    near.on('close', () => end(pair))
    if (mode === 'cut') return near.resetAndDestroy()
    pairs.add(pair)
    // A muted connection stays silent for ever, as when the first packet was lost and the peer gave up.
    if (mode === 'mute') return
    const [host = '', port = ''] = target.split(':')
    const far = createConnection({ host, port: Number(port) })
    pair.far = far
    far.on('error', () => end(pair))
    far.on('close', () => end(pair))
    near.pipe(far).pipe(near)
  }
  const listeners = await Promise.all(servers.map((target, index) => listen((near) => accept(near, index, target))))
  return {
    servers: listeners.map((listener) => `127.0.0.1:${(listener.address() as AddressInfo).port}`),
    cut() {
      mode = 'cut'
      for (const pair of [...pairs]) end(pair)
    },
    mute() {
      mode = 'mute'
      for (const { near, far } of pairs) {
        near.unpipe()
        far?.unpipe()
      }
    },
    heal() {
      // What was swallowed is gone for good: such a connection can only be broken.
      if (mode === 'mute') for (const pair of [...pairs]) end(pair)
      mode = 'open'
    },
    current: () => [...pairs].find(({ far }) => far?.readyState === 'open')?.server,
    async close() {
      for (const pair of [...pairs]) end(pair)
      await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))))
    },
  }
}

function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection)
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
