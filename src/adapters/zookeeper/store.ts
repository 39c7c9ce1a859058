/** The connection to a ZooKeeper ensemble: keeps a session, takes it up again when it may live, makes a new one when it is over. */
import { isIP } from 'node:net'
import { type Backoff, backoffDelayMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'
import type { Store, StoreSession } from '../../ports/store.ts'
import { waitConnected } from './connected.ts'
import { type Connection, openConnection } from './native.ts'
import { ZooKeeperSession } from './session.ts'

export type ZooKeeperStoreOptions = {
  /** `address:port` of every server; IP addresses only, because the client resolves names on the event loop. */
  readonly servers: readonly string[]
  /** Absolute path under which the whole tree lives; created when missing. */
  readonly root: string
  readonly sessionTimeoutMs: number
  readonly clock: Clock
  readonly log: Log
  /** Deadline of one operation, default 5000. */
  readonly operationTimeoutMs?: number
  /** How a native client is started; tests put themselves in between. */
  readonly open?: typeof openConnection
}

/** Pause before a new connection after a session was lost or a client gave up. */
const RECONNECT: Backoff = { firstMs: 20, maxMs: 1000 }

/** Starts connecting; use `connected` to wait. @throws PVC_CONFIG_INVALID when a server is not an IP address with a port */
export function createZooKeeperStore(options: ZooKeeperStoreOptions): Store {
  for (const server of options.servers) {
    const address = server.replace(/:\d+$/, '')
    if (address === server || isIP(address.replace(/^\[(.*)\]$/, '$1')) === 0) {
      throw new PvcError('PVC_CONFIG_INVALID', `ZooKeeper server ${server} is not an IP address with a port`)
    }
  }
  return new ZooKeeperStore(options)
}

class ZooKeeperStore implements Store {
  readonly session = new MutableSignal<ZooKeeperSession | undefined>(undefined)
  readonly #options: ZooKeeperStoreOptions
  readonly #prefix: string
  #connection: Connection | undefined
  /** The session that lives on the servers, also before it is published and while it is suspended. */
  #own: ZooKeeperSession | undefined
  #watchdog: Timer | undefined
  #failures = 0
  /** True while our session is being taken up again; one attempt, then the servers' word counts. */
  #isReattaching = false
  #isClosed = false

  constructor(options: ZooKeeperStoreOptions) {
    this.#options = options
    this.#prefix = options.root === '/' ? '' : options.root
    this.#open('new')
  }

  connected(deadlineMs: number): Promise<StoreSession> {
    return waitConnected(this.#options.clock, this.session, deadlineMs)
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    this.#watchdog?.cancel()
    // Not from inside one of the client's own callbacks, where it would pull its data from under itself.
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#connection?.close()
        this.#forget('closed')
        resolve()
      })
    })
  }

  /** Starts a native client. `attach`: it takes up our session, and the servers judge whether that still lives. */
  #open(how: 'new' | 'attach'): void {
    if (this.#isClosed) return
    const { servers, sessionTimeoutMs, clock, open = openConnection } = this.#options
    const own = how === 'attach' ? this.#own : undefined
    const startedAtMs = clock.nowMs()
    const connection: Connection = open(
      { servers, timeoutMs: sessionTimeoutMs, ...(own && { attach: { id: own.id, password: own.password } }) },
      {
        connect: () => this.#onConnect(connection, startedAtMs),
        connecting: () => this.#onConnecting(),
        close: (rc) => this.#onClose(rc),
        watch: (event, path) => this.#own?.fire(event, path),
      },
    )
    this.#connection = connection
    this.#guardConnect()
  }

  /** A client that is not connected within the session timeout is replaced: some failures leave it stuck for ever. */
  #guardConnect(): void {
    this.#watchdog?.cancel()
    const afterMs = this.#own?.timeoutMs ?? this.#options.sessionTimeoutMs
    this.#watchdog = this.#options.clock.setTimer(afterMs, () => {
      this.#options.log.warn({ servers: this.#options.servers, afterMs }, 'no connection to ZooKeeper, trying anew')
      this.#connection?.close()
      this.#own?.detach()
      this.#open(this.#own ? 'attach' : 'new')
    })
  }

  #onConnect({ native }: Connection, startedAtMs: number): void {
    this.#watchdog?.cancel()
    this.#failures = 0
    this.#isReattaching = false
    if (this.#own && this.#own.id !== native.client_id) this.#forget('replaced by the servers')
    if (!this.#own) {
      const { clock, operationTimeoutMs = 5000 } = this.#options
      this.#own = new ZooKeeperSession(native, { clock, operationTimeoutMs, prefix: this.#prefix, startedAtMs })
      this.#options.log.info({ session: this.#own.id, timeoutMs: this.#own.timeoutMs }, 'ZooKeeper session begins')
    } else {
      this.#options.log.info({ session: this.#own.id, from: 'suspended', to: 'connected' }, 'ZooKeeper session')
      this.#own.resume(native)
    }
    void this.#publish(this.#own)
  }

  #onConnecting(): void {
    if (this.#own?.state.value === 'connected') {
      this.#options.log.warn({ session: this.#own.id, from: 'connected', to: 'suspended' }, 'ZooKeeper session')
      this.#own.suspend()
    }
    this.#guardConnect()
  }

  /** The client says that the session is over. It can be wrong, so a session that can still live is tried once more. */
  #onClose(rc: number): void {
    this.#watchdog?.cancel()
    this.#connection = undefined
    const own = this.#own
    const { clock, log } = this.#options
    if (own && !this.#isReattaching && clock.nowMs() < own.lastAckMs + own.timeoutMs) {
      log.warn({ session: own.id, rc }, 'ZooKeeper client reports the session as over, asking the servers')
      this.#isReattaching = true
      own.detach()
      this.#openLater('attach')
      return
    }
    this.#isReattaching = false
    this.#forget(`ended by the servers (${rc})`)
    this.#openLater('new')
  }

  #openLater(how: 'new' | 'attach'): void {
    this.#failures += 1
    this.#watchdog = this.#options.clock.setTimer(backoffDelayMs(RECONNECT, this.#failures), () => this.#open(how))
  }

  #forget(reason: string): void {
    const own = this.#own
    if (!own) return
    this.#own = undefined
    this.#options.log.info({ session: own.id, from: own.state.value, to: 'lost', reason }, 'ZooKeeper session')
    own.lose()
    this.session.set(undefined)
  }

  /** Shows the session to others once the root of the tree exists. */
  async #publish(own: ZooKeeperSession): Promise<void> {
    if (this.session.value === own) return
    try {
      await own.ensureRoot()
    } catch (error) {
      // The next connect tries again; a connection that stays up answers, or is cut by its own timeout.
      this.#options.log.warn({ session: own.id, error: errorChain(error) }, 'cannot create the root of the tree')
      if (own.state.value === 'connected') this.#retryPublish(own)
      return
    }
    if (this.#own === own && own.state.value === 'connected') this.session.set(own)
  }

  #retryPublish(own: ZooKeeperSession): void {
    this.#failures += 1
    this.#options.clock.setTimer(backoffDelayMs(RECONNECT, this.#failures), () => {
      if (this.#own === own && own.state.value === 'connected') void this.#publish(own)
    })
  }
}
