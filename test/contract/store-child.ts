/**
 * A process that holds a session and is then frozen by its parent. As soon as it runs again it does what a daemon in the
 * middle of a decision would do: it writes in the session in which it decided.
 * argv: servers, root, session timeout in ms. Speaks to its parent over the IPC channel and ends with it.
 */
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { codeOf, note } from './store-note.ts'
import { testLog } from './store-world.ts'

/** What the child tells. */
export type ChildMessage =
  | { readonly event: 'ready'; readonly session: string }
  | { readonly event: 'woke'; readonly leaseMs: number; readonly code: string | undefined }
  | { readonly event: 'again'; readonly session: string; readonly old: string }

function tell(message: ChildMessage): void {
  process.send?.(message)
}

const [servers = '', root = '', timeoutMs = ''] = process.argv.slice(2)
process.on('disconnect', () => process.exit(0))
const clock = createSystemClock()
const store = createZooKeeperStore({
  servers: servers.split(','),
  root,
  sessionTimeoutMs: Number(timeoutMs),
  clock,
  log: testLog,
})
const session = await store.connected(10_000)
await session.create(note('/frozen'), { n: 1 }, 'ephemeral')
const document = await session.get(note('/document'))

function follow(): void {
  const next = store.session.value
  if (next && next !== session) tell({ event: 'again', session: next.id, old: session.state.value })
}

let lastMs = clock.nowMs()
const watch = setInterval(() => {
  const nowMs = clock.nowMs()
  const hasSlept = nowMs - lastMs > 1000
  lastMs = nowMs
  if (!hasSlept) return
  clearInterval(watch)
  const leaseMs = session.leaseValidForMs()
  void codeOf(session.set(note('/document'), { n: 99 }, document?.version ?? 0)).then((code) => {
    tell({ event: 'woke', leaseMs, code })
    follow()
    store.session.subscribe(follow)
  })
}, 20)
tell({ event: 'ready', session: session.id })
