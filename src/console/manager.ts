/** Which consoles this node keeps: those of the VMs whose run record it holds. */
import { Reconciler } from '../base/reconciler.ts'
import { isVmSpec } from '../model/domain.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import { VmUuid } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { ByteBudget } from './budget.ts'
import type { ConsoleDeps } from './deps.ts'
import type { Followers } from './followers.ts'
import { GuestConsole } from './guest-console.ts'

const RESCAN_MS = 30_000
const RETRY_MS = 1000

/** What is wanted of a console here. */
type Wanted = { readonly seq: number; readonly lines: number }

export type ConsoleManager = {
  /** Writes what was read and stops; guests run on. */
  stop(): Promise<void>
}

/** Keeps a console for every VM that is here, and gives it up when the VM ends or goes. */
export function createConsoleManager(deps: ConsoleDeps, budget: ByteBudget, followers: Followers): ConsoleManager {
  const consoles = new Map<VmUuid, GuestConsole>()
  const ending = new Set<VmUuid>()
  /** Streams that were emptied because nothing is to be kept of them. */
  const cleared = new Set<VmUuid>()
  const log = deps.log.child({ component: 'console' })

  function wanted(uuid: VmUuid): Wanted | undefined {
    const keys = tree.vm(uuid)
    const status = deps.index.get(keys.status)?.value
    if (status?.run?.node !== deps.self || status.run.holder !== null) return undefined
    const spec = deps.index.get(keys.spec)?.value
    if (!isVmSpec(spec)) return undefined
    return { seq: status.seq, lines: spec.meta.consoleLines ?? deps.settings.lines }
  }

  function end(uuid: VmUuid, console: GuestConsole): void {
    const run = deps.index.get(tree.vm(uuid).status)?.value.run
    const isElsewhere = run !== null && run !== undefined && run.node !== deps.self
    ending.add(uuid)
    void console.end(isElsewhere ? 'console' : 'line').finally(() => {
      consoles.delete(uuid)
      ending.delete(uuid)
      loop.trigger()
    })
  }

  async function settle(uuid: VmUuid): Promise<void> {
    if (ending.has(uuid)) return
    const wish = wanted(uuid)
    const present = consoles.get(uuid)
    if (present !== undefined && (wish === undefined || wish.seq !== present.seq || wish.lines === 0)) {
      end(uuid, present)
    } else if (present !== undefined && wish !== undefined) present.keep(wish.lines)
    else if (wish !== undefined && wish.lines > 0) open(uuid, wish)
    else if (wish !== undefined && !cleared.has(uuid)) await clear(uuid)
  }

  function open(uuid: VmUuid, { seq, lines }: Wanted): void {
    cleared.delete(uuid)
    const isFollowed = () => followers.has(`vm-${uuid}`)
    consoles.set(uuid, new GuestConsole({ deps: { ...deps, log }, uuid, seq, lines, isFollowed, budget }))
  }

  /** A console that is switched off leaves nothing behind. */
  async function clear(uuid: VmUuid): Promise<void> {
    const session = deps.session()
    if (session === undefined) return
    await removeStream(session, tree.vm(uuid).console.segments.path)
    cleared.add(uuid)
  }

  const loop = new Reconciler({
    clock: deps.clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      const known = deps.index.children(tree.vms.path).flatMap((name) => VmUuid.safeParse(name).data ?? [])
      for (const uuid of new Set([...known, ...consoles.keys()])) await settle(uuid)
      return {}
    },
    onError: (error) => {
      if (!(error instanceof PvcError)) throw error
      log.debug({ error: errorChain(error) }, 'looking after consoles failed, trying again')
    },
  })
  const byPath = (path: string) => [...consoles.values()].filter((console) => path.startsWith(console.path ?? '\0'))
  const stops = [
    deps.index.isReady.subscribe(() => loop.trigger()),
    deps.index.onChange((changes) => {
      if ([...changes.keys()].some((path) => path.startsWith(tree.vms.path))) loop.trigger()
    }),
    deps.hypervisor.subscribe((event) => {
      if (event.kind === 'domain' && event.event === 'started') consoles.get(event.uuid)?.started()
    }),
    deps.files.watch((path) => {
      for (const console of path === undefined ? consoles.values() : byPath(path)) console.changed()
    }),
    followers.onChange(() => {
      for (const [uuid, console] of consoles) if (followers.has(`vm-${uuid}`)) console.followed()
    }),
  ]
  if (deps.index.isReady.value) loop.trigger()
  return {
    async stop() {
      for (const stop of stops) stop()
      await loop.stop()
      await Promise.all([...consoles.values()].map((console) => console.end(undefined)))
    },
  }
}

/** Removes a stream with all its segments. */
async function removeStream(session: StoreSession, path: string): Promise<void> {
  for (const name of (await session.children(path)) ?? []) await removeIfThere(session, `${path}/${name}`)
  await removeIfThere(session, path)
}

async function removeIfThere(session: StoreSession, path: string): Promise<void> {
  try {
    await session.remove(path)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
  }
}
