/**
 * The native client of npm `zookeeper`, typed once. Rules that keep it sound, each found by measuring:
 * a client is initialised once and never again (a second init leaks the first session); only the default watcher is used
 * (per-call watchers are never freed); every call gets a function of its own (a shared one aborts the process).
 */
import { createRequire } from 'node:module'

export type NativeStat = {
  readonly czxid: number
  readonly mzxid: number
  readonly version: number
  /** Hex; '0' for a permanent znode. */
  readonly ephemeralOwner: string
}

type Answer<A extends unknown[] = []> = (rc: number, message: string, ...rest: A) => void

/** Each call returns 0 when it was sent, else a return code; then the callback is never called. */
export type NativeClient = {
  init(config: NativeConfig): unknown
  close(): void
  a_create(path: string, data: string, flags: number, answer: Answer<[string]>): number
  a_exists(path: string, watch: boolean, answer: Answer<[NativeStat | null]>): number
  a_get(path: string, watch: boolean, answer: Answer<[NativeStat | null, Buffer | null]>): number
  a_get_children(path: string, watch: boolean, answer: Answer<[string[] | null]>): number
  a_set(path: string, data: string, version: number, answer: Answer<[NativeStat | null]>): number
  a_delete_(path: string, version: number, answer: Answer): number
  /** Not of the published package: see patches/. */
  a_replace(path: string, data: string, version: number, flags: number, answer: Answer): number
  a_sync(path: string, answer: Answer<[string]>): number
  /** Hex, without leading zeros. */
  readonly client_id: string
  readonly client_password: string
  /** Negotiated session timeout in ms. */
  readonly timeout: number
  emit: (event: string, client: unknown, detail: unknown) => void
}

type NativeConfig = {
  readonly connect: string
  readonly timeout: number
  readonly debug_level: number
  readonly host_order_deterministic: boolean
  readonly client_id?: string
  readonly client_password?: string
}

/** What takes up an existing session on a new connection. */
export type Credentials = { readonly id: string; readonly password: string }

/** What a client reports. `close` comes once, last, and not after {@link Connection.close}. */
export type NativeEvents = {
  readonly connect: () => void
  readonly connecting: () => void
  readonly close: (rc: number) => void
  readonly watch: (kind: WatchEvent, path: string) => void
}

export type WatchEvent = 'created' | 'deleted' | 'changed' | 'child'

/** One native client from init to close. */
export type Connection = {
  readonly native: NativeClient
  /** Ends the session when connected, and silences the client. */
  close(): void
}

type ZooKeeperClass = new (config: { connect: string }) => { readonly native: NativeClient }

/** The library would write to standard output and error past our log; the session's transitions are logged by the store. */
const LOG_NOTHING = 0
const WATCH_EVENTS: readonly string[] = ['created', 'deleted', 'changed', 'child']

let loaded: ZooKeeperClass | undefined

/** The class, loaded on first use, so that programs without ZooKeeper do not need the native module. */
function zooKeeperClass(): ZooKeeperClass {
  loaded ??= createRequire(import.meta.url)('zookeeper') as ZooKeeperClass
  return loaded
}

/** Starts a client. Nothing is reported before this returns. */
export function openConnection(
  options: { readonly servers: readonly string[]; readonly timeoutMs: number; readonly attach?: Credentials },
  events: NativeEvents,
): Connection {
  const connect = options.servers.join(',')
  const { native } = new (zooKeeperClass())({ connect })
  let isOpen = true
  native.emit = (event, _client, detail) => {
    if (!isOpen) return
    if (event === 'connect') events.connect()
    else if (event === 'connecting') events.connecting()
    else if (event === 'close') {
      isOpen = false
      events.close(Number(detail))
    } else if (WATCH_EVENTS.includes(event)) events.watch(event as WatchEvent, String(detail))
  }
  native.init({
    connect,
    timeout: options.timeoutMs,
    debug_level: LOG_NOTHING,
    host_order_deterministic: false,
    ...(options.attach && { client_id: options.attach.id, client_password: options.attach.password }),
  })
  return {
    native,
    close() {
      if (!isOpen) return
      isOpen = false
      native.close()
    },
  }
}
